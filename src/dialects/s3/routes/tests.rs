//! The gate names each request as `s3s` routes it.

use axum::http::Request;

use super::*;
use crate::dialects::operation::Effect;

fn name(method: &str, target: &str) -> Option<String> {
    let request = Request::builder().method(method).uri(target).body(()).unwrap();
    let (head, ()) = request.into_parts();
    resolve(&head).map(Cow::into_owned)
}

#[test]
fn an_operation_is_named_by_method_path_and_query() {
    for (method, target, expected) in [
        ("HEAD", "/s3/b", "HeadBucket"),
        ("HEAD", "/s3/b/k", "HeadObject"),
        ("GET", "/s3", "ListBuckets"),
        ("GET", "/s3/?x-id=ListBuckets", "ListBuckets"),
        ("GET", "/s3/b/?location", "GetBucketLocation"),
        ("GET", "/s3/b?versioning", "GetBucketVersioning"),
        ("GET", "/s3/b/?versions&prefix=a", "ListObjectVersions"),
        ("GET", "/s3/b?versions&list-type=2", "ListObjectVersions"),
        ("GET", "/s3/b?versions&uploads", "ListMultipartUploads"),
        ("GET", "/s3/b?uploads=", "ListMultipartUploads"),
        ("GET", "/s3/b?%75ploads", "ListMultipartUploads"),
        ("GET", "/s3/b", "ListObjects"),
        ("GET", "/s3/b/?list-type=1", "ListObjects"),
        ("GET", "/s3/b?list-type=2", "ListObjectsV2"),
        ("GET", "/s3/b?list-type=2&list-type=2", "ListObjects"),
        ("GET", "/s3/b/k?list-type=2", "GetObject"),
        ("GET", "/s3/b%2Fk", "GetObject"),
        ("GET", "/s3/b//", "GetObject"),
        ("GET", "/s3/b/k?tagging", "GetObjectTagging"),
        ("GET", "/s3/b/k?tagging&uploadId=1", "GetObjectTagging"),
        ("GET", "/s3/b/k?uploadId=1", "ListParts"),
        ("PUT", "/s3/b", "CreateBucket"),
        ("PUT", "/s3/b/k", "PutObject"),
        ("PUT", "/s3/b/k?uploadId=1", "PutObject"),
        ("PUT", "/s3/b/k?partNumber=1&uploadId=1", "UploadPart"),
        ("POST", "/s3/b?delete", "DeleteObjects"),
        ("POST", "/s3/b/k?uploads", "CreateMultipartUpload"),
        ("POST", "/s3/b/k?uploads&uploadId=1", "CreateMultipartUpload"),
        ("POST", "/s3/b/k?uploadId=1", "CompleteMultipartUpload"),
        ("DELETE", "/s3/b", "DeleteBucket"),
        ("DELETE", "/s3/b/k", "DeleteObject"),
        ("DELETE", "/s3/b/k?uploadId=1", "AbortMultipartUpload"),
    ] {
        assert_eq!(name(method, target).as_deref(), Some(expected), "{method} {target}");
    }
    assert_eq!(name("PATCH", "/s3/b"), None);
}

#[test]
fn the_header_with_a_source_makes_a_copy_of_an_upload() {
    for (method, target, expected) in [
        ("PUT", "/s3/b/k", "CopyObject"),
        ("PUT", "/s3/b/k?uploadId=1", "CopyObject"),
        ("PUT", "/s3/b/k?partNumber=1&uploadId=1", "UploadPartCopy"),
        ("PUT", "/s3/b", "CreateBucket"),
        ("GET", "/s3/b/k", "GetObject"),
    ] {
        let request = Request::builder().method(method).uri(target);
        let request = request.header("x-amz-copy-source", "b/a").body(()).unwrap();
        let (head, ()) = request.into_parts();
        assert_eq!(resolve(&head).as_deref(), Some(expected), "{method} {target}");
    }
}

#[test]
fn every_name_is_an_operation_whose_effect_is_the_methods() {
    let operations = operations();
    for method in ["HEAD", "GET", "PUT", "POST", "DELETE"] {
        for path in ["/s3", "/s3/b", "/s3/b/k"] {
            for query in ["", "?acl", "?uploads", "?uploadId=1&partNumber=1", "?list-type=2"] {
                let name = name(method, &format!("{path}{query}")).unwrap();
                let found = operations.iter().find(|operation| operation.name == name).unwrap();
                let is_read = matches!(method, "HEAD" | "GET");
                assert_eq!(found.effect == Effect::Read, is_read, "{method} {path}{query}");
            }
        }
    }
}
