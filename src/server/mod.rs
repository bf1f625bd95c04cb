//! One listener for all dialects: binding, routing, the fallback.
//!
//! Knows dialects by their table alone, and no cloud.

mod connections;
mod downloads;
mod health;
mod peers;
mod places;
mod probes;
mod signals;
mod timeouts;
mod tls;
mod upkeep;

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::header::EXPECT;
use axum::http::request::Parts;
use axum::response::Response;
use axum::routing::get;
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;

use crate::app::App;
use crate::catalog::{Catalog, Clock, IdSource, InboxLimits};
use crate::config::{Auth, Config};
use crate::dialects::{self, DIALECTS, Dialect, Drains, Unserved};
use crate::store::{OpenError, Store};
use connections::{Connections, Limits, Routes};
use peers::Peers;
use signals::Hangups;
pub use signals::stop_signal;
use tls::Tls;
pub use tls::TlsError;

/// Why the server does not start.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The data folder cannot be used.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The certificate or its key cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The address cannot be listened on.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The system's error.
        source: std::io::Error,
    },
}

/// A server that is bound to its address and has not started to answer.
pub struct Server {
    address: SocketAddr,
    scheme: &'static str,
    connections: Connections,
    routes: Routes,
    app: App,
}

impl Server {
    /// Reads the certificate, binds the address, opens the data folder and builds the routes.
    ///
    /// From here on SIGHUP no longer ends the process.
    pub async fn bind(config: Config, clock: Clock, ids: IdSource) -> Result<Self, ServeError> {
        let tls = config.tls.clone().map(Tls::load).transpose()?;
        let address = config.listen;
        let failed = |source| ServeError::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let mut secret = [0; 32];
        secret[..16].copy_from_slice(ids.next().as_bytes());
        secret[16..].copy_from_slice(ids.next().as_bytes());
        let store = Store::open(&config.data, clock.now(), secret)?;
        let catalog = Catalog::new(store, clock.clone(), ids.clone())
            .with_tenant_code_max(config.max_tenant_code)
            .with_min_free(config.min_free)
            .with_inbox(InboxLimits { lifetime: config.inbox_lifetime, size: config.inbox_max });
        if config.auth == Auth::On
            && catalog.stamp().is_ok_and(|stamp| stamp.access.keys.is_empty())
        {
            tracing::warn!(
                "there is no key yet, so every client is refused: `layerbase key add` makes one"
            );
        }
        let (scheme, limits, peers) = (config.scheme(), Limits::of(&config), Peers::of(&config));
        let connections = Connections::new(listener, limits, peers, tls, Hangups::listen());
        let has_inbox = enabled(&config).any(|dialect| dialect.fills_inbox);
        let app = App::new(catalog, clock, ids, config, address.port(), has_inbox, &machine());
        upkeep::announce(&app);
        let routes = routes(&app);
        Ok(Self { address, scheme, connections, routes, app })
    }

    /// Returns the address that the server answers on, with the port that port 0 became.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns scheme and address, as clients on this machine write them.
    pub fn url(&self) -> String {
        format!("{}://{}", self.scheme, self.address)
    }

    /// Answers a request that came over no connection, as one of this machine's own.
    pub async fn answer(&self, mut request: Request) -> Response {
        dialects::reroute(&mut request);
        match TowerToHyperService::new(self.routes.all.clone()).call(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        }
    }

    /// Serves until `stop` resolves, then lets requests in flight finish, within a limit. Sweeps
    /// the inbox meanwhile.
    pub async fn run(self, stop: impl Future<Output = ()>) {
        tokio::select! {
            () = self.connections.serve(self.routes, stop) => {}
            never = upkeep::run(self.app) => match never {},
        }
    }
}

/// Builds the routes; those for plain http from other machines differ with `--require-tls`.
fn routes(app: &App) -> Routes {
    let last = Arc::new(health::LastCheck::default());
    let readyz = move |State(app): State<App>| {
        let last = Arc::clone(&last);
        async move { health::readyz(&app, &last).await }
    };
    let probes =
        Router::new().route("/healthz", get(health::healthz)).route("/readyz", get(readyz));
    // As many as uploads: the setting says how many large bodies the machine can take at once.
    let drains = Drains::new(app.config().max_uploads);
    let outside = app.config().require_tls.then(|| probes::plain(app, &drains, probes.clone()));
    let spare = probes::spare(app, &drains, probes.clone());
    Routes { all: router(app, &drains, probes), outside, spare }
}

fn router(app: &App, drains: &Drains, probes: Router<App>) -> Router {
    let own = probes.route("/code/{sha256}/{file}", get(downloads::download));
    let refusing = |unserved| {
        let drains = drains.clone();
        move |State(app): State<App>, request: Request| async move {
            refuse(&app, &drains, request, unserved).await
        }
    };
    enabled(app.config())
        .fold(own, |router, dialect| router.merge(dialects::routes(dialect, app, drains)))
        .fallback(refusing(Unserved::Path))
        .method_not_allowed_fallback(refusing(Unserved::Method))
        .with_state(app.clone())
}

/// Returns the machine's host name; an empty one if the system has none.
fn machine() -> String {
    #[cfg(unix)]
    return rustix::system::uname().nodename().to_string_lossy().into_owned();
    #[cfg(not(unix))]
    std::env::var("COMPUTERNAME").unwrap_or_default()
}

/// Returns the enabled dialects, in the order of their table.
fn enabled(config: &Config) -> impl Iterator<Item = &'static Dialect> {
    DIALECTS.into_iter().filter(|dialect| config.dialects.iter().any(|name| name == dialect.name))
}

/// Refuses a request that no operation serves.
async fn refuse(app: &App, drains: &Drains, request: Request, unserved: Unserved) -> Response {
    let head = discard(app, drains, request).await;
    dialects::refuse_unserved(app, &head, &app.config().dialects, unserved)
}

/// Reads a refused request's body to its end, within limits, and returns the head. A client that is
/// still sending would see its connection reset instead of the response. One that sent `Expect` has
/// sent no body yet.
async fn discard(app: &App, drains: &Drains, request: Request) -> Parts {
    let (head, body) = request.into_parts();
    if !head.headers.contains_key(EXPECT) {
        app.drop_body(drains.bound(body, 0)).await;
    }
    head
}
