//! The facts of a request that its answer may need.

use axum::http::request::Parts;
use axum::http::{HeaderValue, Method, Uri};
use uuid::Uuid;

use crate::app::App;
use crate::domain::Timestamp;

/// One request, as its answer refers to it.
#[derive(Clone, Debug)]
pub struct Call {
    /// Assigned by the server.
    pub request_id: Uuid,
    /// When the request arrived.
    pub received: Timestamp,
    /// The request's method.
    pub method: Method,
    /// The path and query as they were sent.
    pub uri: Uri,
    /// The client's own id for the request, where its cloud has a header for that.
    pub client_id: Option<HeaderValue>,
}

impl Call {
    /// Assigns a request its id and copies the facts from its head.
    pub fn new(app: &App, head: &Parts, client_id_header: Option<&str>) -> Self {
        Self {
            request_id: app.ids().next(),
            received: app.clock().now(),
            method: head.method.clone(),
            uri: head.uri.clone(),
            client_id: client_id_header.and_then(|name| head.headers.get(name)).cloned(),
        }
    }

    /// The path as it was sent.
    pub fn path(&self) -> &str {
        self.uri.path()
    }
}
