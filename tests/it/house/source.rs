//! Reads the project's own source: files, code without comments, and the words in it.

use std::fs;
use std::path::{Path, PathBuf};

/// The project's folder.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The Rust files below a folder, sorted.
pub fn rust_files(folder: &str) -> Vec<PathBuf> {
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
pub fn module(path: &Path) -> String {
    let below = path.strip_prefix(root().join("src")).unwrap();
    let first = below.components().next().unwrap().as_os_str().to_string_lossy();
    first.trim_end_matches(".rs").to_owned()
}

/// The code of a file, without its comments and the text in its literals.
pub fn code(path: &Path) -> String {
    bare(&fs::read_to_string(path).unwrap())
}

/// Removes comments, and the text inside literals of strings and characters.
fn bare(text: &str) -> String {
    let (mut code, mut rest) = (String::with_capacity(text.len()), text);
    while let Some(letter) = rest.chars().next() {
        // A raw literal may be one of bytes.
        let before = code.strip_suffix(['b', 'c']).unwrap_or(&code);
        let is_word = before.ends_with(|last: char| last.is_alphanumeric() || last == '_');
        let (kept, skipped) = match letter {
            '/' if rest.starts_with("//") => ("", rest.find('\n').unwrap_or(rest.len())),
            '/' if rest.starts_with("/*") => ("", end_of(rest, "*/")),
            '"' => ("\"\"", 1 + end_of_quote(&rest[1..], '"')),
            'r' if !is_word && rest[1..].trim_start_matches('#').starts_with('"') => {
                let hashes = rest[1..].find('"').unwrap_or_default();
                let start = hashes + 2;
                let end = format!("\"{}", "#".repeat(hashes));
                ("\"\"", start + end_of(&rest[start..], &end))
            }
            '\'' if is_character(rest) => ("' '", 1 + end_of_quote(&rest[1..], '\'')),
            _ => (&rest[..letter.len_utf8()], letter.len_utf8()),
        };
        code.push_str(kept);
        rest = &rest[skipped..];
    }
    code
}

/// The length of a text through this end.
fn end_of(text: &str, end: &str) -> usize {
    text.find(end).map_or(text.len(), |at| at + end.len())
}

/// The length of a literal's text through its closing quote.
fn end_of_quote(text: &str, quote: char) -> usize {
    let mut is_escaped = false;
    for (at, letter) in text.char_indices() {
        if letter == quote && !is_escaped {
            return at + 1;
        }
        is_escaped = letter == '\\' && !is_escaped;
    }
    text.len()
}

/// Whether a quote opens a character, not a lifetime.
fn is_character(text: &str) -> bool {
    let mut letters = text.chars().skip(1);
    letters.next() == Some('\\') || letters.next() == Some('\'')
}

/// The identifiers and keywords of a code.
pub fn words(code: &str) -> impl Iterator<Item = &str> {
    code.split(|letter: char| !letter.is_alphanumeric() && letter != '_')
}

/// Whether a code names a crate, or one of its family such as `serde_json` of `serde`: in a path,
/// an import, an attribute or `extern crate`.
pub fn names_crate(code: &str, name: &str) -> bool {
    let is_of_family = |rest: &str| rest.is_empty() || rest.starts_with('_');
    words(code).any(|word| word.strip_prefix(name).is_some_and(is_of_family))
}

/// The code of a file that is compiled without tests; nothing for a file of tests.
pub fn code_without_tests(path: &Path) -> String {
    let below = path.strip_prefix(root()).unwrap();
    let is_test = |part: &std::ffi::OsStr| {
        let name = part.to_string_lossy();
        ["tests", "mutations", "samples"].contains(&name.trim_end_matches(".rs"))
    };
    if below.iter().any(is_test) {
        return String::new();
    }
    let code = code(path);
    let end = code.find("#[cfg(test)]\nmod tests {");
    code[..end.unwrap_or(code.len())].to_owned()
}

/// The words that follow `prefix` in a text; of a group in braces, the first word of each member.
pub fn words_after<'t>(text: &'t str, prefix: &str) -> Vec<&'t str> {
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
fn a_crate_is_found_however_it_is_named() {
    for text in [
        "use axum as web;",
        "use {bytes::Bytes, axum};",
        "extern crate axum;",
        "let x = ::axum::Router::new();",
        "#[derive(axum ::Macro)]",
        "#[axum(rename)]",
        "use axum_server as x;",
        "let quote = '\"'; use axum; // \"",
        r##"let text = r#"a " b"#; use axum;"##,
        "fn f<'a>(x: &'a str) { axum() }",
    ] {
        assert!(names_crate(&bare(text), "axum"), "{text}");
    }
    for text in [
        "// axum",
        "let x = 1; // axum::x",
        "/* axum */",
        r#"let text = "axum \" axum";"#,
        r##"let text = r#"axum " axum"#;"##,
        r##"let text = br#"axum " axum"#;"##,
        "use relaxum::x; let axumx = 1;",
    ] {
        assert!(!names_crate(&bare(text), "axum"), "{text}: {}", bare(text));
    }
}
