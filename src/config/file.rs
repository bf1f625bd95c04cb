//! `layerbase.toml`: its keys as text with their lines, and the tables of tenants and buckets.
//!
//! Knows the file's structure. Must not know what a value means: `config` parses the texts with the
//! same code as those of flags and the environment.

use std::collections::BTreeMap;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::buckets::{self, Table};
use super::{ConfigError, KEYS, Origin};
use crate::domain::{CloudIds, KnownDialects};

/// The settings of one file.
#[derive(Debug, Default)]
pub(super) struct File {
    /// The scalar settings, keyed by an element of [`KEYS`].
    pub(super) values: BTreeMap<&'static str, (String, Origin)>,
    pub(super) tables: Tables,
}

/// The settings without a flag or variable.
#[derive(Debug, Default)]
pub(super) struct Tables {
    /// The tables `[tenants.ID]`.
    pub(super) tenants: BTreeMap<String, CloudIds>,
    /// The tables `[buckets.NAME]`, not yet checked.
    pub(super) buckets: Vec<Table>,
}

/// Parses a file's text; every error names the file and the line.
pub(super) fn parse(name: &str, text: &str, dialects: &KnownDialects) -> Result<File, ConfigError> {
    let document = Document { name, text };
    let table = DeTable::parse(text).map_err(|error| {
        let line = error.span().map_or(1, |span| document.line(span.start));
        ConfigError::invalid(&document.at(line), "this is not valid TOML:", error.message())
    })?;
    let mut file = File::default();
    for (key, value) in table.get_ref() {
        let origin = document.origin(key);
        match &**key.get_ref() {
            "tenants" => {
                file.tables.tenants = tenants(&document, value, dialects)?;
                continue;
            }
            "buckets" => {
                file.tables.buckets = tables_of_buckets(&document, value)?;
                continue;
            }
            _ => {}
        }
        let known = KEYS.into_iter().find(|known| known == key.get_ref());
        let Some(known) = known else {
            return Err(unknown(
                &origin,
                key.get_ref(),
                KEYS.into_iter().chain(["tenants", "buckets"]),
            ));
        };
        file.values.insert(known, (scalar(&origin, known, value.get_ref())?, origin));
    }
    Ok(file)
}

/// A file's name and text, from which the line of a key is found.
struct Document<'a> {
    name: &'a str,
    text: &'a str,
}

impl Document<'_> {
    fn line(&self, offset: usize) -> usize {
        let before = self.text.as_bytes().iter().take(offset);
        1 + before.filter(|byte| **byte == b'\n').count()
    }

    fn at(&self, line: usize) -> Origin {
        Origin::File { name: self.name.to_owned(), line }
    }

    fn origin<T>(&self, spanned: &Spanned<T>) -> Origin {
        self.at(self.line(spanned.span().start))
    }
}

fn tenants(
    document: &Document<'_>,
    value: &Spanned<DeValue<'_>>,
    dialects: &KnownDialects,
) -> Result<BTreeMap<String, CloudIds>, ConfigError> {
    let table = value.get_ref().as_table().ok_or_else(|| {
        ConfigError::invalid(
            &document.origin(value),
            "tenants",
            "must be a table: [tenants.default]",
        )
    })?;
    let mut tenants = BTreeMap::new();
    for (id, value) in table {
        let origin = document.origin(id);
        let name = format!("tenants.{}", id.get_ref());
        let fields = value.get_ref().as_table().ok_or_else(|| {
            ConfigError::invalid(&origin, &name, &format!("must be a table: [{name}]"))
        })?;
        let mut ids = CloudIds::default();
        for (key, value) in fields {
            let origin = document.origin(key);
            let text = scalar(&origin, key.get_ref(), value.get_ref())?;
            let Some(field) = dialects.cloud_id(key.get_ref()) else {
                let known = dialects.cloud_ids.iter().map(|field| field.name);
                return Err(unknown(&origin, key.get_ref(), known));
            };
            if let Err(rule) = ids.set(field, &text) {
                let name = format!("{name}.{}", key.get_ref());
                return Err(ConfigError::invalid(&origin, &name, rule));
            }
        }
        tenants.insert(id.get_ref().to_string(), ids);
    }
    Ok(tenants)
}

fn tables_of_buckets(
    document: &Document<'_>,
    value: &Spanned<DeValue<'_>>,
) -> Result<Vec<Table>, ConfigError> {
    let table = value.get_ref().as_table().ok_or_else(|| {
        ConfigError::invalid(&document.origin(value), "buckets", "must be a table: [buckets.NAME]")
    })?;
    let mut tables = Vec::new();
    for (name, value) in table {
        let origin = document.origin(name);
        let name = name.get_ref().to_string();
        let keys = value.get_ref().as_table().ok_or_else(|| {
            let name = format!("buckets.{name}");
            ConfigError::invalid(&origin, &name, &format!("must be a table: [{name}]"))
        })?;
        let mut fields = BTreeMap::new();
        for (key, value) in keys {
            let origin = document.origin(key);
            let known = buckets::FIELDS.into_iter().find(|known| known == key.get_ref());
            let Some(known) = known else {
                return Err(unknown(&origin, key.get_ref(), buckets::FIELDS.into_iter()));
            };
            fields.insert(known, (scalar(&origin, known, value.get_ref())?, origin));
        }
        tables.push(Table { name, origin, fields });
    }
    Ok(tables)
}

/// Turns a value into the text that its flag would have; a list becomes `a,b`.
fn scalar(origin: &Origin, key: &str, value: &DeValue<'_>) -> Result<String, ConfigError> {
    let wrong = || ConfigError::invalid(origin, key, "must be text, a whole number or true/false");
    match value {
        DeValue::String(text) => Ok(text.to_string()),
        DeValue::Boolean(flag) => Ok(flag.to_string()),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .map(|number| number.to_string())
            .map_err(|_| wrong()),
        DeValue::Array(items)
            if matches!(key, "allow_host" | "dialects" | "tenants" | "trusted_proxies") =>
        {
            let items: Option<Vec<&str>> =
                items.iter().map(|item| item.get_ref().as_str()).collect();
            let items = items.ok_or_else(|| {
                ConfigError::invalid(origin, key, "must be a list of names: [\"native\"]")
            })?;
            Ok(items.join(","))
        }
        DeValue::Float(_) | DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => {
            Err(wrong())
        }
    }
}

fn unknown(origin: &Origin, key: &str, known: impl Iterator<Item = &'static str>) -> ConfigError {
    let normal = key.to_lowercase().replace('-', "_");
    let nearest = known.max_by(|left, right| {
        strsim::jaro_winkler(left, &normal).total_cmp(&strsim::jaro_winkler(right, &normal))
    });
    ConfigError::UnknownKey {
        origin: origin.clone(),
        key: key.to_owned(),
        nearest: nearest.unwrap_or_default(),
    }
}
