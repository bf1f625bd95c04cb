//! A whole server inside the test's process, with its own folder, port, clock and ids.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;

use layerbase::catalog::{Catalog, Clock, IdSource};
use layerbase::config::{Config, Flags};
use layerbase::domain::{Actor, KeyId, Role, Secret, Timestamp, parse_key_tenant};
use layerbase::server::Server;
use layerbase::store::Store;
use tempfile::TempDir;
use tokio::sync::oneshot;
use uuid::Uuid;

use super::{Answer, Request};

/// The time at which every test begins: 2026-01-01T00:00:00Z.
pub const START: i64 = 1_767_225_600;

/// A running server; it is shut down on drop.
pub struct TestServer {
    base: String,
    folder: Arc<TempDir>,
    clock: Arc<AtomicI64>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl TestServer {
    /// Starts a server with the default settings.
    pub fn start() -> Self {
        Self::start_with(|_| {})
    }

    /// Starts a server with settings changed by `configure`.
    pub fn start_with(configure: impl FnOnce(&mut Config)) -> Self {
        Self::start_in(Arc::new(tempfile::tempdir().unwrap()), configure)
    }

    fn start_in(folder: Arc<TempDir>, configure: impl FnOnce(&mut Config)) -> Self {
        let mut config = default_config();
        config.data = folder.path().join("data");
        config.listen = "127.0.0.1:0".parse().unwrap();
        configure(&mut config);
        let clock = Arc::new(AtomicI64::new(START * 1_000_000));
        let (ready, started) = mpsc::channel();
        let (stop, stopped) = oneshot::channel::<()>();
        let (now, ids) = (Arc::clone(&clock), AtomicU64::new(1));
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(2)
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async move {
                let clock = Clock::new(move || {
                    Timestamp::from_microsecond(now.load(Ordering::SeqCst)).unwrap()
                });
                let ids = IdSource::new(move || counted(ids.fetch_add(1, Ordering::SeqCst)));
                let server = Server::bind(config, clock, ids).await.unwrap();
                ready.send(server.address()).unwrap();
                let stopped = async {
                    let _ = stopped.await;
                };
                server.run(stopped).await;
            });
        });
        let address = started.recv().expect("the server starts");
        Self {
            base: format!("http://{address}"),
            folder,
            clock,
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    /// Ends the server and starts another one on the same folder.
    pub fn restart(mut self) -> Self {
        self.end();
        Self::start_in(Arc::clone(&self.folder), |_| {})
    }

    /// Returns the URL in front of every path.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Returns the data folder.
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Opens the catalog beside the server, like a command on the data folder.
    pub fn local(&self) -> Catalog {
        let now = Arc::clone(&self.clock);
        let clock =
            Clock::new(move || Timestamp::from_microsecond(now.load(Ordering::SeqCst)).unwrap());
        let store = Store::open_beside(&self.data(), clock.now(), [7; 32]).unwrap();
        Catalog::new(store, clock, IdSource::random())
    }

    /// Adds a key while the server runs.
    pub fn add_key(&self, id: &str, secret: &str, tenant: &str, role: Role) {
        let (id, secret) = (KeyId::parse(id).unwrap(), Secret::parse(secret).unwrap());
        let (by, tenant) = (Actor::owner("AddKey"), parse_key_tenant(tenant).unwrap());
        self.local().add_key(&by, id, secret, tenant, role).unwrap();
    }

    /// Puts an object into the folder of the bucket map; `place` is its bucket and key.
    pub fn put_object(&self, place: &str, bytes: &[u8]) {
        let path = self.data().join("buckets").join(place);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }

    /// Sets the clock.
    pub fn set_clock(&self, now: Timestamp) {
        self.clock.store(now.as_microsecond(), Ordering::SeqCst);
    }

    /// Returns the time of the clock.
    pub fn now(&self) -> Timestamp {
        Timestamp::from_microsecond(self.clock.load(Ordering::SeqCst)).unwrap()
    }

    /// Moves the clock forward.
    pub fn pass_seconds(&self, seconds: i64) {
        self.clock.fetch_add(seconds * 1_000_000, Ordering::SeqCst);
    }

    /// Sends a request.
    pub fn send(&self, request: &Request) -> Answer {
        request.send(&self.base)
    }

    /// Returns what a refused request must leave unchanged: row counts by table, and files.
    pub fn footprint(&self) -> Footprint {
        Footprint::of(&self.data())
    }

    fn end(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        // A panic during the shutdown would hide the message of the failed test.
        if std::thread::panicking() {
            return;
        }
        self.end();
    }
}

/// Number of rows of each table, and the files of the code, inbox and incoming folders.
#[derive(Debug, PartialEq, Eq)]
pub struct Footprint {
    pub rows: BTreeMap<String, i64>,
    pub files: Vec<String>,
}

impl Footprint {
    pub fn of(data: &Path) -> Self {
        let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY;
        let connection =
            rusqlite::Connection::open_with_flags(data.join("catalog.sqlite"), flags).unwrap();
        let mut statement = connection
            .prepare(
                "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%'",
            )
            .unwrap();
        let tables: Vec<String> =
            statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
        let count = |table: &String| {
            let sql = format!("SELECT count(*) FROM {table}");
            connection.query_one(&sql, [], |row| row.get(0)).unwrap()
        };
        let rows = tables.iter().map(|table| (table.clone(), count(table))).collect();
        Self { rows, files: files(data) }
    }
}

/// The files of a data folder's code, inbox and incoming folders.
pub fn files(data: &Path) -> Vec<String> {
    let mut files = Vec::new();
    for folder in ["code", "inbox", "incoming"] {
        collect(&data.join(folder), &mut files);
    }
    files.sort();
    files
}

fn collect(folder: &Path, files: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else {
            files.push(path.display().to_string());
        }
    }
}

/// Returns an id with the form of a version 4 UUID, made from a counter.
fn counted(number: u64) -> Uuid {
    uuid::Builder::from_random_bytes(u128::from(number).to_be_bytes()).into_uuid()
}

/// Returns the node's owner.
pub fn owner() -> Actor {
    Actor::owner("Test")
}

/// Returns the settings of a first start without a file and without variables.
fn default_config() -> Config {
    let dialects = layerbase::dialects::known();
    Config::load(&Flags::default(), |_| None, Path::new("/nonexistent"), &dialects).unwrap()
}
