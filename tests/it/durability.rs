//! After the server was killed, every acknowledged version is there and no partial file is left.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::support::process::Process;
use crate::support::server::Footprint;
use crate::support::{Request, zips};

/// A version whose publication was answered: layer, number, SHA-256.
type Acknowledged = (String, u64, String);

/// Uploads from eight clients, kills the server during the uploads once `acknowledged_max` versions
/// were acknowledged, and returns the acknowledged ones.
fn publish_until_killed(data: &Path, round: usize, acknowledged_max: usize) -> Vec<Acknowledged> {
    let server = Process::serve(data, &[]);
    let base = server.base().to_owned();
    let done = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        let publishers: Vec<_> = (0..8)
            .map(|publisher| {
                let (base, done) = (&base, &done);
                scope.spawn(move || publish_while_it_lives(base, round, publisher, done))
            })
            .collect();
        while done.load(Ordering::SeqCst) < acknowledged_max {
            std::thread::yield_now();
        }
        server.kill();
        publishers.into_iter().flat_map(|publisher| publisher.join().unwrap()).collect()
    })
}

fn publish_while_it_lives(
    base: &str,
    round: usize,
    publisher: usize,
    done: &AtomicUsize,
) -> Vec<Acknowledged> {
    let layer = format!("layer-{}", publisher % 3);
    let mut acknowledged = Vec::new();
    for upload in 0_u32.. {
        // Small uploads stay in memory, large ones go through a file.
        let size = [2_000, 700_000][publisher % 2];
        let text = format!("{round} {publisher} {upload} ").repeat(size / 8);
        let zip = zips::stored(&[("a.txt", text.as_bytes())]);
        let request = Request::new("POST", &format!("/api/v1/layers/{layer}/versions")).body(zip);
        let Some(answer) = request.try_send(base) else { break };
        assert_eq!(answer.status, 201, "{}", answer.text());
        let version = answer.json();
        let sha256 = version["sha256"].as_str().unwrap().to_owned();
        acknowledged.push((layer.clone(), version["version"].as_u64().unwrap(), sha256));
        done.fetch_add(1, Ordering::SeqCst);
    }
    acknowledged
}

#[test]
fn killed_server_keeps_acknowledged_versions_and_no_partial_files() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let mut acknowledged = Vec::new();
    for round in 0..4 {
        acknowledged.extend(publish_until_killed(&data, round, 12 + round * 7));
    }
    let server = Process::serve(&data, &[]);
    let mut numbers = BTreeSet::new();
    for (layer, number, sha256) in &acknowledged {
        assert!(numbers.insert((layer, number)), "{layer} {number} was given out twice");
        let path = format!("/api/v1/layers/{layer}/versions/{number}");
        let version = server.send(&Request::get(&path)).json();
        assert_eq!(version["sha256"], *sha256, "{layer} {number}");
        let served = Request::get(version["download_url"].as_str().unwrap()).send("");
        assert_eq!(served.body.len() as u64, version["size"].as_u64().unwrap());
        assert_eq!(hex_sha256(&served.body), *sha256);
    }
    assert_eq!(server.terminate(), Some(0));
    let footprint = Footprint::of(&data);
    let rows = footprint.rows["code"];
    assert_eq!(footprint.files.len() as i64, rows, "one file for each row, and no other file");
    assert!(footprint.files.iter().all(|file| !file.contains("incoming")));
}

#[test]
fn a_server_that_says_that_it_is_ready_ends_in_good_order() {
    let folder = tempfile::tempdir().unwrap();
    for attempt in 0..20 {
        let server = Process::serve(folder.path(), &[]);
        assert_eq!(server.terminate(), Some(0), "attempt {attempt}");
        assert!(!folder.path().join("catalog.sqlite-wal").exists(), "attempt {attempt}");
    }
}

#[test]
fn sigterm_ends_the_server_with_exit_code_0_and_one_database_file() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let server = Process::serve(&data, &[]);
    let zip = zips::vector("tencent");
    let answer = server.send(&Request::new("POST", "/api/v1/layers/demo/versions").body(zip));
    assert_eq!(answer.status, 201);
    // Opens a reader's connection, which must be closed before the writer's.
    assert_eq!(server.send(&Request::get("/api/v1/layers")).status, 200);
    assert_eq!(server.terminate(), Some(0));
    for side in ["catalog.sqlite-wal", "catalog.sqlite-shm"] {
        assert!(!data.join(side).exists(), "{side}: the log is written back");
    }
}

fn hex_sha256(bytes: &[u8]) -> String {
    use sha2::{Digest, Sha256};
    hex::encode(Sha256::digest(bytes))
}
