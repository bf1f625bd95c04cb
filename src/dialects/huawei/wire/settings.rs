//! A function's settings: read from a request, stored in the catalog, shown again.
//!
//! The settings of all clouds are the catalog's own fields; the rest is this dialect's [`Extra`],
//! as it was given (huawei.md section 1.1).

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::input;
use crate::dialects::huawei::errors::ApiError;
use crate::dialects::json_fields::{Fields, Kind};
use crate::dialects::json_writer::JsonObject;
use crate::domain::{CatalogError, FunctionConfig, FunctionVersion};

/// The key of [`Extra`] in the catalog.
const DIALECT: &str = "huawei";

/// The code type of functions with an image and no code.
pub(crate) const IMAGE_TYPE: &str = "Custom-Image-Swr";

/// The code type of functions whose code `code_url` names.
pub(crate) const OBS: &str = "obs";

const CODE_TYPES: [&str; 5] = ["inline", "zip", OBS, "jar", IMAGE_TYPE];

/// The runtime of functions that have an image.
const IMAGE_RUNTIME: &str = "Custom Image";

/// The runtimes, as refusals list them.
const RUNTIMES: &str = "Java8, Java11, Java17, Python2.7, Python3.6, Python3.9, Python3.10, Go1.8, \
                        Go1.x, Node.js6.10, Node.js8.10, Node.js10.16, Node.js12.13, Node.js14.18, \
                        Node.js16.17, Node.js18.15, C#(.NET Core 2.0), C#(.NET Core 2.1), \
                        C#(.NET Core 3.1), C#(.NET Core 6.0), Custom, PHP7.3, PHP8.3, Cangjie1.0, \
                        http, Custom Image";

const MEMORY_SIZES: [u64; 13] =
    [128, 256, 512, 768, 1024, 1280, 1536, 1792, 2048, 2560, 3072, 3584, 4096];

/// Seconds; the larger one of two documented bounds (huawei.md section 11, 11).
const TIMEOUT_MAX: i64 = 259_200;

const DESCRIPTION_MAX: usize = 512;
const USER_DATA_KEYS: usize = 20;
const USER_DATA_MAX: usize = 4096;

/// The setting that names the key of encrypted code.
pub(crate) const KMS_KEY_ID: &str = "code_encrypt_kms_key_id";

/// Settings that are stored and shown as they were given, in the order of the records.
pub(crate) type Settings = [(&'static str, Kind)];

/// Shown in lists and with a function.
pub(crate) const IMAGE: &Settings =
    &[("is_stateful_function", Kind::Boolean), ("custom_image", Kind::Object)];

/// Records show two members of it.
const LOG: &Settings = &[("log_config", Kind::Object)];

/// Shown in every record of a function.
pub(crate) const COMMON: &Settings = &[
    ("xrole", Kind::Text),
    ("app_xrole", Kind::Text),
    ("initializer_handler", Kind::Text),
    ("initializer_timeout", Kind::Integer),
    ("pre_stop_handler", Kind::Text),
    ("pre_stop_timeout", Kind::Integer),
    ("type", Kind::Text),
    ("enable_dynamic_memory", Kind::Boolean),
    ("enterprise_project_id", Kind::Text),
];

/// Shown with a published version and with a function, not in lists.
pub(crate) const ATTACHED: &Settings =
    &[("func_vpc", Kind::Object), ("mount_config", Kind::Object)];

/// Shown with a function alone.
pub(crate) const DETAILS: &Settings = &[
    ("gpu_memory", Kind::Integer),
    ("gpu_type", Kind::Text),
    ("network_controller", Kind::Object),
    ("enable_lts_log", Kind::Boolean),
    ("lts_custom_tag", Kind::Object),
    ("user_data_encrypt_kms_key_id", Kind::Text),
    (KMS_KEY_ID, Kind::Text),
    ("domain_names", Kind::Text),
    ("tags", Kind::Text),
];

/// Every setting, in the order in which a request is read.
const ALL: [&Settings; 5] = [IMAGE, LOG, COMMON, ATTACHED, DETAILS];

/// The number of instances, and of requests that each one takes at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Strategy {
    pub(crate) concurrency: i64,
    pub(crate) concurrent_num: i64,
}

impl Default for Strategy {
    fn default() -> Self {
        Self { concurrency: -1, concurrent_num: 1 }
    }
}

/// The settings of a function that only this cloud has.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Extra {
    /// The form of the stored text. Older rows have no number; their form is the first.
    version: Option<u64>,
    pub(crate) code_type: Option<String>,
    pub(crate) code_filename: Option<String>,
    /// As it was given, where the code type is [`OBS`].
    pub(crate) code_url: Option<String>,
    user_data: Option<String>,
    pub(crate) encrypted_user_data: Option<String>,
    pub(crate) strategy_config: Strategy,
    /// Those of [`ALL`] that are set.
    #[serde(flatten)]
    settings: Map<String, Value>,
}

impl Extra {
    /// Returns what is stored of a function; the defaults for functions of other clouds.
    ///
    /// Fails with `Internal` for a text that cannot be read: defaults in its place would be written
    /// back by the next update.
    pub(crate) fn of(state: &FunctionVersion) -> Result<Self, CatalogError> {
        let Some(text) = state.config.extra.get(DIALECT) else { return Ok(Self::default()) };
        let fault = |reason: String| {
            let key = &state.function.key;
            let (group, name, tenant) = (&key.group, &key.name, &key.tenant);
            let about = format!("huawei's settings of the function '{group}:{name}' of '{tenant}'");
            CatalogError::internal(format!("{about}: {reason}"))
        };
        let extra: Self = serde_json::from_str(text).map_err(|error| fault(error.to_string()))?;
        if let Some(other) = extra.version.filter(|version| *version != 1) {
            return Err(fault(format!("unknown version {other}")));
        }
        for (name, kind) in ALL.into_iter().flatten() {
            if extra.setting(name).is_some_and(|value| !is_of(*kind, value)) {
                return Err(fault(format!("{name} must be {}", kind.article())));
            }
        }
        Ok(extra)
    }

    /// Stores this in the configuration that it is part of.
    pub(crate) fn store_in(mut self, config: &mut FunctionConfig) -> Result<(), CatalogError> {
        self.version = Some(1);
        let text = serde_json::to_string(&self).map_err(CatalogError::internal)?;
        config.extra.insert(DIALECT.to_owned(), text);
        Ok(())
    }

    /// Returns a setting that is set.
    pub(crate) fn setting(&self, name: &str) -> Option<&Value> {
        self.settings.get(name).filter(|value| !value.is_null())
    }

    pub(crate) fn set(&mut self, name: &str, value: String) {
        self.settings.insert(name.to_owned(), value.into());
    }

    /// Returns a text inside a setting that is an object.
    pub(crate) fn text_in(&self, object: &str, name: &str) -> Option<&Value> {
        self.setting(object)?.get(name).filter(|value| value.is_string())
    }

    /// Writes settings into a record, and the defaults of those that every record has.
    pub(crate) fn show(&self, record: &mut JsonObject<'_>, settings: &Settings) {
        for (name, kind) in settings {
            match (*name, self.setting(name)) {
                (_, Some(value)) => record.value(name, value),
                ("type", None) => record.text(name, "v2"),
                ("enterprise_project_id", None) => record.text(name, "0"),
                (_, None) if *kind == Kind::Boolean => record.json(name, "false"),
                (_, None) => {}
            }
        }
    }

    /// Returns the environment as the text that was given, or as a new text where it has changed.
    pub(crate) fn user_data(&self, config: &FunctionConfig) -> Option<String> {
        let given = self.user_data.as_deref().and_then(environment);
        if given.as_ref() == Some(&config.environment) {
            return self.user_data.clone();
        }
        let shown = Some(&config.environment).filter(|variables| !variables.is_empty());
        shown.and_then(|variables| serde_json::to_string(variables).ok())
    }

    fn read(fields: &Fields<'_>) -> Result<Self, ApiError> {
        let mut extra = Self {
            code_type: input::owned(fields, "code_type")?,
            code_filename: input::owned(fields, "code_filename")?,
            code_url: read_code_url(fields)?,
            user_data: read_user_data(fields, "user_data")?,
            encrypted_user_data: read_user_data(fields, "encrypted_user_data")?.map(blanked),
            strategy_config: read_strategy(fields)?,
            ..Self::default()
        };
        for (name, kind) in ALL.into_iter().flatten() {
            let value = fields.read(name, *kind, |value| is_of(*kind, value).then_some(value))?;
            let Some(value) = value.filter(|value| **value != "") else { continue };
            check_setting(name, value)?;
            extra.settings.insert((*name).to_owned(), value.clone());
        }
        Ok(extra)
    }
}

/// Whether a value has the type that a setting must have.
fn is_of(kind: Kind, value: &Value) -> bool {
    match kind {
        Kind::Text => value.is_string(),
        Kind::Integer => value.is_i64(),
        Kind::Boolean => value.is_boolean(),
        _ => value.is_object(),
    }
}

/// Checks the settings that have bounds.
fn check_setting(name: &str, value: &Value) -> Result<(), ApiError> {
    let max = match name {
        "type" if *value != "v1" && *value != "v2" => {
            return Err(ApiError::invalid(name, "must be v1 or v2"));
        }
        "initializer_timeout" => 300,
        "pre_stop_timeout" => 90,
        _ => return Ok(()),
    };
    if value.as_i64().is_some_and(|seconds| (1..=max).contains(&seconds)) {
        return Ok(());
    }
    Err(ApiError::invalid(name, format_args!("{value} must be 1 to {max} seconds")))
}

/// Reads the settings of a function to be created; its layers and code are read elsewhere.
pub(crate) fn read(fields: &Fields<'_>) -> Result<(FunctionConfig, Extra), ApiError> {
    let mut extra = Extra::read(fields)?;
    let runtime = read_runtime(fields)?;
    let is_image = runtime == IMAGE_RUNTIME || extra.code_type.as_deref() == Some(IMAGE_TYPE);
    if is_image {
        extra.code_type.get_or_insert_with(|| IMAGE_TYPE.to_owned());
    }
    check_code_type(extra.code_type.as_deref())?;
    let environment = extra.user_data.as_deref().and_then(environment);
    let config = FunctionConfig {
        description: read_description(fields)?,
        runtime,
        handler: read_handler(fields, is_image)?,
        memory: read_memory(fields)?,
        timeout: read_timeout(fields)?,
        environment: environment.unwrap_or_default(),
        ..FunctionConfig::default()
    };
    Ok((config, extra))
}

pub(crate) fn check_code_type(code_type: Option<&str>) -> Result<(), ApiError> {
    let given = code_type.ok_or_else(|| ApiError::required("code_type"))?;
    if CODE_TYPES.contains(&given) {
        return Ok(());
    }
    let rule = format_args!("must be one of {}", CODE_TYPES.join(", "));
    Err(ApiError::bad_text("code_type", given, rule))
}

/// Reads the address of code, which counts only with the code type [`OBS`].
pub(crate) fn read_code_url(fields: &Fields<'_>) -> Result<Option<String>, ApiError> {
    if input::text(fields, "code_type")? != Some(OBS) {
        return Ok(None);
    }
    Ok(input::owned(fields, "code_url")?)
}

/// Reads the runtime of a function or of a dependency.
pub(crate) fn read_runtime(fields: &Fields<'_>) -> Result<String, ApiError> {
    let runtime = input::required(fields, "runtime")?;
    if RUNTIMES.split(", ").any(|known| known == runtime) {
        return Ok(runtime.to_owned());
    }
    Err(ApiError::bad_text("runtime", runtime, format_args!("must be one of {RUNTIMES}")))
}

/// Reads the description of a function, of a version or of a dependency.
pub(crate) fn read_description(fields: &Fields<'_>) -> Result<String, ApiError> {
    let text = input::owned(fields, "description")?.unwrap_or_default();
    let length = text.chars().count();
    if length <= DESCRIPTION_MAX {
        return Ok(text);
    }
    let rule = format!("has {length} characters, at most {DESCRIPTION_MAX} are allowed");
    Err(ApiError::invalid("description", rule))
}

/// Reads the handler; image functions have none and send `-`.
fn read_handler(fields: &Fields<'_>, is_image: bool) -> Result<String, ApiError> {
    let handler = input::required(fields, "handler")?;
    let fits = (3..=128).contains(&handler.chars().count()) && handler.contains('.');
    if fits || (is_image && handler == "-") {
        return Ok(handler.to_owned());
    }
    let rule = "must have 3 to 128 characters and contain a '.', or be '-' for image functions";
    Err(ApiError::invalid("handler", rule))
}

fn read_memory(fields: &Fields<'_>) -> Result<u64, ApiError> {
    let size = fields.integer("memory_size")?.ok_or_else(|| ApiError::required("memory_size"))?;
    let known = MEMORY_SIZES.into_iter().find(|known| i64::try_from(*known) == Ok(size));
    known.ok_or_else(|| {
        let sizes = MEMORY_SIZES.map(|size| size.to_string()).join(", ");
        ApiError::invalid("memory_size", format_args!("{size} must be one of {sizes}"))
    })
}

fn read_timeout(fields: &Fields<'_>) -> Result<i64, ApiError> {
    let seconds = fields.integer("timeout")?.ok_or_else(|| ApiError::required("timeout"))?;
    if (3..=TIMEOUT_MAX).contains(&seconds) {
        return Ok(seconds);
    }
    Err(ApiError::invalid("timeout", format_args!("{seconds} must be 3 to {TIMEOUT_MAX} seconds")))
}

fn read_strategy(fields: &Fields<'_>) -> Result<Strategy, ApiError> {
    let Some(members) = fields.map("strategy_config")? else { return Ok(Strategy::default()) };
    Strategy::deserialize(members)
        .map_err(|_| ApiError::invalid("strategy_config", "must hold integers"))
}

/// Reads environment variables: a JSON object as text.
fn read_user_data(fields: &Fields<'_>, name: &str) -> Result<Option<String>, ApiError> {
    let Some(text) = input::owned(fields, name)? else { return Ok(None) };
    let length = text.chars().count();
    if length > USER_DATA_MAX {
        let detail = format_args!("{name} has {length} characters, at most {USER_DATA_MAX}");
        return Err(ApiError::environment("FSS.1018", "size of the", detail));
    }
    let rule = "must be the text of a JSON object";
    let variables = environment(&text).ok_or_else(|| ApiError::invalid(name, rule))?.len();
    if variables > USER_DATA_KEYS {
        let detail = format_args!("{name} has {variables}, at most {USER_DATA_KEYS}");
        return Err(ApiError::environment("FSS.1017", "number of", detail));
    }
    Ok(Some(text))
}

/// Parses environment variables; values that are no texts become their JSON.
fn environment(text: &str) -> Option<BTreeMap<String, String>> {
    let variables: Map<String, Value> = serde_json::from_str(text).ok()?;
    let plain = |value: Value| match value {
        Value::String(text) => text,
        other => other.to_string(),
    };
    Some(variables.into_iter().map(|(key, value)| (key, plain(value))).collect())
}

/// Returns the text with every value empty, which is how it is always shown (huawei.md section
/// 2.2). The secret values are not stored.
fn blanked(text: String) -> String {
    let keys = environment(&text).unwrap_or_default().into_keys();
    let blank: BTreeMap<String, &str> = keys.map(|key| (key, "")).collect();
    serde_json::to_string(&blank).unwrap_or_default()
}
