//! Saved lists: the conditions and the order of one, under a name.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Redirect;

use super::filter;
use crate::api::input::line;
use crate::api::leaks::say;
use crate::api::problem::{Answer, Problem};
use crate::app::App;
use crate::console::forms::{Asked, Form};
use crate::console::frame::Frame;
use crate::people::{Caller, Who};
use crate::saved_views::{self, MOST, Owner, SavedView};
use crate::store::Connection;

const PAGE: &str = "leaks";
const LONGEST_NAME: usize = 60;

/// Those of the reader; programs have none.
pub(super) async fn list(db: &mut Connection, caller: &Caller) -> Result<Vec<SavedView>, sqlx::Error> {
    match owner(caller) {
        Some(owner) => saved_views::list(db, owner).await,
        None => Ok(Vec::new()),
    }
}

/// Saves the list that the form stands on.
pub(crate) async fn save(
    State(app): State<Arc<App>>,
    caller: Caller,
    frame: Frame,
    Asked(asked): Asked,
    Form(form): Form,
) -> Answer<Redirect> {
    let owner = owner(&caller).ok_or(Problem::NotFound { what: "person" })?;
    let asked = asked.only(filter::KEPT);
    let name = say(&app, &caller, "name", line("name", form.text("name"), LONGEST_NAME)?).await?;
    say(&app, &caller, "text", asked.text("text").to_owned()).await?;
    let view = SavedView { name, query: asked.to_string() };
    let mut db = app.store.write().await?;
    if !saved_views::save(&mut db, owner, &view).await? {
        return Err(Problem::Invalid { field: "name", detail: format!("is one too many: {MOST} lists are saved at most") });
    }
    db.commit().await?;
    Ok(Redirect::to(&filter::link(&frame.to("leaks"), &asked)))
}

pub(crate) async fn forget(
    State(app): State<Arc<App>>,
    caller: Caller,
    frame: Frame,
    Asked(asked): Asked,
    Form(form): Form,
) -> Answer<Redirect> {
    let owner = owner(&caller).ok_or(Problem::NotFound { what: "person" })?;
    let mut db = app.store.write().await?;
    saved_views::remove(&mut db, owner, form.text("name")).await?;
    db.commit().await?;
    Ok(Redirect::to(&filter::link(&frame.to("leaks"), &asked.only(filter::KEPT))))
}

fn owner(caller: &Caller) -> Option<Owner> {
    match caller.who {
        Who::User { user, .. } => Some(Owner { tenant: caller.tenant.id, user, page: PAGE }),
        Who::ApiToken(_) | Who::System => None,
    }
}
