//! The bodies of register, update and publish, with their rules (openyuanrong.md sections 1.1 to
//! 1.3 and 7).

use std::collections::BTreeMap;

use serde_json::Number;

use super::extra::{Device, Extra, Instances, Rootfs, S3};
use super::input::Fields;
use super::names::FAAS;
use crate::dialects::openyuanrong::errors::ApiError;
use crate::domain::{CatalogError, FunctionConfig, ObjectRef};

/// The runtimes that a function may be registered with.
const RUNTIMES: &[&str] = &[
    "nodejs10.15.2",
    "java1.8",
    "java8",
    "java11",
    "java17",
    "java21",
    "python3.6",
    "python3.7",
    "python3.8",
    "python3.9",
    "python3.10",
    "python3.11",
    "python3.12",
    "python3.13",
    "python3.14",
    "cpp11",
    "cpp11-bin",
    "custom runtime",
    "posix-custom-runtime",
    "go1.13",
];

/// Those of them that no layer may name.
const NOT_FOR_LAYERS: &[&str] = &["java8", "java11", "java17", "java21", "python3.6"];

const HANDLER_MAX: usize = 64;
const DESCRIPTION_MAX: usize = 1024;
const INSTANCES_MAX: i64 = 1000;
const PRE_STOP_MAX: i64 = 180;

/// Seconds that a negative timeout means.
const TIMEOUT_DEFAULT: i64 = 900;
const TIMEOUT_MAX: i64 = 8_640_000;

/// Layers of one function; the vendor ships 1 here and advertises 5 elsewhere.
const LAYERS_MAX: usize = 5;

/// Tells whether a layer may name a runtime.
pub(crate) fn is_layer_runtime(name: &str) -> bool {
    RUNTIMES.contains(&name) && !NOT_FOR_LAYERS.contains(&name)
}

/// A body of register or update; the types are checked, [`Settings::check`] checks the values.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) name: String,
    pub(crate) runtime: String,
    pub(crate) kind: String,
    pub(crate) revision_id: String,
    /// URNs of layer versions.
    pub(crate) layers: Vec<String>,
    /// Whether it names an object of a bucket.
    pub(crate) has_object: bool,
    cpu: i64,
    memory: i64,
    timeout: i64,
    handler: String,
    description: String,
    environment: Option<BTreeMap<String, String>>,
    custom_resources: Option<BTreeMap<String, Number>>,
    tags: Option<BTreeMap<String, String>>,
    instances: [String; 3],
    storage_type: String,
    code_path: String,
    bucket_id: String,
    object_id: String,
    code_checksum: String,
    device: Device,
    rootfs: Rootfs,
    enable_metrics: bool,
    sandbox_type: String,
    priority_az: String,
    pool_id: String,
    pool_type: String,
    pre_stop: i64,
}

impl Settings {
    pub(crate) fn parse(mut body: Fields) -> Result<Self, ApiError> {
        let mut object = body.object("s3CodePath")?.unwrap_or_default();
        let mut timeouts = body.object("extendedTimeout")?.unwrap_or_default();
        let (bucket_id, object_id) = (object.text("bucketId")?, object.text("objectId")?);
        Ok(Self {
            has_object: !bucket_id.is_empty() || !object_id.is_empty(),
            bucket_id,
            object_id,
            code_checksum: object.text("sha512")?,
            name: body.text("name")?,
            runtime: body.text("runtime")?,
            kind: body.text("kind")?,
            revision_id: body.text("revisionId")?,
            layers: body.texts("layers")?,
            cpu: body.integer("cpu")?,
            memory: body.integer("memory")?,
            timeout: body.integer("timeout")?,
            handler: body.text("handler")?,
            description: body.text("description")?,
            environment: body.text_map("environment")?,
            custom_resources: body.number_map("customResources")?,
            tags: body.text_map("tags")?,
            instances: [
                body.text("minInstance")?,
                body.text("maxInstance")?,
                body.text("concurrentNum")?,
            ],
            storage_type: body.text("storageType")?,
            code_path: body.text("codePath")?,
            device: Device::parse(body.object("device")?)?,
            rootfs: Rootfs::parse(body.object("rootfs")?)?,
            enable_metrics: body.switch("enableMetrics")?,
            sandbox_type: body.text("sandboxType")?,
            priority_az: body.text("priorityAz")?,
            pool_id: body.text("poolId")?,
            pool_type: body.text("poolType")?,
            pre_stop: timeouts.integer("pre_stop")?,
        })
    }

    /// Checks what register needs more than update does, and spells the runtime as it is kept.
    pub(crate) fn check_new(&mut self) -> Result<Instances, ApiError> {
        let missing = [("name", self.name.is_empty()), ("runtime", self.runtime.is_empty())];
        self.check_required(&missing)?;
        if !RUNTIMES.contains(&self.runtime.as_str()) {
            return Err(ApiError::invalid(format!("runtime {} is not valid", self.runtime)));
        }
        self.runtime = match (self.kind == FAAS, self.runtime.as_str()) {
            (true, "java1.8") => "java8".to_owned(),
            (false, "java8") => "java1.8".to_owned(),
            (_, other) => other.to_owned(),
        };
        self.timeout = match self.timeout {
            ..0 => TIMEOUT_DEFAULT,
            timeout => timeout.min(TIMEOUT_MAX),
        };
        self.check_values()
    }

    /// Checks an update.
    pub(crate) fn check_update(&self) -> Result<Instances, ApiError> {
        self.check_required(&[])?;
        self.check_values()
    }

    /// Names everything that is missing or too long at once, in the vendor's order.
    fn check_required(&self, more: &[(&str, bool)]) -> Result<(), ApiError> {
        let mut found = Vec::new();
        let basic = "FunctionBasicInfo";
        if self.timeout == 0 {
            found.push(format!("{basic}.timeout: non zero value required"));
        }
        let texts = [
            ("handler", &self.handler, HANDLER_MAX),
            ("description", &self.description, DESCRIPTION_MAX),
        ];
        for (name, text, max) in texts {
            if text.chars().count() > max {
                let rule = format!("does not validate as maxstringlength({max})");
                found.push(format!("{basic}.{name}: {text} {rule}"));
            }
        }
        let missing = more.iter().filter(|(_, missing)| *missing);
        found.extend(missing.map(|(name, _)| format!("{name}: non zero value required")));
        if found.is_empty() { Ok(()) } else { Err(ApiError::invalid(found.join(";"))) }
    }

    fn check_values(&self) -> Result<Instances, ApiError> {
        let is_exempt = self.device != Device::default() || self.pool_type == "custom";
        if !is_exempt && !(300..=16_000).contains(&self.cpu) {
            return Err(ApiError::invalid("CPU not in range [300, 16000]"));
        }
        // Nothing exempts from being a size at all.
        let memory = if is_exempt { 0..=i64::MAX } else { 128..=1_073_741_824 };
        if !memory.contains(&self.memory) {
            return Err(ApiError::invalid("memory not in range [128, 1073741824]"));
        }
        let instances = self.instances()?;
        if self.layers.len() > LAYERS_MAX {
            return Err(ApiError::invalid(format!(
                "the number of function reference layers cannot exceed {LAYERS_MAX}"
            )));
        }
        if self.kind == FAAS && !(0..=PRE_STOP_MAX).contains(&self.pre_stop) {
            return Err(ApiError::invalid("preStop timeOut must between 0 and 180"));
        }
        if !is_pool(&self.pool_id) {
            let rule = "1 to 40 lower-case letters, digits or hyphens, no hyphen at an end";
            return Err(ApiError::invalid(format!("poolId {} must be {rule}", self.pool_id)));
        }
        Ok(instances)
    }

    /// The texts are the vendor's, with their blanks.
    fn instances(&self) -> Result<Instances, ApiError> {
        let Instances { min, max, concurrent } = Instances::default();
        let read = |text: &str, name: &str, default: i64| match text {
            "" => Ok(default),
            text => text
                .parse::<i64>()
                .map_err(|_| ApiError::invalid(format!("{name} must be an integer"))),
        };
        let [given_min, given_max, given_concurrent] = &self.instances;
        let min = read(given_min, "minInstance", min)?;
        let max = read(given_max, "maxInstance", max)?;
        let concurrent = read(given_concurrent, "concurrentNum", concurrent)?;
        let detail = if min < 0 {
            format!("the value of minInstance {min} should be bigger than 0")
        } else if min > max {
            format!("the value of minInstance {min} must be smaller than that of maxInstance {max}")
        } else if max > INSTANCES_MAX {
            format!(
                "the value of maxInstance {max}  must be smaller than that of workerInstanceMax \
                 {INSTANCES_MAX}"
            )
        } else if concurrent > INSTANCES_MAX {
            format!(
                "the value of concurrentNum {concurrent}  must be smaller than that of \
                 workerConcurrentNumMax {INSTANCES_MAX}"
            )
        } else if concurrent < 1 {
            format!("the value of concurrentNum {concurrent} should be bigger than 1 ")
        } else {
            return Ok(Instances { min, max, concurrent });
        };
        Err(ApiError::invalid(detail))
    }

    /// Writes the settings into a configuration and the fields of this cloud: what is empty stays,
    /// or goes, as openyuanrong.md section 1.3 says. Name, kind and tags stay as they are.
    pub(crate) fn apply(
        &self,
        instances: Instances,
        config: &mut FunctionConfig,
        extra: &mut Extra,
    ) {
        let keep = |old: &mut String, new: &String| {
            if !new.is_empty() {
                old.clone_from(new);
            }
        };
        keep(&mut config.handler, &self.handler);
        keep(&mut config.description, &self.description);
        keep(&mut extra.sandbox_type, &self.sandbox_type);
        keep(&mut extra.priority_az, &self.priority_az);
        if self.cpu != 0 {
            extra.cpu = self.cpu;
        }
        // A size was checked not to be negative.
        if let Ok(memory @ 1..) = u64::try_from(self.memory) {
            config.memory = memory;
        }
        config.timeout = self.timeout;
        if let Some(environment) = &self.environment {
            config.environment.clone_from(environment);
        }
        if self.custom_resources.is_some() {
            extra.custom_resources.clone_from(&self.custom_resources);
        }
        extra.instances = instances;
        extra.storage_type.clone_from(&self.storage_type);
        extra.code_path.clone_from(&self.code_path);
        extra.bucket_id.clone_from(&self.bucket_id);
        extra.object_id.clone_from(&self.object_id);
        extra.code_checksum.clone_from(&self.code_checksum);
        extra.device.clone_from(&self.device);
        extra.enable_metrics = self.enable_metrics;
        extra.rootfs.clone_from(&self.rootfs);
    }

    /// Returns the object that holds the code, where a name of that form can be of one here.
    pub(crate) fn object(&self) -> Option<ObjectRef> {
        match self.storage_type == S3 {
            true => ObjectRef::parse(&*self.bucket_id, &*self.object_id).ok(),
            false => None,
        }
    }

    /// Checks the object's SHA-512 against the stated one, if any was.
    pub(crate) fn check_object(&self, sha512: &[u8; 64]) -> Result<(), CatalogError> {
        let (stated, actual) = (self.code_checksum.clone(), hex::encode(sha512));
        if stated.is_empty() || stated.eq_ignore_ascii_case(&actual) {
            return Ok(());
        }
        Err(CatalogError::ChecksumMismatch { algorithm: "SHA-512", stated, actual })
    }

    /// Makes the first configuration of a function.
    pub(crate) fn create(&self, instances: Instances) -> (FunctionConfig, Extra) {
        let mut config =
            FunctionConfig { runtime: self.runtime.clone(), ..FunctionConfig::default() };
        let mut extra = Extra {
            name: self.name.clone(),
            kind: self.kind.clone(),
            tags: self.tags.clone(),
            ..Extra::default()
        };
        self.apply(instances, &mut config, &mut extra);
        (config, extra)
    }
}

/// Empty, or 1 to 40 lower-case letters, digits and hyphens, none at an end.
fn is_pool(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    text.len() <= 40 && text.bytes().all(inner) && !text.starts_with('-') && !text.ends_with('-')
}

/// A body of publish.
#[derive(Debug)]
pub(crate) struct PublishBody {
    pub(crate) revision_id: String,
    /// Empty for a name made from the time.
    pub(crate) version_number: String,
    pub(crate) description: String,
    pub(crate) kind: String,
}

impl PublishBody {
    pub(crate) fn parse(mut body: Fields) -> Result<Self, ApiError> {
        Ok(Self {
            revision_id: body.text("revisionId")?,
            version_number: body.text("versionNumber")?,
            description: body.text("versionDesc")?,
            kind: body.text("kind")?,
        })
    }
}
