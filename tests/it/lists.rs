//! Lists without pages: short ones are sent whole, long ones in batches. Long lists with pages.

use serde_json::{Value, json};

use crate::support::{Answer, Request, TestServer, zips};

/// Publishes versions whose rows are about `width` bytes long.
fn publish(server: &TestServer, layer: &str, versions: usize, width: usize) {
    let path =
        format!("/api/v1/layers/{layer}/versions?runtime=py3&description={}", "x".repeat(width));
    for _ in 0..versions {
        let request = Request::new("POST", &path).body(zips::vector("tencent"));
        assert_eq!(server.send(&request).status, 201);
    }
}

fn list(server: &TestServer, layer: &str, runtime: Option<&str>) -> Answer {
    let request = Request::new("POST", "/")
        .header("X-TC-Action", "ListLayerVersions")
        .header("X-TC-Version", "2018-04-16")
        .json(&json!({"LayerName": layer, "CompatibleRuntime": runtime}));
    let answer = server.send(&request);
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("Content-Type"), Some("application/json"));
    answer
}

fn numbers(answer: &Answer) -> Vec<u64> {
    let rows = answer.json().pointer("/Response/LayerVersions").cloned();
    let Some(Value::Array(rows)) = rows else { panic!("{}", answer.text()) };
    rows.iter().map(|row| row["LayerVersion"].as_u64().unwrap()).collect()
}

#[test]
fn short_list_spans_batches_and_has_content_length() {
    let server = TestServer::start();
    publish(&server, "short", 130, 10);
    let short = list(&server, "short", None);
    assert_eq!(numbers(&short), (1..=130).rev().collect::<Vec<_>>());
    assert_eq!(short.header("Content-Length"), Some(&*short.body.len().to_string()));
    assert!(short.json().pointer("/Response/RequestId").is_some());
    assert_eq!(numbers(&list(&server, "short", Some("py3"))).len(), 130);
    assert_eq!(numbers(&list(&server, "short", Some("other"))), [0; 0]);
}

#[test]
fn long_list_is_streamed_without_content_length() {
    let server = TestServer::start();
    publish(&server, "long", 730, 2000);
    let long = list(&server, "long", None);
    assert_eq!(numbers(&long), (1..=730).rev().collect::<Vec<_>>());
    assert_eq!(long.header("Content-Length"), None);
    assert!(long.json().pointer("/Response/RequestId").is_some());
}

#[test]
fn function_version_pages_continue_by_number() {
    let server = TestServer::start();
    let path = "/api/v1/functions/many";
    let created = Request::new("POST", path).body(zips::vector("huawei"));
    assert_eq!(server.send(&created).status, 201);
    for _ in 0..5 {
        let published = server.send(&Request::new("POST", &format!("{path}/versions")));
        assert_eq!(published.status, 201);
    }
    let deleted = server.send(&Request::new("DELETE", &format!("{path}/versions/3")));
    assert_eq!(deleted.status, 204);
    let read = |query: &str| {
        let list = server.send(&Request::new("GET", &format!("{path}/versions?{query}"))).json();
        let names = list["items"].as_array().unwrap().iter().map(|item| item["version"].clone());
        (names.collect::<Vec<_>>(), list["next"].clone())
    };
    let (names, next) = read("limit=1");
    assert_eq!((names.len(), &next), (1, &json!("0")), "{names:?}");
    let (names, next) = read("limit=2&after=0");
    assert_eq!((names.len(), &next), (2, &json!("4")), "{names:?}");
    // The version that the token names may be deleted before the token is used.
    let deleted = server.send(&Request::new("DELETE", &format!("{path}/versions/4")));
    assert_eq!(deleted.status, 204);
    let (names, next) = read("limit=2&after=4");
    assert_eq!((names.len(), &next), (2, &Value::Null), "{names:?}");
    let refused = server.send(&Request::new("GET", "/api/v1/functions?after=garbage"));
    assert_eq!(refused.status, 400);
}

#[test]
fn long_function_version_lists_are_complete_at_every_page_size() {
    let server = TestServer::start();
    let path = "/api/v1/functions/many?group=default";
    assert_eq!(server.send(&Request::new("POST", path)).status, 201);
    for _ in 0..130 {
        let publish = Request::new("POST", "/api/v1/functions/many/versions");
        assert_eq!(server.send(&publish).status, 201);
    }
    let read = |path: &str, rows: &str, name: &str| {
        let answer = server.send(&Request::new("GET", path));
        assert_eq!(answer.status, 200, "{}", answer.text());
        let rows = answer.json().pointer(rows).and_then(Value::as_array).cloned().unwrap();
        rows.iter().map(|row| row[name].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let newest_first = (1..=130).rev().map(|number| number.to_string());
    let huawei = "/v2/0123456789abcdef0123456789abcdef/fgs/functions/urn:fss:local-1:\
                  0123456789abcdef0123456789abcdef:function:default:many/versions";
    let rows = read(huawei, "/versions", "version");
    assert_eq!(rows.len(), 131);
    assert_eq!(rows[1..], newest_first.collect::<Vec<_>>());
    assert_eq!(
        read(&format!("{huawei}?marker=3&maxitems=120"), "/versions", "version"),
        rows[3..123]
    );
    // openYuanrong allows pages of any size.
    let yuanrong = "/serverless/v1/functions/many/versions?pageSize=";
    let rows = read(&format!("{yuanrong}1000000000"), "/functions", "versionNumber");
    assert_eq!((rows.len(), &*rows[0], &*rows[1], &*rows[2]), (131, "130", "latest", "129"));
    let second = format!("{yuanrong}110&pageIndex=2");
    assert_eq!(read(&second, "/functions", "versionNumber"), rows[110..]);
    let admin = format!("{yuanrong}1000000000&isAdmin=true");
    assert_eq!(read(&admin, "/result/versions", "versionNumber"), rows);
}
