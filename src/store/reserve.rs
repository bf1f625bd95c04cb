//! The reserve: a file whose space is given up when the disk is full, so that rows can be deleted.
//!
//! A deletion needs space too: SQLite first writes the changed pages to its log. Knows no rows.

use std::fs::{File, Metadata};
use std::io;
use std::path::{Path, PathBuf};

use super::files::make_private_file;
use crate::disk::{self, Space};

const FILE: &str = "reserve";

/// Bytes of the reserve, and the part of a smaller file system.
const SIZE: u64 = 4 << 20;
const PART: u64 = 50;

/// Calls of [`Reserve::refresh`] before the file is made again after a write failed although the
/// file system showed free space: another limit, such as a quota, holds there.
const PAUSE: u32 = 256;

pub(super) struct Reserve {
    path: PathBuf,
    /// Whether this process owns the data folder. Another one only gives the reserve up.
    is_owner: bool,
    is_held: bool,
    pause: u32,
}

impl Reserve {
    /// Finds the reserve of a data folder, and gives it up if the disk is full already: opening the
    /// catalog needs space.
    pub(super) fn open(folder: &Path, is_owner: bool) -> Self {
        let path = folder.join(FILE);
        let mut reserve = Self { path, is_owner, is_held: false, pause: 0 };
        if let Some(space) = reserve.space() {
            let size = size(space);
            let file = reserve.path.metadata();
            reserve.is_held = file.is_ok_and(|file| file.len() == size && takes_up(&file, size));
            if space.free < size {
                reserve.give_up(space);
            }
        }
        reserve
    }

    /// Gives the reserve up when the free space is less than its size, and makes it again when it
    /// is twice its size. Returns whether space is short. Costs one system call.
    pub(super) fn refresh(&mut self) -> bool {
        let Some(space) = self.space() else { return false };
        let size = size(space);
        self.pause = self.pause.saturating_sub(1);
        if self.is_held && space.free < size {
            self.give_up(space);
        } else if self.is_owner && !self.is_held && self.pause == 0 && space.free >= 2 * size {
            match self.make(size) {
                Ok(()) => self.is_held = true,
                Err(failure) => {
                    tracing::debug!(%failure, "the reserve cannot be made");
                    self.pause = PAUSE;
                    self.empty();
                }
            }
        }
        !self.is_held && space.free < 2 * size
    }

    /// Whether this process owns the folder and the reserve is to be made again.
    pub(super) fn is_given_up(&self) -> bool {
        self.is_owner && !self.is_held && self.space().is_some()
    }

    /// Gives the reserve up after a write failed for lack of space.
    pub(super) fn give_up_after_failure(&mut self) {
        self.pause = PAUSE;
        if self.is_held
            && let Some(space) = self.space()
        {
            self.give_up(space);
        }
    }

    fn give_up(&mut self, space: Space) {
        tracing::warn!(
            free = space.free,
            "the disk is full: the reserve is given up, so that things can be deleted"
        );
        self.is_held = false;
        self.empty();
    }

    fn empty(&self) {
        let emptied = File::options().write(true).open(&self.path).and_then(|file| file.set_len(0));
        match emptied {
            Err(failure) if failure.kind() != io::ErrorKind::NotFound => {
                tracing::error!(%failure, "the reserve cannot be given up");
            }
            _ => {}
        }
    }

    fn make(&self, size: u64) -> io::Result<()> {
        make_private_file(&self.path)?;
        let file = File::options().write(true).truncate(true).open(&self.path)?;
        disk::allocate(&file, size)
    }

    fn space(&self) -> Option<Space> {
        disk::space(self.path.parent()?).ok().flatten()
    }
}

fn size(space: Space) -> u64 {
    SIZE.min(space.total / PART)
}

/// Whether a file takes up its size: a copy of it may have no blocks.
#[cfg(unix)]
fn takes_up(file: &Metadata, size: u64) -> bool {
    std::os::unix::fs::MetadataExt::blocks(file) * 512 >= size
}

#[cfg(not(unix))]
fn takes_up(_file: &Metadata, _size: u64) -> bool {
    true
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_made_when_there_is_room_and_given_up_when_there_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        let size = size(disk::space(folder.path()).unwrap().unwrap());
        let takes_up = || takes_up(&path.metadata().unwrap(), size);

        let mut reserve = Reserve::open(folder.path(), true);
        assert!(!path.exists(), "opening does not make it");
        assert!(!reserve.refresh(), "there is room");
        assert!(takes_up() && reserve.is_held);
        assert!(Reserve::open(folder.path(), true).is_held, "the next start finds it");

        reserve.give_up_after_failure();
        assert_eq!(path.metadata().unwrap().len(), 0);
        for _ in 1..PAUSE {
            assert!(!reserve.refresh());
        }
        assert_eq!(path.metadata().unwrap().len(), 0, "the pause is not over");
        reserve.refresh();
        assert!(takes_up());

        let copy = File::options().write(true).open(&path).unwrap();
        copy.set_len(0).unwrap();
        copy.set_len(size).unwrap();
        let mut reserve = Reserve::open(folder.path(), true);
        assert!(!reserve.is_held, "a file without blocks takes up nothing");
        reserve.refresh();
        assert!(takes_up());
    }

    #[test]
    fn a_process_that_does_not_own_the_folder_makes_none_and_can_give_it_up() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        Reserve::open(folder.path(), false).refresh();
        assert!(!path.exists());
        Reserve::open(folder.path(), true).refresh();
        Reserve::open(folder.path(), false).give_up_after_failure();
        assert_eq!(path.metadata().unwrap().len(), 0);
    }
}
