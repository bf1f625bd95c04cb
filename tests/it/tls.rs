//! https: with our own client, over TLS 1.2 and 1.3, and with a certificate that changes.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Output;

use rustls::pki_types::CertificateDer;
use tempfile::TempDir;

use crate::support::process::{self, Process};
use crate::support::{Request, raw, zips};

/// A self-signed certificate for 127.0.0.1, and its key.
struct Identity {
    der: CertificateDer<'static>,
    cert: String,
    key: String,
}

impl Identity {
    fn new() -> Self {
        let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
        let (cert, key) = (made.cert.pem(), made.signing_key.serialize_pem());
        Self { der: made.cert.der().clone(), cert, key }
    }
}

/// A folder with a served certificate, its key and the server's log.
struct Node {
    folder: TempDir,
}

impl Node {
    fn new(identity: &Identity) -> Self {
        let node = Self { folder: tempfile::tempdir().unwrap() };
        node.install(&identity.cert, &identity.key);
        node
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    fn install(&self, cert: &str, key: &str) {
        fs::write(self.path("cert.pem"), cert).unwrap();
        fs::write(self.path("key.pem"), key).unwrap();
    }

    fn serve(&self) -> Process {
        let (cert, key) = (self.text("cert.pem"), self.text("key.pem"));
        let arguments = ["--tls-cert", &cert, "--tls-key", &key];
        let log = File::create(self.path("log")).unwrap();
        let server = Process::serve_with_log(&self.path("data"), &arguments, log);
        assert!(server.base().starts_with("https://127.0.0.1:"), "{}", server.base());
        server
    }

    /// Waits until the log contains a text.
    fn logs(&self, text: &str) {
        // Starting a process serves as the pause between two reads.
        let logged = |_| {
            process::run(&["--version"]);
            fs::read_to_string(self.path("log")).unwrap().contains(text)
        };
        assert!((0..5_000).any(logged), "the log never says {text:?}");
    }

    /// Runs a command against the server, trusting a certificate.
    fn run(&self, server: &Process, ca: &str, arguments: &[&str]) -> Output {
        fs::write(self.path("ca.pem"), ca).unwrap();
        let mut command = process::binary();
        command.current_dir(self.folder.path()).args(arguments);
        command.args(["--server", server.base(), "--ca", "ca.pem"]).output().unwrap()
    }
}

fn is_answered(stream: &mut (impl std::io::Read + Write)) {
    stream.write_all(&raw::get("/healthz")).unwrap();
    assert_eq!(raw::answer(stream).status, 200);
}

fn ok(output: Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn command_line_publishes_lists_and_pulls_over_https() {
    let identity = Identity::new();
    let node = Node::new(&identity);
    let server = node.serve();
    fs::write(node.path("a.zip"), zips::vector("tencent")).unwrap();
    let run = |arguments: &[&str]| ok(node.run(&server, &identity.cert, arguments));
    run(&["layer", "publish", "demo", "a.zip"]);
    assert!(run(&["layer", "ls"]).contains("demo"));
    run(&["layer", "pull", "demo", "1", "-o", "back.zip"]);
    assert_eq!(fs::read(node.path("back.zip")).unwrap(), zips::vector("tencent"));
    let shown = run(&["layer", "show", "demo", "1", "--json"]);
    let shown: serde_json::Value = serde_json::from_str(&shown).unwrap();
    let link = shown["download_url"].as_str().unwrap();
    assert!(link.starts_with(&format!("{}/code/", server.base())), "{link}");
    let stranger = node.run(&server, &Identity::new().cert, &["layer", "ls"]);
    assert_eq!(stranger.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&stranger.stderr).contains("--ca"), "{stranger:?}");
    assert_eq!(server.terminate(), Some(0));
}

#[test]
fn tls_1_2_and_1_3_work_beside_broken_handshakes() {
    let identity = Identity::new();
    let node = Node::new(&identity);
    let server = node.serve();
    let mut plain = raw::sent(server.base(), &raw::get("/healthz"));
    let silent = raw::sent(server.base(), b"");
    let half = raw::sent(server.base(), &[22, 3, 1, 2, 0, 1]);
    for newest in [false, true] {
        let mut stream = raw::shake(server.base(), &[&identity.der], newest).unwrap();
        is_answered(&mut stream);
        is_answered(&mut stream);
    }
    assert!(!raw::rest(&mut plain).starts_with(b"HTTP"), "plain http is not answered");
    // Unfinished handshakes do not delay the shutdown.
    assert_eq!(server.terminate(), Some(0));
    drop((silent, half));
}

#[test]
fn sighup_reloads_the_certificate_and_keeps_connections() {
    let (old, new) = (Identity::new(), Identity::new());
    let node = Node::new(&old);
    let server = node.serve();
    let mut kept = raw::shake(server.base(), &[&old.der], true).unwrap();
    is_answered(&mut kept);
    node.install(&new.cert, &new.key);
    server.signal("HUP");
    let changed = |_| raw::shake(server.base(), &[&new.der], true).is_ok();
    assert!((0..5_000).any(changed), "the new certificate is never shown");
    assert!(raw::shake(server.base(), &[&old.der], true).is_err());
    is_answered(&mut kept);
    ok(node.run(&server, &new.cert, &["layer", "ls"]));

    // A certificate and a key that do not match, then a missing file: the old pair stays in use.
    node.install(&old.cert, &new.key);
    server.signal("HUP");
    node.logs("cannot be used together");
    fs::remove_file(node.path("cert.pem")).unwrap();
    server.signal("HUP");
    node.logs("cert.pem: No such file");
    is_answered(&mut raw::shake(server.base(), &[&new.der], true).unwrap());
    is_answered(&mut kept);
    assert_eq!(server.terminate(), Some(0));
}

#[test]
fn sighup_without_tls_does_not_end_the_server() {
    let folder = tempfile::tempdir().unwrap();
    let node = Node { folder };
    let log = File::create(node.path("log")).unwrap();
    let server = Process::serve_with_log(&node.path("data"), &[], log);
    server.signal("HUP");
    node.logs("SIGHUP");
    assert_eq!(server.send(&Request::get("/healthz")).status, 200);
    assert_eq!(server.terminate(), Some(0));
}

#[test]
fn unusable_tls_files_are_named_before_the_data_folder_is_created() {
    let (one, other) = (Identity::new(), Identity::new());
    let node = Node::new(&one);
    fs::write(node.path("other.pem"), &other.key).unwrap();
    fs::write(node.path("empty.pem"), "").unwrap();
    for (cert, key, says) in [
        ("nowhere.pem", "key.pem", "nowhere.pem: No such file"),
        ("cert.pem", "nowhere.pem", "nowhere.pem: No such file"),
        ("empty.pem", "key.pem", "empty.pem: has no PEM certificate"),
        ("cert.pem", "cert.pem", "cert.pem: has no PEM private key"),
        ("cert.pem", "other.pem", "other.pem cannot be used together"),
    ] {
        let data = node.path("data");
        let [cert, key] = [cert, key].map(|name| node.text(name));
        let output = serve(&data, &["--tls-cert", &cert, "--tls-key", &key]);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{stderr}");
        assert!(stderr.contains(says), "{stderr}");
        assert!(!data.exists());
    }
    let output = serve(&node.path("data"), &["--tls-cert", "cert.pem"]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("--tls-key"), "{output:?}");
}

fn serve(data: &Path, arguments: &[&str]) -> Output {
    let mut command = process::binary();
    command.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(data);
    command.args(arguments).output().unwrap()
}

#[test]
fn required_tls_still_serves_this_machine_over_plain_http() {
    let folder = tempfile::tempdir().unwrap();
    let server = Process::serve(folder.path(), &["--require-tls"]);
    let upload = Request::new("POST", "/api/v1/layers/demo/versions");
    let published = server.send(&upload.body(zips::vector("tencent")));
    assert_eq!(published.status, 201, "{}", published.text());
    for path in ["/healthz", "/readyz", "/layers", "/api/v1/layers"] {
        assert_eq!(server.send(&Request::get(path)).status, 200, "{path}");
    }
}

#[test]
fn weak_signatures_are_no_warning_where_no_other_machine_is_served() {
    let node = Node { folder: tempfile::tempdir().unwrap() };
    let log = File::create(node.path("log")).unwrap();
    let server = Process::serve_with_log(&node.path("data"), &["--auth", "on"], log);
    assert_eq!(server.terminate(), Some(0));
    let log = fs::read_to_string(node.path("log")).unwrap();
    let line = log.lines().find(|line| line.contains("do not cover whole requests")).unwrap();
    assert!(line.contains("INFO") && line.contains("ctyun, tencent, alibaba"), "{line}");
    assert!(!log.contains("without TLS"), "{log}");
}
