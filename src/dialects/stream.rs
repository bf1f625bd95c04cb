//! Lists without pages: read in stretches, and sent while they are read once they are long.
//!
//! The answer to such a list takes the memory of one stretch, however many rows there are. Knows
//! no cloud: what surrounds the rows is a value of the dialect with a [`Rows`] in it.

use axum::body::{Body, Bytes};
use axum::http::header::CONTENT_TYPE;
use axum::response::Response;
use http_body_util::channel::{Channel, Sender};
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use tracing::Instrument;

use super::answer::{JSON, log_internal};
use crate::app::App;
use crate::catalog::Catalog;
use crate::domain::{CatalogError, Page};

/// Rows of the first stretch, which is read on the async thread as every short page is.
const ROWS_FIRST: u64 = 100;

/// Rows of the stretches after it at most, which are read on blocking threads.
const ROWS: u64 = 300;

/// Bytes that such a stretch aims at when its rows are long, by the length of those before them.
const STRETCH: usize = 1 << 20;

/// Bytes of rendered rows up to which an answer is sent whole, with its length, so that it can be
/// kept and given again.
const WHOLE_MAX: usize = 224 << 10;

/// Rendered stretches that wait for a slow client.
const WAITING: usize = 1;

/// A byte that serde_json writes nowhere by itself: it has no layout, and texts have it escaped.
const MARK: u8 = b'\n';

/// The place of the rows in what surrounds them; an array to serde. There must be exactly one.
pub(super) struct Rows;

impl Serialize for Rows {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mark = RawValue::from_string("[\n]".to_owned()).map_err(serde::ser::Error::custom)?;
        mark.serialize(serializer)
    }
}

/// Reads the next rows, at most as many as it is told, and keeps its own place in the list.
type Fetch<T> = Box<dyn FnMut(&Catalog, u64) -> Result<Page<T>, CatalogError> + Send>;

/// Answers 200 with everything that `fetch` returns until a page says that no more follows.
///
/// A page may leave rows out, even all. `around` makes the surroundings from the first page's
/// `total`. A refusal comes back as an error as long as the status is not sent; after that the
/// answer breaks off.
pub(super) async fn list<T, W>(
    app: &App,
    fetch: impl FnMut(&Catalog, u64) -> Result<Page<T>, CatalogError> + Send + 'static,
    around: impl FnOnce(u64) -> W,
) -> Result<Response, CatalogError>
where
    T: Serialize + 'static,
    W: Serialize,
{
    let mut reading = Reading { fetch: Box::new(fetch), is_empty: true, more: true, rows: ROWS };
    let (mut text, after) = app.read(|catalog| {
        let page = (reading.fetch)(catalog, ROWS_FIRST)?;
        let (mut text, after) = split(&around(page.total));
        reading.append(page, &mut text);
        Ok((text, after))
    })?;
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

/// A list of which a part has been read.
struct Reading<T> {
    fetch: Fetch<T>,
    /// Whether no row has come yet.
    is_empty: bool,
    more: bool,
    /// Rows of the next stretch.
    rows: u64,
}

impl<T: Serialize + 'static> Reading<T> {
    /// Renders rows behind those that were there before.
    fn append(&mut self, page: Page<T>, text: &mut Vec<u8>) {
        let before = text.len();
        for item in &page.items {
            if !std::mem::take(&mut self.is_empty) {
                text.push(b',');
            }
            // The wire types have text keys and finite numbers, so that this cannot fail.
            let _ = serde_json::to_writer(&mut *text, item);
        }
        self.more = page.more;
        self.rows = rows_after(page.items.len(), text.len() - before);
    }

    /// Reads and renders the next stretch on a blocking thread.
    async fn next(mut self, app: &App) -> Result<(Self, Vec<u8>), CatalogError> {
        app.blocking(move |catalog| {
            let page = match (self.fetch)(catalog, self.rows) {
                // What was listed so far was there; since then the rest has been deleted.
                Err(CatalogError::NotFound { .. }) => Page::empty(),
                page => page?,
            };
            let mut text = Vec::new();
            self.append(page, &mut text);
            Ok((self, text))
        })
        .await
    }

    /// Sends `text`, the stretches that are not read yet and `after`; stops when nobody listens
    /// any more.
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
                    log_internal(&failure);
                    return sender.abort(failure);
                }
            };
        }
        // It fails only when the client is gone.
        let _ = sender.send_data(after.into()).await;
    }
}

/// How many rows come next, after `rows` that were `bytes` long: a stretch is bounded by both.
fn rows_after(rows: usize, bytes: usize) -> u64 {
    let wanted = STRETCH.saturating_mul(rows).checked_div(bytes);
    wanted.map_or(ROWS, |wanted| (wanted as u64).clamp(1, ROWS))
}

/// Renders what surrounds the rows: up to the bracket that opens them, and from the one that
/// closes them.
fn split(around: &impl Serialize) -> (Vec<u8>, Vec<u8>) {
    let mut before = serde_json::to_vec(around).unwrap_or_default();
    let Some(mark) = memchr::memchr(MARK, &before) else { return (before, Vec::new()) };
    let after = before.split_off(mark + 1);
    before.truncate(mark);
    (before, after)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Serialize)]
    struct Around {
        name: &'static str,
        #[serde(flatten)]
        inner: Inner,
        id: u32,
    }

    #[derive(Serialize)]
    struct Inner {
        rows: Rows,
    }

    #[test]
    fn long_rows_make_short_stretches() {
        assert_eq!(rows_after(0, 0), ROWS);
        assert_eq!(rows_after(300, 60_000), ROWS);
        assert_eq!(rows_after(100, 100 << 14), 64);
        assert_eq!(rows_after(1, 5 << 20), 1);
    }

    #[test]
    fn rows_stand_where_their_place_is() {
        let inner = Inner { rows: Rows };
        let (before, after) = split(&Around { name: "a\n[]", inner, id: 7 });
        assert_eq!(String::from_utf8_lossy(&before), r#"{"name":"a\n[]","rows":["#);
        assert_eq!(String::from_utf8_lossy(&after), r#"],"id":7}"#);
    }
}
