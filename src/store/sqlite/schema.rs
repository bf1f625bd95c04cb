//! Creates the catalog file, checks its schema version and migrates older files. Knows the tables
//! only as SQL text.

use std::fs::{self, File};
use std::path::Path;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode};

use crate::domain::{TenantId, Timestamp};
use crate::store::OpenError;
use crate::store::files::{make_private_file, sync_folder};
use crate::store::lock::{LOCK_ATTEMPTS, LOCK_PAUSE};

/// The whole schema as of [`VERSION`].
const SCHEMA: &str = include_str!("../../../schema.sql");

/// Migrations, each from one version to the next: the first from version 1 to 2. Never edited once
/// released.
const MIGRATIONS: &[&str] = &[
    include_str!("schema/to-version-2.sql"),
    include_str!("schema/to-version-3.sql"),
    include_str!("schema/to-version-4.sql"),
    include_str!("schema/to-version-5.sql"),
];

/// The `application_id` of our files, the letters "LYRB".
const APPLICATION_ID: i64 = 0x4c59_5242;

/// Creates or migrates the file, if it does not have the current schema.
///
/// Writes nothing, not even the journal mode, before the file is known to be ours.
pub(in crate::store) fn prepare(
    connection: &mut Connection,
    path: &Path,
    now: Timestamp,
    secret: [u8; 32],
) -> Result<(), OpenError> {
    let known = 1 + MIGRATIONS.len() as i64;
    let version = version_of_ours(connection, path, known)?;
    configure(connection)?;
    if version == 0 {
        create(connection, known, now, secret)?;
    } else if version < known {
        migrate(connection, path, version, MIGRATIONS)?;
    }
    Ok(())
}

/// Sets the pragmas of a connection that writes.
pub(in crate::store) fn configure(connection: &Connection) -> Result<(), OpenError> {
    // SQLite does not wait here for a process that reads the file's version.
    retry_busy(|| connection.pragma_update(None, "journal_mode", "wal"))?;
    connection.pragma_update(None, "synchronous", "full")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    // What a savepoint must undo goes to memory: a full disk has no room for a temporary file.
    connection.pragma_update(None, "temp_store", "memory")?;
    Ok(())
}

/// Retries, for up to two seconds, a statement that SQLite refuses while another process reads.
fn retry_busy(run: impl Fn() -> rusqlite::Result<()>) -> rusqlite::Result<()> {
    for _ in 1..LOCK_ATTEMPTS {
        match run() {
            Err(busy) if busy.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) => {
                std::thread::sleep(LOCK_PAUSE);
            }
            done => return done,
        }
    }
    run()
}

/// Returns whether the file has the current schema; refuses a newer one and a foreign file.
pub(in crate::store) fn is_current(
    connection: &Connection,
    path: &Path,
) -> Result<bool, OpenError> {
    let known = 1 + MIGRATIONS.len() as i64;
    Ok(version_of_ours(connection, path, known)? == known)
}

/// Returns the file's schema version, 0 for an empty file; a refusal leaves the file unchanged.
fn version_of_ours(connection: &Connection, path: &Path, known: i64) -> Result<i64, OpenError> {
    // When a foreign file is closed, the log that its owner left must not be written back.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    // One snapshot, because another process may be creating the catalog.
    let snapshot = connection.unchecked_transaction()?;
    let number = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let foreign = || OpenError::Foreign(path.to_owned());
    let version = number("user_version")?;
    let owner = number("application_id")?;
    if version == 0 {
        let objects: i64 =
            connection.query_one("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
        if objects > 0 || owner != 0 {
            return Err(foreign());
        }
    } else if owner != APPLICATION_ID {
        return Err(foreign());
    } else if version > known {
        return Err(OpenError::NewerSchema { found: version, known });
    }
    snapshot.finish()?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false)?;
    Ok(version)
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

/// Copies the file to one beside it, then runs all missing migrations in one transaction.
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
    // VACUUM accepts an empty file as its target. Ours is private from the start.
    make_private_file(&copy).map_err(OpenError::io(&copy))?;
    connection.execute("VACUUM INTO ?", [copy.to_string_lossy()])?;
    // The copy must be durable before the migration starts.
    File::open(&copy).and_then(|file| file.sync_all()).map_err(OpenError::io(&copy))?;
    copy.parent().map_or(Ok(()), sync_folder).map_err(OpenError::io(&copy))?;
    let transaction = connection.transaction()?;
    let done = usize::try_from(version - 1).unwrap_or_default();
    for step in &migrations[done..] {
        transaction.execute_batch(step)?;
    }
    transaction.pragma_update(None, "user_version", 1 + migrations.len() as i64)?;
    transaction.commit()?;
    // The pages that the migration read would leave the readers less of the memory for all.
    connection.execute_batch("PRAGMA shrink_memory")?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use rusqlite::types::Value;

    use super::*;
    use crate::store::files::is_open;

    fn catalog(folder: &Path) -> Connection {
        Connection::open(folder.join("catalog.sqlite")).unwrap()
    }

    #[test]
    fn a_newer_schema_is_refused() {
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

    /// Returns the SQL of each table, index and trigger, by kind and name, without comments and
    /// with normalised blanks.
    fn shape(connection: &Connection) -> Vec<String> {
        let sql = "SELECT type || ' ' || name || ': ' || sql FROM sqlite_schema
                   WHERE sql IS NOT NULL ORDER BY 1";
        let mut statement = connection.prepare(sql).unwrap();
        let texts = statement.query_map([], |row| row.get::<_, String>(0)).unwrap();
        texts.map(|text| plain(&text.unwrap())).collect()
    }

    fn plain(sql: &str) -> String {
        let lines = sql.lines().map(|line| line.split("--").next().unwrap_or_default());
        let spaced: String = lines
            .flat_map(|line| line.chars().chain(['\n']))
            .flat_map(|letter| match letter {
                '(' | ')' | ',' => vec![' ', letter, ' '],
                _ => vec![letter],
            })
            .collect();
        spaced.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// Rows of a catalog of version 1: layers, functions and their code.
    const ROWS_OF_VERSION_1: &str = "
        INSERT INTO state VALUES (1, 7, zeroblob(32));
        INSERT INTO tenants VALUES ('default', 1, 1), ('other', 1, 0), ('third', 1, 0);
        INSERT INTO code VALUES (zeroblob(32), zeroblob(64), zeroblob(16), 5, 600, 1, 1, 1),
                                (randomblob(32), zeroblob(64), zeroblob(16), 5, 50, 1, 1, 1);
        INSERT INTO layers VALUES (1, 'default', 'demo', 'u', 0, '[]', 2, 2, 2, 1, 7);
        INSERT INTO layer_versions VALUES (1, 1, 'a', '', '', '[]', zeroblob(32), 1, 6),
                                          (1, 2, 'b', '', '', '[]', zeroblob(32), 1, 7);
        INSERT INTO functions VALUES (1, 'default', 'g', 'one', 'one', 1, 1, 1, 1, 4),
                                     (2, 'other', 'g', 'two', 'two', 1, 1, 0, 0, 5);
        INSERT INTO function_versions
            SELECT function, number, name, '', '', '', '', 0, 0, '{}', '{}', 0,
                   (SELECT sha256 FROM code WHERE code.size = states.size), 1, 1, NULL, 1, function
            FROM (SELECT 1 AS function, 0 AS number, 'latest' AS name, 50 AS size
                  UNION ALL SELECT 1, 1, '1', 600 UNION ALL SELECT 2, 0, 'latest', 50
                  UNION ALL SELECT 2, 1, 'without code', NULL) states;
        PRAGMA user_version = 1";

    #[test]
    fn a_catalog_of_version_1_gets_the_current_schema_and_keeps_its_rows() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("catalog.sqlite");
        let mut old = catalog(folder.path());
        old.execute_batch(include_str!("schema/version-1.sql")).unwrap();
        old.execute_batch(ROWS_OF_VERSION_1).unwrap();
        old.pragma_update(None, "application_id", APPLICATION_ID).unwrap();
        prepare(&mut old, &path, Timestamp::UNIX_EPOCH, [7; 32]).unwrap();

        let new_folder = tempfile::tempdir().unwrap();
        let new_path = new_folder.path().join("catalog.sqlite");
        let mut new = catalog(new_folder.path());
        prepare(&mut new, &new_path, Timestamp::UNIX_EPOCH, [7; 32]).unwrap();
        assert_eq!(shape(&old), shape(&new));

        let sizes = || -> Vec<i64> {
            let mut statement = old.prepare("SELECT code_size FROM tenants ORDER BY id").unwrap();
            statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
        };
        assert_eq!(sizes(), [2 * 600 + 50 + 600, 50, 0]);
        for (change, expected) in [
            ("DELETE FROM layer_versions WHERE number = 1", [600 + 50 + 600, 50, 0]),
            (
                "UPDATE function_versions SET code = zeroblob(32) WHERE function = 1 AND number = 0",
                [600 + 600 + 600, 50, 0],
            ),
            (
                "UPDATE function_versions SET code = NULL WHERE function = 2 AND number = 0",
                [600 + 600 + 600, 0, 0],
            ),
            ("DELETE FROM function_versions WHERE function = 1", [600, 0, 0]),
            (
                "INSERT INTO layer_versions VALUES (1, 3, 'c', '', '', '[]', zeroblob(32), 1, 8)",
                [2 * 600, 0, 0],
            ),
            (
                "INSERT INTO function_versions
                 SELECT 2, 2, '2', '', '', '', '', 0, 0, '{}', '{}', 0, zeroblob(32), 1, 1, NULL,
                        1, 9",
                [2 * 600, 600, 0],
            ),
        ] {
            old.execute_batch(change).unwrap();
            assert_eq!(sizes(), expected, "{change}");
        }
    }

    /// Rows of the tables that version 2 added; the migration to version 3 must not change them.
    const ROWS_OF_VERSION_2: &str = "
        INSERT INTO keys VALUES ('KEY1', 'secret-of-1', 'default', 'write', 1, 5, NULL),
                                ('KEY2', 'secret-of-2', 'other', 'admin', 0, 6, 7);
        INSERT INTO audit VALUES (6, 9, 'default', 'KEY1', 'native', 'Publish', 'layer/demo/1', 'r'),
                                 (7, 9, 'other', NULL, 'local', 'key add', 'key/KEY2', NULL);
        UPDATE tenants SET spelling = '{\"ctyun_tenant\":\"7000\"}' WHERE id = 'other';
        UPDATE state SET access = 3;
        PRAGMA user_version = 2";

    #[test]
    fn a_catalog_of_version_2_keeps_its_rows_and_gets_an_empty_inbox() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("catalog.sqlite");
        let mut old = catalog(folder.path());
        old.execute_batch(include_str!("schema/version-1.sql")).unwrap();
        old.execute_batch(ROWS_OF_VERSION_1).unwrap();
        old.execute_batch(MIGRATIONS[0]).unwrap();
        old.execute_batch(ROWS_OF_VERSION_2).unwrap();
        old.pragma_update(None, "application_id", APPLICATION_ID).unwrap();
        let tables = "SELECT group_concat(name) FROM sqlite_schema WHERE type = 'table'";
        let tables: String = old.query_one(tables, [], |row| row.get(0)).unwrap();
        let rows = |connection: &Connection, table: &str| {
            let mut statement = connection.prepare(&format!("SELECT * FROM {table}")).unwrap();
            let columns = statement.column_count();
            let row = |row: &rusqlite::Row<'_>| {
                (0..columns).map(|at| row.get(at)).collect::<Result<Vec<Value>, _>>()
            };
            statement.query_map([], row).unwrap().map(Result::unwrap).collect::<Vec<_>>()
        };
        let before: Vec<_> = tables.split(',').map(|table| rows(&old, table)).collect();
        assert!(before.iter().map(Vec::len).sum::<usize>() > 15);
        prepare(&mut old, &path, Timestamp::UNIX_EPOCH, [7; 32]).unwrap();

        let version: i64 = old.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
        assert_eq!(version, 5);
        for (table, mut before) in tables.split(',').zip(before) {
            if table == "state" {
                before[0].push(Value::Integer(0));
            }
            if table == "audit" {
                continue;
            }
            assert_eq!(rows(&old, table), before, "{table}");
        }
        for table in ["inbox_objects", "inbox_multiparts", "inbox_parts", "inbox_gone"] {
            assert!(rows(&old, table).is_empty(), "{table}");
        }
    }

    #[test]
    fn subjects_of_version_3_are_parted_into_columns() {
        let old = Connection::open_in_memory().unwrap();
        old.execute_batch(include_str!("schema/version-1.sql")).unwrap();
        MIGRATIONS[..2].iter().for_each(|step| old.execute_batch(step).unwrap());
        let subjects = [
            ("layer/demo", "layer|demo|"),
            ("layer/demo/30", "layer|demo|30"),
            ("layer/3/4", "layer|3|4"),
            ("layer/层/1", "layer|层|1"),
            ("function/default/hello", "function|default/hello|"),
            ("function/默认/函数/12", "function|默认/函数|12"),
            ("object/code/a//b/3", "object|code/a//b/3|"),
            ("key/AKID0001", "key|AKID0001|"),
            ("tenant/team-a@p1", "tenant|team-a@p1|"),
            ("links", "links||"),
        ];
        let insert = "INSERT INTO audit (at, tenant, dialect, operation, subject)
                      VALUES (1, 'a@p', 'd', 'o', ?)";
        subjects.iter().for_each(|(text, _)| _ = old.execute(insert, [text]).unwrap());
        old.execute_batch(MIGRATIONS[2]).unwrap();
        let sql = "SELECT kind || '|' || name || '|' || coalesce(version, ''), sequence, tenant
                   FROM audit ORDER BY sequence";
        let mut statement = old.prepare(sql).unwrap();
        let rows = statement
            .query_map([], |row| Ok((row.get::<_, String>(0)?, row.get(1)?, row.get(2)?)))
            .unwrap();
        let parted: Vec<(String, i64, String)> = rows.map(Result::unwrap).collect();
        let wanted = (1..).zip(subjects).map(|(at, (_, row))| (row.into(), at, "a@p".into()));
        assert_eq!(parted, wanted.collect::<Vec<_>>());
    }

    #[test]
    fn shapes_differ_by_a_check_an_index_or_a_trigger_and_not_by_a_comment() {
        let shape_of = |sql: &str| {
            let connection = Connection::open_in_memory().unwrap();
            connection.execute_batch(sql).unwrap();
            shape(&connection)
        };
        let trigger = "CREATE TRIGGER g AFTER INSERT ON t BEGIN UPDATE t SET a = 1; END";
        let table = "CREATE TABLE t (a INTEGER CHECK (a > 0), b TEXT);";
        let index = "CREATE INDEX i ON t (a, b);";
        let one = shape_of(&[table, index, trigger].concat());
        let spaced = table.replace(", b", ",  -- a comment\n  b");
        assert_eq!(one, shape_of(&[&spaced, index, trigger].concat()));
        for other in [
            [&table.replace("a > 0", "a > 1"), index, trigger],
            [table, &index.replace("a, b", "b, a"), trigger],
            [table, index, &trigger.replace("a = 1", "a = 2")],
        ] {
            assert_ne!(one, shape_of(&other.concat()));
        }
    }

    #[test]
    fn an_older_catalog_is_copied_and_then_migrated_completely_or_not_at_all() {
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
        let copy = path.with_extension("before-version-2.sqlite");
        #[cfg(unix)]
        assert!(!is_open(&copy).unwrap(), "the link secret is in it");
        let copy = Connection::open(copy).unwrap();
        let count: i64 = copy.query_one(added, [], |row| row.get(0)).unwrap();
        assert_eq!(count, 0, "the copy is of the old schema");
    }
}
