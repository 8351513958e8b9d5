//! The control plane's API, as its administrator calls it.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

/// A client; its clones share connections.
#[derive(Clone, Debug)]
pub struct Api {
    http: SocketAddr,
    token: String,
    agent: ureq::Agent,
}

/// No answer takes longer.
const PATIENCE: Duration = Duration::from_secs(30);

impl Api {
    /// Of the control plane at this address.
    #[must_use]
    pub fn new(http: SocketAddr, token: &str) -> Self {
        let agent = ureq::Agent::config_builder().http_status_as_error(false).timeout_global(Some(PATIENCE)).build();
        Self { http, token: token.trim().to_owned(), agent: agent.into() }
    }

    /// `POST`, expecting success.
    pub fn post(&self, path: &str, body: &Value) -> Result<Value> {
        let (status, answer) = self.call("POST", path, Some(body))?;
        ensure!((200..300).contains(&status), "POST {path}: {status} {answer}");
        Ok(answer)
    }

    /// Any call; the status and the body, `null` when it is no JSON.
    pub fn call(&self, method: &str, path: &str, body: Option<&Value>) -> Result<(u16, Value)> {
        let (status, text) = self.text(method, path, body)?;
        Ok((status, serde_json::from_str(&text).unwrap_or(Value::Null)))
    }

    /// The number of a metric without labels, or with these.
    pub fn metric(&self, name: &str) -> Result<u64> {
        let (_, text) = self.text("GET", "/metrics", None)?;
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok());
        value.with_context(|| format!("no metric {name}"))
    }

    fn text(&self, method: &str, path: &str, body: Option<&Value>) -> Result<(u16, String)> {
        let request = ureq::http::Request::builder()
            .method(method)
            .uri(format!("http://{}{path}", self.http))
            .header("authorization", format!("Bearer {}", self.token));
        let mut response = match body {
            Some(body) => {
                let json = request.header("content-type", "application/json").body(serde_json::to_vec(body)?)?;
                self.agent.run(json)?
            }
            None => self.agent.run(request.body(())?)?,
        };
        Ok((response.status().as_u16(), response.body_mut().read_to_string()?))
    }
}
