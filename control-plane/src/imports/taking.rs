//! What becomes of one reported token: a finding, in our own words where our detector knows its form.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::fmt::strtime;
use jiff::tz::TimeZone;
use stopleak_contract::Token;
use stopleak_detector::{Confidence, Risk};
use stopleak_scanner::Finding;

use super::report::Reported;
use crate::app::App;
use crate::findings::Found;
use crate::keys::TenantKeys;

/// Longer names of paths and rules are cut: nothing that a scanner reports of a real repository has them.
const MAX_PATH: usize = 1000;
const MAX_RULE: usize = 100;
/// The rule of a token that neither the reporter nor our detector has a name for.
const UNNAMED: &str = "imported";

/// Takes what may be kept; `None` when the text is too short for a token or too long.
pub(crate) fn take(app: &App, key: &TenantKeys, reported: &Reported) -> Option<Found> {
    let token = Token::parse(reported.secret.as_bytes()).ok()?;
    let (mut rule, mut risk) = (harmless(reported.rule.as_deref().unwrap_or(UNNAMED), MAX_RULE), Risk::Medium);
    let whole = 0..reported.secret.len();
    app.detector().scan(reported.secret.as_bytes(), |found| {
        if found.span == whole {
            (rule, risk) = (found.rule.id().to_owned(), app.risk_of(found.rule.id()));
        }
    });
    let path = reported.path.trim_start_matches("./").replace(reported.secret.as_str(), &token.preview());
    let path = harmless(&path, MAX_PATH);
    let finding = Finding {
        rule_name: rule.clone(),
        rule: if rule.contains(reported.secret.as_str()) { UNNAMED.to_owned() } else { rule },
        risk,
        confidence: Confidence::High,
        reasons: Vec::new(),
        claims: None,
        path: if path.is_empty() { "report".to_owned() } else { path },
        line: reported.line,
        column: reported.column,
        commit: reported.commit.clone().filter(|commit| is_commit(commit)),
        committed_at: reported.committed_at.as_deref().and_then(moment),
        blob: None,
        preview: token.preview(),
        token,
    };
    Some(Found::of(key, &finding, risk))
}

/// Whether a text names a commit.
pub(crate) fn is_commit(text: &str) -> bool {
    matches!(text.len(), 7..=64) && text.bytes().all(|b| b.is_ascii_hexdigit())
}

/// Paths and names are shown: on one line, and not endless.
fn harmless(text: &str, max: usize) -> String {
    text.chars().take(max).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// Scanners write times in several ways; RFC 3339 is what is kept.
fn moment(text: &str) -> Option<String> {
    let text = text.trim();
    let time = text
        .parse::<Timestamp>()
        .or_else(|_| strtime::parse("%Y-%m-%d %H:%M:%S %z", text).and_then(|parsed| parsed.to_timestamp()))
        .or_else(|_| text.parse::<Date>().and_then(|day| day.to_zoned(TimeZone::UTC)).map(|day| day.timestamp()));
    time.ok().map(|time| time.to_string())
}
