//! Writes a folder of files with fake tokens, one in each, and of decoys: `seed-corpus FOLDER`. `just bench-scan` counts how many a
//! scanner finds.
//!
//! In `seeds/` are formats that every scanner knows, in a plain file and, of one of them, in the forms that are hard to see. In
//! `decoys/` is what only looks like a token.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use stopleak_detector::Rules;

/// Formats of providers that all of the scanners name in their lists.
const COMMON: &[&str] = &[
    "github-personal-access-token",
    "github-fine-grained-token",
    "github-oauth-token",
    "gitlab-personal-access-token",
    "npm-access-token",
    "pypi-upload-token",
    "rubygems-api-key",
    "docker-access-token",
    "aws-access-key-id",
    "google-api-key",
    "digitalocean-token",
    "slack-bot-token",
    "slack-webhook-url",
    "discord-bot-token",
    "telegram-bot-token",
    "stripe-secret-key",
    "square-access-token",
    "shopify-token",
    "sendgrid-api-key",
    "mailgun-api-key",
    "twilio-api-key",
    "openai-legacy-key",
    "openai-project-key",
    "anthropic-api-key",
    "huggingface-token",
    "groq-api-key",
    "replicate-token",
    "databricks-token",
    "grafana-service-account-token",
    "newrelic-user-key",
    "sentry-user-token",
    "linear-api-key",
    "notion-token",
    "figma-token",
    "airtable-token",
    "postman-api-key",
    "doppler-token",
    "vault-service-token",
    "terraform-cloud-token",
    "pulumi-access-token",
    "planetscale-token",
    "supabase-access-token",
    "age-secret-key",
    "private-key",
    "json-web-token",
];
const GITHUB: &str = "github-personal-access-token";

fn main() -> Result<()> {
    let folder = std::env::args().nth(1).context("usage: seed-corpus FOLDER")?;
    let folder = Path::new(&folder);
    let rules = Rules::built_in();
    let mut missing = Vec::new();
    for (number, id) in (1..).zip(COMMON) {
        match rules.get(id) {
            Some(rule) => write(folder, &format!("seeds/{id}/settings.conf"), rule.example(number).text.as_bytes())?,
            None => missing.push(*id),
        }
    }
    anyhow::ensure!(missing.is_empty(), "no such formats: {missing:?}");
    let token = rules.get(GITHUB).context("there is no format of GitHub")?.example(99).text;
    let name = |form: &str| format!("seeds/form-{form}");
    write(folder, &name("base64/secret.yaml"), format!("data:\n  value: {}\n", STANDARD.encode(&token)).as_bytes())?;
    write(folder, &name("utf16/export.reg"), &wide(&format!("[keys]\r\n\"a\"=\"{token}\"\r\n")))?;
    write(folder, &name("url/log.txt"), format!("GET /cb?value={}&next=1\n", percent(&token)).as_bytes())?;
    write(folder, &name("binary/core.bin"), &[&[0_u8, 159, 146, 150, 0], token.as_bytes(), &[0, 255, 1]].concat())?;
    let cell = serde_json::json!({"cell_type": "code", "source": ["import x\n", format!("t = \"{token}\"\n")], "outputs": []});
    write(folder, &name("notebook/a.ipynb"), serde_json::json!({"cells": [cell], "nbformat": 4}).to_string().as_bytes())?;
    let mut packed = GzEncoder::new(Vec::new(), Compression::default());
    packed.write_all(token.as_bytes())?;
    write(folder, &name("gzip/old.log.gz"), &packed.finish()?)?;
    write(folder, &name("zip/backup.zip"), &zip("x.env", token.as_bytes())?)?;

    // The last letter belongs to the checksum.
    let wrong = format!("{}{}", &token[..39], if token.ends_with('0') { '1' } else { '0' });
    write(folder, "decoys/checksum/a.conf", wrong.as_bytes())?;
    write(folder, "decoys/placeholder/a.conf", format!("ghp_{}", "x".repeat(36)).as_bytes())?;
    write(folder, "decoys/documentation/a.conf", ["aws_access_key_id = AKIAIOSFODNN7", "EXAMPLE"].concat().as_bytes())?;
    write(folder, "decoys/template/a.conf", b"STRIPE_KEY=sk_live_your_secret_key_goes_here")?;
    write(folder, "decoys/variable/a.conf", b"token: ${GITHUB_TOKEN_FROM_THE_VAULT}")?;
    Ok(())
}

fn write(folder: &Path, name: &str, content: &[u8]) -> Result<()> {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().context("a file is in a folder")?)?;
    fs::write(&path, content).with_context(|| format!("writing {}", path.display()))
}

/// UTF-16 with its mark.
fn wide(text: &str) -> Vec<u8> {
    [0xff, 0xfe].into_iter().chain(text.encode_utf16().flat_map(u16::to_le_bytes)).collect()
}

fn percent(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        // Writing to a string cannot fail.
        let _ = if byte.is_ascii_alphanumeric() { write!(out, "{}", char::from(byte)) } else { write!(out, "%{byte:02X}") };
        out
    })
}

/// A zip of one file, which is not packed.
fn zip(name: &str, content: &[u8]) -> Result<Vec<u8>> {
    let length = |bytes: &[u8]| u32::try_from(bytes.len()).map(u32::to_le_bytes);
    let mut checksum = flate2::Crc::new();
    checksum.update(content);
    let name_length = u16::try_from(name.len())?.to_le_bytes();
    let common = [
        &[20, 0, 0, 0, 0, 0, 0, 0, 0x21, 0][..],
        &checksum.sum().to_le_bytes(),
        &length(content)?,
        &length(content)?,
        &name_length,
        &[0, 0],
    ]
    .concat();
    let file = [b"PK\x03\x04", common.as_slice(), name.as_bytes(), content].concat();
    let entry = [b"PK\x01\x02\x14\0", common.as_slice(), &[0; 14], name.as_bytes()].concat();
    let end = [b"PK\x05\x06\0\0\0\0\x01\0\x01\0".as_slice(), &length(&entry)?, &length(&file)?, &[0, 0]].concat();
    Ok([file, entry, end].concat())
}
