//! What is around every page: where one is, who one is, and where one may go.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use super::words;
use crate::api::cookie;
use crate::api::problem::Problem;
use crate::api::rights::Right;
use crate::app::App;
use crate::people::{Caller, Role, Who};
use crate::tenants;

/// The frame of a page.
pub(crate) struct Frame {
    /// Whose pages these are.
    pub(super) tenant: String,
    /// What people call it.
    pub(super) tenant_title: String,
    /// The others, for those who may go there.
    pub(super) tenants: Vec<(String, String)>,
    pub(super) user: String,
    pub(super) role: Role,
    /// What a form sends along.
    pub(super) csrf: String,
    /// The part of the path behind the tenant.
    here: String,
}

/// The path of a tenant's page: `leaks/7`; the overview has none of its own.
pub(super) fn path(tenant: &str, page: &str) -> String {
    if page.is_empty() { format!("/t/{tenant}") } else { format!("/t/{tenant}/{page}") }
}

impl Frame {
    /// The path of a page.
    pub(super) fn to(&self, page: &str) -> String {
        path(&self.tenant, page)
    }

    /// Whether this is the page, or one below it.
    pub(super) fn is_at(&self, page: &str) -> bool {
        self.here.split('/').next() == Some(page)
    }

    /// Whether the caller may decide: whoever may not does not see how.
    pub(super) fn decides(&self) -> bool {
        self.may(Right::Decide)
    }

    /// Whether the caller's role has this right.
    pub(super) fn may(&self, right: Right) -> bool {
        right.roles().contains(&self.role)
    }

    pub(super) fn role_name(&self) -> &'static str {
        words::role(self.role)
    }
}

impl FromRequestParts<Arc<App>> for Frame {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let caller = Caller::from_request_parts(parts, app).await?;
        let mut db = app.store.read().await?;
        let tenant = tenants::view(&mut db, caller.tenant.id).await?;
        let tenants = if caller.role.is_global() { tenants::views(&mut db).await? } else { Vec::new() };
        let session = app.site.session(&parts.headers).filter(|_| matches!(caller.who, Who::User { .. }));
        let here = parts.uri.path().split('/').skip(3).collect::<Vec<_>>().join("/");
        Ok(Self {
            tenant: tenant.name,
            tenant_title: tenant.title,
            tenants: tenants.into_iter().map(|tenant| (tenant.name, tenant.title)).collect(),
            user: caller.name,
            role: caller.role,
            csrf: session.map(|secret| cookie::csrf_token(&secret)).unwrap_or_default(),
            here,
        })
    }
}
