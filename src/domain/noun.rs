//! The nouns of the catalog, for errors about things that are missing, taken or in use.

use std::fmt;

/// A kind of thing in the catalog.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Noun {
    /// A layer.
    Layer,
    /// One version of a layer.
    LayerVersion,
    /// A function.
    Function,
    /// One version of a function.
    FunctionVersion,
    /// Uploaded code.
    Code,
    /// An access key.
    Key,
    /// A tenant.
    Tenant,
    /// A tenant's id in a cloud.
    CloudId,
    /// A bucket, in the inbox or in the bucket map.
    Bucket,
    /// An object in a bucket.
    Object,
    /// An unfinished multipart upload into the inbox.
    Multipart,
    /// A change: one line of the audit log.
    Change,
    /// A task of upkeep.
    Task,
}

impl fmt::Display for Noun {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Layer => "layer",
            Self::LayerVersion => "layer version",
            Self::Function => "function",
            Self::FunctionVersion => "function version",
            Self::Code => "code",
            Self::Key => "key",
            Self::Tenant => "tenant",
            Self::CloudId => "the name",
            Self::Bucket => "bucket",
            Self::Object => "object",
            Self::Multipart => "multipart upload",
            Self::Change => "change",
            Self::Task => "task",
        })
    }
}
