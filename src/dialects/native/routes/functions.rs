//! Functions: create, update, publish, list, get, delete.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;

use super::read_code;
use crate::app::App;
use crate::catalog::CodeInput;
use crate::dialects::extract::{Body, Segments};
use crate::dialects::links::Links;
use crate::dialects::native::errors::ApiError;
use crate::dialects::native::paging;
use crate::dialects::native::wire::{FunctionBody, List};
use crate::dialects::operation::{BodyRule, Operation, Route};
use crate::dialects::params::Params;
use crate::dialects::refusal::Refused;
use crate::domain::{
    Caller, CatalogError, FunctionChange, FunctionConfig, FunctionKey, FunctionName, FunctionOrder,
    Group, LayerName, LayerRef, NewFunction, Noun, Publication, PublicationName, Qualifier,
    VersionName, VersionNumber, Window,
};

/// Seconds and MiB of a new function without stated ones, as in most clouds.
const TIMEOUT_DEFAULT: i64 = 3;
const MEMORY_DEFAULT: u64 = 128;

/// Returns the operations on functions.
pub(super) fn operations() -> Vec<Operation> {
    let functions = "/api/v1/functions";
    let function = "/api/v1/functions/{name}";
    let versions = "/api/v1/functions/{name}/versions";
    let version = "/api/v1/functions/{name}/versions/{version}";
    let (noun, published) = (Noun::Function, Noun::FunctionVersion);
    vec![
        Operation::read("ListFunctions", noun, Route::get(functions), list).cached(&[]),
        Operation::write("CreateFunction", noun, Route::post(function), create).body(BodyRule::Raw),
        Operation::write("UpdateFunction", noun, Route::put(function), update).body(BodyRule::Raw),
        Operation::read("GetFunction", noun, Route::get(function), get_head).cached(&[]),
        Operation::write("DeleteFunction", noun, Route::delete(function), delete_function),
        Operation::write("PublishFunctionVersion", published, Route::post(versions), publish),
        Operation::read("ListFunctionVersions", published, Route::get(versions), list_versions)
            .cached(&[]),
        Operation::read("GetFunctionVersion", published, Route::get(version), get_version)
            .cached(&[]),
        Operation::write(
            "DeleteFunctionVersion",
            published,
            Route::delete(version),
            delete_version,
        ),
    ]
}

async fn list(
    State(app): State<App>,
    caller: Caller,
    links: Links,
    params: Params,
) -> Result<Json<List<FunctionBody>>, Refused> {
    let limit = paging::limit(&params)?;
    let group = params.get("group").map(Group::parse).transpose()?;
    let after = paging::group_and_name(&params)?;
    let page = app
        .read(|catalog| catalog.list_functions(caller.tenant(), group.as_ref(), after, limit))
        .await?;
    let next = page.items.last().filter(|_| page.more).map(|last| {
        let key = &last.function.key;
        format!("{}/{}", key.group, key.name)
    });
    let items = page.items.into_iter().map(|head| FunctionBody::new(head, &links)).collect();
    Ok(Json(List { items, next }))
}

async fn create(
    State(app): State<App>,
    caller: Caller,
    links: Links,
    Segments([name]): Segments<1>,
    params: Params,
    Body(body): Body,
) -> Result<(StatusCode, Json<FunctionBody>), Refused> {
    let fresh = FunctionConfig {
        memory: MEMORY_DEFAULT,
        timeout: TIMEOUT_DEFAULT,
        ..FunctionConfig::default()
    };
    let new = NewFunction {
        key: key(&caller, name, &params)?,
        head_name: VersionName::latest(),
        config: Settings::parse(&params)?.apply(fresh),
    };
    let code = read_code(&app, &caller, &params, body).await?;
    let head = app.blocking(move |catalog| catalog.create_function(&caller, new, code)).await?;
    Ok((StatusCode::CREATED, Json(FunctionBody::new(head, &links))))
}

async fn update(
    State(app): State<App>,
    caller: Caller,
    links: Links,
    Segments([name]): Segments<1>,
    params: Params,
    Body(body): Body,
) -> Result<Json<FunctionBody>, Refused> {
    let key = key(&caller, name, &params)?;
    let settings = Settings::parse(&params)?;
    let code = read_code(&app, &caller, &params, body).await?;
    let code = code.map_or(CodeInput::Keep, CodeInput::Replace);
    let change = FunctionChange {
        expected_revision: number(&params, "revision")?,
        touches: true,
        apply: Box::new(move |old| Ok(settings.apply(old.config.clone()))),
    };
    let head =
        app.blocking(move |catalog| catalog.update_function(&caller, &key, change, code)).await?;
    Ok(Json(FunctionBody::new(head, &links)))
}

async fn get_head(
    State(app): State<App>,
    caller: Caller,
    links: Links,
    Segments([name]): Segments<1>,
    params: Params,
) -> Result<Json<FunctionBody>, Refused> {
    let key = key(&caller, name, &params)?;
    let head = app.read(|catalog| catalog.get_function(&key, &Qualifier::Head)).await?;
    Ok(Json(FunctionBody::new(head, &links)))
}

async fn delete_function(
    State(app): State<App>,
    caller: Caller,
    Segments([name]): Segments<1>,
    params: Params,
) -> Result<StatusCode, Refused> {
    let key = key(&caller, name, &params)?;
    app.blocking(move |catalog| catalog.delete_function(&caller, &key)).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn publish(
    State(app): State<App>,
    caller: Caller,
    links: Links,
    Segments([name]): Segments<1>,
    params: Params,
) -> Result<(StatusCode, Json<FunctionBody>), Refused> {
    let key = key(&caller, name, &params)?;
    let name = params.get("name").map(VersionName::parse).transpose()?;
    let publication = Publication {
        name: name.map_or(PublicationName::Number, PublicationName::Given),
        description: params.get("description").unwrap_or_default().to_owned(),
        expected_revision: number(&params, "revision")?,
        ..Publication::default()
    };
    let version = app
        .blocking(move |catalog| catalog.publish_function_version(&caller, &key, publication))
        .await?;
    Ok((StatusCode::CREATED, Json(FunctionBody::new(version, &links))))
}

async fn list_versions(
    State(app): State<App>,
    caller: Caller,
    links: Links,
    Segments([name]): Segments<1>,
    params: Params,
) -> Result<Json<List<FunctionBody>>, Refused> {
    let key = key(&caller, name, &params)?;
    // The token of the head is 0.
    let order = match paging::position(&params)? {
        None => FunctionOrder::HeadFirst,
        Some(number) => FunctionOrder::HeadFirstAfter(VersionNumber::new(number)),
    };
    let window = Window { offset: 0, limit: paging::limit(&params)? };
    let page = app.read(|catalog| catalog.list_function_versions(&key, order, window)).await?;
    let last = page.items.last().filter(|_| page.more);
    let next = last.map(|last| last.number.map_or(0, VersionNumber::get).to_string());
    let items = page.items.into_iter().map(|state| FunctionBody::new(state, &links)).collect();
    Ok(Json(List { items, next }))
}

async fn get_version(
    State(app): State<App>,
    caller: Caller,
    links: Links,
    Segments([name, version]): Segments<2>,
    params: Params,
) -> Result<Json<FunctionBody>, Refused> {
    let key = key(&caller, name, &params)?;
    let qualifier = qualifier(&version)?;
    let state = app.read(|catalog| catalog.get_function(&key, &qualifier)).await?;
    Ok(Json(FunctionBody::new(state, &links)))
}

async fn delete_version(
    State(app): State<App>,
    caller: Caller,
    Segments([name, version]): Segments<2>,
    params: Params,
) -> Result<StatusCode, Refused> {
    let key = key(&caller, name, &params)?;
    let qualifier = qualifier(&version)?;
    app.blocking(move |catalog| catalog.delete_function_version(&caller, &key, &qualifier)).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn key(caller: &Caller, name: String, params: &Params) -> Result<FunctionKey, CatalogError> {
    let group = params.get("group").map(Group::parse).transpose()?;
    Ok(FunctionKey {
        tenant: caller.tenant().clone(),
        group: group.unwrap_or_else(Group::default_group),
        name: FunctionName::parse(name)?,
    })
}

/// Parses a qualifier: `latest` is the head, any other text a version's name or number.
fn qualifier(text: &str) -> Result<Qualifier, CatalogError> {
    if text == "latest" {
        return Ok(Qualifier::Head);
    }
    VersionName::parse(text).map(Qualifier::Either)
}

fn number<T: std::str::FromStr>(params: &Params, name: &str) -> Result<Option<T>, ApiError> {
    let parse = |text: &str| {
        text.parse().map_err(|_| {
            ApiError::invalid(name, format!("must be a whole number, this is '{text}'"))
        })
    };
    params.get(name).map(parse).transpose()
}

/// The settings of a function in a request; those that are absent do not change.
struct Settings {
    description: Option<String>,
    runtime: Option<String>,
    handler: Option<String>,
    memory: Option<u64>,
    timeout: Option<i64>,
    environment: Vec<(String, String)>,
    layers: Vec<LayerRef>,
}

impl Settings {
    fn parse(params: &Params) -> Result<Self, ApiError> {
        let text = |name: &str| params.raw(name).map(str::to_owned);
        let environment = params.all("env").into_iter().map(|pair| {
            let (key, value) = pair.split_once('=').ok_or_else(|| {
                ApiError::invalid("env", format!("must be KEY=VALUE, this is '{pair}'"))
            })?;
            Ok((key.to_owned(), value.to_owned()))
        });
        let layers = params.all("layer").into_iter().map(|layer| {
            let pair = layer.rsplit_once(':');
            let number = pair.and_then(|(_, number)| VersionNumber::parse(number));
            let (Some((name, _)), Some(number)) = (pair, number) else {
                let reason = format!("must be NAME:VERSION, this is '{layer}'");
                return Err(ApiError::invalid("layer", reason));
            };
            Ok(LayerRef { layer: LayerName::parse(name)?, number })
        });
        Ok(Self {
            description: text("description"),
            runtime: text("runtime"),
            handler: text("handler"),
            memory: number(params, "memory")?,
            timeout: number(params, "timeout")?,
            environment: environment.collect::<Result<_, ApiError>>()?,
            layers: layers.collect::<Result<_, ApiError>>()?,
        })
    }

    fn apply(self, old: FunctionConfig) -> FunctionConfig {
        FunctionConfig {
            description: self.description.unwrap_or(old.description),
            runtime: self.runtime.unwrap_or(old.runtime),
            handler: self.handler.unwrap_or(old.handler),
            memory: self.memory.unwrap_or(old.memory),
            timeout: self.timeout.unwrap_or(old.timeout),
            environment: if self.environment.is_empty() {
                old.environment
            } else {
                self.environment.into_iter().collect()
            },
            layers: if self.layers.is_empty() { old.layers } else { self.layers },
            extra: old.extra,
        }
    }
}
