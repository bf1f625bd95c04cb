//! Writes JSON objects member by member into the answer, without intermediate values.
//!
//! The output is that of serde_json, which writes every text that needs escapes.

use serde::Serialize;

/// An object while it is written; [`JsonObject::end`] completes it.
pub(super) struct JsonObject<'o> {
    out: &'o mut Vec<u8>,
    is_empty: bool,
}

impl<'o> JsonObject<'o> {
    /// Begins an object at the end of `out`.
    pub(super) fn begin(out: &'o mut Vec<u8>) -> Self {
        out.push(b'{');
        Self { out, is_empty: true }
    }

    /// Adds a text.
    #[inline]
    pub(super) fn text(&mut self, key: &str, text: &str) {
        self.joined(key, &[text]);
    }

    /// Adds one text, the concatenation of `parts`.
    #[inline]
    pub(super) fn joined(&mut self, key: &str, parts: &[&str]) {
        self.key(key);
        if parts.iter().all(|part| is_plain(part)) {
            self.quoted(|out| parts.iter().for_each(|part| out.extend_from_slice(part.as_bytes())));
        } else {
            write(self.out, &parts.concat());
        }
    }

    /// Adds a text through `write`, which must write only characters that need no escape.
    pub(super) fn plain(&mut self, key: &str, write: impl FnOnce(&mut Vec<u8>)) {
        self.key(key);
        self.quoted(write);
    }

    /// Adds a number.
    pub(super) fn number(&mut self, key: &str, number: u64) {
        self.key(key);
        write(self.out, &number);
    }

    /// Adds a number as a text of its digits.
    pub(super) fn digits(&mut self, key: &str, number: u64) {
        self.plain(key, |out| write(out, &number));
    }

    /// Adds a value that is JSON already.
    #[inline]
    pub(super) fn json(&mut self, key: &str, value: &str) {
        self.key(key);
        self.out.extend_from_slice(value.as_bytes());
    }

    /// Adds an object, which must be ended before the next member.
    pub(super) fn object(&mut self, key: &str) -> JsonObject<'_> {
        self.key(key);
        JsonObject::begin(self.out)
    }

    /// Adds an array, which must be ended before the next member.
    pub(super) fn array(&mut self, key: &str) -> JsonArray<'_> {
        self.json(key, "[");
        JsonArray { out: self.out, is_empty: true }
    }

    /// Adds a value that serde renders.
    ///
    /// Cannot fail when its map keys are texts and its numbers finite.
    pub(super) fn value(&mut self, key: &str, value: &impl Serialize) {
        self.key(key);
        write(self.out, value);
    }

    /// Adds an array, and returns the position for rows that are written later.
    pub(super) fn rows(&mut self, key: &str) -> RowsAt {
        self.json(key, "[]");
        RowsAt(self.out.len() - 1)
    }

    /// Completes the object.
    pub(super) fn end(self) {
        self.out.push(b'}');
    }

    fn quoted(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        self.out.push(b'"');
        write(self.out);
        self.out.push(b'"');
    }

    /// Writes a key, which needs no escape. Inlined, so that the compiler knows its length.
    #[inline]
    fn key(&mut self, key: &str) {
        let before: &[u8] = if self.is_empty { b"\"" } else { b",\"" };
        self.is_empty = false;
        self.out.extend_from_slice(before);
        self.out.extend_from_slice(key.as_bytes());
        self.out.extend_from_slice(b"\":");
    }
}

/// The position of an array's rows in the answer, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RowsAt(pub(super) usize);

/// An array of objects while it is written; [`JsonArray::end`] completes it.
pub(super) struct JsonArray<'o> {
    out: &'o mut Vec<u8>,
    is_empty: bool,
}

impl JsonArray<'_> {
    /// Adds an object, which must be ended before the next one.
    pub(super) fn object(&mut self) -> JsonObject<'_> {
        if !std::mem::replace(&mut self.is_empty, false) {
            self.out.push(b',');
        }
        JsonObject::begin(self.out)
    }

    /// Completes the array.
    pub(super) fn end(self) {
        self.out.push(b']');
    }
}

/// Whether the text needs no escape in JSON.
fn is_plain(text: &str) -> bool {
    // A look at every byte is faster than a stop at the first that must be escaped.
    let must_escape = |byte: u8| byte < b' ' || byte == b'"' || byte == b'\\';
    !text.bytes().fold(false, |found, byte| found | must_escape(byte))
}

/// Writes a text or a number; cannot fail.
fn write(out: &mut Vec<u8>, value: &(impl Serialize + ?Sized)) {
    let _ = serde_json::to_writer(out, value);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_are_what_serde_writes() {
        let odd = "a\"b\\c\n\u{1}\u{7f}层/";
        let mut text = Vec::new();
        let mut list = JsonObject::begin(&mut text);
        let mut items = list.array("items");
        for name in ["plain", odd, ""] {
            let mut item = items.object();
            item.text("name", name);
            item.number("size", u64::MAX);
            item.digits("crc64", 7);
            item.joined("name twice", &[name, name]);
            item.json("list", "[1]");
            item.object("code").end();
            item.end();
        }
        items.end();
        list.array("none").end();
        list.end();
        let item = |name: &str| {
            let text = |text: &str| serde_json::to_string(text).unwrap();
            let (name, twice, size) = (text(name), text(&name.repeat(2)), u64::MAX);
            let start =
                format!(r#"{{"name":{name},"size":{size},"crc64":"7","name twice":{twice}"#);
            start + r#","list":[1],"code":{}}"#
        };
        let items = [item("plain"), item(odd), item("")].join(",");
        let expected = format!(r#"{{"items":[{items}],"none":[]}}"#);
        assert_eq!(String::from_utf8(text).unwrap(), expected);
    }
}
