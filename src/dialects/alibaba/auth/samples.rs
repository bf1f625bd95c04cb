//! Signed requests for the tests of all schemes: the vectors of alibaba.md section 9 as the clients
//! sent them, and a few of the same form that no client was seen sending.

use md5::{Digest, Md5};

use super::{Body, Claim};
use crate::dialects::alibaba::errors::ApiError;
use crate::dialects::signing::Denied;
use crate::dialects::signing::mutations::Sample;

const KEY_ID: &str = "LTAItestAccessKey0001";
const SECRET: &[u8] = b"testSecret/AbCdEf0123456789xyz";

/// The zip of section 4.
const ZIP: &str = "UEsDBBQAAAAAAAAAIViHyjLQIgAAACIAAAAIAAAAaW5kZXgucHlkZWYgaGFuZGxlcihlLGMpOgogICAg\
                   cmV0dXJuICJoaSIKUEsBAhQDFAAAAAAAAAAhWIfKMtAiAAAAIgAAAAgAAAAAAAAAAAAAAIABAAAAAGlu\
                   ZGV4LnB5UEsFBgAAAAABAAEANgAAAEgAAAAAAA==";

/// Decides as the dialect does where the key above is the only one, at the time of signing.
pub(super) fn decide(sample: &Sample) -> Result<(), ApiError> {
    let head = sample.head().unwrap();
    let body = digests(sample);
    let claim = Claim::read(&head)?;
    match (claim.key_id == KEY_ID, claim.is_made_with(SECRET, &claim.proof(&head, &body))) {
        (true, true) => Ok(()),
        (true, false) => Err(Denied::BadSignature.into()),
        (false, _) => Err(Denied::UnknownKey(claim.key_id.to_owned()).into()),
    }
}

pub(super) fn digests(sample: &Sample) -> Body {
    Body { md5: Md5::digest(&sample.body).into(), sha256: sample.body_sha256() }
}

fn with_zip(start: &str, end: &str) -> String {
    format!("{start}{ZIP}{end}")
}

pub(super) fn fc_list() -> Sample {
    Sample::new(
        "GET",
        "/2016-08-15/layers?prefix=lay&startKey=lay-b&limit=1",
        &[
            ("date", "Sat, 21 Nov 2026 16:39:49 GMT"),
            ("x-fc-account-id", "1234567890123456"),
            (
                "authorization",
                "FC LTAItestAccessKey0001:64tlOaU+14tb69oGcWKDTxVEhihpsW+RRV3vqDGMv+g=",
            ),
        ],
        "",
    )
}

pub(super) fn fc_publish() -> Sample {
    Sample::new(
        "POST",
        "/2016-08-15/layers/node-lay/versions",
        &[
            ("content-md5", "YmQ0YjFiM2MzZThlNWRlMGQ2NmQwODAwMzAyODU1NmE="),
            ("content-type", "application/json"),
            ("date", "Sat, 21 Nov 2026 16:39:49 GMT"),
            ("x-fc-account-id", "1234567890123456"),
            (
                "authorization",
                "FC LTAItestAccessKey0001:+ST/tyMcwLjDzrVo+VXLmOZbv4VncVOm4LYFZuMMhWY=",
            ),
        ],
        &with_zip(
            r#"{"code":{"zipFile":""#,
            r#""},"description":"n","compatibleRuntime":["nodejs14"]}"#,
        ),
    )
}

pub(super) fn fc_by_arn() -> Sample {
    Sample::new(
        "GET",
        "/2016-08-15/layerarn/abeac07d3c28c1bef9e730002c753ed4%23node-lay%231",
        &[
            ("date", "Sat, 21 Nov 2026 16:39:50 GMT"),
            ("x-fc-account-id", "1234567890123456"),
            (
                "authorization",
                "FC LTAItestAccessKey0001:A4Z0qHDwGAs14jqCeDK3EL04WDEgiP/QBdvIqGxexx8=",
            ),
        ],
        "",
    )
}

/// Signed with the path decoded, and with an account id that is empty.
pub(super) fn fc_by_arn_decoded() -> Sample {
    Sample::new(
        "GET",
        "/2016-08-15/layerarn/abeac07d3c28c1bef9e730002c753ed4%23node-lay%231",
        &[
            ("date", "Sat, 21 Nov 2026 16:39:50 GMT"),
            ("x-fc-account-id", ""),
            (
                "authorization",
                "FC LTAItestAccessKey0001:oBRvzJuc6Uubxw8mxWSHqOOLNtQNrn+TQHXl/5xuo0Y=",
            ),
        ],
        "",
    )
}

pub(super) fn acs3_list() -> Sample {
    Sample::new(
        "GET",
        "/2023-03-30/layers?limit=2&official=false&prefix=lay&public=false",
        &[
            ("accept", "application/json"),
            ("host", "127.0.0.1:43051"),
            ("user-agent", "AlibabaCloud (Linux; x86_64) Python/3.11.7 Core/0.4.3 TeaDSL/2"),
            ("x-acs-action", "ListLayers"),
            (
                "x-acs-content-sha256",
                "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            ),
            ("x-acs-credentials-provider", "static_ak"),
            ("x-acs-date", "2026-11-21T16:39:47Z"),
            ("x-acs-signature-nonce", "406aa5bcbb1f15190885f0fa5e4ebff8"),
            ("x-acs-version", "2023-03-30"),
            (
                "authorization",
                "ACS3-HMAC-SHA256 Credential=LTAItestAccessKey0001,SignedHeaders=accept;host;\
                 user-agent;x-acs-action;x-acs-content-sha256;x-acs-credentials-provider;\
                 x-acs-date;x-acs-signature-nonce;x-acs-version,Signature=\
                 ae93b5ff03c87c8469bdaba352673f500c33d25e011188a69cf68a7267227a01",
            ),
        ],
        "",
    )
}

pub(super) fn acs3_publish() -> Sample {
    Sample::new(
        "POST",
        "/2023-03-30/layers/lay-a/versions",
        &[
            ("accept", "application/json"),
            ("content-type", "application/json; charset=utf-8"),
            ("host", "127.0.0.1:43051"),
            ("user-agent", "AlibabaCloud (Linux; x86_64) Python/3.11.7 Core/0.4.3 TeaDSL/2"),
            ("x-acs-action", "CreateLayerVersion"),
            (
                "x-acs-content-sha256",
                "3ab5000b6adc4c379a808fb947a0f9b9d3317526f5a2813e88887bd27a320f81",
            ),
            ("x-acs-credentials-provider", "static_ak"),
            ("x-acs-date", "2026-11-21T16:39:47Z"),
            ("x-acs-signature-nonce", "736ba940663e8ce1412186553560f7b1"),
            ("x-acs-version", "2023-03-30"),
            (
                "authorization",
                "ACS3-HMAC-SHA256 Credential=LTAItestAccessKey0001,SignedHeaders=accept;\
                 content-type;host;user-agent;x-acs-action;x-acs-content-sha256;\
                 x-acs-credentials-provider;x-acs-date;x-acs-signature-nonce;x-acs-version,\
                 Signature=7e5433adeb036367de26e4e03fdb9afa64f3582a732ada7d085133e820fa78f2",
            ),
        ],
        &with_zip(PUBLISH_START, PUBLISH_END),
    )
}

const PUBLISH_START: &str = r#"{"code":{"checksum":"1958513839837250936","zipFile":""#;
const PUBLISH_END: &str = concat!(
    r#""},"compatibleRuntime":["python3.10"],"description":"second","#,
    r#""license":"Apache-2.0"}"#
);

pub(super) fn roa_list() -> Sample {
    Sample::new(
        "GET",
        "/2023-03-30/layers?limit=2&prefix=lay+a",
        &[
            ("accept", "application/json"),
            ("date", "Sat, 21 Nov 2026 16:42:04 GMT"),
            ("x-acs-action", "ListLayers"),
            ("x-acs-credentials-provider", "static_ak"),
            ("x-acs-signature-method", "HMAC-SHA1"),
            ("x-acs-signature-nonce", "18d6a48705f89bc32b992d28d6bb0a0f"),
            ("x-acs-signature-version", "1.0"),
            ("x-acs-version", "2023-03-30"),
            ("authorization", "acs LTAItestAccessKey0001:mJ6Z8aIJbduyqBq1YVl9w7OBGBE="),
        ],
        "",
    )
}

/// Publishes with the `Content-MD5` that the scheme has a line for and no client was seen sending.
pub(super) fn roa_publish() -> Sample {
    roa_publish_with(&[
        ("content-md5", "ZlkuHRsyEoG7wwkDQ/yzzQ=="),
        ("authorization", "acs LTAItestAccessKey0001:KFTvWv8f31IOclX5yk3Wn3W79tQ="),
    ])
}

/// Publishes as the client does it: nothing covers the body.
pub(super) fn roa_publish_uncovered() -> Sample {
    let authorization = "acs LTAItestAccessKey0001:xxaJNm2cUnQ4k3+Wr2d/UZlwkcI=";
    roa_publish_with(&[("authorization", authorization)])
}

fn roa_publish_with(more: &[(&'static str, &str)]) -> Sample {
    let headers = [
        ("accept", "application/json"),
        ("content-type", "application/json; charset=utf-8"),
        ("date", "Sat, 21 Nov 2026 16:42:04 GMT"),
        ("x-acs-action", "CreateLayerVersion"),
        ("x-acs-signature-method", "HMAC-SHA1"),
        ("x-acs-signature-nonce", "n1"),
        ("x-acs-signature-version", "1.0"),
        ("x-acs-version", "2023-03-30"),
    ];
    let headers = [&headers, more].concat();
    let body = with_zip(PUBLISH_START, PUBLISH_END);
    Sample::new("POST", "/2023-03-30/layers/lay-a/versions", &headers, &body)
}
