//! Requests that a browser sends for a page of another site change nothing while authentication is
//! off, whatever their method is.

use crate::clouds::{CLOUDS, Change};
use crate::support::{Request, TestServer, zips};

/// Returns the request as a browser sends it for a page of another site.
fn foreign(request: Request) -> Request {
    request.header("Sec-Fetch-Site", "cross-site")
}

#[test]
fn a_page_of_another_site_changes_nothing_through_any_dialect() {
    let zip = zips::vector("tencent");
    for cloud in CLOUDS {
        let (server, name) = (TestServer::start(), cloud.name());
        let before = server.footprint();
        for request in [cloud.change(&zip).request, cloud.publishing(&zip)] {
            let answer = server.send(&foreign(request));
            assert!(answer.text().contains("another site"), "{name}: {}", answer.text());
            assert_eq!(server.footprint(), before, "{name}");
        }
        let Change { request, .. } = cloud.change(&zip);
        let answer = server.send(&request.header("Sec-Fetch-Site", "same-origin"));
        assert!((200..300).contains(&answer.status), "{name}: {}", answer.text());
        let listing = cloud.listing();
        if listing.method == "GET" {
            let (wanted, answer) = (server.send(&listing), server.send(&foreign(listing)));
            assert_eq!((answer.status, answer.text().len()), (200, wanted.text().len()), "{name}");
        }
    }
}

#[test]
fn operations_that_write_by_get_are_refused() {
    let server = TestServer::start();
    let publish = Request::new("POST", "/api/v1/layers/demo/versions");
    assert_eq!(server.send(&publish.body(zips::vector("tencent"))).status, 201);
    let before = server.footprint();
    let end = "Version=2018-04-16&LayerName=demo&LayerVersion=1";
    let code = form_urlencoded::byte_serialize(zips::vector_base64("tencent").as_bytes());
    let code: String = code.collect();
    let publish = "Action=PublishLayerVersion&CompatibleRuntimes.0=Python3.9";
    let delete = "Action=DeleteLayerVersion";
    let header =
        |method| Request::new(method, &format!("/?{end}")).header("X-TC-Action", &delete[7..]);
    for request in [
        Request::get(&format!("/?{delete}&{end}")),
        Request::get(&format!("/?Action=ListLayers&{delete}&{end}")),
        Request::get(&format!("/?{delete}&Action=ListLayers&{end}")),
        Request::get(&format!("/?{publish}&Content.ZipFile={code}&{end}")),
        header("GET"),
        header("HEAD"),
        Request::get("/2021-04-06/tempBucketToken"),
    ] {
        let answer = server.send(&foreign(request));
        assert_eq!(server.footprint(), before, "{}", answer.text());
        assert!(!answer.text().contains("AccessKeySecret"), "{}", answer.text());
    }
    let list = foreign(Request::get(&format!("/?Action=ListLayers&{end}")));
    assert_eq!(server.send(&list).json()["Response"]["TotalCount"], 1);
    let delete = server.send(&Request::get(&format!("/?{delete}&{end}")));
    assert_ne!(server.footprint(), before, "{}", delete.text());
}
