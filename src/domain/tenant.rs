//! A tenant's ids in the clouds, set in place of the derived ones.
//!
//! Knows no cloud: each dialect lists the ids of its cloud.

use std::collections::BTreeMap;

/// One id that a cloud has for a tenant: an account, a project, an app id.
#[derive(Clone, Copy, Debug)]
pub struct CloudIdField {
    /// The name in the configuration file, on the command line and in the catalog.
    pub name: &'static str,
    /// A short description.
    pub about: &'static str,
    /// The rule that a value must follow.
    pub rule: &'static str,
    /// Returns the value as it is stored; `None` when it breaks the rule.
    pub parse: fn(&str) -> Option<String>,
}

/// The ids of one tenant that are set; each dialect derives the others from the tenant's own id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CloudIds(BTreeMap<String, String>);

impl CloudIds {
    /// Takes ids that were checked when they were set, by the names of their fields.
    pub fn from_stored(ids: BTreeMap<String, String>) -> Self {
        Self(ids)
    }

    /// Returns an id that is set, by the name of its field.
    pub fn get(&self, field: &str) -> Option<&str> {
        self.0.get(field).map(String::as_str)
    }

    /// Sets an id; the error is the rule that the text breaks.
    pub fn set(&mut self, field: &CloudIdField, text: &str) -> Result<(), &'static str> {
        if text.contains('\0') {
            return Err("must not contain NUL");
        }
        let value = (field.parse)(text).ok_or(field.rule)?;
        self.0.insert(field.name.to_owned(), value);
        Ok(())
    }

    /// Removes an id, so that it is derived again.
    pub fn clear(&mut self, field: &CloudIdField) {
        self.0.remove(field.name);
    }

    /// Returns the ids that are set, in the order of their fields' names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(field, id)| (&**field, &**id))
    }

    /// Adds the ids of `other` that are not set here.
    pub fn or(mut self, other: &Self) -> Self {
        for (field, id) in &other.0 {
            self.0.entry(field.clone()).or_insert_with(|| id.clone());
        }
        self
    }
}

/// The dialects, as the configuration and the command line know them.
#[derive(Clone, Debug, Default)]
pub struct KnownDialects {
    /// Their names, sorted.
    pub names: Vec<&'static str>,
    /// The ids that their clouds have for a tenant, sorted by name.
    pub cloud_ids: Vec<CloudIdField>,
}

impl KnownDialects {
    /// Finds a field by its name.
    pub fn cloud_id(&self, name: &str) -> Option<&CloudIdField> {
        self.cloud_ids.iter().find(|field| field.name == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NUMBER: CloudIdField = CloudIdField {
        name: "cloud_number",
        about: "number",
        rule: "must be digits",
        parse: |text| text.parse::<u64>().ok().map(|number| number.to_string()),
    };

    #[test]
    fn no_id_has_a_nul_whatever_its_rule() {
        let any = CloudIdField { parse: |text| Some(text.to_owned()), ..NUMBER };
        let mut ids = CloudIds::default();
        assert_eq!(ids.set(&any, "7\0"), Err("must not contain NUL"));
        assert_eq!(ids, CloudIds::default());
    }

    #[test]
    fn ids_are_set_read_merged_and_cleared() {
        let mut ids = CloudIds::default();
        assert_eq!(ids.set(&NUMBER, "seven"), Err("must be digits"));
        assert_eq!(ids, CloudIds::default());
        assert_eq!(ids.set(&NUMBER, "007"), Ok(()));
        assert_eq!(ids.get("cloud_number"), Some("7"));
        assert_eq!(ids.iter().collect::<Vec<_>>(), [("cloud_number", "7")]);
        let mut other = CloudIds::default();
        other.set(&NUMBER, "8").unwrap();
        assert_eq!(ids.clone().or(&other), ids);
        assert_eq!(CloudIds::default().or(&other), other);
        ids.clear(&NUMBER);
        assert_eq!(ids, CloudIds::default());
    }
}
