//! A function's settings: read from a request, kept by the catalog, shown again.
//!
//! What every cloud knows goes into the catalog's own fields; the rest is this dialect's
//! [`Extra`], verbatim (huawei.md section 1.1).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::input::Input;
use crate::dialects::huawei::errors::{ApiError, quote};
use crate::domain::FunctionConfig;

/// The key of [`Extra`] in the catalog.
const DIALECT: &str = "huawei";

/// The code type of functions that have an image and no code.
pub(crate) const IMAGE: &str = "Custom-Image-Swr";

/// The code type of functions whose code `code_url` names.
pub(crate) const OBS: &str = "obs";

const CODE_TYPES: [&str; 5] = ["inline", "zip", OBS, "jar", IMAGE];

/// The runtime of functions that have an image.
const IMAGE_RUNTIME: &str = "Custom Image";

const RUNTIMES: [&str; 26] = [
    "Java8",
    "Java11",
    "Java17",
    "Python2.7",
    "Python3.6",
    "Python3.9",
    "Python3.10",
    "Go1.8",
    "Go1.x",
    "Node.js6.10",
    "Node.js8.10",
    "Node.js10.16",
    "Node.js12.13",
    "Node.js14.18",
    "Node.js16.17",
    "Node.js18.15",
    "C#(.NET Core 2.0)",
    "C#(.NET Core 2.1)",
    "C#(.NET Core 3.1)",
    "C#(.NET Core 6.0)",
    "Custom",
    "PHP7.3",
    "PHP8.3",
    "Cangjie1.0",
    "http",
    IMAGE_RUNTIME,
];

const MEMORY_SIZES: [u64; 13] =
    [128, 256, 512, 768, 1024, 1280, 1536, 1792, 2048, 2560, 3072, 3584, 4096];

/// Seconds; the larger one of two documented bounds (huawei.md section 11, 11).
const TIMEOUT_MAX: i64 = 259_200;

const DESCRIPTION_MAX: usize = 512;
const USER_DATA_KEYS: usize = 20;
const USER_DATA_MAX: usize = 4096;

/// How many instances, and how many requests for each.
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

/// What only this cloud knows of a function.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Extra {
    pub(crate) code_type: Option<String>,
    pub(crate) code_filename: Option<String>,
    /// As it was given, where the code type is [`OBS`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) code_url: Option<String>,
    user_data: Option<String>,
    pub(crate) encrypted_user_data: Option<String>,
    pub(crate) strategy_config: Strategy,
    pub(crate) is_stateful_function: bool,
    pub(crate) custom_image: Option<Map<String, Value>>,
    pub(crate) log_config: Option<Map<String, Value>>,
    #[serde(flatten)]
    pub(crate) common: Common,
    #[serde(flatten)]
    pub(crate) attached: Attached,
    #[serde(flatten)]
    pub(crate) details: Details,
}

/// Shown in every record of a function.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Common {
    #[serde(skip_serializing_if = "Option::is_none")]
    xrole: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    app_xrole: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    initializer_handler: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    initializer_timeout: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pre_stop_handler: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pre_stop_timeout: Option<i64>,
    r#type: String,
    enable_dynamic_memory: bool,
    enterprise_project_id: String,
}

impl Default for Common {
    fn default() -> Self {
        Self {
            xrole: None,
            app_xrole: None,
            initializer_handler: None,
            initializer_timeout: None,
            pre_stop_handler: None,
            pre_stop_timeout: None,
            r#type: "v2".to_owned(),
            enable_dynamic_memory: false,
            enterprise_project_id: "0".to_owned(),
        }
    }
}

/// Shown with a published version and with a function, not in lists.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Attached {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) func_vpc: Option<Map<String, Value>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mount_config: Option<Map<String, Value>>,
}

/// Shown with a function alone.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Details {
    #[serde(skip_serializing_if = "Option::is_none")]
    gpu_memory: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    gpu_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    network_controller: Option<Map<String, Value>>,
    enable_lts_log: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    lts_custom_tag: Option<Map<String, Value>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_data_encrypt_kms_key_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) code_encrypt_kms_key_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    domain_names: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tags: Option<String>,
}

impl Extra {
    /// Returns what is kept of a function; the defaults for functions that others made.
    pub(crate) fn of(config: &FunctionConfig) -> Self {
        // Nobody else writes this text; if it were damaged, the defaults still make an answer.
        let text = config.extra.get(DIALECT);
        text.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
    }

    /// Puts this into the configuration that it is part of.
    pub(crate) fn keep_in(&self, config: &mut FunctionConfig) {
        // Text keys and whole numbers, so that serialising cannot fail.
        let text = serde_json::to_string(self).unwrap_or_default();
        config.extra.insert(DIALECT.to_owned(), text);
    }

    /// Returns the environment as the text that was given, or made anew where it has changed.
    pub(crate) fn user_data(&self, config: &FunctionConfig) -> Option<String> {
        let given = self.user_data.as_ref().filter(|text| {
            environment(text).is_some_and(|environment| environment == config.environment)
        });
        match given {
            Some(text) => Some(text.clone()),
            None if config.environment.is_empty() => None,
            None => serde_json::to_string(&config.environment).ok(),
        }
    }

    fn read(input: &Input) -> Result<Self, ApiError> {
        let defaults = Self::default();
        let text = |name: &str| Ok::<_, ApiError>(input.text(name)?.map(str::to_owned));
        let object = |name: &str| Ok::<_, ApiError>(input.object(name)?.cloned());
        let switch = |name: &str| Ok::<_, ApiError>(input.boolean(name)?.unwrap_or_default());
        Ok(Self {
            code_type: text("code_type")?,
            code_filename: text("code_filename")?,
            code_url: read_code_url(input)?,
            user_data: read_user_data(input, "user_data")?,
            encrypted_user_data: read_user_data(input, "encrypted_user_data")?.map(blanked),
            strategy_config: read_strategy(input)?,
            is_stateful_function: switch("is_stateful_function")?,
            custom_image: object("custom_image")?,
            log_config: object("log_config")?,
            common: Common {
                xrole: text("xrole")?,
                app_xrole: text("app_xrole")?,
                initializer_handler: text("initializer_handler")?,
                initializer_timeout: seconds(input, "initializer_timeout", 300)?,
                pre_stop_handler: text("pre_stop_handler")?,
                pre_stop_timeout: seconds(input, "pre_stop_timeout", 90)?,
                r#type: match text("type")? {
                    None => defaults.common.r#type,
                    Some(kind) if kind == "v1" || kind == "v2" => kind,
                    Some(_) => return Err(ApiError::field("type", "must be v1 or v2")),
                },
                enable_dynamic_memory: switch("enable_dynamic_memory")?,
                enterprise_project_id: text("enterprise_project_id")?
                    .unwrap_or(defaults.common.enterprise_project_id),
            },
            attached: Attached {
                func_vpc: object("func_vpc")?,
                mount_config: object("mount_config")?,
            },
            details: Details {
                gpu_memory: input.integer("gpu_memory")?,
                gpu_type: text("gpu_type")?,
                network_controller: object("network_controller")?,
                enable_lts_log: switch("enable_lts_log")?,
                lts_custom_tag: object("lts_custom_tag")?,
                user_data_encrypt_kms_key_id: text("user_data_encrypt_kms_key_id")?,
                code_encrypt_kms_key_id: text("code_encrypt_kms_key_id")?,
                domain_names: text("domain_names")?,
                tags: text("tags")?,
            },
        })
    }
}

/// Reads the settings of a function to be created; its layers and code are read elsewhere.
pub(crate) fn read(input: &Input) -> Result<(FunctionConfig, Extra), ApiError> {
    let mut extra = Extra::read(input)?;
    let runtime = read_runtime(input)?;
    let is_image = runtime == IMAGE_RUNTIME || extra.code_type.as_deref() == Some(IMAGE);
    if extra.code_type.is_none() && is_image {
        extra.code_type = Some(IMAGE.to_owned());
    }
    check_code_type(extra.code_type.as_deref())?;
    let environment = extra.user_data.as_deref().and_then(environment);
    let config = FunctionConfig {
        description: read_description(input)?,
        runtime,
        handler: read_handler(input, is_image)?,
        memory: read_memory(input)?,
        timeout: read_timeout(input)?,
        environment: environment.unwrap_or_default(),
        ..FunctionConfig::default()
    };
    Ok((config, extra))
}

/// Checks how the code is said to come.
pub(crate) fn check_code_type(code_type: Option<&str>) -> Result<(), ApiError> {
    match code_type {
        None => Err(ApiError::missing("code_type")),
        Some(known) if CODE_TYPES.contains(&known) => Ok(()),
        Some(other) => {
            let rule = format!("{} must be one of {}", quote(other), CODE_TYPES.join(", "));
            Err(ApiError::field("code_type", rule))
        }
    }
}

/// Reads the address of code, which says something with the code type [`OBS`] alone.
pub(crate) fn read_code_url(input: &Input) -> Result<Option<String>, ApiError> {
    match input.text("code_type")? {
        Some(OBS) => Ok(input.text("code_url")?.map(str::to_owned)),
        _ => Ok(None),
    }
}

/// Reads the runtime of a function or of a dependency.
pub(crate) fn read_runtime(input: &Input) -> Result<String, ApiError> {
    let runtime = input.required("runtime")?;
    if RUNTIMES.contains(&runtime) {
        return Ok(runtime.to_owned());
    }
    let rule = format!("{} must be one of {}", quote(runtime), RUNTIMES.join(", "));
    Err(ApiError::field("runtime", rule))
}

/// Reads the description of a function, of a version or of a dependency.
pub(crate) fn read_description(input: &Input) -> Result<String, ApiError> {
    let text = input.text("description")?.unwrap_or_default();
    match text.chars().count() {
        0..=DESCRIPTION_MAX => Ok(text.to_owned()),
        length => {
            let rule = format!("has {length} characters, at most {DESCRIPTION_MAX} are allowed");
            Err(ApiError::field("description", rule))
        }
    }
}

/// Image functions have no handler and say `-`.
fn read_handler(input: &Input, is_image: bool) -> Result<String, ApiError> {
    let handler = input.required("handler")?;
    let fits = (3..=128).contains(&handler.chars().count()) && handler.contains('.');
    if fits || (is_image && handler == "-") {
        return Ok(handler.to_owned());
    }
    let rule = "must have 3 to 128 characters and contain a '.', or be '-' for image functions";
    Err(ApiError::field("handler", rule))
}

fn read_memory(input: &Input) -> Result<u64, ApiError> {
    let size = input.integer("memory_size")?.ok_or_else(|| ApiError::missing("memory_size"))?;
    let known = MEMORY_SIZES.into_iter().find(|known| i64::try_from(*known) == Ok(size));
    known.ok_or_else(|| {
        let sizes = MEMORY_SIZES.map(|size| size.to_string()).join(", ");
        ApiError::field("memory_size", format!("{size} must be one of {sizes}"))
    })
}

fn read_timeout(input: &Input) -> Result<i64, ApiError> {
    match input.integer("timeout")? {
        None => Err(ApiError::missing("timeout")),
        Some(seconds @ 3..=TIMEOUT_MAX) => Ok(seconds),
        Some(other) => {
            let rule = format!("{other} must be 3 to {TIMEOUT_MAX} seconds");
            Err(ApiError::field("timeout", rule))
        }
    }
}

fn seconds(input: &Input, name: &str, max: i64) -> Result<Option<i64>, ApiError> {
    match input.integer(name)? {
        Some(other) if !(1..=max).contains(&other) => {
            Err(ApiError::field(name, format!("{other} must be 1 to {max} seconds")))
        }
        seconds => Ok(seconds),
    }
}

fn read_strategy(input: &Input) -> Result<Strategy, ApiError> {
    let Some(members) = input.object("strategy_config")? else { return Ok(Strategy::default()) };
    serde_json::from_value(Value::Object(members.clone()))
        .map_err(|_| ApiError::field("strategy_config", "must hold integers"))
}

/// Reads environment variables: a JSON object as text.
fn read_user_data(input: &Input, name: &str) -> Result<Option<String>, ApiError> {
    let Some(text) = input.text(name)? else { return Ok(None) };
    let length = text.chars().count();
    if length > USER_DATA_MAX {
        return Err(ApiError::too_much_data(name, length, USER_DATA_MAX));
    }
    match environment(text) {
        None => Err(ApiError::field(name, "must be the text of a JSON object")),
        Some(variables) if variables.len() > USER_DATA_KEYS => {
            Err(ApiError::too_many_keys(name, variables.len(), USER_DATA_KEYS))
        }
        Some(_) => Ok(Some(text.to_owned())),
    }
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
/// 2.2); a secret that is never given back is not kept.
fn blanked(text: String) -> String {
    let keys = environment(&text).unwrap_or_default().into_keys();
    let blank: BTreeMap<String, &str> = keys.map(|key| (key, "")).collect();
    serde_json::to_string(&blank).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_comes_back() {
        let mut config = FunctionConfig::default();
        assert_eq!(Extra::of(&config).common.r#type, "v2");
        let extra = Extra { code_type: Some("zip".to_owned()), ..Extra::default() };
        extra.keep_in(&mut config);
        let again = Extra::of(&config);
        assert_eq!(again.code_type.as_deref(), Some("zip"));
        assert_eq!(again.common.enterprise_project_id, "0");
        assert_eq!(again.strategy_config, Strategy::default());
    }

    #[test]
    fn an_environment_that_another_cloud_changed_is_written_anew() {
        let text = r#"{"B": "2", "A": "1"}"#.to_owned();
        let extra = Extra { user_data: Some(text.clone()), ..Extra::default() };
        let environment = environment(&text).unwrap_or_default();
        let mut config = FunctionConfig { environment, ..FunctionConfig::default() };
        assert_eq!(extra.user_data(&config), Some(text));
        config.environment.insert("C".to_owned(), "3".to_owned());
        assert_eq!(extra.user_data(&config).as_deref(), Some(r#"{"A":"1","B":"2","C":"3"}"#));
        config.environment.clear();
        assert_eq!(extra.user_data(&config), None);
    }

    #[test]
    fn secrets_keep_their_names_alone() {
        assert_eq!(blanked(r#"{"password":"x"}"#.to_owned()), r#"{"password":""}"#);
    }
}
