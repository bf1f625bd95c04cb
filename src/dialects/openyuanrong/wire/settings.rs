//! The bodies of register, update and publish, with their rules (openyuanrong.md sections 1.1 to
//! 1.3 and 7).

use std::collections::BTreeMap;

use super::extra::{Device, Extra, Instances, Rootfs};
use super::input::{boolean, integer, number_map, object, text, text_map, too_long};
use super::names::FAAS;
use crate::dialects::json_fields::Fields;
use crate::dialects::name_rule::{Edge, NameRule};
use crate::dialects::openyuanrong::errors::ApiError;
use crate::domain::FunctionConfig;

/// The runtimes that a function may have and a layer may name.
const RUNTIMES: &[&[&str]] = &[
    &["nodejs10.15.2", "java1.8", "cpp11", "cpp11-bin", "go1.13"],
    &["python3.7", "python3.8", "python3.9", "python3.10", "python3.11", "python3.12"],
    &["python3.13", "python3.14", "custom runtime", "posix-custom-runtime"],
];

/// The runtimes that a function may have and no layer may name.
const NOT_FOR_LAYERS: &[&str] = &["java8", "java11", "java17", "java21", "python3.6"];

const INSTANCES: [&str; 3] = ["minInstance", "maxInstance", "concurrentNum"];
const INSTANCES_MAX: i64 = 1000;

/// Layers of one function; the vendor ships 1 here and advertises 5 elsewhere.
const LAYERS_MAX: usize = 5;

/// Whether a layer may name a runtime.
pub(crate) fn is_layer_runtime(name: &str) -> bool {
    RUNTIMES.iter().any(|names| names.contains(&name))
}

/// A body of register or update; [`Settings::parse`] checks the types, [`Settings::check`] the
/// values.
#[derive(Debug, Default)]
pub(crate) struct Settings {
    pub(crate) runtime: String,
    pub(crate) revision_id: String,
    /// URNs of layer versions.
    pub(crate) layers: Vec<String>,
    pub(crate) extra: Extra,
    memory: i64,
    timeout: i64,
    handler: String,
    description: String,
    environment: Option<BTreeMap<String, String>>,
    /// `minInstance`, `maxInstance` and `concurrentNum`.
    instances: [String; 3],
    pool_id: String,
    pool_type: String,
    pre_stop: i64,
}

impl Settings {
    /// Reads the members of a body, in the order in which wrong types are reported.
    pub(crate) fn parse(body: &Fields<'_>) -> Result<Self, ApiError> {
        let (mut new, mut extra) = (Self::default(), Extra::default());
        let (code, timeouts) = (object(body, "s3CodePath")?, object(body, "extendedTimeout")?);
        extra.bucket_id = text(&code, "bucketId")?;
        extra.object_id = text(&code, "objectId")?;
        extra.code_checksum = text(&code, "sha512")?;
        extra.name = text(body, "name")?;
        new.runtime = text(body, "runtime")?;
        extra.kind = text(body, "kind")?;
        new.revision_id = text(body, "revisionId")?;
        let layers = body.texts("layers")?.unwrap_or_default();
        new.layers = layers.into_iter().map(str::to_owned).collect();
        extra.cpu = integer(body, "cpu")?;
        new.memory = integer(body, "memory")?;
        new.timeout = integer(body, "timeout")?;
        new.handler = text(body, "handler")?;
        new.description = text(body, "description")?;
        new.environment = text_map(body, "environment")?;
        extra.custom_resources = number_map(body, "customResources")?;
        extra.tags = text_map(body, "tags")?;
        for (at, name) in INSTANCES.iter().enumerate() {
            new.instances[at] = text(body, name)?;
        }
        extra.storage_type = text(body, "storageType")?;
        extra.code_path = text(body, "codePath")?;
        extra.device = Device::parse(&object(body, "device")?)?;
        extra.rootfs = Rootfs::parse(&object(body, "rootfs")?)?;
        extra.enable_metrics = boolean(body, "enableMetrics")?;
        extra.sandbox_type = text(body, "sandboxType")?;
        extra.priority_az = text(body, "priorityAz")?;
        new.pool_id = text(body, "poolId")?;
        new.pool_type = text(body, "poolType")?;
        new.pre_stop = integer(&timeouts, "pre_stop")?;
        Ok(Self { extra, ..new })
    }

    /// Checks a body of register, and spells its runtime as it is stored.
    pub(crate) fn check_new(&mut self) -> Result<(), ApiError> {
        let missing = [("name", self.extra.name.is_empty()), ("runtime", self.runtime.is_empty())];
        self.check_required(&missing)?;
        if !is_layer_runtime(&self.runtime) && !NOT_FOR_LAYERS.contains(&&*self.runtime) {
            return Err(ApiError::invalid(format!("runtime {} is not valid", self.runtime)));
        }
        match (self.extra.kind == FAAS, &*self.runtime) {
            (true, "java1.8") => self.runtime = "java8".to_owned(),
            (false, "java8") => self.runtime = "java1.8".to_owned(),
            _ => {}
        }
        // Seconds; a negative timeout means 900.
        self.timeout = if self.timeout < 0 { 900 } else { self.timeout.min(8_640_000) };
        self.check_values()
    }

    pub(crate) fn check(&mut self) -> Result<(), ApiError> {
        self.check_required(&[])?;
        self.check_values()
    }

    /// Refuses all that is missing or too long at once, in the vendor's order.
    fn check_required(&self, more: &[(&str, bool)]) -> Result<(), ApiError> {
        let mut found = Vec::new();
        if self.timeout == 0 {
            found.push("FunctionBasicInfo.timeout: non zero value required".to_owned());
        }
        found.extend(too_long("FunctionBasicInfo.handler", &self.handler, 64));
        found.extend(too_long("FunctionBasicInfo.description", &self.description, 1024));
        let missing = more.iter().filter(|(_, missing)| *missing);
        found.extend(missing.map(|(name, _)| format!("{name}: non zero value required")));
        if found.is_empty() { Ok(()) } else { Err(ApiError::invalid(found.join(";"))) }
    }

    fn check_values(&mut self) -> Result<(), ApiError> {
        let is_exempt = self.extra.device != Device::default() || self.pool_type == "custom";
        if !is_exempt && !(300..=16_000).contains(&self.extra.cpu) {
            return Err(ApiError::invalid("CPU not in range [300, 16000]"));
        }
        // A negative size is refused even then.
        let memory = if is_exempt { 0..=i64::MAX } else { 128..=1_073_741_824 };
        if !memory.contains(&self.memory) {
            return Err(ApiError::invalid("memory not in range [128, 1073741824]"));
        }
        self.extra.instances = self.instances()?;
        if self.layers.len() > LAYERS_MAX {
            return Err(ApiError::invalid(format!(
                "the number of function reference layers cannot exceed {LAYERS_MAX}"
            )));
        }
        if self.extra.kind == FAAS && !(0..=180).contains(&self.pre_stop) {
            return Err(ApiError::invalid("preStop timeOut must between 0 and 180"));
        }
        if !is_pool(&self.pool_id) {
            let rule = "1 to 40 lower-case letters, digits or hyphens, no hyphen at an end";
            return Err(ApiError::invalid(format!("poolId {} must be {rule}", self.pool_id)));
        }
        Ok(())
    }

    /// Reads and checks the instances; the texts are the vendor's, with their blanks.
    fn instances(&self) -> Result<Instances, ApiError> {
        let read = |at: usize, default: i64| match &*self.instances[at] {
            "" => Ok(default),
            text => text
                .parse()
                .map_err(|_| ApiError::invalid(format!("{} must be an integer", INSTANCES[at]))),
        };
        let Instances { min, max, concurrent } = Instances::default();
        let (min, max, concurrent) = (read(0, min)?, read(1, max)?, read(2, concurrent)?);
        let too_large = |name, value, of| {
            let rule = "must be smaller than that of";
            format!("the value of {name} {value}  {rule} {of} {INSTANCES_MAX}")
        };
        let detail = if min < 0 {
            format!("the value of minInstance {min} should be bigger than 0")
        } else if min > max {
            format!("the value of minInstance {min} must be smaller than that of maxInstance {max}")
        } else if max > INSTANCES_MAX {
            too_large("maxInstance", max, "workerInstanceMax")
        } else if concurrent > INSTANCES_MAX {
            too_large("concurrentNum", concurrent, "workerConcurrentNumMax")
        } else if concurrent < 1 {
            format!("the value of concurrentNum {concurrent} should be bigger than 1 ")
        } else {
            return Ok(Instances { min, max, concurrent });
        };
        Err(ApiError::invalid(detail))
    }

    /// Writes the fields that every cloud knows into a configuration; what is empty or absent stays
    /// as it is (openyuanrong.md section 1.3).
    pub(crate) fn apply(&self, config: &mut FunctionConfig) {
        replace(&mut config.handler, &self.handler);
        replace(&mut config.description, &self.description);
        // The size is not negative: it is checked.
        if let Ok(memory @ 1..) = u64::try_from(self.memory) {
            config.memory = memory;
        }
        config.timeout = self.timeout;
        if let Some(environment) = &self.environment {
            config.environment.clone_from(environment);
        }
    }
}

fn replace(old: &mut String, new: &str) {
    if !new.is_empty() {
        new.clone_into(old);
    }
}

/// Whether a text is empty or the name of a pool: 1 to 40 lower-case letters, digits and hyphens,
/// with no hyphen at an end.
fn is_pool(text: &str) -> bool {
    const RULE: NameRule =
        NameRule { max: 40, first: Edge::Alphanumeric, inner: b"-", last: Edge::Alphanumeric };
    let is_lower = !text.bytes().any(|byte| byte.is_ascii_uppercase());
    text.is_empty() || is_lower && RULE.allows(text)
}

pub(crate) struct PublishBody {
    pub(crate) revision_id: String,
    /// Empty when none is stated; the name is then made from the time.
    pub(crate) version_number: String,
    pub(crate) description: String,
    pub(crate) kind: String,
}

impl PublishBody {
    pub(crate) fn parse(body: &Fields<'_>) -> Result<Self, ApiError> {
        Ok(Self {
            revision_id: text(body, "revisionId")?,
            version_number: text(body, "versionNumber")?,
            description: text(body, "versionDesc")?,
            kind: text(body, "kind")?,
        })
    }
}
