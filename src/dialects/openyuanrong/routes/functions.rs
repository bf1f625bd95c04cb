//! Functions: register, update, delete, get, list, upload code.

use std::cell::RefCell;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;

use super::{REPOSITORY, SERVERLESS, TENANT_HEADERS};
use crate::app::App;
use crate::catalog::{Catalog, CodeInput};
use crate::dialects::extract::{Body, Segments};
use crate::dialects::openyuanrong::auth::Account;
use crate::dialects::openyuanrong::errors::ApiError;
use crate::dialects::openyuanrong::paging::{FunctionPage, Sieve};
use crate::dialects::openyuanrong::wire::encoding::revision;
use crate::dialects::openyuanrong::wire::extra::Extra;
use crate::dialects::openyuanrong::wire::function::{Form, FunctionBody, Functions};
use crate::dialects::openyuanrong::wire::names::{
    self, FunctionRef, OTHER_HEAD, head_name, is_alias, is_head,
};
use crate::dialects::openyuanrong::wire::settings::Settings;
use crate::dialects::openyuanrong::wire::upload::{UploadHead, header, limits};
use crate::dialects::openyuanrong::wire::{empty, function_answer, input, outcome};
use crate::dialects::operation::{BodyRule, Operation, Route};
use crate::dialects::params::Params;
use crate::dialects::refusal::Refused;
use crate::domain::{
    CatalogError, CodeSource, FunctionChange, FunctionConfig, FunctionVersion, LayerRef,
    NewFunction, Noun, Qualifier, RequestError, VersionName,
};
use crate::ingest::Staged;

pub(super) fn operations() -> Vec<Operation> {
    let all = |method: fn(&str) -> Route| method("/functions").under(SERVERLESS);
    let one = |method: fn(&str) -> Route| method("/functions/{name}").under(SERVERLESS);
    let code = Route::put("/functions/{name}/code").under(REPOSITORY);
    let noun = Noun::Function;
    vec![
        Operation::write("RegisterFunction", noun, all(Route::post), register),
        Operation::write("DeleteFunction", noun, one(Route::delete), delete_function),
        Operation::write("UpdateFunction", noun, one(Route::put), update),
        Operation::read("GetFunction", noun, one(Route::get), get_function).cached(TENANT_HEADERS),
        Operation::read("ListFunctions", noun, all(Route::get), list).cached(TENANT_HEADERS),
        Operation::write("UploadFunctionCode", noun, code, upload_code).body(BodyRule::Upload),
    ]
}

async fn register(
    State(app): State<App>,
    account: Account,
    params: Params,
    Body(body): Body,
) -> Result<Response, Refused> {
    let parse = || {
        let mut settings = input::read(&body, Settings::parse)?;
        settings.check_new()?;
        let named = FunctionRef::parse_new(&account, &settings.extra.name)?;
        Ok((settings, named))
    };
    let (settings, named) = parse().map_err(ApiError::bad_request)?;
    let layers = bind_layers(&app, &account, &settings.layers, &settings.runtime).await?;
    let mut config = FunctionConfig { layers, ..FunctionConfig::default() };
    settings.apply(&mut config);
    config.runtime = settings.runtime;
    let mut extra = settings.extra;
    let head_name = VersionName::parse(head_name(&extra.kind))?;
    if extra.object().is_some() {
        app.read(|catalog| catalog.check_new_function(&named.key)).await?;
    }
    let code = copy_object(&app, &account, &extra).await?;
    extra.note_copy(code.as_ref().map(|code| &code.artifact));
    config.extra.extend([extra.entry()?]);
    let new = NewFunction { key: named.key, head_name, config };
    let is_admin = params.get("isAdmin").is_some();
    let form = if is_admin { Form::Result } else { Form::Created };
    let created = app.blocking(move |catalog| {
        let head = catalog.create_function(&account.caller, new, code)?;
        FunctionBody::new(catalog, &account, head, extra, form)
    });
    let body = created.await.map_err(ApiError::unless_missing(ApiError::no_key()))?;
    Ok(function_answer(body, is_admin))
}

async fn update(
    State(app): State<App>,
    account: Account,
    Segments([name]): Segments<1>,
    Body(body): Body,
) -> Result<Response, Refused> {
    let mut settings = input::read(&body, Settings::parse)?;
    let named = FunctionRef::parse_path(&account, &name)?;
    settings.check()?;
    let missing = || ApiError::no_function(named.shown());
    let head = get_state(&app, &named, &Qualifier::Head, missing).await?;
    if head.name.as_str() != head_name(&settings.extra.kind) {
        return Err(missing().into());
    }
    check_revision(&head, &settings.revision_id)?;
    let layers = bind_layers(&app, &account, &settings.layers, &head.config.runtime).await?;
    let copied = copy_object(&app, &account, &settings.extra).await?;
    let mut extra = std::mem::take(&mut settings.extra).replacing(Extra::of(&head)?);
    extra.note_copy(copied.as_ref().map(|code| &code.artifact));
    let code = match copied {
        Some(code) => CodeInput::Replace(code),
        None if extra.has_object() => CodeInput::Remove,
        // Code that was copied from a bucket is deleted together with the bucket's name, but not
        // code that was uploaded meanwhile.
        None => CodeInput::RemoveIf(Extra::has_copy),
    };
    // Inside the transaction the head of this revision has the same fields, but for those of the
    // object: an upload clears them, and an update replaces them.
    let entry = extra.entry()?;
    let change = FunctionChange {
        expected_revision: Some(head.revision),
        touches: true,
        apply: Box::new(move |old| {
            let mut config = FunctionConfig { layers, ..old.config.clone() };
            settings.apply(&mut config);
            config.extra.extend([entry]);
            Ok(config)
        }),
    };
    let key = named.key.clone();
    let updated = app.blocking(move |catalog| {
        let head = catalog.update_function(&account.caller, &key, change, code)?;
        FunctionBody::new(catalog, &account, head, extra, Form::Result)
    });
    Ok(outcome(updated.await.map_err(ApiError::unless_missing(missing()))?))
}

async fn delete_function(
    State(app): State<App>,
    account: Account,
    Segments([name]): Segments<1>,
    params: Params,
) -> Result<Response, Refused> {
    let parse = || {
        let named = FunctionRef::parse_path(&account, &name)?;
        let wanted = Wanted::parse(&params, &named)?;
        Ok((named, wanted))
    };
    let (named, wanted) = parse().map_err(ApiError::bad_request)?;
    let no_function = ApiError::no_function(named.shown());
    let (version, missing) = match wanted {
        Wanted::Version(name) if !is_head(&name) => (Some(name), ApiError::no_key()),
        Wanted::Head | Wanted::Version(_) => (None, no_function),
        Wanted::Alias(name) => (Some(name), no_function),
    };
    // No version has a name that is not well-formed.
    let version = version.map(VersionName::parse).transpose().map_err(|_| ApiError::no_key())?;
    let deleted = app.blocking(move |catalog| match version.map(Qualifier::Name) {
        None => catalog.delete_function(&account.caller, &named.key),
        Some(name) => catalog.delete_function_version(&account.caller, &named.key, &name),
    });
    deleted.await.map_err(|error| ApiError::unless_missing(missing)(error).or_404())?;
    Ok(empty())
}

async fn get_function(
    State(app): State<App>,
    account: Account,
    Segments([name]): Segments<1>,
    params: Params,
) -> Result<Response, Refused> {
    let named = FunctionRef::parse_path(&account, &name)?;
    let wanted = Wanted::parse(&params, &named)?;
    let kind = params.get("kind").unwrap_or_default();
    let is_admin = params.get("isAdmin").is_some();
    let form = if is_admin { Form::WholeForAdmin } else { Form::Whole };
    let found = app
        .read(|catalog| {
            let state = find(catalog, &named, &wanted, kind)?;
            let extra = Extra::of(&state)?;
            FunctionBody::new(catalog, &account, state, extra, form)
        })
        .await;
    let missing = ApiError::no_function(named.shown());
    let body = found.map_err(|error| ApiError::unless_missing(missing)(error).or_404())?;
    Ok(function_answer(body, is_admin))
}

async fn list(
    State(app): State<App>,
    account: Account,
    params: Params,
) -> Result<Response, Refused> {
    let Some(window) = FunctionPage::parse(&params).window()? else {
        return Ok(outcome(Functions { functions: None, total: 0 }));
    };
    let part = params.get("name").map(str::to_owned);
    let version = params.get("versionNumber").or(params.get("qualifier")).map(str::to_owned);
    let functions = app.blocking(move |catalog| {
        let (owner, version) = (&account.owner, version.as_deref());
        let (found, extras) = match part {
            None => {
                let found = catalog.list_all_function_versions(owner, version, window)?;
                let extras = found.items.iter().map(Extra::of).collect::<Result<_, _>>()?;
                (found, extras)
            }
            Some(part) => {
                let matches = RefCell::new(Sieve::new(window));
                let keep = |state: &FunctionVersion| {
                    let extra = Extra::of(state)?;
                    let is_match = extra.name.contains(&part);
                    if is_match {
                        matches.borrow_mut().take(extra);
                    }
                    Ok(is_match)
                };
                let found = catalog.search_function_versions(owner, version, keep, window)?;
                (found, matches.into_inner().page.items)
            }
        };
        let show =
            |(state, extra)| FunctionBody::new(catalog, &account, state, extra, Form::Result);
        let bodies = found.items.into_iter().zip(extras).map(show);
        let functions = Some(bodies.collect::<Result<_, _>>()?);
        Ok::<_, CatalogError>(Functions { functions, total: found.total })
    });
    Ok(outcome(functions.await?))
}

async fn upload_code(
    State(app): State<App>,
    account: Account,
    Segments([name]): Segments<1>,
    headers: HeaderMap,
    Body(body): Body,
) -> Result<Response, Refused> {
    let upload = UploadHead::parse(&app, &headers)?;
    let named = FunctionRef::parse_path(&account, &name)?;
    let version = header(&headers, "x-version");
    let version = if version.is_empty() { OTHER_HEAD } else { &version };
    let head = get_state(&app, &named, &Qualifier::Head, ApiError::no_key).await?;
    if head.name.as_str() != version {
        let name = VersionName::parse(version).map_err(|_| ApiError::no_key())?;
        get_state(&app, &named, &Qualifier::Name(name), ApiError::no_key).await?;
        let rule = "is published and cannot take new code, upload to";
        let message = format!("X-Version: {version} {rule} {} and publish it", head.name);
        return Err(ApiError::invalid(message).into());
    }
    check_revision(&head, &upload.revision_id)?;
    let code = CodeInput::Replace(upload.read(&app, body).await?);
    let mut extra = Extra::of(&head)?;
    extra.leave_bucket();
    let entry = extra.entry()?;
    let change = FunctionChange {
        expected_revision: Some(head.revision),
        // Revision and time of the update stay (openyuanrong.md section 3).
        touches: false,
        apply: Box::new(|old| {
            let mut config = old.config.clone();
            config.extra.extend([entry]);
            Ok(config)
        }),
    };
    let uploaded = app.blocking(move |catalog| {
        let head = catalog.update_function(&account.caller, &named.key, change, code)?;
        FunctionBody::new(catalog, &account, head, extra, Form::Result)
    });
    Ok(outcome(uploaded.await.map_err(ApiError::unless_missing(ApiError::no_key()))?))
}

async fn get_state(
    app: &App,
    named: &FunctionRef,
    qualifier: &Qualifier,
    missing: impl FnOnce() -> ApiError,
) -> Result<FunctionVersion, ApiError> {
    let found = app.read(|catalog| catalog.get_function(&named.key, qualifier)).await;
    found.map_err(ApiError::unless_missing(missing()))
}

fn check_revision(head: &FunctionVersion, stated: &str) -> Result<(), ApiError> {
    if revision(head.revision) == stated { Ok(()) } else { Err(ApiError::old_revision()) }
}

/// The record that a request means.
enum Wanted {
    /// The request names no record.
    Head,
    /// The record of this exact name, which may be that of a head.
    Version(String),
    /// A qualifier in the form of an alias.
    Alias(String),
}

impl Wanted {
    /// An alias comes before a version's number, the number before any other qualifier and the URN
    /// (openyuanrong.md section 5).
    fn parse(params: &Params, named: &FunctionRef) -> Result<Self, ApiError> {
        let (qualifier, in_urn) = (params.get("qualifier"), named.version.as_ref());
        if let Some(qualifier) = qualifier {
            names::check_qualifier(qualifier)?;
            if let Some((_, urn)) = in_urn.filter(|(version, _)| version != qualifier) {
                return Err(ApiError::foreign_urn(urn));
            }
            if is_alias(qualifier) {
                return Ok(Self::Alias(qualifier.to_owned()));
            }
        }
        let in_urn = in_urn.map(|(version, _)| version.as_str());
        let version = params.get("versionNumber").or(qualifier).or(in_urn);
        Ok(version.map_or(Self::Head, |version| Self::Version(version.to_owned())))
    }
}

fn find(
    catalog: &Catalog,
    named: &FunctionRef,
    wanted: &Wanted,
    kind: &str,
) -> Result<FunctionVersion, CatalogError> {
    let head = catalog.get_function(&named.key, &Qualifier::Head)?;
    let version = match wanted {
        Wanted::Alias(_) => return Ok(head),
        Wanted::Head => head_name(kind),
        Wanted::Version(version) => version,
    };
    if head.name.as_str() == version {
        return Ok(head);
    }
    match VersionName::parse(version) {
        Ok(name) => catalog.get_function(&named.key, &Qualifier::Name(name)),
        // No version has a name that is not well-formed.
        Err(_) => Err(CatalogError::not_found(Noun::FunctionVersion, version)),
    }
}

/// Copies the code that a function names. `None` when it names no object, or one of a bucket that
/// is not known here: then only the record is stored, as the vendor does. The object must have the
/// SHA-512 that is stated, if one is.
async fn copy_object(
    app: &App,
    account: &Account,
    extra: &Extra,
) -> Result<Option<Staged>, Refused> {
    let Some(object) = extra.object() else { return Ok(None) };
    let staging = match app.stage(&account.caller, CodeSource::Object(object), limits(app)).await {
        Err(RequestError::Catalog(CatalogError::NotFound { what: Noun::Bucket, .. })) => {
            return Ok(None);
        }
        staged => staged?,
    };
    let staged = app.blocking(move |_| staging.finish()).await?;
    let (stated, actual) = (&extra.code_checksum, hex::encode(staged.artifact.digests.sha512));
    if stated.is_empty() || stated.eq_ignore_ascii_case(&actual) {
        return Ok(Some(staged));
    }
    let stated = stated.clone();
    Err(CatalogError::ChecksumMismatch { algorithm: "SHA-512", stated, actual }.into())
}

/// Finds the layer versions of some URNs; refuses two of one layer, and one that is not compatible
/// with the runtime.
async fn bind_layers(
    app: &App,
    account: &Account,
    urns: &[String],
    runtime: &str,
) -> Result<Vec<LayerRef>, ApiError> {
    let mut bound: Vec<LayerRef> = Vec::new();
    for urn in urns {
        let layer = names::parse_layer_version(account, urn)?;
        if bound.iter().any(|other| other.layer == layer.layer) {
            return Err(ApiError::invalid(format!("layer [{}] is there twice", layer.layer)));
        }
        let version = app
            .read(|catalog| catalog.get_layer_version(&account.owner, &layer.layer, layer.number))
            .await
            .map_err(ApiError::unless_missing(ApiError::no_key()))?;
        let fits = |name: &String| plain_runtime(name) == plain_runtime(runtime);
        if !version.runtimes.is_empty() && !version.runtimes.iter().any(fits) {
            return Err(ApiError::invalid(format!(
                "runtime [{}] of layer [{}] is not compatible with function's runtime [{runtime}]",
                version.runtimes.join(" "),
                layer.layer
            )));
        }
        bound.push(layer);
    }
    Ok(bound)
}

/// Returns one spelling of a runtime: other clouds use capitals, and this one has two words for
/// Java 8.
fn plain_runtime(name: &str) -> String {
    let name = name.to_ascii_lowercase();
    if name == "java1.8" { "java8".to_owned() } else { name }
}
