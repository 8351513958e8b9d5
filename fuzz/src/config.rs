//! The plugin's configuration: whatever is accepted does what it says.

use stopleak_contract::{HeaderSelection, OnNotReady, PluginConfig};
use stopleak_filter::enforced::Enforced;
use stopleak_filter::header_map::view;
use stopleak_filter::link;
use stopleak_filter::request::Request;
use stopleak_filter::verdict::{Policy, Verdict};

use super::world::{PATCHED, enforced};

const PATH: &str = "/orders/42";

thread_local! {
    static ENFORCED: Enforced = enforced();
}

/// A refusal names a key; a configuration that is accepted gives the verdict that its keys ask for.
pub fn config(data: &[u8]) {
    let config = match PluginConfig::from_json(data) {
        Ok(config) => config,
        Err(error) => {
            assert!(error.to_string().contains("key `"), "{error}");
            return;
        }
    };
    assert!(!config.cluster.is_empty() && config.credential.as_deref() != Some(""));
    if let Some(target) = link::target(&config.cluster, config.authority.as_deref()) {
        assert!(target.contains(&config.cluster));
    }

    let policy = Policy::new(&config);
    let headers =
        [(":path".to_owned(), PATH.as_bytes().to_vec()), ("authorization".to_owned(), format!("Bearer {PATCHED}").into_bytes())];
    let headers = view(&headers);
    let request = Request::new(&headers);
    let exempt = config.exempt_paths.iter().any(|exempt| {
        PATH.strip_prefix(exempt.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/') || exempt.ends_with('/'))
    });
    let named = |names: &[String]| names.iter().any(|name| name.eq_ignore_ascii_case("authorization"));
    let is_looked_at = match &config.headers {
        None => true,
        Some(HeaderSelection::Only(names)) => named(names),
        Some(HeaderSelection::Skip(names)) => !named(names),
    };
    let expected = match (exempt || !is_looked_at, config.enforce) {
        (true, _) => "pass",
        (false, true) => "block",
        (false, false) => "observe",
    };
    let verdict = ENFORCED.with(|enforced| policy.judge(request, Some(enforced), None).verdict);
    assert_eq!(verdict.as_str(), expected, "{config:?}");

    let without_index = policy.judge(request, None, None).verdict;
    match (exempt, config.on_not_ready) {
        (true, _) => assert_eq!(without_index, Verdict::Pass),
        (false, OnNotReady::Allow) => assert_eq!(without_index, Verdict::NotReady(OnNotReady::Allow)),
        (false, OnNotReady::Deny) => assert_eq!(without_index, Verdict::NotReady(OnNotReady::Deny)),
    }
}
