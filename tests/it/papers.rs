//! The papers that comments cite: each is in `docs/` and has the sections that are named after it.
//!
//! Understood are `NAME.md`, `NAME.md section 5`, `sections 2.1 and 8`, `sections 1 to 5`,
//! `section 11, 4` (item 4 of that section) and `section 9, "words"` (words in that section). A
//! section without a paper belongs to the paper that the file's `//!` cites, if it cites one alone.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// Folders with files whose comments are read.
const FOLDERS: [&str; 5] = ["src", "tests", "benches", "docs", "fuzz/src"];

/// Single files whose comments are read.
const FILES: [&str; 5] =
    ["schema.sql", "README.md", "ARCHITECTURE.md", "examples/README.md", "fuzz/README.md"];

/// Folders below them that are left out: golden cases, packages of others, and papers that cite
/// files of the vendors.
const LEFT_OUT: [&str; 3] = ["tests/golden", "tests/sdk/node/node_modules", "docs/dialects"];

/// Documents at fixed places; all others are in `docs/` and `docs/dialects/`.
const ROOTED: [&str; 5] =
    ["README.md", "ARCHITECTURE.md", "benches/README.md", "examples/README.md", "fuzz/README.md"];

/// A paper's sections by their numbers, each with the text of its subsections.
struct Paper(BTreeMap<String, String>);

/// All papers, by every name that they may be cited by.
struct Papers(BTreeMap<String, Paper>);

/// Comment lines that follow each other, joined by spaces.
#[derive(Debug, PartialEq)]
struct Block {
    text: String,
    /// Where in the text each line begins, and the line's number.
    lines: Vec<(usize, usize)>,
    /// Whether this is the file's `//!`.
    is_front: bool,
}

/// What a comment names: a paper, sections of a paper, or sections alone.
#[derive(Debug, Default, PartialEq)]
struct Citation {
    at: usize,
    paper: Option<String>,
    sections: Vec<String>,
    /// Numbers of items in the one section.
    items: Vec<String>,
    /// Words that are in the one section.
    quotes: Vec<String>,
}

impl Paper {
    fn parse(text: &str) -> Self {
        let mut sections: BTreeMap<String, String> = BTreeMap::new();
        let mut open: Vec<(usize, String)> = Vec::new();
        let mut is_code = false;
        for line in text.lines() {
            is_code ^= line.starts_with("```");
            let level = line.bytes().take_while(|byte| *byte == b'#').count();
            if level > 0 && !is_code {
                open.retain(|(outer, _)| *outer < level);
                let mut title = Cursor { text: line[level..].trim_start(), at: 0 };
                if let Some(number) = title.number() {
                    sections.insert(number.clone(), String::new());
                    open.push((level, number));
                }
            }
            for (_, number) in &open {
                let section = sections.get_mut(number).unwrap();
                section.push_str(line);
                section.push('\n');
            }
        }
        Self(sections)
    }

    /// Whether a section has a row or an entry with this number.
    fn has_item(&self, section: &str, item: &str) -> bool {
        let forms = [format!("| {item} |"), format!("{item}. "), format!("- {item}. ")];
        let mut lines = self.0[section].lines();
        lines.any(|line| forms.iter().any(|form| line.trim_start().starts_with(form)))
    }

    /// Says what of a citation is not in this paper.
    fn lacks(&self, citation: &Citation) -> Option<String> {
        for section in &citation.sections {
            let Some(text) = self.0.get(section) else { return Some(format!("section {section}")) };
            if let Some(item) = citation.items.iter().find(|item| !self.has_item(section, item)) {
                return Some(format!("section {section}, {item}"));
            }
            if let Some(quote) = citation.quotes.iter().find(|quote| !text.contains(*quote)) {
                return Some(format!("section {section}, \"{quote}\""));
            }
        }
        None
    }
}

impl Papers {
    fn read(root: &Path) -> Self {
        let mut papers = BTreeMap::new();
        let mut add = |path: &str, names: &[&str]| {
            let text = fs::read_to_string(root.join(path)).unwrap();
            for name in names.iter().chain([&path]) {
                papers.insert((*name).to_owned(), Paper::parse(&text));
            }
        };
        ROOTED.iter().for_each(|path| add(path, &[]));
        for folder in ["docs", "docs/dialects"] {
            for entry in fs::read_dir(root.join(folder)).unwrap() {
                let name = entry.unwrap().file_name().into_string().unwrap();
                if name.ends_with(".md") {
                    let path = format!("{folder}/{name}");
                    add(&path, &[&name, path.trim_start_matches("docs/")]);
                }
            }
        }
        Self(papers)
    }

    /// Says what is wrong with the citations of one file, each with its line.
    fn check(&self, path: &str, text: &str) -> Vec<String> {
        let blocks = blocks(path, text);
        let mut front = BTreeSet::new();
        if let Some(name) = path.strip_prefix("docs/") {
            front.insert(name.to_owned());
        }
        for block in blocks.iter().filter(|block| block.is_front) {
            let named = citations(&block.text).into_iter().filter_map(|citation| citation.paper);
            front.extend(named.filter(|name| !ROOTED.contains(&&**name)));
        }
        let own = if front.len() == 1 { front.first() } else { None };
        let mut wrong = Vec::new();
        for block in &blocks {
            for citation in citations(&block.text) {
                let name = citation.paper.as_ref().or(own);
                let fault = match name.map(|name| (name, self.0.get(name))) {
                    None => Some(format!("section {}: of which paper?", citation.sections[0])),
                    Some((name, None)) => Some(format!("{name}: no such paper")),
                    Some((name, Some(paper))) => {
                        paper.lacks(&citation).map(|lack| format!("{name} has no {lack}"))
                    }
                };
                let line = block.line(citation.at);
                wrong.extend(fault.map(|fault| format!("{path}:{line}: {fault}")));
            }
        }
        wrong
    }
}

impl Block {
    fn line(&self, at: usize) -> usize {
        let begun = self.lines.iter().take_while(|(start, _)| *start <= at);
        begun.last().map_or(0, |(_, line)| *line)
    }
}

/// Splits a file into its comments; a Markdown file is comment from its first line to its last.
fn blocks(path: &str, text: &str) -> Vec<Block> {
    let marks: &[&str] = match path.rsplit_once('.').map(|(_, ending)| ending) {
        Some("rs") => &["//!", "///", "//"],
        Some("js" | "mjs" | "cjs") => &["//"],
        Some("sql") => &["--"],
        Some("py" | "txt" | "toml") => &["#"],
        Some("md") => &[""],
        _ => return Vec::new(),
    };
    let mut blocks: Vec<Block> = Vec::new();
    // The mark and the number of the whole-line comment that the next line may continue.
    let mut last = ("none", 0);
    let mut in_docstring = false;
    for (index, line) in text.lines().enumerate() {
        let (line, number) = (line.trim(), index + 1);
        let fences = if path.ends_with(".py") { line.matches("\"\"\"").count() } else { 0 };
        let found = if in_docstring || fences > 0 {
            in_docstring ^= fences % 2 == 1;
            Some((0, "\"\"\""))
        } else {
            comment(line, marks)
        };
        let Some((start, mark)) = found else { continue };
        let words = &line[start..];
        let words = words.strip_prefix(mark).unwrap_or(words).trim();
        let is_whole = start == 0 && !words.is_empty();
        match blocks.last_mut() {
            Some(block) if is_whole && last == (mark, number - 1) => {
                block.text.push(' ');
                block.lines.push((block.text.len(), number));
                block.text.push_str(words);
            }
            _ => blocks.push(Block {
                text: words.to_owned(),
                lines: vec![(0, number)],
                is_front: mark == "//!",
            }),
        }
        last = if is_whole { (mark, number) } else { ("none", number) };
    }
    blocks
}

/// Where a line's comment begins, and its mark: at its start, or behind code and a space, not in a
/// text.
fn comment<'m>(line: &str, marks: &[&'m str]) -> Option<(usize, &'m str)> {
    if let Some(mark) = marks.iter().find(|mark| line.starts_with(**mark)) {
        return Some((0, mark));
    }
    let mark = marks.last()?;
    let is_outside = |at: usize| line[..at].matches('"').count().is_multiple_of(2);
    let mut places = line.match_indices(*mark).map(|(at, _)| at);
    places.find(|at| line[..*at].ends_with(' ') && is_outside(*at)).map(|at| (at, *mark))
}

/// Finds the papers and the sections that a text names.
fn citations(text: &str) -> Vec<Citation> {
    let is_name = |letter: char| letter.is_ascii_alphanumeric() || "_-/.".contains(letter);
    let (mut found, mut taken) = (Vec::new(), BTreeSet::new());
    for (at, ending) in text.match_indices(".md") {
        let start = text[..at].trim_end_matches(is_name).len();
        let end = at + ending.len();
        if start == at || text[end..].starts_with(|letter: char| letter.is_alphanumeric()) {
            continue;
        }
        let mut cursor = Cursor { text, at: end };
        cursor.skip(&["`'s", "`", "'s"]);
        cursor.skip(&[", ", " (", " "]);
        taken.insert(cursor.at);
        let paper = Some(text[start..end].to_owned());
        let named = cursor.sections().unwrap_or_default();
        found.push(Citation { at: start, paper, ..named });
    }
    let lower = text.to_ascii_lowercase();
    for (at, _) in lower.match_indices("section") {
        let is_word = !text[..at].ends_with(|letter: char| letter.is_alphanumeric());
        if is_word && !taken.contains(&at) && !is_of_a_standard(&text[..at]) {
            found.extend(Cursor { text, at }.sections());
        }
    }
    found
}

/// Whether the last word in front of a section is the number or the file of a foreign document, as
/// in "RFC 9110 section 13".
fn is_of_a_standard(before: &str) -> bool {
    let word = before.trim_end().rsplit(' ').next().unwrap_or_default();
    word.ends_with(|letter: char| letter.is_ascii_digit()) || word.ends_with(".TXT")
}

/// A place in a text from which a citation is read.
struct Cursor<'t> {
    text: &'t str,
    at: usize,
}

impl Cursor<'_> {
    /// Passes over the first of these that is next.
    fn skip(&mut self, words: &[&str]) -> bool {
        let next = words.iter().find(|word| self.text[self.at..].starts_with(**word));
        self.at += next.map_or(0, |word| word.len());
        next.is_some()
    }

    /// Reads `separators`, one of them, and what `read` finds behind it; else stays.
    fn after<T>(
        &mut self,
        separators: &[&str],
        read: impl FnOnce(&mut Self) -> Option<T>,
    ) -> Option<T> {
        let start = self.at;
        let found = self.skip(separators).then(|| read(self)).flatten();
        if found.is_none() {
            self.at = start;
        }
        found
    }

    /// Reads a number such as `5` or `2.1`.
    fn number(&mut self) -> Option<String> {
        let rest = &self.text[self.at..];
        let end = rest.find(|letter: char| letter != '.' && !letter.is_ascii_digit());
        let number = rest[..end.unwrap_or(rest.len())].trim_end_matches('.');
        self.at += number.len();
        number.starts_with(|letter: char| letter.is_ascii_digit()).then(|| number.to_owned())
    }

    /// Reads words in quotes.
    fn quote(&mut self) -> Option<String> {
        let (quote, _) = self.text[self.at..].strip_prefix('"')?.split_once('"')?;
        self.at += quote.len() + 2;
        Some(quote.to_owned())
    }

    /// Reads "section" or "sections" with what is named behind it.
    fn sections(&mut self) -> Option<Citation> {
        let mut found = Citation { at: self.at, ..Citation::default() };
        let is_one = self.skip(&["section ", "Section "]);
        if !is_one && !self.skip(&["sections ", "Sections "]) {
            return None;
        }
        found.sections.push(self.number()?);
        if is_one {
            while let Some(item) = self.after(&[", ", " and "], Self::number) {
                found.items.push(item);
            }
            while let Some(quote) = self.after(&[", ", " and "], Self::quote) {
                found.quotes.push(quote);
            }
            return Some(found);
        }
        loop {
            if let Some(last) = self.after(&[" to "], Self::number) {
                found.sections.extend(between(found.sections.last()?, &last));
                found.sections.push(last);
            } else {
                let Some(next) = self.after(&[", and ", ", ", " and "], Self::number) else {
                    break;
                };
                found.sections.push(next);
            }
        }
        Some(found)
    }
}

/// The sections between two of the same level: 2 and 3 between 1 and 4, 2.3 between 2.2 and 2.4.
fn between(first: &str, last: &str) -> Vec<String> {
    let split = |number: &str| {
        let at = number.rfind('.').map_or(0, |dot| dot + 1);
        (number[..at].to_owned(), number[at..].parse::<u32>().unwrap())
    };
    let ((chapter, from), (_, to)) = (split(first), split(last));
    (from + 1..to).map(|number| format!("{chapter}{number}")).collect()
}

/// All files below a folder, as paths from the root.
fn files(root: &Path, folder: &str, found: &mut Vec<String>) {
    for entry in fs::read_dir(root.join(folder)).unwrap() {
        let entry = entry.unwrap();
        let path = format!("{folder}/{}", entry.file_name().to_string_lossy());
        if !entry.file_type().unwrap().is_dir() {
            found.push(path);
        } else if !LEFT_OUT.contains(&&*path) {
            files(root, &path, found);
        }
    }
}

#[test]
fn comments_cite_papers_and_sections_that_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let papers = Papers::read(root);
    let mut paths: Vec<String> = FILES.map(str::to_owned).into();
    FOLDERS.iter().for_each(|folder| files(root, folder, &mut paths));
    paths.retain(|path| path != "tests/it/papers.rs");
    paths.sort();
    // A file that is no text has no comments.
    let text = |path: &String| fs::read_to_string(root.join(path)).unwrap_or_default();
    let wrong: Vec<_> = paths.iter().flat_map(|path| papers.check(path, &text(path))).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    let comments = paths.iter().flat_map(|path| blocks(path, &text(path)));
    let cited: usize = comments.map(|comment| citations(&comment.text).len()).sum();
    assert!(cited > 100, "only {cited} citations were found");
}

/// Papers of a test: `cloud.md` with a few sections, and `other.md` without any.
fn sample() -> Papers {
    let cloud = "# Cloud\n## 0. Rules\n1. One\n2. Two\n```\n# 7 no heading\n```\n## 8. Errors\n\
                 ### 8.1 Gateway errors\n| 3 | three |\n### 8.2 Rest\n## 9. Last\n";
    let papers = [("cloud.md", cloud), ("other.md", "# Other\nsection 1\n")];
    Papers(papers.map(|(name, text)| (name.to_owned(), Paper::parse(text))).into())
}

#[test]
fn good_citations_pass() {
    for comment in [
        "//! Refusals (cloud.md sections 0 and 8.2), as in `other.md`; see cloud.md.",
        "/// cloud.md sections 8 to 9, and cloud.md sections 8.1 to 8.2.",
        "// Wraps (cloud.md\n// section 8.1), twice: cloud.md section\n// 9.",
        "// Items: cloud.md section 0, 2, cloud.md section 8, 3 and `cloud.md` section 8.1, 3.",
        "// cloud.md section 8, \"Gateway errors\" and \"three\"; cloud.md section 9, the last one.",
        "// As RFC 9110 section 13, XML 1.0 section 2.2 and APPNOTE.TXT sections 4.3.7, 4.3.12 say.",
        "//! One paper: cloud.md.\nfn x() {} // Section 8.1, \"three\"",
        "let text = \"no.md section 9\"; // a text is no comment",
    ] {
        assert_eq!(sample().check("src/a.rs", comment), [""; 0], "{comment}");
    }
}

#[test]
fn bad_citations_are_reported_with_their_line() {
    let bad = [
        ("// a\n// cloud.md section 5.", "2: cloud.md has no section 5"),
        ("// a\n\n// see (cloud.md\n// section 7).", "3: cloud.md has no section 7"),
        ("// cloud.md sections 0, 8 and 8.3", "1: cloud.md has no section 8.3"),
        ("// cloud.md sections 8.1 to 8.4", "1: cloud.md has no section 8.3"),
        ("// cloud.md section 0, 4", "1: cloud.md has no section 0, 4"),
        ("// cloud.md section 9, \"three\"", "1: cloud.md has no section 9, \"three\""),
        ("let a = \"x\"; // old.md", "1: old.md: no such paper"),
        ("// docs/cloud.md", "1: docs/cloud.md: no such paper"),
        ("// other.md section 1", "1: other.md has no section 1"),
        ("//! cloud.md\n\n/// Section 6", "3: cloud.md has no section 6"),
        ("//! cloud.md, other.md\n\n/// Section 9", "3: section 9: of which paper?"),
    ];
    for (comment, report) in bad {
        assert_eq!(sample().check("a.rs", comment), [format!("a.rs:{report}")], "{comment}");
    }
}

#[test]
fn every_kind_of_file_has_its_comments() {
    for (path, text) in [
        ("a.sql", "CREATE TABLE a ( -- old.md"),
        ("a.js", "x(); // old.md"),
        ("a.py", "x = 1  # old.md"),
        ("a.py", "\"\"\"Old: old.md.\"\"\""),
        ("a.py", "\"\"\"\nold.md\n\"\"\""),
        ("a.md", "[old](old.md)"),
        ("docs/cloud.md", "see section 11"),
    ] {
        assert_eq!(sample().check(path, text).len(), 1, "{path}: {text}");
    }
    let after = "\"\"\"\nIt ends.\n\"\"\"\nold.md";
    assert_eq!(sample().check("a.py", after), [""; 0]);
}
