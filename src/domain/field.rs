//! The fields that can break a rule. Each dialect translates them into its cloud's names.

use std::fmt;

/// A value that a caller states.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// The name of a layer.
    LayerName,
    /// The name of a function.
    FunctionName,
    /// The group of a function.
    Group,
    /// The name of a function version.
    VersionName,
    /// The version that a function's qualifier selects.
    Version,
    /// The description of a version.
    Description,
    /// The license of a layer version.
    License,
    /// The runtimes that a layer version is for.
    Runtimes,
    /// The tags of a layer.
    Tags,
    /// The runtime of a function.
    Runtime,
    /// The entry point of a function.
    Handler,
    /// The environment variables of a function.
    Environment,
    /// The layer versions that a function is bound to.
    Layers,
    /// The settings of a function that only one cloud has.
    Settings,
    /// The uploaded code.
    Code,
    /// A form as a whole.
    Form,
    /// The name of a bucket.
    Bucket,
    /// The key of an object.
    ObjectKey,
    /// The media type of an object.
    MediaType,
    /// The metadata of an object.
    Metadata,
    /// A checksum that a caller states.
    Checksum,
    /// The unfinished multipart uploads of a tenant.
    Multiparts,
    /// One multipart upload.
    Multipart,
    /// The parts that complete a multipart upload, as a whole.
    Parts,
    /// The order of these parts.
    PartOrder,
    /// One part.
    Part,
    /// The number of a part.
    PartNumber,
    /// The id of a tenant.
    Tenant,
    /// The id of a key.
    KeyId,
    /// The secret of a key.
    Secret,
    /// The path of a request.
    Path,
    /// The query of a request.
    Query,
    /// The header that states how a body is encoded.
    ContentEncoding,
    /// The header in which a browser states the site that a request comes from.
    FetchSite,
    /// The header in which a browser states the origin of the page that sends a request.
    Origin,
    /// The header, or the part of the target, in which a request names the server.
    Host,
}

impl Field {
    /// Returns the catalog's name of the field.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::LayerName => "layer name",
            Self::FunctionName => "function name",
            Self::Group => "group",
            Self::VersionName => "version name",
            Self::Version => "version",
            Self::Description => "description",
            Self::License => "license",
            Self::Runtimes => "runtimes",
            Self::Tags => "tags",
            Self::Runtime => "runtime",
            Self::Handler => "handler",
            Self::Environment => "environment",
            Self::Layers => "layers",
            Self::Settings => "settings",
            Self::Code => "code",
            Self::Form => "form",
            Self::Bucket => "bucket",
            Self::ObjectKey => "object",
            Self::MediaType => "media type",
            Self::Metadata => "metadata",
            Self::Checksum => "checksum",
            Self::Multiparts => "multipart uploads",
            Self::Multipart => "multipart upload",
            Self::Parts => "parts",
            Self::PartOrder => "part order",
            Self::Part => "part",
            Self::PartNumber => "part number",
            Self::Tenant => "tenant",
            Self::KeyId => "key id",
            Self::Secret => "secret",
            Self::Path => "path",
            Self::Query => "query",
            Self::ContentEncoding => "Content-Encoding",
            Self::FetchSite => "Sec-Fetch-Site",
            Self::Origin => "Origin",
            Self::Host => "Host",
        }
    }
}

impl fmt::Display for Field {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}
