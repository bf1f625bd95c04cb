//! Routes with the probes and a refusal of all else: for plain http from other machines where
//! `--require-tls` is set, and for connections that come while all places are taken.
//!
//! Nothing of a refused request is interpreted. Must not know which connections these are.

use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::header::RETRY_AFTER;
use axum::response::{IntoResponse, Response};

use super::connections::CLOSE;
use super::discard;
use crate::app::App;
use crate::dialects::{Drains, RETRY_SECONDS};

/// Builds the routes for plain http from other machines, where the probes of orchestrators come
/// from.
pub(super) fn plain(app: &App, drains: &Drains, probes: Router<App>) -> Router {
    let text = refusal(app.config().public_url.as_deref());
    // The next request must not carry credentials over this connection.
    router(app, drains, probes, move || {
        (StatusCode::FORBIDDEN, CLOSE, text.clone()).into_response()
    })
}

/// Builds the routes for connections that come while all places are taken.
pub(super) fn spare(app: &App, drains: &Drains, probes: Router<App>) -> Router {
    let (most, peer) = (app.config().max_connections, app.config().max_peer_connections);
    let text = format!(
        "all {most} connections, or all {peer} of this address, are in use (--max-connections, \
         --max-peer-connections): try again\n"
    );
    let wait = [(RETRY_AFTER, RETRY_SECONDS)];
    router(app, drains, probes, move || {
        (StatusCode::SERVICE_UNAVAILABLE, CLOSE, wait.clone(), text.clone()).into_response()
    })
}

fn router(
    app: &App,
    drains: &Drains,
    probes: Router<App>,
    answer: impl Fn() -> Response + Clone + Send + Sync + 'static,
) -> Router {
    let drains = drains.clone();
    let refuse = move |State(app): State<App>, request: Request| {
        let (drains, answer) = (drains.clone(), answer());
        async move {
            discard(&app, &drains, request).await;
            answer
        }
    };
    probes.fallback(refuse.clone()).method_not_allowed_fallback(refuse).with_state(app.clone())
}

/// Returns the text of the refusal.
fn refusal(public_url: Option<&str>) -> String {
    let address = public_url.filter(|url| url.starts_with("https://"));
    let address = address.map(|url| format!(": {url}")).unwrap_or_default();
    format!(
        "plain http is refused from other machines, since the server runs with --require-tls; use \
         https{address}\n"
    )
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use axum::body::Body;
    use axum::http::header::CONNECTION;
    use hyper::service::Service as _;
    use hyper_util::service::TowerToHyperService;

    use super::*;
    use crate::catalog::{Clock, IdSource};
    use crate::config::{Config, Flags};
    use crate::dialects;
    use crate::server::Server;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn other_machines_get_probes_and_a_refusal() {
        let folder = tempfile::tempdir().unwrap();
        let mut flags = Flags::default();
        flags.values.insert("listen", "127.0.0.1:0".to_owned());
        flags.values.insert("require_tls", "true".to_owned());
        flags.values.insert("data", folder.path().join("data").display().to_string());
        let nowhere = Path::new("/nonexistent");
        let config = Config::load(&flags, |_| None, nowhere, &dialects::known()).unwrap();
        let server = Server::bind(config, Clock::system(), IdSource::random()).await.unwrap();
        let outside = TowerToHyperService::new(server.routes.outside.unwrap());
        for (method, path, status) in [
            ("GET", "/healthz", 200),
            ("GET", "/readyz", 200),
            ("POST", "/readyz", 403),
            ("GET", "/", 403),
            ("GET", "/layers", 403),
            ("GET", "/code/a/b.zip", 403),
            ("POST", "/api/v1/layers/demo/versions", 403),
        ] {
            let request = Request::builder().method(method).uri(path);
            let request = request.body(Body::from(vec![7; 1 << 20])).unwrap();
            let answer = outside.call(request).await.unwrap();
            assert_eq!(answer.status(), status, "{method} {path}");
            let closes = answer.headers().get(CONNECTION).is_some_and(|value| value == "close");
            assert_eq!(closes, status == 403, "{method} {path}");
        }
    }

    #[test]
    fn the_refusal_names_the_https_address() {
        let text = refusal(Some("https://edge1:8443"));
        assert!(text.ends_with("; use https: https://edge1:8443\n"), "{text}");
        for url in [None, Some("http://edge1:8470")] {
            assert!(refusal(url).ends_with("; use https\n"), "{url:?}");
        }
    }
}
