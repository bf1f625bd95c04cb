//! The native API's JSON: versions, and lists with the token of the next page.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::dialects::links::Links;
use crate::domain::{
    Acl, Artifact, AuditEntry, FunctionVersion, LayerVersion, Tally, TaskReport, TaskRun, Timestamp,
};

/// One page of a list.
#[derive(Serialize)]
pub(super) struct List<T> {
    pub(super) items: Vec<T>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) next: Option<String>,
}

/// Uploaded code; every field is null for a function without code.
#[derive(Default, Serialize)]
struct Code {
    size: Option<u64>,
    entries: Option<u64>,
    unpacked_size: Option<u64>,
    sha256: Option<String>,
    sha512: Option<String>,
    md5: Option<String>,
    crc64: Option<String>,
    download_url: Option<String>,
}

impl Code {
    fn new(code: &Artifact, download_url: String) -> Self {
        Self {
            size: Some(code.size),
            entries: Some(code.entries),
            unpacked_size: Some(code.unpacked),
            sha256: Some(hex::encode(code.digests.sha256)),
            sha512: Some(hex::encode(code.digests.sha512)),
            md5: Some(hex::encode(code.digests.md5)),
            crc64: Some(code.digests.crc64.to_string()),
            download_url: Some(download_url),
        }
    }
}

/// One line of the audit log.
#[derive(Serialize)]
pub(super) struct ChangeBody {
    sequence: u64,
    at: String,
    tenant: String,
    key: Option<String>,
    dialect: String,
    operation: String,
    subject: String,
    request_id: Option<String>,
}

impl From<AuditEntry> for ChangeBody {
    fn from(entry: AuditEntry) -> Self {
        Self {
            sequence: entry.sequence,
            at: time(entry.at),
            tenant: entry.subject.tenant.to_string(),
            key: entry.key,
            dialect: entry.dialect,
            operation: entry.operation,
            subject: entry.subject.to_string(),
            request_id: entry.request,
        }
    }
}

/// What a task of upkeep did since the server's start.
#[derive(Serialize)]
pub(super) struct TaskBody {
    name: &'static str,
    period_seconds: u64,
    runs: u64,
    did: TallyBody,
    last: Option<TaskRunBody>,
    last_work: Option<TaskRunBody>,
}

#[derive(Serialize)]
struct TaskRunBody {
    started_at: String,
    ended_at: String,
    did: TallyBody,
    failure: Option<String>,
}

#[derive(Serialize)]
struct TallyBody {
    things: u64,
    files: u64,
    bytes: u64,
}

impl From<TaskReport> for TaskBody {
    fn from(report: TaskReport) -> Self {
        let tally =
            |did: Tally| TallyBody { things: did.things, files: did.files, bytes: did.bytes };
        let run = |run: TaskRun| TaskRunBody {
            started_at: time(run.started),
            ended_at: time(run.ended),
            did: tally(run.did),
            failure: run.failure,
        };
        Self {
            name: report.name,
            period_seconds: report.period,
            runs: report.runs,
            did: tally(report.did),
            last: report.last.map(run),
            last_work: report.last_work.map(run),
        }
    }
}

/// One version of a layer.
#[derive(Serialize)]
pub(super) struct LayerVersionBody {
    name: String,
    version: u64,
    uid: String,
    acl: &'static str,
    description: String,
    license: String,
    runtimes: Vec<String>,
    tags: BTreeMap<String, String>,
    #[serde(flatten)]
    code: Code,
    created_at: String,
}

impl LayerVersionBody {
    pub(super) fn new(version: LayerVersion, links: &Links) -> Self {
        let file = format!("{}-{}.zip", version.layer.name, version.number);
        let link = links.code(&version.code.digests.sha256, &file);
        Self {
            name: version.layer.name.to_string(),
            version: version.number.get(),
            uid: version.uid,
            acl: match version.layer.acl {
                Acl::Private => "private",
                Acl::Public => "public",
            },
            description: version.description,
            license: version.license,
            runtimes: version.runtimes,
            tags: version.layer.tags.into_iter().collect(),
            code: Code::new(&version.code, link),
            created_at: time(version.created),
        }
    }
}

#[derive(Serialize)]
struct BoundLayer {
    name: String,
    version: u64,
}

/// One state of a function: its head, or a published version.
#[derive(Serialize)]
pub(super) struct FunctionBody {
    name: String,
    group: String,
    uid: String,
    version: Option<u64>,
    version_name: String,
    description: String,
    version_description: String,
    runtime: String,
    handler: String,
    memory: u64,
    timeout: i64,
    environment: BTreeMap<String, String>,
    layers: Vec<BoundLayer>,
    revision: u64,
    #[serde(flatten)]
    code: Code,
    created_at: String,
    updated_at: Option<String>,
    published_at: Option<String>,
}

impl FunctionBody {
    pub(super) fn new(state: FunctionVersion, links: &Links) -> Self {
        let key = &state.function.key;
        let label = state.number.map_or_else(|| "latest".to_owned(), |number| number.to_string());
        let file = format!("{}-{label}.zip", key.name);
        let link = |code: &Artifact| links.code(&code.digests.sha256, &file);
        let code = state.code.map(|code| Code::new(&code, link(&code))).unwrap_or_default();
        let layers = state.config.layers.into_iter();
        Self {
            name: key.name.to_string(),
            group: key.group.to_string(),
            uid: state.function.uid,
            version: state.number.map(|number| number.get()),
            version_name: state.name.to_string(),
            description: state.config.description,
            version_description: state.version_description,
            runtime: state.config.runtime,
            handler: state.config.handler,
            memory: state.config.memory,
            timeout: state.config.timeout,
            environment: state.config.environment,
            layers: layers
                .map(|layer| BoundLayer {
                    name: layer.layer.to_string(),
                    version: layer.number.get(),
                })
                .collect(),
            revision: state.revision,
            code,
            created_at: time(state.function.created),
            updated_at: state.updated.map(time),
            published_at: state.number.map(|_| time(state.published)),
        }
    }
}

/// Renders a time as RFC 3339 in UTC, with only the significant digits of its fraction.
fn time(time: Timestamp) -> String {
    time.to_string()
}
