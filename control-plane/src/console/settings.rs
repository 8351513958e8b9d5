//! Settings: of the tenant, its people and their tokens, guard rails, policies, and what gateways answer.

mod change;
mod outward;

pub(crate) use change::{
    add_api_token, add_user, begin_pause, change_tenant, closed_leaks, end_pause, policy, revoke_api_token, user,
    waive_second_approver, want_second_approver,
};
pub(crate) use outward::{add_channel, add_policy, channel, response};

use std::sync::Arc;

use axum::extract::State;
use stopleak_contract::settings::Response;

use super::forms::Pairs;
use super::frame::Frame;
use super::page::Page;
use super::{filters, icons, words};
use crate::api::problem::{Answer, Shown};
use crate::api::rights::Right;
use crate::api_tokens::{self, ApiToken};
use crate::app::App;
use crate::leaks::{self, Action, ClosedLeaks};
use crate::notifications::{self, Channel};
use crate::pauses::{self, Pause};
use crate::people::users::{self, User};
use crate::people::{Caller, Role};
use crate::policies::{self, Policy};
use crate::responses;
use crate::tenants::{self, TenantView};
use crate::time::Time;

/// The page.
#[derive(askama::Template)]
#[template(path = "settings/settings.html")]
pub(crate) struct Settings {
    frame: Frame,
    tenant: TenantView,
    pause: Option<Pause>,
    second_approver: bool,
    closed_leaks: ClosedLeaks,
    /// What a blocked request is answered, and whether somebody chose it.
    response: (Response, bool),
    policies: Vec<Policy>,
    users: Vec<User>,
    api_tokens: Vec<ApiToken>,
    channels: Vec<Channel>,
    with_sso: bool,
    /// What was filled in before something came in between.
    form: Pairs,
    /// Why it was not changed.
    wrong: Option<Shown>,
    /// An API token, which is shown this once.
    new_token: Option<(String, String)>,
    /// The same of a channel's secret.
    new_secret: Option<(String, String)>,
}

const CONTENT_TYPE: &str = "content-type";

pub(crate) async fn show(State(app): State<Arc<App>>, caller: Caller, frame: Frame) -> Answer<Page<Settings>> {
    page(&app, &caller, frame, Pairs::default(), None).await.map(Page)
}

async fn page(app: &Arc<App>, caller: &Caller, frame: Frame, form: Pairs, wrong: Option<Shown>) -> Answer<Settings> {
    let (tenant, now) = (caller.tenant.id, Time::now());
    let mut db = app.store.read().await?;
    let mut api_tokens = api_tokens::list(&mut db, tenant).await?;
    api_tokens.retain(|token| token.revoked_at.is_none());
    let chosen = responses::current(&mut db, tenant).await?.response;
    Ok(Settings {
        frame,
        tenant: tenants::view(&mut db, tenant).await?,
        pause: pauses::current(&mut db, tenant, now).await?,
        second_approver: tenants::second_approver(&mut db, tenant).await?,
        closed_leaks: leaks::closed_leaks(&mut db, tenant).await?,
        response: (chosen.clone().unwrap_or_default(), chosen.is_some()),
        policies: policies::list(&mut db, tenant).await?,
        users: users::list(&mut db, tenant).await?,
        api_tokens,
        channels: notifications::list(&mut db, tenant).await?,
        with_sso: app.sso.is_some(),
        form,
        wrong,
        new_token: None,
        new_secret: None,
    })
}

impl Settings {
    fn may(&self, right: Right) -> bool {
        self.frame.may(right)
    }

    /// What the reader may make of somebody.
    fn roles(&self) -> Vec<Role> {
        Role::ALL.into_iter().filter(|role| self.frame.role.may_give(*role)).collect()
    }

    /// Which leaks a policy is about.
    fn conditions(policy: &Policy) -> String {
        let mut parts = Vec::new();
        parts.extend(policy.risk.as_deref().map(|risk| format!("risk {risk}")));
        parts.extend(policy.rule.as_deref().map(|rule| format!("rule {rule}")));
        parts.extend(policy.own_format.map(|own| if own == 0 { "a format of others" } else { "a format of ours" }.to_owned()));
        parts.extend(policy.life.map(|life| match policy.life_days {
            Some(days) => format!("{} for {days} days", life.as_str()),
            None => life.as_str().to_owned(),
        }));
        parts.extend(policy.age_days.map(|days| format!("found {days} days ago or earlier")));
        parts.join(", ")
    }

    fn content_type(&self) -> &str {
        let of = |(name, _): &&(String, String)| name == CONTENT_TYPE;
        self.response.0.headers.iter().find(of).map_or("", |(_, value)| value.as_str())
    }

    /// The others, a line each.
    fn headers(&self) -> String {
        let others = self.response.0.headers.iter().filter(|(name, _)| name != CONTENT_TYPE);
        others.map(|(name, value)| [name, ": ", value, "\n"].concat()).collect()
    }

    fn body(&self) -> String {
        String::from_utf8_lossy(&self.response.0.body).into_owned()
    }
}
