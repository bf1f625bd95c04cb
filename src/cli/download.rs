//! Code on its way back: beside its target first, checked, then renamed.
//!
//! Knows digests and files. Must not know which command wants the code nor how a version looks.

use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use indicatif::ProgressBar;
use sha2::{Digest, Sha256};

use super::client::Client;
use super::failure::Failure;
use super::output::{self, Output};

/// Where pulled code goes.
#[derive(Debug, clap::Args)]
pub(super) struct Target {
    /// Write to FILE, into a folder, or to standard output with '-' [default: NAME-VERSION.zip]
    #[arg(short, long, value_name = "FILE")]
    pub(super) output: Option<PathBuf>,
    /// Overwrite a file that is there already
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

/// One content as the server describes it.
pub(super) struct Content<'a> {
    pub(super) sha256: &'a str,
    pub(super) size: u64,
}

/// Downloads a content and returns the file that holds it, `None` for standard output.
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
    let mut file = beside(folder).map_err(|error| failed(&error))?;
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

/// Tells what was pulled: the version's JSON to programs, the file's name to people.
pub(super) fn report(
    output: &mut Output<'_>,
    answer: &str,
    content: &Content<'_>,
    saved: Option<PathBuf>,
) -> Result<(), Failure> {
    match saved {
        // Standard output holds the code and nothing else.
        None => Ok(()),
        Some(_) if output.json() => output.line(answer),
        Some(path) => {
            let size = output::size(content.size);
            output.line(&format!("saved {} ({size}, sha256 {})", path.display(), content.sha256))
        }
    }
}

/// Copies and checks; what was written is only good when this succeeds.
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

/// Makes a temporary file that, renamed, has the rights of any new file.
fn beside(folder: &Path) -> io::Result<tempfile::NamedTempFile> {
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
