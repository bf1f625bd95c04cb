//! Projects and function URNs (huawei.md section 5).

use crate::app::App;
use crate::dialects::huawei::errors::{ApiError, quote};
use crate::dialects::{Caller, tenants};
use crate::domain::{FunctionKey, FunctionName, FunctionVersion, Group, TenantId, VersionName};

/// Where a request takes place: what its records say besides themselves.
#[derive(Clone, Debug)]
pub(crate) struct Project {
    /// From the path; it is echoed and selects nothing.
    pub(crate) id: String,
    /// The owner of the rows.
    pub(crate) tenant: TenantId,
    /// How the owner is called here.
    pub(crate) domain_id: String,
    /// The label in URNs, which is the project's name too.
    pub(crate) region: String,
}

impl Project {
    /// Reads the project of a path.
    pub(crate) fn new(app: &App, caller: &Caller, id: String) -> Result<Self, ApiError> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        if id == "{project_id}" {
            return Err(ApiError::no_project());
        }
        if !(1..=64).contains(&id.len()) || !id.bytes().all(plain) {
            let rule = "must be 1 to 64 letters, digits, '_' and '-'";
            return Err(ApiError::field("project_id", rule));
        }
        let tenant = caller.tenant().clone();
        let domain_id = app
            .cloud_ids(&tenant)
            .huawei_domain
            .unwrap_or_else(|| tenants::hexadecimal(&tenant, "huawei domain"));
        Ok(Self { id, tenant, domain_id, region: app.config().region.clone() })
    }
}

/// What a URN says behind the function's name.
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
    /// Parses every documented form, told apart by the number of their parts.
    pub(crate) fn parse(text: &str) -> Result<Self, ApiError> {
        let parts: Vec<&str> = text.split(':').collect();
        let (project, package, name, suffix) = match parts[..] {
            [name] => (None, "default", name, None),
            [package, name] => (None, package, name, None),
            [project, package, name] => (Some(project), package, name, None),
            [project, package, name, suffix] => (Some(project), package, name, Some(suffix)),
            ["urn", "fss", _, project, "function", package, name] => {
                (Some(project), package, name, None)
            }
            ["urn", "fss", _, project, "function", package, name, suffix] => {
                (Some(project), package, name, Some(suffix))
            }
            _ => return Err(malformed(text)),
        };
        let suffix = match suffix {
            None => Suffix::Absent,
            Some("latest") => Suffix::Latest,
            Some(suffix) => match suffix.strip_prefix('!') {
                Some("") => return Err(malformed(text)),
                Some(_) => Suffix::Alias,
                None => Suffix::Version(VersionName::parse(suffix).map_err(|_| malformed(text))?),
            },
        };
        Ok(Self {
            project: project.map(str::to_owned),
            package: Group::parse(package).map_err(|_| malformed(text))?,
            name: FunctionName::parse(name).map_err(|_| malformed(text))?,
            suffix,
        })
    }

    /// Returns the function's key; a function of another project is not there.
    pub(crate) fn key(&self, project: &Project) -> Result<FunctionKey, ApiError> {
        if self.project.as_ref().is_some_and(|own| *own != project.id) {
            return Err(ApiError::no_function());
        }
        Ok(FunctionKey {
            tenant: project.tenant.clone(),
            group: self.package.clone(),
            name: self.name.clone(),
        })
    }
}

fn malformed(text: &str) -> ApiError {
    let rule = "must be urn:fss:<region>:<project_id>:function:<package>:<name>, with a version or \
                '!' and an alias behind it or not, or <name>, <package>:<name>, \
                <project_id>:<package>:<name> with or without a version";
    ApiError::field("function_urn", format!("{} {rule}", quote(text)))
}

/// Returns what a state of a function is called: the head is `latest` whatever others call it.
pub(crate) fn version_of(state: &FunctionVersion) -> &str {
    match state.number {
        None => "latest",
        Some(_) => state.name.as_str(),
    }
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
        let forms = [
            "demo",
            "default:demo",
            "p0:default:demo",
            "p0:default:demo:latest",
            "urn:fss:local-1:p0:function:default:demo",
            "urn:fss:elsewhere:p0:function:default:demo:v1.0",
            "urn:fss:local-1:p0:function:default:demo:!prod",
        ];
        for form in forms {
            let urn = Urn::parse(form).unwrap();
            assert_eq!((urn.package.as_str(), urn.name.as_str()), ("default", "demo"), "{form}");
        }
        let suffixes = forms.map(|form| Urn::parse(form).unwrap().suffix);
        assert_eq!(suffixes[2], Suffix::Absent);
        assert_eq!(suffixes[3], Suffix::Latest);
        assert_eq!(suffixes[5], Suffix::Version(VersionName::parse("v1.0").unwrap()));
        assert_eq!(suffixes[6], Suffix::Alias);
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
