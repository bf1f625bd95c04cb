//! Whole commands against a scripted server, from the command line to the output.

use std::fs;

use clap::CommandFactory;
use sha2::{Digest, Sha256};

use super::scripted::{Answer, Scripted};
use super::*;

const CODE: &[u8] = b"PK\x03\x04 code";

fn layer(version: u64) -> String {
    format!(
        "{{\"name\":\"py-deps\",\"version\":{version},\"acl\":\"private\",\"description\":\"d{version}\",\
         \"runtimes\":[\"python3.12\",\"python3.11\"],\"size\":{},\"entries\":2,\"unpacked_size\":4096,\
         \"sha256\":\"{}\",\"created_at\":\"2026-11-21T11:00:00Z\",\"extra\":[1, 2]}}",
        CODE.len(),
        hex::encode(Sha256::digest(CODE))
    )
}

fn function(version: &str, code: bool) -> String {
    let (size, sha256) = if code {
        (CODE.len().to_string(), format!("\"{}\"", hex::encode(Sha256::digest(CODE))))
    } else {
        ("null".to_owned(), "null".to_owned())
    };
    format!(
        "{{\"name\":\"hello\",\"group\":\"default\",\"version\":{version},\"version_name\":\"v-one\",\
         \"runtime\":\"python3.12\",\"handler\":\"i.h\",\"memory\":128,\"timeout\":3,\
         \"environment\":{{\"A\":\"1\"}},\"layers\":[{{\"name\":\"py-deps\",\"version\":1}}],\
         \"revision\":7,\"size\":{size},\"sha256\":{sha256},\"updated_at\":\"2026-11-21T11:30:00Z\",\
         \"published_at\":null,\"version_description\":null}}"
    )
}

fn json(status: u16, body: impl Into<String>) -> Answer {
    (status, "application/json", body.into().into_bytes())
}

/// A server with one layer of two versions and two functions, one without code.
fn server() -> Scripted {
    Scripted::start(false, |request| {
        let path = request.target.split('?').next().unwrap();
        match (request.method.as_str(), path.trim_start_matches("/api/v1")) {
            ("POST", "/layers/py-deps/versions") => json(201, layer(2)),
            ("GET", "/layers") => json(200, format!("{{\"items\":[{}]}}", layer(2))),
            ("GET", "/layers/py-deps/versions") if request.target.contains("after=") => {
                json(200, format!("{{\"items\":[{}]}}", layer(1)))
            }
            ("GET", "/layers/py-deps/versions") => {
                json(200, format!("{{\"items\":[{}],\"next\":\"t\"}}", layer(2)))
            }
            ("GET", "/layers/py-deps/versions/latest") => json(200, layer(2)),
            ("DELETE", _) => json(204, ""),
            ("POST" | "PUT", "/functions/hello") => json(201, function("null", true)),
            ("POST", "/functions/hello/versions") => json(201, function("1", true)),
            ("GET", "/functions" | "/functions/hello/versions") => {
                let items = format!("{},{}", function("null", true), function("1", true));
                json(200, format!("{{\"items\":[{items}]}}"))
            }
            ("GET", "/functions/hello") => json(200, function("null", true)),
            ("GET", "/functions/bare") => json(200, function("null", false)),
            ("GET", path) if path.starts_with("/code/") => (200, "application/zip", CODE.to_vec()),
            _ => json(404, "{\"title\":\"no such thing\"}"),
        }
    })
}

/// Runs one command line with `--server` added; returns results and notes.
fn layerbase(server: &Scripted, arguments: &[&str]) -> Result<(String, String), Failure> {
    let line = ["layerbase", "--server", &server.url].into_iter().chain(arguments.iter().copied());
    let line =
        CommandLine::try_parse_from(line).map_err(|error| Failure::usage(error.to_string()))?;
    let (mut results, mut notes) = (Vec::new(), Vec::new());
    let form = Form { json: line.json, quiet: line.quiet };
    let now = "2026-11-21T12:00:00Z".parse().unwrap();
    dispatch(&line, &mut Output::new(&mut results, &mut notes, form, now))?;
    Ok((String::from_utf8(results).unwrap(), String::from_utf8(notes).unwrap()))
}

fn printed(server: &Scripted, arguments: &[&str]) -> String {
    layerbase(server, arguments).unwrap().0
}

fn kind(server: &Scripted, arguments: &[&str]) -> Kind {
    layerbase(server, arguments).unwrap_err().kind
}

#[test]
fn the_grammar_is_valid() {
    CommandLine::command().debug_assert();
}

#[test]
fn publishing_a_layer_sends_its_parameters_and_prints_the_version() {
    let server = server();
    let folder = tempfile::tempdir().unwrap();
    let zip = folder.path().join("a.zip");
    fs::write(&zip, CODE).unwrap();
    let zip = zip.to_str().unwrap();
    let arguments = [
        "layer",
        "publish",
        "py-deps",
        zip,
        "--runtime",
        "python3.12",
        "--runtime",
        "C#",
        "--description",
        "a b",
        "--license",
        "MIT",
    ];
    let sha256 = hex::encode(Sha256::digest(CODE));
    let expected = format!("published layer py-deps version 2 (9 B, sha256 {sha256})\n");
    assert_eq!(printed(&server, &arguments), expected);
    let request = server.requests().pop().unwrap();
    let target = "/api/v1/layers/py-deps/versions\
         ?runtime=python3.12&runtime=C%23&description=a%20b&license=MIT";
    assert_eq!((request.target.as_str(), request.body.as_slice()), (target, CODE));
    let json = printed(&server, &["--json", "layer", "publish", "py-deps", zip]);
    assert_eq!(json, format!("{}\n", layer(2)));
}

#[test]
fn lists_are_tables_for_people_and_one_array_for_programs() {
    let server = server();
    assert_eq!(
        printed(&server, &["layer", "ls", "--prefix", "py"]),
        "NAME     VERSION  SIZE  RUNTIMES                CREATED     DESCRIPTION\n\
         py-deps  2        9 B   python3.12, python3.11  1 hour ago  d2\n"
    );
    assert!(server.requests()[0].target.ends_with("/layers?prefix=py&limit=500"));
    let versions = printed(&server, &["layer", "versions", "py-deps"]);
    assert_eq!(versions.lines().count(), 3, "{versions}");
    let json = printed(&server, &["layer", "versions", "py-deps", "--json"]);
    assert_eq!(json, format!("[\n{},\n{}\n]\n", layer(2), layer(1)));
    let functions = printed(&server, &["function", "ls", "--group", "g"]);
    assert_eq!(functions.lines().nth(1).unwrap().split("  ").next(), Some("hello"));
    assert!(server.requests().pop().unwrap().target.contains("group=g"));
    let versions = printed(&server, &["function", "versions", "hello"]);
    let first: Vec<&str> = versions.lines().map(|line| line.split(' ').next().unwrap()).collect();
    assert_eq!(first, ["VERSION", "-", "1"]);
}

#[test]
fn one_version_is_shown_with_all_fields() {
    let server = server();
    let text = printed(&server, &["layer", "show", "py-deps", "latest"]);
    assert!(text.contains("\nsize         9 B (9 bytes)\n"), "{text}");
    assert!(text.contains("\ncreated      2026-11-21 11:00:00 UTC (1 hour ago)\n"), "{text}");
    let json = printed(&server, &["layer", "show", "py-deps", "latest", "--json"]);
    assert_eq!(json, format!("{}\n", layer(2)));
    let text = printed(&server, &["function", "show", "hello"]);
    assert!(text.contains("the head, which can change") && text.contains("py-deps:1"), "{text}");
    assert_eq!(kind(&server, &["layer", "show", "py-deps", "9"]), Kind::NotFound);
}

#[test]
fn pulling_writes_a_checked_file_and_overwrites_none() {
    let server = server();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    let pull = ["layer", "pull", "py-deps", "latest", "-o", path];
    assert!(printed(&server, &pull).starts_with("saved "));
    let file = folder.path().join("py-deps-2.zip");
    assert_eq!(fs::read(&file).unwrap(), CODE);
    fs::write(&file, "mine").unwrap();
    assert_eq!(kind(&server, &pull), Kind::Refused);
    assert_eq!(fs::read(&file).unwrap(), b"mine");
    printed(&server, &[&pull[..], &["--force"]].concat());
    assert_eq!(fs::read(&file).unwrap(), CODE);
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let other = folder.path().join("other");
        fs::write(&other, "").unwrap();
        let mode = |path| fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode(&file), mode(&other));
    }
    let stdout = printed(&server, &["layer", "pull", "py-deps", "latest", "-o", "-", "--json"]);
    assert_eq!(stdout.as_bytes(), CODE);
}

#[test]
fn a_damaged_download_leaves_nothing_behind() {
    let server = Scripted::start(false, |request| {
        if request.target.contains("/code/") { json(200, "else") } else { json(200, layer(2)) }
    });
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    let failure = layerbase(&server, &["layer", "pull", "py-deps", "2", "-o", path]).unwrap_err();
    assert!(failure.kind == Kind::Failed && failure.what.contains("damaged"), "{failure:?}");
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
}

#[test]
fn functions_are_created_changed_published_and_pulled() {
    let server = server();
    let folder = tempfile::tempdir().unwrap();
    let zip = folder.path().join("a.zip");
    fs::write(&zip, CODE).unwrap();
    let zip = zip.to_str().unwrap();
    let last = || server.requests().pop().unwrap();
    let create = printed(
        &server,
        &[
            "function",
            "create",
            "hello",
            zip,
            "--runtime",
            "r",
            "--handler",
            "h",
            "--memory",
            "256",
            "--timeout",
            "9",
            "--env",
            "A=b=c",
            "--layer",
            "a:b:1",
            "--group",
            "g",
        ],
    );
    assert!(create.starts_with("created function hello (9 B, sha256 "), "{create}");
    assert_eq!(
        last().target,
        "/api/v1/functions/hello?group=g&runtime=r&handler=h&memory=256&timeout=9\
         &env=A%3Db%3Dc&layer=a%3Ab%3A1"
    );
    printed(&server, &["function", "update", "hello", "--memory", "512"]);
    assert_eq!(last().target, "/api/v1/functions/hello?group=default&memory=512");
    assert_eq!((last().method.as_str(), last().body.len()), ("PUT", 0));
    printed(&server, &["function", "update", "hello", zip]);
    assert_eq!(last().body, CODE);
    let text = printed(&server, &["function", "publish", "hello", "--name", "v-one"]);
    assert!(text.starts_with("published function hello version 1 'v-one' (9 B"), "{text}");
    assert_eq!(last().target, "/api/v1/functions/hello/versions?group=default&name=v-one");
    assert_eq!(printed(&server, &["function", "pull", "hello", "-o", "-"]).as_bytes(), CODE);
    assert_eq!(kind(&server, &["function", "pull", "bare", "-o", "-"]), Kind::NotFound);
    let (results, notes) = layerbase(&server, &["function", "rm", "hello", "v-one"]).unwrap();
    assert_eq!((results.as_str(), notes.as_str()), ("", "deleted function hello version v-one\n"));
    assert_eq!(last().target, "/api/v1/functions/hello/versions/v-one?group=default");
}

#[test]
fn wrong_usage_is_refused_before_anything_is_sent() {
    let server = server();
    for arguments in [
        &["layer", "publish", "a/b", "."][..],
        &["layer", "publish", "a", "no/such/file"],
        &["layer", "show", "a", "0"],
        &["layer", "rm", "a", "latest"],
        &["function", "create", "f", ".", "--runtime", "r"],
        &["function", "update", "f"],
        &["function", "update", "f", "--env", "=b"],
        &["function", "update", "f", "--layer", "a"],
        &["function", "update", "f", "--layer", ":1"],
        &["function", "update", "f", "--memory", "-1"],
        &["env", "aws"],
        &["serve", "--dialects", "aws"],
        &["alias", "ls", "f"],
    ] {
        assert_eq!(kind(&server, arguments), Kind::Usage, "{arguments:?}");
    }
    assert!(server.requests().is_empty());
}

#[test]
fn completions_know_the_commands() {
    let server = server();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = printed(&server, &["completions", shell]);
        assert!(script.contains("publish") && script.contains("completions"), "{shell}");
    }
}
