//! Control planes with as many leaked tokens as are wanted.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use serde_json::json;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{Connection as _, Row as _};

use crate::control_plane::ControlPlane;
use crate::tokens;
use crate::tools::Tools;

/// A control plane, and what a gateway needs to be its gateway.
#[derive(Debug)]
pub struct Indexed {
    /// It.
    pub control_plane: ControlPlane,
    /// Of the gateway.
    pub credential: String,
    /// Of the control plane.
    pub public_key: String,
    /// Patched, when there is any token at all.
    pub probe: Option<String>,
}

/// Of a token that none of the measured requests carries.
const PROBE: u32 = 999_999;

/// The file of the database within the data folder.
const DATABASE: &str = "stopleak.db";

impl Indexed {
    /// The name of the gateway.
    pub const GATEWAY: &str = "bench";

    /// With so many tokens, all of them patched.
    pub fn start(tools: &Tools, dir: &Path, wanted: u64) -> Result<Self> {
        let mut control_plane = ControlPlane::start(tools, dir)?;
        let gateway = control_plane.post("/api/v1/gateways", &json!({"name": Self::GATEWAY}))?;
        let text = |key: &str| gateway[key].as_str().map(str::to_owned).with_context(|| format!("no {key} in {gateway}"));
        let (credential, public_key) = (text("credential")?, text("public_key")?);
        let probe = (wanted > 0).then(|| tokens::own(PROBE));
        if let Some(probe) = &probe {
            // A token of every format, so that the index has tokens of many lengths and alphabets: the filter then skips least.
            let made: Vec<String> = tokens::all_formats(1).map(|(_, token)| token).collect();
            let listed: Vec<&str> = made.iter().map(String::as_str).chain([probe.as_str()]).collect();
            let leak = control_plane.add_leak("tokens for measuring", &listed)?;
            control_plane.decide(leak, "apply_virtual_patch")?;
            control_plane.kill();
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(multiply(dir.join(DATABASE), wanted))?;
            control_plane.restart()?;
        }
        Ok(Self { control_plane, credential, public_key, probe })
    }
}

/// Adds tokens that differ from those in the database by their fingerprints only, until there are as many as wanted. Through the API it
/// would take hours, and the index that comes of it is the same.
async fn multiply(database: PathBuf, wanted: u64) -> Result<()> {
    let mut connection = SqliteConnection::connect_with(&SqliteConnectOptions::new().filename(database)).await?;
    let columns = sqlx::query("SELECT name FROM pragma_table_info('tokens')").fetch_all(&mut connection).await?;
    let copied: Vec<String> =
        columns.iter().map(|row| row.get("name")).filter(|name| name != "id" && name != "fingerprint").collect();
    let copied = copied.join(", ");
    let there: i64 = sqlx::query_scalar("SELECT count(*) FROM tokens").fetch_one(&mut connection).await?;
    let more = i64::try_from(wanted)? - there;
    ensure!(more >= 0, "there are {there} formats, and so no index has fewer tokens");

    let mut transaction = connection.begin().await?;
    // Only names of columns are put in.
    let insert = format!(
        "WITH RECURSIVE copy (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM copy WHERE n <= ? / ?),
                        original AS (SELECT * FROM tokens)
         INSERT INTO tokens (fingerprint, {copied}) SELECT randomblob(32), {copied} FROM copy, original LIMIT ?"
    );
    sqlx::query(sqlx::AssertSqlSafe(insert)).bind(more).bind(there).bind(more).execute(&mut *transaction).await?;
    sqlx::query("UPDATE tenants SET epoch = epoch + 1").execute(&mut *transaction).await?;
    transaction.commit().await?;
    connection.close().await?;
    Ok(())
}
