//! The audit log: who did what to which object, when, from where, and what it was before and after.
//!
//! [`record`] is called in the transaction of the change, so that neither is there without the other. Entries are numbered without
//! gaps for each tenant, never changed, and chained by their hashes (`chain`): whoever remembers one hash can tell whether anything up
//! to it was changed since.

mod chain;
mod list;

pub use chain::{Broken, CONTEXT, Entry, Head, Verifier, entry_hash};
pub use list::{Actor, AuditFilter, AuditView, head, list, page_after};

use serde::Serialize;
use serde_json::Value;

use crate::people::Caller;
use crate::store::Connection;
use crate::time::Time;

/// Longest state that is kept as it is: a list of many thousand objects would make the log larger than what it is about.
const MAX_STATE: usize = 16 * 1024;

/// Writes an entry down, in the transaction of the change that it tells of.
///
/// `action` is spelt `noun.verb`, such as `gateway.add`; `object` is `noun/key`, such as `gateway/7`. `before` and `after` are what
/// people see of the object, `None` when there was or is nothing. They must hold no secret and no token.
pub async fn record(
    db: &mut Connection,
    caller: &Caller,
    action: &'static str,
    object: &str,
    before: Option<Value>,
    after: Option<Value>,
) -> Result<(), sqlx::Error> {
    let tenant = &caller.tenant;
    let number: i64 =
        sqlx::query_scalar("UPDATE tenants SET audit_number = audit_number + 1 WHERE id = $1 RETURNING audit_number")
            .bind(tenant.id)
            .fetch_one(&mut *db)
            .await?;
    let previous: Option<Vec<u8>> = sqlx::query_scalar("SELECT hash FROM audit WHERE tenant_id = $1 AND number = $2")
        .bind(tenant.id)
        .bind(number - 1)
        .fetch_optional(&mut *db)
        .await?;
    let entry = Entry {
        number,
        at: Time::now(),
        actor_kind: caller.who.kind().to_owned(),
        actor_id: caller.who.id(),
        actor: caller.name.clone(),
        role: caller.role.as_str().to_owned(),
        address: caller.address.map(|address| address.to_string()).unwrap_or_default(),
        action: action.to_owned(),
        object: object.to_owned(),
        before: before.as_ref().map(state),
        after: after.as_ref().map(state),
    };
    let hash = entry_hash(&previous.unwrap_or_default(), &tenant.name, &entry);
    insert(db, caller, &entry, &hash).await
}

/// What people see of an object, for [`record`].
#[must_use]
pub fn seen(object: &impl Serialize) -> Option<Value> {
    // What the API answers with can always be written as JSON.
    serde_json::to_value(object).ok()
}

async fn insert(db: &mut Connection, caller: &Caller, entry: &Entry, hash: &[u8; 32]) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO audit (tenant_id, number, at, actor_kind, actor_id, actor, role, address, action, object,
                            state_before, state_after, hash)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
    )
    .bind(caller.tenant.id)
    .bind(entry.number)
    .bind(entry.at)
    .bind(&entry.actor_kind)
    .bind(entry.actor_id)
    .bind(&entry.actor)
    .bind(&entry.role)
    .bind(&entry.address)
    .bind(&entry.action)
    .bind(&entry.object)
    .bind(&entry.before)
    .bind(&entry.after)
    .bind(hash.as_slice())
    .execute(db)
    .await
    .map(drop)
}

fn state(value: &Value) -> String {
    let text = value.to_string();
    if text.len() <= MAX_STATE {
        return text;
    }
    serde_json::json!({"left_out": "too long", "bytes": text.len()}).to_string()
}

#[cfg(test)]
mod tests;
