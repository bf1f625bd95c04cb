//! Changes to keys, cloud ids and the link secret apply at once; limits of one tenant and one key.

use layerbase::config::Auth;
use layerbase::dialects;
use layerbase::domain::{CloudIds, Role, TenantId};
use serde_json::Value;

use crate::clouds::{self, native};
use crate::support::server::owner;
use crate::support::sign::TestKey;
use crate::support::{Answer, Request, TestServer, zips};

const WRITER: TestKey = TestKey { id: "WRITER01", secret: "secret-of-writer", tenant: "default" };

fn publish(server: &TestServer, name: &str) -> Answer {
    let path = format!("/api/v1/layers/{name}/versions");
    server.send(&Request::new("POST", &path).body(zips::vector("tencent")))
}

/// Asks three times: the third answer comes from the response cache.
fn layers(server: &TestServer) -> Value {
    let ask = || server.send(&Request::get("/2021-04-06/layers")).json()["layers"][0].clone();
    (ask(), ask(), ask()).2
}

#[test]
fn cached_page_follows_cloud_ids_and_link_secret() {
    let server = TestServer::start();
    assert_eq!(publish(&server, "demo").status, 201);
    let before = layers(&server);
    let link = |layer: &Value| layer["code"]["location"].as_str().unwrap().to_owned();
    assert_eq!(Request::get(&link(&before)).send("").status, 200);

    let local = server.local();
    local.rotate_link_secret(&owner(), [9; 32]).unwrap();
    let after = layers(&server);
    assert_ne!(link(&before), link(&after));
    assert_eq!(Request::get(&link(&before)).send("").status, 403);
    assert_eq!(Request::get(&link(&after)).send("").status, 200);

    let account = *dialects::known().cloud_id("alibaba_account").unwrap();
    let set = move |ids: &mut CloudIds| ids.set(&account, "1234567890123456").unwrap();
    local.change_cloud_ids(&owner(), &TenantId::default_tenant(), set).unwrap();
    let arn = "acs:fc:local-1:1234567890123456:layers/demo/versions/1";
    assert_eq!(layers(&server)["arnV2"], arn);
    let other = TenantId::parse("other").unwrap();
    let taken = local.change_cloud_ids(&owner(), &other, set).unwrap_err().to_string();
    assert_eq!(taken, "the name 'alibaba_account' is in use by the tenant default");
}

#[test]
fn key_changes_apply_at_once_and_last_use_is_recorded() {
    let server = TestServer::start_with(|config| config.auth = Auth::On);
    let ask = || server.send(&native::bearer(WRITER, Request::get("/api/v1/layers"))).status;
    assert_eq!(ask(), 401);
    server.add_key(WRITER.id, WRITER.secret, WRITER.tenant, Role::Write);
    assert_eq!(ask(), 200);
    let local = server.local();
    let key = || local.list_keys().unwrap().remove(0);
    let used = |at| (0..100_000).any(|_| key().last_used == Some(at));
    assert!(used(server.now()));
    // The last use is not recorded with each request, only after an interval.
    let first = server.now();
    server.pass_seconds(300);
    assert_eq!(ask(), 200);
    server.pass_seconds(300);
    assert!(key().last_used == Some(first));
    assert_eq!(ask(), 200);
    assert!(used(server.now()));

    local.enable_key(&owner(), &key().id, false).unwrap();
    assert_eq!(ask(), 401);
    local.enable_key(&owner(), &key().id, true).unwrap();
    assert_eq!(ask(), 200);
    local.delete_key(&owner(), &key().id).unwrap();
    assert_eq!(ask(), 401);
    // A new key with the same id is another key: its first use is recorded.
    server.pass_seconds(1);
    server.add_key(WRITER.id, WRITER.secret, WRITER.tenant, Role::Write);
    assert_eq!(key().last_used, None);
    assert_eq!(ask(), 200);
    assert!(used(server.now()));
}

#[test]
fn tenant_code_limit_is_enforced_and_deletion_frees_it() {
    let size = zips::vector("tencent").len() as u64;
    let server = TestServer::start_with(|config| config.max_tenant_code = Some(2 * size + 1));
    assert_eq!(publish(&server, "one").status, 201);
    // Equal content counts each time, as in the clouds.
    assert_eq!(publish(&server, "two").status, 201);
    let before = server.footprint();
    let refused = publish(&server, "three");
    assert_eq!(refused.status, 413, "{}", refused.text());
    let wanted = format!(
        "bytes of all versions of the tenant: {} is more than the limit of {}",
        3 * size,
        2 * size + 1
    );
    assert_eq!(refused.json()["detail"], wanted.as_str());
    let function = "/api/v1/functions/demo?runtime=python3.10&handler=a.b";
    let function = Request::new("POST", function).body(zips::vector("huawei"));
    assert_eq!(server.send(&function).status, 413);
    assert_eq!(server.footprint(), before);

    let deleted = server.send(&Request::new("DELETE", "/api/v1/layers/two/versions/1"));
    assert_eq!(deleted.status, 204);
    assert_eq!(server.send(&function).status, 201);
}

#[test]
fn function_versions_count_towards_the_tenant_code_limit() {
    let size = zips::vector("huawei").len() as u64;
    let server = TestServer::start_with(|config| config.max_tenant_code = Some(2 * size));
    let function = "/api/v1/functions/demo?runtime=python3.10&handler=a.b";
    let function = Request::new("POST", function).body(zips::vector("huawei"));
    assert_eq!(server.send(&function).status, 201);
    let published = Request::new("POST", "/api/v1/functions/demo/versions");
    assert_eq!(server.send(&published).status, 201);
    assert_eq!(server.send(&published).status, 413);
}

#[test]
fn concurrent_changes_of_cloud_ids_are_all_stored() {
    let server = TestServer::start();
    let names = [("alibaba_account", "17"), ("ctyun_tenant", "7000"), ("tencent_app_id", "125")];
    let known = dialects::known();
    let locals = names.map(|_| server.local());
    std::thread::scope(|scope| {
        for ((field, value), local) in names.into_iter().zip(&locals) {
            let field = *known.cloud_id(field).unwrap();
            scope.spawn(move || {
                for round in 0..20 {
                    let set = move |ids: &mut CloudIds| match round % 2 {
                        0 => ids.clear(&field),
                        _ => ids.set(&field, value).unwrap(),
                    };
                    local.change_cloud_ids(&owner(), &TenantId::default_tenant(), set).unwrap();
                }
            });
        }
    });
    let (_, ids) = locals[0].list_tenants().unwrap().remove(0);
    for (field, value) in names {
        assert_eq!(ids.get(field), Some(value), "{field}");
    }
}

/// Uploads a layer through openYuanrong, whose products are subtenants.
fn publish_in(server: &TestServer, tenant: &str, product: &str) -> Answer {
    let code = zips::vector("tencent");
    let size = format!("application/vnd.yuanrong+attachment;file-size={}", code.len());
    let mut body =
        b"--B\r\nContent-Disposition: form-data; name=\"file\"; filename=\"code.zip\"\r\n\
        Content-Type: application/zip\r\n\r\n"
            .to_vec();
    body.extend([&code[..], b"\r\n--B--\r\n"].concat());
    let request = Request::new("POST", "/function-repository/v1/layers/demo/versions")
        .header("Content-Type", &size)
        .header("X-Content-Type", "multipart/form-data; boundary=B")
        .header("X-Header-Compatible-Runtimes", "[\"python3.9\"]")
        .header("X-Tenant-Id", tenant)
        .header("X-Product-Id", product)
        .body(body);
    server.send(&request)
}

#[test]
fn subtenants_share_the_tenant_code_limit() {
    let size = zips::vector("tencent").len() as u64;
    let server = TestServer::start_with(|config| config.max_tenant_code = Some(2 * size));
    for product in ["", "p1"] {
        let answer = publish_in(&server, "team", product);
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    let before = server.footprint();
    for product in ["", "p1", "p2", "p3@p4"] {
        let answer = publish_in(&server, "team", product);
        assert!(answer.text().contains("more than the limit"), "{product}: {}", answer.text());
    }
    assert_eq!(server.footprint(), before);
    // A tenant whose name only begins with the same letters is another tenant.
    for other in ["team-a", "teaM", "teamA", "tea"] {
        assert_eq!(publish_in(&server, other, "p1").status, 200, "{other}");
    }
}

#[test]
fn rate_limit_applies_to_a_key() {
    let server = TestServer::start_with(|config| {
        config.auth = Auth::On;
        config.rate_limit = Some(2);
    });
    server.add_key(WRITER.id, WRITER.secret, WRITER.tenant, Role::Write);
    let ask = || server.send(&native::bearer(WRITER, Request::get("/api/v1/layers")));
    assert_eq!([ask().status, ask().status], [200, 200]);
    let refused = ask();
    assert_eq!((refused.status, refused.json()["code"].as_str()), (429, Some("too_many_requests")));
    server.pass_seconds(1);
    assert_eq!(ask().status, 200);
}

#[test]
fn each_dialect_renders_too_many_requests() {
    let refused = [
        ("alibaba", 429, "/Code", "ResourceThrottled"),
        ("ctyun", 429, "/eopErrCode", ""),
        ("huawei", 429, "/error_code", "APIGW.0308"),
        ("native", 429, "/code", "too_many_requests"),
        ("openyuanrong", 429, "/error", "Too many requests"),
        ("tencent", 200, "/Response/Error/Code", "RequestLimitExceeded"),
    ];
    let server = TestServer::start_with(|config| {
        config.auth = Auth::On;
        config.rate_limit = Some(1);
    });
    server.add_key(WRITER.id, WRITER.secret, WRITER.tenant, Role::Write);
    for (dialect, status, pointer, code) in refused {
        server.pass_seconds(1);
        let ask = || {
            let cloud = clouds::named(dialect);
            server.send(&cloud.sign(WRITER, cloud.listing(), server.base(), server.now()))
        };
        let answer = ask();
        assert_eq!(answer.status, 200, "{dialect}: {}", answer.text());
        let answer = ask();
        assert_eq!(answer.status, status, "{dialect}: {}", answer.text());
        let body = answer.json();
        let said = body.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        assert!(!said.is_empty() && said.starts_with(code), "{dialect}: {body}");
        let numbers = "equals to `2` in a second, which exceeds the frequency limit `1`";
        assert!(dialect != "tencent" || answer.text().contains(numbers), "{body}");
    }
}
