//! Rules for the names of an archive's entries, each alone and all together.
//!
//! Pure rules about text; must not know zip. Together they guarantee that unpacking the archive
//! with any tool, in any order, writes only inside the target folder.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{BuildHasher, Hasher, RandomState};

/// The longest path that Linux accepts.
const PATH_MAX: usize = 4096;

/// Checks one entry's name; the returned reason continues the text "entry …:".
///
/// `control` says whether the stored bytes contain a control character.
pub(super) fn check(name: &str, control: bool) -> Result<(), &'static str> {
    if name.len() > PATH_MAX {
        return Err("is longer than 4096 bytes");
    }
    if name.contains('\0') {
        return Err("holds a NUL");
    }
    if control || name.contains(char::is_control) {
        return Err("holds a control character");
    }
    if name.contains('\\') {
        return Err("holds a backslash");
    }
    if name.starts_with('/') {
        return Err("is an absolute path");
    }
    if has_drive(name) {
        return Err("begins with a drive letter");
    }
    if components(name).any(|component| component == "..") {
        return Err("leads upwards with '..'");
    }
    // "./" alone is the target folder itself.
    if components(name).next().is_none() && name != "./" {
        return Err("has no name");
    }
    Ok(())
}

/// Counts the components of a path: its folders and its name.
pub(super) fn depth(name: &str) -> u64 {
    components(name).count() as u64
}

/// Checks the target of the symbolic link `name`.
///
/// A target may begin with as many `..` as the link has folders. A `..` after another component is
/// refused: that component may be a link itself, so the text does not show where the path leads.
pub(super) fn check_target(name: &str, target: &[u8]) -> Result<(), &'static str> {
    let Ok(target) = std::str::from_utf8(target) else {
        return Err("is a link whose target is not UTF-8");
    };
    if target.is_empty() || target.contains(char::is_control) || target.contains('\\') {
        return Err("is a link whose target is not a portable path");
    }
    if target.starts_with('/') || has_drive(target) {
        return Err("is a link to an absolute path");
    }
    let folders = components(name).count().saturating_sub(1);
    let upwards = components(target).take_while(|component| *component == "..").count();
    if upwards > folders {
        return Err("is a link that leaves the archive");
    }
    if components(target).skip(upwards).any(|component| component == "..") {
        return Err("is a link with '..' inside its target");
    }
    Ok(())
}

/// The kind of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Known {
    /// Other paths may be beneath it.
    Folder,
    /// A file or a link: no path may be beneath it.
    Leaf,
}

/// The paths of one archive, as keyed hashes: 30,000 long names would not fit a small machine.
///
/// The key is random and secret, so a client cannot construct a collision. By chance, two of 30,000
/// paths collide once in 40 billion archives.
pub(super) struct Paths {
    seed: RandomState,
    known: HashMap<u64, Known>,
}

impl Paths {
    pub(super) fn new(seed: RandomState, expected: usize) -> Self {
        Self { seed, known: HashMap::with_capacity(expected) }
    }

    /// Inserts a path; returns `false` if it is present already, as a folder or as a file.
    pub(super) fn insert(&mut self, name: &str, what: Known) -> bool {
        let mut hasher = self.seed.build_hasher();
        components(name).for_each(|component| write(&mut hasher, component));
        match self.known.entry(hasher.finish()) {
            Entry::Occupied(_) => false,
            Entry::Vacant(free) => {
                free.insert(what);
                true
            }
        }
    }

    /// Whether a parent of this path is a file or a link in the archive.
    pub(super) fn is_beneath_leaf(&self, name: &str) -> bool {
        let mut hasher = self.seed.build_hasher();
        let mut above = components(name).peekable();
        while let Some(component) = above.next() {
            write(&mut hasher, component);
            let is_above = above.peek().is_some();
            if is_above && self.known.get(&hasher.finish()) == Some(&Known::Leaf) {
                return true;
            }
        }
        false
    }
}

fn write(hasher: &mut impl Hasher, component: &str) {
    hasher.write(component.as_bytes());
    hasher.write_u8(b'/');
}

/// Returns a path's components; "a//b", "./a/b" and "a/b/" are all the path "a/b".
fn components(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter(|component| !matches!(*component, "" | "."))
}

fn has_drive(path: &str) -> bool {
    let first = components(path).next().unwrap_or_default().as_bytes();
    first.len() >= 2 && first[0].is_ascii_alphabetic() && first[1] == b':'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_pass() {
        for name in [
            "a",
            "a/b/c.py",
            "a/b/",
            "./",
            "./a",
            "a//b",
            ".hidden",
            "..a",
            "a..",
            "...",
            "a b",
            "naïve/日本.txt",
            "ab:c",
            "1:2",
            "-rf",
            "~/x",
            "A",
        ] {
            assert_eq!(check(name, false), Ok(()), "{name}");
        }
    }

    #[test]
    fn names_that_are_refused() {
        for (name, word) in [
            ("", "no name"),
            (".", "no name"),
            ("././", "no name"),
            ("/", "absolute"),
            ("/etc/passwd", "absolute"),
            ("//server/share", "absolute"),
            ("..", "upwards"),
            ("../a", "upwards"),
            ("a/../../b", "upwards"),
            ("a/..", "upwards"),
            ("..\\a", "backslash"),
            ("a\\b", "backslash"),
            ("\\\\server\\x", "backslash"),
            ("C:/x", "drive"),
            ("c:x", "drive"),
            ("./C:/x", "drive"),
            ("a\0.py", "NUL"),
            ("a\nb", "control"),
            ("a\u{1b}[2J", "control"),
            ("a\u{85}", "control"),
            ("a\u{7f}", "control"),
        ] {
            let reason = check(name, false).expect_err(name);
            assert!(reason.contains(word), "{name:?} {reason}");
        }
        assert!(check(&"a/".repeat(2049), false).is_err());
        assert!(check("x", true).is_err());
    }

    #[test]
    fn links_stay_inside() {
        for (name, target) in [
            ("lib.so", "lib.so.1"),
            ("a/b/link", "../../c"),
            ("a/link", "../a/x"),
            ("l", "."),
            ("node_modules/.bin/tsc", "../typescript/bin/tsc"),
            ("./a/l", "./../b"),
            ("l", "..a"),
        ] {
            assert_eq!(check_target(name, target.as_bytes()), Ok(()), "{name} -> {target}");
        }
        for (name, target) in [
            ("l", ".."),
            ("l", "../x"),
            ("a/l", "../../x"),
            ("l", "/etc"),
            ("l", "C:/x"),
            ("l", ""),
            ("l", "a/../.."),
            ("a/l", "b/../c"),
            ("l", "..\\x"),
            ("l", "a\0"),
            ("./l", ".././x"),
            ("a/../l", "../../.."),
        ] {
            assert!(check_target(name, target.as_bytes()).is_err(), "{name} -> {target}");
        }
        assert!(check_target("l", &[0xFF]).is_err());
    }

    #[test]
    fn two_spellings_of_one_path_are_duplicates() {
        let mut paths = Paths::new(RandomState::new(), 0);
        assert!(paths.insert("a/b", Known::Leaf));
        for again in ["a/b", "a/b/", "./a//b", "a/./b"] {
            assert!(!paths.insert(again, Known::Folder), "{again}");
        }
        for other in ["a", "ab", "A/b", "a/b/c", "b"] {
            assert!(paths.insert(other, Known::Folder), "{other}");
        }
        assert!(paths.is_beneath_leaf("a/b/c") && paths.is_beneath_leaf("./a/b/c/d/"));
        assert!(!paths.is_beneath_leaf("a/b") && !paths.is_beneath_leaf("a/c"));
    }
}
