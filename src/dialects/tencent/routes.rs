//! The actions on layers.

pub(super) mod action;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::MethodFilter;
use serde::Serialize;

use super::errors::ApiError;
use super::paging;
use super::wire::{self, Envelope, Input, Success};
use super::{OBJECT_MAX, UNPACKED_MAX};
use crate::app::App;
use crate::catalog::{Catalog, DeleteRule, VersionRange};
use crate::dialects::answer;
use crate::dialects::call::Call;
use crate::dialects::links::OctetStreamLinks;
use crate::dialects::name_rule::{Edge, NameRule};
use crate::dialects::operation::{BodyRule, Operation, Route};
use crate::dialects::refusal::Refused;
use crate::dialects::stream::{self, Frame};
use crate::dialects::wording;
use crate::domain::{
    ArchiveProblem, Caller, CatalogError, CodeSource, LayerFilter, LayerName, LayerVersion,
    NewLayerVersion, Noun, ObjectRef, Order, VersionNumber,
};
use crate::ingest::Staging;
use action::Parameters;

/// The headers on which the answer to a cached action depends, besides its parameters.
const CACHED_BY: &[&str] = &["x-tc-action", "x-tc-version", "content-type"];

/// The names of new layers (tencent.md section 7).
const NEW_NAME: NameRule =
    NameRule { max: 64, first: Edge::Letter, inner: b"-_", last: Edge::Alphanumeric };

/// The names of runtimes.
const RUNTIME: NameRule = NameRule { max: 32, first: Edge::Letter, inner: b"._", last: Edge::Any };

/// The actions in the order of the vendor's index.
pub(super) fn operations() -> Vec<Operation> {
    let route = || Route::action(MethodFilter::GET.or(MethodFilter::POST), &["/"]);
    let version = Noun::LayerVersion;
    vec![
        Operation::read("GetLayerVersion", version, route(), get_layer_version).cached(CACHED_BY),
        Operation::write("PublishLayerVersion", version, route(), publish_layer_version)
            .body(BodyRule::Upload),
        Operation::write("DeleteLayerVersion", version, route(), delete_layer_version),
        Operation::read("ListLayers", Noun::Layer, route(), list_layers).cached(CACHED_BY),
        Operation::read("ListLayerVersions", version, route(), list_layer_versions)
            .cached(CACHED_BY),
    ]
}

async fn get_layer_version(
    State(app): State<App>,
    caller: Caller,
    call: Call,
    OctetStreamLinks(links): OctetStreamLinks,
    Parameters { input, .. }: Parameters,
) -> Result<Response, Refused> {
    let (name, number) = (layer_name(&input)?, layer_version(&input)?);
    let version =
        app.read(|catalog| catalog.get_layer_version(caller.tenant(), &name, number)).await;
    let version = version.map_err(no_version_of_anything)?;
    Ok(answer(&call, wire::LayerVersionBody::with_code(version, &links)))
}

async fn publish_layer_version(
    State(app): State<App>,
    caller: Caller,
    call: Call,
    Parameters { input, code }: Parameters,
) -> Result<Response, Refused> {
    let name = layer_name(&input)?;
    if !NEW_NAME.allows(name.as_str()) {
        return Err(bad_layer_name(name.as_str()).into());
    }
    let new = NewLayerVersion {
        description: read_description(&input)?,
        license: input.text("LicenseInfo")?.unwrap_or_default().to_owned(),
        runtimes: read_runtimes(&input)?,
        tags: input.tags()?,
    };
    let source = code_source(&input, code)?;
    let limits = app.upload_limits(OBJECT_MAX).with_unpacked(UNPACKED_MAX);
    let code = app.stage(&caller, source, limits).await?;
    let version = app
        .blocking(move |catalog| catalog.publish_layer_version(&caller, &name, new, code.finish()?))
        .await?;
    Ok(answer(&call, wire::Published { layer_version: version.number.get() }))
}

async fn delete_layer_version(
    State(app): State<App>,
    caller: Caller,
    call: Call,
    Parameters { input, .. }: Parameters,
) -> Result<Response, Refused> {
    let (name, number) = (layer_name(&input)?, layer_version(&input)?);
    // A function that uses the version keeps its code (tencent.md section 7).
    let rule = DeleteRule::EvenIfUsed;
    app.blocking(move |catalog| catalog.delete_layer_version(&caller, &name, number, rule))
        .await
        .map_err(no_version_of_anything)?;
    Ok(answer(&call, wire::Nothing {}))
}

async fn list_layers(
    State(app): State<App>,
    caller: Caller,
    call: Call,
    Parameters { input, .. }: Parameters,
) -> Result<Response, Refused> {
    let filter = LayerFilter {
        contains: input.text("SearchKey")?.map(str::to_owned),
        runtime: input.texts("CompatibleRuntime")?.into_iter().find(|text| !text.is_empty()),
        ..LayerFilter::default()
    };
    let window = paging::window(&input)?;
    let tenant = caller.tenant().clone();
    let page =
        app.blocking(move |catalog| catalog.list_layers_by_age(&tenant, &filter, window)).await?;
    let layers = page.items.into_iter().map(wire::LayerVersionBody::row).collect();
    Ok(answer(&call, wire::Layers { layers, total_count: page.total }))
}

async fn list_layer_versions(
    State(app): State<App>,
    caller: Caller,
    call: Call,
    Parameters { input, .. }: Parameters,
) -> Result<Response, Refused> {
    let name = layer_name(&input)?;
    let wanted = input.texts("CompatibleRuntime")?;
    let mut from = None;
    let fetch = move |catalog: &Catalog, limit| {
        let range = VersionRange { order: Order::Descending, from, limit };
        let mut page = catalog.list_layer_versions(caller.tenant(), &name, range)?;
        from = page.items.last().map(|last| last.number.get() - 1);
        page.items.retain(|version| names_any(version, &wanted));
        Ok(page.map(wire::LayerVersionBody::row))
    };
    let around = |_| {
        Frame::object(|answer| {
            let mut response = answer.object("Response");
            let rows = response.rows("LayerVersions");
            response.text("RequestId", &call.request_id.to_string());
            response.end();
            rows
        })
    };
    Ok(stream::list(&app, fetch, around).await?)
}

fn answer(call: &Call, fields: impl Serialize) -> Response {
    let response = Success { fields, request_id: call.request_id.to_string() };
    answer::json(StatusCode::OK, &Envelope { response })
}

fn layer_name(input: &Input) -> Result<LayerName, ApiError> {
    let text = input.text("LayerName")?.ok_or_else(|| ApiError::missing("LayerName"))?;
    LayerName::parse(text).map_err(|_| bad_layer_name(text))
}

/// Returns `LayerVersion`; an impossible number is not found (tencent.md section 5).
fn layer_version(input: &Input) -> Result<VersionNumber, ApiError> {
    let number = input.integer("LayerVersion")?;
    let number = number.ok_or_else(|| ApiError::missing("LayerVersion"))?;
    let number = u64::try_from(number).ok().and_then(VersionNumber::new);
    number.ok_or_else(ApiError::no_version)
}

fn names_any(version: &LayerVersion, wanted: &[String]) -> bool {
    wanted.is_empty() || version.runtimes.iter().any(|runtime| wanted.contains(runtime))
}

/// Reports an unknown layer as an unknown version: the vendor has one code for both.
fn no_version_of_anything(error: CatalogError) -> ApiError {
    match error {
        CatalogError::NotFound { .. } => ApiError::no_version(),
        other => wording::word(other),
    }
}

fn bad_layer_name(text: &str) -> ApiError {
    ApiError::bad_value("InvalidParameterValue.LayerName", "LayerName", text)
}

fn read_description(input: &Input) -> Result<String, ApiError> {
    let text = input.text("Description")?.unwrap_or_default();
    match text.chars().count() {
        0..=1000 => Ok(text.to_owned()),
        length => {
            let message =
                format!("`Description` has {length} characters, at most 1000 are allowed.");
            Err(ApiError::new("InvalidParameterValue.Description", message))
        }
    }
}

/// Returns one to five runtimes; unknown ones are accepted (tencent.md section 7).
fn read_runtimes(input: &Input) -> Result<Vec<String>, ApiError> {
    let runtimes = input.texts("CompatibleRuntimes")?;
    let code = "InvalidParameterValue.CompatibleRuntimes";
    if input.value("CompatibleRuntimes").is_none() {
        return Err(ApiError::missing("CompatibleRuntimes"));
    }
    if !(1..=5).contains(&runtimes.len()) {
        let message =
            format!("`CompatibleRuntimes` has {} items, 1 to 5 are allowed.", runtimes.len());
        return Err(ApiError::new(code, message));
    }
    match runtimes.iter().find(|name| !RUNTIME.allows(name)) {
        Some(bad) => Err(ApiError::bad_value(code, "CompatibleRuntimes", bad)),
        None => Ok(runtimes),
    }
}

/// The parts of a reference to an object; a region is optional (tencent.md section 3.1).
const BUCKET: &str = "CosBucketName";
const OBJECT: &str = "CosObjectName";

/// Sources of code that this server does not support, and their codes (tencent.md section 3.1).
const ELSEWHERE: &[(&str, &str)] = &[
    ("TempCosObjectName", "InvalidParameterValue.TempCosObjectName"),
    ("DemoId", "InvalidParameterValue.DemoId"),
    ("GitUrl", "InvalidParameterValue.GitUrl"),
    ("ImageConfig", "InvalidParameterValue.Content"),
];

/// Returns the one source of code in `Content`. Each unsupported source is refused with its own
/// code.
fn code_source(input: &Input, zip: Option<Staging>) -> Result<CodeSource<Staging>, ApiError> {
    let is_given = |member: &&str| input.has("Content", member);
    let elsewhere = ELSEWHERE.iter().find(|(member, _)| is_given(member));
    let reference = [BUCKET, OBJECT].into_iter().find(is_given);
    let given = [zip.is_some().then_some("ZipFile"), reference, elsewhere.map(|found| found.0)];
    if let [one, other, ..] = given.into_iter().flatten().collect::<Vec<_>>()[..] {
        let message = format!("Only one of `{one}` and `{other}` may be given.");
        return Err(ApiError::new("InvalidParameterValue.Content", message));
    }
    if let Some((member, code)) = elsewhere {
        let message = format!("`{member}` is not available on this server; send `ZipFile`.");
        return Err(ApiError::new(code, message));
    }
    match (zip, reference, input.value("Content")) {
        (Some(zip), ..) => Ok(CodeSource::Archive(zip)),
        (None, Some(_), _) => read_object(input).map(CodeSource::Object),
        (None, None, None) => Err(ApiError::missing("Content")),
        (None, None, Some(content)) if !content.is_object() => Err(ApiError::wrong_type("Content")),
        (None, None, Some(_)) if input.has("Content", "ZipFile") => {
            Err(ApiError::wrong_type("Content.ZipFile"))
        }
        (None, None, Some(_)) => Err(CatalogError::from(ArchiveProblem::Missing).into()),
    }
}

/// Reads a reference of which at least one part is given.
fn read_object(input: &Input) -> Result<ObjectRef, ApiError> {
    let bucket = input.inner_text("Content", BUCKET)?;
    let object = input.inner_text("Content", OBJECT)?;
    input.inner_text("Content", "CosBucketRegion")?;
    let incomplete =
        |code, name, other| ApiError::new(code, format!("`{name}` must be given with `{other}`."));
    let bucket =
        bucket.ok_or_else(|| incomplete("InvalidParameterValue.CosBucketName", BUCKET, OBJECT))?;
    let object =
        object.ok_or_else(|| incomplete("InvalidParameterValue.CosObjectName", OBJECT, BUCKET))?;
    Ok(ObjectRef::parse(bucket, object.strip_prefix('/').unwrap_or(object))?)
}
