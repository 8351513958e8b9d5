//! The control plane's half of the feed, as far as a filter needs it to have an index.

use anyhow::{Result, ensure};
use stopleak_contract::feed::parts;
use stopleak_contract::feed::wire::{self, to_gateway};
use stopleak_contract::index::{Action, Entry, SigningKey, build};
use stopleak_contract::settings::{Response, Scope, Settings};
use stopleak_contract::{Fingerprint, FingerprintKey, Token};
use stopleak_detector::Rules;
use stopleak_filter_host::{Answer, Vm};

const TENANT: &str = "acme";
const EPOCH: u64 = 1;
const BUILT_AT_MS: u64 = 1_767_225_600_000;

/// What the filter has to be told to believe.
pub fn public_key() -> String {
    signing_key().public_key().to_hex()
}

/// Builds an index of made-up tokens of all formats, and pushes it until the filter says that it is in force.
pub fn push(vm: &mut Vm, tokens: usize, settings: Vec<u8>) -> Result<()> {
    let key = FingerprintKey::new([7; 32]);
    let rules = Rules::built_in();
    let entries = (0..tokens).map(|n| entry(&key, &token_of(&rules, n), n)).collect();
    let mut built = build(TENANT, &key, EPOCH, BUILT_AT_MS, entries)?;
    built.header.settings = settings;
    let sealed = signing_key().seal(built.header);

    let welcome = wire::Welcome { fingerprint_key: key.as_bytes().to_vec(), tenant: TENANT.to_owned() };
    let mut messages = vec![to_gateway::Message::Welcome(welcome), to_gateway::Message::Header(sealed.to_wire())];
    for (shard, bytes) in (0..).zip(&built.shards) {
        messages.extend(parts(EPOCH, shard, bytes).map(to_gateway::Message::Shard));
    }
    vm.connect()?;
    let answer = vm.feed(messages.into_iter().map(|message| wire::ToGateway { message: Some(message) }), built.shards)?;
    ensure!(answer == Answer::Enforced { epoch: EPOCH, tokens: tokens as u64 }, "{answer:?}: {}", vm.log());
    Ok(())
}

/// Every leak has a patch that is scoped, each third in the same way, and blocks are answered at length.
pub fn settings(tokens: usize) -> Vec<u8> {
    let leaks = |n: usize| (0..tokens).skip(n).step_by(3).filter_map(|leak| u32::try_from(leak).ok()).collect();
    let scope = |n: usize| Scope {
        hosts: vec![format!("*.scope{n}.test")],
        path_prefixes: vec!["/v2/admin".to_owned(), format!("/v{n}")],
        exempt_networks: vec!["10.0.0.0/8".parse().unwrap_or_else(|error| panic!("{error}"))],
    };
    let response = Response { body: vec![b'x'; 16 * 1024], ..Response::default() };
    Settings::new(Some(&response), 0, (0..3).map(|n| (scope(n), leaks(n))).collect()).to_bytes()
}

/// A token of the index, from its place in it.
pub fn token(n: usize) -> String {
    token_of(&Rules::built_in(), n)
}

/// All formats take turns, so that the index holds tokens of many lengths and alphabets: the filter then skips least.
fn token_of(rules: &Rules, n: usize) -> String {
    let count = rules.iter().count();
    let rule = rules.iter().nth(n % count).unwrap_or_else(|| unreachable!("n is below the count"));
    rule.example((n / count) as u64).token().to_owned()
}

fn entry(key: &FingerprintKey, token: &str, n: usize) -> Entry {
    let token = Token::parse(token.as_bytes()).unwrap_or_else(|error| panic!("{error}"));
    let leak = u32::try_from(n).unwrap_or(u32::MAX);
    Entry { fingerprint: Fingerprint::of(key, &token), leak, action: Action::Block, kind: token.kind() }
}

fn signing_key() -> SigningKey {
    SigningKey::new(&[3; 32])
}
