//! Where, from whom and when a virtual patch blocks.

use std::cell::Cell;

use stopleak_contract::settings::Scope;

use super::*;

/// A client at a time, and how often it was asked for.
struct Scene {
    client: &'static str,
    now_ms: u64,
    asked: Cell<usize>,
}

impl Around for Scene {
    fn client(&self) -> String {
        self.asked.set(self.asked.get() + 1);
        self.client.to_owned()
    }

    fn now_ms(&self) -> u64 {
        self.asked.set(self.asked.get() + 1);
        self.now_ms
    }
}

fn scene(client: &'static str, now_ms: u64) -> Scene {
    Scene { client, now_ms, asked: Cell::new(0) }
}

/// The patch of leak 7 applies below `/admin` of `a.example`, and not to `10.0.0.0/8`; that of leak 8 to everybody but `127.0.0.0/8`.
fn settings(paused_until_ms: u64) -> Settings {
    let narrow = Scope {
        hosts: vec!["a.example".to_owned()],
        path_prefixes: vec!["/admin".to_owned()],
        exempt_networks: vec!["10.0.0.0/8".parse().unwrap()],
    };
    let loopback = Scope { exempt_networks: vec!["127.0.0.0/8".parse().unwrap()], ..Scope::default() };
    Settings::new(None, paused_until_ms, vec![(narrow, vec![7]), (loopback, vec![8])])
}

fn blocks(leak: LeakNumber, authority: &str, path: &str, client: &'static str) -> bool {
    let headers = [(":authority", authority), (":path", path)].map(|(name, value)| (name.as_bytes(), value.as_bytes()));
    let (request, around) = (Request::new(&headers), scene(client, 5));
    let now = Circumstances::new(Place::Headers(request), &around).are_of(leak, &settings(0));
    let destination = Destination::of(request);
    assert_eq!(
        Circumstances::new(Place::Kept(Some(&destination)), &around).are_of(leak, &settings(0)),
        now,
        "its body is judged alike"
    );
    now
}

#[test]
fn a_patch_blocks_within_its_scope_and_those_who_are_not_exempt() {
    assert!(blocks(7, "A.example:443", "/x/..//admin?k=v", "192.0.2.1"));
    assert!(blocks(7, "a.example", "/%61dmin/x", "192.0.2.1"));
    assert!(!blocks(7, "b.example", "/admin", "192.0.2.1"));
    assert!(!blocks(7, "a.example", "/public?/admin", "192.0.2.1"));
    assert!(!blocks(7, "a.example", "/admin", "10.9.8.7"));
    assert!(!blocks(7, "a.example", "/admin", "::ffff:10.9.8.7"));
    assert!(blocks(8, "b.example", "/", "192.0.2.1") && !blocks(8, "b.example", "/", "127.0.0.1"));
    assert!(blocks(9, "b.example", "/", "127.0.0.1"), "no scope is everywhere");
}

#[test]
fn who_is_not_known_is_not_exempt_and_what_goes_nowhere_known_is_in_every_scope() {
    for client in ["", "unix", "10.0.0", "10.0.0.1, 10.0.0.2", "fe80::1%eth0"] {
        assert!(blocks(7, "a.example", "/admin", client), "{client:?}");
        assert!(blocks(8, "a.example", "/", client), "{client:?}");
    }
    let around = scene("192.0.2.1", 5);
    assert!(Circumstances::new(Place::Kept(None), &around).are_of(7, &settings(0)));
}

#[test]
fn a_pause_ends_by_itself() {
    let headers = [];
    for (now_ms, until, blocks) in
        [(99, 100, false), (100, 100, true), (101, 100, true), (0, 0, true), (0, 100, true), (5, u64::MAX, false)]
    {
        let around = scene("192.0.2.1", now_ms);
        let circumstances = Circumstances::new(Place::Headers(Request::new(&headers)), &around);
        assert_eq!(circumstances.are_of(9, &settings(until)), blocks, "{now_ms} {until}");
        assert_eq!(circumstances.are_paused(&settings(until)), !blocks);
    }
}

#[test]
fn the_host_is_asked_for_what_decides_and_once() {
    let (headers, around) = ([], scene("192.0.2.1", 5));
    let circumstances = Circumstances::new(Place::Headers(Request::new(&headers)), &around);
    assert!(circumstances.are_of(9, &settings(0)));
    assert_eq!(around.asked.get(), 0, "neither time nor client matter");
    for _ in 0..100 {
        assert!(circumstances.are_of(7, &settings(0)) && circumstances.are_of(8, &settings(0)));
    }
    assert_eq!(around.asked.get(), 1);
}
