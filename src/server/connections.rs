//! Connections: the limit on their number, their timeouts and sizes, the graceful shutdown.
//!
//! Knows streams, TLS and HTTP/1 as a protocol. Must not know what a request or response means; it
//! hands each request to [`dialects::reroute`].

use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio_rustls::TlsAcceptor;

use super::peers::{Peer, Peers};
use super::signals::Hangups;
use super::timeouts::{Timeouts, TrackedBody, TrackedStream, Watchdog};
use super::tls::Tls;
use crate::config::Config;
use crate::dialects;

/// How long requests in flight may take to finish after a shutdown has begun.
const GRACE: Duration = Duration::from_secs(30);

/// How long a client may take for its part of a TLS handshake.
const HANDSHAKE_MAX: Duration = Duration::from_secs(10);

/// How long a client may read nothing of its response. The system buffers some mebibytes for a slow
/// client; it accepts more only after the client has read a part of them.
const STALL_MAX: Duration = Duration::from_secs(300);

/// How long the server accepts nothing after the system could not open another connection.
const ACCEPT_PAUSE: Duration = Duration::from_secs(1);

/// The limits of the listener and of each connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    connections: usize,
    timeouts: Timeouts,
    max_head: usize,
}

impl Limits {
    pub(super) fn of(config: &Config) -> Self {
        Self {
            connections: config.max_connections,
            timeouts: Timeouts { head: config.head_timeout, stall: STALL_MAX },
            max_head: config.max_head,
        }
    }

    /// Returns HTTP/1 with these limits; a request with too large a head gets a 431.
    fn http(self) -> http1::Builder {
        let mut http = http1::Builder::new();
        // hyper's own timer stays off: `timeouts` covers the head too.
        http.header_read_timeout(None).max_header_size(self.max_head).max_buf_size(self.max_head);
        http
    }
}

/// A listener and the settings of the connections that it accepts.
pub(super) struct Connections {
    listener: TcpListener,
    limits: Limits,
    peers: Peers,
    tls: Option<Tls>,
    hangups: Hangups,
}

impl Connections {
    /// Takes the listener; `serve` accepts the first connection.
    pub(super) fn new(
        listener: TcpListener,
        limits: Limits,
        peers: Peers,
        tls: Option<Tls>,
        hangups: Hangups,
    ) -> Self {
        Self { listener, limits, peers, tls, hangups }
    }

    /// Serves `routes` until `stop` resolves, and `outside` to clients of other machines over plain
    /// http; `None`: the same to all. At the end accepts no connection, closes the idle ones, and lets
    /// requests in flight finish for up to [`GRACE`].
    pub(super) async fn serve(
        mut self,
        routes: Router,
        outside: Option<Router>,
        stop: impl Future<Output = ()>,
    ) {
        // The configuration allows at most 1,000,000.
        let all = u32::try_from(self.limits.connections).unwrap_or(u32::MAX);
        let room = Arc::new(Semaphore::new(self.limits.connections));
        let (stopping, stopped) = watch::channel(());
        let outside = outside.map(TowerToHyperService::new);
        let service = TowerToHyperService::new(routes);
        let http = self.limits.http();
        let mut stop = pin!(stop);
        loop {
            let (stream, peer, permit) = tokio::select! {
                () = &mut stop => break,
                () = self.hangups.next() => {
                    reload(self.tls.as_mut());
                    continue;
                }
                accepted = accept(&self.listener, &room) => accepted,
            };
            let tls = self.tls.as_ref().map(Tls::acceptor);
            let connection = Connection {
                http: http.clone(),
                peer: self.peers.classify(peer, tls.is_some()),
                service: service.clone(),
                outside: outside.clone(),
                timeouts: self.limits.timeouts,
            };
            let stopped = stopped.clone();
            tokio::spawn(async move {
                connection.serve(stream, tls, stopped).await;
                drop(permit);
            });
        }
        // The system refuses clients that are not accepted yet, instead of letting them hang.
        drop(self.listener);
        drop(stopping);
        if tokio::time::timeout(GRACE, room.acquire_many(all)).await.is_err() {
            tracing::warn!("some requests did not finish before the end of the grace period");
        }
    }
}

/// Waits for a permit, then for a connection.
async fn accept(
    listener: &TcpListener,
    room: &Arc<Semaphore>,
) -> (TcpStream, IpAddr, Option<OwnedSemaphorePermit>) {
    // The semaphore is never closed, so this is never an error.
    let permit = Arc::clone(room).acquire_owned().await.ok();
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => return (stream, peer.ip(), permit),
            Err(error) if is_client_abort(&error) => {}
            // Most likely no file descriptor is left; other connections must end first.
            Err(error) => {
                tracing::error!(%error, "cannot accept connections");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Whether the client gave up before it was accepted.
fn is_client_abort(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

fn reload(tls: Option<&mut Tls>) {
    match tls.map(Tls::reload) {
        Some(Ok(())) => tracing::info!("reloaded the certificate"),
        Some(Err(error)) => {
            let cause = std::error::Error::source(&error).map(ToString::to_string);
            tracing::error!(%error, cause, "cannot reload the certificate; the old one stays");
        }
        None => tracing::info!("ignored SIGHUP: there is no certificate to reload"),
    }
}

/// The settings of one connection.
struct Connection {
    http: http1::Builder,
    peer: Peer,
    service: TowerToHyperService<Router>,
    /// Serves requests of other machines over plain http, where these get other routes.
    outside: Option<TowerToHyperService<Router>>,
    timeouts: Timeouts,
}

impl Connection {
    /// Serves requests on a stream until the client or a shutdown ends it.
    async fn serve(
        self,
        stream: TcpStream,
        tls: Option<TlsAcceptor>,
        mut stopped: watch::Receiver<()>,
    ) {
        // Responses are written whole; waiting to fill packets would only delay them.
        let _ = stream.set_nodelay(true);
        let Some(tls) = tls else { return self.exchange(stream, stopped).await };
        let handshake = tokio::time::timeout(HANDSHAKE_MAX, tls.accept(stream));
        let shaken = tokio::select! {
            shaken = handshake => shaken,
            _ = stopped.changed() => return,
        };
        match shaken {
            Ok(Ok(stream)) => self.exchange(stream, stopped).await,
            Ok(Err(error)) => tracing::debug!(%error, "a TLS handshake failed"),
            Err(_) => tracing::debug!("a TLS handshake timed out"),
        }
    }

    async fn exchange<S>(self, stream: S, mut stopped: watch::Receiver<()>)
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let watchdog = Watchdog::new();
        let stream = TokioIo::new(TrackedStream::new(stream, Arc::clone(&watchdog)));
        let answer = service_fn(|mut request| {
            let is_outside = self.peer.receive(&mut request);
            let service = self.outside.as_ref().filter(|_| is_outside).unwrap_or(&self.service);
            dialects::reroute(&mut request);
            let (in_flight, response) = (watchdog.request_began(), service.call(request));
            async move {
                let tracked = |body| TrackedBody { body, _in_flight: in_flight };
                response.await.map(|response| response.map(tracked))
            }
        });
        let mut talk = pin!(self.http.serve_connection(stream, answer));
        let mut timed_out = pin!(watchdog.timed_out(self.timeouts));
        let mut is_last = false;
        let ended = loop {
            tokio::select! {
                biased;
                ended = talk.as_mut() => break ended,
                // No value is ever sent on this channel: it changes when the sender is dropped.
                _ = stopped.changed(), if !is_last => {
                    is_last = true;
                    talk.as_mut().graceful_shutdown();
                }
                () = timed_out.as_mut() => {
                    tracing::debug!("a client timed out");
                    return;
                }
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%error, "a connection broke off");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use axum::routing::get;

    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_stalled_client_is_disconnected() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let limits = Limits {
            connections: 1,
            timeouts: Timeouts { head: Duration::from_secs(30), stall: Duration::from_millis(50) },
            max_head: 64 << 10,
        };
        // More than the systems of both sides buffer.
        let large = get(|| async { vec![0; 64 << 20] });
        let router = Router::new().route("/large", large).route("/small", get(|| async {}));
        let (end, ended) = tokio::sync::oneshot::channel::<()>();
        let connections =
            Connections::new(listener, limits, Peers::default(), None, Hangups::listen());
        let serving = tokio::spawn(async move {
            let stop = async { drop(ended.await) };
            connections.serve(router, None, stop).await;
        });
        let clients = tokio::task::spawn_blocking(move || {
            let ask = |path: &str| {
                let mut stream = std::net::TcpStream::connect(address).unwrap();
                write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
                stream
            };
            let stuck = ask("/large");
            let mut first = [0; 12];
            ask("/small").read_exact(&mut first).unwrap();
            assert_eq!(&first, b"HTTP/1.1 200");
            drop(stuck);
        });
        clients.await.unwrap();
        end.send(()).unwrap();
        serving.await.unwrap();
    }
}
