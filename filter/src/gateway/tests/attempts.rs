//! What the VMs of an Envoy have seen, on its way to the control plane.

use super::*;

#[test]
fn a_worker_that_goes_hands_over_what_was_seen_just_before() {
    let (envoy, mut vms) = running(&mut ControlPlane::new(0, 10));
    let mut leaving = vms.pop().unwrap();
    for n in 0..4 {
        let Verdict::Block(found) = verdict(&mut leaving, n % 2) else { panic!("not blocked") };
        let route = Route { method: "GET".into(), host: "h".into(), path: "/".into() };
        let (outcome, client, at_ms) = (wire::Outcome::Blocked, "192.0.2.1".to_owned(), envoy.now_ms());
        leaving.record(Use { found, outcome, client, route, status: 0, at_ms });
        leaving.tick();
    }
    leaving.leave();
    envoy.deliver_queues(&mut vms);
    let attempts: BTreeMap<_, _> =
        envoy.batches().into_iter().flat_map(|batch| batch.attempts).map(|attempt| (attempt.id, attempt.count)).collect();
    assert_eq!(attempts.values().sum::<u32>(), 4, "the same one twice is stored once");
}

#[test]
fn a_batch_whose_answer_is_lost_is_sent_again_over_the_same_stream() {
    let (envoy, mut vms) = running(&mut ControlPlane::new(0, 10));
    let Verdict::Block(found) = verdict(&mut vms[2], 1) else { panic!("not blocked") };
    let route = Route { method: "GET".into(), host: "h".into(), path: "/".into() };
    let (outcome, client, at_ms) = (wire::Outcome::Blocked, "192.0.2.1".to_owned(), envoy.now_ms());
    vms[2].record(Use { found, outcome, client, route, status: 0, at_ms });
    (0..2_900).for_each(|_| envoy.tick(&mut vms));
    assert_eq!(envoy.batches().len(), 1);
    (0..200).for_each(|_| envoy.tick(&mut vms));
    let batches = envoy.batches();
    assert_eq!(batches.len(), 2);
    assert_eq!(batches[0], batches[1], "with the same ids");
}

#[test]
fn attempts_of_every_worker_are_handed_over_until_they_are_stored() {
    let (envoy, mut vms) = running(&mut ControlPlane::new(0, 10));
    for vm in &mut vms {
        let Verdict::Block(found) = verdict(vm, 1) else { panic!("not blocked") };
        let route = Route { method: "GET".into(), host: "h".into(), path: "/".into() };
        let (outcome, client, at_ms) = (wire::Outcome::Blocked, "192.0.2.1".to_owned(), envoy.now_ms());
        vm.record(Use { found, outcome, client, route, status: 0, at_ms });
    }
    envoy.tick(&mut vms);
    let batches = envoy.batches();
    assert_eq!(batches.len(), 3);
    // The stream breaks before anything is stored: all are sent again over the next one, and then no more.
    envoy.close_stream(&mut vms);
    for _ in 0..5 {
        envoy.tick(&mut vms);
    }
    assert_eq!(envoy.batches().len(), 3);
    for batch in envoy.batches() {
        let ack = wire::AttemptsAck { batch: batch.batch, worker: batch.worker };
        deliver(&envoy, &mut vms, &[to_gateway_bytes(to_gateway::Message::AttemptsAck(ack))]);
    }
    envoy.close_stream(&mut vms);
    for _ in 0..5 {
        envoy.tick(&mut vms);
    }
    assert!(envoy.batches().is_empty(), "what is stored is not sent again");
}
