//! Lists without pages: read in batches; long ones are sent while they are read.
//!
//! A long list needs the memory of a few batches, however many rows it has. Knows no cloud: the
//! dialect writes the [`Frame`] around the rows.

use axum::body::{Body, Bytes};
use axum::http::header::CONTENT_TYPE;
use axum::response::Response;
use http_body_util::channel::{Channel, Sender};
use serde::Serialize;
use tracing::Instrument;

use super::answer::{JSON, log_fault};
use super::json_writer::{JsonObject, RowsAt};
use crate::app::App;
use crate::catalog::Catalog;
use crate::domain::{CatalogError, Page};

/// Rows of the first batch, which is read on the async thread like every short page.
const ROWS_FIRST: u64 = 100;

/// Most rows of a later batch, which is read on a blocking thread.
const ROWS: u64 = 300;

/// Target size of a batch of long rows, by the size of the rows before it.
const BATCH: usize = 1 << 20;

/// Bytes of rendered rows up to which an answer is sent in one piece with its length, which the
/// response cache needs.
const WHOLE_MAX: usize = 224 << 10;

/// Rendered batches that wait for a slow client.
const WAITING: usize = 1;

/// The object around the rows of a list.
pub(super) struct Frame {
    /// The text before the first row.
    before: Vec<u8>,
    /// The text after the last row.
    after: Vec<u8>,
}

impl Frame {
    /// Writes the object; `write` returns the position of its rows.
    pub(super) fn object(write: impl FnOnce(&mut JsonObject<'_>) -> RowsAt) -> Self {
        let mut before = Vec::new();
        let mut object = JsonObject::begin(&mut before);
        let RowsAt(position) = write(&mut object);
        object.end();
        let after = before.split_off(position);
        Self { before, after }
    }
}

/// Reads the next rows, at most the given number, and advances its position.
type Fetch<T> = Box<dyn FnMut(&Catalog, u64) -> Result<Page<T>, CatalogError> + Send>;

/// Answers 200 with the rows of `fetch` up to its last page.
///
/// A page may omit rows, even all. `around` writes the frame from the first page's `total`. A
/// failure is an error until the status is sent; after that it breaks the answer off.
pub(super) async fn list<T>(
    app: &App,
    fetch: impl FnMut(&Catalog, u64) -> Result<Page<T>, CatalogError> + Send + 'static,
    around: impl FnOnce(u64) -> Frame,
) -> Result<Response, CatalogError>
where
    T: Serialize + 'static,
{
    let mut reading = Reading { fetch: Box::new(fetch), is_empty: true, more: true, rows: ROWS };
    let (mut text, after) = app
        .read(|catalog| {
            let page = (reading.fetch)(catalog, ROWS_FIRST)?;
            let Frame { before: mut text, after } = around(page.total);
            reading.append(page, &mut text);
            Ok((text, after))
        })
        .await?;
    while reading.more && text.len() < WHOLE_MAX {
        let (further, rows) = reading.next(app).await?;
        reading = further;
        text.extend_from_slice(&rows);
    }
    let body = if reading.more {
        let (sender, body) = Channel::new(WAITING);
        let rest = reading.send(app.clone(), sender, text, after);
        tokio::spawn(rest.in_current_span());
        Body::new(body)
    } else {
        text.extend_from_slice(&after);
        Body::from(text)
    };
    let mut response = Response::new(body);
    response.headers_mut().insert(CONTENT_TYPE, JSON);
    Ok(response)
}

/// A list while it is read.
struct Reading<T> {
    fetch: Fetch<T>,
    /// Whether no row has been read.
    is_empty: bool,
    more: bool,
    /// Rows of the next batch.
    rows: u64,
}

impl<T: Serialize + 'static> Reading<T> {
    /// Renders the rows of a page at the end of `text`.
    fn append(&mut self, page: Page<T>, text: &mut Vec<u8>) {
        let before = text.len();
        for item in &page.items {
            if !std::mem::take(&mut self.is_empty) {
                text.push(b',');
            }
            // Cannot fail: the wire types have text keys and finite numbers.
            let _ = serde_json::to_writer(&mut *text, item);
        }
        self.more = page.more;
        self.rows = rows_after(page.items.len(), text.len() - before);
    }

    /// Reads and renders the next batch on a blocking thread.
    async fn next(mut self, app: &App) -> Result<(Self, Vec<u8>), CatalogError> {
        app.blocking(move |catalog| {
            let page = match (self.fetch)(catalog, self.rows) {
                // The rest was deleted after the rows so far were read.
                Err(CatalogError::NotFound { .. }) => Page::empty(),
                page => page?,
            };
            let mut text = Vec::new();
            self.append(page, &mut text);
            Ok((self, text))
        })
        .await
    }

    /// Sends `text`, the remaining batches and `after`; stops when the client disconnects.
    async fn send(
        self,
        app: App,
        mut sender: Sender<Bytes, CatalogError>,
        text: Vec<u8>,
        after: Vec<u8>,
    ) {
        let (mut reading, mut text) = (self, text);
        loop {
            if sender.send_data(text.into()).await.is_err() {
                return;
            }
            if !reading.more {
                break;
            }
            (reading, text) = match reading.next(&app).await {
                Ok(read) => read,
                Err(failure) => {
                    log_fault("an internal error", &failure);
                    return sender.abort(failure);
                }
            };
        }
        // Fails only when the client has disconnected.
        let _ = sender.send_data(after.into()).await;
    }
}

/// Returns the number of rows to read after `rows` of `bytes` in all; both bound a batch.
fn rows_after(rows: usize, bytes: usize) -> u64 {
    let wanted = BATCH.saturating_mul(rows).checked_div(bytes);
    wanted.map_or(ROWS, |wanted| (wanted as u64).clamp(1, ROWS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_rows_make_short_batches() {
        assert_eq!(rows_after(0, 0), ROWS);
        assert_eq!(rows_after(300, 60_000), ROWS);
        assert_eq!(rows_after(100, 100 << 14), 64);
        assert_eq!(rows_after(1, 5 << 20), 1);
    }

    #[test]
    fn a_frame_splits_at_the_position_of_its_rows() {
        let frame = Frame::object(|list| {
            list.text("name", "a\n[]");
            let mut inner = list.object("inner");
            let rows = inner.rows("rows");
            inner.end();
            list.number("id", 7);
            rows
        });
        let (before, after) = (frame.before, frame.after);
        assert_eq!(String::from_utf8_lossy(&before), r#"{"name":"a\n[]","inner":{"rows":["#);
        assert_eq!(String::from_utf8_lossy(&after), r#"]},"id":7}"#);
    }
}
