//! How templates show numbers, times and texts of others.

#![expect(
    clippy::inline_always,
    clippy::trivially_copy_pass_by_ref,
    clippy::unnecessary_wraps,
    clippy::unused_self,
    reason = "askama makes methods of these functions, gives them references, and wants a result of each"
)]

use std::fmt::Write as _;
use std::time::Duration;

use askama::{Result, Values};

use crate::time::Time;

/// `1,234,567`
#[askama::filter_fn]
pub(super) fn grouped(number: impl std::fmt::Display, _: &dyn Values) -> Result<String> {
    Ok(group(&number.to_string()))
}

/// In RFC 3339, as `<time>` wants it.
#[askama::filter_fn]
pub(super) fn machine(time: &Time, _: &dyn Values) -> Result<String> {
    Ok(in_rfc_3339(time))
}

/// `24 Nov 2026, 19:50 UTC`; a script shows it in the reader's zone.
#[askama::filter_fn]
pub(super) fn utc(time: &Time, _: &dyn Values) -> Result<String> {
    Ok(in_utc(*time, "%-d %b %Y, %H:%M UTC"))
}

/// `3 h`: how long ago it was.
#[askama::filter_fn]
pub(super) fn age(time: &Time, _: &dyn Values) -> Result<String> {
    Ok(lasting(time.age(Time::now())))
}

/// What others wrote, without what would change how the rest of the page reads.
#[askama::filter_fn]
pub(super) fn shown(text: impl AsRef<str>, _: &dyn Values) -> Result<String> {
    Ok(visible(text.as_ref()))
}

pub(super) fn in_rfc_3339(time: &Time) -> String {
    serde_json::to_string(time).unwrap_or_default().trim_matches('"').to_owned()
}

/// `24 Nov`
pub(super) fn day_of(time: Time) -> String {
    in_utc(time, "%-d %b")
}

pub(super) fn group(digits: &str) -> String {
    let (sign, digits) = digits.strip_prefix('-').map_or(("", digits), |digits| ("-", digits));
    let mut text = String::from(sign);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn in_utc(time: Time, format: &str) -> String {
    let millis = i64::from(time);
    let time = jiff::Timestamp::from_millisecond(millis).unwrap_or(jiff::Timestamp::MAX);
    time.strftime(format).to_string()
}

fn lasting(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..60 => "now".to_owned(),
        60..3600 => format!("{} min", seconds / 60),
        3600..86_400 => format!("{} h", seconds / 3600),
        86_400..63_072_000 => format!("{} d", seconds / 86_400),
        _ => format!("{} y", seconds / 31_536_000),
    }
}

/// Control characters become visible, and so do those that turn the direction of what follows; a text that runs from right to left by
/// its own letters does no harm.
fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '\n' | '\t' => shown.push(letter),
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}' | '\u{61c}' => {
                // Writing into a String does not fail.
                let _ = write!(shown, "\u{2423}{:04X}\u{2423}", u32::from(letter));
            }
            letter if letter.is_control() => shown.push('\u{fffd}'),
            letter => shown.push(letter),
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped() {
        for (number, text) in [("0", "0"), ("999", "999"), ("1000", "1,000"), ("-1234567", "-1,234,567"), ("123456", "123,456")] {
            assert_eq!(group(number), text);
        }
    }

    #[test]
    fn times_are_told_in_utc_and_by_their_age() {
        let time = Time::from_millis(1_700_000_000_123);
        assert_eq!(in_utc(time, "%-d %b %Y, %H:%M UTC"), "14 Nov 2023, 22:13 UTC");
        for (seconds, text) in [(0, "now"), (90, "1 min"), (7_199, "1 h"), (90_000, "1 d"), (86_400 * 800, "2 y")] {
            assert_eq!(lasting(Duration::from_secs(seconds)), text);
        }
    }

    #[test]
    fn what_would_turn_the_page_around_is_visible() {
        assert_eq!(visible("a\u{202e}b\u{0}c"), "a\u{2423}202E\u{2423}b\u{fffd}c");
        assert_eq!(visible("שלום <b>"), "שלום <b>");
    }
}
