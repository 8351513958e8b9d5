//! `stopleak check`

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};
use stopleak_contract::{Fingerprint, FingerprintKey, Token};
use zeroize::{Zeroize as _, Zeroizing};

use super::Fault;
use super::client::{Client, Remote};
use super::table::{self, cell, items};
use crate::config::Config;
use crate::keys;
use crate::tenants::TenantId;

/// Find out whether tokens are leaked, without sending them
#[derive(Args)]
#[command(after_help = "\
Examples:
  stopleak check tokens.txt
  pass show api/token | stopleak check

One token a line. They are hashed here, with the fingerprint key of the data folder, of STOPLEAK_FINGERPRINT_KEY, or of the
command that the configuration names; only the hashes are sent, and nothing shows a token.

Exit codes: 0 none is leaked, 1 it could not be found out, 2 bad arguments, 3 at least one is leaked.")]
pub(super) struct Check {
    /// A file with one token a line, or `-` for standard input
    #[arg(default_value = "-")]
    tokens: PathBuf,
    /// The server's configuration, when it names a command that prints the fingerprint key
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    remote: Remote,
}

/// A token that was hashed.
struct Hashed {
    line: u64,
    preview: String,
    /// One under each key.
    fingerprints: Vec<Fingerprint>,
}

/// What the server takes in one request.
const AT_ONCE: usize = 10_000;
/// A longer line is no token.
const MAX_LINE: u64 = 64 * 1024;

impl Check {
    pub(super) fn run(self) -> Result<(), Fault> {
        let client = self.remote.client()?;
        let keys = self.keys(&client)?;
        let mut lines = BufReader::new(self.open()?);
        let (mut leaked, mut all, mut line) = (0, Vec::new(), 0);
        loop {
            let hashed = read(&mut lines, &mut line, &keys)?;
            if hashed.is_empty() {
                break;
            }
            let fingerprints: Vec<String> = hashed.iter().flat_map(|hashed| &hashed.fingerprints).map(hex).collect();
            let checks = client.post("/checks", &json!({"fingerprints": fingerprints}))?;
            for (hashed, checks) in hashed.iter().zip(items(&checks, "checks").chunks(keys.len())) {
                // Under one of the keys at most, it is known.
                let Some(check) = checks.iter().find(|check| !check["leak"].is_null()).or(checks.first()) else { continue };
                leaked += u64::from(check["leaked"] == true);
                if self.remote.json || check["leaked"] == true {
                    let mut check = check.clone();
                    check["line"] = json!(hashed.line);
                    check["preview"] = json!(hashed.preview);
                    all.push(check);
                }
            }
        }
        if self.remote.json {
            table::json(&json!({"leaked": leaked, "checks": all}))?;
        } else if !all.is_empty() {
            show(&all)?;
        }
        if leaked == 0 { Ok(()) } else { Err(Fault::Leaked(leaked)) }
    }

    fn open(&self) -> Result<Box<dyn Read>, Fault> {
        if self.tokens.as_os_str() == "-" {
            return Ok(Box::new(io::stdin()));
        }
        let file = File::open(&self.tokens);
        let file = file.map_err(|error| Fault::Usage(format!("{}: {error}", self.tokens.display())))?;
        Ok(Box::new(file))
    }

    /// The tenant's keys that the server has in force: with others, nothing would look leaked.
    fn keys(&self, client: &Client) -> Result<Vec<FingerprintKey>, Fault> {
        let config = self.config.as_deref().map(Config::read).transpose().map_err(|error| Fault::Usage(error.to_string()))?;
        let config = config.unwrap_or_default();
        let data_dir = self.remote.data_dir().or_else(|| config.data_dir().ok());
        let server = client.get("/checks")?;
        let tenant = TenantId(server["tenant_number"].as_i64().unwrap_or_default());
        let here = keys::fingerprint_keys(&data_dir.unwrap_or_default(), &config.keys, tenant);
        let here = here.map_err(|error| Fault::Refused(error.to_string()))?;
        let wanted = [&server["key_check"], &server["second_key_check"]].into_iter().filter_map(Value::as_str);
        let of = |check: &str| here.iter().find(|key| check_hex(key) == check).cloned();
        wanted.map(of).collect::<Option<Vec<_>>>().filter(|keys| !keys.is_empty()).ok_or_else(|| {
            Fault::Refused(
            "the fingerprint key here is not the server's, so that no token would be recognised; give the server's data folder \
             (--data-dir), its configuration (--config), or its key in STOPLEAK_FINGERPRINT_KEY"
                .to_owned(),
        )
        })
    }
}

fn check_hex(key: &FingerprintKey) -> String {
    blake3::Hash::from_bytes(key.check()).to_hex().to_string()
}

/// The next tokens, hashed.
fn read(lines: &mut impl BufRead, line: &mut u64, keys: &[FingerprintKey]) -> Result<Vec<Hashed>, Fault> {
    let mut hashed = Vec::new();
    // With room for all of a line: growing would leave copies behind that are not overwritten.
    let mut text = Zeroizing::new(Vec::with_capacity(usize::try_from(MAX_LINE).unwrap_or_default()));
    while hashed.len() < AT_ONCE / keys.len().max(1) {
        text.zeroize();
        let read = lines.by_ref().take(MAX_LINE).read_until(b'\n', &mut text);
        *line += 1;
        match read.map_err(|error| Fault::Refused(format!("line {line}: {error}")))? {
            0 => break,
            _ if text.len() as u64 == MAX_LINE => return Err(Fault::Usage(format!("line {line} is too long for a token"))),
            _ if text.trim_ascii().is_empty() => {}
            _ => {
                let token = Token::parse(&text).map_err(|error| Fault::Usage(format!("line {line}: {error}")))?;
                let fingerprints = keys.iter().map(|key| Fingerprint::of(key, &token)).collect();
                hashed.push(Hashed { line: *line, preview: token.preview(), fingerprints });
            }
        }
    }
    Ok(hashed)
}

fn show(checks: &[Value]) -> Result<(), Fault> {
    let row = |check: &Value| {
        ["line", "preview", "leak", "status", "virtual_patch", "first_seen_at"].map(|member| cell(check, member)).to_vec()
    };
    let rows: Vec<_> = checks.iter().map(row).collect();
    table::rows(&["LINE", "TOKEN", "LEAK", "STATUS", "PATCHED", "FIRST SEEN"], &rows)
}

fn hex(fingerprint: &Fingerprint) -> String {
    blake3::Hash::from_bytes(*fingerprint.as_bytes()).to_hex().to_string()
}
