//! Packs folders from the disk and inspects the archives.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::time::{Duration, SystemTime};

use super::*;
use crate::cli::failure::Kind;

/// Makes a folder of files, in the given order; a name that ends in `/` is a folder.
fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        if name.ends_with('/') {
            fs::create_dir_all(path).unwrap();
        } else {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
    }
    folder
}

fn bytes(path: &Path) -> Vec<u8> {
    let mut package = open(path).unwrap();
    let mut bytes = Vec::new();
    package.file.read_to_end(&mut bytes).unwrap();
    assert_eq!(bytes.len() as u64, package.size);
    bytes
}

fn names(path: &Path) -> Vec<String> {
    let archive = zip::ZipArchive::new(io::Cursor::new(bytes(path))).unwrap();
    (0..archive.len())
        .map(|index| archive.name_for_index(index).unwrap().unwrap().into_owned())
        .collect()
}

#[test]
fn equal_folders_give_equal_bytes() {
    let files = [("b.py", "b"), ("a/x.py", "x"), ("a-b", "-"), ("bin/run", "#!"), ("empty/", "")];
    let first = folder(&files);
    let second = folder(&[files[4], files[3], files[2], files[1], files[0]]);
    for (folder, mode) in [(&first, 0o700), (&second, 0o775)] {
        let run = folder.path().join("bin/run");
        fs::set_permissions(run, fs::Permissions::from_mode(mode)).unwrap();
        symlink("../b.py", folder.path().join("a/link")).unwrap();
    }
    fs::set_permissions(second.path().join("b.py"), fs::Permissions::from_mode(0o600)).unwrap();
    let before = bytes(first.path());
    let old = File::options().write(true).open(first.path().join("b.py")).unwrap();
    old.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000)).unwrap();
    assert_eq!(before, bytes(first.path()));
    assert_eq!(before, bytes(second.path()));
    assert_eq!(names(first.path()), ["a-b", "a/link", "a/x.py", "b.py", "bin/run", "empty/"]);
}

#[test]
fn entries_carry_fixed_times_and_modes() {
    let folder = folder(&[("plain", "p"), ("run", "r"), ("empty/", "")]);
    let run = folder.path().join("run");
    fs::set_permissions(run, fs::Permissions::from_mode(0o700)).unwrap();
    symlink("run", folder.path().join("link")).unwrap();
    let mut archive = zip::ZipArchive::new(io::Cursor::new(bytes(folder.path()))).unwrap();
    for (name, mode, text) in [
        ("plain", 0o100_644, "p"),
        ("run", 0o100_755, "r"),
        ("empty/", 0o040_755, ""),
        ("link", 0o120_777, "run"),
    ] {
        let mut entry = archive.by_name(name).unwrap();
        assert_eq!(entry.unix_mode(), Some(mode), "{name}");
        assert_eq!(entry.last_modified(), Some(DateTime::default()), "{name}");
        let mut read = String::new();
        entry.read_to_string(&mut read).unwrap();
        assert_eq!(read, text, "{name}");
    }
}

#[test]
fn only_layerbaseignore_decides_what_is_left_out() {
    let folder = folder(&[
        (IGNORE_FILE, "*.pyc\n/build\n!keep.pyc\nsub/only/\n"),
        (".gitignore", "main.py\n"),
        (".ignore", "main.py\n"),
        (".hidden", "h"),
        ("main.py", "m"),
        ("main.pyc", "c"),
        ("keep.pyc", "k"),
        ("build/out", "o"),
        ("deep/build/out", "o"),
        ("deep/x.pyc", "c"),
        ("sub/only/a", "a"),
        ("sub/.layerbaseignore", "b\n"),
        ("sub/b", "b"),
        ("sub/c", "c"),
    ]);
    let expected =
        [".gitignore", ".hidden", ".ignore", "deep/build/out", "keep.pyc", "main.py", "sub/c"];
    assert_eq!(names(folder.path()), expected);
    // An ignore file above the folder has no effect: the bytes must not depend on the location.
    assert_eq!(names(&folder.path().join("deep")), ["build/out", "x.pyc"]);
}

#[test]
fn an_invalid_pattern_is_refused_with_its_line() {
    let folder = folder(&[(IGNORE_FILE, "ok\na{b\n"), ("x", "x")]);
    let failure = open(folder.path()).unwrap_err();
    assert_eq!(failure.kind, Kind::Usage);
    assert!(failure.what.contains(IGNORE_FILE) && failure.what.contains("line 2"), "{failure:?}");
}

#[test]
fn links_that_leave_the_folder_are_refused_by_name() {
    for target in ["/etc/passwd", "../secret", "a/../../secret", "self/.."] {
        let folder = folder(&[("a/x", "x")]);
        symlink(".", folder.path().join("self")).unwrap();
        symlink(target, folder.path().join("bad-link")).unwrap();
        let failure = open(folder.path()).unwrap_err();
        assert_eq!(failure.kind, Kind::Refused, "{target}");
        assert!(failure.what.contains("bad-link"), "{failure:?}");
    }
    let folder = folder(&[("a/x", "x"), ("b/y", "y")]);
    symlink("../b/./y", folder.path().join("a/good")).unwrap();
    symlink("not/there", folder.path().join("dangling")).unwrap();
    assert_eq!(names(folder.path()), ["a/good", "a/x", "b/y", "dangling"]);
}

#[test]
fn a_zip_is_sent_unchanged_and_other_files_are_refused() {
    let folder =
        folder(&[("a.zip", "PK\u{3}\u{4}whatever"), ("b.txt", "text"), ("c.zip", ""), ("d/", "")]);
    assert_eq!(bytes(&folder.path().join("a.zip")), b"PK\x03\x04whatever");
    for name in ["b.txt", "c.zip", "d", "missing"] {
        assert_eq!(open(&folder.path().join(name)).unwrap_err().kind, Kind::Usage, "{name}");
    }
}

#[test]
fn sockets_are_refused_by_name() {
    let folder = folder(&[("x", "x")]);
    let _socket = std::os::unix::net::UnixListener::bind(folder.path().join("sock")).unwrap();
    let failure = open(folder.path()).unwrap_err();
    assert!(failure.kind == Kind::Refused && failure.what.contains("sock"), "{failure:?}");
}

#[test]
fn file_names_are_valid_on_any_disk() {
    assert_eq!(file_name("0@svc@fn", "latest"), Path::new("0@svc@fn-latest.zip"));
    assert_eq!(file_name("a:b\\c", "3"), Path::new("a_b_c-3.zip"));
}
