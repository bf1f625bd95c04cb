//! Contents against their declared sizes and CRC-32.

use super::*;
use crate::ingest::archive::samples::{crc32, deflate};

/// Three pieces of a window, and a little more.
fn long() -> Vec<u8> {
    (0..200_001_u32).flat_map(|number| [number as u8, (number >> 8) as u8 & 3]).collect()
}

fn unchecked() -> ArtifactLimits {
    ArtifactLimits { check_content: false, ..ArtifactLimits::default() }
}

#[test]
fn right_contents_pass() {
    for content in [&b""[..], b"1", &noise(65_536), &noise(65_537), &long()] {
        let entries = [
            forged("stored", content),
            deflated("deflated", content),
            deflated("streamed", content).streamed(),
        ];
        assert_eq!(judge(&forge_all(&entries)).unwrap().unpacked, 3 * content.len() as u64);
    }
}

#[test]
fn a_damaged_byte_is_refused() {
    let content = noise(3000);
    for entry in [forged("a.so", &content), deflated("a.so", &content)] {
        let zip = forge_all(&[entry, forged("b.py", b"1")]);
        for at in [40, 1500, 3030] {
            let mut damaged = zip.clone();
            damaged[at] ^= 0x55;
            assert_refused(&damaged, "BadEntry { path: \"a.so\"");
            assert!(judge_within(&damaged, &unchecked()).is_ok());
        }
    }
}

#[test]
fn declared_sizes_must_be_true() {
    let content = long();
    let right = deflated("a", &content);
    for size in [0, 1, 10, content.len() as u32 - 1] {
        let short = Forged { size, ..right.clone() };
        assert_refused(&forge_all(std::slice::from_ref(&short)), "more than its declared size");
        assert!(judge_within(&forge_all(std::slice::from_ref(&short)), &unchecked()).is_ok());
        let described = short.described(short.crc, short.packed, size);
        let streamed = Forged { descriptor: described, ..short.streamed() };
        assert_refused(&forge_all(&[streamed]), "more than its declared size");
    }
    let long = Forged { size: content.len() as u32 + 1, ..right.clone() };
    assert_refused(&forge_all(&[long]), "less than its declared size");
    // The CRC-32 is that of the declared part.
    let part = Forged { size: 10, crc: crc32(&content[..10]), ..right.clone() };
    assert_refused(&forge_all(&[part]), "more than its declared size");
    // A link's target unpacks to more than is declared.
    let bomb = deflate(&[b'a'; 200_000]);
    let packed = bomb.len() as u32;
    let target = Forged { method: 8, data: bomb, packed, size: 4, ..link("l", b"aaaa") };
    assert_refused(&forge_all(&[target]), "more than its declared size");
}

#[test]
fn packed_data_must_end_where_it_is_declared_to_end() {
    let mut slack = deflated("a", b"text");
    // Readers of a stream find the next header right behind the end of the packed data.
    slack.data.extend(forged("../evil", b"1").local_part());
    slack.packed = slack.data.len() as u32;
    assert_refused(&forge_all(&[slack]), "behind the end of its packed data");
    let mut cut = deflated("a", &noise(1000));
    cut.data.pop();
    cut.packed -= 1;
    assert_refused(&forge_all(&[cut]), "damaged");
    let empty = Forged { method: 8, ..forged("a", b"") };
    assert_refused(&forge_all(&[empty]), "damaged");
    // Python 2 wrote folders so; no reader looks for their contents.
    let folder = Forged { method: 8, ..forged("d/", b"") };
    assert_kept(&forge_all(&[folder]), "a folder without packed data");
    assert_refused(&forge_all(&[Forged { method: 8, ..forged("a", &[0xFF; 9]) }]), "damaged");
}

#[test]
fn a_bomb_is_inflated_no_further_than_it_declares() {
    // 64 MiB of zeros in 64 KiB, a hundred times; each declares to be 10 bytes long.
    let bomb = deflate(&vec![0; 64 << 20]);
    let packed = bomb.len() as u32;
    let entries: Vec<Forged> = (0..100)
        .map(|number| {
            let crc = crc32(&[0; 10]);
            let name = number.to_string();
            Forged { method: 8, data: bomb.clone(), packed, crc, size: 10, ..forged(name, b"") }
        })
        .collect();
    let start = std::time::Instant::now();
    assert_refused(&forge_all(&entries), "more than its declared size");
    assert!(start.elapsed().as_secs() < 20, "{:?}", start.elapsed());
}
