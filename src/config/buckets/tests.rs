//! The forms and refusals of `[buckets.NAME]`.

use super::*;
use crate::config::{Config, DEFAULT_FILE, Flags};
use crate::domain::KnownDialects;

/// Loads a file's text with two variables set.
fn load(text: &str) -> Result<Config, ConfigError> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join(DEFAULT_FILE), text).unwrap();
    let environment = |name: &str| match name {
        "THE_ID" => Some(OsString::from("id-of-variable")),
        "THE_SECRET" => Some(OsString::from("secret-of-variable")),
        _ => None,
    };
    Config::load(&Flags::default(), environment, folder.path(), &KnownDialects::default())
}

/// Returns the bucket `b` with these fields.
fn bucket(fields: &str) -> Bucket {
    let config = load(&format!("[buckets.b]\n{fields}")).unwrap();
    config.buckets[&BucketName::parse("b").unwrap()].clone()
}

fn storage(fields: &str) -> Storage {
    match bucket(&format!("endpoint = \"https://s3.example\"\n{fields}")).place {
        BucketLocation::Storage(storage) => storage,
        BucketLocation::Folder(folder) => panic!("{}", folder.display()),
    }
}

#[test]
fn a_bucket_is_a_folder_or_a_storage() {
    assert!(load("").unwrap().buckets.is_empty());
    let folder = bucket("folder = \"/srv/code\"");
    assert_eq!(folder.place, BucketLocation::Folder(PathBuf::from("/srv/code")));
    assert_eq!(folder.tenants, None);
    let tenants = bucket("folder = \"code\"\ntenants = [\"a\", \"default\"]").tenants.unwrap();
    assert_eq!(tenants.iter().map(TenantId::as_str).collect::<Vec<_>>(), ["a", "default"]);
    let plain = Storage {
        endpoint: "https://s3.example".to_owned(),
        region: "us-east-1".to_owned(),
        bucket: BucketName::parse("b").unwrap(),
        key: None,
        path_style: true,
    };
    assert_eq!(storage(""), plain);
    let named = storage("region = \"cn-1\"\nbucket = \"kept.there\"\npath_style = false");
    assert_eq!((&*named.region, named.bucket.as_str()), ("cn-1", "kept.there"));
    assert!(!named.path_style);
    let fields = "endpoint = \"http://[::1]:9000/\"\nallow_http = true";
    let BucketLocation::Storage(local) = bucket(fields).place else { panic!("it is a storage") };
    assert_eq!(local.endpoint, "http://[::1]:9000");
    assert_eq!(load("[buckets.\"a.b\"]\nfolder = \"x\"").unwrap().buckets.len(), 1);
}

#[test]
fn a_key_comes_from_the_file_the_environment_or_a_file_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secret");
    std::fs::write(&file, "secret-of-file\n").unwrap();
    let file = format!("access_key_id = \"id\"\nsecret_access_key_file = {file:?}");
    let variables = "access_key_id_env = \"THE_ID\"\nsecret_access_key_env = \"THE_SECRET\"";
    for (fields, id, secret) in [
        ("access_key_id = \"id\"\nsecret_access_key = \"secret-of-text\"", "id", "secret-of-text"),
        (variables, "id-of-variable", "secret-of-variable"),
        (&file, "id", "secret-of-file"),
    ] {
        let storage = storage(fields);
        let key = storage.key.as_ref().unwrap();
        assert_eq!((&*key.id, key.secret.reveal()), (id, secret));
        assert!(!format!("{storage:?}").contains(secret));
    }
}

#[test]
fn invalid_buckets_are_refused_with_their_line() {
    let https = "endpoint = \"https://a\"\n";
    for (fields, line, rule) in [
        ("", 1, "[buckets.b] needs a folder, or the endpoint of a storage that speaks S3"),
        ("tenants = [\"a\"]", 1, "[buckets.b] needs a folder"),
        ("folder = \"\"", 2, "buckets.b.folder must name a folder"),
        (
            "folder = \"x\"\nendpoint = \"https://a\"",
            3,
            "buckets.b.endpoint must not be set with folder",
        ),
        ("folder = \"x\"\nregion = \"r\"", 3, "buckets.b.region is for a bucket with an endpoint"),
        ("endpoint = \"http://a\"", 2, "buckets.b.endpoint is plain http"),
        ("endpoint = \"http://a\"\nallow_http = false", 2, "buckets.b.endpoint is plain http"),
        ("endpoint = \"ftp://a\"", 2, "buckets.b.endpoint must be http:// or https:// with a host"),
        ("endpoint = \"https://a/b\"", 2, "buckets.b.endpoint must be http:// or https://"),
        ("endpoint = \"https://id:key@a\"", 2, "buckets.b.endpoint must be http:// or https://"),
        ("endpoint = \"https://\"", 2, "buckets.b.endpoint must be http:// or https://"),
        ("endpoint = \"a\"", 2, "buckets.b.endpoint must be http:// or https://"),
        ("+region = \"a/b\"", 3, "buckets.b.region must be 1 to 64 letters"),
        ("+bucket = \"a/b\"", 3, "buckets.b.bucket is not a bucket name"),
        ("+path_style = 1", 3, "buckets.b.path_style must be true or false"),
        ("+tenants = []", 3, "buckets.b.tenants must be a list of tenants"),
        ("+tenants = [\"a@b\"]", 3, "buckets.b.tenants must be a list of tenants"),
        ("+tenants = [1]", 3, "tenants must be a list of names"),
        ("+access_key_id = \"id\"", 3, "buckets.b.access_key_id needs secret_access_key too"),
        ("+secret_access_key = \"a-secret\"", 3, "buckets.b.secret_access_key needs access_key_id"),
        ("+access_key_id_env = \"UNSET\"", 3, "buckets.b.access_key_id_env names a variable that"),
        (
            "+access_key_id = \"id\"\naccess_key_id_env = \"THE_ID\"",
            4,
            "buckets.b.access_key_id_env must not be set with access_key_id: one is enough",
        ),
        (
            "+access_key_id = \"a b\"\nsecret_access_key = \"a-secret\"",
            3,
            "buckets.b.access_key_id must be 1 to 128 printable ASCII characters",
        ),
        (
            "+access_key_id = \"id\"\nsecret_access_key = \"short\"",
            4,
            "buckets.b.secret_access_key must be 8 to 128 printable ASCII characters",
        ),
        (
            "+access_key_id = \"id\"\nsecret_access_key_file = \"/nonexistent/x\"",
            4,
            "buckets.b.secret_access_key_file names a file that cannot be read: No such file",
        ),
        ("bukket = \"x\"", 2, "unknown key 'bukket'; the nearest known key is 'bucket'"),
        ("secret_key = \"x\"", 2, "unknown key 'secret_key'; the nearest known key is 'secret_acc"),
    ] {
        let fields =
            fields.strip_prefix('+').map_or(fields.into(), |rest| format!("{https}{rest}"));
        let error = load(&format!("[buckets.b]\n{fields}")).unwrap_err().to_string();
        let place = format!("{DEFAULT_FILE}:{line}: {rule}");
        assert!(error.contains(&place), "{fields}: {error}");
        assert!(!error.contains("a-secret") && !error.contains("short"), "{error}");
    }
    for (text, rule) in [
        ("buckets = 3", ":1: buckets must be a table: [buckets.NAME]"),
        ("[buckets]\nb = 3", ":2: buckets.b must be a table: [buckets.b]"),
        (
            "[buckets.\"../x\"]\nfolder = \"x\"",
            ":1: the name of [buckets.\"../x\"] must be letters",
        ),
        ("[bucket.b]", ":1: unknown key 'bucket'; the nearest known key is 'buckets'"),
    ] {
        let error = load(text).unwrap_err().to_string();
        assert!(error.contains(rule), "{error}");
    }
}
