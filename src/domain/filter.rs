//! What a list shows and in which order, as far as the catalog decides it.

use super::{Acl, LayerName, VersionNumber};

/// Which layers a list shows; everything that is set must hold.
#[derive(Clone, Debug, Default)]
pub struct LayerFilter {
    /// The name starts with this, byte for byte.
    pub prefix: Option<String>,
    /// The name contains this, ASCII letters of either case.
    pub contains: Option<String>,
    /// The name is this.
    pub name: Option<LayerName>,
    /// The newest version names this runtime as compatible.
    pub runtime: Option<String>,
    /// The layer has this access.
    pub acl: Option<Acl>,
}

impl LayerFilter {
    /// Whether every layer is shown.
    pub fn is_empty(&self) -> bool {
        self.contains.is_none()
            && self.name.is_none()
            && self.prefix.is_none()
            && self.runtime.is_none()
            && self.acl.is_none()
    }
}

/// How the states of one function, or of many, are ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FunctionOrder {
    /// The head, then published versions by falling number.
    HeadFirst,
    /// What `HeadFirst` has behind the state of this number; `None` is the head. It need not exist.
    HeadFirstAfter(Option<VersionNumber>),
    /// The state that was written last first; ties by the bytes of the version's name.
    LastWrittenFirst,
}
