//! The entries of an archive's directory, read one after the other.
//!
//! Knows the form of an entry and refuses one that is malformed. The rules about names, kinds and
//! contents are [`super`]'s.

use std::io::{Read, Seek};

use super::end::{Directory, Fields};
use super::window::Window;
use super::{about, not_zip};
use crate::domain::{ArchiveProblem, CatalogError};

/// Length of the fixed part of an entry, which precedes its name.
const FIXED: usize = 46;
/// First bytes of an entry.
pub(super) const MARK: &[u8; 4] = b"PK\x01\x02";

/// Tag of the extra field with 64-bit sizes.
pub(super) const WIDE_TAG: u16 = 1;

/// Tag of the extra field with the name in UTF-8.
pub(super) const UNICODE_TAG: u16 = 0x7075;

/// Tag of libarchive's extra field, which repeats attributes of the directory for a stream.
pub(super) const REPEAT_TAG: u16 = 0x6C78;

/// Value of a 32-bit field that refers to the extra field with 64-bit sizes.
pub(super) const REFER: u64 = 0xFFFF_FFFF;

/// Flag bits: encrypted, strongly encrypted, header masked.
pub(super) const ENCRYPTED: u16 = 1 | 1 << 6 | 1 << 13;
/// Flag bit: sizes and CRC-32 are in a data descriptor behind the data.
pub(super) const DESCRIBED: u16 = 1 << 3;
/// Flag bit: the data is a patch for another file.
pub(super) const PATCH: u16 = 1 << 5;
/// Flag bit: the name is UTF-8.
pub(super) const UTF8: u16 = 1 << 11;

/// The system Unix, and the DOS attribute of folders.
const UNIX: u8 = 3;
const DOS_FOLDER: u32 = 0x10;

/// Reasons of a refusal, for the directory and for local headers.
pub(super) const OTHER_ATTRIBUTES: &str = "has other attributes in an extra field of libarchive";
pub(super) const TWO_WIDE: &str = "has two fields of 64-bit sizes";

/// One entry as the directory describes it.
#[derive(Debug)]
pub(super) struct Central<'a> {
    /// Position in the directory, counted from 1.
    pub(super) number: u64,
    pub(super) name: &'a [u8],
    /// The name in the field of Unicode paths, if that field belongs to this name.
    pub(super) unicode: Option<&'a [u8]>,
    pub(super) comment: &'a [u8],
    pub(super) flags: u16,
    /// Version of the format that is needed to unpack it, in tenths.
    pub(super) needs: u8,
    pub(super) method: u16,
    pub(super) crc: u32,
    /// Bytes of its data in the archive.
    pub(super) packed: u64,
    /// Bytes of its content.
    pub(super) size: u64,
    /// The system whose attributes these are: 0 for DOS, 3 for Unix.
    pub(super) system: u8,
    /// The Unix mode in the upper half, DOS attributes in the lowest byte; 0 for what is unknown.
    pub(super) attributes: u32,
    /// First byte of its local header in the file.
    pub(super) start: u64,
}

impl Central<'_> {
    /// Returns the name for messages.
    pub(super) fn shown(&self) -> String {
        String::from_utf8_lossy(self.unicode.unwrap_or(self.name)).into_owned()
    }

    /// Returns the Unix mode; 0 where the packer had none. Its declared system is ignored.
    pub(super) fn mode(&self) -> u16 {
        (self.attributes >> 16) as u16
    }

    /// Whether its Unix mode says symbolic link.
    pub(super) fn is_link(&self) -> bool {
        self.mode() >> 12 == 0xA
    }

    /// Whether readers that go by the attributes take it for a folder, whatever its name is.
    pub(super) fn has_folder_attributes(&self) -> bool {
        self.mode() >> 12 == 4 || self.system != UNIX && self.attributes & DOS_FOLDER != 0
    }

    /// Whether libarchive's field, which its readers prefer, repeats the attributes.
    pub(super) fn is_repeated_by(&self, field: &[u8]) -> bool {
        let Some((parts, mut rest)) = field.split_first() else { return true };
        let mut last = parts;
        while last & 0x80 != 0 {
            let Some((next, behind)) = rest.split_first() else { return true };
            (last, rest) = (next, behind);
        }
        let mut part = |bit: u8, len| if parts & bit == 0 { None } else { take(&mut rest, len) };
        let made_by = part(1, 2);
        let _internal = part(2, 2);
        let attributes = part(4, 4);
        made_by.is_none_or(|made_by| made_by >> 8 == u64::from(self.system))
            && attributes.is_none_or(|attributes| attributes == u64::from(self.attributes))
    }
}

/// Number of different counts in a 16-bit end record.
const COUNTS: u64 = 1 << 16;

/// Corrects a 16-bit count of more entries than it can tell: some tools write its low bits alone,
/// and all readers go on to the end of the directory.
pub(super) fn count<R: Read + Seek>(
    reader: &mut R,
    directory: Directory,
) -> Result<Directory, CatalogError> {
    let room = (directory.end - directory.start) / FIXED as u64;
    if !directory.may_be_more || room < directory.entries + COUNTS {
        return Ok(directory);
    }
    let mut window = Window::new(directory.file_len);
    let (mut at, mut entries) = (directory.start, 0);
    while at < directory.end {
        let fixed = window.bytes(reader, at, FIXED)?;
        if fixed.len() < FIXED || !fixed.starts_with(MARK) {
            return Ok(directory);
        }
        at += FIXED as u64 + [28, 30, 32].map(|at| Fields(fixed).u16(at)).iter().sum::<u64>();
        entries += 1;
    }
    let is_right = at == directory.end && entries % COUNTS == directory.entries;
    Ok(if is_right { Directory { entries, ..directory } } else { directory })
}

/// Reads a directory from its first entry on.
pub(super) struct Entries<'d> {
    directory: &'d Directory,
    window: Window,
    at: u64,
    read: u64,
}

impl<'d> Entries<'d> {
    pub(super) fn new(directory: &'d Directory) -> Self {
        let window = Window::new(directory.file_len);
        Self { directory, window, at: directory.start, read: 0 }
    }

    /// Returns the next entry; `None` behind the last one, which must end the directory.
    pub(super) fn next<R: Read + Seek>(
        &mut self,
        reader: &mut R,
    ) -> Result<Option<Central<'_>>, CatalogError> {
        let left = self.directory.end - self.at;
        if self.read == self.directory.entries {
            // Some readers count entries, others use the length.
            return match left {
                0 => Ok(None),
                _ => Err(not_zip("its directory holds more than its end record says")),
            };
        }
        let number = self.read + 1;
        let cut = || not_zip(format!("its directory ends within entry {number}"));
        if left < FIXED as u64 {
            return Err(cut());
        }
        let fixed = self.window.bytes(reader, self.at, FIXED)?;
        if !fixed.starts_with(MARK) {
            return Err(not_zip(format!("its directory has no entry {number}")));
        }
        let lengths = [28, 30, 32].map(|at| Fields(fixed).u16(at) as usize);
        let len = FIXED + lengths.iter().sum::<usize>();
        if left < len as u64 {
            return Err(cut());
        }
        let entry = self.window.bytes(reader, self.at, len)?;
        if entry.len() < len {
            return Err(cut());
        }
        self.at += len as u64;
        self.read = number;
        parse(entry, lengths, number, self.directory).map(Some)
    }
}

fn parse<'a>(
    entry: &'a [u8],
    [name, extra, _]: [usize; 3],
    number: u64,
    directory: &Directory,
) -> Result<Central<'a>, CatalogError> {
    let fields = Fields(entry);
    let (name, rest) = entry[FIXED..].split_at(name);
    let (extra, comment) = rest.split_at(extra);
    let system = entry[5];
    let mut entry = Central {
        number,
        name,
        unicode: None,
        comment,
        flags: fields.u16(8) as u16,
        needs: fields.u16(6) as u8,
        method: fields.u16(10) as u16,
        crc: fields.u32(16) as u32,
        packed: fields.u32(20),
        size: fields.u32(24),
        system,
        attributes: fields.u32(38) as u32,
        start: fields.u32(42),
    };
    let mut disk = fields.u16(34);
    let mut wide = None;
    let mut unicodes = UnicodeNames::default();
    for field in extra_fields(extra) {
        let Some((tag, data)) = field else {
            return Err(about(entry.shown(), "has an extra field that does not fit"));
        };
        match tag {
            WIDE_TAG if wide.is_some() => {
                return Err(about(entry.shown(), TWO_WIDE));
            }
            WIDE_TAG => wide = Some(data),
            UNICODE_TAG => entry.unicode = unicodes.name(name, data, entry.unicode)?,
            REPEAT_TAG if !entry.is_repeated_by(data) => {
                return Err(about(entry.shown(), OTHER_ATTRIBUTES));
            }
            _ => {}
        }
    }
    if let Some(mut wide) = wide {
        for field in [&mut entry.size, &mut entry.packed, &mut entry.start] {
            if *field == REFER {
                let short = || about(entry_name(name), "has a field of 64-bit sizes too short");
                *field = take(&mut wide, 8).ok_or_else(short)?;
            }
        }
        if disk == 0xFFFF {
            disk = take(&mut wide, 4).unwrap_or(disk);
        }
    }
    if disk != 0 {
        return Err(about(entry.shown(), "begins on another disk"));
    }
    // Checked before anything seeks there, where it would look like a disk error.
    entry.start = entry.start.saturating_add(directory.prefix);
    if entry.start >= directory.start {
        return Err(about(entry.shown(), "begins behind the directory"));
    }
    Ok(entry)
}

fn entry_name(name: &[u8]) -> String {
    String::from_utf8_lossy(name).into_owned()
}

/// Takes a number of `len` bytes from the front of a field.
pub(super) fn take(field: &mut &[u8], len: usize) -> Option<u64> {
    let (number, rest) = field.split_at_checked(len)?;
    *field = rest;
    Some(number.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)))
}

/// Returns the fields of an extra part, tag and data; `None` and the end for a malformed rest.
///
/// Up to three bytes behind the last field are padding.
pub(super) fn extra_fields(mut rest: &[u8]) -> impl Iterator<Item = Option<(u16, &[u8])>> {
    std::iter::from_fn(move || {
        if rest.len() < 4 {
            return None;
        }
        let (head, behind) = rest.split_at(4);
        let (tag, len) = (Fields(head).u16(0) as u16, Fields(head).u16(2) as usize);
        let Some((data, next)) = behind.split_at_checked(len) else {
            rest = &[];
            return Some(None);
        };
        rest = next;
        Some(Some((tag, data)))
    })
}

/// Reads the fields of Unicode paths in one extra part, which may be many.
#[derive(Default)]
pub(super) struct UnicodeNames {
    /// CRC-32 of the entry's own name: computed once, for the first field.
    crc: Option<u64>,
}

impl UnicodeNames {
    /// Returns the name in a field of Unicode paths.
    ///
    /// Readers ignore the field where its CRC-32 is not that of the entry's own name, because a
    /// tool that did not know the field renamed the entry. `before` is an earlier field's name.
    pub(super) fn name<'a>(
        &mut self,
        name: &[u8],
        data: &'a [u8],
        before: Option<&'a [u8]>,
    ) -> Result<Option<&'a [u8]>, CatalogError> {
        let Some((head, unicode)) = data.split_at_checked(5) else {
            return Err(about(entry_name(name), "has a Unicode name too short"));
        };
        let crc = *self.crc.get_or_insert_with(|| u64::from(crc32(name)));
        if head[0] != 1 || Fields(head).u32(1) != crc {
            return Ok(before);
        }
        if unicode.is_empty() {
            return Err(about(entry_name(name), "has an empty Unicode name"));
        }
        if before.is_some_and(|before| before != unicode) {
            return Err(about(entry_name(name), "has two Unicode names"));
        }
        if std::str::from_utf8(unicode).is_err() {
            let path = entry_name(name);
            let reason = "has a Unicode name that is not UTF-8";
            return Err(ArchiveProblem::UnsafePath { path, reason }.into());
        }
        Ok(Some(unicode))
    }
}

fn crc32(bytes: &[u8]) -> u32 {
    crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32IsoHdlc, bytes) as u32
}
