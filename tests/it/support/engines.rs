//! The engines that a store runs on. `store_suite` runs each of its tests on every row of the
//! table; a further engine is one more row.

use std::fmt;
use std::io::Read;
use std::ops::Deref;
use std::path::Path;

use layerbase::domain::Timestamp;
use layerbase::store::{Adds, PendingFile, Store};
use tempfile::TempDir;
use uuid::Uuid;

/// One engine.
pub struct Engine {
    /// What assertions call it.
    pub name: &'static str,
    /// Opens the store of a folder, and creates it if the folder is empty.
    pub open: fn(&Path) -> Store,
    /// Opens that store for a short change while another process may have it open.
    pub open_beside: fn(&Path) -> Store,
}

/// All engines.
pub const ENGINES: &[Engine] = &[Engine {
    name: "SQLite and folder",
    open: |folder| Store::open(folder, Timestamp::UNIX_EPOCH, LINK_SECRET).unwrap(),
    open_beside: |folder| Store::open_beside(folder, Timestamp::UNIX_EPOCH, LINK_SECRET).unwrap(),
}];

/// The link secret of a new store.
pub const LINK_SECRET: [u8; 32] = [0x80; 32];

/// Returns an empty store of each engine.
pub fn stores() -> impl Iterator<Item = TestStore> {
    ENGINES.iter().map(|engine| {
        let folder = tempfile::tempdir().unwrap();
        TestStore { store: Some((engine.open)(folder.path())), folder, engine }
    })
}

/// An open store in a temporary folder. It is displayed as the name of its engine.
pub struct TestStore {
    /// Before the folder, so that it is closed before the folder is removed.
    store: Option<Store>,
    folder: TempDir,
    engine: &'static Engine,
}

impl TestStore {
    /// Closes the store and opens it again, as a new process does.
    pub fn reopen(&mut self) {
        self.store = None;
        self.store = Some((self.engine.open)(self.folder.path()));
    }

    /// Opens the same store once more.
    pub fn beside(&self) -> Store {
        (self.engine.open_beside)(self.folder.path())
    }

    /// Stores a content that has no row yet.
    pub fn keep_code(&self, sha256: &[u8; 32], bytes: &[u8]) -> Adds {
        Adds::File(PendingFile::Code(self.blobs().keep_bytes(sha256, bytes).unwrap()))
    }

    /// Stores a file of the inbox that has no row yet.
    pub fn keep_object(&self, id: Uuid, bytes: &[u8]) -> Adds {
        Adds::File(PendingFile::Inbox(self.inbox().keep_bytes(id, bytes).unwrap()))
    }

    /// Reads a content; `None` if it is not stored.
    pub fn code(&self, sha256: &[u8; 32]) -> Option<Vec<u8>> {
        std::fs::read(self.blobs().path(sha256)).ok()
    }

    /// Reads a file of the inbox; `None` if it is not stored.
    pub fn object(&self, id: Uuid) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        self.inbox().open_file(id).ok()?.read_to_end(&mut bytes).unwrap();
        Some(bytes)
    }
}

impl Deref for TestStore {
    type Target = Store;

    fn deref(&self) -> &Store {
        self.store.as_ref().unwrap()
    }
}

impl fmt::Display for TestStore {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.engine.name)
    }
}

impl Drop for TestStore {
    /// Names the engine also where a test fails without an assertion of its own.
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the engine was {self}");
        }
    }
}
