//! Calls a server's API.

use std::fs;
use std::io::{self, Read};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use serde_json::Value;
use ureq::http::{Response, Uri};
use ureq::typestate::WithoutBody;
use ureq::{Agent, Body, RequestBuilder, SendBody};
use zeroize::Zeroizing;

use super::Fault;
use super::profile::Profiles;
use crate::api::TENANT_HEADER;
use crate::config::default_data_dir;
use crate::secret::Secret;
use crate::serve::{ADDRESSES, ADMIN_TOKEN, Addresses};

/// Which server, and as whom.
#[derive(Args)]
#[command(next_help_heading = "Server")]
pub(super) struct Remote {
    /// A server by the name that `stopleak profile add` gave it [default: the default profile, if any]
    #[arg(long, env = "STOPLEAK_PROFILE", value_name = "NAME")]
    profile: Option<String>,
    /// The server's address, such as `https://stopleak.example` [default: the profile's, or the one that serves the data folder]
    #[arg(long, env = "STOPLEAK_SERVER", value_name = "URL", conflicts_with = "profile")]
    server: Option<String>,
    /// A file with an API token; `STOPLEAK_API_TOKEN` may hold the token instead [default: admin-token in the data folder]
    #[arg(long, value_name = "FILE")]
    api_token_file: Option<PathBuf>,
    /// The data folder of the server on this machine [default: ~/.local/share/stopleak]
    #[arg(long, env = "STOPLEAK_DATA_DIR", value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// The tenant, for those who reach over all of them [default: default]
    #[arg(long, env = "STOPLEAK_TENANT", value_name = "NAME")]
    tenant: Option<String>,
    /// Print the API's JSON
    #[arg(long)]
    pub(super) json: bool,
}

/// A server's API, as one caller.
pub(super) struct Client {
    agent: Agent,
    base: String,
    token: Secret,
    tenant: Option<String>,
}

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Longer than the server waits for a locked database.
const TIMEOUT: Duration = Duration::from_secs(30);
const DEFAULT_SERVER: &str = "http://127.0.0.1:8080";
const TOKEN_VARIABLE: &str = "STOPLEAK_API_TOKEN";

impl Remote {
    /// The data folder that was named.
    pub(super) fn data_dir(&self) -> Option<PathBuf> {
        self.data_dir.clone()
    }

    /// Finds the server and the token.
    pub(super) fn client(&self) -> Result<Client, Fault> {
        let data_dir = self.data_dir.clone().or_else(default_data_dir);
        // Whoever names a server or a data folder means that one.
        let profile = match (&self.server, &self.data_dir, &self.profile) {
            (Some(_), ..) | (None, Some(_), None) => None,
            (None, _, name) => Profiles::of_this_user()?.choose(name.as_deref())?,
        };
        let server = self.server.as_ref().or(profile.as_ref().map(|profile| &profile.server));
        let base = match server {
            Some(server) => server.trim_end_matches('/').to_owned(),
            None => data_dir.as_deref().and_then(served).unwrap_or_else(|| DEFAULT_SERVER.to_owned()),
        };
        let uri: Uri = base.parse().map_err(|_| Fault::Usage(format!("--server: {base} is not a URL")))?;
        let host = uri.host().filter(|_| matches!(uri.scheme_str(), Some("http" | "https")));
        let host = host.ok_or_else(|| Fault::Usage(format!("--server: {base} does not begin with http:// or https://")))?;
        let local = is_local(host);
        if !local && uri.scheme_str() == Some("http") {
            eprintln!("stopleak: warning: the API token goes to {host} unencrypted; use https://");
        }
        let token = match profile {
            Some(profile) if self.api_token_file.is_none() => read_token(&profile.api_token_file)?,
            _ => self.token(data_dir.as_deref().filter(|_| local), host)?,
        };
        let mut config = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .timeout_global(Some(TIMEOUT));
        // A proxy of the environment would read the token; with https:// it only sees where the connection goes.
        if local || uri.scheme_str() == Some("http") {
            config = config.proxy(None);
        }
        Ok(Client { agent: config.build().into(), base, token, tenant: self.tenant.clone() })
    }

    /// The administrator's token of this machine is for the server of this machine: it is sent to no other.
    fn token(&self, data_dir: Option<&Path>, host: &str) -> Result<Secret, Fault> {
        if let Some(path) = &self.api_token_file {
            return read_token(path);
        }
        if let Ok(token) = std::env::var(TOKEN_VARIABLE) {
            return Ok(Secret::presented(&Zeroizing::new(token)));
        }
        match data_dir.map(|data_dir| data_dir.join(ADMIN_TOKEN)) {
            Some(path) if path.exists() => read_token(&path),
            Some(path) => Err(Fault::Usage(format!(
                "no API token: {} does not exist; give --api-token-file or set {TOKEN_VARIABLE}, or --data-dir of a server here",
                path.display()
            ))),
            None => Err(Fault::Usage(format!("no API token for {host}: give --api-token-file or set {TOKEN_VARIABLE}"))),
        }
    }
}

impl Client {
    pub(super) fn get(&self, path: &str) -> Result<Value, Fault> {
        self.ask(path, &[])
    }

    /// With a query of what is not null.
    pub(super) fn ask(&self, path: &str, query: &[(&str, Value)]) -> Result<Value, Fault> {
        self.answer(self.asking(path, query).call())
    }

    /// An answer that may be larger than memory.
    pub(super) fn stream(&self, path: &str, query: &[(&str, Value)]) -> Result<impl Read + use<>, Fault> {
        // As long as it takes: it is read piece by piece.
        let request = self.asking(path, query).config().timeout_global(None).build();
        match request.call() {
            Ok(response) if response.status().is_success() => Ok(response.into_body().into_reader()),
            response => Err(match self.answer(response) {
                Ok(_) => Fault::Refused(format!("{} is not a Stopleak server", self.base)),
                Err(fault) => fault,
            }),
        }
    }

    fn asking(&self, path: &str, query: &[(&str, Value)]) -> RequestBuilder<WithoutBody> {
        let mut request = self.as_caller(self.agent.get(self.url(path)));
        for (name, value) in query.iter().filter(|(_, value)| !value.is_null()) {
            request = request.query(name, value.as_str().map_or_else(|| value.to_string(), str::to_owned));
        }
        request
    }

    /// Copies an answer, however long it is.
    pub(super) fn download(&self, path: &str, query: &[(&str, Value)], mut to: impl io::Write) -> Result<(), Fault> {
        let mut request = self.as_caller(self.agent.get(self.url(path)));
        for (name, value) in query.iter().filter(|(_, value)| !value.is_null()) {
            request = request.query(name, value.as_str().map_or_else(|| value.to_string(), str::to_owned));
        }
        let response = request.config().timeout_global(None).build().call();
        match response {
            Ok(mut response) if response.status().is_success() => {
                // A file that ends too early is told as an error: the server breaks the connection when it cannot read on.
                let copied = io::copy(&mut response.body_mut().as_reader(), &mut to).and_then(|_| to.flush());
                match copied {
                    Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                        Err(Fault::Refused(format!("the export is not complete: {error}")))
                    }
                    _ => Ok(()),
                }
            }
            other => self.answer(other).map(drop),
        }
    }

    pub(super) fn post(&self, path: &str, body: &Value) -> Result<Value, Fault> {
        self.post_text(path, &body.to_string())
    }

    pub(super) fn post_text(&self, path: &str, json: &str) -> Result<Value, Fault> {
        let request = self.as_caller(self.agent.post(self.url(path)));
        self.answer(request.header("content-type", "application/json").send(json))
    }

    /// Sends a stream, however long that takes.
    pub(super) fn put_stream(&self, path: &str, stream: impl Read + 'static) -> Result<Value, Fault> {
        let request = self.as_caller(self.agent.put(self.url(path)));
        let request = request.config().timeout_global(None).build();
        self.answer(request.send(SendBody::from_owned_reader(stream)))
    }

    pub(super) fn put(&self, path: &str, body: &Value) -> Result<Value, Fault> {
        let request = self.as_caller(self.agent.put(self.url(path)));
        self.answer(request.header("content-type", "application/json").send(body.to_string()))
    }

    pub(super) fn patch(&self, path: &str, body: &Value) -> Result<Value, Fault> {
        let request = self.as_caller(self.agent.patch(self.url(path)));
        self.answer(request.header("content-type", "application/json").send(body.to_string()))
    }

    pub(super) fn delete(&self, path: &str) -> Result<(), Fault> {
        self.answer(self.as_caller(self.agent.delete(self.url(path))).call()).map(drop)
    }

    fn url(&self, path: &str) -> String {
        format!("{}/api/v1{path}", self.base)
    }

    fn as_caller<B>(&self, request: RequestBuilder<B>) -> RequestBuilder<B> {
        let request = request.header("authorization", format!("Bearer {}", self.token.expose()));
        match &self.tenant {
            Some(tenant) => request.header(TENANT_HEADER, tenant),
            None => request,
        }
    }

    fn answer(&self, response: Result<Response<Body>, ureq::Error>) -> Result<Value, Fault> {
        let unreachable = |error: ureq::Error| {
            Fault::Refused(format!(
                "{} cannot be reached ({error}); is `stopleak serve` running there? --server names another",
                self.base
            ))
        };
        let mut response = response.map_err(unreachable)?;
        let status = response.status();
        let text = response.body_mut().read_to_string().map_err(unreachable)?;
        if !status.is_success() {
            let problem: Value = serde_json::from_str(&text).unwrap_or_default();
            let detail = problem.get("detail").and_then(Value::as_str);
            let mut detail =
                detail.map_or_else(|| format!("{} answered {status}, which no Stopleak server would", self.base), str::to_owned);
            if problem["type"] == "urn:stopleak:problem:confirmation-required" {
                detail.push_str(" (here: --confirm)");
            }
            return Err(Fault::Refused(detail));
        }
        if text.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_str(&text).map_err(|_| Fault::Refused(format!("{} is not a Stopleak server", self.base)))
    }
}

/// Where the server of this data folder listens, as it says itself.
fn served(data_dir: &Path) -> Option<String> {
    let addresses: Addresses = serde_json::from_slice(&fs::read(data_dir.join(ADDRESSES)).ok()?).ok()?;
    Some(format!("http://{}", addresses.http))
}

fn is_local(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

fn read_token(path: &Path) -> Result<Secret, Fault> {
    let text = fs::read_to_string(path).map_err(|error| Fault::Usage(format!("API token {}: {error}", path.display())))?;
    Ok(Secret::presented(&Zeroizing::new(text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn remote(server: &str, data_dir: &Path) -> Remote {
        Remote {
            profile: None,
            server: Some(server.to_owned()),
            api_token_file: None,
            data_dir: Some(data_dir.to_owned()),
            tenant: None,
            json: false,
        }
    }

    #[test]
    fn the_local_token_goes_to_no_other_machine() {
        let data = tempfile::tempdir().unwrap();
        fs::write(data.path().join(ADMIN_TOKEN), "slk_x").unwrap();
        for server in ["http://127.0.0.1:1", "http://localhost:1/", "http://[::1]:1"] {
            assert!(remote(server, data.path()).client().is_ok(), "{server}");
        }
        let refusal = remote("https://stopleak.example", data.path()).client().err().unwrap().to_string();
        assert!(refusal.contains("stopleak.example") && refusal.contains("--api-token-file"), "{refusal}");
    }

    #[test]
    fn servers_without_sense_are_refused() {
        let data = tempfile::tempdir().unwrap();
        for server in ["ftp://host.example", "host.example", "http://"] {
            assert!(matches!(remote(server, data.path()).client(), Err(Fault::Usage(_))), "{server}");
        }
    }
}
