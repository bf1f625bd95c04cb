//! Function versions: list, publish.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use axum::routing::{get, post};

use super::bound;
use super::code::{self, NO_CODE};
use crate::app::App;
use crate::catalog::Catalog;
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
use crate::dialects::stream::{self, Rows};
use crate::dialects::{Caller, Operation};
use crate::domain::{FunctionOrder, Page, Publication, PublicationName, VersionName, Window};

/// Published versions of a function: 20 with `latest` (huawei.md section 5).
const VERSIONS_MAX: u64 = 19;

pub(super) fn operations() -> Vec<Operation> {
    let versions = "/v2/{project_id}/fgs/functions/{function_urn}/versions";
    vec![
        Operation::new("ListFunctionVersions", versions, get(list)).cacheable(&[]),
        Operation::new("CreateFunctionVersion", versions, post(publish)),
    ]
}

async fn list(
    State(app): State<App>,
    caller: Caller,
    Segments([project, urn]): Segments<2>,
    params: Params,
) -> Result<Response, ApiError> {
    let project = Project::new(&app, &caller, project)?;
    let key = Urn::parse(&urn)?.key(&project)?;
    let window = paging::versions(&params)?;
    // Only the marker is an offset; behind the first stretch the list goes on by number.
    let (mut order, mut offset, mut left) = (FunctionOrder::HeadFirst, window.offset, window.limit);
    let fetch = move |catalog: &Catalog, rows: u64| {
        let part = Window { offset, limit: rows.min(left) };
        let page = catalog.list_function_versions(&key, order, part)?;
        left -= page.items.len() as u64;
        if let Some(last) = page.items.last() {
            (order, offset) = (FunctionOrder::HeadFirstAfter(last.number), 0);
        }
        let page = Page { more: page.more && left > 0, ..page };
        Ok(page.map(|state| Row::new(state, &project)))
    };
    let around = |count| {
        let next_marker = paging::next_marker(window, count);
        Versions { versions: Rows, next_marker, count }
    };
    Ok(stream::list(&app, fetch, around).await?)
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
        .blocking(move |catalog| {
            let version = catalog.publish_function_version(&caller, &key, publication)?;
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
