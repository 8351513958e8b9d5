//! Gateways: which are connected, which index each has, and what is wrong with them.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;

use super::forms::Pairs;
use super::frame::Frame;
use super::page::Page;
use super::{filters, icons, words};
use crate::api;
use crate::api::gateways::{GatewayList, GatewayView};
use crate::api::problem::Answer;
use crate::app::App;
use crate::people::Caller;

/// The list.
#[derive(askama::Template)]
#[template(path = "gateways.html")]
pub(crate) struct Gateways {
    frame: Frame,
    list: GatewayList,
}

/// As many as the API gives at once; a fleet has fewer credentials.
const PAGE: u32 = 1000;

pub(crate) async fn show(app: State<Arc<App>>, caller: Caller, frame: Frame) -> Answer<Page<Gateways>> {
    let query = Pairs::default().with("limit", PAGE).with("revoked", false).read()?;
    let Json(list) = api::gateways::list(app, caller, api::input::Asked(query)).await?;
    Ok(Page(Gateways { frame, list }))
}

impl Gateways {
    /// How it is, in a word, and what that looks like.
    fn state(gateway: &GatewayView) -> (&'static str, &'static str) {
        let state = &gateway.state;
        match (state.connected, state.refuses, state.is_behind()) {
            (false, ..) => ("false", "Not connected"),
            (_, true, _) => ("bad", "Refuses pushes"),
            (_, _, true) => ("wait", "Behind"),
            _ => ("good", "In sync"),
        }
    }

    fn number(number: Option<u64>) -> String {
        number.map_or("–".to_owned(), |number| filters::group(&number.to_string()))
    }
}
