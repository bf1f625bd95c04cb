//! The command line from outside: the binary against a server, its exit codes, and its output on
//! standard output and standard error.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::support::process::{self, Process};
use crate::support::zips;

struct Fixture {
    folder: tempfile::TempDir,
    server: Process,
}

impl Fixture {
    fn new() -> Self {
        Self::with(&[])
    }

    fn with(arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let server = Process::serve(&folder.path().join("data"), arguments);
        fs::write(folder.path().join("a.zip"), zips::vector("tencent")).unwrap();
        fs::create_dir_all(folder.path().join("package/python")).unwrap();
        fs::write(folder.path().join("package/python/a.py"), "x = 1\n").unwrap();
        Self { folder, server }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = process::binary();
        command.current_dir(self.folder.path());
        command.args(arguments).args(["--server", self.server.base()]);
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Runs a command that must succeed and returns what it printed.
    fn ok(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    fn json(&self, arguments: &[&str]) -> Value {
        let printed = self.ok(&[arguments, &["--json"]].concat());
        serde_json::from_str(&printed).unwrap()
    }

    /// Runs a command that must fail with this exit code, print nothing to standard output, and
    /// print `says` to standard error.
    fn fails(&self, arguments: &[&str], code: i32, says: &str) {
        let output = self.run(arguments);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {stderr}");
        assert!(output.stdout.is_empty(), "{arguments:?}");
        assert!(stderr.contains(says), "{arguments:?}: {stderr}");
    }

    fn file(&self, name: &str) -> Vec<u8> {
        fs::read(self.folder.path().join(name)).unwrap()
    }
}

#[test]
fn layer_can_be_published_and_pulled() {
    let fixture = Fixture::new();
    let published = fixture.json(&["layer", "publish", "demo", "a.zip", "--runtime", "python3.9"]);
    assert_eq!((&published["version"], &published["size"]), (&1.into(), &167.into()));
    assert_eq!(published["runtimes"][0], "python3.9");
    fixture.ok(&["layer", "publish", "demo", "package", "--description", "a folder"]);
    assert!(fixture.ok(&["layer", "ls"]).contains("demo"));
    assert_eq!(fixture.json(&["layer", "versions", "demo"]).as_array().unwrap().len(), 2);
    assert_eq!(fixture.json(&["layer", "show", "demo", "2"])["description"], "a folder");
    fixture.ok(&["layer", "pull", "demo", "1"]);
    assert_eq!(fixture.file("demo-1.zip"), zips::vector("tencent"));
    let printed = fixture.run(&["layer", "pull", "demo", "1", "-o", "-"]);
    assert_eq!(printed.stdout, zips::vector("tencent"));
    fixture.fails(&["layer", "pull", "demo", "1"], 4, "demo-1.zip");
    fixture.ok(&["layer", "rm", "demo", "1"]);
    fixture.fails(&["layer", "show", "demo", "1"], 3, "does not exist");
}

#[test]
fn checksum_of_a_folder_does_not_depend_on_its_path() {
    let fixture = Fixture::new();
    let first = fixture.json(&["layer", "publish", "one", "package"]);
    let copy = fixture.folder.path().join("elsewhere");
    fs::create_dir_all(copy.join("python")).unwrap();
    fs::write(copy.join("python/a.py"), "x = 1\n").unwrap();
    let second = fixture.json(&["layer", "publish", "two", "elsewhere"]);
    assert_eq!(first["sha256"], second["sha256"]);
}

#[test]
fn function_can_be_created_published_updated_pulled_and_deleted() {
    let fixture = Fixture::new();
    fixture.ok(&["layer", "publish", "demo", "a.zip"]);
    let created = fixture.json(&[
        "function",
        "create",
        "hello",
        "a.zip",
        "--runtime",
        "python3.9",
        "--handler",
        "index.handler",
        "--memory",
        "256",
        "--timeout",
        "9",
        "--env",
        "A=1",
        "--layer",
        "demo:1",
    ]);
    assert_eq!(created["environment"]["A"], "1");
    assert_eq!(created["layers"][0]["name"], "demo");
    fixture.ok(&["function", "publish", "hello", "--description", "first"]);
    fixture.ok(&["function", "update", "hello", "package", "--timeout", "10"]);
    let head = fixture.json(&["function", "show", "hello"]);
    let version = fixture.json(&["function", "show", "hello", "1"]);
    assert_eq!((&head["timeout"], &version["timeout"]), (&10.into(), &9.into()));
    assert_ne!(head["sha256"], version["sha256"]);
    assert_eq!(fixture.json(&["function", "versions", "hello"]).as_array().unwrap().len(), 2);
    fixture.ok(&["function", "pull", "hello", "1", "-o", "back.zip"]);
    assert_eq!(fixture.file("back.zip"), zips::vector("tencent"));
    fixture.ok(&["function", "rm", "hello", "1"]);
    fixture.ok(&["function", "rm", "hello"]);
    fixture.fails(&["function", "show", "hello"], 3, "does not exist");
}

#[test]
fn code_can_be_taken_from_a_bucket() {
    let fixture = Fixture::new();
    let objects = fixture.folder.path().join("data/buckets/code/new folder");
    fs::create_dir_all(&objects).unwrap();
    fs::write(objects.join("a.zip"), zips::vector("tencent")).unwrap();
    fs::write(objects.join("b.zip"), zips::vector("huawei")).unwrap();
    let from = |key| ["--bucket", "code", "--object", key];
    let sha256 = |name| hex::encode(Sha256::digest(zips::vector(name)));
    let first = from("new folder/a.zip");
    let layer = fixture.json(&[&["layer", "publish", "demo"][..], &first].concat());
    assert_eq!(layer["sha256"], sha256("tencent"));
    let create = ["function", "create", "hello", "--runtime", "r", "--handler", "h"];
    let created = fixture.json(&[&create[..], &first].concat());
    assert_eq!(created["sha256"], sha256("tencent"));
    let second = from("new folder/b.zip");
    let updated = fixture.json(&[&["function", "update", "hello"][..], &second].concat());
    assert_eq!((&updated["sha256"], &updated["handler"]), (&sha256("huawei").into(), &"h".into()));
    let publish = ["layer", "publish", "demo"];
    fixture.fails(&[&publish[..], &from("none.zip")].concat(), 3, "object 'none.zip' of 'code'");
    fixture.fails(&[&publish[..], &["a.zip"], &first].concat(), 2, "cannot be used with");
    fixture.fails(&[&publish[..], &first[..2]].concat(), 2, "--object <KEY>");
    fixture.fails(&[&publish[..], &first[2..]].concat(), 2, "--bucket <BUCKET>");
    fixture.fails(&publish, 2, "name a PATH, or --bucket and --object");
    fixture.fails(&create, 2, "name a PATH, or --bucket and --object");
    fixture.fails(&["function", "update", "hello"], 2, "nothing to change");
}

#[test]
fn failures_have_exit_codes_and_messages() {
    let fixture = Fixture::with(&["--max-upload", "100"]);
    fixture.fails(&["layer", "publish", "demo", "nothing.zip"], 2, "nothing.zip");
    fixture.fails(&["layer", "publish", "demo", "a.zip"], 4, "100");
    fixture.fails(&["layer", "show", "demo", "1"], 3, "demo");
    fixture.fails(&["layer", "show", "demo"], 2, "Usage");
    let mut away = process::binary();
    away.args(["layer", "ls", "--server", "http://127.0.0.1:1"]);
    let output = away.output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("layerbase serve"), "{output:?}");
}

#[test]
fn closed_standard_output_is_no_failure() {
    let fixture = Fixture::new();
    for number in 0..40 {
        fixture.ok(&["layer", "publish", &format!("layer-{number}"), "a.zip"]);
    }
    let mut listing =
        fixture.command(&["layer", "ls", "--json"]).stdout(Stdio::piped()).spawn().unwrap();
    drop(listing.stdout.take());
    assert_eq!(listing.wait().unwrap().code(), Some(0));
}

#[test]
fn serve_refuses_unsafe_and_invalid_settings() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let data = data.to_str().unwrap();
    let refused = |arguments: &[&str], code: i32, says: &str| {
        let output = process::run(&[&["serve", "--data", data], arguments].concat());
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{stderr}");
        assert!(stderr.contains(says), "{stderr}");
    };
    refused(&["--listen", "0.0.0.0:0"], 4, "--auth on");
    refused(&["--listen", "0.0.0.0:0"], 4, "--allow-anonymous");
    refused(&["--max-upload", "much"], 2, "much");
    let _first = Process::serve(Path::new(data), &[]);
    refused(&["--listen", "127.0.0.1:0"], 4, "in use");
}

#[test]
fn settings_come_from_flags_the_environment_and_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("layerbase.toml");
    fs::write(&config, "max_uplaod = 5\n").unwrap();
    let serve = || {
        let mut command = process::binary();
        command.args(["serve", "--config"]).arg(&config);
        command
    };
    let output = serve().output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("max_upload"), "{output:?}");
    fs::write(&config, "listen = \"0.0.0.0:0\"\n").unwrap();
    let output = serve().env("LAYERBASE_LISTEN", "0.0.0.0:1").output().unwrap();
    assert!(String::from_utf8_lossy(&output.stderr).contains("0.0.0.0:1"), "{output:?}");
}

#[test]
fn env_prints_the_server_address_for_every_dialect() {
    for dialect in layerbase::dialects::known().names {
        let output = process::run(&["env", dialect, "--server", "http://127.0.0.1:9"]);
        assert_eq!(output.status.code(), Some(0), "{dialect}");
        assert!(String::from_utf8_lossy(&output.stdout).contains("127.0.0.1:9"), "{dialect}");
    }
}

#[test]
fn env_gives_each_client_of_s3_the_address_that_it_takes() {
    let output = process::run(&["env", "s3", "--server", "http://127.0.0.1:9"]);
    let text = String::from_utf8(output.stdout).unwrap();
    for line in [
        "export AWS_ENDPOINT_URL_S3=http://127.0.0.1:9/s3\n",
        "rclone config create local s3 provider=Other endpoint=http://127.0.0.1:9/s3 ",
        "mc alias set local http://127.0.0.1:9 ID SECRET,",
        "s3cmd:   --host=127.0.0.1:9 ",
    ] {
        assert!(text.contains(line), "{line} is not in {text}");
    }
}

#[test]
fn every_command_has_a_help_text() {
    for command in [
        &["--help"][..],
        &["serve", "--help"],
        &["layer", "publish", "--help"],
        &["function", "create", "--help"],
        &["env", "--help"],
        &["key", "--help"],
        &["key", "add", "--help"],
        &["tenant", "set", "--help"],
        &["log", "--help"],
        &["upkeep", "--help"],
    ] {
        let output = process::run(command);
        assert_eq!(output.status.code(), Some(0), "{command:?}");
        assert!(output.stdout.len() > 300, "{command:?} is short");
    }
}
