//! Archives built field by field, right or wrong, for the tests of this folder.

use std::io::Write;

use flate2::Compression;
use flate2::write::DeflateEncoder;

/// One entry with every field as it is written.
#[derive(Clone)]
pub(super) struct Forged {
    pub(super) name: Vec<u8>,
    /// Its data as packed.
    pub(super) data: Vec<u8>,
    pub(super) flags: u16,
    pub(super) needs: u16,
    /// System and DOS attributes in the directory.
    pub(super) system: u8,
    pub(super) dos: u8,
    pub(super) mode: u32,
    pub(super) method: u16,
    pub(super) crc: u32,
    /// Unpacked size as declared.
    pub(super) size: u32,
    /// Packed size as declared.
    pub(super) packed: u32,
    pub(super) extra: Vec<u8>,
    pub(super) comment: Vec<u8>,
    pub(super) disk: u16,
    /// Offset of the entry according to the directory.
    pub(super) start: Option<u32>,
    /// Name, flags, method and extra part in the local header.
    pub(super) local_name: Option<Vec<u8>>,
    pub(super) local_flags: Option<u16>,
    pub(super) local_method: Option<u16>,
    pub(super) local_extra: Vec<u8>,
    /// CRC-32, packed and unpacked size in the local header.
    pub(super) local: Option<[u32; 3]>,
    /// Bytes in front of the local header.
    pub(super) gap: Vec<u8>,
    /// Bytes behind the data.
    pub(super) descriptor: Vec<u8>,
}

pub(super) fn forged(name: impl AsRef<[u8]>, data: &[u8]) -> Forged {
    Forged {
        name: name.as_ref().to_vec(),
        data: data.to_vec(),
        flags: 0,
        needs: 20,
        system: 3,
        dos: 0,
        mode: 0o100_644,
        method: 0,
        crc: crc32(data),
        size: data.len() as u32,
        packed: data.len() as u32,
        extra: Vec::new(),
        comment: Vec::new(),
        disk: 0,
        start: None,
        local_name: None,
        local_flags: None,
        local_method: None,
        local_extra: Vec::new(),
        local: None,
        gap: Vec::new(),
        descriptor: Vec::new(),
    }
}

pub(super) fn deflated(name: &str, content: &[u8]) -> Forged {
    let data = deflate(content);
    let packed = data.len() as u32;
    Forged { method: 8, data, packed, ..forged(name, content) }
}

pub(super) fn deflate(content: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

pub(super) fn link(name: &str, target: &[u8]) -> Forged {
    Forged { mode: 0o120_777, ..forged(name, target) }
}

impl Forged {
    /// Moves sizes and CRC-32 behind the data, as tools do that write a stream.
    pub(super) fn streamed(self) -> Self {
        let descriptor = self.described(self.crc, self.packed, self.size);
        Self { flags: self.flags | 8, local: Some([0; 3]), descriptor, ..self }
    }

    pub(super) fn described(&self, crc: u32, packed: u32, size: u32) -> Vec<u8> {
        let numbers = [crc, packed, size].map(u32::to_le_bytes).concat();
        [&b"PK\x07\x08"[..], &numbers].concat()
    }

    /// Returns the local header, the data and the descriptor.
    pub(super) fn local_part(&self) -> Vec<u8> {
        let name = self.local_name.as_ref().unwrap_or(&self.name);
        let mut part = b"PK\x03\x04".to_vec();
        let flags = self.local_flags.unwrap_or(self.flags);
        let method = self.local_method.unwrap_or(self.method);
        let sizes = self.local.unwrap_or([self.crc, self.packed, self.size]);
        part.extend(common(self.needs, flags, method, sizes, name, &self.local_extra));
        part.extend(name);
        part.extend(&self.local_extra);
        part.extend(&self.data);
        part.extend(&self.descriptor);
        part
    }

    fn central_part(&self, start: u32) -> Vec<u8> {
        let mut part = [&b"PK\x01\x02\x14"[..], &[self.system]].concat();
        let sizes = [self.crc, self.packed, self.size];
        part.extend(common(self.needs, self.flags, self.method, sizes, &self.name, &self.extra));
        part.extend((self.comment.len() as u16).to_le_bytes());
        part.extend(self.disk.to_le_bytes());
        part.extend([0, 0]);
        part.extend((self.mode << 16 | u32::from(self.dos)).to_le_bytes());
        part.extend(self.start.unwrap_or(start).to_le_bytes());
        for bytes in [&self.name, &self.extra, &self.comment] {
            part.extend(bytes);
        }
        part
    }
}

/// Returns the part that local headers and the directory have in common.
fn common(
    needs: u16,
    flags: u16,
    method: u16,
    sizes: [u32; 3],
    name: &[u8],
    extra: &[u8],
) -> Vec<u8> {
    let mut part = [needs, flags, method, 0, 0x21].map(u16::to_le_bytes).concat();
    part.extend(sizes.map(u32::to_le_bytes).concat());
    part.extend([name.len() as u16, extra.len() as u16].map(u16::to_le_bytes).concat());
    part
}

/// One field of an extra part.
pub(super) fn field(tag: u16, data: &[u8]) -> Vec<u8> {
    [&tag.to_le_bytes()[..], &(data.len() as u16).to_le_bytes(), data].concat()
}

/// The field of libarchive with the mode of an entry made on a system.
pub(super) fn repeated(system: u8, mode: u32) -> Vec<u8> {
    field(0x6C78, &[&[7, 20, system, 0, 0][..], &(mode << 16).to_le_bytes()].concat())
}

/// The field with the Unicode path of an entry called `name`.
pub(super) fn unicode(name: &[u8], path: &[u8]) -> Vec<u8> {
    field(0x7075, &[&[1][..], &crc32(name).to_le_bytes(), path].concat())
}

/// The end of an archive, as it is written.
#[derive(Clone, Default)]
pub(super) struct Ending {
    /// Entries as declared; otherwise all.
    pub(super) count: Option<u16>,
    /// Entries of this disk as declared; otherwise as many.
    pub(super) count_here: Option<u16>,
    pub(super) disk: u16,
    /// Bytes between the last entry and the directory.
    pub(super) gap: Vec<u8>,
    pub(super) comment: Vec<u8>,
    /// 64-bit record: count, size and start of the directory are these in place of the true ones.
    pub(super) wide: Option<[Option<u64>; 3]>,
    /// The 32-bit record refers to the other one.
    pub(super) refers: bool,
}

pub(super) fn forge_as(entries: &[Forged], ending: &Ending) -> Vec<u8> {
    let (mut zip, mut directory) = (Vec::new(), Vec::new());
    for entry in entries {
        zip.extend(&entry.gap);
        directory.extend(entry.central_part(zip.len() as u32));
        zip.extend(entry.local_part());
    }
    zip.extend(&ending.gap);
    let (start, size) = (zip.len() as u32, directory.len() as u32);
    let count = ending.count.unwrap_or(entries.len() as u16);
    zip.extend(&directory);
    if let Some([wide_count, wide_size, wide_start]) = ending.wide {
        let at = zip.len() as u64;
        zip.extend(b"PK\x06\x06");
        zip.extend(44_u64.to_le_bytes());
        zip.extend([45, 0, 45, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        let count = wide_count.unwrap_or(count.into());
        let (size, start) = (wide_size.unwrap_or(size.into()), wide_start.unwrap_or(start.into()));
        zip.extend([count, count, size, start].map(u64::to_le_bytes).concat());
        zip.extend(b"PK\x06\x07\0\0\0\0");
        zip.extend(at.to_le_bytes());
        zip.extend(b"\x01\0\0\0");
    }
    let here = ending.count_here.unwrap_or(count);
    zip.extend(b"PK\x05\x06");
    zip.extend(ending.disk.to_le_bytes());
    zip.extend([0, 0]);
    if ending.refers {
        zip.extend([0xFF; 12]);
    } else {
        zip.extend([here, count].map(u16::to_le_bytes).concat());
        zip.extend([size, start].map(u32::to_le_bytes).concat());
    }
    zip.extend((ending.comment.len() as u16).to_le_bytes());
    zip.extend(&ending.comment);
    zip
}

pub(super) fn forge(entries: &[Forged], count: u16) -> Vec<u8> {
    forge_as(entries, &Ending { count: Some(count), ..Ending::default() })
}

pub(super) fn forge_all(entries: &[Forged]) -> Vec<u8> {
    forge_as(entries, &Ending::default())
}

pub(super) fn crc32(bytes: &[u8]) -> u32 {
    crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32IsoHdlc, bytes) as u32
}
