//! The subject of a change: what it made, changed or deleted. The audit log can be asked for it.

use std::fmt;

use super::{
    FunctionKey, FunctionName, Group, KeyId, LayerName, ObjectRef, TenantId, VersionNumber,
};

/// The kind of a subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SubjectKind {
    /// A layer, or one of its versions.
    Layer,
    /// A function, or one of its versions.
    Function,
    /// An object of the inbox.
    Object,
    /// A key.
    Key,
    /// A tenant's cloud ids.
    Tenant,
    /// All download links.
    Links,
}

impl SubjectKind {
    /// All kinds.
    pub const ALL: [Self; 6] =
        [Self::Layer, Self::Function, Self::Object, Self::Key, Self::Tenant, Self::Links];

    /// Parses the name of a kind.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }

    /// Returns the kind's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Layer => "layer",
            Self::Function => "function",
            Self::Object => "object",
            Self::Key => "key",
            Self::Tenant => "tenant",
            Self::Links => "links",
        }
    }
}

/// What a change is about.
///
/// It prints as kind, name and version with slashes between them: `layer/demo/3`,
/// `function/default/hello`, `key/AKID`, `links`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// The owner of the changed row.
    pub tenant: TenantId,
    /// Its kind.
    pub kind: SubjectKind,
    /// Its name: a function's with its group (`default/hello`), an object's with its bucket
    /// (`code/a/b.zip`), that of the links empty.
    pub name: String,
    /// The version of a layer or a function; `None` for the layer or the function as a whole.
    pub version: Option<VersionNumber>,
}

impl Subject {
    /// The forms that [`Subject::parse`] reads, for a refusal.
    pub const FORMS: &str = "layer/NAME, layer/NAME/VERSION, function/GROUP/NAME, \
                             function/GROUP/NAME/VERSION, object/BUCKET/KEY, key/ID, tenant/ID or links";

    /// Names a layer, or one version of it.
    pub fn layer(tenant: &TenantId, name: &LayerName, version: Option<VersionNumber>) -> Self {
        Self::new(tenant, SubjectKind::Layer, name.to_string(), version)
    }

    /// Names a function, or one version of it.
    pub fn function(key: &FunctionKey, version: Option<VersionNumber>) -> Self {
        let FunctionKey { tenant, group, name } = key;
        Self::new(tenant, SubjectKind::Function, format!("{group}/{name}"), version)
    }

    /// Names an object of the inbox.
    pub fn object(tenant: &TenantId, at: &ObjectRef) -> Self {
        Self::new(tenant, SubjectKind::Object, at.to_string(), None)
    }

    /// Names a key.
    pub fn key(tenant: &TenantId, id: &KeyId) -> Self {
        Self::new(tenant, SubjectKind::Key, id.to_string(), None)
    }

    /// Names a tenant.
    pub fn tenant(tenant: &TenantId) -> Self {
        Self::new(tenant, SubjectKind::Tenant, tenant.to_string(), None)
    }

    /// Names all download links, which belong to no tenant: their changes are in the default
    /// tenant's log.
    pub fn links() -> Self {
        Self::new(&TenantId::default_tenant(), SubjectKind::Links, String::new(), None)
    }

    fn new(
        tenant: &TenantId,
        kind: SubjectKind,
        name: String,
        version: Option<VersionNumber>,
    ) -> Self {
        Self { tenant: tenant.clone(), kind, name, version }
    }

    /// Parses what a subject of this tenant prints as; `None` for a text of no subject.
    pub fn parse(tenant: &TenantId, text: &str) -> Option<Self> {
        let (kind, name) = text.split_once('/').unwrap_or((text, ""));
        let kind = SubjectKind::parse(kind)?;
        let version = |text: Option<&str>| {
            text.map_or(Some(None), |text| Some(Some(VersionNumber::parse(text)?)))
        };
        let mut parts = name.splitn(3, '/');
        let mut part = || parts.next();
        Some(match kind {
            SubjectKind::Layer => {
                let name = LayerName::parse(part()?).ok()?;
                Self::layer(tenant, &name, version(part())?)
            }
            SubjectKind::Function => {
                let group = Group::parse(part()?).ok()?;
                let name = FunctionName::parse(part()?).ok()?;
                let key = FunctionKey { tenant: tenant.clone(), group, name };
                Self::function(&key, version(part())?)
            }
            SubjectKind::Object => {
                let (bucket, key) = name.split_once('/')?;
                Self::object(tenant, &ObjectRef::parse(bucket, key).ok()?)
            }
            SubjectKind::Key => Self::key(tenant, &KeyId::parse(name).ok()?),
            SubjectKind::Tenant => {
                let name = TenantId::parse(name).ok()?.to_string();
                Self::new(tenant, kind, name, None)
            }
            SubjectKind::Links => Self::new(tenant, kind, String::new(), None),
        })
        .filter(|subject| subject.to_string() == text)
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.kind.as_str())?;
        if !self.name.is_empty() {
            write!(formatter, "/{}", self.name)?;
        }
        match self.version {
            Some(version) => write!(formatter, "/{version}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_is_parsed_from_what_it_prints() {
        let tenant = TenantId::default_tenant();
        for text in [
            "layer/demo",
            "layer/demo/3",
            "layer/3",
            "function/default/hello",
            "function/default/hello/2",
            "object/code/a//b/层.zip",
            "key/AKID0001",
            "tenant/team-a",
            "links",
        ] {
            let subject = Subject::parse(&tenant, text);
            assert_eq!(subject.map(|subject| subject.to_string()).as_deref(), Some(text));
        }
        for bad in [
            "",
            "layer",
            "layer/",
            "layer/demo/",
            "layer/demo/x",
            "layer/demo/03",
            "layer/demo/1/2",
            "function/hello",
            "function/a/b/c",
            "function/a/b/1/2",
            "object/code",
            "key/a/b",
            "tenant/",
            "links/",
            "links/x",
            "code/x",
        ] {
            assert_eq!(Subject::parse(&tenant, bad), None, "{bad}");
        }
    }
}
