//! `stopleak openapi`

use clap::Args;

use super::Fault;
use super::table;
use crate::api::openapi;

/// Print the description of the API in OpenAPI 3.1
#[derive(Args)]
#[command(after_help = "\
Examples:
  stopleak openapi > docs/openapi.json

A server has the same at /api/v1/openapi.json, and a page to read it at /api/docs.")]
pub(super) struct OpenApi {}

impl OpenApi {
    #[expect(clippy::unused_self, reason = "as every command")]
    pub(super) fn run(self) -> Result<(), Fault> {
        table::print(openapi::text().trim_end())
    }
}
