//! The house rules that a program can check: arrows, names, lengths, nothing forgotten.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use layerbase::dialects::DIALECTS;

use crate::golden;

/// Who may import whom: a module and the modules of ours that it may name.
const ARROWS: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("ingest", &["domain"]),
    ("store", &["domain"]),
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
    ("rustix", &["buckets"]),
    ("rustls", &["buckets", "cli", "server"]),
    ("s3s", &["dialects"]),
    ("ureq", &["cli"]),
    ("clap", &["cli"]),
];

/// The files of a dialect; a name may also be a folder beside its file.
const DIALECT_FILES: [&str; 6] = ["mod", "routes", "wire", "errors", "auth", "paging"];

const LINES_MAX: usize = 500;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn rust_files(folder: &str) -> Vec<PathBuf> {
    fn walk(folder: &Path, files: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, files);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    let mut files = Vec::new();
    walk(&root().join(folder), &mut files);
    files.sort();
    files
}

/// The module right below `src` that a file is in.
fn module(path: &Path) -> String {
    let below = path.strip_prefix(root().join("src")).unwrap();
    let first = below.components().next().unwrap().as_os_str().to_string_lossy();
    first.trim_end_matches(".rs").to_owned()
}

/// The code of a file, without its comments.
fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    let lines = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    lines.collect::<Vec<_>>().join("\n")
}

/// The words that follow `prefix` in a text; of a group in braces, the first word of each member.
fn words_after<'t>(text: &'t str, prefix: &str) -> Vec<&'t str> {
    let mut words = Vec::new();
    for (start, _) in text.match_indices(prefix) {
        let rest = &text[start + prefix.len()..];
        match rest.strip_prefix('{') {
            Some(group) => words.extend(members(group).into_iter().map(first_word)),
            None => words.push(first_word(rest)),
        }
    }
    words
}

fn first_word(text: &str) -> &str {
    let text = text.trim_start();
    let end = text.find(|letter: char| !letter.is_alphanumeric() && letter != '_');
    &text[..end.unwrap_or(text.len())]
}

/// The members of a group whose opening brace has been read.
fn members(text: &str) -> Vec<&str> {
    let (mut members, mut start, mut depth) = (Vec::new(), 0, 0);
    for (at, letter) in text.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            '}' => {
                members.push(&text[start..at]);
                break;
            }
            ',' if depth == 0 => {
                members.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    members
}

#[test]
fn groups_do_not_hide_an_import() {
    let text = "use crate::{app::App, catalog::{Catalog, DeleteRule},\n    store};\n\
                use crate::dialects::{self, tencent::wire};\nlet x = crate::config::Config;";
    let found = ["app", "catalog", "store", "dialects", "config"];
    assert_eq!(words_after(text, "crate::"), found);
    assert_eq!(words_after(text, "dialects::"), ["self", "tencent"]);
}

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
            let named =
                code.contains(&format!("{name}::")) || code.contains(&format!("use {name}"));
            if named && !homes.contains(&module.as_str()) {
                broken.push(format!("{}: {name}", path.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn no_dialect_imports_another() {
    let names: Vec<&str> = DIALECTS.iter().map(|dialect| dialect.name()).collect();
    for name in &names {
        for path in rust_files(&format!("src/dialects/{name}")) {
            for other in words_after(&code(&path), "dialects::") {
                assert!(other == *name || !names.contains(&other), "{}: {other}", path.display());
            }
        }
    }
}

#[test]
fn every_dialect_has_the_same_six_files() {
    for dialect in DIALECTS {
        let folder = root().join("src/dialects").join(dialect.name());
        let found: BTreeSet<String> = fs::read_dir(&folder)
            .unwrap()
            .map(|entry| entry.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned())
            .collect();
        let wanted: BTreeSet<String> =
            DIALECT_FILES.iter().map(|name| (*name).to_owned()).collect();
        assert_eq!(found, wanted, "{}", folder.display());
    }
}

#[test]
fn the_configuration_knows_every_dialect() {
    let mut names: Vec<&str> = DIALECTS.iter().map(|dialect| dialect.name()).collect();
    names.sort_unstable();
    assert_eq!(names, layerbase::config::DIALECTS);
}

#[test]
fn only_auth_files_and_what_they_share_make_callers() {
    let shared = root().join("src/dialects/signing.rs");
    // Tests of what lies below the dialects have to come from somewhere too.
    let is_test = |path: &Path| {
        let below = path.strip_prefix(root()).unwrap();
        below.iter().any(|part| part == "tests" || part == "tests.rs")
    };
    for path in rust_files("src").into_iter().filter(|path| !is_test(path)) {
        if code(&path).contains("Caller::new") && !path.starts_with(root().join("src/domain")) {
            assert!(path.ends_with("auth.rs") || path == shared, "{}", path.display());
        }
    }
}

#[test]
fn files_have_a_front_line_and_an_end() {
    let mut broken = Vec::new();
    for path in rust_files("src").into_iter().chain(rust_files("tests")) {
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
    let cases: BTreeSet<(String, String)> =
        golden::all().into_iter().map(|case| (case.dialect, case.operation)).collect();
    let operations: BTreeSet<(String, String)> = DIALECTS
        .iter()
        .flat_map(|dialect| {
            let names = dialect.operations().into_iter().map(|operation| operation.name.to_owned());
            names.map(|name| (dialect.name().to_owned(), name)).collect::<Vec<_>>()
        })
        .collect();
    assert_eq!(cases, operations, "cases on the left, operations on the right");
}
