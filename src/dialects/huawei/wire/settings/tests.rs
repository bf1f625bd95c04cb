//! Stored settings are read as they were stored, or refused: defaults never replace them.

use super::*;
use crate::domain::{Function, FunctionKey, FunctionName, Group, TenantId, Timestamp, VersionName};

fn state(extra: Option<&str>) -> FunctionVersion {
    let extra = extra.map(|text| (DIALECT.to_owned(), text.to_owned()));
    let key = FunctionKey {
        tenant: TenantId::default_tenant(),
        group: Group::default_group(),
        name: FunctionName::parse("demo").unwrap(),
    };
    let now = Timestamp::UNIX_EPOCH;
    FunctionVersion {
        function: Function { key, uid: String::new(), created: now, versions: 0 },
        number: None,
        name: VersionName::latest(),
        version_description: String::new(),
        config: FunctionConfig { extra: extra.into_iter().collect(), ..FunctionConfig::default() },
        code: None,
        revision: 0,
        code_changed: now,
        updated: None,
        published: now,
        sequence: 0,
    }
}

fn shown(extra: &Extra) -> String {
    let text = crate::dialects::huawei::wire::object(|record| extra.show(record, COMMON));
    String::from_utf8(text).unwrap()
}

#[test]
fn settings_are_read_as_they_were_stored() {
    let defaults = r#"{"type":"v2","enable_dynamic_memory":false,"enterprise_project_id":"0"}"#;
    assert_eq!(shown(&Extra::of(&state(None)).unwrap()), defaults);
    let mut extra = Extra { code_type: Some("zip".to_owned()), ..Extra::default() };
    extra.set("type", "v1".to_owned());
    let mut config = FunctionConfig::default();
    extra.store_in(&mut config).unwrap();
    let text = &config.extra[DIALECT];
    assert!(text.starts_with(r#"{"version":1,"#), "{text}");
    let without_version = text.replacen(r#""version":1,"#, "", 1);
    for text in [text, &without_version] {
        let again = Extra::of(&state(Some(text))).unwrap();
        assert_eq!(again.code_type.as_deref(), Some("zip"));
        assert_eq!(shown(&again), defaults.replace("v2", "v1"));
        assert_eq!(again.strategy_config, Strategy::default());
        let mut config = FunctionConfig::default();
        again.store_in(&mut config).unwrap();
        assert!(config.extra[DIALECT].contains(r#""version":1,"#));
    }
}

#[test]
fn settings_that_cannot_be_read_are_never_defaults() {
    for text in ["", "{", "[]", r#"{"version":2}"#, r#"{"version":"1"}"#, r#"{"type":1}"#] {
        match Extra::of(&state(Some(text))) {
            Err(CatalogError::Internal { source }) => {
                assert!(source.to_string().contains("'default:demo'"), "{source}");
            }
            other => panic!("{text}: {other:?}"),
        }
    }
}

#[test]
fn a_changed_environment_is_shown_as_a_new_text() {
    let text = r#"{"B": "2", "A": "1"}"#.to_owned();
    let extra = Extra { user_data: Some(text.clone()), ..Extra::default() };
    let environment = environment(&text).unwrap_or_default();
    let mut config = FunctionConfig { environment, ..FunctionConfig::default() };
    assert_eq!(extra.user_data(&config), Some(text));
    config.environment.insert("C".to_owned(), "3".to_owned());
    assert_eq!(extra.user_data(&config).as_deref(), Some(r#"{"A":"1","B":"2","C":"3"}"#));
    config.environment.clear();
    assert_eq!(extra.user_data(&config), None);
}
