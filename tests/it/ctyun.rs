//! What golden cases cannot check for CTyun: settings, long lists, cached pages, large bodies.

use std::collections::BTreeMap;

use layerbase::dialects;
use layerbase::domain::CloudIds;
use serde_json::{Value, json};

use crate::support::{Answer, Request, TestServer, zips};

const VERSIONS: &str = "/openapi/v1/layers/demo/versions";

fn request(method: &str, path: &str) -> Request {
    Request::new(method, path).header("regionId", "r1")
}

fn create(server: &TestServer, description: &str) {
    let body = json!({
        "compatibleRuntime": ["python3.10"],
        "description": description,
        "code": {"zipFile": zips::vector_base64("ctyun")},
    });
    let answer = server.send(&request("POST", VERSIONS).json(&body));
    assert_eq!(answer.json()["statusCode"], 0, "{}", answer.text());
}

fn list(server: &TestServer) -> Answer {
    let answer = server.send(&request("GET", VERSIONS));
    assert_eq!((answer.status, answer.header("Content-Type")), (200, Some("application/json")));
    answer
}

fn numbers(answer: &Answer) -> Vec<u64> {
    let answer = answer.json();
    let Value::Array(rows) = &answer["returnObj"] else { panic!("{answer}") };
    rows.iter().map(|row| row["version"].as_u64().unwrap()).collect()
}

#[test]
fn configured_cloud_ids_appear_in_the_list() {
    let account = "0123456789abcdef0123456789abcdef";
    let server = TestServer::start_with(|config| {
        let (known, mut ids) = (dialects::known(), CloudIds::default());
        ids.set(known.cloud_id("ctyun_tenant").unwrap(), "7000").unwrap();
        ids.set(known.cloud_id("ctyun_account").unwrap(), account).unwrap();
        config.tenants = BTreeMap::from([("default".to_owned(), ids)]);
    });
    create(&server, "");
    let row = list(&server).json()["returnObj"][0].clone();
    assert_eq!(row["tenantId"], 7000);
    assert_eq!(row["ctrn"], format!("ctrn:cf:r1:{account}:layers/demo/versions/1"));
    let object = row["code"]["ossObjectName"].as_str().unwrap();
    let uid = object.strip_prefix("layer/7000/").unwrap();
    assert_eq!(uuid::Uuid::try_parse(uid).unwrap().to_string(), uid);
}

#[test]
fn long_list_is_complete_and_ordered() {
    let server = TestServer::start();
    for _ in 0..450 {
        create(&server, &"层".repeat(400));
    }
    let answer = list(&server);
    assert_eq!(numbers(&answer), (1..=450).rev().collect::<Vec<_>>());
    assert_eq!(answer.json()["statusCode"], 0);
    assert_eq!(answer.header("Content-Length"), None, "it is sent in stretches");
    let public = server.send(&request("GET", &format!("{VERSIONS}?acl=1")));
    assert_eq!(public.text(), r#"{"statusCode":0,"error":"CF_0","message":"","returnObj":[]}"#);
}

#[test]
fn cached_pages_and_refusals_have_the_same_body() {
    let server = TestServer::start();
    for path in [VERSIONS, &format!("{VERSIONS}?acl=2"), &format!("{VERSIONS}/1")] {
        let first = server.send(&request("GET", path));
        let again = server.send(&request("GET", path));
        assert_eq!((first.status, first.text()), (again.status, again.text()), "{path}");
        assert!(!first.body.is_empty());
        assert_ne!(first.header("x-trace-id"), again.header("x-trace-id"));
    }
    assert_eq!(numbers(&list(&server)), [0; 0]);
    create(&server, "");
    assert_eq!(numbers(&list(&server)), [1]);
    let elsewhere = server.send(&Request::get(VERSIONS).header("regionId", "r2"));
    assert_eq!(elsewhere.json()["returnObj"][0]["region"], "r2");
    assert_eq!(list(&server).json()["returnObj"][0]["region"], "r1");
    assert_eq!(server.send(&Request::get(VERSIONS)).json()["statusCode"], 400);
}

#[test]
fn oversized_body_is_refused_with_the_gateways_error() {
    let server = TestServer::start_with(|config| config.max_upload = Some(1000));
    let before = server.footprint();
    let answer = server.send(&request("POST", VERSIONS).body("x".repeat(2 << 20)));
    assert_eq!((answer.status, &answer.json()["statusCode"]), (413, &json!("CTAPI_413")));
    // Fewer bytes than a body may have, but more than its fields may have.
    let long = json!({"description": "x".repeat((1 << 20) + 10)});
    let answer = server.send(&request("POST", VERSIONS).json(&long));
    assert_eq!((answer.status, &answer.json()["statusCode"]), (413, &json!("CTAPI_413")));
    assert_eq!(server.footprint(), before);
}

#[test]
fn layer_created_through_ctyun_is_visible_in_native_api() {
    let server = TestServer::start();
    create(&server, "shared");
    let answer = server.send(&Request::get("/api/v1/layers/demo/versions/1"));
    assert_eq!(answer.json()["description"], "shared");
    assert_eq!(answer.json()["md5"], "80090567f507e0772ac6809a2830fcd0");
}
