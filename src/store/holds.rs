//! Holds on contents: while a content is held, its file can appear but not disappear.
//!
//! An upload holds its content from before its file is created until its row is committed or
//! refused. The last holder removes the file if no row refers to it. Knows neither files nor rows.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The contents that are held, by their SHA-256.
///
/// All uploads of one content share its state and may write the same file at once. That is correct
/// because:
///
/// - Only the last holder removes the file, under the lock.
/// - An upload sets `unreferenced` under the lock, only if the file is missing, and before its
///   rename puts the file there. An upload commits after its rename: a missing file means that none
///   has committed yet. The flag is therefore never set after the [`Hold::keep`] that clears it. If
///   the rename fails, the flag does no harm: removing a missing file succeeds.
/// - An upload that finds another's file does not set the flag. The other upload has set it in this
///   same state, where it stays until one of them commits or the last of them removes the file.
/// - A rename over an existing file, which may have a row by then, replaces it by the same bytes.
///   These are synced: it makes no difference which of the two files a crash leaves.
///
/// Whatever else removes a content takes part by the same rules: it holds the content, deletes the
/// row in a change that finds no reference, and sets the flag. An upload that commits after that
/// change still holds the content, and clears the flag.
#[derive(Default)]
pub(super) struct Holds {
    states: Mutex<HashMap<[u8; 32], State>>,
}

#[derive(Default)]
struct State {
    holders: usize,
    /// Whether the last holder must remove the file.
    unreferenced: bool,
}

/// One hold on a content; [`Hold::end`] ends it.
pub(super) struct Hold {
    holds: Arc<Holds>,
    sha256: [u8; 32],
}

impl Holds {
    /// Holds a content.
    pub(super) fn take(self: &Arc<Self>, sha256: &[u8; 32]) -> Hold {
        self.states().entry(*sha256).or_default().holders += 1;
        Hold { holds: Arc::clone(self), sha256: *sha256 }
    }

    /// Whether the content is held.
    pub(super) fn has(&self, sha256: &[u8; 32]) -> bool {
        self.states().contains_key(sha256)
    }

    fn states(&self) -> MutexGuard<'_, HashMap<[u8; 32], State>> {
        self.states.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the number of contents that are held.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.states().len()
    }
}

impl Hold {
    /// Returns the SHA-256 of the content.
    pub(super) fn sha256(&self) -> &[u8; 32] {
        &self.sha256
    }

    /// Has the last holder remove the file, if `is_unreferenced` is true under the lock.
    pub(super) fn remove_if(&self, is_unreferenced: impl FnOnce() -> bool) {
        if let Some(state) = self.holds.states().get_mut(&self.sha256) {
            state.unreferenced |= is_unreferenced();
        }
    }

    /// Has the file stay: a row refers to it, or may do so.
    pub(super) fn keep(&self) {
        if let Some(state) = self.holds.states().get_mut(&self.sha256) {
            state.unreferenced = false;
        }
    }

    /// Ends the hold. The last one calls `remove`, under the lock, if the file must not stay.
    pub(super) fn end(&self, remove: impl FnOnce() -> io::Result<()>) {
        let mut states = self.holds.states();
        let Some(state) = states.get_mut(&self.sha256) else { return };
        state.holders -= 1;
        if state.holders > 0 {
            return;
        }
        if state.unreferenced
            && let Err(failure) = remove()
        {
            tracing::error!(%failure, "cannot remove code that got no version");
        }
        states.remove(&self.sha256);
    }
}
