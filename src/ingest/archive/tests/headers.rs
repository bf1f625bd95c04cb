//! What directory, local headers, descriptors and end records say of the same thing.

use super::*;
use crate::ingest::archive::samples::field;

#[test]
fn encrypted_entries_and_unknown_methods() {
    for flags in [1, 1 << 6 | 1, 1 << 13] {
        let entry = Forged { flags, ..forged("secret", b"1") };
        assert_refused(&forge_all(&[forged("a", b""), entry]), "Encrypted(\"secret\")");
        let local = Forged { local_flags: Some(flags), ..forged("secret", b"1") };
        assert_refused(&forge_all(&[local]), "Encrypted(\"secret\")");
    }
    for method in [1, 6, 9, 12, 14, 93, 95, 97, 98, 99, 0xFFFF] {
        let entry = Forged { method, ..forged("packed", b"1") };
        let wanted = format!("UnknownMethod {{ path: \"packed\", method: {method} }}");
        assert_refused(&forge_all(&[entry]), &wanted);
    }
    assert_refused(&forge_all(&[Forged { flags: 1 << 5, ..forged("a", b"1") }]), "patch");
    assert_refused(&forge_all(&[Forged { needs: 64, ..forged("a", b"1") }]), "newer version");
    assert_kept(&forge_all(&[Forged { needs: 0x3_3F, ..forged("a", b"1") }]), "6.3");
}

#[test]
fn local_headers_that_differ_from_the_directory() {
    let hidden = Forged { local_name: Some(b"../x".to_vec()), ..forged("good", b"1") };
    assert_refused(&forge_all(&[hidden]), "another name");
    let longer = Forged { size: 100, ..forged("a", b"1") };
    assert_refused(&forge_all(&[longer]), "lies about its size");
    let beyond = Forged { size: 500, packed: 500, ..forged("a", b"1") };
    assert_refused(&forge_all(&[beyond]), "overlaps with the directory");
    let outside = Forged { start: Some(1 << 30), ..forged("a", b"1") };
    assert_refused(&forge_all(&[outside]), "behind the directory");
    let nowhere = Forged { start: Some(1), ..forged("a", b"1") };
    assert_refused(&forge_all(&[nowhere]), "no local header");
    let method = Forged { local_method: Some(0), ..deflated("a", b"1") };
    assert_refused(&forge_all(&[method]), "another method");
    let right = forged("a", b"1");
    for at in 0..3 {
        for value in [0, 2, u32::MAX] {
            let mut local = [right.crc, right.packed, right.size];
            local[at] = value;
            let lying = Forged { local: Some(local), ..right.clone() };
            assert_refused(&forge_all(&[lying]), "another size or CRC-32");
        }
    }
    // Sizes that the local header refers to its field of 64-bit sizes.
    let sizes = |size: u64| field(1, &[size.to_le_bytes(), 1_u64.to_le_bytes()].concat());
    let local = Some([right.crc, u32::MAX, u32::MAX]);
    let wide = Forged { local, local_extra: sizes(1), ..right.clone() };
    assert_kept(&forge_all(&[wide]), "64-bit sizes");
    let other = Forged { local, local_extra: sizes(2), ..right.clone() };
    assert_refused(&forge_all(&[other]), "another size");
    for two in [[sizes(2), sizes(1)].concat(), [sizes(1), sizes(1)].concat()] {
        let twice = Forged { local, local_extra: two, ..right.clone() };
        assert_refused(&forge_all(&[twice]), "two fields of 64-bit sizes");
    }
}

#[test]
fn sixty_four_bit_sizes_in_the_directory() {
    let wide = |numbers: &[u64]| {
        let numbers: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        let local = Some([forged("a", b"1").crc, 1, 1]);
        let (size, packed, start) = (u32::MAX, u32::MAX, Some(u32::MAX));
        Forged { extra: field(1, &numbers), size, packed, start, local, ..forged("a", b"1") }
    };
    assert_kept(&forge_all(&[wide(&[1, 1, 0])]), "64-bit sizes");
    assert_refused(&forge_all(&[wide(&[1, 1])]), "too short");
    assert_refused(&forge_all(&[wide(&[1, 1, 5])]), "no local header");
    let mut twice = wide(&[1, 1, 0]);
    twice.extra.extend(twice.extra.clone());
    assert_refused(&forge_all(&[twice]), "two fields of 64-bit sizes");
    let cut = Forged { extra: b"\x01\0\x08\0abc".to_vec(), ..forged("a", b"1") };
    assert_refused(&forge_all(&[cut]), "does not fit");
    let padded = Forged { extra: vec![0; 3], local_extra: vec![0; 7], ..forged("a", b"1") };
    assert_kept(&forge_all(&[padded]), "padding");
}

#[test]
fn descriptors() {
    let content = noise(100);
    for entry in [forged("a", &content), deflated("a", &content)] {
        let streamed = entry.clone().streamed();
        let forms = |crc: u32, packed: u32, size: u32| {
            let marked = entry.described(crc, packed, size);
            let wide = [u64::from(packed), u64::from(size)].map(u64::to_le_bytes).concat();
            let wide = [&b"PK\x07\x08"[..], &crc.to_le_bytes(), &wide].concat();
            [marked[4..].to_vec(), wide[4..].to_vec(), marked, wide]
        };
        let (crc, packed, size) = (entry.crc, entry.packed, entry.size);
        for descriptor in forms(crc, packed, size) {
            let entry = Forged { descriptor, ..streamed.clone() };
            assert_kept(&forge_all(&[entry, forged("b", b"1")]), "descriptor");
        }
        for wrong in [(crc ^ 1, packed, size), (crc, packed + 1, size), (crc, packed, size + 1)] {
            for descriptor in forms(wrong.0, wrong.1, wrong.2) {
                for local in [Some([0; 3]), None] {
                    let descriptor = descriptor.clone();
                    let entry = Forged { descriptor, local, ..streamed.clone() };
                    assert_refused(&forge_all(&[entry, forged("b", b"1")]), "descriptor");
                }
            }
        }
        let none = Forged { descriptor: Vec::new(), ..streamed.clone() };
        assert_refused(&forge_all(&[none, forged("b", b"1")]), "descriptor");
        let wrong = Forged { local: Some([7, 0, 0]), ..streamed.clone() };
        assert_refused(&forge_all(&[wrong]), "another size or CRC-32");
        // The flag in the local header alone, with a descriptor and without.
        let alone = Forged { flags: 0, local_flags: Some(8), ..streamed };
        assert_kept(&forge_all(&[alone.clone(), forged("b", b"1")]), "local flag");
        let filled = Forged { local: None, ..alone };
        assert_kept(&forge_all(&[filled.clone(), forged("b", b"1")]), "local flag, sizes");
        let bare = Forged { descriptor: Vec::new(), ..filled };
        assert_kept(&forge_all(&[bare.clone(), forged("b", b"1")]), "local flag, no descriptor");
        assert_kept(&forge_all(&[forged("b", b"1"), bare]), "the last one");
        // The flag in the directory alone: readers of a stream need the sizes.
        let central = Forged { flags: 8, local_flags: Some(0), ..entry };
        assert_kept(&forge_all(std::slice::from_ref(&central)), "directory's flag");
        let followed =
            |crc| Forged { descriptor: central.described(crc, packed, size), ..central.clone() };
        assert_kept(&forge_all(&[followed(crc)]), "directory's flag, descriptor");
        assert_refused(&forge_all(&[followed(crc ^ 1)]), "descriptor");
        assert_refused(&forge_all(&[Forged { local: Some([0; 3]), ..central }]), "another size");
    }
}

#[test]
fn a_stored_content_must_not_contain_its_own_end() {
    let data = b"text";
    let inner = forged("x", data);
    let hidden = forged("../evil", b"1").local_part();
    let content = [&data[..], &inner.described(inner.crc, 4, 4), &hidden].concat();
    let streamed = forged("x", &content).streamed();
    assert_refused(&forge_all(&[streamed]), "data descriptor within its content");
    // Some readers look for an end whenever the flag is set, also with the size in front.
    let filled = Forged { local: None, ..forged("x", &content).streamed() };
    assert_refused(&forge_all(&[filled]), "data descriptor within its content");
    let alone = Forged { local_flags: Some(8), ..forged("x", &content) };
    assert_refused(&forge_all(&[alone]), "data descriptor within its content");
    assert_kept(&forge_all(&[forged("x", &content)]), "no flag");
    let other = [&data[..], &inner.described(inner.crc ^ 1, 4, 4), &hidden].concat();
    assert_kept(&forge_all(&[forged("x", &other).streamed()]), "another CRC-32");
}

#[test]
fn a_count_that_lies() {
    let files = ["a", "b", "c"].map(|name| forged(name, b"1"));
    assert!(judge(&forge(&files, 3)).is_ok());
    for count in [0, 1, 2, 4, 100] {
        assert_refused(&forge(&files, count), "NotZip");
        let ending = Ending { count_here: Some(count), ..Ending::default() };
        assert_refused(&forge_as(&files, &ending), "two counts");
    }
}

#[test]
fn a_count_of_16_bits_may_lack_its_upper_ones() {
    let files: Vec<Forged> = (0..65_539).map(|number| forged(number.to_string(), b"")).collect();
    let mut zip = forge(&files, 3);
    assert_eq!(judge(&zip).unwrap().entries, 65_539);
    let limits = ArtifactLimits { entries: 65_538, ..ArtifactLimits::default() };
    let refused = judge_within(&zip, &limits).unwrap_err();
    assert!(refused.contains("what: Entries, limit: 65538, actual: 65539"), "{refused}");
    let end = zip.len() - 22;
    (zip[end + 8], zip[end + 10]) = (4, 4);
    assert_refused(&zip, "NotZip");
    // A 64-bit record has all bits.
    let ending = Ending { count: Some(3), wide: Some([None; 3]), ..Ending::default() };
    assert_refused(&forge_as(&files, &ending), "NotZip");
}

#[test]
fn parts_on_another_disk() {
    let file = forged("a", b"1");
    let refused = forge_as(std::slice::from_ref(&file), &Ending { disk: 1, ..Ending::default() });
    assert_refused(&refused, "another disk");
    for disk in [1, 0xFFFF] {
        assert_refused(&forge_all(&[Forged { disk, ..file.clone() }]), "another disk");
    }
    let wide =
        |disk: u32| Forged { disk: 0xFFFF, extra: field(1, &disk.to_le_bytes()), ..file.clone() };
    assert_kept(&forge_all(&[wide(0)]), "disk 0");
    assert_refused(&forge_all(&[wide(1)]), "another disk");
}

#[test]
fn both_end_records_must_agree() {
    let files = [forged("a", b"1"), forged("b", b"2")];
    let with = |wide: [Option<u64>; 3], refers| {
        forge_as(&files, &Ending { wide: Some(wide), refers, ..Ending::default() })
    };
    for refers in [false, true] {
        assert_eq!(judge(&with([None; 3], refers)).unwrap().entries, 2);
        let jar = [b"#!/bin/sh\n", &with([None; 3], refers)[..]].concat();
        assert_eq!(judge(&jar).unwrap().entries, 2);
    }
    for wide in [[Some(1), None, None], [None, Some(47), None], [None, None, Some(0)]] {
        assert_refused(&with(wide, false), "contradict");
        assert_refused(&with(wide, true), "NotZip");
    }
    // The locator says where the record is.
    let mut moved = with([None; 3], false);
    let at = moved.len() - 22 - 20 + 8;
    moved[at] ^= 1;
    assert_refused(&moved, "where the locator says");
    // And of how many disks; some packers write zero for one.
    for (disks, is_kept) in [(0, true), (1, true), (2, false)] {
        let mut zip = with([None; 3], false);
        let at = zip.len() - 22 - 20 + 16;
        zip[at] = disks;
        if is_kept {
            assert_kept(&zip, "one disk");
        } else {
            assert_refused(&zip, "another disk");
        }
    }
}

#[test]
fn a_record_hidden_in_the_last_comment() {
    let (shown, hidden) = (forged("a.py", b"x"), forged("evil.py", b"y"));
    // The comment of the last entry is a directory of its own with its 64-bit end record.
    let inner = forge_as(&[hidden], &Ending { wide: Some([None; 3]), ..Ending::default() });
    let directory = inner.windows(4).position(|at| at == b"PK\x01\x02").unwrap();
    let comment = inner[directory..inner.len() - 22].to_vec();
    let zip = forge_all(&[Forged { comment, ..shown }]);
    assert_refused(&zip, "contradict");
}
