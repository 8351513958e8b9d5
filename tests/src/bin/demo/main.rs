//! The whole loop on this machine: `just demo [--once] [git-url]`.
//!
//! Every step checks what it shows; `--once` ends with exit code 0 only when all of them held.

mod show;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;
use show::Show;
use stopleak_tests::repository::Repository;
use stopleak_tests::{World, command, eventually, tokens};

const USAGE: &str = "usage: just demo [--once] [git-url]

Starts a control plane, an Envoy and an upstream on free ports of this machine, scans a repository, patches a leak and shows
that Envoy refuses the token from then on. Stays up until Ctrl-C; with --once it ends by itself.
Without a git-url it makes a sample repository from made-up tokens.";

/// What the command line says.
struct Arguments {
    once: bool,
    git_url: Option<String>,
}

/// A token to send, and the leak that it belongs to.
struct Specimen {
    token: String,
    leak: u64,
}

/// The promise: a decision is in force within this time.
const PROMISE: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    command("demo", USAGE, Arguments::parse, run)
}

fn run(arguments: &Arguments) -> Result<()> {
    let show = Show::new();
    show.step("Start a control plane, an Envoy with the filter, and an upstream behind it");
    let world = World::start()?;
    show.fact("API", format!("http://{}/api/v1", world.control_plane.http()));
    show.fact("its token", world.control_plane.data_dir().join("admin-token").display());
    show.fact("gateway", format!("http://{}/", world.envoy.listener()));
    show.fact("Envoy's admin", format!("http://{}/", world.envoy.admin()));

    let specimen = match &arguments.git_url {
        None => scan_sample(&world, &show)?,
        Some(url) => scan_given(&world, &show, url)?,
    };
    let curl = format!("curl -i -H 'authorization: Bearer {}' http://{}/orders", specimen.token, world.envoy.listener());

    show.step("Use the leaked token: it works, as leaked tokens do");
    let request = world.get("/orders").bearer(&specimen.token);
    show.command(&curl);
    let before = request.send()?;
    show.reply(&before);
    ensure!(before.status == 200, "the request should have passed");

    show.step(&format!("Decide: apply a virtual patch to LK-{}", specimen.leak));
    let decided = Instant::now();
    let decision = world.control_plane.decide(specimen.leak, "apply_virtual_patch")?;
    let answered = decided.elapsed();
    let mut after = request.send()?;
    while after.status != 403 {
        ensure!(decided.elapsed() < PROMISE, "the token still passes after {PROMISE:?}");
        after = request.send()?;
    }
    let blocked = decided.elapsed();
    world.wait_for_epoch(decision["epoch"].as_u64().context("the decision names no epoch")?)?;
    let everywhere = decided.elapsed();
    ensure!(everywhere < PROMISE, "in force everywhere only after {everywhere:?}");
    show.fact("decision answered", show::milliseconds(answered));
    show.fact("first refusal", show::milliseconds(blocked));
    show.fact("seen in force in every worker", show::milliseconds(everywhere));

    show.step("Use it again: Envoy refuses it, and the upstream never sees the request");
    let served = world.upstream.served();
    show.command(&curl);
    let after = request.send()?;
    show.reply(&after);
    ensure!(after.status == 403, "the request should have been refused");
    ensure!(world.upstream.served() == served, "the upstream has seen a refused request");
    ensure!(world.get("/orders").bearer("a-token-that-has-not-leaked").status()? == 200, "another token should still pass");

    show.step("See who tried");
    let attempts = eventually("the attempts are on record", Duration::from_secs(10), || {
        let attempts = world.control_plane.attempts()?;
        let outcomes = |outcome| attempts.iter().any(|attempt| attempt["outcome"] == outcome);
        Ok((outcomes("blocked") && outcomes("observed")).then_some(attempts))
    })?;
    show.attempts(&attempts);

    show.result(&format!("Decision to block: {}. Every step held.", show::milliseconds(blocked)));
    if !arguments.once {
        show.step("Everything stays up until Ctrl-C");
        show.command(&format!("export STOPLEAK_DATA_DIR={}", world.control_plane.data_dir().display()));
        show.command("target/debug/stopleak leak list");
        show.command(&format!("target/debug/stopleak leak close {}", specimen.leak));
        show.command(&curl);
        wait_for_the_end()?;
    }
    Ok(())
}

/// A repository whose history holds tokens that its newest commit no longer has.
fn scan_sample(world: &World, show: &Show) -> Result<Specimen> {
    show.step("Make a repository that once held tokens (made up, and well-formed)");
    let token = tokens::of("github-personal-access-token", 42);
    let other = tokens::of("npm-access-token", 43);
    let repository = Repository::new()?;
    repository.commit("README.md", "# Orders\n", "Begin")?;
    repository.commit("deploy/production.env", &format!("REGION=eu-west-1\nGITHUB_TOKEN={token}\n"), "Deploy from CI")?;
    repository.commit("ci/.npmrc", &format!("//registry.example/:_authToken={other}\n"), "Publish packages")?;
    repository.commit("deploy/production.env", "REGION=eu-west-1\n", "Remove the token, as if that helped")?;
    show.fact("repository", repository.url());

    let leaks = scan(world, show, &repository.url())?;
    show.leaks(&leaks);
    let found = |leak: &&Value| leak["title"].as_str().is_some_and(|title| title.contains("production.env"));
    let leak = leaks.iter().find(found).and_then(|leak| leak["number"].as_u64());
    Ok(Specimen { token, leak: leak.context("the scan has not found the token in the history")? })
}

/// The control plane keeps no token, so that the demo cannot send one of a foreign repository: it adds a made-up one.
fn scan_given(world: &World, show: &Show, url: &str) -> Result<Specimen> {
    let leaks = scan(world, show, url)?;
    show.leaks(&leaks);
    show.step("Add a made-up leak, since Stopleak keeps no token of the repository that could be sent");
    let token = tokens::own(42);
    let leak = world.control_plane.add_leak("a token pasted by an administrator", &[&token])?;
    show.fact("leak", format!("LK-{leak}"));
    Ok(Specimen { token, leak })
}

fn scan(world: &World, show: &Show, url: &str) -> Result<Vec<Value>> {
    show.step("Scan its whole history");
    let begun = Instant::now();
    let scan = world.control_plane.scan(url)?;
    show.fact("scanned", format!("{} blobs in {}", scan["coverage"]["scanned"], show::milliseconds(begun.elapsed())));
    let page = world.control_plane.get("/api/v1/leaks")?;
    page["leaks"].as_array().cloned().with_context(|| format!("no leaks in {page}"))
}

fn wait_for_the_end() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
        tokio::select! {
            interrupt = tokio::signal::ctrl_c() => interrupt,
            _ = terminate.recv() => Ok(()),
        }
    })?;
    Ok(())
}

impl Arguments {
    fn parse(words: impl Iterator<Item = String>) -> Result<Self> {
        let mut arguments = Self { once: false, git_url: None };
        for word in words {
            match word.as_str() {
                "--once" => arguments.once = true,
                word if word.starts_with('-') => bail!("unknown option {word}"),
                _ if arguments.git_url.is_some() => bail!("one git-url at most"),
                _ => arguments.git_url = Some(word),
            }
        }
        Ok(arguments)
    }
}
