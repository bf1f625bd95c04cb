//! A list request and a publication for each dialect.

use serde_json::json;

use super::{Request, zips};

/// Returns a request for a list, which may be empty.
pub fn listing(dialect: &str) -> Request {
    match dialect {
        "alibaba" => Request::get("/2023-03-30/layers?limit=2"),
        "ctyun" => {
            Request::get("/openapi/v1/layers/demo/versions?maxResults=2").header("regionId", "r")
        }
        "huawei" => Request::get("/v2/p0/fgs/dependencies?maxitems=2"),
        "openyuanrong" => Request::get("/serverless/v1/functions"),
        "s3" => Request::get("/s3/"),
        "tencent" => tencent("ListLayers").json(&json!({"Limit": 2})),
        _ => Request::get("/api/v1/layers?limit=2"),
    }
}

/// Returns a request that publishes a zip as the layer `demo`; for S3, that puts it as an object.
pub fn publishing(dialect: &str, zip: &[u8]) -> Request {
    let code = || json!({"zipFile": zips::encode(zip)});
    match dialect {
        "alibaba" => Request::new("POST", "/2023-03-30/layers/demo/versions")
            .json(&json!({"code": code(), "compatibleRuntime": ["python3.10"]})),
        "ctyun" => Request::new("POST", "/openapi/v1/layers/demo/versions")
            .header("regionId", "r")
            .json(&json!({"code": code(), "compatibleRuntime": ["python3.10"]})),
        "huawei" => Request::new("POST", "/v2/p0/fgs/dependencies/version").json(&json!({
            "name": "demo", "runtime": "Python3.9", "depend_type": "zip",
            "depend_file": zips::encode(zip),
        })),
        "openyuanrong" => {
            let head =
                "--B\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.zip\"\r\n\r\n";
            let declared = format!("application/vnd.yuanrong+attachment;file-size={}", zip.len());
            Request::new("POST", "/function-repository/v1/layers/demo/versions")
                .header("Content-Type", &declared)
                .header("X-Content-Type", "multipart/form-data; boundary=B")
                .header("X-Header-Compatible-Runtimes", "[\"python3.9\"]")
                .body([head.as_bytes(), zip, b"\r\n--B--\r\n"].concat())
        }
        "s3" => Request::new("PUT", "/s3/code/demo.zip").body(zip),
        "tencent" => tencent("PublishLayerVersion").json(&json!({
            "LayerName": "demo", "CompatibleRuntimes": ["Python3.9"],
            "Content": {"ZipFile": zips::encode(zip)},
        })),
        _ => Request::new("POST", "/api/v1/layers/demo/versions").body(zip),
    }
}

fn tencent(action: &str) -> Request {
    Request::new("POST", "/").header("X-TC-Action", action).header("X-TC-Version", "2018-04-16")
}
