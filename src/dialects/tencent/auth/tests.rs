//! The captured requests of tencent.md section 9.4, and requests that must be refused.

mod mutations;

use bytes::Bytes;
use serde_json::Value;

use super::*;
use crate::dialects::signing::mutations::Sample;
use crate::dialects::signing::{hex_sha256, hmac_sha256};
use crate::ingest::{Measure, SpoolWriter, UploadFolder};

const KEY_ID: &str = "AKIDEXAMPLE0000000000000000000000001";
const SECRET: &[u8] = b"SKEXAMPLE00000000000000000000001";
const NOW: i64 = 1_700_000_000;

const ZIP: &str = "UEsDBBQAAAAAAIIYIlhE2VyuNQAAADUAAAAIAAAAaW5kZXgucHlkZWYgbWFpbl9oYW5kbGVyKGV2ZW50LCBjb250ZXh0KToKICAgIHJldHVybiAiaGVsbG8iClBLAQIUAxQAAAAAAIIYIlhE2VyuNQAAADUAAAAIAAAAAAAAAAAAAACkAQAAAABpbmRleC5weVBLBQYAAAAAAQABADYAAABbAAAAAAA=";
const PYTHON: &str = r#"{"LayerName": "demo", "LayerVersion": 1}"#;
const NODE: &str = r#"{"LayerName":"demo","LayerVersion":1}"#;
const QUERY: &str =
    "/?LayerName=demo&CompatibleRuntime.0=Python3.9&CompatibleRuntime.1=Nodejs16.13";
const OLD: &str = "LayerName=demo&CompatibleRuntime.0=Python3.9&CompatibleRuntime.1=Nodejs16.13\
    &Action=ListLayerVersions&RequestClient=SDK_PYTHON_3.1.100&Nonce=12345&Timestamp=1700000000\
    &Version=2018-04-16&Region=ap-guangzhou&SecretId=AKIDEXAMPLE0000000000000000000000001\
    &Language=zh-CN";

/// Signs by v3.
fn v3(sample: Sample, host: &str, kind: &str, service: &str, signature: &str) -> Sample {
    let authorization = format!(
        "TC3-HMAC-SHA256 Credential={KEY_ID}/2023-11-14/{service}/tc3_request, \
         SignedHeaders=content-type;host, Signature={signature}"
    );
    sample
        .with("content-type", kind)
        .with("host", host)
        .with("x-tc-timestamp", "1700000000")
        .with("authorization", &authorization)
}

fn spool(sample: &Sample) -> Spool {
    let mut writer =
        SpoolWriter::new(&UploadFolder::new(&std::env::temp_dir(), None), 1 << 30, Measure::Sha256);
    for chunk in sample.body.chunks(50_000) {
        writer.write(Bytes::copy_from_slice(chunk)).unwrap();
    }
    writer.finish().unwrap()
}

/// Passes the claim to `look`; `None` for a request that HTTP does not allow.
fn claimed<T>(sample: &Sample, look: impl FnOnce(Result<Claim<'_>, ApiError>) -> T) -> Option<T> {
    let (head, spool) = (sample.head()?, spool(sample));
    Some(look(Claim::read(&head, Some(&spool)).map(|claim| claim.unwrap())))
}

/// Whether the vectors' key is accepted at their time, or the code of the refusal.
fn verdict(sample: &Sample, secret: &[u8]) -> Option<Result<(), String>> {
    claimed(sample, |claim| {
        let claim = claim.map_err(|refusal| code(&refusal))?;
        let skew = claim.signed.as_second().abs_diff(NOW);
        claim.check_date().map_err(|denied| code(&denied.into()))?;
        let is_made = claim.is_made_with(secret, sample.body_sha256()).unwrap();
        if is_made && claim.key_id == KEY_ID && skew <= 300 {
            Ok(())
        } else {
            Err("AuthFailure.SignatureFailure".to_owned())
        }
    })
}

fn code(refusal: &ApiError) -> String {
    let shape: Value = serde_json::to_value(refusal).unwrap();
    assert!(shape["Message"].as_str().is_some_and(|text| !text.is_empty()));
    shape["Code"].as_str().unwrap().to_owned()
}

fn publish_body() -> String {
    format!(
        "{{\"LayerName\": \"demo\", \"CompatibleRuntimes\": [\"Python3.9\", \"Nodejs16.13\"], \
         \"Content\": {{\"ZipFile\": \"{ZIP}\"}}, \
         \"Description\": \"first layer, \\u7b2c\\u4e00\\u5c42\", \"LicenseInfo\": \"MIT\", \
         \"Tags\": [{{\"Key\": \"env\", \"Value\": \"dev\"}}]}}"
    )
}

/// Client and request of each vector of tencent.md section 9.4 by v3.
fn v3_vectors() -> Vec<(&'static str, Sample)> {
    let (json, form) = ("application/json", "application/x-www-form-urlencoded");
    let (charset, host) = ("application/json; charset=utf-8", "127.0.0.1:9000");
    let post = |body: &str| Sample::new("POST", "/", &[], body);
    let unsigned = post(PYTHON).with("x-tc-content-sha256", "UNSIGNED-PAYLOAD");
    let by_get = Sample::new("GET", QUERY, &[], "");
    let vectors = [
        ("Python", post(PYTHON), host, json, "scf"),
        ("Python publishes", post(&publish_body()), host, json, "scf"),
        ("Python by GET", by_get, host, form, "scf"),
        ("Node.js", post(NODE), host, json, "127"),
        ("tccli", post(PYTHON), "http://127.0.0.1:9000", json, "scf"),
        ("Java", post(PYTHON), host, charset, "127"),
        ("Python, unsigned payload", unsigned, host, json, "scf"),
    ];
    let signed = |((client, sample, host, kind, service), signature)| {
        (client, v3(sample, host, kind, service, signature))
    };
    vectors.into_iter().zip(SIGNATURES).map(signed).collect()
}

/// The signatures of [`v3_vectors`], in their order.
const SIGNATURES: [&str; 7] = [
    "318f9d1f015413c9ee698006ee0ee7fa70329acede8549f8bc06a58c83d29432",
    "5fbb31a5028d026a3d8c27bbc3c41199d3494e38959f39582d7805ee19849a64",
    "26dcfc905502691b0fdc9ed55efa18f6a48db5da038e6b5c41cd425fa2aa40c6",
    "90fc412f2d20d569d6af60bc1b53eb5ea2516a8bc4885e1f46b9091c4f9d5cb1",
    "adb98afa1be410bcbfdb73270b14d78163141d379c82178647149515d4506e8d",
    "f63dc5b71448a927b0bd486a3c885c1cedd84f1a339056e73e0260ccca3e2995",
    "dc408bc108b6f4e96ba9008dd531c7c1fd035924f54254715594d328e6c2826a",
];

fn v1_vectors() -> Vec<(&'static str, Sample)> {
    let host = "127.0.0.1:9000";
    let form = format!(
        "{OLD}&SignatureMethod=HmacSHA256&Signature=C3qjSzkgJaBhBS%2FXyiak%2Frm1WYlMK9fdy0xgGXM6XUo%3D"
    );
    let query =
        format!("/?{OLD}&SignatureMethod=HmacSHA1&Signature=%2F9XXJlZmDd0uhGlyxMaqBAfNhRM%3D");
    vec![
        ("Python, form", Sample::new("POST", "/", &[("host", host)], &form)),
        ("Python, query", Sample::new("GET", &query, &[("host", host)], "")),
    ]
}

#[test]
fn captured_requests_are_accepted_with_their_secret_alone() {
    for (client, sample) in v3_vectors().into_iter().chain(v1_vectors()) {
        assert_eq!(verdict(&sample, SECRET), Some(Ok(())), "{client}");
        let refused = Some(Err("AuthFailure.SignatureFailure".to_owned()));
        assert_eq!(verdict(&sample, b"SKEXAMPLE00000000000000000000002"), refused, "{client}");
        assert_eq!(verdict(&sample, b""), refused, "{client}");
    }
}

#[test]
fn steps_of_v3_are_those_of_the_reference() {
    let (_, sample) = &v3_vectors()[0];
    let body = "9ab93b601c4ac99e9502cdaf1ccf211b25ffe921681f33899367c2239569ba40";
    assert_eq!(hex_sha256(&sample.body), body);
    claimed(sample, |claim| {
        let claim = claim.unwrap();
        let Proof::V3(proof) = &claim.proof else { panic!("not v3") };
        let request = &proof.canonical_requests(sample.body_sha256())[0];
        let wanted = format!(
            "POST\n/\n\ncontent-type:application/json\nhost:127.0.0.1:9000\n\ncontent-type;host\n{body}"
        );
        assert_eq!(*request, wanted);
        let digest = "ea6c13c26e74cbaec62f0501bcb55c6da2be31e03bc07fab92d8a6bcc3e3c3d5";
        assert_eq!(hex_sha256(request.as_bytes()), digest);
        let text = format!("TC3-HMAC-SHA256\n1700000000\n2023-11-14/scf/tc3_request\n{digest}");
        assert_eq!(proof.texts(sample.body_sha256())[0], text);
        let key = v3::signing_key(SECRET, "2023-11-14", "scf");
        assert_eq!(hex::encode(hmac_sha256(&key, text.as_bytes())), SIGNATURES[0]);
    });
    let publish = "3320d0cc27cf00b23cabd0523819d8593ebc79323841d10bac37b0920be4485f";
    assert_eq!(hex_sha256(publish_body().as_bytes()), publish);
}

fn v1_text(sample: &Sample) -> String {
    let text = claimed(sample, |claim| {
        let claim = claim.unwrap();
        let Proof::V1(proof) = &claim.proof else { panic!("not v1") };
        let mut text = Vec::new();
        proof.write_text("127.0.0.1:9000", |piece| text.extend_from_slice(piece)).unwrap();
        String::from_utf8(text).unwrap()
    });
    text.unwrap()
}

#[test]
fn the_text_of_v1_is_that_of_the_reference() {
    let text = "POST127.0.0.1:9000/?Action=ListLayerVersions&CompatibleRuntime.0=Python3.9\
        &CompatibleRuntime.1=Nodejs16.13&Language=zh-CN&LayerName=demo&Nonce=12345\
        &Region=ap-guangzhou&RequestClient=SDK_PYTHON_3.1.100\
        &SecretId=AKIDEXAMPLE0000000000000000000000001&SignatureMethod=HmacSHA256\
        &Timestamp=1700000000&Version=2018-04-16";
    assert_eq!(v1_text(&v1_vectors()[0].1), text);
    let text = text.replace("POST", "GET").replace("HmacSHA256", "HmacSHA1");
    assert_eq!(v1_text(&v1_vectors()[1].1), text);
}

/// A form with code, signed by HmacSHA256; `signed` is the text with `{code}` in the code's place.
fn form_with_code(code: &str, name: &str) -> Sample {
    let plain = [
        ("Action", "PublishLayerVersion"),
        ("Description", "a b+c&d=第一层"),
        ("SecretId", KEY_ID),
        ("SignatureMethod", "HmacSHA256"),
        ("Timestamp", "1700000000"),
        ("Zone", "after the code"),
    ];
    let mut pairs: Vec<_> = plain.into_iter().chain([(name, code)]).collect();
    // Sent in another order than signed.
    let body =
        form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs.iter().rev()).finish();
    pairs.sort_unstable();
    let pairs: Vec<_> = pairs.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let text = format!("POST127.0.0.1:9000/?{}", pairs.join("&"));
    let signature = base64_simd::STANDARD.encode_to_string(hmac_sha256(SECRET, text.as_bytes()));
    let signature: String = form_urlencoded::byte_serialize(signature.as_bytes()).collect();
    Sample::new(
        "POST",
        "/",
        &[("host", "127.0.0.1:9000")],
        &format!("Signature={signature}&{body}"),
    )
}

#[test]
fn code_of_any_size_is_signed_from_the_spool() {
    for name in ["Code.ZipFile", "Content.ZipFile", "ZipFile"] {
        for size in [0, 4, 300_000] {
            let mut sample = form_with_code(&"ab+/".repeat(size / 4), name);
            assert_eq!(spool(&sample).bytes().is_none(), size > 4);
            assert_eq!(verdict(&sample, SECRET), Some(Ok(())), "{name} {size}");
            let last = sample.body.len() - 1;
            sample.body[last] ^= 1;
            let refused = Some(Err("AuthFailure.SignatureFailure".to_owned()));
            assert_eq!(verdict(&sample, SECRET), refused, "{name} {size}");
        }
    }
    assert!(
        v1_text(&form_with_code("aGk=", "Content.ZipFile")).contains("&Content.ZipFile=aGk=&De")
    );
}

#[test]
fn credentials_are_missing_malformed_or_read() {
    let plain = || Sample::new("POST", "/", &[("x-tc-action", "ListLayers")], "{}");
    let said = |sample: Sample| {
        claimed(&sample, |claim| claim.err().map(|refusal| code(&refusal))).unwrap()
    };
    assert_eq!(said(plain()).unwrap(), "MissingParameter");
    assert_eq!(said(plain().with("authorization", "SKIP")).unwrap(), "MissingParameter");
    let malformed = Some("AuthFailure.InvalidAuthorization".to_owned());
    let scope = format!("{KEY_ID}/2023-11-14/scf/tc3_request");
    let (headers, signature) = ("SignedHeaders=content-type;host", "Signature=00");
    let many: String = (0..31).map(|number| format!(";x-{number}")).collect();
    for bad in [
        "",
        "Bearer x",
        "TC3-HMAC-SHA256",
        "TC3-HMAC-SHA2567 x",
        &format!("TC3-HMAC-SHA256 Credential={scope}, {headers}"),
        &format!("TC3-HMAC-SHA256 {headers}, {signature}"),
        &format!("TC3-HMAC-SHA256 Credential={scope}, {signature}"),
        &format!("TC3-HMAC-SHA256 Credential={scope}, {headers}, {signature}, {signature}"),
        &format!("TC3-HMAC-SHA256 Credential={scope}, {headers}, {signature}, Other=x"),
        &format!("TC3-HMAC-SHA256 Credential={scope}, {headers}, {signature},"),
        &format!("TC3-HMAC-SHA256 Credential={scope}x, {headers}, {signature}"),
        &format!("TC3-HMAC-SHA256 Credential={KEY_ID}/tc3_request, {headers}, {signature}"),
        &format!("TC3-HMAC-SHA256 Credential={KEY_ID}, {headers}, {signature}"),
        &format!("TC3-HMAC-SHA256 Credential={scope}, SignedHeaders=host, {signature}"),
        &format!("TC3-HMAC-SHA256 Credential={scope}, {headers};Host, {signature}"),
        &format!("TC3-HMAC-SHA256 Credential={scope}, {headers}{many}, {signature}"),
    ] {
        assert_eq!(said(plain().with("authorization", bad)), malformed, "{bad}");
    }
    for good in [", ", ",", " ,  ", ",\t"] {
        let sent = format!("TC3-HMAC-SHA256  {headers}{good}Credential={scope}{good}{signature} ");
        let sample = plain().with("authorization", &sent);
        assert_eq!(said(sample.clone()).unwrap(), "MissingParameter");
        assert_eq!(said(sample.clone().with("x-tc-timestamp", "-1")).unwrap(), "InvalidParameter");
        assert_eq!(said(sample.with("x-tc-timestamp", "1700000000")), None);
    }
}

#[test]
fn parameters_of_v1_may_be_missing() {
    let said = |form: &str| {
        let sample = Sample::new("POST", "/", &[], form);
        claimed(&sample, |claim| claim.err().map(|refusal| code(&refusal))).unwrap()
    };
    assert_eq!(said("SecretId=x&Signature=y&Timestamp=1"), None);
    for form in ["", "a=b", "SecretId=x", "Signature=y", "SecretId=x&Signature=y"] {
        assert_eq!(said(form).unwrap(), "MissingParameter", "{form}");
    }
    for time in ["x", "", "1.5", "99999999999999", "9999999999999999999999"] {
        let form = format!("SecretId=x&Signature=y&Timestamp={time}");
        assert_eq!(said(&form).unwrap(), "InvalidParameter", "{time}");
    }
    let bare = format!("SecretId=x&Signature=y&Timestamp=1{}", "&ZipFile".repeat(3000));
    assert!(said(&bare).is_some(), "code by the same name is there once");
    let long = format!("SecretId=x&Signature=y&a={}", "b".repeat(1 << 20));
    assert_eq!(said(&long).unwrap(), "RequestSizeLimitExceeded");
}

#[test]
fn headers_are_signed_as_sent_or_in_lower_case() {
    let key = v3::signing_key(SECRET, "2023-11-14", "scf");
    let said = |kind: &str, signed: &str| {
        let payload = hex_sha256(b"{}");
        let names = "content-type;host;x-tc-action";
        let request = format!("POST\n/\n\n{signed}\n{names}\n{payload}");
        let digest = hex_sha256(request.as_bytes());
        let text = format!("TC3-HMAC-SHA256\n1700000000\n2023-11-14/scf/tc3_request\n{digest}");
        let signature = hex::encode(hmac_sha256(&key, text.as_bytes()));
        let sample = Sample::new("POST", "/", &[("x-tc-action", "ListLayers")], "{}");
        let sample = v3(sample, "LocalHost:9000", kind, "scf", &signature);
        let sent = String::from_utf8(sample.header("authorization").unwrap().to_vec()).unwrap();
        let sample = sample.with("authorization", &sent.replace("content-type;host", names));
        verdict(&sample, SECRET).unwrap()
    };
    let kind = "application/json; charset=UTF-8";
    for host in ["LocalHost:9000", "LocalHost"] {
        let sent = format!("content-type:{kind}\nhost:{host}\nx-tc-action:ListLayers\n");
        assert_eq!(said(kind, &sent), Ok(()));
        assert_eq!(said(kind, &sent.to_lowercase()), Ok(()));
        assert!(said(kind, &sent.replace("ListLayers", "Other")).is_err());
    }
}
