//! Functions: register, update, delete, get, list, upload code.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post, put};

use super::{REPOSITORY, SERVERLESS, TENANT_HEADERS, objects};
use crate::app::App;
use crate::catalog::{Catalog, CodeInput};
use crate::dialects::gate::{Body, Segments};
use crate::dialects::openyuanrong::auth::Account;
use crate::dialects::openyuanrong::errors::ApiError;
use crate::dialects::openyuanrong::paging::FunctionPage;
use crate::dialects::openyuanrong::wire::encoding::revision;
use crate::dialects::openyuanrong::wire::extra::Extra;
use crate::dialects::openyuanrong::wire::function::{Form, FunctionBody, Functions};
use crate::dialects::openyuanrong::wire::input::Fields;
use crate::dialects::openyuanrong::wire::names::{
    self, FunctionRef, OTHER_HEAD, head_name, is_alias, is_head,
};
use crate::dialects::openyuanrong::wire::settings::Settings;
use crate::dialects::openyuanrong::wire::upload::{UploadHead, header};
use crate::dialects::openyuanrong::wire::{Answer, Nothing, Outcome, Success};
use crate::dialects::params::Params;
use crate::dialects::{BodyRule, Operation};
use crate::domain::{
    CatalogError, FunctionChange, FunctionVersion, LayerRef, NewFunction, Noun, Qualifier,
    VersionName,
};

pub(super) fn operations() -> Vec<Operation> {
    let (functions, function) = ("/functions", "/functions/{name}");
    vec![
        Operation::new("RegisterFunction", functions, post(register)).under(SERVERLESS),
        Operation::new("DeleteFunction", function, delete(delete_function)).under(SERVERLESS),
        Operation::new("UpdateFunction", function, put(update)).under(SERVERLESS),
        Operation::new("GetFunction", function, get(get_function))
            .under(SERVERLESS)
            .cacheable(TENANT_HEADERS),
        Operation::new("ListFunctions", functions, get(list))
            .under(SERVERLESS)
            .cacheable(TENANT_HEADERS),
        Operation::new("UploadFunctionCode", "/functions/{name}/code", put(upload_code))
            .under(REPOSITORY)
            .body(BodyRule::Upload),
    ]
}

async fn register(
    State(app): State<App>,
    account: Account,
    params: Params,
    Body(body): Body,
) -> Result<Response, ApiError> {
    let parse = || {
        let mut settings = Settings::parse(Fields::read(&body)?)?;
        let instances = settings.check_new()?;
        let named = FunctionRef::parse_new(&account, &settings.name)?;
        Ok((settings, instances, named))
    };
    let (settings, instances, named) = parse().map_err(ApiError::bad_request)?;
    let (mut config, mut extra) = settings.create(instances);
    config.layers = bind_layers(&app, &account, &settings.layers, &settings.runtime)?;
    let head_name = VersionName::parse(head_name(&settings.kind))?;
    if settings.object().is_some() {
        app.read(|catalog| catalog.check_new_function(&named.key))?;
    }
    let code = objects::copy(&app, &account, &settings).await?;
    extra.note_copy(code.as_ref().map(|code| &code.artifact));
    extra.write_to(&mut config)?;
    let new = NewFunction { key: named.key, head_name, config };
    let is_admin = params.get("isAdmin").is_some();
    let form = if is_admin { Form::Result } else { Form::Created };
    let created = app.blocking(move |catalog| {
        let head = catalog.create_function(&account.caller, new, code)?;
        FunctionBody::new(catalog, &account, head, form)
    });
    let body = created.await.map_err(ApiError::unless_missing(ApiError::no_key()))?;
    Ok(match is_admin {
        true => Answer(Outcome::new(body)).into_response(),
        false => Answer(Success::new(body)).into_response(),
    })
}

async fn update(
    State(app): State<App>,
    account: Account,
    Segments([name]): Segments<1>,
    Body(body): Body,
) -> Result<Answer<Outcome<FunctionBody>>, ApiError> {
    let settings = Settings::parse(Fields::read(&body)?)?;
    let named = FunctionRef::parse_path(&account, &name)?;
    let instances = settings.check_update()?;
    let missing = || ApiError::no_function(named.shown());
    let head = find_head(&app, &named, head_name(&settings.kind), missing())?;
    check_revision(&head, &settings.revision_id)?;
    let layers = bind_layers(&app, &account, &settings.layers, &head.config.runtime)?;
    let copied = objects::copy(&app, &account, &settings).await?;
    let artifact = copied.as_ref().map(|code| code.artifact);
    let code = match copied {
        Some(code) => CodeInput::Replace(code),
        None if settings.has_object || is_copy(&head) => CodeInput::Remove,
        None => CodeInput::Keep,
    };
    let change = FunctionChange {
        expected_revision: Some(head.revision),
        touches: true,
        apply: Box::new(move |old| {
            let (mut config, mut extra) = (old.config.clone(), Extra::of(old));
            settings.apply(instances, &mut config, &mut extra);
            extra.note_copy(artifact.as_ref());
            config.layers = layers;
            extra.write_to(&mut config)?;
            Ok(config)
        }),
    };
    let key = named.key.clone();
    let updated = app.blocking(move |catalog| {
        let head = catalog.update_function(&account.caller, &key, change, code)?;
        FunctionBody::new(catalog, &account, head, Form::Result)
    });
    let body = updated.await.map_err(ApiError::unless_missing(missing()))?;
    Ok(Answer(Outcome::new(body)))
}

async fn delete_function(
    State(app): State<App>,
    account: Account,
    Segments([name]): Segments<1>,
    params: Params,
) -> Result<Answer<Nothing>, ApiError> {
    let parse = || {
        let named = FunctionRef::parse_path(&account, &name)?;
        let wanted = Wanted::parse(&params, &named)?;
        Ok((named, wanted))
    };
    let (named, wanted) = parse().map_err(ApiError::bad_request)?;
    let no_function = ApiError::no_function(named.shown());
    let (version, missing) = match wanted {
        Wanted::Head => (None, no_function),
        Wanted::Version(name) if is_head(&name) => (None, no_function),
        Wanted::Version(name) => (Some(name), ApiError::no_key()),
        Wanted::Alias(name) => (Some(name), no_function),
    };
    // A name that no version can have is simply not there.
    let version = version.map(VersionName::parse).transpose().map_err(|_| ApiError::no_key())?;
    let deleted = app.blocking(move |catalog| match version {
        None => catalog.delete_function(&account.caller, &named.key),
        Some(name) => {
            let version = Qualifier::Name(name);
            catalog.delete_function_version(&account.caller, &named.key, &version)
        }
    });
    deleted.await.map_err(|error| ApiError::unless_missing(missing)(error).or_404())?;
    Ok(Answer(Nothing {}))
}

async fn get_function(
    State(app): State<App>,
    account: Account,
    Segments([name]): Segments<1>,
    params: Params,
) -> Result<Response, ApiError> {
    let named = FunctionRef::parse_path(&account, &name)?;
    let wanted = Wanted::parse(&params, &named)?;
    let kind = params.get("kind").unwrap_or_default();
    let is_admin = params.get("isAdmin").is_some();
    let form = if is_admin { Form::WholeForAdmin } else { Form::Whole };
    let found = app.read(|catalog| {
        let state = find(catalog, &named, &wanted, kind)?;
        FunctionBody::new(catalog, &account, state, form)
    });
    let missing = ApiError::no_function(named.shown());
    let body = found.map_err(|error| ApiError::unless_missing(missing)(error).or_404())?;
    Ok(match is_admin {
        true => Answer(Outcome::new(body)).into_response(),
        false => Answer(Success::new(body)).into_response(),
    })
}

async fn list(
    State(app): State<App>,
    account: Account,
    params: Params,
) -> Result<Answer<Outcome<Functions>>, ApiError> {
    let page = FunctionPage::parse(&params);
    if page.is_zero_sized() {
        return Ok(Answer(Outcome::new(Functions { functions: None, total: 0 })));
    }
    let window = page.window()?;
    let part = params.get("name").map(str::to_owned);
    let version = params.get("versionNumber").or(params.get("qualifier")).map(str::to_owned);
    let functions = app.blocking(move |catalog| {
        let (owner, version) = (&account.owner, version.as_deref());
        let found = match part {
            None => catalog.list_all_function_versions(owner, version, window)?,
            Some(part) => {
                let keep = |state: &FunctionVersion| Extra::of(state).name.contains(&part);
                catalog.search_function_versions(owner, version, keep, window)?
            }
        };
        let items = found.items.into_iter();
        let items = items.map(|state| FunctionBody::new(catalog, &account, state, Form::Result));
        let functions = Some(items.collect::<Result<Vec<_>, _>>()?);
        Ok(Functions { functions, total: found.total })
    });
    Ok(Answer(Outcome::new(functions.await?)))
}

async fn upload_code(
    State(app): State<App>,
    account: Account,
    Segments([name]): Segments<1>,
    headers: HeaderMap,
    Body(body): Body,
) -> Result<Answer<Outcome<FunctionBody>>, ApiError> {
    let upload = UploadHead::parse(&app, &headers)?;
    let named = FunctionRef::parse_path(&account, &name)?;
    let wanted = Some(header(&headers, "x-version")).filter(|version| !version.is_empty());
    let head = find_uploaded(&app, &named, wanted.as_deref().unwrap_or(OTHER_HEAD))?;
    check_revision(&head, &upload.revision_id)?;
    let code = upload.read(&app, body).await?;
    let change = FunctionChange {
        expected_revision: Some(head.revision),
        // Neither revision nor time of the update move (openyuanrong.md section 3).
        touches: false,
        apply: Box::new(|old| {
            let (mut config, mut extra) = (old.config.clone(), Extra::of(old));
            extra.leave_bucket();
            extra.write_to(&mut config)?;
            Ok(config)
        }),
    };
    let uploaded = app.blocking(move |catalog| {
        let head = catalog.update_function(
            &account.caller,
            &named.key,
            change,
            CodeInput::Replace(code),
        )?;
        FunctionBody::new(catalog, &account, head, Form::Result)
    });
    let body = uploaded.await.map_err(ApiError::unless_missing(ApiError::no_key()))?;
    Ok(Answer(Outcome::new(body)))
}

/// Whether a head has the code that was copied from its bucket: it goes with the bucket's name.
fn is_copy(head: &FunctionVersion) -> bool {
    head.code.is_some_and(|code| Extra::of(head).is_copy(&code))
}

/// Finds the record that code goes into; a published version never takes any.
fn find_uploaded(
    app: &App,
    named: &FunctionRef,
    version: &str,
) -> Result<FunctionVersion, ApiError> {
    let head = app.read(|catalog| catalog.get_function(&named.key, &Qualifier::Head));
    let head = head.map_err(ApiError::unless_missing(ApiError::no_key()))?;
    if head.name.as_str() == version {
        return Ok(head);
    }
    let qualifier = VersionName::parse(version).map(Qualifier::Name);
    let qualifier = qualifier.map_err(|_| ApiError::no_key())?;
    let published = app.read(|catalog| catalog.get_function(&named.key, &qualifier));
    published.map_err(ApiError::unless_missing(ApiError::no_key()))?;
    Err(ApiError::invalid(format!(
        "X-Version: {version} is published and cannot take new code, upload to {} and publish it",
        head.name
    )))
}

/// Finds a head by what its kind calls it.
fn find_head(
    app: &App,
    named: &FunctionRef,
    name: &str,
    missing: ApiError,
) -> Result<FunctionVersion, ApiError> {
    match app.read(|catalog| catalog.get_function(&named.key, &Qualifier::Head)) {
        Ok(head) if head.name.as_str() == name => Ok(head),
        Ok(_) => Err(missing),
        Err(error) => Err(ApiError::unless_missing(missing)(error)),
    }
}

fn check_revision(head: &FunctionVersion, stated: &str) -> Result<(), ApiError> {
    if revision(head.revision) == stated { Ok(()) } else { Err(ApiError::stale()) }
}

/// Which record a request means.
#[derive(Debug, PartialEq, Eq)]
enum Wanted {
    /// None was named.
    Head,
    /// By its exact name, which may be that of a head.
    Version(String),
    /// By a qualifier that looks like an alias.
    Alias(String),
}

impl Wanted {
    /// An alias comes before a version's number, and that before any other qualifier and the URN
    /// (openyuanrong.md section 5).
    fn parse(params: &Params, named: &FunctionRef) -> Result<Self, ApiError> {
        let qualifier = params.get("qualifier");
        if let Some(qualifier) = qualifier {
            names::check_qualifier(qualifier)?;
        }
        if let (Some(qualifier), Some((version, urn))) = (qualifier, &named.version)
            && qualifier != version
        {
            return Err(ApiError::foreign_urn(urn));
        }
        if let Some(alias) = qualifier.filter(|qualifier| is_alias(qualifier)) {
            return Ok(Self::Alias(alias.to_owned()));
        }
        let in_urn = named.version.as_ref().map(|(version, _)| version.as_str());
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
        // A name that no version can have is simply not there.
        Err(_) => Err(CatalogError::not_found(Noun::FunctionVersion, version)),
    }
}

/// Finds the layer versions of some URNs: each once, and made for the runtime.
fn bind_layers(
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

/// One spelling of a runtime: other clouds use capitals, and this one has two words for Java 8.
fn plain_runtime(name: &str) -> String {
    let name = name.to_ascii_lowercase();
    if name == "java1.8" { "java8".to_owned() } else { name }
}
