//! Records of dependencies (huawei.md section 2.6).

use serde::Serialize;

use super::urn::Project;
use crate::dialects::links::Links;
use crate::domain::{Acl, LayerVersion};

/// A version as a list of versions has it, and as a function's own record has it.
#[derive(Serialize)]
pub(crate) struct Dependency {
    id: String,
    /// Absent from the list of dependencies, whose `id` is the dependency's.
    #[serde(skip_serializing_if = "Option::is_none")]
    dep_id: Option<String>,
    owner: String,
    link: String,
    runtime: String,
    etag: String,
    size: u64,
    name: String,
    description: String,
    file_name: String,
    version: u64,
    last_modified: i64,
    /// Deprecated, and only where the document shows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    is_shared: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    download_link: Option<String>,
}

impl Dependency {
    /// Renders one version.
    pub(crate) fn version(version: LayerVersion, project: &Project, links: &Links) -> Self {
        let file_name = format!("{}.zip", version.layer.name);
        Self {
            id: version.uid,
            dep_id: Some(version.layer.uid),
            owner: match version.layer.acl {
                Acl::Private => project.domain_id.clone(),
                Acl::Public => "public".to_owned(),
            },
            link: links.code(&version.code.digests.sha256, &file_name),
            // Other clouds name several; this one has room for the first.
            runtime: version.runtimes.into_iter().next().unwrap_or_default(),
            etag: hex::encode(version.code.digests.md5),
            size: version.code.size,
            name: version.layer.name.to_string(),
            description: version.description,
            file_name,
            version: version.number.get(),
            last_modified: version.created.as_second(),
            is_shared: None,
            download_link: None,
        }
    }

    /// Renders a dependency by its newest version: the id is its own.
    pub(crate) fn newest(version: LayerVersion, project: &Project, links: &Links) -> Self {
        let record = Self::version(version, project, links);
        match record.dep_id {
            Some(id) => Self { id, dep_id: None, ..record },
            None => record,
        }
    }

    /// Renders a row of a list of versions.
    pub(crate) fn row(version: LayerVersion, project: &Project, links: &Links) -> Self {
        Self { is_shared: Some(false), ..Self::version(version, project, links) }
    }

    /// Renders one version with its temporary address.
    pub(crate) fn detail(version: LayerVersion, project: &Project, links: &Links) -> Self {
        let record = Self::row(version, project, links);
        Self { download_link: Some(record.link.clone()), ..record }
    }
}

/// One page.
#[derive(Serialize)]
pub(crate) struct Dependencies {
    pub(crate) dependencies: Vec<Dependency>,
    pub(crate) next_marker: u64,
    pub(crate) count: u64,
}
