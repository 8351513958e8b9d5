//! Fills the database.
//!
//! Tables that count others are filled by the product's own triggers, and counted again at the end.

use std::fs;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use sqlx::{AnyConnection, AssertSqlSafe, Connection as _};
use stopleak_tests::{ControlPlane, Tools};

use crate::database::{Database, execute};
use crate::recount;
use crate::rows::Rows;
use crate::spread::Sizes;

/// What there is.
#[derive(Clone, Copy, Debug)]
pub struct Seeded {
    pub sizes: Sizes,
    /// Those of open leaks.
    pub indexed: i64,
    /// The busiest token's.
    pub busiest: i64,
    pub bytes: u64,
    /// How long it took, unless it was there.
    pub took: Option<Duration>,
}

/// Rows of one statement.
const CHUNK: i64 = 200_000;
const GATEWAYS: usize = 5;
/// Says in the folder what is there.
const NOTE: &str = "seeded.json";

/// Fills the database, unless it is full already.
pub fn fill(tools: &Tools, database: &Database, wanted: Sizes) -> Result<Seeded> {
    let note = database.folder.join(NOTE);
    let as_json = json!({"leaks": wanted.leaks, "tokens": wanted.tokens, "attempts": wanted.attempts});
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    if let Ok(text) = fs::read_to_string(&note) {
        let there: Value = serde_json::from_str(&text)?;
        ensure!(there == as_json, "{} has {there}; ask for that, or give another folder", database.folder.display());
        return runtime.block_on(async { describe(&mut database.connect().await?, database, wanted, None).await });
    }
    let started = Instant::now();
    let mut control_plane = ControlPlane::start_with(tools, &database.data_dir(), database.config())?;
    let gateways = (1..=GATEWAYS).map(|n| {
        let gateway = control_plane.post("/api/v1/gateways", &json!({"name": format!("gateway-{n}")}))?;
        gateway["id"].as_i64().with_context(|| format!("no id in {gateway}"))
    });
    let gateways = gateways.collect::<Result<Vec<_>>>()?;
    control_plane.kill();
    let seeded = runtime.block_on(async {
        let mut db = database.connect().await?;
        write(&mut db, database, wanted, gateways).await?;
        let seeded = describe(&mut db, database, wanted, Some(started.elapsed())).await?;
        db.close().await?;
        Ok::<_, anyhow::Error>(seeded)
    })?;
    fs::write(note, as_json.to_string())?;
    Ok(seeded)
}

async fn write(db: &mut AnyConnection, database: &Database, sizes: Sizes, gateways: Vec<i64>) -> Result<()> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_millis();
    let tenant = number(db, "SELECT id FROM tenants WHERE name = 'default'").await?;
    let mut rows = Rows { database, sizes, tenant, gateways, now: i64::try_from(now)? };
    execute(db, rows.sources()).await?;
    let first = number(db, "SELECT min(id) FROM sources").await?;
    fill_table(db, database, "leaks", sizes.leaks, CHUNK, |from, to| rows.leaks(from, to, first)).await?;
    // By leaks, which have ten tokens on average.
    let back = database.open(db, "tokens").await?;
    in_chunks(db, "tokens", sizes.leaks, CHUNK / 10, |from, to| rows.tokens(from, to)).await?;
    execute(db, rows.tokens(sizes.largest(), sizes.largest())).await?;
    restore(db, "tokens", back).await?;
    let tokens = number(db, "SELECT max(id) FROM tokens").await?;
    ensure!(tokens == number(db, "SELECT count(*) FROM tokens").await?, "keys of tokens are 1, 2, 3 …");
    rows.sizes.tokens = tokens;
    fill_table(db, database, "occurrences", tokens, CHUNK, |from, to| rows.occurrences(from, to)).await?;
    fill_table(db, database, "decisions", sizes.leaks, CHUNK, |from, to| rows.decisions(from, to)).await?;
    fill_table(db, database, "attempts", sizes.attempts, CHUNK, |from, to| rows.attempts(from, to)).await?;
    for statement in [rows.lives(), rows.new_clients(), rows.tenant()] {
        execute(db, statement).await?;
    }
    eprintln!("counting again");
    recount::check(db, tenant).await?;
    database.settle(db).await
}

async fn fill_table(
    db: &mut AnyConnection,
    database: &Database,
    table: &str,
    count: i64,
    chunk: i64,
    statement: impl Fn(i64, i64) -> String,
) -> Result<()> {
    let back = database.open(db, table).await?;
    in_chunks(db, table, count, chunk, statement).await?;
    restore(db, table, back).await
}

async fn in_chunks(
    db: &mut AnyConnection,
    table: &str,
    count: i64,
    chunk: i64,
    statement: impl Fn(i64, i64) -> String,
) -> Result<()> {
    let (started, mut told, mut done) = (Instant::now(), 0, 0);
    while done < count {
        let to = (done + chunk).min(count);
        execute(db, statement(done + 1, to)).await?;
        done = to;
        if done * 10 / count > told {
            told = done * 10 / count;
            eprintln!("{table}: {} % after {:.0} s", told * 10, started.elapsed().as_secs_f64());
        }
    }
    Ok(())
}

async fn restore(db: &mut AnyConnection, table: &str, statements: Vec<String>) -> Result<()> {
    let started = Instant::now();
    let count = statements.len();
    for statement in statements {
        execute(db, statement).await?;
    }
    if count > 0 {
        // What comes next reads this table.
        execute(db, format!("ANALYZE {table}")).await?;
        eprintln!("{table}: indexes after {:.0} s", started.elapsed().as_secs_f64());
    }
    Ok(())
}

async fn describe(db: &mut AnyConnection, database: &Database, wanted: Sizes, took: Option<Duration>) -> Result<Seeded> {
    let sizes = Sizes {
        leaks: number(db, "SELECT count(*) FROM leaks").await?,
        tokens: number(db, "SELECT count(*) FROM tokens").await?,
        attempts: number(db, "SELECT count(*) FROM attempts").await?,
    };
    ensure!((sizes.leaks, sizes.attempts) == (wanted.leaks, wanted.attempts), "there are {sizes:?}");
    let indexed = number(db, "SELECT CAST(sum(token_count) AS BIGINT) FROM leaks WHERE status = 'open'").await?;
    let busiest = format!("SELECT leak FROM tokens WHERE id = {}", sizes.busiest_token());
    let busiest = number(db, &busiest).await?;
    Ok(Seeded { sizes, indexed, busiest, bytes: database.disk_bytes()?, took })
}

async fn number(db: &mut AnyConnection, query: &str) -> Result<i64> {
    sqlx::query_scalar(AssertSqlSafe(query.to_owned())).fetch_one(db).await.with_context(|| query.to_owned())
}
