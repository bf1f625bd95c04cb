//! Records of functions and of their versions (huawei.md sections 2.2 to 2.5).

use serde_json::value::RawValue;

use super::dependencies::{self, Shape};
use super::settings::{ATTACHED, COMMON, DETAILS, Extra, IMAGE, KMS_KEY_ID};
use super::urn::{self, Project};
use super::{object, optional, time};
use crate::dialects::json_writer::JsonObject;
use crate::domain::{Artifact, CatalogError, FunctionVersion, LayerVersion};

/// A state of a function with all that its records show.
pub(crate) struct Bound {
    pub(crate) state: FunctionVersion,
    pub(crate) extra: Extra,
    /// The layer versions that the state is bound to, without those that were deleted.
    pub(crate) layers: Vec<LayerVersion>,
}

/// Writes the fields that every record of a state has.
fn write_state(
    record: &mut JsonObject<'_>,
    state: &FunctionVersion,
    extra: &Extra,
    project: &Project,
) {
    let config = &state.config;
    record.text("func_urn", &urn::render(state, project));
    record.text("func_name", state.function.key.name.as_str());
    record.text("domain_id", &project.domain_id);
    record.text("namespace", &project.id);
    record.text("project_name", &project.region);
    record.text("package", state.function.key.group.as_str());
    record.text("runtime", &config.runtime);
    record.value("timeout", &config.timeout);
    record.text("handler", &config.handler);
    record.number("memory_size", config.memory);
    // Millicores; the base of 200 is in the samples (huawei.md section 11, 12).
    record.number("cpu", config.memory.saturating_mul(100) / 128 + 200);
    write_code(record, state, extra);
    optional(record, "user_data", extra.user_data(config).as_ref());
    optional(record, "encrypted_user_data", extra.encrypted_user_data.as_ref());
    record.text("digest", &digest(state.code.as_ref()));
    record.text("version", urn::version_of(state));
    record.text("image_name", &image_name(state));
    record.text("last_modified", &last_modified(state));
    record.value("strategy_config", &extra.strategy_config);
    record.json("long_time", "false");
    record.text("enable_cloud_debug", "DISABLED");
    record.json("enable_auth_in_header", "false");
    record.text("version_description", &state.version_description);
    extra.show(record, COMMON);
}

/// Writes how the code was given; other clouds' functions have a zip.
fn write_code(record: &mut JsonObject<'_>, state: &FunctionVersion, extra: &Extra) {
    record.text("code_type", extra.code_type.as_deref().unwrap_or("zip"));
    optional(record, "code_url", extra.code_url.as_ref());
    record.text("code_filename", extra.code_filename.as_deref().unwrap_or("index.zip"));
    record.number("code_size", state.code.as_ref().map_or(0, |code| code.size));
}

/// Renders a row of `ListFunctionVersions`, the seed operation.
pub(crate) fn row(
    state: &FunctionVersion,
    project: &Project,
) -> Result<Box<RawValue>, CatalogError> {
    let extra = Extra::of(state)?;
    let text = object(|row| {
        write_state(row, state, &extra, project);
        optional(row, "func_vpc_id", extra.text_in("func_vpc", "vpc_id"));
        row.value("concurrency", &extra.strategy_config.concurrency);
        row.value("concurrent_num", &extra.strategy_config.concurrent_num);
        extra.show(row, IMAGE);
        row.json("reserved_instance_idle_mode", "false");
    });
    let text = String::from_utf8(text).map_err(CatalogError::internal)?;
    RawValue::from_string(text).map_err(CatalogError::internal)
}

/// Writes the record of `CreateFunctionVersion`.
pub(crate) fn write_published(record: &mut JsonObject<'_>, bound: &Bound, project: &Project) {
    let Bound { state, extra, layers } = bound;
    write_state(record, state, extra, project);
    record.text("description", &state.config.description);
    dependencies::write_all(record, layers, project, Shape::Version);
    optional(record, "log_group_id", extra.text_in("log_config", "group_id"));
    optional(record, "log_stream_id", extra.text_in("log_config", "stream_id"));
    extra.show(record, ATTACHED);
}

/// Writes the record of `CreateFunction` and `ShowFunctionConfig`.
pub(crate) fn write_function(record: &mut JsonObject<'_>, bound: &Bound, project: &Project) {
    let function = &bound.state.function;
    record.text("func_id", &function.uid);
    record.joined("resource_id", &[&function.uid, ":", function.key.name.as_str()]);
    write_ids(record, &bound.layers);
    bound.extra.show(record, IMAGE);
    write_published(record, bound, project);
    bound.extra.show(record, DETAILS);
}

/// Writes the record of `UpdateFunctionCode` and `ShowFunctionCode`.
pub(crate) fn write_function_code(record: &mut JsonObject<'_>, bound: &Bound, project: &Project) {
    let Bound { state, extra, layers } = bound;
    let name = state.function.key.name.as_str();
    record.text("func_urn", &urn::render(state, project));
    record.text("func_name", name);
    record.text("domain_id", &project.domain_id);
    record.text("runtime", &state.config.runtime);
    write_code(record, state, extra);
    record.text("digest", &digest(state.code.as_ref()));
    record.text("last_modified", &last_modified(state));
    let mut code = record.object("func_code");
    // Always empty: an echo of up to 50 MB would be of no use.
    code.text("file", "");
    code.plain("link", |out| {
        if let Some(stored) = &state.code {
            project.links.write(out, &stored.digests.sha256, &[name, ".zip"]);
        }
    });
    code.end();
    write_ids(record, layers);
    record.value("strategy_config", &extra.strategy_config);
    dependencies::write_all(record, layers, project, Shape::Version);
    optional(record, KMS_KEY_ID, extra.setting(KMS_KEY_ID));
}

/// Writes the ids of the dependencies and those of their versions.
fn write_ids(record: &mut JsonObject<'_>, layers: &[LayerVersion]) {
    let ids = |id: fn(&LayerVersion) -> &str| layers.iter().map(id).collect::<Vec<_>>();
    record.value("depend_list", &ids(|version| &version.layer.uid));
    record.value("depend_version_list", &ids(|version| &version.uid));
}

/// Spells the SHA-512; image functions have no code and an empty digest.
fn digest(code: Option<&Artifact>) -> String {
    code.map(|code| hex::encode(code.digests.sha512)).unwrap_or_default()
}

/// A published version never changes; a head was last changed with its code or without.
fn last_modified(state: &FunctionVersion) -> String {
    time(match state.number {
        Some(_) => state.published,
        None => state.updated.unwrap_or(state.published).max(state.code_changed),
    })
}

/// Renders the internal name of a version: its name, the time when its code came, and five
/// characters that follow from the code (huawei.md section 5).
fn image_name(state: &FunctionVersion) -> String {
    const ALPHABET: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
    let came = if state.number.is_some() { state.published } else { state.code_changed };
    let came = jiff::fmt::strtime::format("%y%m%d%H%M%S", came).unwrap_or_default();
    let source = match &state.code {
        Some(code) => &code.digests.sha512[..],
        None => state.function.uid.as_bytes(),
    };
    let letter = |byte: &u8| char::from(ALPHABET[usize::from(*byte) % ALPHABET.len()]);
    let mark: String = source.iter().take(5).map(letter).collect();
    format!("{}-{came}@{mark}", urn::version_of(state))
}
