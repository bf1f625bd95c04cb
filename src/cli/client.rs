//! A client of the native API: URLs, streamed uploads, pages, problem documents.
//!
//! Knows paths, statuses and the wire form of errors. Must not know commands, tables or what the
//! fields of a response mean.

use std::io::{self, Read};
use std::time::Duration;

use indicatif::ProgressBar;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use rustls::CertificateError;
use serde::Deserialize;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};
use ureq::config::RedirectAuthHeaders;
use ureq::http::{Response, StatusCode, Uri, header};
use ureq::{Agent, Body, RequestBuilder, SendBody};

use super::access::{Access, KEY, Key};
use super::failure::{Failure, Kind};

/// All but the unreserved characters of RFC 3986, in a path segment and in a query value.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Items per page; the server allows up to 1000.
const PAGE: &str = "500";

/// Most bytes of a response that is read into memory, far above any page.
const ANSWER_MAX: u64 = 64 << 20;

/// From this size on, an upload sends `Expect: 100-continue`. A refusal then arrives as a response
/// and not as a broken connection.
const EXPECT_MIN: u64 = 1 << 20;

/// How long the response may take when the server fetches the code: a minute above the default
/// `fetch_timeout`.
const FETCH_MAX: Duration = Duration::from_secs(16 * 60);

/// The method of an upload.
#[derive(Clone, Copy, Debug)]
pub(super) enum Upload {
    /// Creates a version or a function.
    Post,
    /// Changes an existing function.
    Put,
}

/// A client of one server.
pub(super) struct Client {
    agent: Agent,
    base: String,
    key: Option<Key>,
}

impl Client {
    /// Checks the server's address and, for https, loads the trusted certificates. Sends nothing.
    pub(super) fn new(access: &Access) -> Result<Self, Failure> {
        let base = check_address(&access.server)?;
        // `check_address` has parsed it already.
        let uri: Uri = base.parse().map_err(|_| bad_server(base))?;
        let mut config = Agent::config_builder()
            .http_status_as_error(false)
            .user_agent(concat!("layerbase/", env!("CARGO_PKG_VERSION")))
            .timeout_connect(Some(Duration::from_secs(10)))
            .timeout_await_100(Some(Duration::from_secs(5)))
            .timeout_recv_response(Some(Duration::from_secs(300)))
            // A redirect must not carry the key to another server.
            .redirect_auth_headers(RedirectAuthHeaders::Never);
        if uri.scheme_str() == Some("https") {
            config = config.tls_config(access.tls()?);
        }
        if is_loopback(uri.host().unwrap_or_default()) {
            // A proxy for the internet cannot reach this machine.
            config = config.proxy(None);
        }
        let key = access.key.clone();
        Ok(Self { agent: config.build().into(), base: base.to_owned(), key })
    }

    /// Adds the key to a request, if there is one.
    fn with_key<B>(&self, request: RequestBuilder<B>) -> RequestBuilder<B> {
        match &self.key {
            Some(key) => request.header(header::AUTHORIZATION, key.header()),
            None => request,
        }
    }

    /// Fetches one JSON document, as text.
    pub(super) fn get(&self, path: &[&str], query: &Query) -> Result<String, Failure> {
        let answer = self.with_key(self.agent.get(self.url(path, query))).call();
        text(self.accept(answer)?)
    }

    /// Deletes one thing.
    pub(super) fn delete(&self, path: &[&str], query: &Query) -> Result<(), Failure> {
        let answer = self.with_key(self.agent.delete(self.url(path, query))).call();
        self.accept(answer).map(|_| ())
    }

    /// Sends code, or no body, and returns the JSON answer.
    ///
    /// Fails unless the `sha256` of the answer is that of the sent bytes.
    pub(super) fn upload(
        &self,
        upload: Upload,
        path: &[&str],
        query: &Query,
        code: Option<Code<'_>>,
    ) -> Result<String, Failure> {
        let url = self.url(path, query);
        let request = self.with_key(match upload {
            Upload::Post => self.agent.post(url),
            Upload::Put => self.agent.put(url),
        });
        let Some(code) = code else {
            let patient = request.config().timeout_recv_response(Some(FETCH_MAX)).build();
            return text(self.accept(patient.send_empty())?);
        };
        let length = code.size;
        let mut request = request
            .header(header::CONTENT_TYPE, "application/zip")
            .header(header::CONTENT_LENGTH, length);
        if length >= EXPECT_MIN {
            request = request.header(header::EXPECT, "100-continue");
        }
        let mut sending = Sending { code, left: length, sha256: Sha256::new() };
        let answer = request.send(SendBody::from_reader(&mut sending));
        let answer = text(self.accept(answer)?)?;
        let sent = hex::encode(sending.sha256.finalize());
        let stored: Stored = parse(&answer)?;
        match stored.sha256 {
            Some(sha256) if sha256 == sent => Ok(answer),
            stored => Err(Failure::failed(format!(
                "the server stored other bytes than were sent: sha256 {} instead of {sent}",
                stored.as_deref().unwrap_or("(none)")
            ))),
        }
    }

    /// Sends a POST without code, and returns the JSON answer.
    pub(super) fn send(&self, path: &[&str], query: &Query) -> Result<String, Failure> {
        self.upload(Upload::Post, path, query, None)
    }

    /// Fetches a whole list, page by page, and passes each item on unchanged.
    pub(super) fn pages(
        &self,
        path: &[&str],
        query: &Query,
        mut item: impl FnMut(&RawValue) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let mut after: Option<String> = None;
        loop {
            let mut query = query.clone();
            query.push("limit", PAGE);
            query.push_some("after", after.as_deref());
            let answer = self.get(path, &query)?;
            let page: Page<'_> = parse(&answer)?;
            for received in &page.items {
                item(received)?;
            }
            match page.next {
                None => return Ok(()),
                Some(next) if after.as_ref() == Some(&next) => {
                    return Err(Failure::failed("the server names the same next page twice"));
                }
                Some(next) => after = Some(next),
            }
        }
    }

    /// Opens the bytes of one content.
    pub(super) fn code(&self, sha256: &str) -> Result<impl Read + use<>, Failure> {
        let url = self.url(&["code", sha256], &Query::default());
        let answer = self.with_key(self.agent.get(url)).call();
        Ok(self.accept(answer)?.into_body().into_with_config().limit(u64::MAX).reader())
    }

    /// Builds `{server}/api/v1/{path}?{query}`; every segment and value is encoded.
    fn url(&self, path: &[&str], query: &Query) -> String {
        let mut url = format!("{}/api/v1", self.base);
        for segment in path {
            url.push('/');
            url.extend(utf8_percent_encode(segment, ENCODED));
        }
        for (index, (name, value)) in query.0.iter().enumerate() {
            url.push(if index == 0 { '?' } else { '&' });
            url.push_str(name);
            url.push('=');
            url.extend(utf8_percent_encode(value, ENCODED));
        }
        url
    }

    /// Turns every status but success into a failure.
    fn accept(
        &self,
        answer: Result<Response<Body>, ureq::Error>,
    ) -> Result<Response<Body>, Failure> {
        let answer = answer.map_err(|error| self.unreachable(&error))?;
        if answer.status().is_success() { Ok(answer) } else { Err(self.failure(answer)) }
    }

    fn unreachable(&self, error: &ureq::Error) -> Failure {
        let refused = matches!(error, ureq::Error::Io(error)
            if matches!(error.kind(), io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound));
        let absent = matches!(error, ureq::Error::HostNotFound | ureq::Error::ConnectionFailed)
            || matches!(
                error,
                ureq::Error::Timeout(ureq::Timeout::Connect | ureq::Timeout::Resolve)
            );
        let failure = Failure::failed(format!("cannot talk to {}: {error}", self.base));
        if let Some(hint) = certificate_hint(error) {
            failure.hint(hint)
        } else if refused || absent {
            failure.hint("start a server with `layerbase serve`, or name another with --server")
        } else if self.base.starts_with("http://") {
            failure.hint("if the server uses https, name it as https://…; otherwise see its log")
        } else {
            failure.hint("see the server's log for the reason")
        }
    }

    fn failure(&self, answer: Response<Body>) -> Failure {
        let status = answer.status();
        let failure = self.problem(answer);
        if !matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
            return failure;
        }
        let hint = match self.key {
            None => format!(
                "send a key of the server: set {KEY}=<key id>.<secret> in the environment, or use \
                 --key-file FILE"
            ),
            Some(_) => format!(
                "the key of {KEY} or --key-file may be unknown or disabled, or its role may not \
                 allow this"
            ),
        };
        Failure { kind: Kind::Refused, ..failure }.hint(hint)
    }

    /// Builds a failure from the problem document of an answer, if it has one.
    fn problem(&self, answer: Response<Body>) -> Failure {
        let status = answer.status();
        let problem: Option<Problem> =
            text(answer).ok().and_then(|text| serde_json::from_str(&text).ok());
        let Some(problem) = problem else {
            return Failure::failed(format!(
                "{} answered {status}, but not in the form of a layerbase server",
                self.base
            ))
            .hint("is this a layerbase server, and does its --dialects include native?");
        };
        let kind = match status {
            StatusCode::NOT_FOUND => Kind::NotFound,
            status if status.is_client_error() => Kind::Refused,
            _ => Kind::Failed,
        };
        let what = problem.detail.unwrap_or(problem.title);
        let trace: Vec<String> =
            [problem.code, problem.request_id.map(|id| format!("request {id}"))]
                .into_iter()
                .flatten()
                .collect();
        match trace.as_slice() {
            [] => Failure::new(kind, what),
            trace => Failure::new(kind, format!("{what} ({})", trace.join(", "))),
        }
    }
}

/// Returns a hint for a certificate that is not trusted; `None` for any other failure.
fn certificate_hint(error: &ureq::Error) -> Option<&'static str> {
    let cause = match error {
        ureq::Error::Rustls(cause) => cause,
        ureq::Error::Io(error) => error.get_ref()?.downcast_ref()?,
        _ => return None,
    };
    match cause {
        rustls::Error::InvalidCertificate(CertificateError::Other(cause))
            if cause.to_string().contains("CaUsedAsEndEntity") =>
        {
            Some(
                "the server's certificate is for an authority (CA:TRUE) and not for a \
                 server; make one with basicConstraints=CA:FALSE",
            )
        }
        rustls::Error::InvalidCertificate(_) => Some(
            "if this is the right server, name its certificate, or that of the authority that \
             signed it, with --ca FILE or LAYERBASE_CA",
        ),
        _ => None,
    }
}

/// The query of a request; keeps its order.
#[derive(Clone, Debug, Default)]
pub(super) struct Query(Vec<(&'static str, String)>);

impl Query {
    pub(super) fn push(&mut self, name: &'static str, value: impl Into<String>) {
        self.0.push((name, value.into()));
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn push_some(&mut self, name: &'static str, value: Option<impl Into<String>>) {
        if let Some(value) = value {
            self.push(name, value);
        }
    }

    pub(super) fn push_all(&mut self, name: &'static str, values: &[String]) {
        self.0.extend(values.iter().map(|value| (name, value.clone())));
    }
}

/// Code to send: its reader, its size and the progress bar.
pub(super) struct Code<'a> {
    pub(super) reader: &'a mut dyn Read,
    pub(super) size: u64,
    pub(super) bar: &'a ProgressBar,
}

/// Reads exactly the announced bytes. A file that became shorter is an error: the server would wait
/// for the missing bytes.
struct Sending<'a> {
    code: Code<'a>,
    left: u64,
    sha256: Sha256,
}

impl Read for Sending<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left).map_or(buffer.len(), |left| left.min(buffer.len()));
        if most == 0 {
            return Ok(0);
        }
        let read = self.code.reader.read(&mut buffer[..most])?;
        if read == 0 {
            let text = "the file became shorter while it was sent";
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, text));
        }
        self.sha256.update(&buffer[..read]);
        self.left -= read as u64;
        self.code.bar.inc(read as u64);
        Ok(read)
    }
}

#[derive(Deserialize)]
struct Page<'a> {
    #[serde(borrow)]
    items: Vec<&'a RawValue>,
    next: Option<String>,
}

#[derive(Deserialize)]
struct Stored {
    sha256: Option<String>,
}

/// A problem document (RFC 9457) with two fields of our own, `code` and `request_id`.
#[derive(Deserialize)]
struct Problem {
    title: String,
    detail: Option<String>,
    code: Option<String>,
    request_id: Option<String>,
}

/// Parses the fields of an answer.
pub(super) fn parse<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, Failure> {
    serde_json::from_str(text)
        .map_err(|error| Failure::failed(format!("cannot parse the server's answer: {error}")))
}

fn text(answer: Response<Body>) -> Result<String, Failure> {
    let mut body = answer.into_body();
    body.with_config()
        .limit(ANSWER_MAX)
        .read_to_string()
        .map_err(|error| Failure::failed(format!("the server's answer broke off: {error}")))
}

/// Checks a server's address and returns it without a slash at the end.
pub(super) fn check_address(server: &str) -> Result<&str, Failure> {
    let base = server.trim_end_matches('/');
    let uri: Option<Uri> = base.parse().ok();
    let fit = uri.is_some_and(|uri| {
        uri.host().is_some_and(|host| !host.is_empty())
            && matches!(uri.scheme_str(), Some("http" | "https"))
    });
    if fit && !base.contains(['?', '#']) { Ok(base) } else { Err(bad_server(server)) }
}

fn bad_server(server: &str) -> Failure {
    Failure::usage(format!("{server}: is not a server's address"))
        .hint("write it as http://HOST:PORT or https://HOST:PORT, such as http://127.0.0.1:8470")
}

fn is_loopback(host: &str) -> bool {
    let host = host.trim_matches(['[', ']']);
    let address: Option<std::net::IpAddr> = host.parse().ok();
    host == "localhost" || address.is_some_and(|address| address.to_canonical().is_loopback())
}

#[cfg(test)]
mod tests;
