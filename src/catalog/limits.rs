//! Limits of the fields of versions and objects, and of the texts that select them, for all
//! dialects.
//!
//! A list is bounded by its number of rows, so the size of a row must be bounded too. Each limit is
//! at least as high as the highest that a cloud documents; a dialect may have a lower one. No text
//! has a NUL, which not every database can store or compare (scale.md section 4): names have no
//! control character at all, everything else is checked here. Must not know any dialect.

use crate::domain::{
    CatalogError, Field, FunctionConfig, LayerFilter, MultipartFrom, MultipartRange,
    NewLayerVersion, ObjectFrom, ObjectInfo, ObjectRange,
};

/// Bytes of a description: 1024 characters of four bytes (openyuanrong.md section 1.1).
const DESCRIPTION: usize = 4096;

/// Characters of a layer version's license.
const LICENSE: usize = 1024;

/// Runtimes of a layer version, and bytes of each.
const RUNTIMES: usize = 64;
const RUNTIME: usize = 128;

/// Pairs of a layer's tags, and bytes of each key and of each value.
const TAGS: usize = 50;
const TAG: usize = 256;

/// Bytes of a function's entry point.
const HANDLER: usize = 4096;

/// Bytes of all names and values of a function's environment.
const ENVIRONMENT: usize = 64 << 10;

/// Layer versions bound to a function.
const LAYERS: usize = 64;

/// Bytes of a function's fields that only one cloud has, as JSON text.
const EXTRA: usize = 64 << 10;

/// Bytes of an object's media type, and of all names and values of its metadata (S3's own limit).
const MEDIA_TYPE: usize = 256;
const METADATA: usize = 2 << 10;

/// Checks an object's media type and metadata.
pub(super) fn check_object_info(about: &ObjectInfo) -> Result<(), CatalogError> {
    at_most(Field::MediaType, about.media_type.len(), MEDIA_TYPE, "bytes")?;
    let metadata = about.metadata.iter().map(|(name, value)| name.len() + value.len());
    at_most(Field::Metadata, metadata.sum(), METADATA, "bytes")?;
    no_controls(Field::MediaType, &about.media_type)?;
    about
        .metadata
        .iter()
        .flat_map(|(name, value)| [name, value])
        .try_for_each(|text| no_controls(Field::Metadata, text))
}

/// Refuses control characters, which a response header cannot carry.
fn no_controls(field: Field, text: &str) -> Result<(), CatalogError> {
    if text.chars().any(char::is_control) {
        return Err(CatalogError::invalid(field, "must not contain control characters"));
    }
    Ok(())
}

/// Checks the fields of a new layer version, and its layer's tags.
pub(super) fn check_layer_version(new: &NewLayerVersion) -> Result<(), CatalogError> {
    check_description(Field::Description, &new.description)?;
    at_most(Field::License, new.license.chars().count(), LICENSE, "characters")?;
    no_nul(Field::License, &new.license)?;
    at_most(Field::Runtimes, new.runtimes.len(), RUNTIMES, "items")?;
    for runtime in &new.runtimes {
        at_most(Field::Runtimes, runtime.len(), RUNTIME, "bytes in one item")?;
        if runtime.is_empty() || runtime.chars().any(char::is_control) {
            let reason = "must have no empty item and no control characters";
            return Err(CatalogError::invalid(Field::Runtimes, reason));
        }
    }
    let tags = new.tags.as_deref().unwrap_or_default();
    at_most(Field::Tags, tags.len(), TAGS, "pairs")?;
    for side in tags.iter().flat_map(|(key, value)| [key, value]) {
        at_most(Field::Tags, side.len(), TAG, "bytes in one key or value")?;
        no_nul(Field::Tags, side)?;
    }
    Ok(())
}

/// Checks a function's configuration.
pub(super) fn check_config(config: &FunctionConfig) -> Result<(), CatalogError> {
    check_description(Field::Description, &config.description)?;
    at_most(Field::Runtime, config.runtime.len(), RUNTIME, "bytes")?;
    no_nul(Field::Runtime, &config.runtime)?;
    at_most(Field::Handler, config.handler.len(), HANDLER, "bytes")?;
    no_nul(Field::Handler, &config.handler)?;
    let environment = config.environment.iter().map(|(name, value)| name.len() + value.len());
    at_most(Field::Environment, environment.sum(), ENVIRONMENT, "bytes")?;
    for side in config.environment.iter().flat_map(|(name, value)| [name, value]) {
        no_nul(Field::Environment, side)?;
    }
    at_most(Field::Layers, config.layers.len(), LAYERS, "items")?;
    for extra in config.extra.values() {
        at_most(Field::Settings, extra.len(), EXTRA, "bytes of further fields")?;
        if has_nul(extra) || has_escaped_nul(extra) {
            return Err(CatalogError::invalid(Field::Settings, NO_NUL));
        }
    }
    Ok(())
}

/// Checks the description of a layer version or a function version.
pub(super) fn check_description(field: Field, text: &str) -> Result<(), CatalogError> {
    at_most(field, text.len(), DESCRIPTION, "bytes")?;
    no_nul(field, text)
}

/// Checks the texts that select the layers of a list, and the name at which it begins.
pub(super) fn check_layer_filter(filter: &LayerFilter, from: &str) -> Result<(), CatalogError> {
    let LayerFilter { prefix, contains, name: _, runtime, acl: _ } = filter;
    for text in [prefix.as_deref(), contains.as_deref(), Some(from)].into_iter().flatten() {
        no_nul(Field::LayerName, text)?;
    }
    no_nul(Field::Runtimes, runtime.as_deref().unwrap_or_default())
}

/// Checks the texts that select the objects of a list.
pub(super) fn check_object_range(range: &ObjectRange) -> Result<(), CatalogError> {
    no_nul(Field::ObjectKey, &range.prefix)?;
    match &range.from {
        ObjectFrom::Start => Ok(()),
        ObjectFrom::After(text) | ObjectFrom::Behind(text) => no_nul(Field::ObjectKey, text),
    }
}

/// Checks the texts that select the unfinished uploads of a list.
pub(super) fn check_multipart_range(range: &MultipartRange) -> Result<(), CatalogError> {
    no_nul(Field::ObjectKey, &range.prefix)?;
    match &range.from {
        MultipartFrom::Start => Ok(()),
        MultipartFrom::AfterKey(key) | MultipartFrom::Behind(key) => no_nul(Field::ObjectKey, key),
        MultipartFrom::After(key, upload) => {
            no_nul(Field::ObjectKey, key)?;
            no_nul(Field::Multipart, upload)
        }
    }
}

const NO_NUL: &str = "must not contain NUL";

/// Refuses a text with a NUL.
pub(super) fn no_nul(field: Field, text: &str) -> Result<(), CatalogError> {
    if has_nul(text) {
        return Err(CatalogError::invalid(field, NO_NUL));
    }
    Ok(())
}

/// Whether a text has a NUL; nothing that is stored has one.
pub(super) fn has_nul(text: &str) -> bool {
    text.contains('\0')
}

/// Whether a text in this JSON has a NUL, which JSON writes as `\u0000`.
fn has_escaped_nul(json: &str) -> bool {
    let mut rest = json;
    while let Some((_, escape)) = rest.split_once('\\') {
        if escape.starts_with("u0000") {
            return true;
        }
        // The escaped character may itself be a backslash.
        let mut after = escape.chars();
        after.next();
        rest = after.as_str();
    }
    false
}

fn at_most(field: Field, actual: usize, limit: usize, unit: &str) -> Result<(), CatalogError> {
    if actual > limit {
        return Err(CatalogError::invalid(field, format!("may have at most {limit} {unit}")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    type Change<T> = fn(&mut T, usize);
    type Fill<T> = fn(&mut T, String);

    /// Asserts that each change passes at its limit, and that one more is refused for that field.
    fn assert_limits<T: Default>(
        changes: &[(Field, usize, Change<T>)],
        check: fn(&T) -> Result<(), CatalogError>,
    ) {
        for (name, limit, change) in changes {
            let of = |size| {
                let mut value = T::default();
                change(&mut value, size);
                check(&value)
            };
            assert!(of(*limit).is_ok(), "{name}");
            let refused = of(limit + 1).unwrap_err();
            assert!(
                matches!(&refused, CatalogError::InvalidValue { field, reason }
                    if field == name && reason.contains(&limit.to_string())),
                "{refused:?}"
            );
        }
    }

    #[test]
    fn each_field_of_a_layer_version_has_its_limit() {
        assert_limits::<NewLayerVersion>(
            &[
                (Field::Description, DESCRIPTION, |new, size| new.description = "x".repeat(size)),
                (Field::License, LICENSE, |new, size| new.license = "許".repeat(size)),
                (Field::Runtimes, RUNTIMES, |new, size| new.runtimes = vec!["x".into(); size]),
                (Field::Runtimes, RUNTIME, |new, size| new.runtimes = vec!["x".repeat(size)]),
                (Field::Tags, TAGS, |new, size| new.tags = Some(vec![Default::default(); size])),
                (Field::Tags, TAG, |new, size| {
                    new.tags = Some(vec![("x".repeat(size), "".into())])
                }),
                (Field::Tags, TAG, |new, size| {
                    new.tags = Some(vec![("".into(), "x".repeat(size))])
                }),
            ],
            check_layer_version,
        );
    }

    #[test]
    fn each_field_of_a_configuration_has_its_limit() {
        assert_limits::<FunctionConfig>(
            &[
                (Field::Description, DESCRIPTION, |config, size| {
                    config.description = "x".repeat(size)
                }),
                (Field::Runtime, RUNTIME, |config, size| config.runtime = "x".repeat(size)),
                (Field::Handler, HANDLER, |config, size| config.handler = "x".repeat(size)),
                (Field::Environment, ENVIRONMENT, |config, size| {
                    config.environment = [("x".into(), "x".repeat(size - 1))].into();
                }),
                (Field::Settings, EXTRA, |config, size| {
                    config.extra = [("native".into(), "x".repeat(size))].into();
                }),
            ],
            check_config,
        );
    }

    /// Asserts that each change is refused for that field, because of a NUL.
    fn assert_no_nul<T: Default>(
        changes: &[(Field, Fill<T>)],
        check: fn(&T) -> Result<(), CatalogError>,
    ) {
        for (name, change) in changes {
            for (text, is_good) in [("ab", true), ("a\0b", false), ("\0", false)] {
                let mut value = T::default();
                change(&mut value, text.to_owned());
                match check(&value) {
                    Ok(()) => assert!(is_good, "{name} {text:?}"),
                    Err(CatalogError::InvalidValue { field, reason }) => {
                        assert!(!is_good && field == *name, "{name} {text:?}: {field} {reason}");
                        assert!(reason == NO_NUL || reason.contains("control"), "{reason}");
                    }
                    Err(other) => panic!("{other:?}"),
                }
            }
        }
    }

    #[test]
    fn no_field_has_a_nul() {
        assert_no_nul::<NewLayerVersion>(
            &[
                (Field::Description, |new, text| new.description = text),
                (Field::License, |new, text| new.license = text),
                (Field::Runtimes, |new, text| new.runtimes = vec![text]),
                (Field::Tags, |new, text| new.tags = Some(vec![(text, "".into())])),
                (Field::Tags, |new, text| new.tags = Some(vec![("".into(), text)])),
            ],
            check_layer_version,
        );
        assert_no_nul::<FunctionConfig>(
            &[
                (Field::Description, |config, text| config.description = text),
                (Field::Runtime, |config, text| config.runtime = text),
                (Field::Handler, |config, text| config.handler = text),
                (Field::Environment, |config, text| {
                    config.environment = [(text, "".into())].into();
                }),
                (Field::Environment, |config, text| {
                    config.environment = [("x".into(), text)].into();
                }),
                (Field::Settings, |config, text| config.extra = [("native".into(), text)].into()),
            ],
            check_config,
        );
        assert_no_nul::<ObjectInfo>(
            &[
                (Field::MediaType, |about, text| about.media_type = text),
                (Field::Metadata, |about, text| about.metadata = [(text, "".into())].into()),
                (Field::Metadata, |about, text| about.metadata = [("x".into(), text)].into()),
            ],
            check_object_info,
        );
    }

    #[test]
    fn no_selecting_text_has_a_nul() {
        assert_no_nul::<LayerFilter>(
            &[
                (Field::LayerName, |filter, text| filter.prefix = Some(text)),
                (Field::LayerName, |filter, text| filter.contains = Some(text)),
                (Field::Runtimes, |filter, text| filter.runtime = Some(text)),
            ],
            |filter| check_layer_filter(filter, ""),
        );
        assert!(check_layer_filter(&LayerFilter::default(), "a\0").is_err());
        let objects = |prefix: &str, from| {
            check_object_range(&ObjectRange { prefix: prefix.into(), from, limit: 1 })
        };
        assert!(objects("a", ObjectFrom::After("b".into())).is_ok());
        assert!(objects("a\0", ObjectFrom::Start).is_err());
        assert!(objects("", ObjectFrom::After("b\0".into())).is_err());
        assert!(objects("", ObjectFrom::Behind("b\0".into())).is_err());
        let uploads = |prefix: &str, from| {
            check_multipart_range(&MultipartRange { prefix: prefix.into(), from, limit: 1 })
        };
        assert!(uploads("a", MultipartFrom::After("b".into(), "1".into())).is_ok());
        assert!(uploads("a\0", MultipartFrom::Start).is_err());
        assert!(uploads("", MultipartFrom::AfterKey("b\0".into())).is_err());
        assert!(uploads("", MultipartFrom::Behind("b\0".into())).is_err());
        assert!(uploads("", MultipartFrom::After("b\0".into(), "1".into())).is_err());
        assert!(uploads("", MultipartFrom::After("b".into(), "1\0".into())).is_err());
    }

    #[test]
    fn a_nul_is_found_behind_the_escapes_of_json() {
        for (json, found) in [
            (r#"{"a":"\u0000"}"#, true),
            (r#"{"a":"\\\u0000"}"#, true),
            (r#"{"a":"\\u0000"}"#, false),
            (r#"{"a":"\n\"\u0001 u0000 許\\"}"#, false),
            (r#"{"\"\u0000":1}"#, true),
        ] {
            assert_eq!(has_escaped_nul(json), found, "{json}");
        }
    }
}
