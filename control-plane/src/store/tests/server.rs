//! What is different about a server: it can go and come back, and others work on it.

use std::time::Instant;

use stopleak_postgres::Postgres;

use super::super::*;

async fn open(postgres: &Postgres) -> Store {
    Store::connect(&Database::Postgres(Address::parse(&postgres.url()).unwrap())).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_gone_is_not_taken_for_load_and_comes_back() {
    let mut postgres = Postgres::start().unwrap();
    let store = open(&postgres).await;
    store.probe().await.unwrap();
    postgres.stop();
    for failed in [store.read().await.err(), store.write().await.err()] {
        assert_eq!(trouble(&failed.unwrap()), Trouble::Unavailable);
    }
    *store.probed.lock().await = None;
    assert_ne!(trouble(&store.probe().await.unwrap_err()), Trouble::Defect);
    postgres.start_again().unwrap();
    store.read().await.unwrap();
    store.write().await.unwrap();
    store.probe().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn who_holds_the_turn_too_long_makes_others_busy_and_loses_it() {
    let postgres = Postgres::start().unwrap();
    let (one, other) = (open(&postgres).await, open(&postgres).await);
    let held = one.write().await.unwrap();
    let started = Instant::now();
    assert_eq!(trouble(&other.write().await.unwrap_err()), Trouble::Busy);
    assert!(started.elapsed() >= BUSY_TIMEOUT);
    // As by a process that is stopped: the server ends its session.
    while other.write().await.is_err() {
        assert!(started.elapsed() < Duration::from_secs(20), "the turn is never given on");
    }
    drop(held);
    one.write().await.unwrap();
}

#[tokio::test]
async fn an_address_that_leads_nowhere_is_said_to() {
    let postgres = Postgres::start().unwrap();
    let url = postgres.url().replacen("/postgres?", "/no_such_database?", 1);
    let database = Database::Postgres(Address::parse(&url).unwrap());
    assert_eq!(trouble(&Store::connect(&database).await.err().unwrap()), Trouble::Unavailable);
    let url = "postgres://me:hunter22@127.0.0.1:1/x";
    let error = Store::connect(&Database::Postgres(Address::parse(url).unwrap())).await.err().unwrap();
    assert!(trouble(&error) == Trouble::Unavailable && !error.to_string().contains("hunter22"));
}
