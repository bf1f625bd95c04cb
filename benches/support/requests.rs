//! The requests that several benches send: pages of a list, publications.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use super::catalog::layer_name;
use super::load::{self, Requests};
use super::zips::Zip;

/// Number of layers on a page.
pub const LAYERS_PER_PAGE: i64 = 20;
/// Path of the list that is measured.
pub const PATH: &str = "/2016-08-15/layers";
/// Name of its page token.
pub const TOKEN: &str = "nextToken";

/// Number of layers among which new versions are distributed.
pub const LAYERS: u64 = 100;

/// Returns requests, each different, for the page that starts at the layer `start(n)` for the n-th
/// request.
///
/// The token need not be a layer's name; it only has to sort after the last layer before the page.
pub fn first_time(
    path: &'static str,
    start: impl Fn(i64) -> i64 + Send + Sync + 'static,
) -> Requests {
    let number = AtomicI64::new(0);
    Arc::new(move |request| {
        let number = number.fetch_add(1, Ordering::Relaxed);
        let unique = format!("{}.{number:010}", before(start(number)));
        *request = load::get(&format!("{path}?limit={LAYERS_PER_PAGE}&{TOKEN}={unique}"));
    })
}

/// Returns requests for one page, all equal.
pub fn again(path: &str, start: i64) -> Requests {
    let token = before(start);
    let same = load::get(&format!("{path}?limit={LAYERS_PER_PAGE}&{TOKEN}={token}."));
    Arc::new(move |request| request.clone_from(&same))
}

/// Returns a text that, with any suffix, sorts directly before the name of a layer.
pub fn before(layer: i64) -> String {
    match layer {
        0 => "layer-".to_owned(),
        _ => layer_name(layer - 1),
    }
}

/// Returns requests that each publish a new content of `size` bytes.
pub fn publish(contents: &Arc<AtomicU64>, size: u64) -> Requests {
    let contents = Arc::clone(contents);
    Arc::new(move |request| {
        let number = contents.fetch_add(1, Ordering::Relaxed);
        let layer = number % LAYERS;
        let head = format!(
            "POST /api/v1/layers/bench-{layer}/versions?runtime=python3.10 HTTP/1.1\r\n\
             Host: 127.0.0.1\r\nContent-Length: {size}\r\n\r\n"
        );
        request.clear();
        request.extend_from_slice(head.as_bytes());
        request.extend_from_slice(&Zip::new(number, size).bytes());
    })
}
