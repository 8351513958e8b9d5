//! Settings come into force with the index that they belong to, or not at all.

use stopleak_contract::settings::{Response, Scope, Settings};

use super::*;

/// Leak 1, of token 0, is blocked on `a.example` only.
fn scoped(paused_until_ms: u64) -> Settings {
    let scope = Scope { hosts: vec!["a.example".to_owned()], ..Scope::default() };
    let response = Response { status: 451, headers: Vec::new(), body: b"ask us".to_vec() };
    Settings::new(Some(&response), paused_until_ms, vec![(scope, vec![1])])
}

fn verdict_on(gateway: &mut Gateway, host: &str, n: u32) -> &'static str {
    let headers = [
        (":authority".to_owned(), host.as_bytes().to_vec()),
        ("authorization".to_owned(), format!("Bearer {}", token(n)).into()),
    ];
    gateway.judge(Request::new(&crate::header_map::view(&headers))).verdict.as_str()
}

#[test]
fn a_scope_is_in_force_in_every_vm_and_goes_with_the_next_index() {
    let mut control_plane = ControlPlane::new(2, 100);
    let (envoy, mut vms) = running(&mut control_plane);
    assert_eq!((vms[0].response(), vms[0].destination(Request::new(&[]))), (None, None));
    control_plane.settings = scoped(0).to_bytes();
    let push = control_plane.push(true);
    assert_eq!(push.len(), 1, "no shard is sent again for a scope");
    deliver(&envoy, &mut vms, &push);
    for vm in &mut vms {
        assert_eq!((verdict_on(vm, "a.example", 0), verdict_on(vm, "b.example", 0)), ("block", "observe"));
        assert_eq!(verdict_on(vm, "b.example", 1), "block", "another leak");
        assert_eq!(vm.response().map(|response| (response.status, response.body)), Some((451, &b"ask us"[..])));
        assert!(vm.destination(Request::new(&[])).is_some());
    }
    let mut restarted = envoy.vms(1).remove(0);
    assert_eq!(verdict_on(&mut restarted, "b.example", 0), "observe", "restored from shared data");

    control_plane.settings.clear();
    deliver(&envoy, &mut vms, &control_plane.push(true));
    assert_eq!(verdict_on(&mut vms[0], "b.example", 0), "block");
}

#[test]
fn what_has_not_changed_is_not_sent_again() {
    let mut control_plane = ControlPlane::new(2, 100);
    control_plane.settings = scoped(0).to_bytes();
    let (envoy, mut vms) = running(&mut control_plane);
    control_plane.change(Change::Remove(fingerprint(50)));
    let push = control_plane.push(true);
    assert!(!push.iter().any(|message| message.windows(9).any(|part| part == b"a.example")));
    deliver(&envoy, &mut vms, &push);
    assert_eq!((verdict_on(&mut vms[1], "a.example", 0), verdict_on(&mut vms[1], "b.example", 0)), ("block", "observe"));
    assert_eq!(vms[1].epoch(), 2);
}

#[test]
fn a_pause_lets_everything_pass_until_its_end_although_nobody_says_so() {
    let mut control_plane = ControlPlane::new(0, 10);
    let (envoy, mut vms) = running(&mut control_plane);
    control_plane.settings = scoped(envoy.now_ms() + 60_000).to_bytes();
    deliver(&envoy, &mut vms, &control_plane.push(true));
    envoy.close_stream(&mut vms);
    assert_eq!((verdict_on(&mut vms[0], "a.example", 0), verdict_on(&mut vms[1], "b.example", 5)), ("observe", "observe"));
    let padding = vec![("x".to_owned(), vec![b'x'; crate::verdict::MAX_SIZE + 1])];
    assert_eq!(vms[0].judge(Request::new(&crate::header_map::view(&padding))).verdict.as_str(), "pass");
    envoy.pass(59_999);
    assert_eq!(verdict_on(&mut vms[0], "a.example", 0), "observe");
    envoy.pass(1);
    assert_eq!((verdict_on(&mut vms[0], "a.example", 0), verdict_on(&mut vms[1], "b.example", 5)), ("block", "block"));
    assert_eq!(vms[0].judge(Request::new(&crate::header_map::view(&padding))).verdict.as_str(), "overflow");
}

#[test]
fn an_exempt_client_is_observed_and_others_are_not() {
    let mut control_plane = ControlPlane::new(0, 10);
    let scope = Scope { exempt_networks: vec!["127.0.0.0/8".parse().unwrap()], ..Scope::default() };
    control_plane.settings = Settings::new(None, 0, vec![(scope, vec![1])]).to_bytes();
    let (envoy, mut vms) = running(&mut control_plane);
    for (client, expected) in [("127.0.0.9", "observe"), ("192.0.2.1", "block"), ("", "block")] {
        envoy.set_client(client);
        assert_eq!(verdict_on(&mut vms[0], "a.example", 0), expected, "{client:?}");
    }
}

#[test]
fn settings_that_were_not_sealed_are_refused_and_the_last_good_ones_stay() {
    let mut control_plane = ControlPlane::new(0, 10);
    control_plane.settings = scoped(0).to_bytes();
    let (envoy, mut vms) = running(&mut control_plane);
    let paused = scoped(u64::MAX).to_bytes();
    for settings in [Some(paused), Some(Vec::new()), Some(vec![0xff])] {
        control_plane.change(Change::Remove(fingerprint(9)));
        let mut push = control_plane.push(false);
        let Some(to_gateway::Message::Header(mut header)) = wire::ToGateway::decode(push[0].as_slice()).unwrap().message else {
            panic!("not a header");
        };
        header.settings = settings;
        push[0] = to_gateway_bytes(to_gateway::Message::Header(header));
        let refused = envoy.sent().len();
        deliver(&envoy, &mut vms, &push);
        let said = envoy.sent().split_off(refused);
        assert!(
            said.iter().any(|said| matches!(said, to_control_plane::Message::Nack(nack) if nack.reason.contains("signature")))
        );
        for vm in &mut vms {
            assert_eq!((verdict_on(vm, "a.example", 0), verdict_on(vm, "b.example", 0), vm.epoch()), ("block", "observe", 1));
        }
    }
}
