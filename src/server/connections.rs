//! Connections: the limit on their number, their timeouts and sizes, the graceful shutdown.
//!
//! Knows streams, TLS and HTTP/1 as a protocol. Must not know what a request or response means; it
//! hands each request to [`dialects::reroute`].

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, CONNECTION, HOST, HeaderName, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper::{Request, Version};
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use super::peers::{Peer, Peers};
use super::places::{Place, Places};
use super::signals::Hangups;
use super::timeouts::{ReceivedBody, Timeouts, TrackedBody, TrackedStream, Watchdog};
use super::tls::Tls;
use crate::config::Config;
use crate::dialects;

/// How long requests in flight may take to finish after a shutdown has begun.
const GRACE: Duration = Duration::from_secs(30);

/// How long a client may take for its part of a TLS handshake.
const HANDSHAKE_MAX: Duration = Duration::from_secs(10);

/// How long a connection's first head may take, if `--head-timeout` is not less: such a client has
/// not shown yet that it speaks HTTP.
const FIRST_HEAD_MAX: Duration = Duration::from_secs(10);

/// How long a client may read nothing of its response. The system buffers some mebibytes for a slow
/// client; it accepts more only after the client has read a part of them.
const STALL_MAX: Duration = Duration::from_secs(300);

/// Bytes of a connection that are looked at before its first request is parsed: most of a head.
/// hyper reads more at a time, so that later reads skip this buffer.
const FIRST_BYTES: usize = 4 << 10;

/// The header of an answer after which the server closes the connection.
pub(super) const CLOSE: [(HeaderName, HeaderValue); 1] =
    [(CONNECTION, HeaderValue::from_static("close"))];

/// How long the server accepts nothing after the system could not open another connection.
const ACCEPT_PAUSE: Duration = Duration::from_secs(1);

/// The limits of the listener and of each connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    connections: usize,
    peer_connections: usize,
    timeouts: Timeouts,
    max_head: usize,
}

impl Limits {
    pub(super) fn of(config: &Config) -> Self {
        Self {
            connections: config.max_connections,
            peer_connections: config.max_peer_connections,
            timeouts: Timeouts {
                first_head: config.head_timeout.min(FIRST_HEAD_MAX),
                head: config.head_timeout,
                stall: STALL_MAX,
            },
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

/// The routes that clients are served.
pub(super) struct Routes {
    /// All of them.
    pub(super) all: Router,
    /// Those for clients of other machines over plain http, where they are others.
    pub(super) outside: Option<Router>,
    /// Those for clients that come while all places are taken.
    pub(super) spare: Router,
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

    /// Serves `routes` until `stop` resolves. Then accepts no connection, closes the idle ones, and
    /// lets requests in flight finish for up to [`GRACE`].
    pub(super) async fn serve(mut self, routes: Routes, stop: impl Future<Output = ()>) {
        let places = Places::new(self.limits.connections, self.limits.peer_connections);
        let (stopping, stopped) = watch::channel(());
        let [all, spare] = [routes.all, routes.spare].map(TowerToHyperService::new);
        let outside = routes.outside.map(TowerToHyperService::new);
        let http = self.limits.http();
        let mut stop = pin!(stop);
        loop {
            let accepted = tokio::select! {
                () = &mut stop => break,
                () = self.hangups.next() => {
                    reload(self.tls.as_mut());
                    continue;
                }
                accepted = accept(&self.listener, &self.peers, &places) => accepted,
            };
            let Accepted { stream, peer, watchdog, place } = accepted;
            let tls = self.tls.as_ref().map(Tls::acceptor);
            let (service, outside) =
                if place.is_spare { (&spare, None) } else { (&all, outside.clone()) };
            let connection = Connection {
                http: http.clone(),
                peer: self.peers.classify(peer, tls.is_some()),
                service: service.clone(),
                outside,
                timeouts: self.limits.timeouts,
                watchdog,
            };
            let stopped = stopped.clone();
            tokio::spawn(async move {
                connection.serve(stream, tls, stopped).await;
                drop(place);
            });
        }
        // The system refuses clients that are not accepted yet, instead of letting them hang.
        drop(self.listener);
        drop(stopping);
        if tokio::time::timeout(GRACE, places.all_left()).await.is_err() {
            tracing::warn!("some requests did not finish before the end of the grace period");
        }
    }
}

/// A connection that has a place.
struct Accepted {
    stream: TcpStream,
    peer: IpAddr,
    watchdog: Arc<Watchdog>,
    place: Place,
}

/// Waits for a connection, and for its place.
async fn accept(listener: &TcpListener, peers: &Peers, places: &Arc<Places>) -> Accepted {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                let (peer, watchdog) = (peer.ip(), Watchdog::new());
                // A trusted proxy stands for many clients.
                let is_limited = !peers.is_proxy(peer);
                match places.enter(peer, is_limited, &watchdog).await {
                    Some(place) => return Accepted { stream, peer, watchdog, place },
                    None => tracing::debug!(%peer, "a client has too many connections"),
                }
            }
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
    watchdog: Arc<Watchdog>,
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
            () = self.watchdog.gave_way() => return,
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
        let watchdog = &self.watchdog;
        let mut timed_out = pin!(watchdog.timed_out(self.timeouts));
        let mut gave_way = pin!(watchdog.gave_way());
        let mut stream = BufReader::with_capacity(FIRST_BYTES, stream);
        let is_lower = tokio::select! {
            first = stream.fill_buf() => first.is_ok_and(dialects::takes_lower_case),
            _ = stopped.changed() => return,
            () = timed_out.as_mut() => return,
            () = gave_way.as_mut() => return,
        };
        let mut http = self.http;
        // Alibaba's Java SDK looks headers up in title case.
        http.title_case_headers(!is_lower);
        let stream = TokioIo::new(TrackedStream::new(stream, Arc::clone(watchdog)));
        let answer = service_fn(|request: Request<Incoming>| {
            let in_flight = watchdog.request_began();
            let answer = match fault(&request) {
                Some(fault) => Err(fault),
                None => {
                    let mut request =
                        request.map(|body| ReceivedBody::new(body, Arc::clone(watchdog)));
                    let is_outside = self.peer.receive(&mut request);
                    let outside = self.outside.as_ref().filter(|_| is_outside);
                    dialects::reroute(&mut request);
                    Ok(outside.unwrap_or(&self.service).call(request))
                }
            };
            async move {
                let mut response = match answer {
                    Ok(answer) => answer.await.unwrap_or_else(|never| match never {}),
                    Err(fault) => (StatusCode::BAD_REQUEST, CLOSE, fault).into_response(),
                };
                // hyper closes a connection with bytes that were not read.
                if watchdog.has_unread() {
                    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
                }
                Ok::<_, Infallible>(response.map(|body| TrackedBody::new(body, in_flight)))
            }
        });
        let mut talk = pin!(http.serve_connection(stream, answer));
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
                () = gave_way.as_mut() => {
                    tracing::debug!("a connection gave way to another one");
                    return;
                }
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%error, "a connection broke off");
        }
    }
}

/// Returns what is wrong with a head in which two readers may see different requests.
fn fault<B>(request: &Request<B>) -> Option<&'static str> {
    let count = |name| request.headers().get_all(name).iter().count();
    match (count(HOST), request.version()) {
        (0, Version::HTTP_11) => Some("the request has no Host header\n"),
        (2.., _) => Some("the request has more than one Host header\n"),
        _ if count(AUTHORIZATION) > 1 => {
            Some("the request has more than one Authorization header\n")
        }
        _ => None,
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
            peer_connections: 1,
            timeouts: Timeouts {
                first_head: Duration::from_secs(30),
                head: Duration::from_secs(30),
                stall: Duration::from_millis(50),
            },
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
            let spare = Router::new();
            connections.serve(Routes { all: router, outside: None, spare }, stop).await;
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
