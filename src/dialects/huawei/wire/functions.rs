//! Records of functions and of their versions (huawei.md sections 2.2 to 2.5).

use serde::Serialize;
use serde_json::{Map, Value};

use super::dependencies::Dependency;
use super::settings::{Attached, Common, Details, Extra, Strategy};
use super::time;
use super::urn::{self, Project};
use crate::dialects::links::Links;
use crate::dialects::stream::Rows;
use crate::domain::{Artifact, FunctionVersion, LayerVersion};

/// What a function's code type and file are called when nobody said.
const CODE_TYPE: &str = "zip";
const CODE_FILENAME: &str = "index.zip";

/// A state of a function with the layer versions that it is bound to, as far as they exist.
pub(crate) struct Bound {
    pub(crate) state: FunctionVersion,
    pub(crate) layers: Vec<LayerVersion>,
}

/// The fields that every record of a state has.
#[derive(Serialize)]
struct State {
    func_urn: String,
    func_name: String,
    domain_id: String,
    namespace: String,
    project_name: String,
    package: String,
    runtime: String,
    timeout: i64,
    handler: String,
    memory_size: u64,
    cpu: u64,
    code_type: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    code_url: Option<String>,
    code_filename: String,
    code_size: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_data: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    encrypted_user_data: Option<String>,
    digest: String,
    version: String,
    image_name: String,
    last_modified: String,
    strategy_config: Strategy,
    long_time: bool,
    enable_cloud_debug: &'static str,
    enable_auth_in_header: bool,
    version_description: String,
    #[serde(flatten)]
    common: Common,
}

impl State {
    fn new(state: FunctionVersion, extra: &Extra, project: &Project) -> Self {
        let memory = state.config.memory;
        Self {
            func_urn: urn::render(&state, project),
            domain_id: project.domain_id.clone(),
            namespace: project.id.clone(),
            project_name: project.region.clone(),
            timeout: state.config.timeout,
            memory_size: memory,
            // Millicores; the base of 200 is in the samples (huawei.md section 11, 12).
            cpu: memory.saturating_mul(100) / 128 + 200,
            code_type: code_type(extra),
            code_url: extra.code_url.clone(),
            code_filename: code_filename(extra),
            code_size: state.code.map_or(0, |code| code.size),
            user_data: extra.user_data(&state.config),
            encrypted_user_data: extra.encrypted_user_data.clone(),
            digest: digest(state.code.as_ref()),
            version: urn::version_of(&state).to_owned(),
            image_name: image_name(&state),
            last_modified: time(last_modified(&state)),
            strategy_config: extra.strategy_config,
            long_time: false,
            enable_cloud_debug: "DISABLED",
            enable_auth_in_header: false,
            common: extra.common.clone(),
            func_name: state.function.key.name.to_string(),
            package: state.function.key.group.to_string(),
            runtime: state.config.runtime,
            handler: state.config.handler,
            version_description: state.version_description,
        }
    }
}

/// `ListFunctionVersions`, the seed operation.
#[derive(Serialize)]
pub(crate) struct Versions {
    /// Of [`Row`].
    pub(crate) versions: Rows,
    pub(crate) next_marker: u64,
    pub(crate) count: u64,
}

/// One row of it.
#[derive(Serialize)]
pub(crate) struct Row {
    #[serde(flatten)]
    state: State,
    #[serde(skip_serializing_if = "Option::is_none")]
    func_vpc_id: Option<Value>,
    concurrency: i64,
    concurrent_num: i64,
    is_stateful_function: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    custom_image: Option<Map<String, Value>>,
    reserved_instance_idle_mode: bool,
}

impl Row {
    pub(crate) fn new(state: FunctionVersion, project: &Project) -> Self {
        let extra = Extra::of(&state.config);
        Self {
            state: State::new(state, &extra, project),
            func_vpc_id: extra.attached.func_vpc.as_ref().and_then(|vpc| text_of(vpc, "vpc_id")),
            concurrency: extra.strategy_config.concurrency,
            concurrent_num: extra.strategy_config.concurrent_num,
            is_stateful_function: extra.is_stateful_function,
            custom_image: extra.custom_image,
            reserved_instance_idle_mode: false,
        }
    }
}

/// `CreateFunctionVersion`.
#[derive(Serialize)]
pub(crate) struct Published {
    #[serde(flatten)]
    state: State,
    description: String,
    dependencies: Vec<Dependency>,
    #[serde(skip_serializing_if = "Option::is_none")]
    log_group_id: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    log_stream_id: Option<Value>,
    #[serde(flatten)]
    attached: Attached,
}

impl Published {
    pub(crate) fn new(bound: Bound, project: &Project, links: &Links) -> Self {
        let extra = Extra::of(&bound.state.config);
        let log = |name: &str| extra.log_config.as_ref().and_then(|log| text_of(log, name));
        Self {
            description: bound.state.config.description.clone(),
            log_group_id: log("group_id"),
            log_stream_id: log("stream_id"),
            dependencies: dependencies(bound.layers, project, links),
            state: State::new(bound.state, &extra, project),
            attached: extra.attached,
        }
    }
}

/// `CreateFunction` and `ShowFunctionConfig`.
#[derive(Serialize)]
pub(crate) struct Function {
    func_id: String,
    resource_id: String,
    depend_list: Vec<String>,
    depend_version_list: Vec<String>,
    is_stateful_function: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    custom_image: Option<Map<String, Value>>,
    #[serde(flatten)]
    published: Published,
    #[serde(flatten)]
    details: Details,
}

impl Function {
    pub(crate) fn new(bound: Bound, project: &Project, links: &Links) -> Self {
        let extra = Extra::of(&bound.state.config);
        let function = &bound.state.function;
        Self {
            func_id: function.uid.clone(),
            resource_id: format!("{}:{}", function.uid, function.key.name),
            depend_list: dependency_ids(&bound.layers),
            depend_version_list: version_ids(&bound.layers),
            is_stateful_function: extra.is_stateful_function,
            custom_image: extra.custom_image,
            published: Published::new(bound, project, links),
            details: extra.details,
        }
    }
}

/// `UpdateFunctionCode` and `ShowFunctionCode`.
#[derive(Serialize)]
pub(crate) struct FunctionCode {
    func_urn: String,
    func_name: String,
    domain_id: String,
    runtime: String,
    code_type: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    code_url: Option<String>,
    code_filename: String,
    code_size: u64,
    digest: String,
    last_modified: String,
    func_code: CodeLink,
    depend_list: Vec<String>,
    depend_version_list: Vec<String>,
    strategy_config: Strategy,
    dependencies: Vec<Dependency>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code_encrypt_kms_key_id: Option<String>,
}

#[derive(Serialize)]
struct CodeLink {
    /// Always empty: an echo of up to 50 MB would serve nobody.
    file: &'static str,
    link: String,
}

impl FunctionCode {
    pub(crate) fn new(bound: Bound, project: &Project, links: &Links) -> Self {
        let Bound { state, layers } = bound;
        let extra = Extra::of(&state.config);
        let file = format!("{}.zip", state.function.key.name);
        let link = |code: &Artifact| links.code(&code.digests.sha256, &file);
        Self {
            func_urn: urn::render(&state, project),
            func_name: state.function.key.name.to_string(),
            domain_id: project.domain_id.clone(),
            code_type: code_type(&extra),
            code_url: extra.code_url.clone(),
            code_filename: code_filename(&extra),
            code_size: state.code.map_or(0, |code| code.size),
            digest: digest(state.code.as_ref()),
            last_modified: time(last_modified(&state)),
            func_code: CodeLink {
                file: "",
                link: state.code.as_ref().map(link).unwrap_or_default(),
            },
            depend_list: dependency_ids(&layers),
            depend_version_list: version_ids(&layers),
            strategy_config: extra.strategy_config,
            dependencies: dependencies(layers, project, links),
            runtime: state.config.runtime,
            code_encrypt_kms_key_id: extra.details.code_encrypt_kms_key_id,
        }
    }
}

fn code_type(extra: &Extra) -> String {
    extra.code_type.clone().unwrap_or_else(|| CODE_TYPE.to_owned())
}

fn code_filename(extra: &Extra) -> String {
    extra.code_filename.clone().unwrap_or_else(|| CODE_FILENAME.to_owned())
}

/// Spells the SHA-512; image functions have no code and an empty digest.
fn digest(code: Option<&Artifact>) -> String {
    code.map(|code| hex::encode(code.digests.sha512)).unwrap_or_default()
}

/// A published version never changes; a head was last changed with its code or without.
fn last_modified(state: &FunctionVersion) -> crate::domain::Timestamp {
    match state.number {
        Some(_) => state.published,
        None => state.updated.unwrap_or(state.published).max(state.code_changed),
    }
}

/// Renders the internal name of a version: its name, when the code came to it, and five characters
/// that follow from the code (huawei.md section 5).
fn image_name(state: &FunctionVersion) -> String {
    const ALPHABET: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
    let came = if state.number.is_some() { state.published } else { state.code_changed };
    let came = jiff::fmt::strtime::format("%y%m%d%H%M%S", came).unwrap_or_default();
    let source = match &state.code {
        Some(code) => code.digests.sha512[..5].to_vec(),
        None => state.function.uid.bytes().take(5).collect(),
    };
    let letter = |byte: u8| char::from(ALPHABET[usize::from(byte) % ALPHABET.len()]);
    let mark: String = source.into_iter().map(letter).collect();
    format!("{}-{came}@{mark}", urn::version_of(state))
}

/// Copies a text out of an object that is kept as it was given.
fn text_of(object: &Map<String, Value>, name: &str) -> Option<Value> {
    object.get(name).filter(|value| value.is_string()).cloned()
}

fn dependency_ids(layers: &[LayerVersion]) -> Vec<String> {
    layers.iter().map(|version| version.layer.uid.clone()).collect()
}

fn version_ids(layers: &[LayerVersion]) -> Vec<String> {
    layers.iter().map(|version| version.uid.clone()).collect()
}

fn dependencies(layers: Vec<LayerVersion>, project: &Project, links: &Links) -> Vec<Dependency> {
    layers.into_iter().map(|version| Dependency::version(version, project, links)).collect()
}
