//! The house rules that a program can check: arrows, names, lengths, nothing forgotten.

mod source;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use layerbase::dialects::{self, DIALECTS};

use crate::golden;
use source::{code, code_without_tests, module, names_crate, root, rust_files, words, words_after};

/// Who may import whom: a module and the modules of ours that it may name.
const ARROWS: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("disk", &[]),
    ("ingest", &["disk", "domain"]),
    ("store", &["disk", "domain"]),
    ("config", &["domain"]),
    ("buckets", &["config", "domain"]),
    ("catalog", &["domain", "ingest", "store"]),
    ("app", &["buckets", "catalog", "domain", "config", "ingest"]),
    ("dialects", &["dialects", "app", "catalog", "domain", "ingest"]),
    ("server", &["dialects", "app", "catalog", "config", "domain", "store"]),
    ("cli", &["server", "dialects", "catalog", "config", "store", "domain"]),
];

/// Crates that only some modules may name.
const CRATES: &[(&str, &[&str])] = &[
    ("axum", &["dialects", "server"]),
    ("hyper", &["server"]),
    ("object_store", &["buckets"]),
    ("reqwest", &["buckets"]),
    ("rusqlite", &["store"]),
    ("rustix", &["buckets", "disk", "server"]),
    ("rustls", &["buckets", "cli", "server"]),
    ("s3s", &["dialects"]),
    ("ureq", &["cli"]),
    ("clap", &["cli"]),
    ("serde", &["buckets", "catalog", "cli", "config", "dialects", "ingest", "server", "store"]),
];

/// The modules that dialects share; each may import those above it.
const SHARED: [&str; 26] = [
    "answer",
    "params",
    "signing",
    "guide",
    "json_fields",
    "json_writer",
    "name_rule",
    "tenants",
    "forwarded",
    "call",
    "refusal",
    "wording",
    "operation",
    "auth",
    "sigv4",
    "extract",
    "links",
    "dialect",
    "cache",
    "drain",
    "upload",
    "stream",
    "sites",
    "gate",
    "router",
    "mod",
];

/// Words of calls that read the wall clock or make something random, beside every `::now`; and the
/// files that may have them: the sources of both, and the command line, which has no server to hand
/// them in.
const CHANCE: [&str; 15] = [
    "elapsed",
    "fastrand",
    "getrandom",
    "nanorand",
    "new_v1",
    "new_v4",
    "new_v6",
    "new_v7",
    "OsRng",
    "rand",
    "rand_core",
    "SysRng",
    "SystemRandom",
    "ThreadRng",
    "thread_rng",
];
const CHANCE_FILES: [&str; 3] = ["src/catalog/mod.rs", "src/cli/mod.rs", "src/cli/folder.rs"];

/// The files below `dialects` that may ask for a role: the effects have it, and the gate asks.
const ROLE_FILES: [&str; 2] = ["dialects/gate.rs", "dialects/operation.rs"];

/// Modules that wait for clients and storages, and so measure time.
const TIMED: [&str; 2] = ["app", "server"];

/// The files of a dialect; a name may also be a folder beside its file.
const DIALECT_FILES: [&str; 6] = ["mod", "routes", "wire", "errors", "auth", "paging"];

const LINES_MAX: usize = 500;

const COLUMNS_MAX: usize = 100;

#[test]
fn modules_import_only_what_they_may() {
    let mut broken = Vec::new();
    for path in rust_files("src") {
        let module = module(&path);
        let Some((_, allowed)) = ARROWS.iter().find(|(name, _)| *name == module) else { continue };
        for other in words_after(&code(&path), "crate::") {
            if other != module && !other.is_empty() && !allowed.contains(&other) {
                broken.push(format!("{}: {module} -> {other}", path.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn every_module_has_its_arrows() {
    for path in rust_files("src") {
        let module = module(&path);
        let known = ARROWS.iter().any(|(name, _)| *name == module);
        assert!(known || ["lib", "main"].contains(&module.as_str()), "{module} is not in ARROWS");
    }
}

#[test]
fn crates_stay_where_they_belong() {
    let mut broken = Vec::new();
    for path in rust_files("src") {
        let (module, code) = (module(&path), code(&path));
        for (name, homes) in CRATES {
            if names_crate(&code, name) && !homes.contains(&module.as_str()) {
                broken.push(format!("{}: {name}", path.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    assert!(!manifest.contains("package = "), "a crate with another name escapes this check");
}

/// `super` leads at most to the parent, so that it never leaves the module below `src`.
#[test]
fn imports_say_where_they_lead() {
    let mut broken = Vec::new();
    for path in rust_files("src") {
        let below = path.strip_prefix(root().join("src")).unwrap();
        let depth = below.iter().count() - usize::from(path.ends_with("mod.rs"));
        let code = code_without_tests(&path);
        if code.contains("super::super") {
            broken.push(format!("{}: super::super", path.display()));
        }
        if depth < 2 && code.contains("super::") {
            broken.push(format!("{}: super leaves the module", path.display()));
        }
        let is_glob = |line: &&str| line.contains("use ") && line.contains("::*");
        if let Some(line) = code.lines().find(is_glob) {
            broken.push(format!("{}: {line}", path.display()));
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn no_module_re_exports_what_belongs_to_another() {
    for path in rust_files("src") {
        let module = module(&path);
        for line in code(&path).lines().map(str::trim_start) {
            let Some(used) = line.strip_prefix("pub").filter(|rest| rest.contains("use crate::"))
            else {
                continue;
            };
            let from = words_after(used, "crate::");
            assert!(from.iter().all(|other| *other == module), "{}: {line}", path.display());
        }
    }
}

/// Returns the modules of `dialects` that a file's code names.
fn named_dialect_modules(path: &Path, folder: &Path) -> Vec<String> {
    let code = code_without_tests(path);
    let mut names = words_after(&code, "dialects::");
    let is_front_page = path.parent() == Some(folder) && !path.ends_with("dialects/mod.rs");
    let is_dialect_front_page =
        path.ends_with("mod.rs") && path.parent().and_then(Path::parent) == Some(folder);
    if is_front_page || is_dialect_front_page {
        names.extend(words_after(&code, "super::"));
    }
    names.into_iter().map(str::to_owned).collect()
}

#[test]
fn no_dialect_imports_another() {
    let folder = root().join("src/dialects");
    let names = dialects::known().names;
    for name in &names {
        for path in rust_files(&format!("src/dialects/{name}")) {
            for other in named_dialect_modules(&path, &folder) {
                let is_other = other != *name && names.contains(&other.as_str());
                assert!(!is_other, "{}: {other}", path.display());
            }
        }
    }
}

#[test]
fn what_dialects_share_is_in_an_order() {
    let folder = root().join("src/dialects");
    let position = |name: &str| SHARED.iter().position(|shared| *shared == name);
    let mut broken = Vec::new();
    for path in rust_files("src/dialects") {
        let stem = path.file_stem().unwrap().to_string_lossy().into_owned();
        if path.parent() != Some(&*folder) || ["mod", "tests"].contains(&&*stem) {
            continue;
        }
        let Some(own) = position(&stem) else {
            broken.push(format!("{stem} is not in SHARED"));
            continue;
        };
        let cloud = dialects::known().names;
        for other in named_dialect_modules(&path, &folder) {
            // `other` may be the module itself: its macros use their full path.
            let is_above = position(&other).is_none_or(|other| other <= own);
            if !is_above || cloud.contains(&&*other) {
                broken.push(format!("{stem} -> {other}"));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn every_dialect_has_the_same_six_files() {
    for name in dialects::known().names {
        let folder = root().join("src/dialects").join(name);
        let entries = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
        let stem = |path: &PathBuf| path.file_stem().unwrap().to_string_lossy().into_owned();
        // A folder with a front page of its own is another API of the same cloud.
        let is_own = |path: &PathBuf| !path.join("mod.rs").exists();
        let found: BTreeSet<String> = entries.filter(is_own).map(|path| stem(&path)).collect();
        let wanted: BTreeSet<String> =
            DIALECT_FILES.iter().map(|name| (*name).to_owned()).collect();
        assert_eq!(found, wanted, "{}", folder.display());
    }
}

#[test]
fn every_cloud_has_a_client_in_the_tests() {
    let clients: Vec<String> = ["python", "node"]
        .iter()
        .flat_map(|language| fs::read_dir(root().join("tests/sdk").join(language)).unwrap())
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    for name in dialects::known().names.into_iter().filter(|name| *name != "native") {
        assert!(clients.iter().any(|client| client.starts_with(name)), "{name} has no client");
    }
}

#[test]
fn only_auth_files_make_callers() {
    for path in rust_files("src") {
        let is_domain = path.starts_with(root().join("src/domain"));
        if code_without_tests(&path).contains("Caller::new") && !is_domain {
            assert!(path.ends_with("auth.rs"), "{}", path.display());
        }
    }
}

/// The places that make an actor, apart from a caller's.
#[test]
fn only_the_command_line_acts_as_owner_and_only_the_server_as_a_task() {
    // `plans` is a module of tests.
    let rooms = [
        ("Actor::owner(", &["src/cli", "src/store/plans.rs"][..]),
        ("Actor::task(", &["src/server/upkeep", "src/app.rs"]),
    ];
    for path in rust_files("src") {
        let below = path.strip_prefix(root()).unwrap().to_string_lossy().into_owned();
        let code = code_without_tests(&path);
        for (call, allowed) in rooms.iter().filter(|(call, _)| code.contains(call)) {
            assert!(allowed.iter().any(|room| below.starts_with(room)), "{below}: {call}");
        }
    }
}

/// The words in a code that ask for a role or compare one.
fn role_words(code: &str) -> Vec<&str> {
    words(code).filter(|word| ["must_be", "must_cover", "role", "Role"].contains(word)).collect()
}

#[test]
fn no_handler_asks_for_a_role() {
    for text in
        ["caller.must_be(x)", "key.role.must_cover(x)", "match caller.role() {", "Role::Write"]
    {
        assert!(!role_words(text).is_empty(), "{text}");
    }
    for path in rust_files("src/dialects").into_iter().chain(rust_files("src/server")) {
        let code = code_without_tests(&path);
        let mut found = role_words(&code);
        // A caller has its key's role.
        if path.ends_with("auth.rs") {
            found.retain(|word| *word != "role");
        }
        let may_ask = ROLE_FILES.iter().any(|file| path.ends_with(file));
        assert!(may_ask || found.is_empty(), "{}: {found:?}", path.display());
    }
}

/// The words in a code that read the wall clock or make something random.
fn chance_words(code: &str) -> Vec<&str> {
    let mut found: Vec<&str> = words(code).filter(|word| CHANCE.contains(word)).collect();
    // Whatever the type is called; `Instant` has a rule of its own.
    for (at, _) in code.match_indices("::now") {
        let kind = words(&code[..at]).last().unwrap_or_default();
        found.extend(Some(kind).filter(|kind| *kind != "Instant"));
    }
    found
}

#[test]
fn every_source_of_chance_is_known() {
    for text in [
        "Timestamp::now()",
        "jiff::Zoned::now()",
        "UNIX_EPOCH.elapsed()",
        "Uuid::now_v7()",
        "Uuid::new_v4",
        "rand::random::<u8>()",
        "use rand as chance;",
        "OsRng.fill(&mut bytes)",
        "SystemRandom::new()",
        "getrandom::fill(&mut bytes)",
        "fastrand::u8(..)",
    ] {
        assert!(!chance_words(text).is_empty(), "{text}");
    }
    assert_eq!(chance_words("app.clock().now(); Instant::now(); Uuid::new_v5(a, b)"), [""; 0]);
}

#[test]
fn clock_and_chance_are_handed_in() {
    let mut broken = Vec::new();
    for path in rust_files("src") {
        let (code, is_timed) = (code_without_tests(&path), TIMED.contains(&&*module(&path)));
        let is_source = CHANCE_FILES.iter().any(|file| path.ends_with(file));
        let is_allowed = |word: &str| is_source || (word == "elapsed" && is_timed);
        for word in chance_words(&code).into_iter().filter(|word| !is_allowed(word)) {
            broken.push(format!("{}: {word}", path.display()));
        }
        if code.contains("Instant::now") && !is_timed {
            broken.push(format!("{}: Instant::now", path.display()));
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn files_have_a_front_line_and_an_end() {
    let mut broken = Vec::new();
    for path in ["src", "tests", "fuzz/src", "fuzz/fuzz_targets"].into_iter().flat_map(rust_files) {
        let text = fs::read_to_string(&path).unwrap();
        if !text.starts_with("//!") {
            broken.push(format!("{} does not say what it is for", path.display()));
        }
        if text.lines().count() > LINES_MAX {
            broken.push(format!("{} has {} lines", path.display(), text.lines().count()));
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

/// Code is held to its width by rustfmt.
#[test]
fn the_map_is_within_its_width() {
    let text = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let is_long = |line: &&str| line.chars().count() > COLUMNS_MAX;
    assert_eq!(text.lines().filter(is_long).collect::<Vec<_>>(), [""; 0]);
}

#[test]
fn every_test_file_is_run() {
    let main = fs::read_to_string(root().join("tests/it/main.rs")).unwrap();
    for entry in fs::read_dir(root().join("tests/it")).unwrap() {
        let name = entry.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned();
        assert!(name == "main" || main.contains(&format!("mod {name};")), "{name} is not run");
    }
}

#[test]
fn every_operation_has_a_golden_case_and_every_case_an_operation() {
    let mut cases: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for case in golden::all() {
        cases.entry(case.dialect).or_default().insert(case.operation);
    }
    let mut operations: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for dialect in DIALECTS {
        let names = (dialect.operations)().into_iter().map(|operation| operation.name.to_owned());
        operations.entry(dialect.name.to_owned()).or_default().extend(names);
    }
    assert_eq!(cases, operations, "cases on the left, operations on the right");
}

/// All other files of the store have the statements, which a second engine must understand too.
#[test]
fn two_rooms_of_the_store_name_its_engine() {
    // `plans` is a module of tests.
    let rooms = ["src/store/engine.rs", "src/store/sqlite", "src/store/plans.rs"];
    let names = rust_files("src/store").into_iter().filter(|path| {
        let path = path.strip_prefix(root()).unwrap().to_string_lossy().into_owned();
        !rooms.iter().any(|room| path.starts_with(room))
            && code_without_tests(&root().join(&path)).contains("rusqlite")
    });
    assert_eq!(names.collect::<Vec<_>>(), Vec::<PathBuf>::new());
    assert!(code(&root().join(rooms[0])).contains("rusqlite"));
}
