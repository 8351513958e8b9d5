//! Attempts: uses of leaked tokens, as gateways report them.
//!
//! A gateway sends a batch until it is acknowledged; each attempt is stored once, by its id. The full fingerprint of every attempt
//! is compared with the tokens here, because the index at the gateway compares only a part of it. Of each tenant, the newest
//! attempts are kept, up to a limit. What they say is written down in the same transaction: whether the token still works, whether
//! the client is a new one, and that a closed leak is not over.

mod intake;
mod signs;
mod clients;
mod groups;

pub use clients::MAX_CLIENTS;
pub use groups::{By, Group, groups};
pub use intake::{place, store_batch};
pub use signs::{Life, WINDOW};

use std::borrow::Cow;
use std::num::TryFromIntError;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use stopleak_contract::index::LeakNumber;

use crate::leaks::leak_id;
use crate::store::{Connection, Page, Sql, text_enum};
use crate::tenants::TenantId;
use crate::time::Time;

/// What the gateway did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Let it pass.
    Observed,
    /// Refused it.
    Blocked,
}

text_enum!(Outcome { Observed = "observed", Blocked = "blocked" });

/// An attempt in a list.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema, sqlx::FromRow)]
#[schemars(rename = "Attempt")]
pub struct AttemptView {
    /// Its place in the order of arrival.
    pub id: i64,
    /// `LK-7`.
    #[sqlx(try_from = "i64")]
    pub leak: LeakId,
    /// The preview of the token.
    pub token: String,
    /// What the gateway did.
    pub outcome: Outcome,
    /// Where in the request the token was.
    #[schemars(extend("enum" = ["authorization", "header", "cookie", "query", "path", "body"]))]
    pub place: String,
    /// The header's name, when the place is a header.
    pub header: Option<String>,
    /// The client's address.
    pub client: String,
    /// Of the request.
    pub method: String,
    /// Of the request.
    pub host: String,
    /// Of the request, without the query.
    pub path: String,
    /// Of the upstream's answer.
    pub status: Option<i64>,
    /// The first use that is counted here.
    pub first_seen_at: Time,
    /// The last use that is counted here.
    pub last_seen_at: Time,
    /// How many uses.
    pub count: i64,
    /// The gateway's name.
    pub gateway: String,
}

/// A leak's number, shown as `LK-7`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeakId(LeakNumber);

/// Which attempts are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Filter {
    /// Of this leak.
    pub leak: Option<LeakNumber>,
    /// With this outcome.
    pub outcome: Option<Outcome>,
    /// By their `id`.
    pub page: Page,
}

/// What became of a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stored {
    /// Uses that passed, without those stored before.
    pub observed: u64,
    /// Uses that were refused, without those stored before.
    pub blocked: u64,
    /// Attempts whose fingerprint belongs to another leak or to none.
    pub false_matches: u64,
    /// Attempts that cannot be read.
    pub malformed: u64,
    /// The first of the false matches: the leak that the gateway named, and whose the token is.
    pub false_match: Option<(LeakNumber, Option<LeakNumber>)>,
    /// The new epoch, when a closed leak was reopened.
    pub epoch: Option<i64>,
}

/// Attempts that are kept of one tenant, unless the configuration says otherwise: some 500 MB. Whoever holds a leaked token can
/// make as many as they like.
pub const MAX_ATTEMPTS: u64 = 1_000_000;

/// The attempts that the filter wants.
pub async fn list(db: &mut Connection, tenant: TenantId, filter: &Filter) -> Result<Vec<AttemptView>, sqlx::Error> {
    // Only what is asked for is in the query: each set of filters has an index of its own.
    let mut sql = Sql::new(
        "SELECT a.id, a.leak, t.preview AS token, a.outcome, a.place, nullif(a.header, '') AS header, a.client, a.method,
                a.host, a.path, a.status, a.first_seen_at, a.last_seen_at, a.count, g.name AS gateway
         FROM attempts a JOIN tokens t ON t.id = a.token_id JOIN gateways g ON g.id = a.gateway_id WHERE a.tenant_id = ",
    );
    sql.int(tenant.0);
    if let Some(leak) = filter.leak {
        sql.push(" AND a.leak = ").int(leak.into());
    }
    if let Some(outcome) = filter.outcome {
        sql.push(" AND a.outcome = ").text(outcome.as_str());
    }
    sql.page("a.id", &filter.page);
    sql.fetch_all(db).await
}

impl TryFrom<i64> for LeakId {
    type Error = TryFromIntError;

    fn try_from(stored: i64) -> Result<Self, TryFromIntError> {
        stored.try_into().map(Self)
    }
}

impl std::fmt::Display for LeakId {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(&leak_id(self.0))
    }
}

impl Serialize for LeakId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl JsonSchema for LeakId {
    fn schema_name() -> Cow<'static, str> {
        "LeakId".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "pattern": "^LK-[0-9]+$"})
    }
}
