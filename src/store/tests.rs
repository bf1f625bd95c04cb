//! Tests of the data folder as a whole: what is about SQLite and its files alone.
//!
//! What every engine must do is in `tests/it/store_suite.rs`.

use rusqlite::config::DbConfig;
use rusqlite::{Connection, StatementStatus};

use super::*;

fn store(folder: &Path) -> Store {
    Store::open(folder, Timestamp::UNIX_EPOCH, [7; 32]).unwrap()
}

#[test]
fn a_new_bound_limit_does_not_prepare_the_statement_again() {
    let folder = tempfile::tempdir().unwrap();
    store(folder.path())
        .read(|view| {
            let sql = "SELECT name FROM layers WHERE tenant = ? ORDER BY name LIMIT ?";
            let mut statement = view.connection().prepare(sql)?;
            for limit in [21, 22, 21] {
                statement.query(("default", limit))?.next()?;
            }
            assert_eq!(statement.get_status(StatementStatus::RePrepare), 0);
            Ok(())
        })
        .unwrap();
}

#[test]
fn a_foreign_file_is_refused_and_unchanged() {
    let theirs = |folder: &Path| {
        let path = folder.join("catalog.sqlite");
        let connection = Connection::open(&path).unwrap();
        connection.execute_batch("CREATE TABLE theirs (x)").unwrap();
        path
    };
    let with_a_log = |folder: &Path| {
        let path = theirs(folder);
        let connection = Connection::open(&path).unwrap();
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).unwrap();
        connection.pragma_update(None, "journal_mode", "wal").unwrap();
        connection.execute_batch("INSERT INTO theirs VALUES (1)").unwrap();
        path
    };
    let text = |folder: &Path| {
        let path = folder.join("catalog.sqlite");
        std::fs::write(&path, "not a database, and long enough to be looked at".repeat(9)).unwrap();
        path
    };
    for make in [&theirs as &dyn Fn(&Path) -> PathBuf, &with_a_log, &text] {
        let folder = tempfile::tempdir().unwrap();
        let path = make(folder.path());
        let before = (std::fs::read(&path).unwrap(), std::fs::metadata(&path).unwrap());
        let refusal = Store::open(folder.path(), Timestamp::UNIX_EPOCH, [7; 32]).err();
        assert!(matches!(refusal, Some(OpenError::Foreign(_))), "{refusal:?}");
        assert_eq!(std::fs::read(&path).unwrap(), before.0);
        let permissions = std::fs::metadata(&path).unwrap().permissions();
        assert_eq!(permissions, before.1.permissions());
    }
}

#[cfg(unix)]
#[test]
fn only_the_owner_can_read_the_catalog() {
    use std::os::unix::fs::PermissionsExt;
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let set = |path: &Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("data");
    std::fs::create_dir(&folder).unwrap();
    set(&folder, 0o755);
    let files = ["catalog.sqlite", "catalog.sqlite-wal", "catalog.sqlite-shm"];
    let check = |folder_mode| {
        let store = store(&folder);
        store.read(|view| view.check()).unwrap();
        assert_eq!(mode(&folder), folder_mode);
        for file in files {
            assert_eq!(mode(&folder.join(file)), 0o600, "{file}");
        }
    };
    check(0o700);
    // As an earlier release left it, with a foreign file beside it.
    set(&folder, 0o755);
    set(&folder.join("catalog.sqlite"), 0o644);
    std::fs::write(folder.join("theirs"), "").unwrap();
    check(0o755);
}

/// A constraint that SQLite checks only at the commit.
const REFUSED_AT_COMMIT: &str = "PRAGMA defer_foreign_keys = ON;
    INSERT INTO layers (tenant, name, uid, sequence) VALUES ('nobody', 'a', 'b', 1);";

/// As well, nothing can be written after the commit.
const NOTHING_AFTER_COMMIT: &str = "PRAGMA query_only = ON;";

fn incoming(folder: &Path) -> usize {
    std::fs::read_dir(folder.join("incoming")).unwrap().count()
}

#[test]
fn code_of_a_failed_commit_is_removed_once_the_commit_is_settled() {
    let folder = tempfile::tempdir().unwrap();
    let sha256 = [0xab; 32];
    let keep = |store: &Store| {
        Adds::File(PendingFile::Code(store.blobs().keep_bytes(&sha256, b"code").unwrap()))
    };
    let first = store(folder.path());
    let path = first.blobs().path(&sha256);
    let generation = first.generation();

    let refused = first.write_adding(keep(&first), |_| -> Result<(), _> {
        Err(CatalogError::internal("refused"))
    });
    refused.unwrap_err();
    assert!(!path.exists(), "nothing of a refused change is in the log");

    let failed = first.write_adding(keep(&first), |change| {
        Ok(change.connection().execute_batch(REFUSED_AT_COMMIT)?)
    });
    failed.unwrap_err();
    assert!(!path.exists(), "the writer has overwritten the failed commit");
    assert_eq!(incoming(folder.path()), 0);
    first.write(|change| change.rewrite_state()).unwrap();
    let sequence = first.write(|change| change.next_sequence()).unwrap();
    assert_eq!(sequence, 1, "settling changes nothing");
    assert!(first.generation() > generation);
}

#[test]
fn code_stays_for_the_next_start_when_its_commit_cannot_be_settled() {
    let folder = tempfile::tempdir().unwrap();
    let sha256 = [0xab; 32];
    let first = store(folder.path());
    let path = first.blobs().path(&sha256);
    let pending = PendingFile::Code(first.blobs().keep_bytes(&sha256, b"code").unwrap());
    let failed = first.write_adding(Adds::File(pending), |change| {
        change.connection().execute_batch(REFUSED_AT_COMMIT)?;
        Ok(change.connection().execute_batch(NOTHING_AFTER_COMMIT)?)
    });
    failed.unwrap_err();
    assert!(path.exists());
    assert_eq!(incoming(folder.path()), 1, "the next start must look at it");
    drop(first);
    drop(store(folder.path()));
    assert!(!path.exists(), "there was no row");
    assert_eq!(incoming(folder.path()), 0);
}

#[test]
fn a_file_of_the_inbox_stays_for_the_next_start_when_its_commit_cannot_be_settled() {
    let folder = tempfile::tempdir().unwrap();
    let id = uuid::Uuid::from_u128(1);
    let first = store(folder.path());
    let pending = PendingFile::Inbox(first.inbox().keep_bytes(id, b"object").unwrap());
    let failed = first.write_adding(Adds::File(pending), |change| {
        change.connection().execute_batch(REFUSED_AT_COMMIT)?;
        Ok(change.connection().execute_batch(NOTHING_AFTER_COMMIT)?)
    });
    failed.unwrap_err();
    assert!(first.inbox().open_file(id).is_ok());
    assert_eq!(incoming(folder.path()), 1, "the next start must look at it");
    drop(first);
    let second = store(folder.path());
    assert!(second.inbox().open_file(id).is_err(), "there was no row");
    assert_eq!(incoming(folder.path()), 0);
}

#[test]
fn a_catalog_left_open_without_its_log_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let copy = tempfile::tempdir().unwrap();
    let first = store(folder.path());
    assert!(!open_mark::is_log_lost(folder.path()), "it is open, with its log");
    for file in ["catalog.sqlite", "catalog.sqlite-wal", "catalog.open"] {
        std::fs::copy(folder.path().join(file), copy.path().join(file)).unwrap();
    }
    drop(first);
    assert!(!open_mark::is_log_lost(folder.path()), "it was closed");
    assert!(!open_mark::is_log_lost(copy.path()), "its process was killed");
    std::fs::remove_file(copy.path().join("catalog.sqlite-wal")).unwrap();
    assert!(open_mark::is_log_lost(copy.path()));
    // A command on the folder says so and becomes the last to close the catalog.
    drop(Store::open_beside(copy.path(), Timestamp::UNIX_EPOCH, [7; 32]).unwrap());
    assert!(!open_mark::is_log_lost(copy.path()));
}

#[test]
fn code_files_without_a_row_are_found_and_contents_being_stored_are_not() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path());
    let [held, unknown, known] = [1, 2, 3].map(|byte| [[0xab; 31].as_slice(), &[byte]].concat());
    let [held, unknown, known] = [held, unknown, known].map(|id| <[u8; 32]>::try_from(id).unwrap());
    let pending = store.blobs().keep_bytes(&held, b"held").unwrap();
    std::fs::write(store.blobs().path(&unknown), b"unknown").unwrap();
    std::fs::write(store.blobs().path(&unknown).with_extension("bak"), b"strange").unwrap();
    let artifact = crate::domain::Artifact {
        digests: crate::domain::Digests { sha256: known, sha512: [0; 64], md5: [0; 16], crc64: 0 },
        size: 5,
        entries: 1,
        unpacked: 1,
    };
    let blob = PendingFile::Code(store.blobs().keep_bytes(&known, b"known").unwrap());
    store
        .write_adding(Adds::File(blob), move |change| {
            change.insert_code(&artifact, Timestamp::UNIX_EPOCH)
        })
        .unwrap();
    let mut files = store.unknown_code_files(0xab).unwrap();
    files.sort();
    let path = store.blobs().path(&unknown);
    assert_eq!(files, [(path.with_extension("bak"), 7), (path, 7)]);
    drop(pending);
    assert_eq!(store.unknown_code_files(0xab).unwrap().len(), 2);
    assert!(store.unknown_code_files(0xac).unwrap().is_empty());
}

#[test]
fn a_full_disk_and_a_locked_catalog_are_told_apart_from_faults() {
    let failure = |code| {
        let error = rusqlite::ffi::Error::new(code);
        CatalogError::from(rusqlite::Error::SqliteFailure(error, None))
    };
    for code in [rusqlite::ffi::SQLITE_FULL, rusqlite::ffi::SQLITE_IOERR_SHMSIZE] {
        assert!(matches!(failure(code), CatalogError::NoSpace { .. }));
    }
    for code in [rusqlite::ffi::SQLITE_BUSY, rusqlite::ffi::SQLITE_LOCKED] {
        assert!(matches!(failure(code), CatalogError::Unavailable { .. }));
    }
    assert!(matches!(failure(rusqlite::ffi::SQLITE_CORRUPT), CatalogError::Internal { .. }));
    let full = std::io::Error::from(std::io::ErrorKind::StorageFull);
    assert!(matches!(CatalogError::from(full), CatalogError::NoSpace { .. }));
}
