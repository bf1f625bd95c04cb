//! Function versions: list, publish.

use axum::Json;
use axum::extract::State;
use axum::routing::{get, post};

use super::bound;
use super::code::{self, NO_CODE};
use crate::app::App;
use crate::dialects::gate::{Body, Segments};
use crate::dialects::huawei::errors::{ApiError, quote};
use crate::dialects::huawei::paging;
use crate::dialects::huawei::wire::functions::{Published, Row, Versions};
use crate::dialects::huawei::wire::input::Input;
use crate::dialects::huawei::wire::settings::read_description;
use crate::dialects::huawei::wire::urn::{Project, Urn};
use crate::dialects::huawei::wire::{is_name, version_name};
use crate::dialects::links::Links;
use crate::dialects::params::Params;
use crate::dialects::{Caller, Operation};
use crate::domain::{FunctionKey, Publication, PublicationName, VersionName, Window};
use crate::store::FunctionOrder;

/// Versions read at a time; vendor's functions have 20.
const STRETCH: u64 = 500;

/// Published versions of a function: 20 with `latest` (huawei.md section 5).
const VERSIONS_MAX: u64 = 19;

pub(super) fn operations() -> Vec<Operation> {
    let versions = "/v2/{project_id}/fgs/functions/{function_urn}/versions";
    vec![
        Operation::new("ListFunctionVersions", versions, get(list)).reusable(&[]),
        Operation::new("CreateFunctionVersion", versions, post(publish)),
    ]
}

async fn list(
    State(app): State<App>,
    caller: Caller,
    Segments([project, urn]): Segments<2>,
    params: Params,
) -> Result<Json<Versions>, ApiError> {
    let project = Project::new(&app, &caller, project)?;
    let key = Urn::parse(&urn)?.key(&project)?;
    let window = paging::versions(&params)?;
    let (versions, count) = read_rows(&app, &key, window, &project).await?;
    let next_marker = paging::next_marker(window, versions.len(), count);
    Ok(Json(Versions { versions, next_marker, count }))
}

/// The first stretch is nearly always all, and is read right here.
async fn read_rows(
    app: &App,
    key: &FunctionKey,
    window: Window,
    project: &Project,
) -> Result<(Vec<Row>, u64), ApiError> {
    let order = FunctionOrder::HeadFirst;
    let first = Window { offset: window.offset, limit: window.limit.min(STRETCH) };
    let mut page = app.read(|catalog| catalog.list_function_versions(key, order, first))?;
    let mut rows = Vec::with_capacity(page.items.len());
    loop {
        rows.extend(page.items.into_iter().map(|state| Row::new(state, project)));
        let read = rows.len() as u64;
        if !page.more || read >= window.limit {
            return Ok((rows, page.total));
        }
        let limit = (window.limit - read).min(STRETCH);
        let (key, next) = (key.clone(), Window { offset: window.offset + read, limit });
        page = app.write(move |catalog| catalog.list_function_versions(&key, order, next)).await?;
    }
}

async fn publish(
    State(app): State<App>,
    caller: Caller,
    links: Links,
    Segments([project, urn]): Segments<2>,
    Body(body): Body,
) -> Result<Json<Published>, ApiError> {
    let project = Project::new(&app, &caller, project)?;
    let key = Urn::parse(&urn)?.key(&project)?;
    // One client sends a media type and no body (huawei.md section 1.3).
    let input = match body.is_empty() {
        true => Input::none(),
        false => code::read(&app, body, NO_CODE).await?.0,
    };
    let publication = read_publication(&input)?;
    let version = app
        .write(move |catalog| {
            let version = catalog.publish_function_version(&key, publication)?;
            bound(catalog, version)
        })
        .await?;
    Ok(Json(Published::new(version, &project, &links)))
}

fn read_publication(input: &Input) -> Result<Publication, ApiError> {
    let name = match input.text("version")? {
        None => PublicationName::FromTime(version_name),
        Some(name) => PublicationName::Given(read_name(name)?),
    };
    Ok(Publication {
        name,
        description: read_description(input)?,
        expected_checksum: input.text("digest")?.map(str::to_owned),
        refuse_unchanged: true,
        versions_max: Some(VERSIONS_MAX),
        ..Publication::default()
    })
}

fn read_name(text: &str) -> Result<VersionName, ApiError> {
    let rule = "must be 1 to 42 letters, digits, '-', '_' and '.', with a letter or digit at both \
                ends, and not 'latest'";
    let refuse = || ApiError::field("version", format!("{} {rule}", quote(text)));
    match text {
        "latest" => Err(refuse()),
        _ if is_name(text, 42, b"-_.", false) => VersionName::parse(text).map_err(|_| refuse()),
        _ => Err(refuse()),
    }
}
