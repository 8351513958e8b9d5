//! The console in a real browser: each story of `stories/` is played by Chromium against a real control plane.
//!
//! A story is a script for Playwright, which says in the words of somebody before the screen what they do and see. Playwright and axe come
//! from npm, Chromium from Debian: `scripts/setup` brings what is missing.

mod site;

use anyhow::Result;
use serde_json::json;

use site::{Site, example_token};

#[test]
fn people_sign_in_where_they_wanted_to_go_and_out_again() -> Result<()> {
    Site::start()?.plays("sign-in")
}

#[test]
fn the_overview_leads_from_every_number_to_the_leaks_behind_it() -> Result<()> {
    Site::with_leaks()?.plays("overview")
}

#[test]
fn the_list_asks_what_its_url_says() -> Result<()> {
    Site::with_leaks()?.plays("list")
}

#[test]
fn a_decision_is_taken_on_many_leaks_by_keyboard() -> Result<()> {
    Site::with_leaks()?.plays("many")
}

#[test]
fn a_leak_is_decided_on_its_page_with_what_is_known_of_it() -> Result<()> {
    Site::with_leaks()?.plays("leak")
}

#[test]
fn a_leak_is_added_and_no_token_leaves_the_page() -> Result<()> {
    Site::start()?.plays("add")
}

#[test]
fn a_request_is_tried_and_what_matched_is_marked() -> Result<()> {
    Site::start()?.plays("try")
}

#[test]
fn pages_work_without_scripts() -> Result<()> {
    Site::with_leaks()?.plays("without-scripts")
}

#[test]
fn the_audit_log_says_who_did_what() -> Result<()> {
    Site::with_leaks()?.plays("audit")
}

#[test]
fn settings_are_seen_and_changed() -> Result<()> {
    Site::start()?.plays("settings")
}

#[test]
fn a_source_is_added_and_its_scan_followed() -> Result<()> {
    Site::with_folder()?.plays("sources")
}

#[test]
fn a_gateway_is_added_with_the_configuration_that_it_needs() -> Result<()> {
    Site::start()?.plays("gateways")
}

#[test]
fn a_decision_is_seen_to_take_effect_and_attempts_arrive() -> Result<()> {
    Site::with_gateway()?.plays("effect")
}

#[test]
fn an_analyst_sees_everything_and_decides_nothing() -> Result<()> {
    Site::with_leaks()?.plays("analyst")
}

#[test]
fn a_session_that_ends_in_the_middle_of_a_decision_loses_nothing() -> Result<()> {
    Site::with_leaks()?.plays("expired")
}

#[test]
fn whoever_reaches_all_tenants_switches_at_the_top() -> Result<()> {
    let site = Site::with_leaks()?;
    site.add("/api/v1/tenants", &json!({"name": "acme", "title": "Acme Corporation"}))?;
    site.plays("tenants")
}

#[test]
fn titles_of_others_are_texts_and_nothing_else() -> Result<()> {
    let site = Site::start()?;
    for title in [
        "<script>document.title = 'taken'</script><img src=x onerror=alert(1)>",
        "\u{202e}txet denrut",
        "شفرة مسربة في مستودع عام",
        &"a very long title ".repeat(11),
        &"x".repeat(200),
        "{{ 7 * 7 }} ${7 * 7} &lt;b&gt;",
    ] {
        site.add("/api/v1/leaks", &json!({"title": title, "tokens": [example_token()]}))?;
    }
    site.plays("hostile")
}

#[test]
fn every_page_is_accessible_and_fits_in_light_and_dark_wide_and_narrow() -> Result<()> {
    Site::with_leaks()?.plays("pages")
}

#[test]
fn pages_of_an_empty_tenant_say_so() -> Result<()> {
    Site::start()?.plays("empty")
}
