//! Entries that the directory does not name, and bytes that belong to no entry.

use super::*;
use crate::ingest::archive::samples::field;

#[test]
fn hidden_entries_are_refused_wherever_they_are() {
    let (a, b) = (forged("a", b"1"), forged("b", &noise(200_000)));
    let hidden = deflated("../evil", b"1").local_part();
    let behind_noise = [&noise(100_000)[..], &hidden].concat();
    for gap in [hidden.clone(), [&b"xy"[..], &hidden].concat(), behind_noise, hidden[..35].to_vec()]
    {
        let with_gap = Forged { gap: gap.clone(), ..b.clone() };
        assert_refused(&forge_all(&[a.clone(), with_gap]), "is not in the directory");
        let ending = Ending { gap, ..Ending::default() };
        assert_refused(&forge_as(&[a.clone(), b.clone()], &ending), "is not in the directory");
    }
    let in_front = Forged { gap: hidden.clone(), ..a.clone() };
    assert_refused(&forge_all(&[in_front, b.clone()]), "is not in the directory");
    let comment = [&b"text"[..], &hidden].concat();
    let ending = Ending { comment: comment.clone(), ..Ending::default() };
    assert_refused(&forge_as(std::slice::from_ref(&a), &ending), "is not in the directory");
    assert_refused(&forge_all(&[Forged { comment, ..a.clone() }]), "in its comment");
    // Offsets that do not count the prefix make it one all the same.
    let prefixed = [&hidden[..], &forge_all(std::slice::from_ref(&a))].concat();
    assert_refused(&prefixed, "is not in the directory");
    // Nor do offsets that count a part of it.
    let hidden_file = forged("evil", b"1").local_part();
    for uncounted in [1, 5, 29, 31] {
        let (front, gap) = hidden_file.split_at(uncounted);
        let counted = forge_all(&[Forged { gap: gap.to_vec(), ..a.clone() }]);
        assert_refused(&[front, &counted[..]].concat(), "an entry at byte 0");
    }
    let zip_before_zip = [forge_all(&[b]), forge_all(std::slice::from_ref(&a))].concat();
    assert_refused(&zip_before_zip, "is not in the directory");
    let behind_prefix = [b"#!/bin/sh\n", &forge_all(&[Forged { gap: hidden, ..a }])[..]].concat();
    assert_refused(&behind_prefix, "is not in the directory");
}

#[test]
fn a_header_that_goes_on_behind_its_gap_is_refused() {
    // The four bytes in the gap make one header of themselves and the next one: its "version
    // needed" is their method, its size the length of their name, which its extra part ends.
    let path = [&[b'x'; 300][..], b"/../../../evil"].concat();
    let (local_extra, gap) = (field(0x4141, &path), b"PK\x03\x04".to_vec());
    let next = Forged { needs: 8, local_extra, gap, ..forged("b".repeat(257), &[b'1'; 600]) };
    let zip = |next: Forged| forge_all(&[forged("a", b"1"), next]);
    assert_refused(&zip(next.clone()), "is not in the directory");
    assert_kept(&zip(Forged { needs: 20, ..next.clone() }), "an unknown method");
    // The length of this name has a NUL, which ends the other name for most readers.
    assert_kept(&zip(Forged { name: b"b".to_vec(), ..next }), "a NUL");
}

#[test]
fn other_gaps_and_prefixes_are_kept() {
    let (a, b) = (forged("a", b"1"), forged("b", b"2"));
    let hidden = forged("../evil", b"1").local_part();
    for gap in
        [&[0; 4096][..], b"PK\x03\x04", b"PK00PK", &hidden[..29], &hidden[..30], &noise(70_000)]
    {
        let with_gap = |entry: &Forged| Forged { gap: gap.to_vec(), ..entry.clone() };
        assert_kept(&forge_all(&[a.clone(), with_gap(&b)]), "between");
        assert_kept(&forge_all(&[with_gap(&a), b.clone()]), "in front");
        let ending = Ending { gap: gap.to_vec(), ..Ending::default() };
        assert_kept(&forge_as(std::slice::from_ref(&a), &ending), "behind");
        if gap.len() < 60_000 {
            let ending = Ending { comment: gap.to_vec(), ..Ending::default() };
            assert_kept(&forge_as(std::slice::from_ref(&a), &ending), "comment");
        }
    }
    // An executable may carry an archive of its own: readers of a stream give up in front of it.
    let script = [b"#!/bin/sh\n", &hidden[..]].concat();
    assert_kept(&[&script[..], &forge_all(std::slice::from_ref(&a))].concat(), "not counted");
    assert_kept(&forge_all(&[Forged { gap: script, ..a.clone() }]), "counted");
    // A content may be an archive.
    assert_kept(&forge_all(&[forged("inner.zip", &forge_all(&[a]))]), "nested");
}

#[test]
fn a_prefix_that_streams_read_is_searched() {
    let a = forged("a", b"1");
    let hidden = forged("../evil", b"1").local_part();
    for mark in [&b"PK\x07\x08"[..], b"PK00"] {
        // The mark of an archive that was in parts, as readers of a stream know it.
        let joined = Forged { gap: mark.to_vec(), ..a.clone() };
        assert_kept(&forge_all(&[joined]), "counted");
        let plain = forge_all(std::slice::from_ref(&a));
        assert_kept(&[mark, &plain].concat(), "not counted");
        for between in [&b""[..], b"text"] {
            let gap = [mark, between, &hidden].concat();
            assert_refused(&[&gap[..], &plain].concat(), "is not in the directory");
            assert_refused(&forge_all(&[Forged { gap, ..a.clone() }]), "is not in the directory");
        }
    }
    let behind_empty = [stored_zip(&[]), forge_all(std::slice::from_ref(&a))].concat();
    assert_refused(&behind_empty, "begins with an archive without entries");
    let counted = Forged { gap: stored_zip(&[]), ..a };
    assert_refused(&forge_all(&[counted]), "begins with an archive without entries");
}

#[test]
fn zeros_behind_the_end_are_kept() {
    let zip = forge_all(&[forged("a", b"1")]);
    let hidden = forged("../evil", b"1").local_part();
    assert_kept(&[&zip[..], &[0; 10_240]].concat(), "the last block");
    assert_refused(&[&zip[..], &[0; 10], &hidden].concat(), "end record");
}

#[test]
fn entries_that_overlap() {
    // Two names for one entry.
    let shared = Forged { start: Some(0), ..forged("a", b"1") };
    let twin = Forged { local_name: Some(b"a".to_vec()), ..shared.clone() };
    let named_b = Forged { name: b"b".to_vec(), ..twin.clone() };
    assert_refused(&forge_all(&[shared.clone(), named_b]), "another name");
    assert_refused(&forge_all(&[shared, twin]), "entries 1 and 2 overlap");
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
    // The inner archive ends the file; readers of a stream unpack the outer one.
    assert_refused(&zip, "is not in the directory");
    zip.extend(b"\n");
    assert_refused(&zip, "NotZip");
    zip[at..at + 2].copy_from_slice(&(inner.len() as u16 + 1).to_le_bytes());
    assert_refused(&zip, "NotZip");
}
