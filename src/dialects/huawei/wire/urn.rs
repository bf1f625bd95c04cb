//! Projects and function URNs (huawei.md section 5).

use crate::app::App;
use crate::dialects::huawei::errors::ApiError;
use crate::dialects::huawei::{DOMAIN, ID};
use crate::dialects::links::Links;
use crate::dialects::tenants;
use crate::domain::{
    Caller, CatalogError, FunctionKey, FunctionName, FunctionVersion, Group, Noun, Stamp, TenantId,
    VersionName,
};

/// The project of a request, and what all its records show.
pub(crate) struct Project {
    /// From the path; it is echoed and selects nothing.
    pub(crate) id: String,
    /// The owner of the rows.
    pub(crate) tenant: TenantId,
    /// The owner's id in this cloud.
    pub(crate) domain_id: String,
    /// The label in URNs, which is also the project's name.
    pub(crate) region: String,
    /// The download links of the owner.
    pub(crate) links: Links,
}

impl Project {
    /// Checks the project of a path.
    pub(crate) fn new(
        app: &App,
        stamp: &Stamp,
        caller: &Caller,
        links: Links,
        id: String,
    ) -> Result<Self, ApiError> {
        if !ID.allows(&id) {
            // The usual reason (huawei.md section 5).
            let rule = if id == "{project_id}" {
                "is not set: the path still has its placeholder; give the client a project id, any \
                 1 to 64 letters, digits, '_' and '-'"
            } else {
                "must be 1 to 64 letters, digits, '_' and '-'"
            };
            return Err(ApiError::invalid("project_id", rule));
        }
        let tenant = caller.tenant().clone();
        let domain_id = match app.cloud_ids(stamp, &tenant).get(DOMAIN.name) {
            Some(id) => id.to_owned(),
            None => tenants::hexadecimal(&tenant, "huawei domain"),
        };
        Ok(Self { id, tenant, domain_id, region: app.config().region.clone(), links })
    }
}

/// What follows the function's name in a URN.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Suffix {
    /// Nothing: the function.
    Absent,
    /// `latest`, its head.
    Latest,
    /// One published version.
    Version(VersionName),
    /// `!` and an alias.
    Alias,
}

/// A function as a path names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Urn {
    project: Option<String>,
    package: Group,
    name: FunctionName,
    pub(crate) suffix: Suffix,
}

impl Urn {
    /// Parses every documented form; the number of parts tells the form.
    pub(crate) fn parse(text: &str) -> Result<Self, ApiError> {
        let rule = "must be urn:fss:<region>:<project_id>:function:<package>:<name>, with a version \
                    or '!' and an alias behind it or not, or <name>, <package>:<name>, \
                    <project_id>:<package>:<name> with or without a version";
        Self::read(text).ok_or_else(|| ApiError::bad_text("function_urn", text, rule))
    }

    fn read(text: &str) -> Option<Self> {
        let parts: Vec<&str> = text.split(':').collect();
        let (project, package, name, suffix) = match parts[..] {
            [name] => (None, "default", name, None),
            [package, name] => (None, package, name, None),
            [project, package, name] | ["urn", "fss", _, project, "function", package, name] => {
                (Some(project), package, name, None)
            }
            [project, package, name, suffix]
            | ["urn", "fss", _, project, "function", package, name, suffix] => {
                (Some(project), package, name, Some(suffix))
            }
            _ => return None,
        };
        let suffix = match suffix {
            None => Suffix::Absent,
            Some("latest") => Suffix::Latest,
            Some("!") => return None,
            Some(alias) if alias.starts_with('!') => Suffix::Alias,
            Some(version) => Suffix::Version(VersionName::parse(version).ok()?),
        };
        let (package, name) = (Group::parse(package).ok()?, FunctionName::parse(name).ok()?);
        Some(Self { project: project.map(str::to_owned), package, name, suffix })
    }

    /// Returns the function's key; a function of another project does not exist.
    pub(crate) fn key(&self, project: &Project) -> Result<FunctionKey, CatalogError> {
        if self.project.as_ref().is_some_and(|own| *own != project.id) {
            return Err(CatalogError::not_found(Noun::Function, &self.name));
        }
        Ok(FunctionKey {
            tenant: project.tenant.clone(),
            group: self.package.clone(),
            name: self.name.clone(),
        })
    }
}

/// Returns the name of a function's state. The head is `latest`, whichever cloud made it.
pub(crate) fn version_of(state: &FunctionVersion) -> &str {
    state.number.map_or("latest", |_| state.name.as_str())
}

/// Renders the URN of one state, always with its version (huawei.md section 11, 3).
pub(crate) fn render(state: &FunctionVersion, project: &Project) -> String {
    let key = &state.function.key;
    let (region, id) = (&project.region, &project.id);
    format!("urn:fss:{region}:{id}:function:{}:{}:{}", key.group, key.name, version_of(state))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_documented_form_names_the_same_function() {
        let version = Suffix::Version(VersionName::parse("v1.0").unwrap());
        for (form, suffix) in [
            ("demo", Suffix::Absent),
            ("default:demo", Suffix::Absent),
            ("p0:default:demo", Suffix::Absent),
            ("p0:default:demo:latest", Suffix::Latest),
            ("urn:fss:local-1:p0:function:default:demo", Suffix::Absent),
            ("urn:fss:elsewhere:p0:function:default:demo:v1.0", version),
            ("urn:fss:local-1:p0:function:default:demo:!prod", Suffix::Alias),
        ] {
            let urn = Urn::parse(form).unwrap();
            assert_eq!((urn.package.as_str(), urn.name.as_str()), ("default", "demo"), "{form}");
            assert_eq!(urn.suffix, suffix, "{form}");
        }
    }

    #[test]
    fn other_counts_and_empty_parts_are_malformed() {
        for bad in [
            "",
            ":",
            "a:b:c:d:e",
            "urn:fss:r:p:function:default",
            "urn:fss:r:p:trigger:default:demo",
            "arn:fss:r:p:function:default:demo",
            "urn:fss:r:p:function:default:demo:",
            "urn:fss:r:p:function:default:demo:!",
            "urn:fss:r:p:function::demo",
            "urn:fss:r:p:function:default:demo:v1:x",
            "a/b",
        ] {
            assert!(Urn::parse(bad).is_err(), "{bad}");
        }
    }
}
