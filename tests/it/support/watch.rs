//! Whether a server's rows or files have changed.

use std::cell::Cell;
use std::path::PathBuf;

use rusqlite::{Connection, OpenFlags};

use super::server::files;

/// A data folder as it was at one time.
pub struct Watch {
    data: PathBuf,
    catalog: Connection,
    version: Cell<i64>,
    rows: Vec<String>,
    files: Vec<String>,
}

impl Watch {
    pub fn new(data: PathBuf) -> Self {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
        let catalog = Connection::open_with_flags(data.join("catalog.sqlite"), flags).unwrap();
        let version = Cell::new(version(&catalog));
        let (rows, files) = (rows(&catalog), files(&data));
        Self { data, catalog, version, rows, files }
    }

    /// Whether any value of any row is another one, or any file has come or gone.
    pub fn has_changed(&self) -> bool {
        self.change().is_some()
    }

    /// What has changed: the rows and files that are gone, and those that are new. The rows are
    /// only read again after a commit; one whose changes were all rolled back changes none.
    pub fn change(&self) -> Option<String> {
        let (version, mut change) = (version(&self.catalog), Vec::new());
        if version != self.version.get() {
            compare(&self.rows, &rows(&self.catalog), &mut change);
            if change.is_empty() {
                self.version.set(version);
            }
        }
        compare(&self.files, &files(&self.data), &mut change);
        if change.is_empty() { None } else { Some(change.join("\n  ")) }
    }
}

fn compare(before: &[String], after: &[String], change: &mut Vec<String>) {
    let gone = before.iter().filter(|line| !after.contains(line));
    change.extend(gone.map(|line| format!("gone: {line}")));
    let new = after.iter().filter(|line| !before.contains(line));
    change.extend(new.map(|line| format!("new: {line}")));
}

/// SQLite's own number, which moves when another connection commits.
fn version(catalog: &Connection) -> i64 {
    catalog.query_one("PRAGMA data_version", [], |row| row.get(0)).unwrap()
}

/// Every row of every table, but for the time at which a key was last used: that belongs to no
/// request.
fn rows(catalog: &Connection) -> Vec<String> {
    let sql = "SELECT name FROM sqlite_schema WHERE type = 'table'";
    let mut tables = catalog.prepare(sql).unwrap();
    let tables = tables.query_map([], |row| row.get::<_, String>(0)).unwrap();
    let mut all = Vec::new();
    for table in tables.map(Result::unwrap) {
        let mut statement = catalog.prepare(&format!("SELECT * FROM {table}")).unwrap();
        let columns: Vec<usize> = (0..statement.column_count())
            .filter(|&column| statement.column_name(column) != Ok("last_used"))
            .collect();
        let mut rows = statement.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            let values = columns.iter().map(|&at| format!("{:?}", row.get_ref(at).unwrap()));
            all.push(format!("{table} {}", values.collect::<Vec<_>>().join(" ")));
        }
    }
    all
}
