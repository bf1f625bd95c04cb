//! A client that sends a request byte for byte and returns every status as an answer.

use std::sync::OnceLock;

use serde_json::Value;
use ureq::Agent;
use ureq::http;

/// A request to be sent.
#[derive(Clone, Debug)]
pub struct Request {
    pub method: String,
    pub path: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Request {
    pub fn new(method: &str, path: &str) -> Self {
        Self { method: method.into(), path: path.into(), headers: Vec::new(), body: Vec::new() }
    }

    pub fn get(path: &str) -> Self {
        Self::new("GET", path)
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    pub fn json(self, value: &Value) -> Self {
        self.header("Content-Type", "application/json").body(value.to_string())
    }

    /// Sends the request to a base URL.
    pub fn send(&self, base: &str) -> Answer {
        let sent = self.exchange(base);
        sent.unwrap_or_else(|failure| panic!("{} {}: {failure}", self.method, self.path))
    }

    /// Sends the request to a server that may have ended; returns `None` then.
    pub fn try_send(&self, base: &str) -> Option<Answer> {
        self.exchange(base).ok()
    }

    fn exchange(&self, base: &str) -> Result<Answer, ureq::Error> {
        let url = if self.path.starts_with("http://") {
            self.path.clone()
        } else {
            format!("{base}{}", self.path)
        };
        let mut builder = http::Request::builder().method(self.method.as_str()).uri(url);
        for (name, value) in &self.headers {
            builder = builder.header(name, value);
        }
        let sent = if self.body.is_empty() {
            agent().run(builder.body(()).unwrap())
        } else {
            agent().run(builder.body(self.body.as_slice()).unwrap())
        };
        let mut response = sent?;
        let body = response.body_mut().with_config().limit(1 << 30).read_to_vec()?;
        let headers = response.headers().iter();
        Ok(Answer {
            status: response.status().as_u16(),
            headers: headers
                .map(|(name, value)| {
                    (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned())
                })
                .collect(),
            body,
        })
    }
}

/// An answer.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|failure| panic!("not JSON ({failure}): {}", self.text()))
    }
}

fn agent() -> &'static Agent {
    static AGENT: OnceLock<Agent> = OnceLock::new();
    AGENT.get_or_init(|| {
        Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .proxy(None)
            .allow_non_standard_methods(true)
            .build()
            .into()
    })
}
