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
use crate::dialects::stream::Rows;
use crate::domain::{CatalogError, FunctionVersion};

/// What both forms show alike.
struct Facts {
    extra: Extra,
    urn: String,
    version_urn: String,
    create_time: String,
    update_time: String,
    published: String,
    code_size: u64,
    code_checksum: String,
    /// URNs of the bound layer versions.
    layers: Option<Vec<String>>,
    description: String,
}

impl Facts {
    fn new(account: &Account, state: &FunctionVersion) -> Self {
        let mut extra = Extra::of(state);
        let urn = function_urn(&account.owner, &extra.name);
        let stated = std::mem::take(&mut extra.code_checksum);
        let (code_size, code_checksum) = match &state.code {
            Some(code) if !extra.is_copy(code) => (code.size, hex::encode(code.digests.sha512)),
            // Of what is in a bucket the vendor knows what it was told (openyuanrong.md section 3).
            _ => (0, stated),
        };
        let layers = state.config.layers.iter();
        let layers: Vec<String> = layers
            .map(|layer| {
                let urn = layer_urn(&account.owner, &layer.layer);
                format!("{urn}:{}", layer.number)
            })
            .collect();
        Self {
            version_urn: format!("{urn}:{}", state.name),
            urn,
            create_time: time(state.function.created),
            update_time: state.updated.map(time).unwrap_or_default(),
            published: time(state.published),
            code_size,
            code_checksum,
            layers: Some(layers).filter(|layers| !layers.is_empty()),
            description: match state.number {
                Some(_) => state.version_description.clone(),
                // The head is described by its own name (openyuanrong.md section 5).
                None => state.name.to_string(),
            },
            extra,
        }
    }
}

/// One page of the list of versions.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Versions {
    /// Null when the page is empty.
    pub(crate) functions: Option<Rows>,
    pub(crate) page_info: PageInfo,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PageInfo {
    pub(crate) page_index: String,
    pub(crate) page_size: String,
    pub(crate) total: u64,
}

/// An item of the list of versions, its keys in the vendor's order.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct VersionItem {
    id: String,
    create_time: String,
    update_time: String,
    function_urn: String,
    name: String,
    tenant_id: String,
    business_id: &'static str,
    product_id: String,
    reversed_concurrency: u32,
    description: String,
    last_modified: &'static str,
    #[serde(rename = "Published")]
    published: String,
    min_instance: i64,
    max_instance: i64,
    concurrent_num: i64,
    status: &'static str,
    instance_num: u32,
    tag: Option<BTreeMap<String, String>>,
    function_version_urn: String,
    revision_id: String,
    code_size: u64,
    code_sha256: String,
    bucket_id: String,
    object_id: String,
    handler: String,
    layers: Option<Vec<String>>,
    cpu: i64,
    memory: u64,
    runtime: String,
    timeout: i64,
    version_number: String,
    version_desc: String,
    environment: BTreeMap<String, String>,
    /// Always null here.
    custom_resources: (),
    stateful_flag: u32,
    func_layer: Vec<LayerBody>,
    device: Device,
    #[serde(skip_serializing_if = "String::is_empty")]
    kind: String,
    created: &'static str,
    // Promised by the documentation, not sent by the vendor (openyuanrong.md section 11, 2).
    storage_type: String,
    code_path: String,
}

impl VersionItem {
    pub(crate) fn new(
        catalog: &Catalog,
        account: &Account,
        state: FunctionVersion,
    ) -> Result<Self, CatalogError> {
        let facts = Facts::new(account, &state);
        let extra = facts.extra;
        let bound = state.config.layers.iter();
        let bound = bound.map(|layer| LayerBody::bound(catalog, &account.owner, layer));
        Ok(Self {
            id: facts.version_urn.clone(),
            create_time: facts.create_time,
            update_time: facts.update_time,
            function_urn: facts.urn,
            name: extra.name,
            tenant_id: account.tenant.clone(),
            business_id: BUSINESS,
            product_id: account.product.clone(),
            reversed_concurrency: 0,
            description: state.config.description,
            last_modified: "",
            published: facts.published,
            min_instance: extra.instances.min,
            max_instance: extra.instances.max,
            concurrent_num: extra.instances.concurrent,
            status: "",
            instance_num: 0,
            tag: extra.tags,
            function_version_urn: facts.version_urn,
            revision_id: revision(state.revision),
            code_size: facts.code_size,
            code_sha256: facts.code_checksum,
            bucket_id: extra.bucket_id,
            object_id: extra.object_id,
            handler: state.config.handler,
            layers: facts.layers,
            cpu: extra.cpu,
            memory: state.config.memory,
            runtime: state.config.runtime,
            timeout: state.config.timeout,
            version_number: state.name.to_string(),
            version_desc: facts.description,
            environment: state.config.environment,
            custom_resources: (),
            stateful_flag: 0,
            func_layer: bound.collect::<Result<_, _>>()?,
            device: extra.device,
            kind: extra.kind,
            created: "",
            storage_type: extra.storage_type,
            code_path: extra.code_path,
        })
    }
}

/// In which answer a function stands; each shows other fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// Get and publish.
    Whole,
    /// The same for an administrator.
    WholeForAdmin,
    /// Register.
    Created,
    /// List of functions, update, upload, and register for an administrator.
    Result,
}

/// A function as all answers but the list of versions show it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FunctionBody {
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
    tag: Option<BTreeMap<String, String>>,
    function_version_urn: String,
    revision_id: String,
    storage_type: String,
    code_size: u64,
    code_sha256: String,
    code_path: String,
    bucket_id: String,
    object_id: String,
    handler: String,
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
    last_modified: String,
    #[serde(rename = "Published")]
    published: String,
    min_instance: i64,
    max_instance: i64,
    concurrent_num: i64,
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
    pub(crate) fn new(
        catalog: &Catalog,
        account: &Account,
        state: FunctionVersion,
        form: Form,
    ) -> Result<Self, CatalogError> {
        let facts = Facts::new(account, &state);
        let extra = facts.extra;
        let is_whole = matches!(form, Form::Whole | Form::WholeForAdmin);
        let if_whole = |text: String| if is_whole { text } else { String::new() };
        let last_modified = match form {
            Form::Whole if facts.update_time.is_empty() => facts.create_time.clone(),
            Form::Whole | Form::WholeForAdmin => facts.update_time.clone(),
            Form::Created | Form::Result => String::new(),
        };
        Ok(Self {
            id: match form {
                Form::Whole | Form::Created => Some(facts.version_urn.clone()),
                Form::WholeForAdmin | Form::Result => None,
            },
            created: match form {
                Form::Whole | Form::WholeForAdmin => Some(facts.create_time.clone()),
                Form::Created => Some(String::new()),
                Form::Result => None,
            },
            func_layer: bound_layers(catalog, account, &state, form)?,
            layers: facts.layers.filter(|_| is_whole),
            custom_resources: extra.custom_resources.filter(|_| is_whole),
            storage_type: if_whole(extra.storage_type),
            code_path: if_whole(extra.code_path),
            priority_az: if form == Form::Result { extra.priority_az } else { String::new() },
            create_time: facts.create_time,
            update_time: facts.update_time,
            last_modified,
            function_urn: facts.urn,
            name: extra.name,
            tenant_id: account.tenant.clone(),
            business_id: BUSINESS,
            product_id: account.product.clone(),
            reversed_concurrency: 0,
            description: state.config.description,
            tag: extra.tags,
            function_version_urn: facts.version_urn,
            revision_id: revision(state.revision),
            code_size: facts.code_size,
            code_sha256: facts.code_checksum,
            bucket_id: extra.bucket_id,
            object_id: extra.object_id,
            handler: state.config.handler,
            cpu: extra.cpu,
            memory: state.config.memory,
            runtime: state.config.runtime,
            timeout: state.config.timeout,
            version_number: state.name.to_string(),
            version_desc: facts.description,
            environment: state.config.environment,
            stateful_flag: 0,
            published: facts.published,
            min_instance: extra.instances.min,
            max_instance: extra.instances.max,
            concurrent_num: extra.instances.concurrent,
            enable_metrics: extra.enable_metrics,
            status: "",
            instance_num: 0,
            device: extra.device,
            kind: extra.kind,
            rootfs: extra.rootfs,
            sandbox_type: extra.sandbox_type,
        })
    }
}

fn bound_layers(
    catalog: &Catalog,
    account: &Account,
    state: &FunctionVersion,
    form: Form,
) -> Result<BoundLayers, CatalogError> {
    let bound = state.config.layers.iter();
    Ok(match form {
        Form::Whole | Form::WholeForAdmin => BoundLayers::Null,
        Form::Created => {
            let whole = bound.map(|layer| LayerBody::bound(catalog, &account.owner, layer));
            BoundLayers::Whole(whole.collect::<Result<_, _>>()?)
        }
        Form::Result => {
            let ordered = bound.enumerate().map(|(order, layer)| OrderedLayer {
                name: layer.layer.to_string(),
                version: layer.number.get(),
                order,
            });
            BoundLayers::Ordered(ordered.collect())
        }
    })
}

/// The list of functions: one entry for each state.
#[derive(Serialize)]
pub(crate) struct Functions {
    pub(crate) functions: Option<Vec<FunctionBody>>,
    pub(crate) total: u64,
}

/// The list of versions for an administrator.
#[derive(Serialize)]
pub(crate) struct VersionsForAdmin {
    pub(crate) versions: Rows,
    pub(crate) total: u64,
}
