# What can be done here. `./just` fetches the command runner itself; anything longer than a line lives in scripts/.

set positional-arguments

export PATH := justfile_directory() / ".tools/bin:" + env("PATH")

[private]
list:
    @just --list --unsorted

# Fetch what the build and the tests need into .tools/ (at once when it is there already)
setup:
    @scripts/setup tests

# What the build and the demo need: no PostgreSQL, which only root can install
[private]
tools:
    @scripts/setup

# What pages load to make fingerprints of tokens; the control plane cannot be compiled without it
[private]
browser-module: tools
    scripts/browser-module

# Build the control plane, the demo and the filters
build: browser-module
    cargo build --workspace --bins
    cargo build --package stopleak-filter --package stopleak-noop-filter --profile filter --target wasm32-wasip1
    scripts/finish-filter

# The filter that falls when a request asks for it, for one test: no build that is shipped has that feature
[private]
trapping-filter: tools
    cargo build --package stopleak-filter --target wasm32-wasip1 --features provoke-trap

# The whole loop on this machine: scan, patch, a refused request. `just demo --once` ends by itself
demo *ARGS: build
    @"${CARGO_TARGET_DIR:-target}/debug/demo" "$@"

# What the filter costs on a real Envoy, beside the alternatives; --quick for a smoke run
bench-filter *ARGS: build
    @"${CARGO_TARGET_DIR:-target}/debug/bench-filter" "$@"

# How long an index of any size takes to reach a real Envoy, and what its requests notice: just bench-load --tokens 10000000
bench-load *ARGS: build
    @"${CARGO_TARGET_DIR:-target}/debug/bench-load" "$@"

# How fast a decision is in force: on a real Envoy, over 10,000 simulated gateways, and a first load of a million tokens
bench-feed *ARGS: build
    cargo build --release --package stopleak --package stopleak-tests --bin stopleak --bin bench-feed --bin simulate-gateways
    @"${CARGO_TARGET_DIR:-target}/release/bench-feed" "$@"

# Faults and load for a quarter of an hour, and what must hold meanwhile: decisions, kills, network, attack, database
soak *ARGS: build
    @"${CARGO_TARGET_DIR:-target}/debug/soak" "$@"

# What lists, decisions and charts take on a large database: just bench-api --database sqlite --leaks 100000 --tokens 1000000 --attempts 1000000
bench-api *ARGS: build
    cargo build --release --package stopleak --package stopleak-tests --bin stopleak --bin bench-api
    @"${CARGO_TARGET_DIR:-target}/release/bench-api" "$@"

# What scanning costs beside other scanners, and what each finds: just bench-scan --repository PATH-OR-URL --tree FOLDER
bench-scan *ARGS: tools
    @scripts/setup scan-peers
    cargo build --release --package stopleak --bin stopleak
    cargo build --package stopleak-tests --bin seed-corpus
    @scripts/bench-scan "$@"

# Accept what requests cost the filter now: rewrites tests/fuel.toml
fuel: build
    STOPLEAK_WRITE_FUEL=1 cargo nextest run --package stopleak-tests --test fuel

# Take the pictures of the console that the README shows: docs/screenshots
screenshots: setup build
    STOPLEAK_WRITE_SCREENSHOTS=1 cargo nextest run --package stopleak-tests --test browser every_page

# Every test, end to end included
test: setup build trapping-filter
    cargo nextest run --workspace

# Let the fuzzer at what reads hostile bytes, a minute for each target or as many seconds as are given; needs Rust's nightly toolchain
fuzz *SECONDS:
    @scripts/fuzz "$@"

# Formatting, lints, licences, and that the prose still matches the code
check: setup browser-module
    cargo fmt --all --check
    cargo clippy --workspace --all-targets -- --deny warnings
    cargo clippy --package stopleak-filter --package stopleak-noop-filter --target wasm32-wasip1 -- --deny warnings
    cargo clippy --package stopleak-filter --target wasm32-wasip1 --features provoke-trap -- --deny warnings
    cargo deny --log-level warn check bans licenses sources
    cargo nextest run --workspace --test tidy

# Known vulnerabilities in the dependencies; needs the advisory database from the network
audit: setup
    cargo deny check advisories

# Format the code
fmt:
    cargo fmt --all
