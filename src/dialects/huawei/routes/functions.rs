//! Functions: create, update the code, get, delete.

use axum::http::StatusCode;
use axum::response::Response;

use super::code::{self, FUNCTION_CODE, NewCode, Upload};
use super::{Asked, bound, resolve};
use crate::app::App;
use crate::catalog::{Catalog, CodeInput};
use crate::dialects::extract::Body;
use crate::dialects::huawei::errors::ApiError;
use crate::dialects::huawei::wire::functions::{Bound, write_function, write_function_code};
use crate::dialects::huawei::wire::settings::{
    self, Extra, IMAGE_TYPE, KMS_KEY_ID, check_code_type,
};
use crate::dialects::huawei::wire::urn::{Project, Suffix, Urn};
use crate::dialects::huawei::wire::{answer, input};
use crate::dialects::json_fields::Fields;
use crate::dialects::name_rule::{Edge, NameRule};
use crate::dialects::operation::{BodyRule, Operation, Route};
use crate::dialects::refusal::Refused;
use crate::domain::{
    ArchiveProblem, CatalogError, FunctionChange, FunctionConfig, FunctionKey, FunctionName,
    FunctionVersion, Group, LayerRef, NewFunction, Noun, Qualifier, Stamp, VersionName,
};
use crate::ingest::Staging;

/// Dependencies of one function (huawei.md section 7).
const DEPENDENCIES_MAX: usize = 20;

/// The names of functions and packages (huawei.md section 7).
const NAME: NameRule =
    NameRule { max: 60, first: Edge::Letter, inner: b"-_", last: Edge::Alphanumeric };

pub(super) fn operations() -> Vec<Operation> {
    let all = "/v2/{project_id}/fgs/functions";
    let one = "/v2/{project_id}/fgs/functions/{function_urn}";
    let code = "/v2/{project_id}/fgs/functions/{function_urn}/code";
    let config = "/v2/{project_id}/fgs/functions/{function_urn}/config";
    let noun = Noun::Function;
    vec![
        Operation::write("CreateFunction", noun, Route::post(all), create).body(BodyRule::Upload),
        Operation::write("UpdateFunctionCode", noun, Route::put(code), update_code)
            .body(BodyRule::Upload),
        Operation::write("DeleteFunction", noun, Route::delete(one), delete_function),
        Operation::read("ShowFunctionConfig", noun, Route::get(config), show_config).cached(&[]),
        Operation::read("ShowFunctionCode", noun, Route::get(code), show_code).cached(&[]),
    ]
}

async fn create(asked: Asked<1>, stamp: Stamp, Body(body): Body) -> Result<Response, Refused> {
    let Asked { app, caller, project, .. } = asked;
    let (document, staging) = code::read(&app, body, FUNCTION_CODE).await?;
    let fields = input::fields(&document)?;
    let key = read_key(&fields, &project)?;
    let (config, mut extra) = settings::read(&fields)?;
    let dependencies = read_dependencies(&fields)?.unwrap_or_default();
    let code_type = extra.code_type.clone().unwrap_or_default();
    let code = code::read_function_code(&fields, staging, &code_type)?;
    let wants_placeholder = code.is_none() && code_type == "inline";
    if code.is_none() && !wants_placeholder && code_type != IMAGE_TYPE {
        return Err(CatalogError::from(ArchiveProblem::Missing).into());
    }
    let is_source = code.as_ref().is_some_and(NewCode::is_source);
    let default_filename = || code::default_filename(is_source, &config.runtime);
    extra.code_filename.get_or_insert_with(default_filename);
    let is_free = |catalog: &Catalog| {
        catalog.check_new_function(&key)?;
        resolve(catalog, &key.tenant, &dependencies).map(drop)
    };
    let upload = match code {
        Some(code) => Some(code.stage(&app, &stamp, &caller, is_free).await?),
        None => None,
    };
    let create = move |catalog: &Catalog| {
        let layers = resolve(catalog, &key.tenant, &dependencies)?;
        let mut config = FunctionConfig { layers, ..config };
        extra.store_in(&mut config)?;
        let code = if wants_placeholder {
            Some(code::placeholder(catalog, &config.runtime)?)
        } else {
            upload.map(Upload::finish).transpose()?
        };
        let new = NewFunction { key, head_name: VersionName::latest(), config };
        let head = catalog.create_function(&caller, new, code)?;
        Ok::<_, ApiError>(bound(catalog, head)?)
    };
    let head = app.blocking(create).await?;
    Ok(answer(|record| write_function(record, &head, &project)))
}

async fn update_code(asked: Asked<2>, stamp: Stamp, Body(body): Body) -> Result<Response, Refused> {
    let Asked { app, caller, project, path: [_, urn] } = asked;
    let urn = Urn::parse(&urn)?;
    if !matches!(urn.suffix, Suffix::Absent | Suffix::Latest) {
        let rule = "must be latest: published code never changes";
        return Err(ApiError::invalid("version", rule).into());
    }
    let key = urn.key(&project)?;
    let (document, staging) = code::read(&app, body, FUNCTION_CODE).await?;
    let (update, code) = CodeUpdate::read(&input::fields(&document)?, staging)?;
    let is_there = |catalog: &Catalog| {
        catalog.get_function(&key, &Qualifier::Head)?;
        let ids = update.dependencies.as_deref().unwrap_or_default();
        resolve(catalog, &key.tenant, ids).map(drop)
    };
    let is_image = update.code_type.as_deref() == Some(IMAGE_TYPE);
    let upload = match code {
        Some(code) => Some(code.stage(&app, &stamp, &caller, is_there).await?),
        None => None,
    };
    let change = move |catalog: &Catalog| {
        let ids = update.dependencies.as_ref();
        let layers = ids.map(|ids| resolve(catalog, &key.tenant, ids)).transpose()?;
        let code = match upload {
            Some(upload) => CodeInput::Replace(upload.finish()?),
            None if is_image => CodeInput::Remove,
            None => CodeInput::Keep,
        };
        let apply = Box::new(move |old: &FunctionVersion| update.apply(old, layers));
        let change = FunctionChange { expected_revision: None, touches: true, apply };
        let head = catalog.update_function(&caller, &key, change, code)?;
        Ok::<_, ApiError>(bound(catalog, head)?)
    };
    let head = app.blocking(change).await?;
    Ok(answer(|record| write_function_code(record, &head, &project)))
}

async fn delete_function(asked: Asked<2>) -> Result<StatusCode, Refused> {
    let Asked { app, caller, project, path: [_, urn] } = asked;
    let urn = Urn::parse(&urn)?;
    let key = urn.key(&project)?;
    let version = match urn.suffix {
        Suffix::Absent => None,
        Suffix::Version(name) => Some(Qualifier::Name(name)),
        Suffix::Latest => {
            let rule =
                "latest cannot be deleted alone: leave the version out to delete the function";
            return Err(ApiError::invalid("version", rule).into());
        }
        Suffix::Alias => return Err(no_alias(&app, &key).await.into()),
    };
    let delete = move |catalog: &Catalog| match version {
        Some(version) => catalog.delete_function_version(&caller, &key, &version),
        None => catalog.delete_function(&caller, &key),
    };
    app.blocking(delete).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn show_config(asked: Asked<2>) -> Result<Response, Refused> {
    let state = select(&asked).await?;
    Ok(answer(|record| write_function(record, &state, &asked.project)))
}

async fn show_code(asked: Asked<2>) -> Result<Response, Refused> {
    let state = select(&asked).await?;
    Ok(answer(|record| write_function_code(record, &state, &asked.project)))
}

async fn select(asked: &Asked<2>) -> Result<Bound, ApiError> {
    let Asked { app, project, path: [_, urn], .. } = asked;
    let urn = Urn::parse(urn)?;
    let key = urn.key(project)?;
    let qualifier = match urn.suffix {
        Suffix::Absent | Suffix::Latest => Qualifier::Head,
        Suffix::Version(name) => Qualifier::Name(name),
        Suffix::Alias => return Err(no_alias(app, &key).await),
    };
    Ok(app.read(|catalog| bound(catalog, catalog.get_function(&key, &qualifier)?)).await?)
}

/// Refuses an alias, or its function if that does not exist: no alias can be created yet.
async fn no_alias(app: &App, key: &FunctionKey) -> ApiError {
    match app.read(|catalog| catalog.get_function(key, &Qualifier::Head)).await {
        Ok(_) => ApiError::not_found("FSS.1053", "The alias does not exist."),
        Err(error) => error.into(),
    }
}

fn read_key(fields: &Fields<'_>, project: &Project) -> Result<FunctionKey, ApiError> {
    let rule = "must be 1 to 60 letters, digits, '-' and '_', with a letter at the start and a \
                letter or digit at the end";
    let read = |field| {
        let text = input::required(fields, field)?;
        if NAME.allows(text) { Ok(text) } else { Err(ApiError::bad_text(field, text, rule)) }
    };
    Ok(FunctionKey {
        tenant: project.tenant.clone(),
        name: FunctionName::parse(read("func_name")?)?,
        group: Group::parse(read("package")?)?,
    })
}

/// Reads the ids of dependency versions; absent is not the same as none.
fn read_dependencies(fields: &Fields<'_>) -> Result<Option<Vec<String>>, ApiError> {
    let Some(ids) = fields.texts("depend_version_list")? else { return Ok(None) };
    if ids.len() > DEPENDENCIES_MAX {
        let rule = format!("has {} items, at most {DEPENDENCIES_MAX} are allowed", ids.len());
        return Err(ApiError::invalid("depend_version_list", rule));
    }
    Ok(Some(ids.into_iter().map(str::to_owned).collect()))
}

/// The fields of an update of the code, besides the code.
struct CodeUpdate {
    /// The code type of new code; `None`: the code stays.
    code_type: Option<String>,
    code_url: Option<String>,
    is_source: bool,
    filename: Option<String>,
    kms_key_id: Option<String>,
    dependencies: Option<Vec<String>>,
}

impl CodeUpdate {
    fn read(
        fields: &Fields<'_>,
        staging: Option<Staging>,
    ) -> Result<(Self, Option<NewCode>), ApiError> {
        let code_type = input::text(fields, "code_type")?;
        check_code_type(code_type)?;
        let code = code::read_function_code(fields, staging, code_type.unwrap_or_default())?;
        let is_new = code.is_some() || code_type == Some(IMAGE_TYPE);
        let update = Self {
            code_type: code_type.filter(|_| is_new).map(str::to_owned),
            code_url: settings::read_code_url(fields)?,
            is_source: code.as_ref().is_some_and(NewCode::is_source),
            filename: input::owned(fields, "code_filename")?,
            kms_key_id: input::owned(fields, KMS_KEY_ID)?,
            dependencies: read_dependencies(fields)?,
        };
        if !is_new && update.filename.is_none() && update.dependencies.is_none() {
            return Err(CatalogError::from(ArchiveProblem::Missing).into());
        }
        Ok((update, code))
    }

    /// Returns the new configuration. A function without code and image needs one of them.
    fn apply(
        self,
        old: &FunctionVersion,
        layers: Option<Vec<LayerRef>>,
    ) -> Result<FunctionConfig, CatalogError> {
        let mut config = old.config.clone();
        let mut extra = Extra::of(old)?;
        let is_new = self.code_type.is_some();
        if !is_new && old.code.is_none() && extra.code_type.as_deref() != Some(IMAGE_TYPE) {
            return Err(ArchiveProblem::Missing.into());
        }
        if is_new {
            extra.code_type = self.code_type;
            extra.code_url = self.code_url;
            extra.code_filename = Some(code::default_filename(self.is_source, &config.runtime));
        }
        extra.code_filename = self.filename.or(extra.code_filename);
        if let Some(id) = self.kms_key_id {
            extra.set(KMS_KEY_ID, id);
        }
        config.layers = layers.unwrap_or(config.layers);
        extra.store_in(&mut config)?;
        Ok(config)
    }
}
