//! Functions: create, update the code, get, delete.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{delete, get, post, put};

use super::code::{self, FUNCTION_CODE, NewCode};
use super::{bound, resolve};
use crate::app::App;
use crate::catalog::{Catalog, CodeInput};
use crate::dialects::gate::{Body, Segments};
use crate::dialects::huawei::errors::{ApiError, quote};
use crate::dialects::huawei::wire::functions::{Bound, Function, FunctionCode};
use crate::dialects::huawei::wire::input::Input;
use crate::dialects::huawei::wire::is_name;
use crate::dialects::huawei::wire::settings::{self, Extra, check_code_type};
use crate::dialects::huawei::wire::urn::{Project, Suffix, Urn};
use crate::dialects::links::Links;
use crate::dialects::{BodyRule, Caller, Operation};
use crate::domain::{
    ArchiveProblem, CatalogError, FunctionChange, FunctionConfig, FunctionKey, FunctionName,
    FunctionVersion, Group, LayerRef, NewFunction, Qualifier, VersionName,
};
use crate::ingest::Staging;

/// Dependencies of one function (huawei.md section 7).
const DEPENDENCIES_MAX: usize = 20;

pub(super) fn operations() -> Vec<Operation> {
    let all = "/v2/{project_id}/fgs/functions";
    let one = "/v2/{project_id}/fgs/functions/{function_urn}";
    let code = "/v2/{project_id}/fgs/functions/{function_urn}/code";
    let config = "/v2/{project_id}/fgs/functions/{function_urn}/config";
    vec![
        Operation::new("CreateFunction", all, post(create)).body(BodyRule::Upload),
        Operation::new("UpdateFunctionCode", code, put(update_code)).body(BodyRule::Upload),
        Operation::new("DeleteFunction", one, delete(delete_function)),
        Operation::new("ShowFunctionConfig", config, get(show_config)).cacheable(&[]),
        Operation::new("ShowFunctionCode", code, get(show_code)).cacheable(&[]),
    ]
}

async fn create(
    State(app): State<App>,
    caller: Caller,
    links: Links,
    Segments([project]): Segments<1>,
    Body(body): Body,
) -> Result<Json<Function>, ApiError> {
    let project = Project::new(&app, &caller, project)?;
    let (input, staging) = code::read(&app, body, FUNCTION_CODE).await?;
    let key = read_key(&input, &project)?;
    let (config, mut extra) = settings::read(&input)?;
    let dependencies = read_dependencies(&input)?.unwrap_or_default();
    let code_type = extra.code_type.clone().unwrap_or_default();
    let code = NewCode::read(&input, staging, &code_type)?;
    let is_free = |catalog: &Catalog| {
        catalog.check_new_function(&key)?;
        resolve(catalog, &key.tenant, &dependencies).map(drop)
    };
    let code = code.here(&app, &caller, is_free).await?;
    let wants_placeholder = match code {
        NewCode::Absent if code_type != "inline" => return Err(ApiError::no_code()),
        NewCode::Absent => true,
        _ => false,
    };
    if extra.code_filename.is_none() {
        let is_source = matches!(code, NewCode::Source(_));
        let name = code::default_filename(is_source, &config.runtime);
        extra.code_filename = Some(name.to_owned());
    }
    let head = app
        .blocking(move |catalog| {
            let layers = resolve(catalog, &key.tenant, &dependencies)?;
            let mut config = FunctionConfig { layers, ..config };
            extra.keep_in(&mut config);
            let code = match wants_placeholder {
                true => Some(code::placeholder(catalog, &config.runtime)?),
                false => code.finish()?,
            };
            let new = NewFunction { key, head_name: VersionName::latest(), config };
            bound(catalog, catalog.create_function(&caller, new, code)?)
        })
        .await?;
    Ok(Json(Function::new(head, &project, &links)))
}

async fn update_code(
    State(app): State<App>,
    caller: Caller,
    links: Links,
    Segments([project, urn]): Segments<2>,
    Body(body): Body,
) -> Result<Json<FunctionCode>, ApiError> {
    let project = Project::new(&app, &caller, project)?;
    let urn = Urn::parse(&urn)?;
    if !matches!(urn.suffix, Suffix::Absent | Suffix::Latest) {
        return Err(ApiError::field("version", "must be latest: published code never changes"));
    }
    let key = urn.key(&project)?;
    let (input, staging) = code::read(&app, body, FUNCTION_CODE).await?;
    let (update, code) = CodeUpdate::read(&input, staging)?;
    let is_there = |catalog: &Catalog| {
        catalog.get_function(&key, &Qualifier::Head)?;
        let ids = update.dependencies.as_deref().unwrap_or_default();
        resolve(catalog, &key.tenant, ids).map(drop)
    };
    let code = code.here(&app, &caller, is_there).await?;
    let head = app
        .blocking(move |catalog| {
            let ids = update.dependencies.as_ref();
            let layers = ids.map(|ids| resolve(catalog, &key.tenant, ids)).transpose()?;
            let code = match code {
                NewCode::Absent => CodeInput::Keep,
                NewCode::Image => CodeInput::Remove,
                code => code.finish()?.map_or(CodeInput::Keep, CodeInput::Replace),
            };
            let apply = Box::new(move |old: &FunctionVersion| update.apply(old, layers));
            let change = FunctionChange { expected_revision: None, touches: true, apply };
            bound(catalog, catalog.update_function(&caller, &key, change, code)?)
        })
        .await?;
    Ok(Json(FunctionCode::new(head, &project, &links)))
}

async fn delete_function(
    State(app): State<App>,
    caller: Caller,
    Segments([project, urn]): Segments<2>,
) -> Result<StatusCode, ApiError> {
    let project = Project::new(&app, &caller, project)?;
    let urn = Urn::parse(&urn)?;
    let key = urn.key(&project)?;
    match urn.suffix {
        Suffix::Absent => {
            app.blocking(move |catalog| catalog.delete_function(&caller, &key)).await?
        }
        Suffix::Version(name) => {
            let version = Qualifier::Name(name);
            app.blocking(move |catalog| catalog.delete_function_version(&caller, &key, &version))
                .await?;
        }
        Suffix::Latest => {
            let rule =
                "latest cannot be deleted alone: leave the version out to delete the function";
            return Err(ApiError::field("version", rule));
        }
        Suffix::Alias => return Err(no_alias(&app, &key)),
    }
    Ok(StatusCode::NO_CONTENT)
}

async fn show_config(
    State(app): State<App>,
    caller: Caller,
    links: Links,
    Segments([project, urn]): Segments<2>,
) -> Result<Json<Function>, ApiError> {
    let project = Project::new(&app, &caller, project)?;
    let state = select(&app, &urn, &project)?;
    Ok(Json(Function::new(state, &project, &links)))
}

async fn show_code(
    State(app): State<App>,
    caller: Caller,
    links: Links,
    Segments([project, urn]): Segments<2>,
) -> Result<Json<FunctionCode>, ApiError> {
    let project = Project::new(&app, &caller, project)?;
    let state = select(&app, &urn, &project)?;
    Ok(Json(FunctionCode::new(state, &project, &links)))
}

fn select(app: &App, urn: &str, project: &Project) -> Result<Bound, ApiError> {
    let urn = Urn::parse(urn)?;
    let key = urn.key(project)?;
    let qualifier = match urn.suffix {
        Suffix::Absent | Suffix::Latest => Qualifier::Head,
        Suffix::Version(name) => Qualifier::Name(name),
        Suffix::Alias => return Err(no_alias(app, &key)),
    };
    Ok(app.read(|catalog| bound(catalog, catalog.get_function(&key, &qualifier)?))?)
}

/// No alias can exist yet; what is missing may be the function itself.
fn no_alias(app: &App, key: &FunctionKey) -> ApiError {
    match app.read(|catalog| catalog.get_function(key, &Qualifier::Head)) {
        Ok(_) => ApiError::no_alias(),
        Err(error) => error.into(),
    }
}

fn read_key(input: &Input, project: &Project) -> Result<FunctionKey, ApiError> {
    let rule = "must be 1 to 60 letters, digits, '-' and '_', with a letter at the start and a \
                letter or digit at the end";
    let read = |field| {
        let text = input.required(field)?;
        match is_name(text, 60, b"-_", true) {
            true => Ok(text),
            false => Err(ApiError::field(field, format!("{} {rule}", quote(text)))),
        }
    };
    Ok(FunctionKey {
        tenant: project.tenant.clone(),
        name: FunctionName::parse(read("func_name")?)?,
        group: Group::parse(read("package")?)?,
    })
}

/// Reads the ids of dependency versions; absent is not the same as none.
fn read_dependencies(input: &Input) -> Result<Option<Vec<String>>, ApiError> {
    let Some(ids) = input.texts("depend_version_list")? else { return Ok(None) };
    if ids.len() > DEPENDENCIES_MAX {
        let rule = format!("has {} items, at most {DEPENDENCIES_MAX} are allowed", ids.len());
        return Err(ApiError::field("depend_version_list", rule));
    }
    Ok(Some(ids.into_iter().map(str::to_owned).collect()))
}

/// What an update of the code says besides the code.
struct CodeUpdate {
    /// Of code that is new; else it stays.
    code_type: Option<String>,
    code_url: Option<String>,
    is_source: bool,
    filename: Option<String>,
    kms_key_id: Option<String>,
    dependencies: Option<Vec<String>>,
}

impl CodeUpdate {
    fn read(input: &Input, staging: Option<Staging>) -> Result<(Self, NewCode), ApiError> {
        let code_type = input.text("code_type")?;
        check_code_type(code_type)?;
        let code = NewCode::read(input, staging, code_type.unwrap_or_default())?;
        let is_new = !matches!(code, NewCode::Absent);
        let text = |name: &str| Ok::<_, ApiError>(input.text(name)?.map(str::to_owned));
        let update = Self {
            code_type: code_type.filter(|_| is_new).map(str::to_owned),
            code_url: settings::read_code_url(input)?,
            is_source: matches!(code, NewCode::Source(_)),
            filename: text("code_filename")?,
            kms_key_id: text("code_encrypt_kms_key_id")?,
            dependencies: read_dependencies(input)?,
        };
        if !is_new && update.filename.is_none() && update.dependencies.is_none() {
            return Err(ApiError::no_code());
        }
        Ok((update, code))
    }

    /// A function that has neither code nor an image cannot go on without.
    fn apply(
        self,
        old: &FunctionVersion,
        layers: Option<Vec<LayerRef>>,
    ) -> Result<FunctionConfig, CatalogError> {
        let mut config = old.config.clone();
        let mut extra = Extra::of(&config);
        let is_new = self.code_type.is_some();
        if !is_new && old.code.is_none() && extra.code_type.as_deref() != Some(settings::IMAGE) {
            return Err(ArchiveProblem::Missing.into());
        }
        if is_new {
            extra.code_type = self.code_type;
            extra.code_url = self.code_url;
            extra.code_filename =
                Some(code::default_filename(self.is_source, &config.runtime).to_owned());
        }
        extra.code_filename = self.filename.or(extra.code_filename);
        extra.details.code_encrypt_kms_key_id =
            self.kms_key_id.or(extra.details.code_encrypt_kms_key_id);
        config.layers = layers.unwrap_or(config.layers);
        extra.keep_in(&mut config);
        Ok(config)
    }
}
