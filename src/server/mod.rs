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
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::get;
use axum::serve::ListenerExt;
use tokio::net::TcpListener;
use tracing::Instrument;

use crate::app::App;
use crate::catalog::Catalog;
pub use crate::catalog::{Clock, IdSource};
use crate::config::Config;
use crate::dialects::{self, Arrival, DIALECTS, Dialect, Refusal};
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
    let dialects: Vec<&'static dyn Dialect> =
        DIALECTS.into_iter().filter(|dialect| is_on(app.config(), *dialect)).collect();
    let own = Router::new()
        .route("/healthz", get(health::healthz))
        .route("/readyz", get(health::readyz))
        .route("/code/{sha256}/{file}", get(downloads::download));
    let unknown_path = dialects.clone();
    dialects
        .iter()
        .fold(own, |router, dialect| router.merge(dialects::routes(*dialect, app)))
        .fallback(move |request| refuse(unknown_path, request, Refusal::UnknownPath))
        .method_not_allowed_fallback(move |request| {
            refuse(dialects, request, Refusal::UnknownMethod)
        })
        .layer(middleware::from_fn_with_state(app.clone(), trace))
        .with_state(app.clone())
}

fn is_on(config: &Config, dialect: &dyn Dialect) -> bool {
    config.dialects.is_empty() || config.dialects.iter().any(|name| name == dialect.name())
}

/// Gives the request its id and has every line of the log carry it.
async fn trace(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let id = app.ids().next();
    request.extensions_mut().insert(Arrival { id, at: app.clock().now() });
    let span = tracing::info_span!("request", %id, method = %request.method(), path = request.uri().path());
    async move {
        let response = next.run(request).await;
        tracing::debug!(status = response.status().as_u16(), "answered");
        response
    }
    .instrument(span)
    .await
}

/// Has the dialect that a stray request belongs to refuse it.
async fn refuse(
    dialects: Vec<&'static dyn Dialect>,
    request: Request,
    refusal: Refusal,
) -> Response {
    let (head, _body) = request.into_parts();
    let call = dialects::call_of(&head);
    match dialects::recognize(&dialects, &head) {
        Some(dialect) => dialect.complete(&call, dialect.refuse(&call, refusal)),
        None => {
            let mut response = Response::default();
            *response.status_mut() = StatusCode::NOT_FOUND;
            response
        }
    }
}
