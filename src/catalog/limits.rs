//! Limits of the fields of versions and objects, for all dialects.
//!
//! A list is bounded by its number of rows, so the size of a row must be bounded too. Each limit is
//! at least as high as the highest that a cloud documents; a dialect may have a lower one. Must not
//! know any dialect.

use crate::domain::{CatalogError, Field, FunctionConfig, NewLayerVersion, ObjectInfo};

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
    }
    Ok(())
}

/// Checks a function's configuration.
pub(super) fn check_config(config: &FunctionConfig) -> Result<(), CatalogError> {
    check_description(Field::Description, &config.description)?;
    at_most(Field::Runtime, config.runtime.len(), RUNTIME, "bytes")?;
    at_most(Field::Handler, config.handler.len(), HANDLER, "bytes")?;
    let environment = config.environment.iter().map(|(name, value)| name.len() + value.len());
    at_most(Field::Environment, environment.sum(), ENVIRONMENT, "bytes")?;
    at_most(Field::Layers, config.layers.len(), LAYERS, "items")?;
    for extra in config.extra.values() {
        at_most(Field::Settings, extra.len(), EXTRA, "bytes of further fields")?;
    }
    Ok(())
}

/// Checks the description of a layer version or a function version.
pub(super) fn check_description(field: Field, text: &str) -> Result<(), CatalogError> {
    at_most(field, text.len(), DESCRIPTION, "bytes")
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
}
