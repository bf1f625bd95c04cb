//! One listener for all dialects: binding, routing, the fallback, the end.
//!
//! Knows of dialects only what their trait says, and nothing of any cloud.

mod downloads;
mod health;

use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::serve::ListenerExt;
use tokio::net::TcpListener;

use crate::app::App;
use crate::catalog::Catalog;
pub use crate::catalog::{Clock, IdSource};
use crate::config::Config;
use crate::dialects::{self, Call, DIALECTS, Dialect, Refusal};
use crate::store::{OpenError, Store};

/// How long requests that run at the end may take to finish.
const GRACE: Duration = Duration::from_secs(30);

/// Why the server does not start, or stops by itself.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The data folder cannot be used.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The address cannot be listened on.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The listener failed later.
    #[error("the listener failed")]
    Io(#[from] std::io::Error),
}

/// A server that is bound to its address and has not started to answer.
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    router: Router,
}

impl Server {
    /// Binds the address, opens the data folder and builds the routes.
    pub async fn bind(config: Config, clock: Clock, ids: IdSource) -> Result<Self, ServeError> {
        let address = config.listen;
        let failed = |source| ServeError::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let mut secret = [0; 32];
        secret[..16].copy_from_slice(ids.next().as_bytes());
        secret[16..].copy_from_slice(ids.next().as_bytes());
        let store = Store::open(&config.data, clock.now(), secret)?;
        let catalog = Catalog::new(store, clock.clone(), ids.clone());
        let app = App::new(catalog, clock, ids, config, address.port());
        Ok(Self { listener, address, router: router(&app) })
    }

    /// Returns the address that the server answers on, with the port that port 0 became.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers until `stop` resolves, then finishes what runs, within a limit.
    pub async fn run(
        self,
        stop: impl Future<Output = ()> + Send + 'static,
    ) -> Result<(), ServeError> {
        let (stopping, mut stopped) = tokio::sync::watch::channel(false);
        let listener = self.listener.tap_io(|stream| {
            // Answers are written whole; waiting to fill packets only delays them.
            let _ = stream.set_nodelay(true);
        });
        let serve = axum::serve(listener, self.router).with_graceful_shutdown(async move {
            stop.await;
            let _ = stopping.send(true);
        });
        let too_late = async move {
            let _ = stopped.wait_for(|stopped| *stopped).await;
            tokio::time::sleep(GRACE).await;
        };
        tokio::select! {
            ended = serve.into_future() => Ok(ended?),
            () = too_late => {
                tracing::warn!("gave up waiting for requests that still run");
                Ok(())
            }
        }
    }
}

/// Resolves when the process is asked to end: SIGTERM or SIGINT.
pub async fn stop_signal() {
    let interrupt = tokio::signal::ctrl_c();
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        match signal(SignalKind::terminate()) {
            Ok(mut terminate) => tokio::select! {
                _ = interrupt => {}
                _ = terminate.recv() => {}
            },
            Err(_) => {
                let _ = interrupt.await;
            }
        }
    }
    #[cfg(not(unix))]
    let _ = interrupt.await;
}

fn router(app: &App) -> Router {
    let own = Router::new()
        .route("/healthz", get(health::healthz))
        .route("/readyz", get(health::readyz))
        .route("/code/{sha256}/{file}", get(downloads::download));
    dialects_of(app.config())
        .fold(own, |router, dialect| router.merge(dialects::routes(dialect, app)))
        .fallback(unknown_path)
        .method_not_allowed_fallback(unknown_method)
        .with_state(app.clone())
}

/// The dialects that are switched on, in the order in which they are asked about unknown paths.
fn dialects_of(config: &Config) -> impl Iterator<Item = &'static dyn Dialect> {
    DIALECTS.into_iter().filter(|dialect| config.dialects.iter().any(|on| on == dialect.name()))
}

async fn unknown_path(State(app): State<App>, request: Request) -> Response {
    refuse(&app, request, Refusal::UnknownPath)
}

async fn unknown_method(State(app): State<App>, request: Request) -> Response {
    refuse(&app, request, Refusal::UnknownMethod)
}

/// Has the dialect that a stray request belongs to refuse it, among those that are switched on.
fn refuse(app: &App, request: Request, refusal: Refusal) -> Response {
    let (head, _body) = request.into_parts();
    let owner = dialects_of(app.config()).find(|dialect| dialect.recognizes(&head));
    match owner {
        Some(dialect) => {
            let call = Call::new(app, &head, dialect);
            dialect.complete(&call, dialect.refuse(&call, refusal))
        }
        None => StatusCode::NOT_FOUND.into_response(),
    }
}
