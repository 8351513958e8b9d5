//! `stopleak serve`

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

use crate::config::{Config, ConfigError, LogFormat};
use crate::serve::{ADMIN_TOKEN, Server};

/// How long threads that did not stop when they were asked to are waited for.
const LAST_GRACE: Duration = Duration::from_secs(1);

/// Run the control plane: the API, and the feed that gateways connect to.
#[derive(Args)]
#[command(after_help = "\
Examples:
  stopleak serve
  stopleak serve --data-dir /var/lib/stopleak --http 127.0.0.1:8080 --feed 10.0.0.5:8081
  stopleak serve --config /etc/stopleak.toml --log-format json

The keys come from files under <data-dir>/keys, or from STOPLEAK_FINGERPRINT_KEY and STOPLEAK_SIGNING_KEY
(64 hexadecimal digits each), or from commands of the configuration:

  [keys]
  fingerprint_command = [\"vault\", \"kv\", \"get\", \"-field=fingerprint\", \"secret/stopleak\"]
  signing_command = [\"vault\", \"kv\", \"get\", \"-field=signing\", \"secret/stopleak\"]

The database is a file in the data folder, or a PostgreSQL whose URL is in STOPLEAK_DATABASE_URL or in one of
database, database_file and database_command of the configuration.

Other keys of the configuration: data_dir, http, feed, worker (false is --no-worker), log_format, log (such as \"stopleak=debug,info\"),
rules (a file with your own token formats), local_sources (folders of this machine that sources may name), max_attempts (that are kept, 1000000), [feed_tls] with certificate and private_key (PEM files),
[smtp] for notifications by e-mail (host, port, tls, authority, from, username, password_file, password_command),
allow_private_destinations (whether notifications may go to addresses of your own network),
and [github] with tenants and keys_url (receives what GitHub's secret scanning sends).

Exit codes: 0 stopped by SIGTERM or SIGINT, 1 could not start or serve, 2 bad flags or configuration.")]
pub(super) struct Serve {
    /// Where database, keys and the administrator's token live [default: ~/.local/share/stopleak]
    #[arg(long, env = "STOPLEAK_DATA_DIR", value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Address of the API; port 0 takes a free one [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDR")]
    http: Option<SocketAddr>,
    /// Address of the feed; port 0 takes a free one [default: 127.0.0.1:8081]
    #[arg(long, value_name = "ADDR")]
    feed: Option<SocketAddr>,
    /// The filter module that proves every index before it is published [default: `stopleak_filter.wasm` beside this program]
    #[arg(long, env = "STOPLEAK_FILTER", value_name = "FILE")]
    filter: Option<PathBuf>,
    /// A TOML file; flags win over it
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Leave the jobs, such as scans, to `stopleak worker`
    #[arg(long)]
    no_worker: bool,
    /// How log lines look [default: text]
    #[arg(long, value_name = "FORMAT")]
    log_format: Option<LogFormat>,
}

impl Serve {
    pub(super) fn run(self) -> ExitCode {
        let config = match self.config() {
            Ok(config) => config,
            Err(error) => {
                eprintln!("stopleak: {error}");
                return ExitCode::from(2);
            }
        };
        log_to_stderr(&config);
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
        let served = runtime.map_err(anyhow::Error::new).and_then(|runtime| {
            let served = runtime.block_on(serve(&config));
            // A scan may sit in a read that never ends, such as one of a network file system that has gone. It had its time to
            // stop, and dropping the runtime would wait for it.
            runtime.shutdown_timeout(LAST_GRACE);
            served
        });
        match served {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("stopleak: {error:#}");
                ExitCode::FAILURE
            }
        }
    }

    fn config(self) -> Result<Config, ConfigError> {
        let file = self.config.as_deref().map(Config::read).transpose()?.unwrap_or_default();
        let flags = Config {
            data_dir: self.data_dir,
            http: self.http,
            feed: self.feed,
            worker: self.no_worker.then_some(false),
            log_format: self.log_format,
            filter: self.filter,
            ..Config::default()
        };
        let config = flags.or(file);
        config.check()?;
        Ok(config)
    }
}

async fn serve(config: &Config) -> anyhow::Result<()> {
    // Before anything is made, so that no signal is missed.
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let server = Server::start(config).await?;
    greet(&server);
    let stop = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    server.run(stop).await
}

/// What somebody who started this by hand wants to know. Not part of the log: on standard output.
fn greet(server: &Server) {
    let addresses = server.addresses();
    let token = server.data_dir().join(ADMIN_TOKEN);
    let (http, feed, data) = (addresses.http, addresses.feed, server.data_dir().display());
    // Whoever has taken the file away has the token, or wants another one.
    let sign_in = if token.exists() {
        let made = if server.first_start { "An administrator's API token was made. To sign in:" } else { "To sign in:" };
        let token = token.display();
        format!("{made}\n  curl -H \"authorization: Bearer $(cat {token})\" http://{http}/api/v1/leaks")
    } else {
        format!(
            "The file with the administrator's API token was taken away. To make another token:\n  stopleak admin-token --data-dir {data}"
        )
    };
    let text =
        format!("Console  http://{http}/\nAPI      http://{http}/api/v1\nFeed     {feed} (gRPC)\nData     {data}\n{sign_in}\n");
    // Nobody has to listen.
    let _ = std::io::stdout().write_all(text.as_bytes());
}

pub(super) fn log_to_stderr(config: &Config) {
    let filter = EnvFilter::new(config.log_filter());
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match config.log_format.unwrap_or(LogFormat::Text) {
        LogFormat::Text => log.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr())).init(),
        LogFormat::Json => log.json().init(),
    }
}
