//! Valid archives of real tools, and hostile archives built by hand.

use std::io::{Cursor, Write};

use zip::CompressionMethod;
use zip::write::{SimpleFileOptions, ZipWriter};

use super::samples::{Ending, Forged, deflated, forge, forge_all, forge_as, forged, link};
use super::*;
use crate::ingest::samples::{Dice, VECTORS, noise, stored_zip};

mod contents;
mod headers;
mod hidden;
mod names;

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

fn assert_kept(zip: &[u8], what: &str) {
    judge(zip).unwrap_or_else(|refusal| panic!("{what}: {refusal}"));
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
    assert_refused(&stored_zip(&[]), "NoEntries");
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
    assert!(refused.contains("what: Entries, limit: 250000, actual: 4294967295"), "{refused}");
    let unlimited = ArtifactLimits { entries: u64::MAX, ..ArtifactLimits::default() };
    assert!(judge_within(&zip, &unlimited).unwrap_err().contains("NotZip"));
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
