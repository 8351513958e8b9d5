//! Adding a leak by hand. The reader's own browser makes fingerprints of the tokens, under keys that it is given for that; without scripts
//! the tokens are sent, as a program may send them.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use serde_json::json;
use stopleak_detector::Risk;

use super::forms::{Asked, Form, Pairs};
use super::frame::Frame;
use super::page::Computing;
use super::{filters, icons, words};
use crate::api::input::Body;
use crate::api::leaks::fingerprinted::{Fingerprinted, FingerprintedToken};
use crate::api::leaks::{self, AddLeak};
use crate::api::problem::{Answer, Problem, Shown};
use crate::app::App;
use crate::audit;
use crate::people::Caller;
use crate::secret::SecretText;
use crate::tenants;

/// The form.
#[derive(askama::Template)]
#[template(path = "add.html")]
pub(crate) struct AddPage {
    frame: Frame,
    /// What was filled in, without tokens.
    form: Pairs,
    /// Why it was not added.
    wrong: Option<Shown>,
}

/// Of a leak that somebody found worth typing in.
const USUAL_RISK: &str = "high";
/// What stands in a line of the form for what is not there.
const NONE: &str = "-";

pub(crate) async fn show(frame: Frame, Asked(form): Asked) -> Computing<AddPage> {
    Computing(StatusCode::OK, AddPage { frame, form, wrong: None })
}

/// The tenant's fingerprint keys, for the browser of somebody who may add leaks: who may do that can make a gateway, which has them too.
/// That they were handed out is on record.
pub(crate) async fn keys(State(app): State<Arc<App>>, caller: Caller) -> Answer<Response> {
    let keys = app.keys.fingerprint(caller.tenant.id);
    let check = |key: &stopleak_contract::FingerprintKey| blake3::Hash::from_bytes(key.check()).to_hex().to_string();
    let mut db = app.store.write().await?;
    let tenant = tenants::view(&mut db, caller.tenant.id).await?;
    audit::record(&mut db, &caller, "fingerprint_key.show", &format!("tenant/{}", tenant.name), None, Some(json!({}))).await?;
    db.commit().await?;
    let secrets: Vec<String> =
        keys.all().iter().map(|key| blake3::Hash::from_bytes(*key.as_bytes()).to_hex().to_string()).collect();
    let body = json!({
        "keys": secrets.concat(),
        "key_check": check(&keys.all().first),
        "second_key_check": keys.all().second.as_ref().map(check),
        "public_checks": tenant.public_checks,
    });
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(body)).into_response())
}

pub(crate) async fn add(State(app): State<Arc<App>>, caller: Caller, frame: Frame, Form(form): Form) -> Answer<Response> {
    let added = match asked(&form) {
        Ok(asked) => leaks::add(State(app), caller, Body(asked)).await,
        Err(problem) => Err(problem),
    };
    match added {
        Ok(added) => Ok(Redirect::to(&frame.to(&format!("leaks/{}", added.into_body().leak.summary.number))).into_response()),
        Err(problem) => {
            let shown = problem.shown();
            if !shown.status.is_client_error() {
                return Err(problem);
            }
            let form = form.only(&["title", "risk"]);
            Ok(Computing(shown.status, AddPage { frame, form, wrong: Some(shown) }).into_response())
        }
    }
}

fn asked(form: &Pairs) -> Answer<AddLeak> {
    let risk = words::RISKS.into_iter().find(|risk| form.has("risk", risk.as_str()));
    let tokens = form.all("tokens").flat_map(str::lines).map(str::trim).filter(|line| !line.is_empty());
    let tokens = tokens.map(|line| SecretText::from(line.to_owned())).collect();
    let fingerprinted: Vec<_> = form.all("fingerprinted").flat_map(str::lines).filter(|line| !line.is_empty()).collect();
    let fingerprinted = if fingerprinted.is_empty() {
        None
    } else {
        Some(Fingerprinted {
            key_check: form.text("key_check").to_owned(),
            second_key_check: form.get("second_key_check").map(str::to_owned),
            tokens: fingerprinted.into_iter().map(token).collect::<Option<_>>().ok_or_else(unreadable)?,
        })
    };
    Ok(AddLeak { title: form.text("title").to_owned(), risk: risk.or(Some(Risk::High)), tokens, fingerprinted })
}

/// A line as the browser's module writes it.
fn token(line: &str) -> Option<FingerprintedToken> {
    let mut fields = line.splitn(8, ' ');
    let mut field = || fields.next().map(|field| (field != NONE).then(|| field.to_owned()));
    Some(FingerprintedToken {
        fingerprint: field()??,
        second_fingerprint: field()?,
        length: field()??.parse().ok()?,
        classes: field()??.parse().ok()?,
        weakness: field()?,
        rule: field()?,
        sha256: field()?,
        preview: field()??,
    })
}

fn unreadable() -> Problem {
    Problem::Malformed("a line is not what the browser's module writes; load the page again".to_owned())
}

impl AddPage {
    fn is_risk(&self, risk: Risk) -> bool {
        self.form.get("risk").unwrap_or(USUAL_RISK) == risk.as_str()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_module_are_read() {
        let hash = "0".repeat(64);
        let read = token(&format!("{hash} - 19 15 - a-rule {hash} fk_…B8v")).unwrap();
        assert_eq!((read.length, read.classes, read.preview.as_str()), (19, 15, "fk_…B8v"));
        assert_eq!((read.second_fingerprint, read.weakness, read.rule.as_deref()), (None, None, Some("a-rule")));
        for bad in ["", "a b", &format!("{hash} - x 15 - - - p"), "- - 19 15 - - - p"] {
            assert!(token(bad).is_none(), "{bad}");
        }
    }
}
