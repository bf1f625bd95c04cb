//! Full and damaged disks: uploads are refused and change nothing, things can be deleted, damage is
//! reported and mended.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::clouds::CLOUDS;
use crate::support::process::{self, Process};
use crate::support::{Answer, Request, TestServer, raw, zips};

const FULL: &str = "no space left on the server's disk";

fn publish(layer: &str, zip: &[u8]) -> Request {
    Request::new("POST", &format!("/api/v1/layers/{layer}/versions")).body(zip)
}

/// A zip with `size` bytes that do not repeat, other ones for each `seed`.
fn noise(seed: u32, size: u32) -> Vec<u8> {
    let numbers = (seed * size..seed * size + size / 4).map(|i| i.wrapping_mul(0x9E37_79B9));
    let bytes: Vec<u8> = numbers.flat_map(u32::to_be_bytes).collect();
    zips::stored(&[("noise.bin", &bytes)])
}

fn link_of(answer: &Answer) -> String {
    answer.json()["download_url"].as_str().unwrap_or_else(|| panic!("{}", answer.text())).to_owned()
}

#[test]
fn an_upload_that_leaves_too_little_free_is_refused_in_the_words_of_each_cloud() {
    let server = TestServer::start_with(|config| config.min_free = Some(u64::MAX));
    let before = server.footprint();
    // One stays in memory, the other is written to a file as it arrives.
    for zip in [zips::vector("tencent"), noise(1, 600_000)] {
        for cloud in CLOUDS {
            let answer = server.send(&cloud.publishing(&zip));
            let (name, text) = (cloud.name(), answer.text());
            let status = if ["ctyun", "tencent"].contains(&name) { 200 } else { 507 };
            assert_eq!(answer.status, status, "{name}: {text}");
            assert!(text.contains("no space left"), "{name}: {text}");
            assert_eq!(server.footprint(), before, "{name}");
        }
    }
    let put = Request::new("PUT", "/s3/code/a.zip").body(b"object".as_slice());
    assert_eq!(server.send(&put).status, 507);
    assert_eq!(server.footprint(), before);
    let head = "POST /api/v1/layers/demo/versions HTTP/1.1\r\nHost: localhost\r\n\
                Content-Length: 9000000\r\nExpect: 100-continue\r\n\r\n";
    let mut stream = raw::sent(server.base(), head.as_bytes());
    assert_eq!(raw::answer(&mut stream).status, 507, "the client need not send the body");
    let ready = server.send(&Request::get("/readyz"));
    assert_eq!((ready.status, ready.header("Retry-After")), (503, Some("1")));
    let reason = ready.text();
    assert!(reason.starts_with(&format!("not ready: {FULL}: ")), "{reason}");
    assert!(reason.contains("(--min-free)"), "{reason}");
    assert_eq!(server.send(&Request::get("/healthz")).status, 200);
}

#[test]
fn what_needs_no_upload_is_done_while_too_little_is_free() {
    let folder = tempfile::tempdir().unwrap();
    let server = Process::serve(folder.path(), &[]);
    let link = link_of(&server.send(&publish("demo", &zips::vector("tencent"))));
    let put = Request::new("PUT", "/s3/code/a.zip").body(b"object".as_slice());
    assert_eq!(server.send(&put).status, 200);
    assert_eq!(server.terminate(), Some(0));

    let server = Process::serve(folder.path(), &["--min-free", "1000000TiB"]);
    assert_eq!(server.send(&publish("demo", &zips::vector("huawei"))).status, 507);
    let path = format!("/code/{}", link.split("/code/").nth(1).unwrap());
    assert_eq!(server.send(&Request::get(&path)).status, 200);
    let delete = |path| server.send(&Request::new("DELETE", path)).status;
    assert_eq!(delete("/api/v1/layers/demo/versions/1"), 204);
    assert_eq!(delete("/s3/code/a.zip"), 204);
    assert_eq!(server.send(&Request::get("/s3/code/a.zip")).status, 404);
}

#[test]
fn damaged_code_is_not_served_and_is_mended_by_the_next_publication() {
    let folder = tempfile::tempdir().unwrap();
    let (data, log) = (folder.path().join("data"), folder.path().join("log"));
    let server = Process::serve_with_log(&data, &[], File::create(&log).unwrap());
    for (layer, zip) in [("small", zips::vector("tencent")), ("large", noise(1, 600_000))] {
        let published = server.send(&publish(layer, &zip));
        let link = link_of(&published);
        let sha256 = published.json()["sha256"].as_str().unwrap().to_owned();
        let path = data.join("code").join(&sha256[..2]).join(format!("{sha256}.zip"));
        for damage in [None, Some(&zip[..zip.len() - 1])] {
            match damage {
                Some(bytes) => fs::write(&path, bytes).unwrap(),
                None => fs::remove_file(&path).unwrap(),
            }
            for method in ["GET", "HEAD"] {
                let answer = Request::new(method, &link).send("");
                assert_eq!(answer.status, 404, "{}", answer.text());
            }
            let ranged = Request::get(&link).header("Range", "bytes=0-3").send("");
            assert!(ranged.text().contains("NoSuchKey"), "{}", ranged.text());
            let written = fs::read_to_string(&log).unwrap();
            let line = written.lines().last().unwrap();
            let version = format!("layer default/{layer} version 1");
            for part in [" ERROR ", path.to_str().unwrap(), &version] {
                assert!(line.contains(part), "{part}: {line}");
            }
            assert_eq!(server.send(&publish(layer, &zip)).status, 201);
            assert_eq!(Request::get(&link).send("").body, zip);
        }
        // The same length with other bytes shows when the content is published again.
        let mut other = zip.clone();
        other[40] ^= 1;
        fs::write(&path, &other).unwrap();
        assert_eq!(server.send(&publish(layer, &zip)).status, 201);
        assert_eq!(Request::get(&link).send("").body, zip);
        let written = fs::read_to_string(&log).unwrap();
        assert!(written.lines().last().unwrap().contains("replaces it"), "{written}");
    }
    assert_eq!(server.terminate(), Some(0));
}

#[test]
fn damaged_objects_of_the_inbox_are_neither_served_nor_published() {
    let server = TestServer::start();
    let zip = noise(1, 600_000);
    let put = || {
        let put = Request::new("PUT", "/s3/code/a.zip").body(zip.as_slice());
        assert_eq!(server.send(&put).status, 200);
        let folders = fs::read_dir(server.data().join("inbox")).unwrap();
        let files = folders.flat_map(|folder| fs::read_dir(folder.unwrap().path()).unwrap());
        let files: Vec<PathBuf> = files.map(|file| file.unwrap().path()).collect();
        <[PathBuf; 1]>::try_from(files).unwrap()
    };
    let published = Request::new("POST", "/api/v1/layers/demo/versions?bucket=code&object=a.zip");
    assert_eq!(
        {
            put();
            server.send(&published).status
        },
        201
    );
    let before = server.footprint().rows;
    // As long as the object, and an archive as well.
    let other = noise(2, 600_000);
    for (damage, is_served) in [(None, false), (Some(&zip[1..]), false), (Some(&*other), true)] {
        let [path] = put();
        match damage {
            Some(bytes) => fs::write(&path, bytes).unwrap(),
            None => fs::remove_file(&path).unwrap(),
        }
        let got = server.send(&Request::get("/s3/code/a.zip"));
        assert_eq!(got.status == 200, is_served, "{}", got.status);
        assert!(is_served || got.text().contains("NoSuchKey"), "{}", got.text());
        let refused = server.send(&published);
        assert_eq!(refused.status, 404, "{}", refused.text());
    }
    let rows = server.footprint().rows;
    assert_eq!(rows["layer_versions"], before["layer_versions"]);
}

#[test]
fn a_start_without_the_log_or_with_unknown_code_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let (data, log) = (folder.path().join("data"), folder.path().join("log"));
    let server = Process::serve(&data, &[]);
    assert_eq!(server.send(&publish("demo", &zips::vector("tencent"))).status, 201);
    server.kill();
    let catalog = data.join("catalog.sqlite");
    let wal = data.join("catalog.sqlite-wal");
    let start = || {
        let server = Process::serve_with_log(&data, &[], File::create(&log).unwrap());
        let is_searched = || {
            let tasks = server.send(&Request::get("/api/v1/upkeep")).json();
            let mut tasks = tasks["items"].as_array().unwrap().clone().into_iter();
            let task = tasks.find(|task| task["name"] == "find-unknown-code").unwrap();
            task["runs"] == 1
        };
        while !is_searched() {}
        assert_eq!(server.terminate(), Some(0));
        fs::read_to_string(&log).unwrap()
    };
    let (lost, unknown) = ("catalog.sqlite-wal is missing", "files that the catalog does not know");
    fs::remove_file(&wal).unwrap();
    let written = start();
    assert!(written.contains(lost) && written.contains(unknown), "{written}");
    assert!(written.contains("files=1 bytes=167"), "{written}");
    let written = start();
    assert!(!written.contains(lost) && written.contains(unknown), "{written}");
    // An older copy of the catalog is noticed by the code that came after it.
    let server = Process::serve(&data, &[]);
    assert_eq!(server.send(&publish("demo", &zips::vector("tencent"))).status, 201);
    assert_eq!(server.terminate(), Some(0));
    let old = fs::read(&catalog).unwrap();
    assert!(!start().contains(unknown));
    let server = Process::serve(&data, &[]);
    assert_eq!(server.send(&publish("demo", &zips::vector("huawei"))).status, 201);
    assert_eq!(server.terminate(), Some(0));
    fs::write(&catalog, old).unwrap();
    let written = start();
    assert!(!written.contains(lost) && written.contains(unknown), "{written}");
}

/// A server on a small file system of its own, in a mount namespace.
struct SmallDisk {
    server: Process,
    /// The folder of the file system, as this process sees it.
    root: PathBuf,
}

impl SmallDisk {
    /// Starts a server; `None` where the system allows no such namespace.
    fn start(folder: &Path, size: &str, arguments: &[&str]) -> Option<Self> {
        let script = "mount -t tmpfs -o size=$1 none \"$2\" && shift 2 && exec \"$@\"";
        let in_namespace = |program: &str| {
            let mut command = Command::new("unshare");
            command.args(["-rm", "sh", "-c", script, "sh", size]).arg(folder).arg(program);
            command
        };
        if !in_namespace("true").status().is_ok_and(|status| status.success()) {
            return None;
        }
        let command = in_namespace(process::BINARY);
        let data = folder.join("data");
        let server = Process::serve_by(command, &data, arguments, std::process::Stdio::null());
        let root = PathBuf::from(format!("/proc/{}/root", server.id()));
        let root = root.join(folder.strip_prefix("/").unwrap());
        Some(Self { server, root })
    }

    /// Fills the disk to its last byte; the result frees it when it is dropped.
    fn fill(&self, name: &str) -> Filled {
        let path = self.root.join(name);
        let mut file = File::create(&path).unwrap();
        while file.write_all(&[7; 4096]).is_ok() {}
        Filled(path)
    }

    fn status(&self, request: &Request) -> u16 {
        self.server.send(request).status
    }
}

struct Filled(PathBuf);

impl Drop for Filled {
    fn drop(&mut self) {
        fs::remove_file(&self.0).unwrap();
    }
}

#[test]
fn a_full_disk_serves_and_deletes_and_takes_uploads_again_once_it_has_room() {
    let folder = tempfile::tempdir().unwrap();
    let Some(disk) = SmallDisk::start(folder.path(), "24m", &[]) else {
        eprintln!("not run: the system allows no mount namespace");
        return;
    };
    let mut kept = Vec::new();
    for round in 0..10 {
        let zip = noise(round, 600_000);
        let link = link_of(&disk.server.send(&publish("demo", &zip)));
        kept.push((link, zip));
        let object = Request::new("PUT", "/s3/code/a.bin").body(vec![1; 400_000]);
        assert_eq!(disk.status(&object), 200);
        let filled = disk.fill("most");
        for size in [100, 600_000] {
            let refused = disk.server.send(&publish("demo", &noise(100 + round, size)));
            assert_eq!(refused.status, 507, "{}", refused.text());
            assert_eq!(refused.json()["detail"], FULL);
        }
        // What adds rows alone would use up the reserve, which is for deletions.
        for begun in 0..20 {
            let begin = Request::new("POST", &format!("/s3/code/{begun}?uploads"));
            assert_eq!(disk.status(&begin), 507);
        }
        assert_eq!(fs::read_dir(disk.root.join("data/incoming")).unwrap().count(), 0);
        for (link, zip) in &kept {
            assert_eq!(Request::get(link).send("").body, *zip);
        }
        let delete = |path: &str| disk.status(&Request::new("DELETE", path));
        assert_eq!(delete(&format!("/api/v1/layers/demo/versions/{}", round + 1)), 204);
        let _rest = disk.fill("rest");
        assert_eq!(delete("/s3/code/a.bin"), 204, "round {round}");
        drop(filled);
    }
    assert_eq!(disk.server.terminate(), Some(0));
}

/// A server whose syncs can fail.
#[cfg(target_os = "linux")]
struct FailingSync {
    server: Process,
    data: PathBuf,
    switch: PathBuf,
}

#[cfg(target_os = "linux")]
impl FailingSync {
    fn start(folder: &Path) -> Self {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/faults/failing_sync.c");
        let library = folder.join("failing_sync.so");
        let mut compiler = Command::new("cc");
        compiler.args(["-shared", "-fPIC", "-o"]).args([&library, &source]).arg("-ldl");
        assert!(compiler.status().unwrap().success());
        let (data, switch) = (folder.join("data"), folder.join("failing"));
        let mut command = process::binary();
        command.env("LD_PRELOAD", library).env("FAILING_SYNC", &switch);
        let server = Process::serve_by(command, &data, &[], std::process::Stdio::null());
        Self { server, data, switch }
    }

    /// Lets syncs fail of files whose path ends with `end`.
    fn fail(&self, end: &str) {
        fs::write(&self.switch, end).unwrap();
    }

    fn mend(&self) {
        fs::remove_file(&self.switch).unwrap();
    }

    fn status(&self, request: &Request) -> u16 {
        self.server.send(request).status
    }

    /// Returns the reason why the server is not ready; the check may be a second old.
    fn wait_for_reason(&self) -> String {
        loop {
            let ready = self.server.send(&Request::get("/readyz"));
            if ready.status == 503 {
                return ready.text();
            }
        }
    }

    fn unfinished(&self) -> usize {
        fs::read_dir(self.data.join("incoming")).unwrap().count()
    }

    fn code_files(&self) -> usize {
        let folders = fs::read_dir(self.data.join("code")).unwrap();
        folders.flat_map(|folder| fs::read_dir(folder.unwrap().path()).unwrap()).count()
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_disk_that_cannot_sync_acknowledges_nothing_and_leaves_nothing_once_it_can() {
    let folder = tempfile::tempdir().unwrap();
    let disk = FailingSync::start(folder.path());
    let [first, second, third] = ["tencent", "huawei", "ctyun"].map(zips::vector);
    assert_eq!(disk.status(&publish("demo", &first)), 201);

    disk.fail("");
    assert_eq!(disk.status(&publish("demo", &second)), 500);
    assert_eq!((disk.unfinished(), disk.code_files()), (0, 1));
    let reason = disk.wait_for_reason();
    assert_eq!(reason, "not ready: a file cannot be written and synced: see the log\n");

    // The content is on disk, and SQLite's log may have its row: it is undecided.
    disk.fail("catalog.sqlite-wal");
    assert_eq!(disk.status(&publish("demo", &second)), 500);
    assert_eq!((disk.unfinished(), disk.code_files()), (1, 2));
    let reason = loop {
        let reason = disk.wait_for_reason();
        if !reason.contains("a file cannot") {
            break reason;
        }
    };
    assert_eq!(reason, "not ready: the catalog cannot commit a row: see the log\n");
    disk.mend();
    assert_eq!(disk.status(&publish("demo", &third)), 201, "the next commit settles it");
    assert_eq!((disk.unfinished(), disk.code_files()), (0, 2));
    let listed = disk.server.send(&Request::get("/api/v1/layers/demo/versions")).json();
    let numbers = listed["items"].as_array().unwrap().iter().map(|item| item["version"].as_u64());
    assert_eq!(numbers.collect::<Vec<_>>(), [Some(2), Some(1)]);

    // A process that ends meanwhile leaves it to the next start.
    disk.fail("catalog.sqlite-wal");
    assert_eq!(disk.status(&publish("demo", &second)), 500);
    let FailingSync { server, data, .. } = disk;
    server.kill();
    let server = Process::serve(&data, &[]);
    assert_eq!(fs::read_dir(data.join("incoming")).unwrap().count(), 0);
    let listed = server.send(&Request::get("/api/v1/layers/demo/versions")).json();
    let items = listed["items"].as_array().unwrap();
    for item in items {
        let link = item["download_url"].as_str().unwrap();
        assert_eq!(Request::get(link).send("").status, 200, "{link}");
    }
    let code = crate::support::server::Footprint::of(&data).rows["code"];
    assert_eq!(code, 2 + i64::from(items.len() == 3), "{items:?}");
}
