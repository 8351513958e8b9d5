//! One client of the API, over one connection that stays open.

use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use stopleak_tests::ControlPlane;
use ureq::http::Request;

pub struct Client {
    agent: ureq::Agent,
    base: String,
    authorization: String,
}

impl Client {
    pub fn of(control_plane: &ControlPlane) -> Result<Self> {
        let token = fs::read_to_string(control_plane.data_dir().join("admin-token"))?;
        let config =
            ureq::Agent::config_builder().http_status_as_error(false).timeout_global(Some(Duration::from_mins(2))).build();
        Ok(Self {
            agent: config.into(),
            base: format!("http://{}/api/v1", control_plane.http()),
            authorization: format!("Bearer {}", token.trim()),
        })
    }

    /// How long it took until all of the answer was there, and the answer.
    pub fn get(&self, path: &str) -> Result<(Duration, String)> {
        let request = self.request("GET", path).body(())?;
        let started = Instant::now();
        let mut response = self.agent.run(request)?;
        let text = response.body_mut().with_config().limit(u64::MAX).read_to_string()?;
        let took = started.elapsed();
        ensure!(response.status() == 200, "GET {path}: {} {text}", response.status());
        Ok((took, text))
    }

    pub fn get_json(&self, path: &str) -> Result<Value> {
        serde_json::from_str(&self.get(path)?.1).with_context(|| path.to_owned())
    }

    /// The same for a request that changes something; its status too.
    pub fn send(&self, method: &str, path: &str, body: &Value) -> Result<(Duration, u16, Value)> {
        let request = self.request(method, path).header("content-type", "application/json").body(serde_json::to_vec(body)?)?;
        let started = Instant::now();
        let mut response = self.agent.run(request)?;
        let text = response.body_mut().with_config().limit(u64::MAX).read_to_string()?;
        let took = started.elapsed();
        Ok((took, response.status().as_u16(), serde_json::from_str(&text).unwrap_or(Value::Null)))
    }

    fn request(&self, method: &str, path: &str) -> ureq::http::request::Builder {
        Request::builder().method(method).uri(format!("{}{path}", self.base)).header("authorization", &self.authorization)
    }
}
