//! Valid archives of real tools, and hostile archives built by hand.

use std::io::{Cursor, Write};

use zip::CompressionMethod;
use zip::write::{SimpleFileOptions, ZipWriter};

use super::*;
use crate::ingest::samples::{Dice, VECTORS, noise, stored_zip};

fn judge(zip: &[u8]) -> Result<Inspection, String> {
    judge_within(zip, &ArtifactLimits::default())
}

fn judge_within(zip: &[u8], limits: &ArtifactLimits) -> Result<Inspection, String> {
    inspect(Cursor::new(zip), limits).map_err(|error| format!("{error:?}"))
}

fn assert_refused(zip: &[u8], word: &str) {
    let refused = judge(zip).unwrap_err();
    assert!(refused.contains("BadArchive") && refused.contains(word), "{refused}, not {word}");
}

/// One stored entry with every field as it is written, correct or not.
#[derive(Clone)]
struct Forged {
    name: Vec<u8>,
    data: Vec<u8>,
    flags: u16,
    mode: u32,
    method: u16,
    /// Unpacked size as declared.
    size: u32,
    /// Packed size as declared.
    packed: u32,
    /// Name in the local header, which precedes the data.
    local_name: Option<Vec<u8>>,
    /// Offset of the entry according to the directory.
    start: Option<u32>,
}

fn forged(name: impl AsRef<[u8]>, data: &[u8]) -> Forged {
    Forged {
        name: name.as_ref().to_vec(),
        data: data.to_vec(),
        flags: 0,
        mode: 0o100_644,
        method: 0,
        size: data.len() as u32,
        packed: data.len() as u32,
        local_name: None,
        start: None,
    }
}

fn link(name: &str, target: &[u8]) -> Forged {
    Forged { mode: 0o120_777, ..forged(name, target) }
}

/// Writes the entries, their directory, and an end record that declares `count`.
fn forge(entries: &[Forged], count: u16) -> Vec<u8> {
    let (mut zip, mut directory) = (Vec::new(), Vec::new());
    for entry in entries {
        let common = |name: &[u8]| {
            let mut header = Vec::new();
            for field in [20, entry.flags, entry.method, 0, 0x21] {
                header.extend(u16::to_le_bytes(field));
            }
            for field in [crc32(&entry.data), entry.packed, entry.size] {
                header.extend(u32::to_le_bytes(field));
            }
            header.extend((name.len() as u16).to_le_bytes());
            header.extend([0, 0]);
            header
        };
        let start = entry.start.unwrap_or(zip.len() as u32);
        let local_name = entry.local_name.as_ref().unwrap_or(&entry.name);
        zip.extend(b"PK\x03\x04");
        zip.extend(common(local_name));
        zip.extend(local_name);
        zip.extend(&entry.data);
        directory.extend(b"PK\x01\x02\x14\x03");
        directory.extend(common(&entry.name));
        directory.extend([0; 6]);
        directory.extend((entry.mode << 16).to_le_bytes());
        directory.extend(start.to_le_bytes());
        directory.extend(&entry.name);
    }
    let start = zip.len() as u32;
    zip.extend(&directory);
    zip.extend(b"PK\x05\x06\0\0\0\0");
    zip.extend(count.to_le_bytes());
    zip.extend(count.to_le_bytes());
    zip.extend((directory.len() as u32).to_le_bytes());
    zip.extend(start.to_le_bytes());
    zip.extend([0, 0]);
    zip
}

fn forge_all(entries: &[Forged]) -> Vec<u8> {
    forge(entries, entries.len() as u16)
}

fn crc32(bytes: &[u8]) -> u32 {
    crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32IsoHdlc, bytes) as u32
}

#[test]
fn archives_of_the_dialect_references() {
    for sample in VECTORS {
        let inspection = judge(&sample.bytes()).unwrap();
        assert_eq!(inspection.entries, 1, "{}", sample.dialect);
        assert!(inspection.unpacked > 0 && inspection.unpacked < sample.size);
    }
}

#[test]
fn a_full_tree_passes() {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    let deflated = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
    writer.add_directory("python/", deflated).unwrap();
    writer.start_file("python/lib.py", deflated).unwrap();
    writer.write_all(&[b'x'; 100_000]).unwrap();
    writer.add_symlink("python/lib2.py", "lib.py", deflated).unwrap();
    writer.start_file("日本/naïve.txt", deflated.large_file(true)).unwrap();
    writer.write_all(b"1").unwrap();
    let zip = writer.finish().unwrap().into_inner();
    let inspection = judge(&zip).unwrap();
    assert_eq!(inspection, Inspection { entries: 4, unpacked: 100_000 + 6 + 1 });

    let mut jar = b"#!/usr/bin/java -jar\n".to_vec();
    jar.extend(&zip);
    assert_eq!(judge(&jar).unwrap(), inspection);
    assert_eq!(judge(&stored_zip(&[])).unwrap(), Inspection { entries: 0, unpacked: 0 });
    assert_eq!(judge(&forge_all(&[forged("a", b"1"), forged("A", b"22")])).unwrap().unpacked, 3);
}

#[test]
fn a_stream_written_without_seeking_passes() {
    let mut writer = ZipWriter::new_stream(Vec::new());
    let deflated = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
    for name in ["a", "b/c"] {
        writer.start_file(name, deflated).unwrap();
        writer.write_all(&noise(1000)).unwrap();
    }
    let zip = writer.finish().unwrap().into_inner();
    assert_eq!(judge(&zip).unwrap(), Inspection { entries: 2, unpacked: 2000 });
}

#[test]
fn unsafe_names() {
    for (name, word) in [
        ("/etc/passwd", "absolute"),
        ("../x", "upwards"),
        ("a/../../x", "upwards"),
        ("..\\x", "backslash"),
        ("C:\\x", "backslash"),
        ("C:/x", "drive"),
        ("a\0b", "NUL"),
        ("a\x1bb", "control"),
        ("", "no name"),
    ] {
        assert_refused(&forge_all(&[forged("ok", b""), forged(name, b"1")]), word);
    }
    // Not UTF-8, so the name is read in the old DOS code page, where this byte is a letter.
    assert!(judge(&forge_all(&[forged(b"\x81.txt", b"")])).is_ok());
    assert_refused(&forge_all(&[forged(b"\x81/../../x", b"")]), "upwards");
}

#[test]
fn duplicate_and_nested_names() {
    for pair in [["a", "a"], ["a", "a/"], ["d/", "d/"], ["a/b", "./a//b"]] {
        assert_refused(&forge_all(&pair.map(|name| forged(name, b""))), "DuplicatePath");
    }
    for pair in [["a", "a/b"], ["a/b", "a"]] {
        assert_refused(&forge_all(&pair.map(|name| forged(name, b""))), "beneath");
    }
    assert_refused(&forge_all(&[forged("l/x", b""), link("l", b".")]), "beneath");
}

#[test]
fn links() {
    for (name, target) in [("a/l", "../b"), ("l", "a/b/c"), ("a/b/l", "../../x")] {
        assert!(judge(&forge_all(&[link(name, target.as_bytes())])).is_ok(), "{name} {target}");
    }
    for target in ["..", "../x", "/etc/passwd", "a/../..", "..\\x", "", "a\0"] {
        assert_refused(&forge_all(&[link("l", target.as_bytes())]), "is a link");
    }
    assert_refused(&forge_all(&[link("l", &[b'a'; 4097])]), "longer than 4096");
    // The system byte says DOS, but some tools use the Unix mode regardless.
    let mut zip = forge_all(&[link("l", b"/etc")]);
    let made_by = zip.len() - 22 - 46 - 1 + 5;
    zip[made_by] = 0;
    assert_refused(&zip, "is a link");
    // A target that declares 4 bytes and unpacks to more is read only up to the bound.
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    let deflated = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
    writer.add_symlink("l", "a".repeat(200_000), deflated).unwrap();
    let mut bomb = writer.finish().unwrap().into_inner();
    let central = bomb.windows(4).position(|at| at == b"PK\x01\x02").unwrap();
    bomb[central + 24..central + 28].copy_from_slice(&4_u32.to_le_bytes());
    bomb[22..26].copy_from_slice(&4_u32.to_le_bytes());
    assert!(judge(&bomb).is_err());
}

#[test]
fn encrypted_entries() {
    for flags in [1, 1 << 6 | 1, 1 << 13] {
        let entry = Forged { flags, ..forged("secret", b"1") };
        assert_refused(&forge_all(&[forged("a", b""), entry]), "Encrypted(\"secret\")");
    }
}

#[test]
fn limits() {
    let limits = ArtifactLimits { entries: 2, unpacked: 1000, ..ArtifactLimits::default() };
    let files = ["a", "b", "c"].map(|name| forged(name, &[0; 400]));
    assert!(judge_within(&forge_all(&files[..2]), &limits).is_ok());
    let many = judge_within(&forge_all(&files), &limits).unwrap_err();
    assert!(many.contains("LimitExceeded { what: Entries, limit: 2, actual: 3 }"), "{many}");
    let exact = ArtifactLimits { unpacked: 800, ..limits };
    assert!(judge_within(&forge_all(&files[..2]), &exact).is_ok());

    let bomb = Forged { method: 8, size: u32::MAX - 1, ..forged("bomb", b"\x03\0") };
    let refused = judge(&forge_all(&[bomb])).unwrap_err();
    assert!(refused.contains("what: UnpackedSize, limit: 1073741824"), "{refused}");

    let flat = ArtifactLimits { depth: 2, ..ArtifactLimits::default() };
    assert!(judge_within(&forge_all(&[forged("a/./b", b"x")]), &flat).is_ok());
    let deep = judge_within(&forge_all(&[forged("a/b/c", b"x")]), &flat).unwrap_err();
    assert!(deep.contains("too many folders"), "{deep}");
}

#[test]
fn a_declared_count_allocates_nothing() {
    // A 64-bit end record of 98 bytes that declares four billion entries.
    let mut zip = b"PK\x06\x06".to_vec();
    zip.extend(44_u64.to_le_bytes());
    zip.extend([45, 0, 45, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    for field in [u64::from(u32::MAX), u64::from(u32::MAX), 0, 0] {
        zip.extend(field.to_le_bytes());
    }
    zip.extend(b"PK\x06\x07\0\0\0\0\0\0\0\0\0\0\0\0\x01\0\0\0");
    zip.extend(b"PK\x05\x06\0\0\0\0\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\0\0");
    assert_eq!(zip.len(), 98);
    let refused = judge(&zip).unwrap_err();
    assert!(refused.contains("what: Entries, limit: 30000, actual: 4294967295"), "{refused}");
    let unlimited = ArtifactLimits { entries: u64::MAX, ..ArtifactLimits::default() };
    assert!(judge_within(&zip, &unlimited).unwrap_err().contains("NotZip"));
}

#[test]
fn a_count_that_lies() {
    let files = ["a", "b", "c"].map(|name| forged(name, b"1"));
    assert!(judge(&forge(&files, 3)).is_ok());
    for count in [0, 1, 2, 4, 100] {
        assert_refused(&forge(&files, count), "NotZip");
    }
}

#[test]
fn headers_that_lie() {
    let hidden = Forged { local_name: Some(b"../x".to_vec()), ..forged("good", b"1") };
    assert_refused(&forge_all(&[hidden]), "NotZip");
    let longer = Forged { size: 100, ..forged("a", b"1") };
    assert_refused(&forge_all(&[longer]), "lies about its size");
    let beyond = Forged { size: 500, packed: 500, ..forged("a", b"1") };
    assert_refused(&forge_all(&[beyond]), "overlap");
    let outside = Forged { start: Some(1 << 30), ..forged("a", b"1") };
    assert_refused(&forge_all(&[outside]), "NotZip");
}

#[test]
fn an_offset_that_no_file_has() {
    let name = "far.txt";
    for offset in [i64::MAX as u64, u64::MAX - 1, u64::MAX / 2 + 1, 1 << 40] {
        let mut zip = forge_all(&[Forged { start: Some(u32::MAX), ..forged(name, b"1") }]);
        let central = zip.windows(4).position(|at| at == b"PK\x01\x02").unwrap();
        let extra = [&[1, 0, 8, 0][..], &offset.to_le_bytes()].concat();
        zip[central + 30] = extra.len() as u8;
        let size = zip.len() - 22 + 12;
        zip[size] += extra.len() as u8;
        let behind_name = central + 46 + name.len();
        zip.splice(behind_name..behind_name, extra);
        // A file on disk: there a seek to such an offset fails, in memory it would read nothing.
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&zip).unwrap();
        let refused = inspect(file, &ArtifactLimits::default()).unwrap_err();
        let refused = format!("{refused:?}");
        assert!(refused.contains("behind the directory"), "{offset}: {refused}");
    }
}

#[test]
fn entries_that_overlap() {
    // Two names for one entry.
    let shared = Forged { start: Some(0), ..forged("a", b"1") };
    let twin = Forged { local_name: Some(b"a".to_vec()), ..shared.clone() };
    assert_refused(&forge_all(&[shared, Forged { name: b"b".to_vec(), ..twin }]), "NotZip");
    // The first entry's data covers the second entry's header and data.
    let inner = forged("b", &noise(100));
    let quoted = Forged { size: 131, packed: 131, ..forged("a", b"") };
    assert_refused(&forge_all(&[quoted, inner]), "overlap");
}

#[test]
fn two_end_records() {
    let outer = forge_all(&[forged("good", b"1")]);
    let inner = forge_all(&[forged("evil", b"2")]);
    let mut zip = outer.clone();
    let at = zip.len() - 2;
    zip[at..].copy_from_slice(&(inner.len() as u16).to_le_bytes());
    zip.extend(&inner);
    // The inner archive ends the file, and the outer one is its prefix: all readers agree.
    assert_eq!(judge(&zip).unwrap().entries, 1);
    zip.extend(b"\n");
    assert_refused(&zip, "NotZip");
    zip[at..at + 2].copy_from_slice(&(inner.len() as u16 + 1).to_le_bytes());
    assert_refused(&zip, "NotZip");
}

#[test]
fn truncations_and_damage_never_panic() {
    let mut entries = vec![forged("a/b", &noise(50)), link("a/l", b"b"), forged("c/", b"")];
    entries.push(Forged { method: 8, ..forged("d", b"\x03\0") });
    let zip = forge_all(&entries);
    for len in 0..zip.len() {
        assert_refused(&zip[..len], "NotZip");
    }
    let mut dice = Dice(99);
    for _ in 0..20_000 {
        let mut damaged = zip.clone();
        for _ in 0..=dice.roll(3) {
            let at = dice.roll(damaged.len() as u64) as usize;
            damaged[at] = [0, 0xFF, dice.roll(256) as u8][dice.roll(3) as usize];
        }
        let refused = judge(&damaged).err().unwrap_or_default();
        assert!(!refused.contains("Internal"), "{refused}");
    }
    for _ in 0..200 {
        assert!(judge(&noise(dice.roll(100_000) as usize)).is_err());
    }
}
