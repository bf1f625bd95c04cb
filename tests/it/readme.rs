//! README's table of operations is the one that the server works by.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use layerbase::dialects::DIALECTS;

/// Returns README's rows: dialect, and the names of operations in its second cell.
fn rows() -> BTreeMap<String, Vec<String>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let text = fs::read_to_string(path).unwrap();
    let row = |line: &str| {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let [_, cloud, operations, _, _] = cells[..] else { return None };
        let dialect = code_spans(cloud).next()?.to_owned();
        let is_name = |name: &&str| name.starts_with(|first: char| first.is_ascii_uppercase());
        Some((dialect, code_spans(operations).filter(is_name).map(str::to_owned).collect()))
    };
    text.lines().filter_map(row).collect()
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
    let written = rows();
    let mut wrong = Vec::new();
    for (dialect, names) in
        expected.iter().filter(|(dialect, names)| written.get(*dialect) != Some(names))
    {
        let cell: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
        wrong.push(format!("README's row of {dialect} needs {}", cell.join(", ")));
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
