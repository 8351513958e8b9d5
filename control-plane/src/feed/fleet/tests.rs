//! Joining, acknowledging and leaving, without a stream.

use super::super::overview::GatewayState;
use super::*;

const TENANT: TenantId = TenantId(1);

fn fleet() -> Arc<Fleet> {
    Fleet::new(Metrics::new(), "a-server".to_owned(), true)
}

fn hello() -> wire::Hello {
    wire::Hello { node: "n".to_owned(), ..Default::default() }
}

fn at(seconds: u64) -> Time {
    Time::from_millis(seconds * 1_000)
}

impl Member {
    fn has(&self, worker: u8, epoch: u64, now: Time) {
        let in_force = InForce { epoch, tokens: Some(9), bytes: None, built_at: None };
        self.enforced(vec![worker], in_force, now);
    }
}

fn stats(worker: u8, attempts_dropped: u64) -> wire::Stats {
    wire::Stats { attempts_dropped, requests: 0, worker: vec![worker] }
}

fn view(fleet: &Fleet) -> GatewayState {
    GatewayState::of(vec![(fleet.server().to_owned(), fleet.known(1).unwrap_or_default())], 5, at(100))
}

fn rises(fleet: &Fleet) -> Vec<Rise> {
    fleet.tenants(|tenants| tenants.get(&TENANT).map(|tenant| tenant.rises().to_vec()).unwrap_or_default())
}

#[test]
fn the_epoch_in_force_is_the_lowest_and_stays_known() {
    let fleet = fleet();
    let (one, two) = (fleet.enter(TENANT, 1).unwrap(), fleet.enter(TENANT, 1).unwrap());
    assert!(!view(&fleet).connected, "Hello has not come");
    one.join(&hello(), at(1));
    one.has(1, 0, at(1));
    one.has(2, 0, at(1));
    two.join(&hello(), at(2));
    two.has(3, 0, at(2));
    one.has(1, 4, at(3));
    one.has(2, 5, at(3));
    assert_eq!((view(&fleet).workers, view(&fleet).workers_current, view(&fleet).epoch), (3, 1, None));
    two.has(3, 5, at(3));
    assert_eq!((view(&fleet).epoch, view(&fleet).tokens, view(&fleet).envoys), (Some(4), Some(9), 2));
    assert_eq!(view(&fleet).connected_since, Some(at(1)));
    one.gone(&[1], at(4));
    assert_eq!((view(&fleet).workers, view(&fleet).epoch), (2, Some(5)));
    two.gone(&[2], at(4));
    assert_eq!(view(&fleet).workers, 2, "a worker of another stream is not its business");
    drop((one, two));
    assert_eq!((view(&fleet).connected, view(&fleet).epoch, view(&fleet).connected_since), (false, Some(5), None));
}

#[test]
fn an_epoch_is_in_force_everywhere_when_the_last_worker_of_the_last_gateway_has_it() {
    let fleet = fleet();
    let (one, two) = (fleet.enter(TENANT, 1).unwrap(), fleet.enter(TENANT, 2).unwrap());
    one.join(&hello(), at(1));
    one.has(1, 1, at(1));
    one.has(2, 1, at(1));
    assert_eq!(rises(&fleet), [Rise { epoch: 1, at: at(1) }]);
    two.join(&hello(), at(2));
    assert_eq!(fleet.floors(TENANT).below(1), 1, "who has said nothing but Hello may have nothing");
    two.has(3, 1, at(3));
    fleet.settled(TENANT, &rises(&fleet), 1);
    one.has(1, 3, at(4));
    one.has(2, 3, at(5));
    assert_eq!((rises(&fleet), fleet.floors(TENANT).below(2)), (vec![], 1));
    two.has(3, 2, at(6));
    two.has(3, 3, at(7));
    assert_eq!(rises(&fleet), [Rise { epoch: 2, at: at(6) }, Rise { epoch: 3, at: at(7) }]);
    assert_eq!(fleet.floors(TENANT).below(3), 0);
    assert!(fleet.floors(TenantId(2)).is_empty());
}

#[test]
fn rows_are_written_when_an_epoch_changes_and_otherwise_with_the_next_beat() {
    let fleet = fleet();
    let written = |is_beat| fleet.take_rows(is_beat, 10).iter().map(|row| (row.gateway, row.floor)).collect::<Vec<_>>();
    let members: Vec<Member> = (1..=3).map(|gateway| fleet.enter(TENANT, gateway).unwrap()).collect();
    for member in &members {
        member.join(&hello(), at(1));
        member.has(1, 4, at(1));
    }
    assert_eq!(written(false), [(1, Some(4)), (2, Some(4)), (3, Some(4))]);
    assert!(written(true).is_empty(), "once");
    members[0].kept(&wire::Nack { epoch: 5, reason: "no".to_owned() }, at(2));
    members[1].counted(&stats(1, 0));
    members[2].has(1, 5, at(2));
    assert_eq!(written(false), [(3, Some(5))]);
    assert_eq!(written(true), [(1, Some(4))], "totals that are the same say nothing new");
    drop(members);
    let rows = fleet.take_rows(false, 2);
    assert_eq!(rows.len(), 2, "up to a bound");
    fleet.give_back(&rows);
    assert_eq!(written(false), [(1, None), (2, None), (3, None)]);
    fleet.rewrite();
    assert_eq!(written(false).len(), 3);
}

#[test]
fn who_is_late_or_refuses_is_an_alarm() {
    let fleet = fleet();
    let member = fleet.enter(TENANT, 1).unwrap();
    member.join(&hello(), at(1));
    member.has(1, 4, at(1));
    let watched = |seconds| fleet.watched(at(seconds));
    assert_eq!(watched(100), Watched { connected: 1, workers: 1, behind: 0, refusing: 0 });
    member.owes(5, at(100));
    member.owes(6, at(104));
    assert_eq!((watched(104).behind, watched(105).behind), (0, 1), "counted from the first that is not in force");
    member.has(1, 5, at(106));
    assert_eq!(watched(106).behind, 1);
    member.kept(&wire::Nack { epoch: 6, reason: "no".to_owned() }, at(107));
    assert_eq!((watched(107).behind, watched(107).refusing), (1, 1));
    assert!(view(&fleet).refuses);
    member.has(1, 6, at(108));
    assert_eq!(watched(200), Watched { connected: 1, workers: 1, behind: 0, refusing: 0 });
    assert_eq!((view(&fleet).nacks, view(&fleet).last_nack.map(|nack| nack.epoch)), (1, Some(6)));
    member.owes(7, at(200));
    drop(member);
    assert_eq!(watched(300), Watched::default());
}

#[test]
fn a_worker_that_comes_over_another_stream_is_one_worker_and_counts_on() {
    let fleet = fleet();
    let broken = fleet.enter(TENANT, 1).unwrap();
    broken.has(1, 3, at(1));
    broken.counted(&stats(1, 5));
    let again = fleet.enter(TENANT, 1).unwrap();
    again.has(1, 3, at(2));
    again.counted(&stats(1, 7));
    assert_eq!((view(&fleet).workers, view(&fleet).attempts_dropped), (1, 7));
    drop(broken);
    assert_eq!(view(&fleet).workers, 1);
    again.gone(&[1], at(3));
    again.has(1, 3, at(4));
    again.counted(&stats(1, 9));
    assert_eq!((view(&fleet).workers, view(&fleet).attempts_dropped), (1, 9));
}

#[test]
fn the_workers_of_a_gateway_have_a_limit() {
    let fleet = fleet();
    let member = fleet.enter(TENANT, 1).unwrap();
    for n in 0..MAX_WORKERS + 10 {
        member.enforced(n.to_be_bytes().to_vec(), InForce { epoch: 1, ..InForce::default() }, at(1));
    }
    assert_eq!(view(&fleet).workers, MAX_WORKERS);
}

#[test]
fn a_revocation_reaches_streams_that_entered_before() {
    let fleet = fleet();
    let member = fleet.enter(TENANT, 1).unwrap();
    fleet.revoke(1);
    assert!(*member.revoked().borrow());
}

#[test]
fn the_streams_of_one_gateway_and_of_all_have_a_limit() {
    let fleet = fleet();
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
    let fleet = fleet();
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
