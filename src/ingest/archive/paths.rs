//! Rules for the names of an archive's entries, each alone and all together.
//!
//! Pure rules about text; must not know zip. Together they guarantee that unpacking the archive
//! with any tool, in any order, writes only inside the target folder: links may lead anywhere, so
//! that nothing may be beneath one.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::LazyLock;

/// The longest path that Linux accepts.
const PATH_MAX: usize = 4096;

/// The upper half of the old DOS code page, in which some readers take names without a mark.
const CODE_PAGE: &str = "ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫\
                         ╪┘┌█▄▌▐▀αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u{a0}";

/// Its characters, by their byte less 0x80.
static UPPER_HALF: LazyLock<Vec<char>> = LazyLock::new(|| CODE_PAGE.chars().collect());

/// The encoding of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    /// The archive says that it is UTF-8.
    Utf8,
    /// The archive says nothing, and the bytes are UTF-8.
    Unmarked,
    /// Another one: the packer's own code page.
    Local,
}

/// One reading of an entry's name.
#[derive(Clone, Copy, Debug)]
pub(super) struct Name<'a> {
    bytes: &'a [u8],
    encoding: Encoding,
}

impl<'a> Name<'a> {
    /// Takes a name with or without the mark of UTF-8; `None` if the mark is wrong.
    pub(super) fn new(bytes: &'a [u8], is_marked: bool) -> Option<Self> {
        let encoding = match (is_marked, std::str::from_utf8(bytes).is_ok()) {
            (true, false) => return None,
            (true, true) => Encoding::Utf8,
            (false, true) => Encoding::Unmarked,
            (false, false) => Encoding::Local,
        };
        Some(Self { bytes, encoding })
    }

    /// Checks the name alone; the returned reason continues the text "entry …:".
    pub(super) fn check(&self) -> Result<(), &'static str> {
        let bytes = self.bytes;
        if bytes.len() > PATH_MAX {
            return Err("is longer than 4096 bytes");
        }
        if bytes.contains(&0) {
            return Err("holds a NUL");
        }
        let text = std::str::from_utf8(bytes).unwrap_or_default();
        if bytes.iter().any(u8::is_ascii_control) || text.contains(char::is_control) {
            return Err("holds a control character");
        }
        if matches!(bytes.first(), Some(b'/' | b'\\')) {
            return Err("is an absolute path");
        }
        if self.has_drive() {
            return Err("begins with a drive letter");
        }
        // Some readers take every backslash for a separator, also half of a character.
        let mut apart = bytes.split(|byte| is_separator(*byte));
        if apart.any(|component| component == b"..") {
            return Err("leads upwards with '..'");
        }
        // "./" alone is the target folder itself.
        if self.components().next().is_none() && bytes != b"./" {
            return Err("has no name");
        }
        Ok(())
    }

    /// Counts the components of the path: its folders and its name.
    pub(super) fn depth(&self) -> u64 {
        self.components().count() as u64
    }

    /// Whether the path contains `~/`, which a shell takes for a home folder.
    pub(super) fn has_tilde(&self) -> bool {
        self.bytes.windows(2).any(|pair| pair == b"~/")
    }

    /// Whether the name is that of a folder.
    pub(super) fn is_folder(&self) -> bool {
        self.bytes.ends_with(b"/") || self.ends_with_backslash()
    }

    /// Whether the name ends with a backslash, which only some readers take for a folder's.
    fn ends_with_backslash(&self) -> bool {
        let mut rest = self.bytes;
        while let Some(after) = rest.get(component_len(rest, self.encoding)..) {
            match after {
                [] => return false,
                [separator] => return *separator == b'\\',
                [_, next @ ..] => rest = next,
            }
        }
        false
    }

    /// Returns the name as readers take it that know no characters of two bytes, where it differs:
    /// they split it at each backslash.
    fn split_everywhere(&self) -> Option<Self> {
        let may_differ = self.encoding == Encoding::Local && self.bytes.contains(&b'\\');
        may_differ.then_some(Self { encoding: Encoding::Unmarked, ..*self })
    }

    fn has_drive(&self) -> bool {
        let first = self.components().next().unwrap_or_default();
        first.len() >= 2 && first[0].is_ascii_alphabetic() && first[1] == b':'
    }

    /// Returns the components; "a//b", "./a/b", "a/b/" and "a\b" are all the path "a/b".
    fn components(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let (mut rest, encoding) = (self.bytes, self.encoding);
        std::iter::from_fn(move || {
            while !rest.is_empty() {
                let (component, after) = rest.split_at(component_len(rest, encoding));
                rest = after.get(1..).unwrap_or_default();
                if !matches!(component, b"" | b".") {
                    return Some(component);
                }
            }
            None
        })
    }
}

/// Returns the length of the first component, up to a separator.
///
/// In Shift-JIS, Big5 and GBK the second byte of a character can be that of a backslash.
fn component_len(path: &[u8], encoding: Encoding) -> usize {
    let mut at = 0;
    while let Some(byte) = path.get(at).filter(|byte| !is_separator(**byte)) {
        let is_pair = encoding == Encoding::Local
            && matches!(byte, 0x81..=0xFE)
            && matches!(path.get(at + 1), Some(0x40..=0x7E | 0x80..=0xFE));
        at += if is_pair { 2 } else { 1 };
    }
    at
}

fn is_separator(byte: u8) -> bool {
    matches!(byte, b'/' | b'\\')
}

/// Checks the target of a symbolic link: it may lead anywhere, since nothing may be beneath a link.
pub(super) fn check_target(target: &[u8]) -> Result<(), &'static str> {
    if target.is_empty() {
        return Err("is a link without a target");
    }
    if target.contains(&0) {
        return Err("is a link with a NUL in its target");
    }
    Ok(())
}

/// The kind of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    /// Other paths may be beneath it.
    Folder,
    /// No path may be beneath it.
    File,
    /// No path may be beneath it.
    Link,
}

/// What an entry's path stands for; a path may be there twice with the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Meaning {
    pub(super) kind: Kind,
    pub(super) size: u64,
    pub(super) crc: u32,
}

/// The paths of one archive, as keyed hashes: a million long names would not fit a small machine.
///
/// The key is random and secret, so a client cannot construct a collision. By chance, two of
/// 250,000 paths collide once in 500 million archives.
pub(super) struct Paths {
    seed: RandomState,
    known: Vec<Known>,
}

/// Bits of [`Known::meaning`]: other paths may be beneath it; the path is not compared with others.
const IS_FOLDER: u64 = 1;
const IS_ALIAS: u64 = 1 << 63;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Known {
    path: u64,
    /// A hash of the meaning, and the two bits.
    meaning: u64,
    /// Position of the entry, counted from 1.
    number: u64,
}

impl Paths {
    pub(super) fn new(seed: RandomState, expected: usize) -> Self {
        Self { seed, known: Vec::with_capacity(expected) }
    }

    /// Adds the name of entry `number`.
    pub(super) fn add(&mut self, name: &Name<'_>, meaning: Meaning, number: u64) {
        let hash = match meaning.kind {
            // Readers ignore what a folder contains.
            Kind::Folder => IS_FOLDER,
            Kind::File | Kind::Link => self.seed.hash_one(meaning) & !IS_FOLDER & !IS_ALIAS,
        };
        self.push(name, hash, number);
        if let Some(name) = name.split_everywhere().filter(|_| meaning.kind == Kind::Link) {
            self.push(&name, IS_ALIAS, number);
        }
    }

    /// Adds a name of entry `number` for readers that do not know its Unicode name. Several entries
    /// may have it: packers put the same character for all that their code page does not have.
    pub(super) fn add_alias(&mut self, name: &Name<'_>, kind: Kind, number: u64) {
        let hash = if kind == Kind::Folder { IS_FOLDER } else { 0 };
        self.push(name, hash | IS_ALIAS, number);
    }

    fn push(&mut self, name: &Name<'_>, meaning: u64, number: u64) {
        for mut spelling in spellings(name) {
            let mut hasher = self.seed.build_hasher();
            name.components().for_each(|component| spelling.write(&mut hasher, component));
            self.known.push(Known { path: hasher.finish(), meaning, number });
        }
    }

    /// Ends the additions; fails with the positions of two entries that have the same path and
    /// different meanings.
    pub(super) fn seal(&mut self) -> Result<(), (u64, u64)> {
        self.known.sort_unstable();
        let pairs = self.known.windows(2);
        let conflicts = pairs.filter(|pair| {
            let [one, other] = [pair[0], pair[1]];
            // Aliases are the last ones of their path.
            one.path == other.path && one.meaning != other.meaning && other.meaning & IS_ALIAS == 0
        });
        let numbers = conflicts.map(|pair| (pair[0].number, pair[1].number));
        let ordered = numbers.map(|(one, other)| (one.min(other), one.max(other)));
        if let Some(positions) = ordered.min_by_key(|(first, second)| (*second, *first)) {
            return Err(positions);
        }
        self.known.dedup_by_key(|known| (known.path, known.meaning));
        Ok(())
    }

    /// Whether a parent of this path is a file or a link in the archive; for sealed paths.
    pub(super) fn is_beneath_leaf(&self, name: &Name<'_>) -> bool {
        let mut readings = [*name].into_iter().chain(name.split_everywhere());
        readings.any(|name| self.is_read_beneath_leaf(&name))
    }

    fn is_read_beneath_leaf(&self, name: &Name<'_>) -> bool {
        spellings(name).any(|mut spelling| {
            let mut hasher = self.seed.build_hasher();
            let mut above = name.components().peekable();
            while let Some(component) = above.next() {
                spelling.write(&mut hasher, component);
                if above.peek().is_some() && self.is_leaf(hasher.finish()) {
                    return true;
                }
            }
            false
        })
    }

    fn is_leaf(&self, path: u64) -> bool {
        let at = self.known.partition_point(|known| known.path < path);
        self.known[at..]
            .iter()
            .take_while(|known| known.path == path)
            .any(|known| known.meaning & IS_FOLDER == 0)
    }
}

/// Returns how readers may spell a name: by its bytes and, without a mark, in the DOS code page.
fn spellings(name: &Name<'_>) -> impl Iterator<Item = Spelling> + use<> {
    let is_ambiguous = name.encoding != Encoding::Utf8 && !name.bytes.is_ascii();
    let in_code_page = is_ambiguous.then(|| Spelling::CodePage(String::new()));
    [Spelling::Bytes].into_iter().chain(in_code_page)
}

/// One spelling of a name, for its hash.
enum Spelling {
    Bytes,
    /// In the DOS code page; with room for a component's text.
    CodePage(String),
}

impl Spelling {
    fn write(&mut self, hasher: &mut impl Hasher, component: &[u8]) {
        match self {
            Self::Bytes => hasher.write(component),
            Self::CodePage(text) => {
                text.clear();
                text.extend(component.iter().map(|byte| match byte.checked_sub(0x80) {
                    Some(at) => UPPER_HALF[usize::from(at)],
                    None => char::from(*byte),
                }));
                hasher.write(text.as_bytes());
            }
        }
        hasher.write_u8(b'/');
    }
}
