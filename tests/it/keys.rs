//! Keys and tenants from the command line: on a folder alone and beside a running server.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::support::process;

/// A data folder that need not be there yet.
struct Folder {
    _scratch: tempfile::TempDir,
    data: PathBuf,
}

impl Folder {
    fn new() -> Self {
        let scratch = tempfile::tempdir().unwrap();
        let data = scratch.path().join("data");
        Self { _scratch: scratch, data }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = process::binary();
        command.args(arguments).arg("--data").arg(&self.data);
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
        serde_json::from_str(&self.ok(&[arguments, &["--json"]].concat())).unwrap()
    }

    fn fails(&self, arguments: &[&str], code: i32, says: &str) {
        let output = self.run(arguments);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {stderr}");
        assert!(output.stdout.is_empty(), "{arguments:?}");
        assert!(stderr.contains(says), "{arguments:?}: {stderr}");
    }

    /// Runs `key add` with a secret of the test's own.
    fn add_with(&self, id: &str, secret: &str) -> Output {
        let arguments = ["key", "add", "--id", id, "--secret-stdin"];
        let mut command = self.command(&arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut input = child.stdin.take().unwrap();
        input.write_all(format!("{secret}\n").as_bytes()).unwrap();
        drop(input);
        child.wait_with_output().unwrap()
    }
}

#[test]
fn a_key_is_made_listed_disabled_and_deleted() {
    let folder = Folder::new();
    let made = folder.run(&["key", "add"]);
    assert!(made.status.success(), "{made:?}");
    assert!(String::from_utf8_lossy(&made.stderr).contains("made a catalog"), "{made:?}");
    let made = folder.json(&["key", "add", "--role", "read", "--tenant", "team-a"]);
    let text = |field: &str| made[field].as_str().unwrap().to_owned();
    let (id, secret) = (text("id"), text("secret"));
    assert!(id.starts_with("LB") && id.len() == 20, "{id}");
    assert_eq!(secret.len(), 40);
    assert_eq!(text("token"), format!("{id}.{secret}"));
    assert_eq!((text("tenant"), text("role")), ("team-a".into(), "read".into()));
    let listed = |id: &str| {
        let keys = folder.json(&["key", "ls"]);
        let keys = keys.as_array().unwrap();
        keys.iter().find(|key| key["id"] == id).cloned()
    };
    let key = listed(&id).unwrap();
    assert_eq!((&key["role"], &key["enabled"]), (&"read".into(), &true.into()));
    assert!(key["last_used_at"].is_null() && key["created_at"].is_string());
    folder.ok(&["key", "disable", &id]);
    assert_eq!(listed(&id).unwrap()["enabled"], false);
    assert!(folder.ok(&["key", "ls"]).contains("disabled"));
    folder.ok(&["key", "enable", &id]);
    assert_eq!(listed(&id).unwrap()["enabled"], true);
    folder.ok(&["key", "rm", &id]);
    assert_eq!(listed(&id), None);
    for command in ["disable", "enable", "rm"] {
        folder.fails(&["key", command, &id], 3, &id);
    }
    folder.ok(&["key", "rotate-links"]);
}

#[test]
fn a_given_secret_is_kept_and_not_shown() {
    let folder = Folder::new();
    let made = folder.add_with("AKIDEXAMPLE", "brought/Along+1");
    assert!(made.status.success(), "{made:?}");
    assert!(!String::from_utf8_lossy(&made.stdout).contains("brought"), "{made:?}");
    folder.fails(&["key", "add", "--id", "AKIDEXAMPLE"], 4, "already exists");
    let refused = folder.add_with("AKIDOTHER", "a secret with blanks");
    assert_eq!(refused.status.code(), Some(2));
    assert!(!String::from_utf8_lossy(&refused.stderr).contains("blanks "), "{refused:?}");
    let generated = folder.json(&["key", "add", "--id", "ITS_OWN"]);
    assert_eq!(generated["secret"].as_str().unwrap().len(), 40);
}

#[test]
fn mistakes_are_told_and_make_nothing() {
    let folder = Folder::new();
    for command in [&["key", "ls"][..], &["key", "rm", "SOME"], &["tenant", "ls"]] {
        folder.fails(command, 3, "no catalog");
    }
    folder.fails(&["key", "rotate-links"], 3, "--data");
    folder.fails(&["key", "add", "--id", "a b"], 2, "letters");
    folder.fails(&["key", "add", "--role", "owner"], 2, "owner");
    folder.fails(&["key", "add", "--tenant", "a@b"], 2, "@");
    folder.fails(&["key"], 2, "Usage");
    assert!(!folder.data.exists());
}

#[test]
fn tenants_are_called_as_they_were_set() {
    let folder = Folder::new();
    folder.ok(&["key", "add", "--tenant", "team-a"]);
    folder.ok(&["tenant", "set", "team-a", "ctyun_tenant=7000", "tencent_app_id=1250000000"]);
    folder.ok(&["tenant", "set", "team-a", "tencent_app_id="]);
    let tenants = folder.json(&["tenant", "ls"]);
    assert_eq!((&tenants[0]["id"], &tenants[1]["id"]), (&"default".into(), &"team-a".into()));
    assert_eq!(tenants[1]["ctyun_tenant"], "7000");
    assert!(tenants[1]["tencent_app_id"].is_null());
    assert!(folder.ok(&["tenant", "ls"]).contains("7000"));
    folder.fails(&["tenant", "set", "team-b", "ctyun_tenant=7000"], 4, "team-a");
    folder.fails(&["tenant", "set", "team-b", "tencent_appid=1"], 2, "tencent_app_id");
    folder.fails(&["tenant", "set", "team-b", "ctyun_tenant=many"], 2, "number");
    folder.fails(&["tenant", "set", "team-b"], 2, "Usage");
}

#[test]
fn the_folder_is_found_as_serve_finds_it() {
    let scratch = tempfile::tempdir().unwrap();
    let config = "data = \"configured\"\nlisten = \"0.0.0.0:1\"\n";
    fs::write(scratch.path().join("layerbase.toml"), config).unwrap();
    let add = |set: &dyn Fn(&mut Command)| {
        let mut command = process::binary();
        set(command.current_dir(scratch.path()).args(["key", "add"]));
        let output = command.output().unwrap();
        assert!(output.status.success(), "{output:?}");
    };
    let there = |name: &str| Path::exists(&scratch.path().join(name).join("catalog.sqlite"));
    add(&|_| {});
    assert!(there("configured"));
    add(&|command| {
        command.env("LAYERBASE_DATA", "variable");
    });
    assert!(there("variable"));
}

#[cfg(unix)]
#[test]
fn what_is_made_is_its_owners_alone() {
    use std::os::unix::fs::MetadataExt;

    fn check(path: &Path) {
        let mode = fs::metadata(path).unwrap().mode() & 0o777;
        let wanted = if path.is_dir() { 0o700 } else { 0o600 };
        assert_eq!(mode, wanted, "{}: {mode:o}", path.display());
        if path.is_dir() {
            fs::read_dir(path).unwrap().for_each(|entry| check(&entry.unwrap().path()));
        }
    }

    let folder = Folder::new();
    folder.ok(&["key", "add"]);
    check(&folder.data);
}
