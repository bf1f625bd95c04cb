//! The actions, and how one URL leads to them.

use std::future::Future;
use std::pin::Pin;

use axum::extract::{Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use axum::http::{HeaderValue, Method, StatusCode};
use axum::response::Response;
use axum::routing::{MethodRouter, get};
use serde::Serialize;

use super::errors::ApiError;
use super::paging;
use super::wire::{self, Envelope, Input, Success};
use super::{OBJECT_MAX, ZIP_MAX, auth};
use crate::app::App;
use crate::catalog::{Catalog, DeleteRule, VersionRange};
use crate::dialects::gate::Body;
use crate::dialects::links::Links;
use crate::dialects::params::Params;
use crate::dialects::stream::{self, Rows};
use crate::dialects::upload::{self, CodeField, Source};
use crate::dialects::{BodyRule, Call, Caller, Operation, answer};
use crate::domain::{
    ArchiveProblem, CatalogError, LayerFilter, LayerName, LayerVersion, NewLayerVersion, ObjectRef,
    Order, VersionNumber,
};
use crate::ingest::json::JsonError;
use crate::ingest::{Leniency, Spool, Staging};

/// The API version, which clients state in `X-TC-Version` or `Version`.
const VERSION: &str = "2018-04-16";

/// The media type of a form.
const FORM: &[u8] = b"application/x-www-form-urlencoded";

/// Where the code is: in a layer's `Content`.
const CODE: CodeField = CodeField {
    paths: &[&["Content", "ZipFile"]],
    fold_keys: false,
    leniency: Leniency::Strict,
    vendor_limit: ZIP_MAX,
};

/// Everything an action is told.
struct Told {
    app: App,
    caller: Caller,
    links: Links,
    request_id: String,
    input: Input,
    code: Option<Staging>,
}

type Answered = Pin<Box<dyn Future<Output = Result<Response, ApiError>> + Send>>;

struct Action {
    name: &'static str,
    run: fn(Told) -> Answered,
}

/// The actions in the order of the vendor's index.
const ACTIONS: &[Action] = &[
    Action { name: "GetLayerVersion", run: |told| Box::pin(get_layer_version(told)) },
    Action { name: "PublishLayerVersion", run: |told| Box::pin(publish_layer_version(told)) },
    Action { name: "DeleteLayerVersion", run: |told| Box::pin(delete_layer_version(told)) },
    Action { name: "ListLayers", run: |told| Box::pin(list_layers(told)) },
    Action { name: "ListLayerVersions", run: |told| Box::pin(list_layer_versions(told)) },
];

/// Operations of this dialect; all have the one path and no handlers of their own.
pub(super) fn operations() -> Vec<Operation> {
    let operation = |action: &Action| Operation::new(action.name, "/", MethodRouter::new());
    ACTIONS.iter().map(operation).collect()
}

/// The one handler behind all actions.
pub(super) fn dispatchers() -> Vec<Operation> {
    vec![Operation::new("dispatch", "/", get(dispatch).post(dispatch)).body(BodyRule::Upload)]
}

async fn dispatch(
    State(app): State<App>,
    caller: Caller,
    links: Links,
    call: Call,
    Body(body): Body,
    request: Request,
) -> Result<Response, ApiError> {
    let (head, _) = request.into_parts();
    let header = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok());
    let (input, code) = if head.method == Method::GET {
        let query = head.uri.query().unwrap_or_default().to_owned();
        let (pairs, code) = upload::read_form(&app, Spool::from_bytes(query.into()), CODE).await?;
        (Input::from_pairs(&pairs), code)
    } else if header("content-type").is_some_and(|kind| kind.starts_with("multipart/")) {
        return Err(ApiError::multipart());
    } else if is_form(&head) {
        let (pairs, code) = upload::read_form(&app, body, CODE).await?;
        (Input::from_pairs(&pairs), code)
    } else if body.is_empty() {
        (Input::from_pairs(&Params::default()), None)
    } else {
        read_json(&app, body).await?
    };
    // Parameters are signed and these headers are not, so that a header must not overrule one.
    let name = input.text("Action")?.or(header("x-tc-action"));
    let name = name.ok_or_else(|| ApiError::missing("Action"))?;
    let version = input.text("Version")?.or(header("x-tc-version"));
    match version {
        Some(VERSION) => {}
        Some(other) => return Err(ApiError::wrong_version(other)),
        None => return Err(ApiError::missing("Version")),
    }
    let action = ACTIONS.iter().find(|action| action.name == name);
    let Action { name, run } = action.ok_or_else(ApiError::unknown_action)?;
    let caller = caller.doing(name);
    run(Told { app, caller, links, request_id: call.request_id.to_string(), input, code }).await
}

/// Whether the body of a POST is a form, which names its action itself.
///
/// The older signature is in the form, and its label says nothing: one client calls its forms JSON
/// (tencent.md section 0). The newer one covers the label, but not the header with the action:
/// without that header JSON must not become a form that somebody else's text has parameters in.
fn is_form(head: &Parts) -> bool {
    let kind = head.headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
    let is_labelled = kind.get(..FORM.len()).is_some_and(|kind| kind.eq_ignore_ascii_case(FORM));
    !head.headers.contains_key("x-tc-action") && (is_labelled || !auth::is_v3(head))
}

async fn read_json(app: &App, body: Spool) -> Result<(Input, Option<Staging>), ApiError> {
    match upload::read_json(app, body, CODE).await {
        Ok(upload) => Ok((Input::from_json(upload.fields)?, upload.staging)),
        Err(JsonError::Malformed(_)) => Err(ApiError::not_json()),
        Err(JsonError::Catalog(refusal)) => Err(refusal.into()),
    }
}

impl Told {
    fn answer(&self, fields: impl Serialize) -> Response {
        answer::json(StatusCode::OK, &self.around(fields))
    }

    fn around<T>(&self, fields: T) -> Envelope<T> {
        Envelope { response: Success { fields, request_id: self.request_id.clone() } }
    }

    fn layer_name(&self) -> Result<LayerName, ApiError> {
        let text = self.input.text("LayerName")?;
        let text = text.ok_or_else(|| ApiError::missing("LayerName"))?;
        LayerName::parse(text).map_err(|_| bad_layer_name(text))
    }

    /// A number that no version can have is simply not found (tencent.md section 5).
    fn layer_version(&self) -> Result<VersionNumber, ApiError> {
        let number = self.input.integer("LayerVersion")?;
        let number = number.ok_or_else(|| ApiError::missing("LayerVersion"))?;
        let number = u64::try_from(number).ok().and_then(VersionNumber::new);
        number.ok_or_else(ApiError::no_version)
    }
}

async fn get_layer_version(told: Told) -> Result<Response, ApiError> {
    let (name, number) = (told.layer_name()?, told.layer_version()?);
    let tenant = told.caller.tenant();
    let version = told.app.read(|catalog| catalog.get_layer_version(tenant, &name, number));
    let version = version.map_err(no_version_of_anything)?;
    Ok(told.answer(wire::LayerVersionDetail::new(version, &told.links)))
}

async fn publish_layer_version(mut told: Told) -> Result<Response, ApiError> {
    let name = told.layer_name()?;
    check_new_name(name.as_str())?;
    let new = NewLayerVersion {
        description: read_description(&told.input)?,
        license: told.input.text("LicenseInfo")?.unwrap_or_default().to_owned(),
        runtimes: read_runtimes(&told.input)?,
        tags: told.input.tags()?,
    };
    let source = take_source(&mut told)?;
    let code = source.take(&told.app, &told.caller, OBJECT_MAX).await?;
    let by = told.caller.clone();
    let version = told
        .app
        .blocking(move |catalog| catalog.publish_layer_version(&by, &name, new, code.finish()?))
        .await
        .map_err(in_vendor_names)?;
    Ok(told.answer(wire::Published { layer_version: version.number.get() }))
}

async fn delete_layer_version(told: Told) -> Result<Response, ApiError> {
    let (name, number) = (told.layer_name()?, told.layer_version()?);
    let by = told.caller.clone();
    // A function that uses the version keeps its code (tencent.md section 7).
    let rule = DeleteRule::EvenIfUsed;
    told.app
        .blocking(move |catalog| catalog.delete_layer_version(&by, &name, number, rule))
        .await
        .map_err(no_version_of_anything)?;
    Ok(told.answer(wire::Nothing {}))
}

async fn list_layers(told: Told) -> Result<Response, ApiError> {
    let filter = LayerFilter {
        contains: told.input.text("SearchKey")?.map(str::to_owned),
        runtime: told.input.texts("CompatibleRuntime")?.into_iter().find(|text| !text.is_empty()),
        ..LayerFilter::default()
    };
    let window = paging::window(&told.input)?;
    let tenant = told.caller.tenant().clone();
    let page = told
        .app
        .blocking(move |catalog| catalog.list_layers_by_age(&tenant, &filter, window))
        .await?;
    let layers = page.items.into_iter().map(wire::LayerVersionInfo::from).collect();
    Ok(told.answer(wire::Layers { layers, total_count: page.total }))
}

async fn list_layer_versions(told: Told) -> Result<Response, ApiError> {
    let name = told.layer_name()?;
    let wanted = told.input.texts("CompatibleRuntime")?;
    let tenant = told.caller.tenant().clone();
    let mut from = None;
    let fetch = move |catalog: &Catalog, limit| {
        let range = VersionRange { order: Order::Descending, from, limit };
        let mut page = catalog.list_layer_versions(&tenant, &name, range)?;
        from = page.items.last().map(|last| last.number.get() - 1);
        page.items.retain(|version| names_any(version, &wanted));
        Ok(page.map(wire::LayerVersionInfo::from))
    };
    let around = |_| told.around(wire::LayerVersions { layer_versions: Rows });
    Ok(stream::list(&told.app, fetch, around).await?)
}

fn names_any(version: &LayerVersion, wanted: &[String]) -> bool {
    wanted.is_empty() || version.runtimes.iter().any(|runtime| wanted.contains(runtime))
}

/// The seed action has one code for an unknown layer and an unknown version.
fn no_version_of_anything(error: CatalogError) -> ApiError {
    match error {
        CatalogError::NotFound { .. } => ApiError::no_version(),
        other => other.into(),
    }
}

/// No document limits these fields or has a code for them; the catalog's limits are told by the
/// parameters' names.
fn in_vendor_names(error: CatalogError) -> CatalogError {
    match error {
        CatalogError::InvalidValue { field: "license", reason } => {
            CatalogError::invalid("LicenseInfo", reason)
        }
        CatalogError::InvalidValue { field: "tags", reason } => {
            CatalogError::invalid("Tags", reason)
        }
        other => other,
    }
}

fn no_code() -> ApiError {
    CatalogError::from(ArchiveProblem::Missing).into()
}

fn bad_layer_name(text: &str) -> ApiError {
    ApiError::bad_value("InvalidParameterValue.LayerName", "LayerName", text)
}

/// A letter, then letters, digits, `-` and `_`, a letter or digit at the end, 64 at most
/// (tencent.md section 7).
fn check_new_name(name: &str) -> Result<(), ApiError> {
    let bytes = name.as_bytes();
    let inner = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let good = bytes.len() <= 64
        && bytes.first().is_some_and(u8::is_ascii_alphabetic)
        && bytes.last().is_some_and(u8::is_ascii_alphanumeric)
        && bytes.iter().all(inner);
    if good { Ok(()) } else { Err(bad_layer_name(name)) }
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

/// One to five; unknown runtimes are taken so that new ones work (tencent.md section 7).
fn read_runtimes(input: &Input) -> Result<Vec<String>, ApiError> {
    let runtimes = input.texts("CompatibleRuntimes")?;
    let code = "InvalidParameterValue.CompatibleRuntimes";
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_');
    let good = |name: &&String| {
        name.len() <= 32
            && name.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic())
            && name.bytes().all(plain)
    };
    if input.value("CompatibleRuntimes").is_none() {
        return Err(ApiError::missing("CompatibleRuntimes"));
    }
    if !(1..=5).contains(&runtimes.len()) {
        let message =
            format!("`CompatibleRuntimes` has {} items, 1 to 5 are allowed.", runtimes.len());
        return Err(ApiError::new(code, message));
    }
    match runtimes.iter().find(|name| !good(name)) {
        Some(bad) => Err(ApiError::bad_value(code, "CompatibleRuntimes", bad)),
        None => Ok(runtimes),
    }
}

/// The two halves of a reference to an object; a region may be a third (tencent.md section 3.1).
const BUCKET: &str = "CosBucketName";
const OBJECT: &str = "CosObjectName";

/// Ways to name code that this server does not offer, and their codes (tencent.md section 3.1).
const ELSEWHERE: &[(&str, &str)] = &[
    ("TempCosObjectName", "InvalidParameterValue.TempCosObjectName"),
    ("DemoId", "InvalidParameterValue.DemoId"),
    ("GitUrl", "InvalidParameterValue.GitUrl"),
    ("ImageConfig", "InvalidParameterValue.Content"),
];

/// Finds the one place in `Content` where the code is; ways to name it that this server does not
/// offer are refused each by its own code.
fn take_source(told: &mut Told) -> Result<Source, ApiError> {
    let (input, zip) = (&told.input, told.code.take());
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
        (Some(zip), ..) => Ok(Source::Inline(Box::new(zip))),
        (None, Some(_), _) => read_object(input).map(Source::Object),
        (None, None, None) => Err(ApiError::missing("Content")),
        (None, None, Some(content)) if !content.is_object() => Err(ApiError::wrong_type("Content")),
        (None, None, Some(_)) if input.has("Content", "ZipFile") => {
            Err(ApiError::wrong_type("Content.ZipFile"))
        }
        (None, None, Some(_)) => Err(no_code()),
    }
}

/// Reads a reference, of which at least one half is there.
fn read_object(input: &Input) -> Result<ObjectRef, ApiError> {
    let bucket = input.inner_text("Content", BUCKET)?;
    let object = input.inner_text("Content", OBJECT)?;
    input.inner_text("Content", "CosBucketRegion")?;
    let alone =
        |code, name, other| ApiError::new(code, format!("`{name}` must be given with `{other}`."));
    let bucket =
        bucket.ok_or_else(|| alone("InvalidParameterValue.CosBucketName", BUCKET, OBJECT))?;
    let object =
        object.ok_or_else(|| alone("InvalidParameterValue.CosObjectName", OBJECT, BUCKET))?;
    Ok(ObjectRef::parse(bucket, object.strip_prefix('/').unwrap_or(object))?)
}
