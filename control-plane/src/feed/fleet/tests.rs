//! Joining, acknowledging and leaving, without a stream.

use super::*;

const TENANT: TenantId = TenantId(1);

fn hello() -> wire::Hello {
    wire::Hello { node: "n".to_owned(), ..Default::default() }
}

fn ack(worker: u8, epoch: u64) -> wire::Ack {
    wire::Ack { epoch, tokens: 9, worker: vec![worker] }
}

fn stats(worker: u8, attempts_dropped: u64) -> wire::Stats {
    wire::Stats { attempts_dropped, requests: 0, worker: vec![worker] }
}

fn view(fleet: &Fleet) -> GatewayState {
    fleet.gateway(1, Time::now())
}

#[test]
fn the_epoch_in_force_is_the_lowest_and_stays_known() {
    let fleet = Fleet::new(Metrics::new());
    let (one, two) = (fleet.enter(TENANT, 1).unwrap(), fleet.enter(TENANT, 1).unwrap());
    assert!(!view(&fleet).connected, "Hello has not come");
    one.join(&hello());
    one.enforced(ack(1, 0), None);
    one.enforced(ack(2, 0), None);
    two.join(&hello());
    two.enforced(ack(3, 0), None);
    one.enforced(ack(1, 4), None);
    one.enforced(ack(2, 5), None);
    assert_eq!((view(&fleet).workers, view(&fleet).epoch), (3, None));
    two.enforced(ack(3, 5), None);
    assert_eq!((view(&fleet).epoch, view(&fleet).tokens), (Some(4), Some(9)));
    one.gone(&[1]);
    assert_eq!((view(&fleet).workers, view(&fleet).epoch), (2, Some(5)));
    two.gone(&[2]);
    assert_eq!(view(&fleet).workers, 2, "a worker of another stream is not its business");
    drop((one, two));
    assert_eq!((view(&fleet).connected, view(&fleet).epoch), (false, Some(5)));
}

#[test]
fn a_decision_is_measured_when_the_last_worker_has_it() {
    let metrics = Metrics::new();
    let fleet = Fleet::new(Arc::clone(&metrics));
    fleet.committed(TENANT, 1);
    let (one, two) = (fleet.enter(TENANT, 1).unwrap(), fleet.enter(TENANT, 2).unwrap());
    one.enforced(ack(1, 1), None);
    one.enforced(ack(2, 1), None);
    two.enforced(ack(3, 1), None);
    fleet.committed(TENANT, 2);
    fleet.committed(TENANT, 3);
    one.enforced(ack(1, 3), None);
    one.enforced(ack(2, 3), None);
    assert_eq!(metrics.enforced_count(), 0);
    two.enforced(ack(3, 2), None);
    assert_eq!(metrics.enforced_count(), 1);
    two.enforced(ack(3, 3), None);
    assert_eq!(metrics.enforced_count(), 2, "the decision before anybody was there is not among them");
}

#[test]
fn a_worker_that_comes_over_another_stream_is_one_worker_and_counts_on() {
    let fleet = Fleet::new(Metrics::new());
    let broken = fleet.enter(TENANT, 1).unwrap();
    broken.enforced(ack(1, 3), None);
    broken.counted(&stats(1, 5));
    let again = fleet.enter(TENANT, 1).unwrap();
    again.enforced(ack(1, 3), None);
    again.counted(&stats(1, 7));
    assert_eq!((view(&fleet).workers, view(&fleet).attempts_dropped), (1, 7));
    drop(broken);
    assert_eq!(view(&fleet).workers, 1);
    again.gone(&[1]);
    again.enforced(ack(1, 3), None);
    again.counted(&stats(1, 9));
    assert_eq!((view(&fleet).workers, view(&fleet).attempts_dropped), (1, 9));
}

#[test]
fn the_workers_of_a_gateway_have_a_limit() {
    let fleet = Fleet::new(Metrics::new());
    let member = fleet.enter(TENANT, 1).unwrap();
    for n in 0..MAX_WORKERS + 10 {
        member.enforced(wire::Ack { epoch: 1, tokens: 0, worker: n.to_be_bytes().to_vec() }, None);
    }
    assert_eq!(view(&fleet).workers, MAX_WORKERS);
}

#[test]
fn a_revocation_reaches_streams_that_entered_before() {
    let fleet = Fleet::new(Metrics::new());
    let member = fleet.enter(TENANT, 1).unwrap();
    fleet.revoke(1);
    assert!(*member.revoked().borrow());
}

#[test]
fn the_streams_of_one_gateway_and_of_all_have_a_limit() {
    let fleet = Fleet::new(Metrics::new());
    let mut members: Vec<_> = (0..MAX_STREAMS).map(|_| fleet.enter(TENANT, 1).unwrap()).collect();
    assert!(fleet.enter(TENANT, 1).is_none());
    drop(members.pop());
    members.push(fleet.enter(TENANT, 1).unwrap());
    let mut others = 2..;
    while members.len() < MAX_STREAMS_IN_ALL {
        members.push(fleet.enter(TENANT, others.next().unwrap()).unwrap());
    }
    assert!(fleet.enter(TENANT, 0).is_none());
    drop(members);
    assert!(fleet.enter(TENANT, 1).is_some());
}

#[test]
fn a_gateway_gives_reason_for_one_line_at_a_time() {
    let fleet = Fleet::new(Metrics::new());
    let _members = [fleet.enter(TENANT, 1).unwrap(), fleet.enter(TENANT, 2).unwrap()];
    assert_eq!(fleet.complains(1), Some(0));
    assert_eq!((fleet.complains(1), fleet.complains(1), fleet.complains(2)), (None, None, Some(0)));
    let mut held_back = 2;
    let unlogged = loop {
        match fleet.complains(1) {
            Some(unlogged) => break unlogged,
            None => held_back += 1,
        }
        std::thread::yield_now();
    };
    assert_eq!(unlogged, held_back);
}
