//! A server in this process that answers without a socket, with a small catalog and a clock that
//! the target sets. Its folder is removed when the thread that made it ends.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use base64_simd::STANDARD;
use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use layerbase::catalog::{Catalog, Clock, IdSource};
use layerbase::config::{Auth, Config, Flags};
use layerbase::dialects;
use layerbase::domain::{
    Actor, ArtifactLimits, AuditFilter, Caller, FunctionConfig, FunctionKey, FunctionName, Group,
    KeyId, LayerName, NewFunction, NewLayerVersion, ObjectInfo, ObjectRef, Role, Secret, TenantId,
    Timestamp, VersionName,
};
use layerbase::ingest::{Measure, Staged};
use layerbase::server::Server;
use layerbase::store::Store;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use uuid::Builder;

/// The time unless a target sets another: 2026-01-01T00:00:00Z.
pub(crate) const START: i64 = 1_767_225_600;

/// The secret of all download links.
pub(crate) const LINK_SECRET: [u8; 32] = [7; 32];

/// Describes every layer and function of the catalog, and names a bucket: an answer with this text
/// shows a part of the catalog.
pub const MARKER: &str = "kept-from-strangers";

/// Layers of the catalog, each with one version; the seeds ask for them.
pub(crate) const LAYERS: [&str; 4] = ["demo", "lay-a", "lay-zdc2", "py-tools"];

/// Functions of the catalog by group and name.
const FUNCTIONS: [(&str, &str); 2] = [("default", "demo"), ("svc", "hello")];

/// How long the server may take for an answer. Under a fuzzer it is many times slower.
const ANSWER_MAX: Duration = Duration::from_secs(20);

/// Bytes of an answer at most, beside the code and what it repeats of the request.
const ANSWER_BYTES: usize = 64 << 10;

/// The code of all layers: the zip of tencent.md section 4.
pub(crate) fn code() -> Vec<u8> {
    let text = include_str!("../../tests/golden/zips/tencent.base64").trim_end();
    STANDARD.decode_to_vec(text).expect("the vector is base64")
}

/// An answer that was read to its end.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: BTreeMap<String, String>,
    pub body: Bytes,
}

impl Answer {
    /// Returns the body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Whether the server says that it is at fault. openYuanrong refuses with 500 too, for which
    /// its fault has a code.
    fn is_fault(&self) -> bool {
        let text = self.text();
        let is_refusal = text.starts_with("{\"code\":") && !text.starts_with("{\"code\":121000,");
        self.status >= 500 && self.status != 501 && !is_refusal
    }

    /// Returns a header, by its name in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }
}

/// A server with its catalog.
pub(crate) struct World {
    // Dropped in this order: the server's tasks need the runtime, both need the folder.
    server: Server,
    beside: Catalog,
    runtime: Runtime,
    clock: Arc<AtomicI64>,
    /// Number of the last change that made the catalog.
    prepared: u64,
    _folder: TempDir,
}

impl World {
    /// Starts a server without authentication.
    pub(crate) fn open() -> Self {
        Self::start(Auth::Off, &[])
    }

    /// Starts a server that lets in these keys, by id and secret, as readers.
    pub(crate) fn with_keys(keys: &[(&str, &str)]) -> Self {
        Self::start(Auth::On, keys)
    }

    fn start(auth: Auth, keys: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let data = folder.path().join("data");
        let (clock, ids) = (Arc::new(AtomicI64::new(START)), AtomicU64::new(1));
        let time = Arc::clone(&clock);
        let now = Clock::new(move || second(time.load(Ordering::SeqCst)));
        let ids = IdSource::new(move || {
            let number = u128::from(ids.fetch_add(1, Ordering::SeqCst));
            Builder::from_random_bytes(number.to_be_bytes()).into_uuid()
        });
        let catalog = |store| Catalog::new(store, now.clone(), ids.clone());
        fill(&catalog(Store::open(&data, now.now(), LINK_SECRET).expect("a new store")), keys);
        let known = dialects::known();
        let nowhere = Path::new("/nonexistent");
        let mut config =
            Config::load(&Flags::default(), |_| None, nowhere, &known).expect("the default");
        config.data = data.clone();
        config.listen = "127.0.0.1:0".parse().expect("an address");
        config.auth = auth;
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        let runtime = runtime.worker_threads(1).enable_all().build().expect("a runtime");
        let bound = runtime.block_on(Server::bind(config, now.clone(), ids.clone()));
        let server = bound.expect("the server starts");
        let store = Store::open_beside(&data, now.now(), LINK_SECRET).expect("the store");
        let mut world =
            Self { server, beside: catalog(store), runtime, clock, prepared: 0, _folder: folder };
        world.prepared = world.changes();
        world
    }

    /// Sets the clock, in seconds since 1970.
    pub(crate) fn set_clock(&self, now: i64) {
        self.clock.store(now, Ordering::SeqCst);
    }

    /// Returns the number of changes since the start, at most 1,000.
    pub(crate) fn changes(&self) -> u64 {
        let log = self.beside.list_root_audit(AuditFilter::All, self.prepared, 1000);
        log.expect("the log").items.len() as u64
    }

    /// Sends a request and checks what is true of every answer: it comes in time, is no fault of
    /// the server, is bounded, and what it calls JSON is JSON.
    pub(crate) fn ask(&self, request: Request<Body>) -> Answer {
        let asked = format!("{request:?}");
        let room = ANSWER_BYTES + 8 * asked.len();
        let answer = self.runtime.block_on(async {
            let answering = async {
                let (head, body) = self.server.answer(request).await.into_parts();
                let body = Limited::new(body, room).collect().await;
                (head, body.map(|body| body.to_bytes()))
            };
            tokio::time::timeout(ANSWER_MAX, answering).await
        });
        let Ok((head, body)) = answer else { panic!("no answer to {asked}") };
        let body = body.unwrap_or_else(|error| panic!("{error}: {asked}"));
        let headers = head.headers.iter();
        let headers = headers.map(|(name, value)| {
            (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned())
        });
        let answer = Answer { status: head.status.as_u16(), headers: headers.collect(), body };
        assert!(!answer.is_fault(), "{}: {} to {asked}", answer.status, answer.text());
        let is_json = answer.header("content-type") == Some("application/json");
        if is_json && !answer.body.is_empty() {
            let parsed = serde_json::from_slice::<serde_json::Value>(&answer.body);
            assert!(parsed.is_ok(), "not JSON: {} to {asked}", answer.text());
        }
        answer
    }
}

fn second(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// Makes keys, layers, functions and an object.
fn fill(catalog: &Catalog, keys: &[(&str, &str)]) {
    let (owner, tenant) = (Actor::owner("Fill"), TenantId::default_tenant());
    for (id, secret) in keys {
        let (id, secret) = (KeyId::parse(*id), Secret::parse(*secret));
        let (id, secret) = (id.expect("an id"), secret.expect("a secret"));
        catalog.add_key(&owner, id, secret, tenant.clone(), Role::Read).expect("a new key");
    }
    let by = Caller::new_anonymous(tenant.clone());
    for name in LAYERS {
        let new = NewLayerVersion { description: MARKER.to_owned(), ..Default::default() };
        let name = LayerName::parse(name).expect("a name");
        catalog.publish_layer_version(&by, &name, new, staged(catalog)).expect("a version");
    }
    for (group, name) in FUNCTIONS {
        let key = FunctionKey {
            tenant: tenant.clone(),
            group: Group::parse(group).expect("a name"),
            name: FunctionName::parse(name).expect("a name"),
        };
        let config = FunctionConfig { description: MARKER.to_owned(), ..Default::default() };
        let new = NewFunction { key, head_name: VersionName::latest(), config };
        catalog.create_function(&by, new, Some(staged(catalog))).expect("a function");
    }
    let mut spool = catalog.spool(1 << 20, Measure::All);
    spool.write(code().into()).expect("room");
    let (at, spool) = (ObjectRef::parse(MARKER, "demo.zip"), spool.finish());
    let (at, spool) = (at.expect("a key"), spool.expect("an object"));
    catalog.put_object(&by, at, ObjectInfo::default(), spool).expect("an object");
}

fn staged(catalog: &Catalog) -> Staged {
    let mut staging = catalog.staging(ArtifactLimits::default());
    staging.write(code().into()).expect("room");
    staging.end().finish().expect("an archive")
}
