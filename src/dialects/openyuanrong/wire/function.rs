//! Functions in answers: the item of the list of versions, and the object of all other answers
//! (openyuanrong.md section 2.1).

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Number;

use super::encoding::{revision, time};
use super::extra::{Device, Extra, Rootfs};
use super::layer::LayerBody;
use super::names::{BUSINESS, function_urn, layer_urn};
use crate::catalog::Catalog;
use crate::dialects::openyuanrong::auth::Account;
use crate::domain::{CatalogError, FunctionVersion, LayerRef};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Identity {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    create_time: String,
    update_time: String,
    function_urn: String,
    name: String,
    tenant_id: String,
    business_id: &'static str,
    product_id: String,
    reversed_concurrency: u32,
    description: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Configuration {
    tag: Option<BTreeMap<String, String>>,
    function_version_urn: String,
    revision_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    storage_type: Option<String>,
    code_size: u64,
    code_sha256: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    code_path: Option<String>,
    bucket_id: String,
    object_id: String,
    handler: String,
    /// URNs of the bound layer versions, null without any.
    layers: Option<Vec<String>>,
    cpu: i64,
    memory: u64,
    runtime: String,
    timeout: i64,
    version_number: String,
    version_desc: String,
    environment: BTreeMap<String, String>,
    custom_resources: Option<BTreeMap<String, Number>>,
    stateful_flag: u32,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Scaling {
    last_modified: String,
    #[serde(rename = "Published")]
    published: String,
    min_instance: i64,
    max_instance: i64,
    concurrent_num: i64,
}

/// The answer that a function stands in; each shows other fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// List of versions.
    Listed,
    /// Get and publish.
    Whole,
    /// Get and publish for an administrator.
    WholeForAdmin,
    /// Register.
    Created,
    /// List of functions, update, upload, and for an administrator register and list of versions.
    Result,
}

/// A function as all answers but the list of versions show it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FunctionBody {
    #[serde(flatten)]
    identity: Identity,
    #[serde(flatten)]
    configuration: Configuration,
    #[serde(flatten)]
    scaling: Scaling,
    enable_metrics: bool,
    func_layer: BoundLayers,
    status: &'static str,
    instance_num: u32,
    device: Device,
    #[serde(skip_serializing_if = "String::is_empty")]
    kind: String,
    rootfs: Rootfs,
    sandbox_type: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    priority_az: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    created: Option<String>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum BoundLayers {
    Null,
    Whole(Vec<LayerBody>),
    Ordered(Vec<OrderedLayer>),
}

#[derive(Serialize)]
struct OrderedLayer {
    name: String,
    version: u64,
    order: usize,
}

impl FunctionBody {
    /// Shows one state of a function, whose own fields are `extra`.
    pub(crate) fn new(
        catalog: &Catalog,
        account: &Account,
        state: FunctionVersion,
        extra: Extra,
        form: Form,
    ) -> Result<Self, CatalogError> {
        let is_whole = matches!(form, Form::Whole | Form::WholeForAdmin);
        let is_short = matches!(form, Form::Created | Form::Result);
        let unless_short = |text| if is_short { String::new() } else { text };
        let (owner, config) = (&account.owner, state.config);
        let urn = function_urn(owner, &extra.name);
        let version_urn = format!("{urn}:{}", state.name);
        let create_time = time(state.function.created);
        let update_time = state.updated.map(time).unwrap_or_default();
        let (code_size, code_sha256) = match &state.code {
            Some(code) if !extra.is_copy(code) => (code.size, hex::encode(code.digests.sha512)),
            // The vendor knows of an object what the client stated (openyuanrong.md section 3).
            _ => (0, extra.code_checksum),
        };
        let layer_version_urn =
            |bound: &LayerRef| format!("{}:{}", layer_urn(owner, &bound.layer), bound.number);
        let layers: Vec<String> = config.layers.iter().map(layer_version_urn).collect();
        let bound = config.layers.iter();
        let func_layer = match form {
            Form::Whole | Form::WholeForAdmin => BoundLayers::Null,
            Form::Listed | Form::Created => {
                let layers = bound.map(|layer| LayerBody::bound(catalog, owner, layer));
                BoundLayers::Whole(layers.collect::<Result<_, _>>()?)
            }
            Form::Result => {
                let ordered = bound.enumerate().map(|(order, layer)| OrderedLayer {
                    name: layer.layer.to_string(),
                    version: layer.number.get(),
                    order,
                });
                BoundLayers::Ordered(ordered.collect())
            }
        };
        Ok(Self {
            scaling: Scaling {
                last_modified: match form {
                    Form::Whole if update_time.is_empty() => create_time.clone(),
                    Form::Whole | Form::WholeForAdmin => update_time.clone(),
                    Form::Listed | Form::Created | Form::Result => String::new(),
                },
                published: time(state.published),
                min_instance: extra.instances.min,
                max_instance: extra.instances.max,
                concurrent_num: extra.instances.concurrent,
            },
            created: match form {
                Form::Whole | Form::WholeForAdmin => Some(create_time.clone()),
                Form::Listed | Form::Created => Some(String::new()),
                Form::Result => None,
            },
            identity: Identity {
                id: (!matches!(form, Form::WholeForAdmin | Form::Result))
                    .then(|| version_urn.clone()),
                create_time,
                update_time,
                function_urn: urn,
                name: extra.name,
                tenant_id: account.tenant.clone(),
                business_id: BUSINESS,
                product_id: account.product.clone(),
                reversed_concurrency: 0,
                description: config.description,
            },
            configuration: Configuration {
                tag: extra.tags,
                function_version_urn: version_urn,
                revision_id: revision(state.revision),
                storage_type: Some(unless_short(extra.storage_type)),
                code_size,
                code_sha256,
                code_path: Some(unless_short(extra.code_path)),
                bucket_id: extra.bucket_id,
                object_id: extra.object_id,
                handler: config.handler,
                layers: Some(layers).filter(|layers| !is_short && !layers.is_empty()),
                cpu: extra.cpu,
                memory: config.memory,
                runtime: config.runtime,
                timeout: config.timeout,
                version_desc: match state.number {
                    Some(_) => state.version_description,
                    // The description of the head is its own name (openyuanrong.md section 5).
                    None => state.name.to_string(),
                },
                version_number: state.name.to_string(),
                environment: config.environment,
                custom_resources: extra.custom_resources.filter(|_| is_whole),
                stateful_flag: 0,
            },
            enable_metrics: extra.enable_metrics,
            func_layer,
            status: "",
            instance_num: 0,
            device: extra.device,
            kind: extra.kind,
            rootfs: extra.rootfs,
            sandbox_type: extra.sandbox_type,
            priority_az: if form == Form::Result { extra.priority_az } else { String::new() },
        })
    }
}

/// An item of the list of versions, its keys in the vendor's order.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct VersionItem {
    #[serde(flatten)]
    identity: Identity,
    #[serde(flatten)]
    scaling: Scaling,
    status: &'static str,
    instance_num: u32,
    #[serde(flatten)]
    configuration: Configuration,
    func_layer: BoundLayers,
    device: Device,
    #[serde(skip_serializing_if = "String::is_empty")]
    kind: String,
    created: Option<String>,
    // The documentation promises these two; the vendor does not send them (section 11, 2).
    storage_type: Option<String>,
    code_path: Option<String>,
}

/// Takes a function of the form `Listed`.
impl From<FunctionBody> for VersionItem {
    fn from(mut listed: FunctionBody) -> Self {
        Self {
            storage_type: listed.configuration.storage_type.take(),
            code_path: listed.configuration.code_path.take(),
            identity: listed.identity,
            scaling: listed.scaling,
            status: listed.status,
            instance_num: listed.instance_num,
            configuration: listed.configuration,
            func_layer: listed.func_layer,
            device: listed.device,
            kind: listed.kind,
            created: listed.created,
        }
    }
}

/// The list of functions: one entry for each state.
#[derive(Serialize)]
pub(crate) struct Functions {
    pub(crate) functions: Option<Vec<FunctionBody>>,
    pub(crate) total: u64,
}
