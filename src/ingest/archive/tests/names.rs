//! Names, kinds and links.

use super::*;
use crate::ingest::archive::samples::{repeated, unicode};

#[test]
fn unsafe_names() {
    for (name, word) in [
        ("/etc/passwd", "absolute"),
        ("../x", "upwards"),
        ("a/../../x", "upwards"),
        ("..\\x", "upwards"),
        ("a\\..\\..\\x", "upwards"),
        ("a/..\\x", "upwards"),
        ("\\x", "absolute"),
        ("\\\\server\\x", "absolute"),
        ("C:\\x", "drive"),
        ("C:/x", "drive"),
        ("a\0b", "NUL"),
        ("a\x1bb", "control"),
        ("", "no name"),
    ] {
        assert_refused(&forge_all(&[forged("ok", b""), forged(name, b"1")]), word);
    }
    // Not UTF-8, so the name is in the packer's own code page, where this byte is a letter.
    assert_kept(&forge_all(&[forged(b"\x81.txt", b"")]), "code page");
    for name in [&b"\x81/../../x"[..], b"\x81\\..\\..\\x", b"\x81\\..", b"..\\\x81"] {
        assert_refused(&forge_all(&[forged(name, b"")]), "upwards");
    }
}

#[test]
fn the_mark_of_utf8_must_be_right() {
    let marked = |name: &[u8]| Forged { flags: 1 << 11, ..forged(name, b"1") };
    assert_kept(&forge_all(&[marked("日本.txt".as_bytes())]), "UTF-8");
    for name in [&b"\x93\xFA.txt"[..], b"\xC0\xAE\xC0\xAE/x", b"\xED\xA0\x80"] {
        assert_refused(&forge_all(&[marked(name)]), "is marked as UTF-8");
    }
    for (flags, local_flags) in [(0, Some(1 << 11)), (1 << 11, Some(0))] {
        let one = |name: &str| Forged { flags, local_flags, ..forged(name, b"1") };
        assert_refused(&forge_all(&[one("é")]), "another encoding");
        assert_kept(&forge_all(&[one("e")]), "a name that is the same in both");
    }
}

#[test]
fn backslashes_are_judged_as_separators_and_kept() {
    let powershell = ["python\\lib\\util.py", "python\\app.py", "empty\\", "a\\b/c"];
    assert_kept(&forge_all(&powershell.map(|name| forged(name, b""))), "PowerShell 5");
    let twice = forge_all(&[forged("a\\b", b"1"), forged("a/b", b"2")]);
    assert_refused(&twice, "DuplicatePath { path: \"a/b\", first: 1, second: 2 }");
    assert_refused(&forge_all(&[link("l", b"/tmp"), forged("l\\x", b"1")]), "beneath");
    assert_refused(&forge_all(&[forged("l\\x", b"1"), link("l", b"/tmp")]), "beneath");
    let deep = ArtifactLimits { depth: 2, ..ArtifactLimits::default() };
    assert!(judge_within(&forge_all(&[forged("a\\b\\c", b"")]), &deep).is_err());
}

#[test]
fn home_folders_are_refused_where_they_must_be() {
    let strict = ArtifactLimits { tilde: false, ..ArtifactLimits::default() };
    for name in ["~/a", "a/~/b", "a~/b", "~/"] {
        let zip = forge_all(&[forged(name, b"")]);
        assert_kept(&zip, name);
        assert!(format!("{:?}", judge_within(&zip, &strict)).contains("contains '~/'"), "{name}");
    }
    for name in ["~", "a~b", "~a/b"] {
        assert!(judge_within(&forge_all(&[forged(name, b"")]), &strict).is_ok(), "{name}");
    }
}

#[test]
fn half_a_character_is_no_separator() {
    // 予定表.txt in Shift-JIS, 功能說明.txt in Big5, 陰謀.txt in GBK.
    for name in [
        &b"\x97\x5C\x92\xE8\x95\x5C.txt"[..],
        b"\xA5\x5C\xAF\xE0\xBB\xA1\xA9\xFA.txt",
        b"\xEA\x8E\xD6\x5C.txt",
    ] {
        assert_kept(&forge_all(&[forged(name, b"1")]), &String::from_utf8_lossy(name));
    }
    // The file ソ beside the folder ソフト: no path is beneath the file.
    let (file, folder) = (&b"\x83\x5C"[..], &b"\x83\x5C\x83\x74\x83\x67/a"[..]);
    assert_kept(&forge_all(&[forged(file, b"1"), forged(folder, b"1")]), "ソ");
    let link_of = |name: &[u8]| Forged { mode: 0o120_777, ..forged(name, b"/tmp") };
    // Some readers split there all the same: nothing is beneath a link for them either.
    for (link, below) in [
        (&b"\x83"[..], &b"\x83\\x"[..]),
        ("â".as_bytes(), b"\x83\\x"),
        (b"\x83\\x", b"\x83\\x/y"),
        (b"\x83\\x", b"\x83/x/y"),
    ] {
        assert_refused(&forge_all(&[link_of(link), forged(below, b"1")]), "beneath");
        assert_refused(&forge_all(&[forged(below, b"1"), link_of(link)]), "beneath");
    }
    // Behind a whole character a backslash is one, and so it is in UTF-8.
    for folder in [&b"\x93\xFA"[..], "日".as_bytes()] {
        let below = [folder, b"\\x"].concat();
        assert_refused(&forge_all(&[link_of(folder), forged(below, b"1")]), "beneath");
    }
}

#[test]
fn unicode_names_are_read() {
    let local = b"\x93\xFA\x96\x7B.txt";
    let named = |name: &[u8], path: &str| {
        let extra = unicode(name, path.as_bytes());
        Forged { local_extra: extra.clone(), extra, ..forged(name, path.as_bytes()) }
    };
    assert_kept(&forge_all(&[named(local, "日本.txt")]), "code page");
    // Packers write one character for all that their code page does not have.
    assert_kept(&forge_all(&[named(b"__.txt", "日本.txt"), named(b"__.txt", "中国.txt")]), "_");
    for path in ["../x", "/x", "a\\..\\x", "a\0"] {
        assert_refused(&forge_all(&[named(local, path)]), "UnsafePath");
    }
    assert_refused(&forge_all(&[link("d", b"/tmp"), named(b"e_x", "d/x")]), "beneath");
    assert_refused(&forge_all(&[link("d", b"/tmp"), named(b"d/x", "e")]), "beneath");
    let twice = [forged("日本.txt", b"other"), named(local, "日本.txt")];
    assert_refused(&forge_all(&twice), "DuplicatePath");
    // A field for another name is ignored, since a tool that did not know it renamed the entry.
    let renamed = Forged { extra: unicode(b"old", b"../x"), ..forged("new", b"1") };
    assert_kept(&forge_all(&[renamed]), "renamed");
    let wrong = Forged { extra: unicode(b"a", b"\xFF"), ..forged("a", b"1") };
    assert_refused(&forge_all(&[wrong]), "not UTF-8");
    let empty = Forged { extra: unicode(b"a", b""), ..forged("a", b"1") };
    assert_refused(&forge_all(&[empty]), "empty Unicode name");
    // A folder for some readers and a file for others.
    for (name, path) in [("d/", "d"), ("d", "d/"), ("d", "d\\")] {
        assert_refused(&forge_all(&[named(name.as_bytes(), path)]), "only one of its names");
    }
    let two = [unicode(b"a", b"b"), unicode(b"a", b"c")].concat();
    assert_refused(&forge_all(&[Forged { extra: two, ..forged("a", b"1") }]), "two Unicode names");
    let other = Forged { local_extra: unicode(b"a", b"c"), ..named(b"a", "b") };
    assert_refused(&forge_all(&[other]), "another Unicode name");
}

#[test]
fn one_path_twice() {
    let (same, folder) = (forged("a/b", b"same"), forged("d/", b""));
    let again = deflated("./a//b", b"same");
    assert_kept(&forge_all(&[same.clone(), folder.clone(), again, folder]), "equal contents");
    assert_kept(&forge_all(&[link("l", b"/opt"), link("l", b"/opt")]), "equal links");
    let twice = forge_all(&[forged("x", b""), same.clone(), forged("y", b""), forged("a/b", b"!")]);
    let problem = inspect(Cursor::new(&twice), &ArtifactLimits::default()).unwrap_err();
    assert_eq!(
        problem.to_string(),
        "entry \"a/b\" is there twice with different contents: as entry 2 and 4"
    );
    for other in [forged("a/b", b"same but longer"), link("a/b", b"same"), forged("a/b/", b"")] {
        assert_refused(&forge_all(&[same.clone(), other.clone()]), "DuplicatePath");
        assert_refused(&forge_all(&[other, same.clone()]), "DuplicatePath");
    }
    // In the DOS code page, in which some readers take it, the first name is the second one.
    let marked = Forged { flags: 1 << 11, ..forged("é", b"2") };
    assert_refused(&forge_all(&[forged(b"\x82", b"1"), marked]), "DuplicatePath");
}

#[test]
fn nothing_is_beneath_a_file_or_a_link() {
    for pair in [["a", "a/b"], ["a/b", "a"], ["a", "./a//b/"]] {
        assert_refused(&forge_all(&pair.map(|name| forged(name, b""))), "beneath");
    }
    for target in [&b"."[..], b"/tmp", b"../.."] {
        assert_refused(&forge_all(&[forged("l/x", b""), link("l", target)]), "beneath");
        assert_refused(&forge_all(&[link("l", target), forged("l/x", b"")]), "beneath");
        assert_refused(&forge_all(&[link("l", target), link("l/m/n", b"x")]), "beneath");
        assert_refused(&forge_all(&[link("l/", target), forged("l/x", b"")]), "beneath");
    }
    let in_code_page = Forged { mode: 0o120_777, ..forged(b"\x82", b"/tmp") };
    let marked = Forged { flags: 1 << 11, ..forged("é/x", b"2") };
    assert_refused(&forge_all(&[marked, in_code_page]), "beneath");
}

#[test]
fn links_may_lead_anywhere() {
    for target in [
        &b"/opt/nodejs/node_modules"[..],
        b"/usr/bin/python3",
        b"../../packages/a",
        b"..",
        b"b/../c",
        b"C:/x",
        b"..\\x",
        b"\x93\xFA",
    ] {
        assert_kept(&forge_all(&[link("l", target), forged("m", b"1")]), "link");
    }
    assert_refused(&forge_all(&[link("l", b"")]), "without a target");
    assert_refused(&forge_all(&[link("l", b"a\0b")]), "NUL in its target");
    assert_kept(&forge_all(&[link("l", &[b'a'; 4096])]), "the longest target");
    assert_refused(&forge_all(&[link("l", &[b'a'; 4097])]), "longer than 4096");
    // Targets are read, and must be right, where contents are not.
    let unchecked = ArtifactLimits { check_content: false, ..ArtifactLimits::default() };
    let wrong = Forged { crc: 7, ..link("l", b"a") };
    assert!(judge_within(&forge_all(&[wrong]), &unchecked).is_err());
    assert!(judge_within(&forge_all(&[link("l", b"a\0b")]), &unchecked).is_err());
}

#[test]
fn kinds_and_modes() {
    let of = |name: &str, mode: u32| forge_all(&[Forged { mode, ..forged(name, b"") }]);
    for mode in [0, 0o644, 0o755, 0o100_755, 0o101_755] {
        assert_kept(&of("a", mode), "file");
    }
    for mode in [0, 0o755, 0o040_755, 0o042_775, 0o046_755, 0o041_777] {
        assert_kept(&of("d/", mode), "folder");
    }
    for (mode, word) in [
        (0o010_644, "pipe"),
        (0o020_644, "device"),
        (0o060_644, "device"),
        (0o140_755, "socket"),
        (0o150_755, "unknown kind"),
        (0o104_755, "setuid"),
        (0o102_755, "setgid"),
        (0o004_755, "setuid"),
    ] {
        assert_refused(&of("a", mode), word);
    }
    assert_refused(&of("d/", 0o020_644), "device");
    // The target folder itself.
    assert_kept(&of("./", 0o040_755), "root");
    assert_refused(&forge_all(&[link("./", b"/tmp")]), "no name");
}

#[test]
fn a_content_that_some_readers_drop() {
    let folder = Forged { mode: 0o040_755, ..forged("d", b"1") };
    let dos = Forged { system: 0, dos: 0x10, mode: 0, ..forged("d", b"1") };
    for entry in [folder, dos.clone(), forged("d\\", b"1")] {
        assert_refused(&forge_all(std::slice::from_ref(&entry)), "a folder for some readers");
        let empty = Forged { data: Vec::new(), crc: 0, size: 0, packed: 0, ..entry };
        assert_kept(&forge_all(&[empty]), "nothing to drop");
    }
    // On Unix the attribute of DOS says nothing.
    assert_kept(&forge_all(&[Forged { system: 3, mode: 0o100_644, ..dos }]), "Unix");
}

#[test]
fn libarchives_field_repeats_the_attributes() {
    let entry = forged("l", b"/tmp");
    let with = |extra: &[u8], local_extra: &[u8]| {
        forge_all(&[Forged {
            extra: extra.to_vec(),
            local_extra: local_extra.to_vec(),
            ..entry.clone()
        }])
    };
    let right = repeated(3, 0o100_644);
    assert_kept(&with(&right, &right), "repeated");
    assert_kept(&with(&[], &right), "in the local header, as bsdtar writes it");
    for wrong in [0o120_777, 0o040_755, 0o104_755].map(|mode| repeated(3, mode)) {
        assert_refused(&with(&[], &wrong), "extra field of libarchive");
        assert_refused(&with(&wrong, &right), "extra field of libarchive");
    }
    assert_refused(&with(&[], &repeated(0, 0o100_644)), "extra field of libarchive");
}
