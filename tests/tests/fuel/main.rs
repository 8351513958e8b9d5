//! What a request costs, in WebAssembly instructions: a measure that is the same on every machine and in every run.
//!
//! The release module runs in `filter-host/`, which counts a unit of fuel for nearly every instruction. `tests/fuel.toml` holds what each request
//! took when it was last accepted; a version of the filter that takes more is refused here.

mod agreement;
mod feed;
mod table;

use anyhow::Result;
use stopleak_filter_host::{Clock, FilterModule, Limits, Settings, SharedData, Vm};
use stopleak_tests::Tools;
use stopleak_tests::traffic::{json, samples};

use self::table::Table;

/// Sizes of the index.
const TOKENS: [usize; 3] = [0, 1_000, 100_000];

/// Requests before the one that counts, so that what is set up once is set up.
const WARM_UP: usize = 4;

#[test]
fn no_request_takes_more_fuel_than_was_accepted() -> Result<()> {
    let module = module()?;
    let measured = measure(&module, &TOKENS, |_| Vec::new())?;
    let again = measure(&module, &TOKENS[..2], |_| Vec::new())?;
    assert!(measured.includes(&again), "the same module must take the same fuel: {measured:?}, and then {again:?}");
    if let Err(complaint) = measured.check() {
        panic!("{complaint}");
    }
    Ok(())
}

/// Without it, the table would show how little a filter costs that does nothing.
#[test]
fn the_measured_filter_blocks() -> Result<()> {
    let mut vm = vm(&module()?, 1_000, Vec::new())?;
    let request = |token: &str| vec![(b"authorization".to_vec(), format!("Bearer {token}").into_bytes())];
    assert_eq!(vm.request(request(&feed::token(999)), b"")?.answered, Some(403));
    assert_eq!(vm.request(request(&feed::token(1_000)), b"")?.answered, None);
    let body = |n| format!("{{\"a\": [\"{}\"]}}", feed::token(n)).into_bytes();
    assert_eq!(vm.request(Vec::new(), &body(999))?.answered, Some(403));
    assert_eq!(vm.request(Vec::new(), &body(1_000))?.answered, None);
    Ok(())
}

/// Where patches apply is looked at when there is a match; a request with a body has its destination copied.
#[test]
fn scopes_cost_a_request_without_a_match_nothing() -> Result<()> {
    let measured = measure(&module()?, &TOKENS[1..2], feed::settings)?;
    if let Err(complaint) = measured.compare() {
        panic!("{complaint}");
    }
    let mut vm = vm(&module()?, 1_000, feed::settings(1_000))?;
    let request = |host: &str| {
        let headers = [(":authority", host), (":path", "/v2/admin"), ("authorization", &format!("Bearer {}", feed::token(999)))];
        headers.map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec())).to_vec()
    };
    assert_eq!(vm.request(request("a.scope0.test"), b"")?.answered, Some(403));
    assert_eq!(vm.request(request("elsewhere.test"), b"")?.answered, None);
    Ok(())
}

/// The control plane lets it judge what anybody sends.
#[test]
fn the_host_holds_a_module_to_its_limits() -> Result<()> {
    let module = module()?;
    for (limits, expected) in [
        (Limits { fuel: 1_000, ..Limits::NONE }, "fuel"),
        (Limits { memory: 64 * 1024, ..Limits::NONE }, "memory"),
        (Limits { memory: 3 * 1024 * 1024, ..Limits::NONE }, "memory"),
    ] {
        let mut started = start(&module, limits);
        let error = match &mut started {
            Err(error) => format!("{error:#}"),
            Ok(vm) => match vm.request(vec![(b"authorization".to_vec(), vec![b'x'; 4 * 1024 * 1024])], b"") {
                Err(error) => format!("{error:#}"),
                Ok(outcome) => panic!("{limits:?}: {outcome:?}"),
            },
        };
        assert!(error.contains(expected), "{limits:?}: {error}");
    }
    Ok(())
}

/// Every VM of every proxy compiles it. What it has today, and a little: docs/performance.md says what has been tried to make it smaller.
#[test]
fn the_module_does_not_grow_unnoticed() {
    const MOST_BYTES: u64 = 400_000;
    let tools = Tools::find().unwrap();
    let size = std::fs::metadata(tools.filter).unwrap().len();
    assert!(size <= MOST_BYTES, "the module has {size} bytes, and {MOST_BYTES} were accepted");
}

fn measure(module: &FilterModule, sizes: &[usize], settings: impl Fn(usize) -> Vec<u8>) -> Result<Table> {
    let mut table = Table::default();
    for &tokens in sizes {
        let mut vm = vm(module, tokens, settings(tokens))?;
        for (sample, body) in samples().into_iter().map(|sample| (sample, Vec::new())).chain([json()]) {
            let headers = || sample.headers.iter().map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec()));
            for _ in 0..WARM_UP {
                vm.request(headers().collect(), &body)?;
            }
            let outcome = vm.request(headers().collect(), &body)?;
            assert_eq!(outcome.answered, None, "{}: {}", sample.name, vm.log());
            table.put(sample.name, tokens, outcome.fuel);
        }
    }
    Ok(table)
}

fn module() -> Result<FilterModule> {
    Ok(FilterModule::from_file(&Tools::find()?.filter)?)
}

/// A filter that enforces an index of so many tokens.
fn vm(module: &FilterModule, tokens: usize, enforcement: Vec<u8>) -> Result<Vm> {
    let mut vm = start(module, Limits::NONE)?;
    feed::push(&mut vm, tokens, enforcement)?;
    Ok(vm)
}

fn start(module: &FilterModule, limits: Limits) -> Result<Vm> {
    /// 2026-01-01, for ever.
    const NOW_NS: u64 = 1_767_225_600_000_000_000;
    let public_key = feed::public_key();
    let settings = Settings {
        environment: &[("STOPLEAK_CREDENTIAL", "credential-of-a-test"), ("STOPLEAK_PUBLIC_KEY", &public_key)],
        configuration: r#"{"cluster": "stopleak_feed", "body": {}}"#,
        limits,
        clock: Clock::Fixed(NOW_NS),
        shared_data: SharedData::default(),
        number: 0,
    };
    Ok(Vm::start(module, settings)?)
}
