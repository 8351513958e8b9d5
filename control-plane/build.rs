//! Migrations are compiled in, so a new one has to trigger a build. So are the console's scripts, styles and its module: packed, and under
//! names that change with what is in them, so that browsers may keep them for ever.

use std::env;
use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;

/// The name of an asset, its extension, and the files that it is made of: ours from `src/console/assets`, others' from npm, and what
/// `scripts/browser-module` has built.
const ASSETS: &[(&str, &str, &[&str])] = &[
    ("console", "css", &["tokens.css", "base.css", "frame.css", "parts.css", "pages.css"]),
    ("console", "js", &["console.js", "keys.js", "lazy.js", "live.js", "try.js"]),
    ("charts", "js", &["charts.js"]),
    ("add", "js", &["built:stopleak_browser.js", "add.js"]),
    ("add", "wasm", &["built:stopleak_browser_bg.wasm"]),
    ("echarts", "js", &["npm:echarts/dist/echarts.simple.min.js"]),
    ("htmx", "js", &["npm:htmx.org/dist/htmx.min.js"]),
    ("icon", "svg", &["icon.svg"]),
];
const OURS: &str = "src/console/assets";
/// Where `scripts/setup` puts the packages of `scripts/pins/console`.
const NPM: &str = "../.tools/console/node_modules";
/// Digits of a hash in a name: 64 bits, for a few versions of one file.
const DIGITS: usize = 16;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=migrations");
    println!("cargo:rerun-if-changed={OURS}");
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let mut table = String::from("/// Every asset.\npub(super) const ALL: &[Asset] = &[\n");
    let mut names = String::new();
    for (position, (name, extension, files)) in ASSETS.iter().enumerate() {
        let text = joined(files)?;
        let hash = &blake3::hash(&text).to_hex()[..DIGITS];
        let mut packed = GzEncoder::new(Vec::new(), Compression::best());
        packed.write_all(&text)?;
        let file = format!("{name}.{extension}.gz");
        fs::write(out.join(&file), packed.finish()?)?;
        writeln!(
            table,
            "    Asset {{ url: \"/assets/{name}-{hash}.{extension}\", extension: \"{extension}\", packed: include_bytes!(concat!(env!(\"OUT_DIR\"), \"/{file}\")) }},"
        )?;
        let constant = format!("{name}_{extension}").to_uppercase();
        writeln!(names, "/// The URL of it.\npub(super) const {constant}: &str = ALL[{position}].url;")?;
    }
    table.push_str("];\n");
    fs::write(out.join("assets.rs"), table + &names)?;
    Ok(())
}

fn joined(files: &[&str]) -> Result<Vec<u8>, Box<dyn Error>> {
    let mut text = Vec::new();
    for file in files {
        let (path, recipe) = match file.split_once(':') {
            Some(("npm", file)) => (Path::new(NPM).join(file), "setup"),
            Some((_, file)) => (built().join(file), "build"),
            None => (Path::new(OURS).join(file), "build"),
        };
        println!("cargo:rerun-if-changed={}", path.display());
        let missing = |error| format!("{}: {error}; `./just {recipe}` brings what the console is made of", path.display());
        text.extend(fs::read(&path).map_err(missing)?);
        if path.extension() != Some("wasm".as_ref()) {
            text.push(b'\n');
        }
    }
    Ok(text)
}

/// Where `scripts/browser-module` puts what it has built.
fn built() -> PathBuf {
    println!("cargo:rerun-if-env-changed=CARGO_TARGET_DIR");
    let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| PathBuf::from("target"), PathBuf::from);
    // Relative to the workspace, of which this crate is a folder; an absolute path stays as it is.
    Path::new("..").join(target).join("browser-module")
}
