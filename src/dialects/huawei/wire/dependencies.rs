//! Records of dependencies (huawei.md section 2.6).

use super::optional;
use super::urn::Project;
use crate::dialects::json_writer::JsonObject;
use crate::domain::{Acl, LayerVersion};

/// The records that a version has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// As `CreateDependencyVersion` and a function's own record have it.
    Version,
    /// A row of the list of dependencies, whose `id` is the dependency's.
    Newest,
    /// A row of the list of versions, with the deprecated `is_shared`.
    Row,
    /// The one version of `ShowDependencyVersion`, with a temporary address.
    Detail,
}

/// Writes one version.
pub(crate) fn write(
    record: &mut JsonObject<'_>,
    version: &LayerVersion,
    project: &Project,
    shape: Shape,
) {
    let (layer, code) = (&version.layer, &version.code);
    let name = layer.name.as_str();
    let link = |out: &mut Vec<u8>| {
        project.links.write(out, &code.digests.sha256, &[name, ".zip"]);
    };
    if shape == Shape::Newest {
        record.text("id", &layer.uid);
    } else {
        record.text("id", &version.uid);
        record.text("dep_id", &layer.uid);
    }
    record.text(
        "owner",
        match layer.acl {
            Acl::Private => &project.domain_id,
            Acl::Public => "public",
        },
    );
    record.plain("link", link);
    // Other clouds name several; this one has room for the first.
    record.text("runtime", version.runtimes.first().map_or("", String::as_str));
    record.text("etag", &hex::encode(code.digests.md5));
    record.number("size", code.size);
    record.text("name", name);
    record.text("description", &version.description);
    record.joined("file_name", &[name, ".zip"]);
    record.number("version", version.number.get());
    record.value("last_modified", &version.created.as_second());
    optional(record, "is_shared", matches!(shape, Shape::Row | Shape::Detail).then_some(&false));
    if shape == Shape::Detail {
        record.plain("download_link", link);
    }
}

/// Writes versions as the array `dependencies`.
pub(crate) fn write_all(
    record: &mut JsonObject<'_>,
    versions: &[LayerVersion],
    project: &Project,
    shape: Shape,
) {
    let mut rows = record.array("dependencies");
    for version in versions {
        let mut row = rows.object();
        write(&mut row, version, project, shape);
        row.end();
    }
    rows.end();
}
