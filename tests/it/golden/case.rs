//! The case files: where they lie, what comes before each, and which may share a server.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use layerbase::domain::Timestamp;
use serde_json::Value;

use crate::support::server::START;

/// The folder of a dialect's cases about signing.
pub const AUTH: &str = "_auth";

/// The folder of a dialect's starting points.
pub const BEFORE: &str = "_before";

/// A case file that has been read.
pub struct Case {
    pub dialect: String,
    pub operation: String,
    pub path: PathBuf,
    pub value: Value,
    /// The steps of the case's starting point, then its own.
    pub before: Vec<Value>,
}

impl Case {
    fn read(dialect: &str, operation: &str, path: &Path) -> Self {
        let value = read(path);
        let mut before = Vec::new();
        if let Some(path) = start(dialect, &value) {
            before.extend(read(&path).as_array().expect("a starting point is a list").clone());
        }
        before.extend(value["before"].as_array().into_iter().flatten().cloned());
        let (dialect, operation) = (dialect.to_owned(), operation.to_owned());
        Self { dialect, operation, path: path.to_owned(), value, before }
    }

    /// The file of the starting point that the case names.
    pub fn start(&self) -> Option<PathBuf> {
        start(&self.dialect, &self.value)
    }

    /// The operation and the file's name.
    pub fn name(&self) -> String {
        format!("{}/{}", self.operation, self.path.file_name().unwrap().display())
    }

    /// What the clock says when the request is sent.
    pub fn time(&self) -> Timestamp {
        let steps = self.before.iter().chain([&self.value["request"]]);
        match steps.rev().find_map(|step| step["at"].as_str()) {
            Some(at) => at.parse().unwrap(),
            None => Timestamp::from_second(START).unwrap(),
        }
    }

    /// What cases have in common that share a server. Settings are shared with no other case: some
    /// of them count requests.
    fn beginning(&self) -> String {
        if !self.value["config"].is_null() {
            return self.path.display().to_string();
        }
        let parts = [&self.value["keys"], &self.value["objects"], &Value::from(&self.before[..])];
        parts.map(Value::to_string).join("\n")
    }
}

/// The folder of all cases.
fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

fn start(dialect: &str, value: &Value) -> Option<PathBuf> {
    let name = value["start"].as_str()?;
    Some(folder().join(dialect).join(BEFORE).join(format!("{name}.json")))
}

/// Every JSON file below the folder of all cases, sorted.
pub fn files() -> Vec<PathBuf> {
    let (mut files, mut open) = (Vec::new(), vec![folder()]);
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
        } else if path.extension().is_some_and(|extension| extension == "json") {
            files.push(path);
        }
    }
    files.sort();
    files
}

fn read(path: &Path) -> Value {
    let text = fs::read(path).unwrap_or_else(|failure| panic!("{}: {failure}", path.display()));
    serde_json::from_slice(&text)
        .unwrap_or_else(|failure| panic!("{} is not JSON: {failure}", path.display()))
}

/// The folders in a folder, in the order of their names; none where the folder is absent.
fn folders(path: &Path) -> Vec<(String, PathBuf)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(path).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.push((path.file_name().unwrap().to_string_lossy().into_owned(), path));
        }
    }
    found.sort();
    found
}

/// The cases of a dialect, in the order of their names.
pub fn cases(dialect: &str) -> Vec<Case> {
    let all = folder().join(dialect);
    let mut operations = folders(&all.join(AUTH));
    operations.extend(folders(&all).into_iter().filter(|(name, _)| !name.starts_with('_')));
    let mut cases = Vec::new();
    for (operation, folder) in operations {
        for case in fs::read_dir(folder).unwrap() {
            cases.push(Case::read(dialect, &operation, &case.unwrap().path()));
        }
    }
    cases.sort_by_key(Case::name);
    cases
}

/// Every dialect that has cases.
pub fn dialects() -> Vec<String> {
    folders(&folder()).into_iter().map(|(name, _)| name).filter(|name| name != "zips").collect()
}

/// Groups cases by how they begin. The cases of a group come in the order of their times, so that
/// the clock of the server that they share runs forward from case to case.
pub fn groups(cases: Vec<Case>) -> Vec<Vec<Case>> {
    let mut groups: BTreeMap<String, Vec<Case>> = BTreeMap::new();
    for case in cases {
        groups.entry(case.beginning()).or_default().push(case);
    }
    let mut groups: Vec<_> = groups.into_values().collect();
    for group in &mut groups {
        group.sort_by_key(Case::time);
    }
    groups
}
