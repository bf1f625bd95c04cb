//! Making the catalog file, knowing its version, and bringing older ones up to date.

use std::fs;
use std::io;
use std::path::Path;

use rusqlite::Connection;

use super::OpenError;
use crate::domain::{TenantId, Timestamp};

/// The whole schema as of [`VERSION`].
const SCHEMA: &str = include_str!("../../schema.sql");

/// Steps from one version to the next: the first leads from version 1 to 2. Never edited once
/// released.
const MIGRATIONS: &[&str] = &[];

/// `application_id` of our files, the letters "LYRB".
const APPLICATION_ID: i64 = 0x4c59_5242;

/// Brings the file to the current schema and returns its link secret.
pub(super) fn prepare(
    connection: &mut Connection,
    path: &Path,
    now: Timestamp,
    secret: [u8; 32],
) -> Result<[u8; 32], OpenError> {
    let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let owner: i64 = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let known = 1 + MIGRATIONS.len() as i64;
    if version > known {
        return Err(OpenError::NewerSchema { found: version, known });
    }
    if version == 0 {
        let objects: i64 =
            connection.query_one("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
        if objects > 0 {
            return Err(OpenError::Foreign(path.to_owned()));
        }
        create(connection, known, now, secret)?;
    } else if owner != APPLICATION_ID {
        return Err(OpenError::Foreign(path.to_owned()));
    } else if version < known {
        migrate(connection, path, version, MIGRATIONS)?;
    }
    Ok(connection.query_one("SELECT link_secret FROM state", [], |row| row.get(0))?)
}

fn create(
    connection: &mut Connection,
    version: i64,
    now: Timestamp,
    secret: [u8; 32],
) -> Result<(), OpenError> {
    let transaction = connection.transaction()?;
    transaction.execute_batch(SCHEMA)?;
    transaction
        .execute("INSERT INTO state (id, sequence, link_secret) VALUES (1, 0, ?)", [secret])?;
    transaction.execute(
        "INSERT INTO tenants (id, created) VALUES (?, ?)",
        (TenantId::default_tenant().as_str(), now.as_microsecond()),
    )?;
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", version)?;
    transaction.commit()?;
    Ok(())
}

/// Takes a copy of the file beside it, then runs all missing steps in one transaction.
fn migrate(
    connection: &mut Connection,
    path: &Path,
    version: i64,
    migrations: &[&str],
) -> Result<(), OpenError> {
    let copy = path.with_extension(format!("before-version-{}.sqlite", 1 + migrations.len()));
    if copy.exists() {
        fs::remove_file(&copy).map_err(OpenError::io(&copy))?;
    }
    connection.execute("VACUUM INTO ?", [copy.to_string_lossy()])?;
    let transaction = connection.transaction()?;
    let done = usize::try_from(version - 1).unwrap_or_default();
    for step in &migrations[done..] {
        transaction.execute_batch(step)?;
    }
    transaction.pragma_update(None, "user_version", 1 + migrations.len() as i64)?;
    transaction.commit()?;
    Ok(())
}

/// Makes a folder that only its owner can enter, unless it is there.
pub(super) fn make_private_folder(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn catalog(folder: &Path) -> Connection {
        Connection::open(folder.join("catalog.sqlite")).unwrap()
    }

    #[test]
    fn a_newer_schema_is_refused_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("catalog.sqlite");
        let mut connection = catalog(folder.path());
        prepare(&mut connection, &path, Timestamp::UNIX_EPOCH, [7; 32]).unwrap();
        connection.pragma_update(None, "user_version", 99).unwrap();
        let refusal = prepare(&mut connection, &path, Timestamp::UNIX_EPOCH, [7; 32]).unwrap_err();
        assert!(matches!(refusal, OpenError::NewerSchema { found: 99, .. }), "{refusal}");
    }

    #[test]
    fn a_foreign_database_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("catalog.sqlite");
        let mut connection = catalog(folder.path());
        connection.execute_batch("CREATE TABLE theirs (x)").unwrap();
        let refusal = prepare(&mut connection, &path, Timestamp::UNIX_EPOCH, [7; 32]).unwrap_err();
        assert!(matches!(refusal, OpenError::Foreign(_)), "{refusal}");
    }

    #[test]
    fn an_older_schema_is_copied_and_then_migrated_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("catalog.sqlite");
        let mut connection = catalog(folder.path());
        prepare(&mut connection, &path, Timestamp::UNIX_EPOCH, [7; 32]).unwrap();

        let broken = ["CREATE TABLE added (x)", "CREATE TABLE"];
        migrate(&mut connection, &path, 1, &broken).unwrap_err();
        let added = "SELECT count(*) FROM sqlite_schema WHERE name = 'added'";
        let count: i64 = connection.query_one(added, [], |row| row.get(0)).unwrap();
        assert_eq!(count, 0, "a failed migration leaves nothing");

        migrate(&mut connection, &path, 1, &broken[..1]).unwrap();
        let count: i64 = connection.query_one(added, [], |row| row.get(0)).unwrap();
        assert_eq!(count, 1);
        let copy = Connection::open(path.with_extension("before-version-2.sqlite")).unwrap();
        let count: i64 = copy.query_one(added, [], |row| row.get(0)).unwrap();
        assert_eq!(count, 0, "the copy is of the old schema");
    }
}
