//! The clouds' own clients against the built binary, over real sockets.
//!
//! The scripts are in `tests/sdk`; each takes the server's URL and ends with `ok <name>: N checks`.
//! The first run installs a Python environment and a Node folder under `target/` from pinned lists.
//! `LAYERBASE_SKIP_SDK_TESTS=1` skips all of them and reports that.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use crate::clouds::openyuanrong;
use crate::support::process::{BINARY, Process};
use crate::support::sign::TestKey;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Returns the folder of the installed clients, beside the binary under test.
fn target() -> PathBuf {
    let binary = Path::new(crate::support::process::BINARY);
    binary.ancestors().nth(2).unwrap().join("sdk-clients")
}

fn is_skipped() -> bool {
    let skipped = std::env::var_os("LAYERBASE_SKIP_SDK_TESTS").is_some_and(|value| value == "1");
    if skipped {
        eprintln!("skipped: LAYERBASE_SKIP_SDK_TESTS=1");
    }
    skipped
}

/// Runs a command to its end and returns its output. A failure shows all output.
fn run(command: &mut Command, purpose: &str) -> String {
    let output = command.output().unwrap_or_else(|failure| panic!("{purpose}: {failure}"));
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    assert!(output.status.success(), "{purpose}: {}\n{text}", output.status);
    text
}

/// Installs once for each content of the pinned lists: `install` fills a new folder. A copy of the
/// lists is written to it last and marks it as complete.
fn installed(name: &str, lists: &[PathBuf], install: impl FnOnce(&Path)) -> PathBuf {
    let folder = target().join(name);
    let wanted: String = lists.iter().map(|list| fs::read_to_string(list).unwrap()).collect();
    let sign = folder.join("installed.txt");
    if fs::read_to_string(&sign).is_ok_and(|found| found == wanted) {
        return folder;
    }
    if folder.exists() {
        fs::remove_dir_all(&folder).unwrap();
    }
    fs::create_dir_all(&folder).unwrap();
    install(&folder);
    fs::write(sign, wanted).unwrap();
    folder
}

fn python() -> &'static Path {
    static PYTHON: OnceLock<PathBuf> = OnceLock::new();
    PYTHON.get_or_init(|| {
        let lists = root().join("tests/sdk/python");
        let lists = ["requirements.txt", "requirements-tccli.txt", "requirements-aws.txt"]
            .map(|list| lists.join(list));
        let folder = installed("python", &lists, |folder| {
            let venv = "Python 3.9 or newer with its venv module is needed for the SDK tests";
            run(Command::new("python3").args(["-m", "venv"]).arg(folder), venv);
            let pip = |list: &Path, more: &[&str]| {
                let mut command = Command::new(folder.join("bin/python"));
                command.args(["-m", "pip", "install", "--quiet", "--no-compile"]);
                command.args(["--disable-pip-version-check"]).args(more).arg("-r").arg(list);
                run(&mut command, "installing the Python clients");
            };
            pip(&lists[0], &[]);
            lists[1..].iter().for_each(|list| pip(list, &["--no-deps"]));
        });
        folder.join("bin")
    })
}

fn node() -> &'static Path {
    static NODE: OnceLock<PathBuf> = OnceLock::new();
    NODE.get_or_init(|| {
        let source = root().join("tests/sdk/node");
        let lists = [source.join("package.json"), source.join("package-lock.json")];
        let folder = installed("node", &lists, |folder| {
            for name in ["package.json", "package-lock.json", ".npmrc"] {
                fs::copy(source.join(name), folder.join(name)).unwrap();
            }
            let needed = "Node 18 or newer with npm is needed for the SDK tests";
            run(Command::new("npm").args(["ci", "--silent"]).current_dir(folder), needed);
        });
        // Once: another script may be reading it already.
        fs::copy(source.join("support.js"), folder.join("support.js")).unwrap();
        folder
    })
}

/// A script's key with write access, one that may only read, and one that is disabled.
const KEYS: [(&str, TestKey, &str); 3] = [
    ("", test_key("AKIDTESTWRITER01", "SKtestWriter00000001"), "write"),
    ("READ_", test_key("AKIDTESTREADER01", "SKtestReader00000001"), "read"),
    ("DISABLED_", test_key("AKIDTESTASLEEP01", "SKtestAsleep00000001"), "write"),
];

const fn test_key(id: &'static str, secret: &'static str) -> TestKey {
    TestKey { id, secret, tenant: "default" }
}

/// Adds the keys to the data folder of a running server. Returns the environment that passes them
/// to a script.
fn hand_out_keys(data: &Path) -> Vec<(String, String)> {
    let layerbase = |arguments: &[&str], input: &str| {
        let mut command = Command::new(BINARY);
        command.args(arguments).arg("--data").arg(data);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        assert!(child.wait().unwrap().success(), "{arguments:?}");
    };
    let mut environment =
        vec![("AUTH".to_owned(), "on".to_owned()), ("CTYUN_SKEW".to_owned(), "on".to_owned())];
    for (name, key, role) in KEYS {
        let add = ["key", "add", "--role", role, "--id", key.id, "--secret-stdin"];
        layerbase(&add, &format!("{}\n", key.secret));
        environment.push((format!("{name}KEY_ID"), key.id.to_owned()));
        environment.push((format!("{name}KEY_SECRET"), key.secret.to_owned()));
        environment.push((format!("{name}TOKEN"), openyuanrong::token(key)));
    }
    layerbase(&["key", "disable", KEYS[2].1.id], "");
    environment.iter_mut().for_each(|(name, _)| name.insert_str(0, "LAYERBASE_TEST_"));
    environment
}

/// Runs a script twice against a server without authentication and once against one that verifies
/// signatures. The names of the first run must not disturb the second.
fn passes(script: impl Fn() -> Command, name: &str) {
    let folder = tempfile::tempdir().unwrap();
    let open = Process::serve(&folder.path().join("open"), &[]);
    let data = folder.path().join("closed");
    let closed = Process::serve(&data, &["--auth", "on", "--ctyun-skew", "15m"]);
    let attempt = |what: &str, server: &Process, data: &str, environment: &[(String, String)]| {
        let mut command = script();
        command.arg(server.base()).envs(environment.iter().cloned());
        // Scripts put objects into this folder and publish from them.
        command.env("LAYERBASE_TEST_BUCKETS", folder.path().join(data).join("buckets"));
        for variable in ["HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "ALL_PROXY"] {
            command.env_remove(variable);
        }
        let text = run(&mut command, &format!("{name}, {what}"));
        let last = text.lines().rfind(|line| line.starts_with("ok ")).unwrap_or_default();
        assert!(last.ends_with(" checks"), "{name} did not say how much it checked:\n{text}");
    };
    attempt("the first run", &open, "open", &[]);
    attempt("the second run", &open, "open", &[]);
    attempt("with signatures verified", &closed, "closed", &hand_out_keys(&data));
}

fn python_passes(script: &str) {
    if is_skipped() {
        return;
    }
    let bin = python();
    let path = std::env::var("PATH").unwrap_or_default();
    let command = || {
        let mut command = Command::new(bin.join("python"));
        command.env("PATH", format!("{}:{path}", bin.display()));
        command.env("PYTHONDONTWRITEBYTECODE", "1");
        command.arg(root().join("tests/sdk/python").join(script));
        command
    };
    passes(command, script);
}

fn node_passes(script: &str) {
    if is_skipped() {
        return;
    }
    let folder = node();
    // Node looks modules up from the script's own folder, so the scripts are copied there.
    fs::copy(root().join("tests/sdk/node").join(script), folder.join(script)).unwrap();
    let command = || {
        let mut command = Command::new("node");
        command.arg(folder.join(script));
        command
    };
    passes(command, script);
}

macro_rules! scripts {
    ($run:ident: $($test:ident $script:literal)*) => { $(
        #[test]
        fn $test() {
            $run($script);
        }
    )* };
}

scripts! { python_passes:
    python_alibaba_2021 "alibaba_2021.py"
    python_alibaba_2023 "alibaba_2023.py"
    python_ctyun "ctyun.py"
    python_huawei "huawei.py"
    python_openyuanrong "openyuanrong.py"
    python_s3 "s3.py"
    python_tencent "tencent.py"
}

scripts! { node_passes:
    node_alibaba "alibaba.js"
    node_alibaba_oss "alibaba_oss.js"
    node_huawei "huawei.js"
    node_tencent "tencent.js"
}

#[test]
fn every_script_is_run() {
    let this = fs::read_to_string(root().join("tests/it/sdk.rs")).unwrap();
    for folder in ["python", "node"] {
        for entry in fs::read_dir(root().join("tests/sdk").join(folder)).unwrap() {
            let name = entry.unwrap().file_name().to_string_lossy().into_owned();
            let is_script = name.ends_with(".py") || name.ends_with(".js");
            let listed = this.contains(&format!("\"{name}\""));
            assert!(!is_script || name.starts_with("support.") || listed, "{name} is not run");
        }
    }
}
