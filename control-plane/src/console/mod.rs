//! The console: what people see of Stopleak in their browsers.
//!
//! Pages are rendered here, by templates that are checked when this is compiled, and work without scripts; scripts make them quicker.
//! A page asks and changes what the [API](crate::api) does, by the same functions and the same
//! [table of rights](crate::api::rights): [`browsers::for_browsers`] makes of its refusals pages, and of a form's token the header that
//! the API wants. The URL says everything about what is shown: the tenant, the filters, the order.

pub(crate) mod assets;
mod browsers;
mod filters;
mod forms;
mod frame;
mod icons;
mod page;
mod words;

mod chart;
pub(crate) mod add;
pub(crate) mod attempts;
pub(crate) mod audit;
pub(crate) mod gateways;
pub(crate) mod leak;
pub(crate) mod leaks;
pub(crate) mod overview;
pub(crate) mod scans;
pub(crate) mod settings;
pub(crate) mod sign_in;
pub(crate) mod sources;
pub(crate) mod try_it;

pub(crate) use browsers::for_browsers;

use axum::response::Redirect;

use crate::people::Caller;

/// Everybody begins with the overview of their own tenant.
pub(crate) async fn home(caller: Caller) -> Redirect {
    Redirect::to(&frame::path(&caller.tenant.name, ""))
}
