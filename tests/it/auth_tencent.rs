//! Tencent's v1 signature over a form that is too long for memory, against a whole server.

use hmac::digest::KeyInit;
use hmac::{Hmac, Mac};
use layerbase::config::Auth;
use layerbase::domain::Role;
use sha1::Sha1;

use crate::support::server::START;
use crate::support::{Request, TestServer, zips};

const KEY_ID: &str = "AKIDLONGFORM0001";
const SECRET: &str = "secret-of-a-long-form";

/// A signed form that publishes a layer, its parameters in another order than signed.
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
fn a_long_form_is_verified_from_its_file() {
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
