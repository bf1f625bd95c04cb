//! What every store must do, whichever engine is beneath it.
//!
//! Each test runs on every engine of `support::engines`. Knows the public API of `layerbase::store`
//! and no engine: no SQL, no path.

mod access;
mod audit;
mod bindings;
mod changes;
mod function_lists;
mod functions;
mod inbox;
mod inbox_lists;
mod layer_lists;
mod layers;
mod sizes;
mod threads;

use layerbase::domain::{
    Actor, Artifact, CatalogError, Digests, Function, FunctionConfig, FunctionKey, FunctionName,
    FunctionVersion, Group, LayerName, LayerVersion, Subject, TenantId, Timestamp, VersionName,
    VersionNumber,
};
use layerbase::store::{Change, LayerVersionInsert};
use uuid::Uuid;

/// Names in the order of their bytes, which is not that of any language.
const NAMES: [&str; 22] = [
    " a",
    "%",
    "B",
    "Z",
    "[\"x\",1]",
    "_",
    "a",
    "a ",
    "a'b",
    "aB",
    "ab",
    "a\u{10ffff}",
    "a\u{10ffff}x",
    "b",
    "e\u{301}",
    "z",
    "\u{c4}b",
    "\u{e4}b",
    "\u{d7ff}",
    "\u{e000}",
    "\u{fffd}",
    "\u{1f600}",
];

/// Returns texts that an engine might change, cut or refuse.
fn texts() -> Vec<String> {
    [
        "",
        " ",
        "a  ",
        "NULL",
        "null",
        "[]",
        "0",
        "{\"a\": [\"b\", null]}",
        "\"\\/\u{8}\u{c}\n\r\t\u{1}\u{7f}\u{85}",
        "\\u0041 \\x41 \\101 \\",
        "'; DROP TABLE layers; --",
        "?1 $1 :name @name %s",
        "e\u{301} is not \u{e9}",
        "\u{5c42}\u{1f600}\u{10ffff}\u{fffd}\u{feff}\u{200f}",
    ]
    .map(str::to_owned)
    .into_iter()
    .chain(["\u{5c42}".repeat(50_000), "\"".repeat(10_000)])
    .collect()
}

fn tenant(name: &str) -> TenantId {
    TenantId::parse(name).unwrap()
}

fn layer(name: &str) -> LayerName {
    LayerName::parse(name).unwrap()
}

fn number(number: u64) -> VersionNumber {
    VersionNumber::new(number).unwrap()
}

/// Returns the time of this many seconds and as many microseconds.
fn at(second: u64) -> Timestamp {
    Timestamp::from_microsecond(second.cast_signed() * 1_000_001).unwrap()
}

fn uuid(kind: u64, number: u64) -> Uuid {
    Uuid::from_u64_pair(kind, number)
}

/// Returns bytes that differ for each seed, with zeros and high bits in them.
fn bytes<const N: usize>(seed: u64) -> [u8; N] {
    let mut bytes = std::array::from_fn(|index| [0, 0xff, 0x80, 0x7f, b'\''][index % 5]);
    bytes[..8].copy_from_slice(&seed.to_be_bytes());
    bytes
}

/// Returns a content of this size, which differs for each seed.
fn code(seed: u64, size: u64) -> Artifact {
    let digests = Digests {
        sha256: bytes(seed),
        sha512: bytes(seed),
        md5: bytes(seed),
        crc64: u64::MAX - seed,
    };
    Artifact { digests, size, entries: seed + 1, unpacked: size * 2 }
}

fn refuse<T>() -> Result<T, CatalogError> {
    Err(CatalogError::internal("refused"))
}

/// Publishes a version of a layer, whose time, uids and texts come from its sequence number.
fn publish(
    change: &Change<'_>,
    tenant: &TenantId,
    name: &str,
    code: &Artifact,
) -> Result<LayerVersion, CatalogError> {
    publish_at(change, tenant, name, code, None, &[])
}

/// Like [`publish`], at this time and with these runtimes.
fn publish_at(
    change: &Change<'_>,
    tenant: &TenantId,
    name: &str,
    code: &Artifact,
    created: Option<Timestamp>,
    runtimes: &[String],
) -> Result<LayerVersion, CatalogError> {
    let sequence = change.next_sequence()?;
    change.ensure_tenant(tenant, at(0))?;
    change.insert_code(code, at(sequence))?;
    let version = LayerVersionInsert {
        layer_uid: &uuid(1, sequence).to_string(),
        tags: None,
        uid: &uuid(2, sequence).to_string(),
        description: &format!("change {sequence}"),
        license: "",
        runtimes,
        code,
        created: created.unwrap_or_else(|| at(sequence)),
    };
    change.insert_layer_version(tenant, &layer(name), &version, sequence)
}

/// Writes a line of the audit log about a layer of this name.
fn log(
    change: &Change<'_>,
    sequence: u64,
    tenant: &TenantId,
    name: &str,
) -> Result<(), CatalogError> {
    let subject = Subject::layer(tenant, &layer(name), None);
    change.insert_audit(sequence, at(sequence), &Actor::task("suite"), &subject)
}

fn key(tenant: &str, group: &str, name: &str) -> FunctionKey {
    FunctionKey {
        tenant: TenantId::parse(tenant).unwrap(),
        group: Group::parse(group).unwrap(),
        name: FunctionName::parse(name).unwrap(),
    }
}

/// Returns the head of a function that does not exist yet, without code and layers.
fn head(key: &FunctionKey, uid: u64) -> FunctionVersion {
    FunctionVersion {
        function: Function {
            key: key.clone(),
            uid: uuid(3, uid).to_string(),
            created: at(uid),
            versions: 0,
        },
        number: None,
        name: VersionName::latest(),
        version_description: String::new(),
        config: FunctionConfig { runtime: "python3.9".to_owned(), ..FunctionConfig::default() },
        code: None,
        revision: 1,
        code_changed: at(uid),
        updated: None,
        published: at(uid),
        sequence: 0,
    }
}

/// Creates a function with this head, whose layers must exist; returns the head as it is stored.
fn create(change: &Change<'_>, mut head: FunctionVersion) -> Result<FunctionVersion, CatalogError> {
    head.sequence = change.next_sequence()?;
    change.ensure_tenant(&head.function.key.tenant, at(0))?;
    if let Some(code) = &head.code {
        change.insert_code(code, at(0))?;
    }
    assert!(change.insert_function(&head.function, head.sequence)?, "the function exists");
    assert_eq!(change.insert_head(&head)?, None, "a layer is missing");
    Ok(head)
}

/// Replaces a head, whose layers must exist; returns it as it is stored.
fn update(change: &Change<'_>, mut head: FunctionVersion) -> Result<FunctionVersion, CatalogError> {
    head.sequence = change.next_sequence()?;
    if let Some(code) = &head.code {
        change.insert_code(code, at(0))?;
    }
    assert_eq!(change.update_head(&head)?, None, "a layer is missing");
    Ok(head)
}

/// Publishes the head of a function under this name; returns the version as it is stored.
fn publish_function(
    change: &Change<'_>,
    key: &FunctionKey,
    name: &str,
) -> Result<FunctionVersion, CatalogError> {
    let sequence = change.next_sequence()?;
    let mut version = change.select_head(key)?.unwrap();
    version.function.versions += 1;
    version.number = VersionNumber::new(change.select_last_number(key)? + 1);
    version.name = VersionName::parse(name)?;
    version.version_description = format!("version {name}");
    version.published = at(sequence);
    version.sequence = sequence;
    change.insert_function_version(&version)?;
    Ok(version)
}
