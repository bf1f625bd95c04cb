//! Downloads code into a temporary file beside its target, checks the digest, renames the file.
//!
//! Knows digests and files. Must not know commands or the fields of a version.

use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use indicatif::ProgressBar;
use sha2::{Digest, Sha256};

use super::client::Client;
use super::failure::Failure;
use super::output::{self, Output};

/// The target of a download.
#[derive(Debug, clap::Args)]
pub(super) struct Target {
    /// Write to FILE, into a folder, or to standard output with '-' [default: NAME-VERSION.zip]
    #[arg(short, long, value_name = "FILE")]
    pub(super) output: Option<PathBuf>,
    /// Overwrite an existing file
    #[arg(long)]
    pub(super) force: bool,
}

impl Target {
    fn is_stdout(&self) -> bool {
        self.output.as_deref() == Some(Path::new("-"))
    }

    fn path(&self, default: PathBuf) -> PathBuf {
        match &self.output {
            None => default,
            Some(path) if path.is_dir() => path.join(default),
            Some(path) => path.clone(),
        }
    }
}

/// The digest and size of a content, from the server.
pub(super) struct Content<'a> {
    pub(super) sha256: &'a str,
    pub(super) size: u64,
}

/// Downloads a content and returns its file, `None` for standard output.
pub(super) fn save(
    client: &Client,
    output: &mut Output<'_>,
    content: &Content<'_>,
    target: &Target,
    default: PathBuf,
) -> Result<Option<PathBuf>, Failure> {
    let bar = output.bar("downloading", Some(content.size));
    if target.is_stdout() {
        let mut reader = client.code(content.sha256)?;
        copy(&mut reader, content, &bar, |bytes| output.bytes(bytes))?;
        output.flush()?;
        return Ok(None);
    }
    let path = target.path(default);
    if !target.force && fs::symlink_metadata(&path).is_ok() {
        return Err(exists(&path));
    }
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    let failed = |error: &io::Error| Failure::file(path.display(), error);
    let mut file = temporary_in(folder).map_err(|error| failed(&error))?;
    let mut reader = client.code(content.sha256)?;
    copy(&mut reader, content, &bar, |bytes| {
        file.write_all(bytes).map_err(|error| failed(&error))
    })?;
    let kept = if target.force { file.persist(&path) } else { file.persist_noclobber(&path) };
    kept.map_err(|error| match error.error.kind() {
        io::ErrorKind::AlreadyExists => exists(&path),
        _ => failed(&error.error),
    })?;
    Ok(Some(path))
}

/// Prints the result: the version's JSON for programs, the file's name for people.
pub(super) fn report(
    output: &mut Output<'_>,
    answer: &str,
    content: &Content<'_>,
    saved: Option<PathBuf>,
) -> Result<(), Failure> {
    match saved {
        // Standard output carries the code alone.
        None => Ok(()),
        Some(_) if output.json() => output.line(answer),
        Some(path) => {
            let size = output::size(content.size);
            output.line(&format!("saved {} ({size}, sha256 {})", path.display(), content.sha256))
        }
    }
}

/// Copies a content and checks its digest; on failure the written bytes are invalid.
fn copy(
    reader: &mut impl Read,
    content: &Content<'_>,
    bar: &ProgressBar,
    mut write: impl FnMut(&[u8]) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut sha256 = Sha256::new();
    let mut buffer = vec![0; 64 << 10];
    loop {
        let read = match reader.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(Failure::failed(format!("the download broke off: {error}"))),
        };
        sha256.update(&buffer[..read]);
        bar.inc(read as u64);
        write(&buffer[..read])?;
    }
    bar.finish_and_clear();
    let arrived = hex::encode(sha256.finalize());
    if arrived == content.sha256 {
        return Ok(());
    }
    Err(Failure::failed(format!(
        "the download is damaged: its sha256 is {arrived}, not {}",
        content.sha256
    )))
}

/// Makes a temporary file with the permissions of any new file, which it keeps when renamed.
fn temporary_in(folder: &Path) -> io::Result<tempfile::NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".layerbase-");
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    builder.tempfile_in(folder)
}

fn exists(path: &Path) -> Failure {
    Failure::refused(format!("{} exists already", path.display()))
        .hint("overwrite it with --force, or name another file with -o")
}
