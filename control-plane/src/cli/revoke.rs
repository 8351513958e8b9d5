//! Taking back what somebody got to prove who they are: the same for all that has a name.

use clap::Args;
use serde_json::Value;

use super::Fault;
use super::client::Remote;
use super::table::{self, cell, items};

#[derive(Args)]
pub(super) struct Revoke {
    /// Its name or number
    #[arg(value_name = "NAME")]
    wanted: String,
    #[command(flatten)]
    remote: Remote,
}

impl Revoke {
    /// Of those that are in force in the collection, such as `webhooks`, which are called so in messages.
    pub(super) fn run(self, collection: &str, noun: &str) -> Result<(), Fault> {
        let client = self.remote.client()?;
        let list = client.all(&format!("/{collection}"), collection)?;
        let is_wanted =
            |one: &&Value| one["revoked_at"].is_null() && (one["name"] == self.wanted || cell(one, "id") == self.wanted);
        let found = items(&list, collection).iter().find(is_wanted).ok_or_else(|| {
            Fault::Refused(format!("there is no {noun} {:?} in force; see `stopleak {noun} list`", self.wanted))
        })?;
        client.delete(&format!("/{collection}/{}", found["id"]))?;
        if self.remote.json {
            return Ok(());
        }
        table::print(&format!("{} is revoked", cell(found, "name")))
    }
}
