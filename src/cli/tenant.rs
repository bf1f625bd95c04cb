//! `layerbase tenant`: the tenants of a data folder and how they are called in the clouds.
//!
//! Works on the data folder. What is set here goes before what the configuration says.

use clap::{Args, Subcommand};
use serde_json::value::to_raw_value;
use serde_json::{Map, Value};

use super::failure::Failure;
use super::folder::DataFolder;
use super::output::Output;
use crate::dialects;
use crate::domain::{Actor, CatalogError, CloudIdField, CloudIds, TenantId, parse_key_tenant};

/// The commands about tenants, and the folder that they work on.
#[derive(Debug, Args)]
pub(super) struct TenantArgs {
    #[command(flatten)]
    folder: DataFolder,
    #[command(subcommand)]
    command: TenantCommand,
}

#[derive(Debug, Subcommand)]
enum TenantCommand {
    /// List the tenants and what is set of their names in the clouds
    Ls,
    /// Set a tenant's names in the clouds; a new id makes a new tenant
    #[command(after_help = set_help())]
    Set {
        /// The tenant
        #[arg(value_parser = tenant)]
        id: TenantId,
        /// What to set, such as alibaba_account=1234567890123456; an empty value takes it back
        #[arg(value_name = "FIELD=VALUE", required = true)]
        fields: Vec<String>,
    },
}

/// What `layerbase tenant --help` ends with.
pub(super) const HELP: &str = "\
Examples:
  layerbase tenant ls
  layerbase tenant set default tencent_app_id=1250000000 ctyun_tenant=7000

A tenant owns layers and functions; `layerbase key add --tenant` makes keys for it. Each cloud calls
it by a name of its own, which is derived from the tenant's id until it is set.

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 no catalog, 4 another tenant has that name.";

const SET_EXAMPLES: &str = "\
Examples:
  layerbase tenant set default alibaba_account=1234567890123456
  layerbase tenant set team-a huawei_domain=0123456789abcdef0123456789abcdef tencent_app_id=";

/// Returns what `layerbase tenant set --help` ends with.
fn set_help() -> String {
    let fields = dialects::known().cloud_ids;
    let width = fields.iter().map(|field| field.name.len()).max().unwrap_or_default();
    let line = |field: &CloudIdField| format!("  {:width$}   {}\n", field.name, field.about);
    let lines: String = fields.iter().map(line).collect();
    format!("Fields:\n{lines}\n{SET_EXAMPLES}")
}

/// Runs one command about tenants.
pub(super) fn run(arguments: &TenantArgs, output: &mut Output<'_>) -> Result<(), Failure> {
    match &arguments.command {
        TenantCommand::Ls => list(&arguments.folder, output),
        TenantCommand::Set { id, fields } => set(id, fields, &arguments.folder, output),
    }
}

fn list(folder: &DataFolder, output: &mut Output<'_>) -> Result<(), Failure> {
    let tenants = folder.open()?.list_tenants()?;
    if output.json() {
        return output.array(|item| {
            tenants.iter().try_for_each(|(id, ids)| {
                let json = to_raw_value(&shown(id, ids)).map_err(|error| {
                    Failure::failed(format!("the result cannot be written: {error}"))
                })?;
                item(&json)
            })
        });
    }
    let fields = dialects::known().cloud_ids;
    let names = fields.iter().map(|field| field.name);
    let header: Vec<String> = ["tenant"].into_iter().chain(names).map(str::to_uppercase).collect();
    let header: Vec<&str> = header.iter().map(String::as_str).collect();
    let rows: Vec<Vec<String>> = tenants
        .iter()
        .map(|(id, ids)| {
            let values = fields.iter().map(|field| ids.get(field.name).unwrap_or("-"));
            std::iter::once(id.as_str()).chain(values).map(str::to_owned).collect()
        })
        .collect();
    output.table(&header, &rows)
}

fn shown(id: &TenantId, ids: &CloudIds) -> Map<String, Value> {
    let fields = dialects::known().cloud_ids.into_iter();
    let fields = fields.map(|field| (field.name.to_owned(), ids.get(field.name).into()));
    std::iter::once(("id".to_owned(), id.as_str().into())).chain(fields).collect()
}

fn set(
    id: &TenantId,
    fields: &[String],
    folder: &DataFolder,
    output: &mut Output<'_>,
) -> Result<(), Failure> {
    // A mistake in what was written is told before the folder is looked for.
    fields.iter().try_for_each(|field| change(&mut CloudIds::default(), field))?;
    let fields = fields.to_vec();
    let ids = folder.open()?.change_cloud_ids(&Actor::owner("SetTenant"), id, move |ids| {
        // A field that can be set or taken back at all can be so whatever the others are.
        fields.iter().for_each(|field| drop(change(ids, field)));
    })?;
    if output.json() {
        return output.line(&Value::Object(shown(id, &ids)).to_string());
    }
    output.note(&format!("changed tenant {id}"));
    Ok(())
}

/// Applies one `FIELD=VALUE`.
fn change(ids: &mut CloudIds, text: &str) -> Result<(), Failure> {
    let Some((field, value)) = text.split_once('=') else {
        return Err(Failure::usage(format!("'{text}' is not of the form FIELD=VALUE")));
    };
    let known = dialects::known();
    let Some(known_field) = known.cloud_id(field) else {
        let nearest = nearest(field, &known.cloud_ids);
        let what = format!("unknown field '{field}'; the nearest known field is '{nearest}'");
        return Err(Failure::usage(what));
    };
    if value.is_empty() {
        ids.clear(known_field);
        return Ok(());
    }
    let refuse = |rule| Failure::usage(format!("{field} '{value}': {rule}"));
    ids.set(known_field, value).map_err(refuse)
}

fn nearest(field: &str, known: &[CloudIdField]) -> &'static str {
    let normal = field.to_lowercase().replace('-', "_");
    let likeness = |known: &str| strsim::jaro_winkler(known, &normal);
    let names = known.iter().map(|field| field.name);
    names.max_by(|left, right| likeness(left).total_cmp(&likeness(right))).unwrap_or_default()
}

fn tenant(text: &str) -> Result<TenantId, CatalogError> {
    parse_key_tenant(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_set_cleared_and_known() {
        let mut ids = CloudIds::default();
        change(&mut ids, "ctyun_tenant=7000").unwrap();
        assert_eq!(ids.get("ctyun_tenant"), Some("7000"));
        change(&mut ids, "ctyun_tenant=").unwrap();
        assert_eq!(ids, CloudIds::default());
        let refused = |text| change(&mut CloudIds::default(), text).unwrap_err().what;
        assert!(refused("tencent-appid=1").contains("tencent_app_id"));
        assert!(refused("aws=").contains("unknown"));
        assert!(refused("tencent_app_id=many").contains("digits"));
        assert!(refused("tencent_app_id").contains("FIELD=VALUE"));
    }
}
