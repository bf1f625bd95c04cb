//! Tencent's v1 signature over a form too long for memory, and its v3 signature on requests without
//! `X-TC-Action`, a header that it does not cover; roles, unknown actions and cached lists; against
//! a whole server.

use hmac::digest::KeyInit;
use hmac::{Hmac, Mac};
use layerbase::config::Auth;
use layerbase::domain::Role;
use sha1::Sha1;

use crate::clouds;
use crate::support::server::START;
use crate::support::sign::TestKey;
use crate::support::{Request, TestServer, raw, zips};

const KEY_ID: &str = "AKIDLONGFORM0001";
const SECRET: &str = "secret-of-a-long-form";

/// Returns a signed form that publishes a layer. Its parameters are not in the order of signing.
fn form(server: &TestServer, code: &str) -> String {
    let host = server.base().trim_start_matches("http://");
    let time = START.to_string();
    let mut pairs = vec![
        ("Version", "2018-04-16"),
        ("Timestamp", &time),
        ("SecretId", KEY_ID),
        ("LayerName", "long"),
        ("Content.ZipFile", code),
        ("CompatibleRuntimes.0", "Python3.9"),
        ("Action", "PublishLayerVersion"),
    ];
    let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(&pairs).finish();
    pairs.sort_unstable();
    let pairs: Vec<_> = pairs.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let text = format!("POST{host}/?{}", pairs.join("&"));
    let mut hmac = Hmac::<Sha1>::new_from_slice(SECRET.as_bytes()).unwrap();
    hmac.update(text.as_bytes());
    let signature = zips::encode(&hmac.finalize().into_bytes());
    let signature: String = form_urlencoded::byte_serialize(signature.as_bytes()).collect();
    format!("{body}&Signature={signature}")
}

#[test]
fn long_form_is_verified_from_its_spool_file() {
    let server = TestServer::start_with(|config| config.auth = Auth::On);
    server.add_key(KEY_ID, SECRET, "default", Role::Write);
    let noise: Vec<u8> = (0..1_500_000_u32).map(|at| (at.wrapping_mul(at) >> 7) as u8).collect();
    let good = form(&server, &zips::encode(&zips::stored(&[("noise.bin", &noise)])));
    let send = |form: &str| server.send(&Request::new("POST", "/").body(form)).json();

    let before = server.footprint();
    for at in [good.find("UEsD").unwrap() + 10, good.len() / 2, good.find("LayerName").unwrap()] {
        let mut changed = good.clone().into_bytes();
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        let answer = send(&String::from_utf8(changed).unwrap());
        let code = answer.pointer("/Response/Error/Code").unwrap();
        assert_eq!(code, "AuthFailure.SignatureFailure", "{at}");
        assert_eq!(server.footprint(), before);
    }
    assert_eq!(send(&good)["Response"]["LayerVersion"], 1);
}

#[test]
fn v3_signed_json_without_its_action_is_not_read_as_a_form() {
    let server = TestServer::start_with(|config| config.auth = Auth::On);
    server.add_key(KEY_ID, SECRET, "default", Role::Write);
    let key = TestKey { id: KEY_ID, secret: SECRET, tenant: "default" };
    let form = "Action=ListLayers&Version=2018-04-16";
    let inside = format!("{{\"Description\":\"&{form}&\"}}");
    let send = |kind: &str, action: Option<&str>, body: &str| {
        let request = Request::new("POST", "/").header("Content-Type", kind).body(body);
        let request = clouds::named("tencent").sign(key, request, server.base(), server.now());
        let request = match action {
            Some(action) => {
                request.header("X-TC-Action", action).header("X-TC-Version", "2018-04-16")
            }
            None => request,
        };
        server.send(&request).json()["Response"].clone()
    };
    // `@tencent-sdk/capi` (tencent.md section 10) and others send v3-signed JSON with the action in
    // its header.
    for kind in ["application/json", "application/json; charset=utf-8"] {
        let listed = send(kind, Some("ListLayers"), &inside);
        assert_eq!(listed["TotalCount"], 0, "{listed}");
        let refused = send(kind, None, &inside);
        assert_eq!(refused["Error"]["Code"], "MissingParameter", "{refused}");
        let refused = send(kind, None, form);
        assert!(refused["Error"].is_object(), "{refused}");
    }
    let listed = send("application/x-www-form-urlencoded; charset=utf-8", None, form);
    assert_eq!(listed["TotalCount"], 0, "{listed}");
}

/// Sends a v3-signed JSON body with an action in its header.
fn ask(server: &TestServer, action: &str, body: &str) -> serde_json::Value {
    let key = TestKey { id: KEY_ID, secret: SECRET, tenant: "default" };
    let request = Request::new("POST", "/")
        .header("Content-Type", "application/json")
        .header("X-TC-Action", action)
        .header("X-TC-Version", "2018-04-16")
        .body(body);
    let request = clouds::named("tencent").sign(key, request, server.base(), server.now());
    server.send(&request).json()["Response"].clone()
}

#[test]
fn the_role_is_that_of_the_action_in_the_body() {
    let server = TestServer::start_with(|config| config.auth = Auth::On);
    server.add_key(KEY_ID, SECRET, "default", Role::Read);
    let code = zips::encode(&zips::vector("tencent"));
    let publication = format!(
        "{{\"Action\":\"PublishLayerVersion\",\"LayerName\":\"demo\",\
         \"CompatibleRuntimes\":[\"Python3.9\"],\"Content\":{{\"ZipFile\":\"{code}\"}}}}"
    );
    let before = server.footprint();
    for header in ["ListLayers", "GetLayerVersion", "PublishLayerVersion", "Unknown"] {
        let refused = ask(&server, header, &publication);
        assert_eq!(refused["Error"]["Code"], "UnauthorizedOperation.CAM", "{header}: {refused}");
        assert_eq!(server.footprint(), before);
    }
}

#[test]
fn a_cached_list_has_each_request_s_id_and_ends_with_the_next_write() {
    let server = TestServer::start_with(|config| config.auth = Auth::On);
    server.add_key(KEY_ID, SECRET, "default", Role::Write);
    let list = || ask(&server, "ListLayers", "{}");
    let answers = [list(), list(), list()];
    for (at, answer) in answers.iter().enumerate() {
        assert_eq!(answer["TotalCount"], 0, "{answer}");
        let others = answers.iter().skip(at + 1);
        assert!(others.into_iter().all(|other| other["RequestId"] != answer["RequestId"]));
    }
    let code = zips::encode(&zips::vector("tencent"));
    let publication = format!(
        "{{\"LayerName\":\"demo\",\"CompatibleRuntimes\":[\"Python3.9\"],\
         \"Content\":{{\"ZipFile\":\"{code}\"}}}}"
    );
    assert_eq!(ask(&server, "PublishLayerVersion", &publication)["LayerVersion"], 1);
    assert_eq!(list()["TotalCount"], 1);
}

/// A client that waits for `100 Continue` shows whether the server wants the body.
#[test]
fn a_large_body_for_an_unknown_action_is_not_received() {
    let server = TestServer::start();
    let ask = |action: &str, length: usize| {
        let head = format!(
            "POST / HTTP/1.1\r\nHost: localhost\r\nX-TC-Action: {action}\r\nX-TC-Version: 2018-04-16\r\n\
             Content-Length: {length}\r\nExpect: 100-continue\r\n\r\n"
        );
        raw::answer(&mut raw::sent(server.base(), head.as_bytes()))
    };
    assert_eq!(ask("PublishLayerVersion", 9_000_000).status, 100);
    assert_eq!(ask("RunInstances", 1000).status, 100);
    let refusal = ask("RunInstances", 9_000_000);
    assert_eq!(refusal.json()["Response"]["Error"]["Code"], "InvalidAction");
    let body = vec![b' '; 3_000_000];
    let request = Request::new("POST", "/").header("X-TC-Action", "RunInstances").body(body);
    let refusal = server.send(&request).json();
    assert_eq!(refusal["Response"]["Error"]["Code"], "InvalidAction");
}
