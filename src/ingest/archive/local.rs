//! The local header in front of each entry's data, and the data descriptor behind it.
//!
//! Readers of a stream know only these, readers of a file mostly the directory: what both say must
//! agree. Must not read the data.

use std::io::{Read, Seek};

use super::about;
use super::central::{
    self, Central, DESCRIBED, ENCRYPTED, PATCH, REFER, REPEAT_TAG, UNICODE_TAG, UTF8, UnicodeNames,
    WIDE_TAG,
};
use super::end::{Directory, Fields};
use super::window::Window;
use crate::domain::{ArchiveProblem, CatalogError};

/// Length of the fixed part of a local header.
pub(super) const FIXED: usize = 30;
/// First bytes of a local header.
pub(super) const MARK: &[u8; 4] = b"PK\x03\x04";

/// First bytes of most data descriptors.
pub(super) const DESCRIPTOR_MARK: &[u8; 4] = b"PK\x07\x08";
/// Length of the longest data descriptor.
pub(super) const DESCRIPTOR_MAX: usize = 24;

/// The bytes of one entry in the file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    /// First byte of its local header.
    pub(super) start: u64,
    /// First byte of its data.
    pub(super) data: u64,
    /// First byte behind its data and its descriptor.
    pub(super) end: u64,
    /// Whether readers of a stream search for its descriptor: some do it whenever the flag is set,
    /// also where the local header has the sizes.
    pub(super) is_searched: bool,
}

/// Reads an entry's local header and descriptor, and compares them with the directory.
pub(super) fn read<R: Read + Seek>(
    reader: &mut R,
    window: &mut Window,
    entry: &Central<'_>,
    directory: &Directory,
) -> Result<Place, CatalogError> {
    let wrong = |reason| about(entry.shown(), reason);
    let header = window.bytes(reader, entry.start, FIXED + entry.name.len())?;
    if !header.starts_with(MARK) || header.len() < FIXED + entry.name.len() {
        return Err(wrong("has no local header where the directory says"));
    }
    let fields = Fields(header);
    let (flags, method) = (fields.u16(6) as u16, fields.u16(8) as u16);
    let stated = [fields.u32(14), fields.u32(18), fields.u32(22)];
    let [name_len, extra_len] = [26, 28].map(|at| fields.u16(at));
    if header[FIXED..] != *entry.name || name_len != entry.name.len() as u64 {
        return Err(wrong("has another name in its local header"));
    }
    if flags & ENCRYPTED != 0 {
        return Err(ArchiveProblem::Encrypted(entry.shown()).into());
    }
    if flags & PATCH != 0 || method != entry.method {
        return Err(wrong("has another method in its local header"));
    }
    if (flags ^ entry.flags) & UTF8 != 0 && !entry.name.is_ascii() {
        return Err(wrong("has its name in another encoding in its local header"));
    }
    let data = entry.start + FIXED as u64 + name_len + extra_len;
    let data_end = data.saturating_add(entry.packed);
    if data_end > directory.start {
        return Err(wrong("overlaps with the directory"));
    }
    let extra = window.bytes(reader, data - extra_len, extra_len as usize)?;
    let wide = check_extra(entry, extra)?;
    let actual = [u64::from(entry.crc), entry.packed, entry.size];
    let described = flags & DESCRIBED != 0;
    let stated = resolve(stated, wide);
    if stated != actual {
        // Tools that write a stream leave 0 in a field until they know its value.
        let may_be_open = |(stated, actual): (&u64, &u64)| *stated == 0 || stated == actual;
        if !described || !stated.iter().zip(&actual).all(may_be_open) {
            return Err(wrong("has another size or CRC-32 in its local header"));
        }
    }
    let mut place = Place { start: entry.start, data, end: data_end, is_searched: described };
    if described || entry.flags & DESCRIBED != 0 {
        let behind = window.bytes(reader, data_end, DESCRIPTOR_MAX)?;
        match descriptor_len(behind, entry.crc, entry.packed, entry.size) {
            Some(len) => place.end += len as u64,
            // Some tools set the flag, write the sizes all the same and no descriptor.
            None if stated == actual && is_next(behind, data_end, directory) => {}
            // The directory's flag alone promises a descriptor to some readers.
            None if !described && !behind.starts_with(DESCRIPTOR_MARK) => {}
            None => return Err(wrong("has a data descriptor that contradicts the directory")),
        }
    }
    Ok(place)
}

/// Returns the 64-bit sizes in a local header's extra part, in the order of the format.
///
/// A Unicode name must be the directory's: readers of a stream use it instead of that one. The rest
/// of the extra part may be malformed, because aligning tools fill it up with zeros.
fn check_extra<'a>(entry: &Central<'_>, extra: &'a [u8]) -> Result<Option<&'a [u8]>, CatalogError> {
    let wrong = |reason| Err(about(entry.shown(), reason));
    let (mut wide, mut unicodes) = (None, UnicodeNames::default());
    for (tag, data) in central::extra_fields(extra).flatten() {
        match tag {
            WIDE_TAG if wide.is_some() => return wrong(central::TWO_WIDE),
            WIDE_TAG => wide = Some(data),
            UNICODE_TAG => {
                let unicode = unicodes.name(entry.name, data, None)?;
                let known = [Some(entry.name), entry.unicode];
                if unicode.is_some() && !known.contains(&unicode) {
                    return wrong("has another Unicode name in its local header");
                }
            }
            REPEAT_TAG if !entry.is_repeated_by(data) => {
                return wrong(central::OTHER_ATTRIBUTES);
            }
            _ => {}
        }
    }
    Ok(wide)
}

/// Replaces the sizes that refer to the field of 64-bit sizes; the fields are CRC-32, packed size
/// and size, but the field has the size first.
fn resolve([crc, mut packed, mut size]: [u64; 3], wide: Option<&[u8]>) -> [u64; 3] {
    if let Some(mut wide) = wide {
        for field in [&mut size, &mut packed] {
            if *field == REFER {
                *field = central::take(&mut wide, 8).unwrap_or(REFER);
            }
        }
    }
    [crc, packed, size]
}

/// Returns the length of the data descriptor that begins here with these values.
///
/// Its mark may be absent; its sizes have 32 bits, or 64.
pub(super) fn descriptor_len(bytes: &[u8], crc: u32, packed: u64, size: u64) -> Option<usize> {
    let crc = crc.to_le_bytes();
    let wide = [&crc[..], &packed.to_le_bytes(), &size.to_le_bytes()].concat();
    let narrow = [&crc[..], &(packed as u32).to_le_bytes(), &(size as u32).to_le_bytes()].concat();
    let unmarked = bytes.strip_prefix(DESCRIPTOR_MARK);
    for sizes in [wide, narrow] {
        if unmarked.is_some_and(|rest| rest.starts_with(&sizes)) {
            return Some(DESCRIPTOR_MARK.len() + sizes.len());
        }
        if bytes.starts_with(&sizes) {
            return Some(sizes.len());
        }
    }
    None
}

/// Whether the next header follows at once.
fn is_next(bytes: &[u8], at: u64, directory: &Directory) -> bool {
    at == directory.start || bytes.starts_with(MARK) || bytes.starts_with(central::MARK)
}
