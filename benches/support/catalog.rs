//! Creates a data folder with many versions, written directly to SQLite.
//!
//! The first start of the real binary creates the folder, its schema and its link secret. Every
//! version has its own content, as in practice; only the files of the contents are missing.

use std::path::Path;
use std::time::Instant;

use rusqlite::{Connection, params};

use super::process::Process;

/// Versions of each layer.
pub const VERSIONS_PER_LAYER: i64 = 20;

/// 2026-01-01T00:00:00Z in microseconds.
const START: i64 = 1_767_225_600_000_000;

/// Multiplier that spreads small numbers over all bits.
const SPREAD: i64 = 0x1E37_79B9_7F4A_7C15;

/// Returns the name of a layer, numbered from 0; names sort like their numbers.
pub fn layer_name(number: i64) -> String {
    format!("layer-{number:06}")
}

/// Creates a data folder of the server `binary` with `versions` versions, [`VERSIONS_PER_LAYER`] of
/// each layer.
pub fn seed(binary: &str, data: &Path, versions: i64) {
    let begun = Instant::now();
    Process::server(binary, data, &[]).stop();
    let mut connection = Connection::open(data.join("catalog.sqlite")).expect("a catalog");
    fill(&mut connection, versions).expect("the schema is the one that is filled here");
    eprintln!("  seeded {versions} versions in {:.1} s", begun.elapsed().as_secs_f64());
}

fn fill(connection: &mut Connection, versions: i64) -> rusqlite::Result<()> {
    // A partial result is useless, so no journal is needed; the server enables it again.
    connection.execute_batch(
        "PRAGMA foreign_keys = off; PRAGMA synchronous = off; PRAGMA journal_mode = off;
         PRAGMA cache_size = -200000",
    )?;
    let transaction = connection.transaction()?;
    // Indexes in an order other than that of the rows are created faster at the end.
    let late: Vec<(String, String)> = transaction
        .prepare(
            "SELECT name, sql FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL
             AND tbl_name = 'layer_versions'",
        )?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<rusqlite::Result<_>>()?;
    for (name, _) in &late {
        transaction.execute_batch(&format!("DROP INDEX {name}"))?;
    }
    insert_code(&transaction, versions)?;
    insert_layers(&transaction, versions)?;
    for (_, sql) in &late {
        transaction.execute_batch(sql)?;
    }
    transaction.execute("UPDATE state SET sequence = ?", [versions])?;
    transaction.execute("UPDATE tenants SET layers = ?", [versions / VERSIONS_PER_LAYER])?;
    transaction.commit()
}

fn insert_code(connection: &Connection, versions: i64) -> rusqlite::Result<()> {
    let mut insert = connection.prepare(
        "INSERT INTO code (sha256, sha512, md5, crc64, size, entries, unpacked, stored)
         VALUES (?, ?, ?, ?, ?, 3, ?, ?)",
    )?;
    for number in 0..versions {
        let sha256 = sha256(number, versions);
        let (sha512, size) = ([&sha256[..], &sha256[..]].concat(), 10_000 + number % 90_000);
        let crc64 = number.wrapping_mul(SPREAD);
        insert.execute(params![sha256, sha512, &sha256[..16], crc64, size, 3 * size, START])?;
    }
    Ok(())
}

fn insert_layers(connection: &Connection, versions: i64) -> rusqlite::Result<()> {
    let mut layer = connection.prepare(
        "INSERT INTO layers (id, tenant, name, uid, last_number, versions, newest, newest_at, sequence)
         VALUES (?, 'default', ?, ?, ?4, ?4, ?4, ?, ?)",
    )?;
    let mut version = connection.prepare(
        "INSERT INTO layer_versions
         (license, runtimes, layer, number, uid, description, code, created, sequence)
         VALUES ('Apache-2.0', '[\"python3.10\",\"python3.12\"]', ?, ?, ?, ?, ?, ?, ?)",
    )?;
    for row in 0..versions {
        let (id, number) = (row / VERSIONS_PER_LAYER + 1, row % VERSIONS_PER_LAYER + 1);
        let (created, sequence) = (START + row * 1_000_000, row + 1);
        // Spread over the whole table, like real digests.
        let code = sha256(row * 2_654_435_761 % versions, versions);
        let description = format!("shared helpers, build {row}");
        version.execute(params![
            id,
            number,
            uid('b', row),
            description,
            code,
            created,
            sequence
        ])?;
        if number == VERSIONS_PER_LAYER {
            let name = layer_name(id - 1);
            layer.execute(params![id, name, uid('a', id), number, created, sequence])?;
        }
    }
    Ok(())
}

/// Returns a digest that grows with its number, so that rows are inserted in the table's order.
fn sha256(number: i64, of: i64) -> [u8; 32] {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&(i64::MAX / of * number).to_be_bytes());
    for (at, word) in key[8..].chunks_mut(8).enumerate() {
        let noise = (number + 1).wrapping_mul(SPREAD).rotate_left(at as u32 * 21);
        word.copy_from_slice(&noise.to_be_bytes());
    }
    key
}

fn uid(kind: char, number: i64) -> String {
    format!("{kind}0000000-0000-4000-8000-{number:012x}")
}
