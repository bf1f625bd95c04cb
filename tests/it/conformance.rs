//! The same steps through every dialect: publish, list, delete, continue the numbers, refuse; and
//! one layer seen through all dialects.

use crate::clouds::{CLOUDS, Layers, Row};
use crate::support::{TestServer, zips};

/// Returns the clients that have layers.
fn clients() -> impl Iterator<Item = &'static dyn Layers> {
    CLOUDS.into_iter().filter_map(|cloud| cloud.layers())
}

fn numbers(rows: &[Row]) -> Vec<u64> {
    rows.iter().map(|row| row.number).collect()
}

#[test]
fn every_dialect_publishes_lists_deletes_and_refuses_alike() {
    for client in clients() {
        let (server, name) = (TestServer::start(), client.name());
        let (one, two) = (zips::vector("tencent"), zips::vector("alibaba"));
        let list = || client.list(&server, "demo");
        assert_eq!(list(), [], "{name}: nothing is there yet");
        for (zip, expected) in [(&one, 1), (&two, 2), (&one, 3)] {
            assert_eq!(client.publish(&server, "demo", zip), Ok(expected), "{name}");
        }
        let rows = list();
        assert_eq!(numbers(&rows), [1, 2, 3], "{name}");
        for (row, zip) in rows.iter().zip([&one, &two, &one]) {
            assert_eq!(row.checksum, client.checksum(zip), "{name} {}", row.number);
            assert!(row.size.is_none_or(|size| size == zip.len() as u64), "{name}: {row:?}");
        }
        assert!(client.delete(&server, "demo", 3), "{name}");
        assert!(!client.delete(&server, "demo", 3), "{name}: it is gone");
        assert_eq!(numbers(&list()), [1, 2], "{name}");
        assert_eq!(client.publish(&server, "demo", &two), Ok(4), "{name}: 3 stays used");
        for number in [1, 2, 4] {
            assert!(client.delete(&server, "demo", number), "{name} {number}");
        }
        assert_eq!(list(), [], "{name}: all are gone");
        assert_eq!(client.publish(&server, "demo", &two), Ok(5), "{name}: the counter stays");

        let before = server.footprint();
        assert!(client.publish(&server, "demo", b"this is no zip").is_err(), "{name}");
        assert_eq!(server.footprint(), before, "{name}: nothing was stored");
    }
}

#[test]
fn layer_of_one_dialect_is_listed_by_all_with_their_own_checksum() {
    for publisher in clients() {
        let server = TestServer::start();
        let zip = zips::vector("ctyun");
        assert_eq!(publisher.publish(&server, "demo", &zip), Ok(1), "{}", publisher.name());
        for reader in clients() {
            let rows = reader.list(&server, "demo");
            let context = format!("{} through {}", publisher.name(), reader.name());
            assert_eq!(numbers(&rows), [1], "{context}");
            assert_eq!(rows[0].checksum, reader.checksum(&zip), "{context}");
        }
    }
}
