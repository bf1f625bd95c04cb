//! README's table of operations is the one that the server works by.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use layerbase::dialects::DIALECTS;

/// The first line of the table.
const HEADER: &str = "| Dialect | Operations | Point the client at |";

/// Returns the rows of the table in a text: dialect, and the names of operations in its second
/// cell.
fn rows(text: &str) -> Vec<(String, Vec<String>)> {
    let row = |line: &str| {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let [_, cloud, operations, _, _] = cells[..] else { panic!("not three cells: {line}") };
        let dialect = code_spans(cloud).next().unwrap_or(cloud).to_owned();
        let is_name = |name: &&str| name.starts_with(|first: char| first.is_ascii_uppercase());
        (dialect, code_spans(operations).filter(is_name).map(str::to_owned).collect())
    };
    let lines = text.lines().skip_while(|line| *line != HEADER).skip(2);
    lines.take_while(|line| line.starts_with('|')).map(row).collect()
}

fn code_spans(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('`').skip(1).step_by(2)
}

#[test]
fn the_table_has_every_operation_in_its_order_and_no_other() {
    let mut expected: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for dialect in DIALECTS {
        let names = (dialect.operations)().into_iter().map(|operation| operation.name.to_owned());
        expected.entry(dialect.name.to_owned()).or_default().extend(names);
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let wrong = differences(&fs::read_to_string(path).unwrap(), &expected);
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// What the table in a text lacks, has wrong or has too much.
fn differences(text: &str, expected: &BTreeMap<String, Vec<String>>) -> Vec<String> {
    let (mut wrong, mut written) = (Vec::new(), BTreeMap::new());
    for (dialect, names) in rows(text) {
        if !expected.contains_key(&dialect) {
            wrong.push(format!("README's row of {dialect} is of no dialect"));
        } else if written.insert(dialect.clone(), names).is_some() {
            wrong.push(format!("README has two rows of {dialect}"));
        }
    }
    for (dialect, names) in expected {
        if written.get(dialect) != Some(names) {
            let cell: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
            wrong.push(format!("README's row of {dialect} needs {}", cell.join(", ")));
        }
    }
    wrong
}

#[test]
fn a_row_too_many_is_found() {
    let expected = BTreeMap::from([("one".to_owned(), vec!["Get".to_owned()])]);
    let table =
        |rows: &str| format!("# Title\n\n{HEADER}\n|---|---|---|\n{rows}\n\n| `x` | `Y` | |\n");
    let row = "| One, `one` | under `/v1`: `Get` | `/` |";
    assert_eq!(differences(&table(row), &expected), [""; 0]);
    let (other, bare) = ("| `two` | `Put` | `/` |", "| Three | `Put` | `/` |");
    for wrong in [
        String::new(),
        format!("{row}\n{row}"),
        format!("{row}\n{other}"),
        format!("{row}\n{bare}"),
    ] {
        assert_eq!(differences(&table(&wrong), &expected).len(), 1, "{wrong}");
    }
}
