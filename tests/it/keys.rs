//! Keys, tenants and the audit log from the command line: on a data folder alone, and beside a
//! running server.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::support::process::{self, Process};
use crate::support::{Answer, Request, zips};

/// A data folder that may not exist yet.
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

    /// Runs `key add` with a given secret.
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
fn key_can_be_created_listed_disabled_and_deleted() {
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
fn given_secret_is_not_printed() {
    let folder = Folder::new();
    let made = folder.add_with("AKIDEXAMPLE", "brought/Along+1");
    assert!(made.status.success(), "{made:?}");
    assert!(!String::from_utf8_lossy(&made.stdout).contains("brought"), "{made:?}");
    folder.fails(&["key", "add", "--id", "AKIDEXAMPLE"], 4, "already exists");
    let refused = folder.add_with("AKIDOTHER", "a secret with blanks");
    assert_eq!(refused.status.code(), Some(2));
    let says = String::from_utf8_lossy(&refused.stderr);
    assert!(says.contains("secret"), "it is told what is wrong: {says}");
    assert!(!says.contains("a secret with") && !says.contains("with blanks"), "{says}");
    let generated = folder.json(&["key", "add", "--id", "ITS_OWN"]);
    assert_eq!(generated["secret"].as_str().unwrap().len(), 40);
}

#[test]
fn invalid_commands_fail_and_create_nothing() {
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
fn cloud_ids_of_a_tenant_are_set_and_listed() {
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
fn key_commands_find_the_data_folder_like_serve() {
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

#[test]
fn first_start_and_first_keys_can_run_concurrently() {
    for _ in 0..8 {
        let folder = Folder::new();
        let adds: Vec<_> = (0..3)
            .map(|_| {
                let mut add = folder.command(&["key", "add"]);
                add.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
            })
            .collect();
        let server = Process::serve(&folder.data, &["--auth", "on"]);
        for add in adds {
            let output = add.wait_with_output().unwrap();
            assert!(output.status.success(), "{output:?}");
        }
        assert_eq!(folder.json(&["key", "ls"]).as_array().unwrap().len(), 3);
        assert_eq!(list(&server, &folder.add(&[]).token).status, 200);
    }
}

#[test]
fn second_server_on_the_same_folder_is_refused() {
    let folder = Folder::new();
    let _first = Process::serve(&folder.data, &[]);
    folder.fails(&["serve", "--listen", "127.0.0.1:0"], 4, "in use by another");
}

/// A key as `key add` printed it.
struct Made {
    id: String,
    secret: String,
    token: String,
}

impl Folder {
    fn add(&self, arguments: &[&str]) -> Made {
        let made = self.json(&[&["key", "add"], arguments].concat());
        let text = |field: &str| made[field].as_str().unwrap().to_owned();
        Made { id: text("id"), secret: text("secret"), token: text("token") }
    }
}

fn publish(server: &Process, token: &str, layer: &str) -> Answer {
    let request = Request::new("POST", &format!("/api/v1/layers/{layer}/versions"));
    let request = request.header("Authorization", &format!("Bearer {token}"));
    server.send(&request.body(zips::vector("tencent")))
}

fn list(server: &Process, token: &str) -> Answer {
    let bearer = format!("Bearer {token}");
    server.send(&Request::get("/api/v1/layers").header("Authorization", &bearer))
}

#[test]
fn running_server_applies_key_changes_at_once() {
    let folder = Folder::new();
    let server = Process::serve(&folder.data, &["--auth", "on"]);
    let key = folder.add(&[]);
    assert_eq!(publish(&server, &key.token, "demo").status, 201);
    folder.ok(&["key", "disable", &key.id]);
    assert_eq!(list(&server, &key.token).status, 401);
    folder.ok(&["key", "enable", &key.id]);
    assert_eq!(list(&server, &key.token).status, 200);
    let reader = folder.add(&["--role", "read"]);
    assert_eq!(publish(&server, &reader.token, "demo").status, 403);
    assert_eq!(list(&server, &reader.token).json()["items"][0]["version"], 1);
    folder.ok(&["key", "rm", &key.id]);
    assert_eq!(list(&server, &key.token).status, 401);
    let keys = folder.json(&["key", "ls"]);
    assert_eq!(keys[0]["id"], *reader.id);
}

#[test]
fn rotated_links_are_refused_and_new_lists_have_new_links() {
    let folder = Folder::new();
    let server = Process::serve(&folder.data, &[]);
    let published = publish(&server, "any", "demo").json();
    let listed = || list(&server, "any").json()["items"][0]["download_url"].clone();
    let status = |link: &Value| Request::get(link.as_str().unwrap()).send("").status;
    // Often enough for the page to come from the response cache.
    let links: Vec<Value> = (0..4).map(|_| listed()).collect();
    assert_eq!((status(&published["download_url"]), status(&links[3])), (200, 200));
    folder.ok(&["key", "rotate-links"]);
    assert_eq!((status(&published["download_url"]), status(&links[3])), (403, 403));
    let new = listed();
    assert_ne!(new, links[3]);
    assert_eq!(status(&new), 200);
}

#[test]
fn running_server_applies_a_new_cloud_id_at_once() {
    let folder = Folder::new();
    let server = Process::serve(&folder.data, &[]);
    publish(&server, "any", "demo");
    let arn = || {
        let answer = server.send(&Request::get("/2023-03-30/layers/demo/versions/1"));
        answer.json()["layerVersionArn"].as_str().unwrap().to_owned()
    };
    assert!(!arn().contains("4242424242424242"));
    folder.ok(&["tenant", "set", "default", "alibaba_account=4242424242424242"]);
    assert!(arn().contains("4242424242424242"), "{}", arn());
}

#[test]
fn secret_does_not_appear_after_key_add() {
    let folder = Folder::new();
    let log = folder.data.with_extension("log");
    let file = fs::File::create(&log).unwrap();
    let arguments = ["--auth", "on", "--log", "trace"];
    let server = Process::serve_with_log(&folder.data, &arguments, file);
    let key = folder.add(&["--role", "admin"]);
    let yuanrong = folder.ok(&["key", "token", &key.id]);
    let yuanrong = yuanrong.trim();
    assert_eq!(publish(&server, &key.token, "demo").status, 201);
    let with_query = format!("/serverless/v1/functions?token={yuanrong}");
    assert_eq!(server.send(&Request::get(&with_query)).status, 200);
    let shown = [
        list(&server, &key.token).text(),
        list(&server, &format!("{}x", key.token)).text(),
        list(&server, &format!("nobody.{}", key.secret)).text(),
        server.send(&Request::get(&format!("{with_query}x"))).text(),
        folder.ok(&["key", "ls"]),
        folder.ok(&["key", "ls", "--json"]),
        folder.ok(&["tenant", "ls", "--json"]),
        String::from_utf8(folder.run(&["key", "add", "--id", &key.id]).stderr).unwrap(),
        log_of(&server, &key.token),
    ];
    folder.ok(&["key", "disable", &key.id]);
    assert_eq!(server.terminate(), Some(0));
    let written = fs::read_to_string(&log).unwrap();
    assert!(written.contains("answered"), "the log has its lines: {written}");
    for text in shown.iter().chain([&written]) {
        assert!(!text.contains(&key.secret) && !text.contains(yuanrong), "{text}");
    }
}

/// Returns what `layerbase log` prints, with the key in the environment.
fn log_of(server: &Process, token: &str) -> String {
    let mut command = process::binary();
    command.args(["log", "--server", server.base()]).env("LAYERBASE_KEY", token);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn log_command_reads_the_audit_log_from_the_server() {
    let folder = Folder::new();
    let server = Process::serve(&folder.data, &["--auth", "on"]);
    let (admin, writer) = (folder.add(&["--role", "admin"]), folder.add(&[]));
    for layer in ["a", "b", "c"] {
        assert_eq!(publish(&server, &writer.token, layer).status, 201);
    }
    let printed = log_of(&server, &admin.token);
    assert!(printed.contains("PublishLayerVersion") && printed.contains("layer/c/1"), "{printed}");
    let log = |token: &str, arguments: &[&str]| {
        let mut command = process::binary();
        command.args(["log", "--json", "--server", server.base()]).args(arguments);
        command.env("LAYERBASE_KEY", token).output().unwrap()
    };
    let output = log(&admin.token, &["--after", "2", "--limit", "2"]);
    let lines: Value = serde_json::from_slice(&output.stdout).unwrap();
    let subjects: Vec<&str> =
        lines.as_array().unwrap().iter().map(|line| line["subject"].as_str().unwrap()).collect();
    assert_eq!(subjects, ["layer/a/1", "layer/b/1"]);
    assert_eq!(lines[0]["key"], *writer.id);
    assert_eq!(log(&writer.token, &[]).status.code(), Some(4));
    assert_eq!(log(&admin.token, &["--after", "99"]).stdout, b"[]\n");
    assert_eq!(log(&admin.token, &["--subject", "layer/unknown"]).stdout, b"[]\n");
}

#[test]
fn upkeep_command_shows_the_tasks_to_administrators() {
    let folder = Folder::new();
    let server = Process::serve(&folder.data, &["--auth", "on"]);
    let (admin, writer) = (folder.add(&["--role", "admin"]), folder.add(&[]));
    let upkeep = |token: &str, arguments: &[&str]| {
        let mut command = process::binary();
        command.args(["upkeep", "--server", server.base()]).args(arguments);
        command.env("LAYERBASE_KEY", token).output().unwrap()
    };
    let printed = String::from_utf8(upkeep(&admin.token, &[]).stdout).unwrap();
    assert!(printed.starts_with("TASK"), "{printed}");
    assert!(printed.contains("expire-inbox") && printed.contains("remove-files"), "{printed}");
    let tasks: Value = serde_json::from_slice(&upkeep(&admin.token, &["--json"]).stdout).unwrap();
    assert_eq!(tasks[1]["name"], "remove-files");
    assert_eq!(upkeep(&writer.token, &[]).status.code(), Some(4));
}

#[test]
fn log_command_on_the_data_folder_shows_all_tenants() {
    let folder = Folder::new();
    folder.fails(&["log"], 3, "no catalog");
    let server = Process::serve(&folder.data, &["--auth", "on"]);
    let (ours, theirs) = (folder.add(&[]), folder.add(&["--tenant", "team-a"]));
    assert_eq!(publish(&server, &ours.token, "ours").status, 201);
    assert_eq!(publish(&server, &theirs.token, "theirs").status, 201);
    let product = Request::new("POST", "/serverless/v1/functions")
        .header("X-Auth", folder.ok(&["key", "token", &theirs.id]).trim())
        .header("X-Product-Id", "p1")
        .json(&serde_json::json!({"name": "0@svc@hello", "runtime": "python3.9", "kind": "faas",
            "handler": "h.main", "cpu": 600, "memory": 512, "timeout": 30,
            "storageType": "local", "codePath": "/opt/pkg"}));
    let answer = server.send(&product);
    assert_eq!(answer.status, 200, "{}", answer.text());
    folder.ok(&["key", "rotate-links"]);

    let lines = |arguments: &[&str]| -> Vec<(String, String)> {
        let log = folder.json(&[&["log"], arguments].concat());
        let text = |line: &Value, field: &str| line[field].as_str().unwrap().to_owned();
        let lines = log.as_array().unwrap().iter();
        lines.map(|line| (text(line, "tenant"), text(line, "operation"))).collect()
    };
    let all = [
        ("default", "AddKey"),
        ("team-a", "AddKey"),
        ("default", "PublishLayerVersion"),
        ("team-a", "PublishLayerVersion"),
        ("team-a@p1", "RegisterFunction"),
        ("default", "RotateLinks"),
    ];
    let all = all.map(|(tenant, operation)| (tenant.to_owned(), operation.to_owned()));
    assert_eq!(lines(&[]), all);
    assert_eq!(lines(&["--after", "2", "--limit", "3"]), all[2..5]);
    let of_team = [all[1].clone(), all[3].clone(), all[4].clone()];
    assert_eq!(lines(&["--tenant", "team-a"]), of_team);
    assert_eq!(lines(&["--tenant", "team"]), []);
    for (tenant, subject, found) in [
        ("team-a", "layer/theirs", &all[3..4]),
        ("team-a", "layer/theirs/1", &all[3..4]),
        ("team-a", "layer/theirs/2", &[]),
        ("team-a", "function/svc/hello", &all[4..5]),
        ("default", "layer/theirs", &[]),
        ("default", "links", &all[5..]),
    ] {
        assert_eq!(lines(&["--tenant", tenant, "--subject", subject]), found, "{subject}");
    }
    folder.fails(&["log", "--subject", "layer/theirs"], 2, "--tenant");
    folder.fails(&["log", "--subject", "theirs"], 2, "layer/NAME");
    assert!(folder.ok(&["log"]).contains("team-a@p1"));
    // The tenant's admin reads the same from the server.
    let admin = folder.add(&["--tenant", "team-a", "--role", "admin"]);
    let log = log_of(&server, &admin.token);
    assert!(log.contains("team-a@p1") && !log.contains("default "), "{log}");
}

#[cfg(unix)]
#[test]
fn created_files_are_accessible_by_owner_only() {
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
    let server = Process::serve(&folder.data, &[]);
    assert_eq!(publish(&server, "any", "demo").status, 201);
    folder.ok(&["key", "add"]);
    check(&folder.data);
}
