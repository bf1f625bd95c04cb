//! Layers: list, publish, get, delete (alibaba.md section 1.1).

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::ETAG;
use axum::response::Response;

use crate::app::App;
use crate::catalog::{DeleteRule, VersionRange};
use crate::dialects::alibaba::errors::ApiError;
use crate::dialects::alibaba::errors::generation::PREFIXES;
use crate::dialects::alibaba::wire::Renderer;
use crate::dialects::alibaba::wire::layers::{self, NewLayer};
use crate::dialects::alibaba::{OBJECT_MAX, ZIP_MAX, paging};
use crate::dialects::answer;
use crate::dialects::extract::{Body, Segments};
use crate::dialects::json_writer::JsonObject;
use crate::dialects::name_rule::{Edge, NameRule};
use crate::dialects::operation::{BodyRule, Operation, Route};
use crate::dialects::params::Params;
use crate::dialects::refusal::Refused;
use crate::dialects::upload::{self, CodeField};
use crate::domain::{Caller, LayerName, LayerVersion, Noun, Order, VersionNumber};
use crate::ingest::Leniency;

/// The location of the code; clients write `code` and `Code`.
const CODE: CodeField = CodeField {
    paths: &[&["code", "zipFile"]],
    fold_keys: true,
    leniency: Leniency::Strict,
    vendor_limit: ZIP_MAX,
    unpacked_max: u64::MAX,
};

/// New names (alibaba.md section 7). Requests for stored layers accept every name: other clouds'
/// layers are listed here too.
const NAME: NameRule =
    NameRule { max: 128, first: Edge::LetterOrUnderscore, inner: b"-_", last: Edge::Any };

pub(super) fn operations() -> Vec<Operation> {
    let versions = "/layers/{layer}/versions";
    let version = "/layers/{layer}/versions/{version}";
    let get = |path| Route::get(path).under(&PREFIXES);
    let post = Route::post(versions).under(&PREFIXES);
    let delete = Route::delete(version).under(&PREFIXES);
    vec![
        Operation::read("ListLayers", Noun::Layer, get("/layers"), list).cached(&[]),
        Operation::write("CreateLayerVersion", Noun::LayerVersion, post, create)
            .body(BodyRule::Upload),
        Operation::read("GetLayerVersion", Noun::LayerVersion, get(version), get_version),
        Operation::read(
            "GetLayerVersionByArn",
            Noun::LayerVersion,
            // A proxy may have decoded the slashes of the one segment that clients send.
            get("/layerarn/{*arn}"),
            get_by_arn,
        ),
        Operation::read("ListLayerVersions", Noun::LayerVersion, get(versions), list_versions)
            .cached(&[]),
        Operation::write("DeleteLayerVersion", Noun::LayerVersion, delete, delete_version),
    ]
}

async fn list(
    State(app): State<App>,
    caller: Caller,
    renderer: Renderer,
    params: Params,
) -> Result<Response, Refused> {
    let (filter, limit) = (paging::filter(&params)?, paging::limit(&params)?);
    let from = paging::first_name(&params);
    let mut text = layers::room_for(limit);
    let mut list = JsonObject::begin(&mut text);
    let mut items = list.array("layers");
    // This server has no official layers, which are the vendor's own.
    let next = if paging::switch(&params, "official")? {
        None
    } else {
        app.read(|catalog| {
            catalog.visit_layers(caller.tenant(), &filter, from, limit, |row| {
                layers::write(items.object(), &renderer, row, false);
            })
        })
        .await?
    };
    items.end();
    if let Some(next) = next {
        list.text("nextToken", next.as_str());
    }
    list.end();
    Ok(answer::written(StatusCode::OK, text))
}

async fn create(
    State(app): State<App>,
    caller: Caller,
    renderer: Renderer,
    Segments([name]): Segments<1>,
    Body(body): Body,
) -> Result<Response, Refused> {
    let name = new_name(name)?;
    let upload = upload::read_json(&app, body, CODE).await.map_err(ApiError::from)?;
    let (layer, source) = NewLayer::parse(upload)?;
    let code = app.stage(&caller, source, app.upload_limits(OBJECT_MAX)).await?;
    let publish = app.blocking(move |catalog| {
        let (new, staged) = layer.finish(code)?;
        catalog.publish_layer_version(&caller, &name, new, staged)
    });
    let version = publish.await?;
    Ok(single(&renderer, &version))
}

async fn get_version(
    State(app): State<App>,
    caller: Caller,
    renderer: Renderer,
    Segments([name, version]): Segments<2>,
) -> Result<Response, Refused> {
    let (name, number) = (LayerName::parse(name)?, version_number(&version)?);
    let version =
        app.read(|catalog| catalog.get_layer_version(caller.tenant(), &name, number)).await?;
    Ok(single(&renderer, &version))
}

async fn get_by_arn(
    State(app): State<App>,
    caller: Caller,
    renderer: Renderer,
    Segments([arn]): Segments<1>,
) -> Result<Response, Refused> {
    let (name, number) = renderer.parse_arn(arn.strip_suffix('/').unwrap_or(&arn))?;
    let version =
        app.read(|catalog| catalog.get_layer_version(caller.tenant(), &name, number)).await?;
    Ok(single(&renderer, &version))
}

async fn list_versions(
    State(app): State<App>,
    caller: Caller,
    renderer: Renderer,
    Segments([name]): Segments<1>,
    params: Params,
) -> Result<Response, Refused> {
    let name = LayerName::parse(name)?;
    let (from, limit) = (paging::first_version(&params)?, paging::limit(&params)?);
    let range = VersionRange { order: Order::Ascending, from, limit };
    let page =
        app.read(|catalog| catalog.list_layer_versions(caller.tenant(), &name, range)).await?;
    let mut text = layers::room_for(limit);
    let mut list = JsonObject::begin(&mut text);
    let mut items = list.array("layers");
    for version in &page.items {
        layers::write_version(items.object(), &renderer, version, false);
    }
    items.end();
    if let Some(next) = page.next {
        list.number("nextVersion", next.number.get());
    }
    list.end();
    Ok(answer::written(StatusCode::OK, text))
}

async fn delete_version(
    State(app): State<App>,
    caller: Caller,
    Segments([name, version]): Segments<2>,
) -> Result<Response, Refused> {
    let (name, number) = (LayerName::parse(name)?, version_number(&version)?);
    let rule = DeleteRule::EvenIfUsed;
    app.blocking(move |catalog| catalog.delete_layer_version(&caller, &name, number, rule)).await?;
    Ok(answer::empty(StatusCode::NO_CONTENT))
}

/// Returns one version with its entity tag.
fn single(renderer: &Renderer, version: &LayerVersion) -> Response {
    let mut text = layers::room_for(1);
    layers::write_version(JsonObject::begin(&mut text), renderer, version, true);
    let mut response = answer::written(StatusCode::OK, text);
    answer::insert_id(&mut response, ETAG, &version.uid.replace('-', ""));
    response
}

fn new_name(text: String) -> Result<LayerName, ApiError> {
    if NAME.allows(&text) {
        return Ok(LayerName::parse(text)?);
    }
    Err(ApiError::invalid(format!(
        "layerName must be 1 to {} letters, digits, '_' and '-', and start with a letter or '_', \
         not '{text}'",
        NAME.max
    )))
}

fn version_number(text: &str) -> Result<VersionNumber, ApiError> {
    VersionNumber::parse(text).ok_or_else(|| {
        ApiError::invalid(format!("version must be an integer from 1 on, not '{text}'"))
    })
}
