//! What is remembered, and what never goes out.

use std::path::PathBuf;

use stopleak_contract::index::{IndexSource, SigningKey};
use stopleak_contract::{FingerprintKey, Token};
use stopleak_detector::Risk;

use super::recent::{RECENT, RECENT_BYTES};
use super::*;
use crate::config::KeysConfig;
use crate::leaks::{self, NewLeak, NewToken};
use crate::people::Caller;

fn published(shards: Vec<Arc<[u8]>>) -> Arc<Published> {
    let built = IndexSource::new(0).build("t", &FingerprintKey::new([7; 32]), 1, 0).unwrap();
    let sealed = SigningKey::new(&[3; 32]).seal(built.header);
    let differences = push::Differences::default();
    Arc::new(Published { epoch: 1, root: [0; 32], built_at: Time::now(), tokens: 0, bytes: 0, sealed, shards, differences })
}

#[test]
fn indexes_that_share_little_are_soon_forgotten() {
    let shard = || Arc::<[u8]>::from(vec![0; RECENT_BYTES / 2]);
    let unlike = (0..40).map(|_| published(vec![shard(), shard()])).collect();
    assert_eq!(worth_keeping(&unlike), 2, "the newest, and as much again");
    let common = vec![shard(), shard(), shard(), shard()];
    let one_changes = (0..40).map(|n: usize| {
        let mut shards = common.clone();
        shards[n % 4] = shard();
        published(shards)
    });
    assert_eq!(worth_keeping(&one_changes.collect()), 3);
    let alike = (0..40).map(|_| published(common.clone())).collect();
    assert_eq!(worth_keeping(&alike), RECENT);
    assert_eq!(worth_keeping(&VecDeque::from([published(Vec::new())])), 1);
}

/// As a builder with a defect would make it: every hash and the signature are right, and the leaks' numbers are not.
pub(super) fn damaged(published: Published, keys: &Keys) -> Published {
    let mut header = published.header().clone();
    let mut shards = published.shards;
    for (sum, shard) in header.shards.iter_mut().zip(&mut shards) {
        let mut bytes = shard.to_vec();
        let middle = bytes.len() / 2;
        for byte in &mut bytes[middle..] {
            *byte ^= 0x11;
        }
        sum.hash = *blake3::hash(&bytes).as_bytes();
        *shard = bytes.into();
    }
    let root = header.root();
    Published { root, sealed: keys.signing.seal(header), shards, ..published }
}

struct Bench {
    publisher: Arc<Publisher>,
    store: Store,
    keys: Arc<Keys>,
    tenant: Tenant,
    metrics: Arc<Metrics>,
    _data: tempfile::TempDir,
}

impl Bench {
    async fn start() -> Self {
        let data = tempfile::tempdir().unwrap();
        let keys = Arc::new(Keys::load(data.path(), &KeysConfig::default(), false).unwrap());
        let store = Store::open(data.path()).await.unwrap();
        let mut db = store.write().await.unwrap();
        let tenant = tenants::ensure(&mut db, tenants::DEFAULT, Time::now()).await.unwrap();
        db.commit().await.unwrap();
        let (module, metrics) = (Arc::new(FilterModule::from_file(&filter()).unwrap()), Metrics::new());
        let publisher = Publisher::start(store.clone(), Arc::clone(&keys), Some(module), Arc::clone(&metrics)).await.unwrap();
        Self { publisher, store, keys, tenant, metrics, _data: data }
    }

    /// Adds a leak of so many tokens; its epoch.
    async fn leak(&self, from: usize, tokens: usize) -> u64 {
        let key = self.keys.fingerprint(self.tenant.id);
        let token = |n: usize| Token::parse(format!("fake-{n:08x}-of-a-test").as_bytes()).unwrap();
        let tokens: Vec<_> = (from..from + tokens).map(|n| NewToken::of(&key, &token(n), None)).collect();
        let leak = NewLeak { title: "t", risk: Risk::High, place: None };
        let added =
            leaks::add(&self.store, &Caller::system("test", self.tenant.clone()), &leak, &tokens, Time::now()).await.unwrap();
        self.publisher.wake(self.tenant.id);
        u64::try_from(added.epoch).unwrap()
    }

    async fn until(&self, epoch: u64) -> Arc<Published> {
        let mut newest = self.publisher.subscribe(self.tenant.id).unwrap();
        let published = tokio::time::timeout(DEADLINE, newest.wait_for(|published| published.epoch == epoch)).await;
        Arc::clone(&published.expect("the epoch is published").unwrap())
    }

    fn failures(&self) -> String {
        let text = self.metrics.encode(&crate::metrics::Counted::default()).unwrap();
        text.lines().find(|line| line.starts_with("stopleak_index_proof_failures_total")).unwrap_or_default().to_owned()
    }
}

const DEADLINE: Duration = Duration::from_mins(1);

/// Of this checkout, as `just build` makes it.
fn filter() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let file = test.ancestors().nth(3).unwrap().join("stopleak_filter.wasm");
    assert!(file.is_file(), "{} is missing: run `just build`", file.display());
    file
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_that_holds_what_it_should_not_reaches_nobody_and_the_last_good_one_stays() {
    let bench = Bench::start().await;
    let good = bench.leak(0, 50).await;
    let published = bench.until(good).await;
    assert_eq!(published.tokens, 50, "the probe is no leaked token");

    bench.publisher.faulty.store(true, Ordering::Relaxed);
    let bad = bench.leak(50, 50).await;
    let deadline = Instant::now() + DEADLINE;
    while !bench.publisher.is_unproved(bench.tenant.id) {
        assert!(Instant::now() < deadline, "nobody notices");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_ne!(bench.failures(), "stopleak_index_proof_failures_total 0");
    let newest = bench.publisher.subscribe(bench.tenant.id).unwrap();
    assert_eq!(newest.borrow().epoch, good, "the last good index stays");
    let channel = lock(&bench.publisher.channels).get(&bench.tenant.id).map(Arc::clone).unwrap();
    assert!(lock(&channel.recent).iter().all(|known| known.epoch != bad), "no gateway that comes back is sent it");
    assert_eq!(bench.publisher.trial(bench.tenant.id).unwrap().epoch, good);

    bench.publisher.faulty.store(false, Ordering::Relaxed);
    bench.publisher.wake(bench.tenant.id);
    assert_eq!(bench.until(bad).await.tokens, 100);
    assert!(!bench.publisher.is_unproved(bench.tenant.id));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_whose_first_index_is_not_proved_has_one_later() {
    let bench = Bench::start().await;
    let mut db = bench.store.write().await.unwrap();
    let tenant = tenants::ensure(&mut db, "acme", Time::now()).await.unwrap();
    db.commit().await.unwrap();
    bench.publisher.faulty.store(true, Ordering::Relaxed);
    bench.publisher.open(&tenant).await.unwrap();
    assert!(bench.publisher.is_unproved(tenant.id) && bench.publisher.subscribe(tenant.id).is_none());
    bench.publisher.faulty.store(false, Ordering::Relaxed);
    let deadline = Instant::now() + DEADLINE;
    while bench.publisher.subscribe(tenant.id).is_none() {
        assert!(Instant::now() < deadline, "nobody tries again");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(!bench.publisher.is_unproved(tenant.id));
}

/// Each half of the proof finds faults that the other one cannot see.
#[tokio::test(flavor = "multi_thread")]
async fn what_the_module_cannot_read_or_judges_wrongly_is_not_proved() {
    let bench = Bench::start().await;
    bench.until(bench.leak(0, 50).await).await;
    let module = FilterModule::from_file(&filter()).unwrap();
    let mut source = Source::load(&bench.store, &bench.keys, bench.tenant.id).await.unwrap();
    source.fit(&bench.store, &bench.keys, bench.tenant.id).await.unwrap();
    let good = Arc::new(source.build(&bench.tenant, &bench.keys).unwrap());
    source.prove(&module, &bench.tenant, &bench.keys, &good).unwrap();

    let changed = |change: &dyn Fn(&mut stopleak_contract::index::IndexHeader)| {
        let mut header = good.header().clone();
        header.epoch += 1;
        change(&mut header);
        let (epoch, root, tokens) = (header.epoch, header.root(), good.tokens);
        let shards = good.shards.clone();
        let (sealed, differences) = (bench.keys.signing.seal(header), push::Differences::default());
        Arc::new(Published { epoch, root, built_at: good.built_at, tokens, bytes: 0, sealed, shards, differences })
    };
    for (name, published, expected) in [
        ("another tenant's", changed(&|header| header.tenant = "other".to_owned()), "NotEnforced"),
        ("another format", changed(&|header| header.format += 1), "NotEnforced"),
        ("a wrong count", changed(&|header| header.tokens += 1), "NotEnforced"),
        ("settings that are none", changed(&|header| header.settings = vec![0xff]), "Settings"),
        ("a wrong sum", changed(&|header| header.shards[0].hash = [0; 32]), "Shard"),
        ("no kinds", changed(&|header| header.kinds = std::iter::empty().collect()), "Misjudged"),
    ] {
        let error =
            source.prove(&module, &bench.tenant, &bench.keys, &published).err().unwrap_or_else(|| panic!("{name} is proved"));
        assert!(format!("{error:?}").starts_with(expected), "{name}: {error:?}");
    }
    source.prove(&module, &bench.tenant, &bench.keys, &good).expect("a fault leaves nothing behind");
}
