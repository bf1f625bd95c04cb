//! Zip archives: what `ingest::archive` keeps, the crate `zip` must read alike, by the directory
//! and, where no sizes are behind the contents, as a stream too; and no name may lead out of the
//! folder.

use std::collections::BTreeSet;
use std::io::{Cursor, Read};

use layerbase::domain::ArtifactLimits;
use layerbase::ingest::archive;
use zip::ZipArchive;
use zip::read::read_zipfile_from_stream;

/// The identifier of the field with a name in UTF-8, as it is in a header.
const UNICODE_PATH: &[u8] = &0x7075_u16.to_le_bytes();

/// Limits that a small input can exceed.
fn limits() -> ArtifactLimits {
    ArtifactLimits { unpacked: 8 << 20, entries: 1000, ..ArtifactLimits::default() }
}

/// Checks an archive.
pub fn check(data: &[u8]) {
    let Ok(kept) = archive::inspect(Cursor::new(data), &limits()) else { return };
    let unread = ArtifactLimits { check_content: false, ..limits() };
    let again = archive::inspect(Cursor::new(data), &unread);
    assert_eq!(again.expect("the contents are one more rule"), kept);
    assert!(kept.entries <= 1000 && kept.unpacked <= 8 << 20, "{kept:?}");
    let mut zip = ZipArchive::new(Cursor::new(data)).expect("the other reader opens it");
    let (mut names, mut unpacked) = (BTreeSet::new(), 0);
    for number in 0..zip.len() {
        let mut entry = zip.by_index(number).expect("the other reader finds an entry");
        let name = entry.name().expect("a name in its encoding").into_owned();
        assert!(is_inside(&name), "{name:?} leads out of the folder");
        let mut content = Vec::new();
        entry.read_to_end(&mut content).expect("the other reader unpacks it");
        assert_eq!(content.len() as u64, entry.size(), "{name:?}");
        unpacked += entry.size();
        names.insert(name);
    }
    // The other reader knows the last of two entries with one path; equal ones are kept.
    let (found, declared) = (zip.len() as u64, kept.entries);
    assert!(found <= declared && unpacked <= kept.unpacked, "{found} of {declared}");
    if found == declared {
        assert_eq!(unpacked, kept.unpacked);
    }
    // An entry may have a second name for readers that know this field; both names are checked.
    let has_second_name = data.windows(2).any(|bytes| bytes == UNICODE_PATH);
    if let Some(streamed) = names_in_stream(data).filter(|_| !has_second_name) {
        assert_eq!(streamed, names, "as a stream, and by the directory");
    }
}

/// Returns the names that a reader of a stream finds; `None` where it cannot read all.
fn names_in_stream(data: &[u8]) -> Option<BTreeSet<String>> {
    let (mut reader, mut names) = (data, BTreeSet::new());
    while let Some(mut entry) = read_zipfile_from_stream(&mut reader).ok()? {
        names.insert(entry.name().ok()?.into_owned());
        std::io::copy(&mut entry, &mut std::io::sink()).ok()?;
    }
    Some(names)
}

/// Whether a name stays in the folder that an archive is unpacked to, on any system.
fn is_inside(name: &str) -> bool {
    let is_drive =
        name.as_bytes().get(1) == Some(&b':') && name.as_bytes()[0].is_ascii_alphabetic();
    let parts: Vec<&str> = name.split(['/', '\\']).collect();
    !is_drive && !parts.contains(&"..") && !parts[0].is_empty() && !name.contains('\0')
}
