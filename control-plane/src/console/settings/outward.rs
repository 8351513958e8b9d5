//! What others see: the response to blocked requests, and channels that are told of leaks; and policies, which decide for people.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use stopleak_detector::Risk;

use super::change::{TheApp, after, id, invalid};
use super::page;
use crate::api;
use crate::api::input::{Body, IdInPath, IfMatch, IfMatchTag};
use crate::api::notifications::{AddChannel, ChangeChannel};
use crate::api::policies::AddPolicy;
use crate::api::problem::Answer;
use crate::api::responses::{NamedValue, Wanted};
use crate::attempts::Life;
use crate::console::forms::{Form, Pairs};
use crate::console::frame::Frame;
use crate::console::page::Page;
use crate::console::words;
use crate::leaks::Action;
use crate::notifications::Kind;
use crate::people::Caller;
use crate::secret::SecretText;

pub(crate) async fn response(State(app): TheApp, caller: Caller, frame: Frame, Form(form): Form) -> Answer<Response> {
    let state = State(Arc::clone(&app));
    let done = if form.has("change", "reset") {
        api::responses::reset(state, caller.clone(), IfMatch(None)).await.map(drop)
    } else {
        match wanted(&form) {
            Ok(wanted) => api::responses::choose(state, caller.clone(), IfMatch(None), Body(wanted)).await.map(drop),
            Err(problem) => Err(problem),
        }
    };
    after(&app, &caller, frame, form, done, "response").await
}

pub(crate) async fn add_policy(State(app): TheApp, caller: Caller, frame: Frame, Form(form): Form) -> Answer<Response> {
    let number = |name: &str| form.get(name).and_then(|days| days.parse().ok());
    let asked = AddPolicy {
        name: form.text("name").to_owned(),
        action: if form.has("action", Action::Close.as_str()) { Action::Close } else { Action::ApplyVirtualPatch },
        rule: form.get("rule").map(str::to_owned),
        own_format: None,
        risk: risk(&form),
        life: [Life::Alive, Life::Dead, Life::Unseen].into_iter().find(|life| form.has("life", life.as_str())),
        life_days: number("life_days"),
        age_days: number("age_days"),
    };
    let done = api::policies::add(State(Arc::clone(&app)), caller.clone(), Body(asked)).await.map(drop);
    after(&app, &caller, frame, form, done, "policies").await
}

/// The page that follows is the only one that shows a webhook's secret.
pub(crate) async fn add_channel(State(app): TheApp, caller: Caller, frame: Frame, Form(form): Form) -> Answer<Response> {
    let kind = [Kind::Webhook, Kind::Slack, Kind::Email].into_iter().find(|kind| form.has("kind", kind.as_str()));
    let address = form.text("address").trim();
    let is_email = kind == Some(Kind::Email);
    let asked = AddChannel {
        name: form.text("name").to_owned(),
        kind: kind.ok_or_else(|| invalid("kind", "is not one of the kinds"))?,
        url: (!is_email).then(|| SecretText::from(address.to_owned())),
        recipients: is_email.then(|| address.split([',', ' ', ';']).filter(|part| !part.is_empty()).map(str::to_owned).collect()),
        events: None,
        min_risk: risk(&form),
        enabled: None,
    };
    match api::notifications::add(State(Arc::clone(&app)), caller.clone(), Body(asked)).await {
        Ok(added) => {
            let added = added.into_body();
            let Some(secret) = added.secret else { return after(&app, &caller, frame, form, Ok(()), "channels").await };
            let mut page = page(&app, &caller, frame, Pairs::default(), None).await?;
            page.new_secret = Some((added.channel.name, secret));
            Ok(Page(page).into_response())
        }
        Err(problem) => after(&app, &caller, frame, form, Err(problem), "channels").await,
    }
}

/// Switches one on or off, tests it, or removes it.
pub(crate) async fn channel(State(app): TheApp, caller: Caller, frame: Frame, Form(form): Form) -> Answer<Response> {
    let (state, id) = (State(Arc::clone(&app)), IdInPath(id(&form, "channel")?));
    let done = match form.text("change") {
        "remove" => api::notifications::remove(state, caller.clone(), id).await.map(drop),
        "test" => api::notifications::test(state, caller.clone(), id).await.map(drop),
        change => {
            let asked = Body(ChangeChannel { enabled: Some(change == "enable"), ..ChangeChannel::default() });
            api::notifications::change(state, caller.clone(), id, IfMatchTag::any(), asked).await.map(drop)
        }
    };
    after(&app, &caller, frame, form, done, "channels").await
}

fn wanted(form: &Pairs) -> Answer<Wanted> {
    let status = form.text("status").parse().map_err(|_| invalid("status", "is not a status of HTTP"))?;
    let header = |line: &str| {
        let (name, value) = line.split_once(':').ok_or_else(|| invalid("headers", "write each as name: value"))?;
        Ok(NamedValue { name: name.trim().to_owned(), value: value.trim().to_owned() })
    };
    let lines = form.text("headers").lines().map(str::trim).filter(|line| !line.is_empty());
    Ok(Wanted {
        status,
        content_type: form.text("content_type").to_owned(),
        headers: lines.map(header).collect::<Answer<_>>()?,
        // Forms have line ends of their own.
        body: form.text("body").replace("\r\n", "\n"),
    })
}

fn risk(form: &Pairs) -> Option<Risk> {
    words::RISKS.into_iter().find(|risk| form.has("risk", risk.as_str()))
}
