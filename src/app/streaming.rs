//! Stored bytes on their way into an answer: each chunk is read on a blocking thread.

use std::io;
use std::ops::Range;

use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};

use super::App;
use crate::catalog::{Content, ContentReader};
use crate::domain::CatalogError;
use crate::ingest::next_piece;

/// Bytes that are read at a time; an answer to a client that does not read holds one such chunk.
const CHUNK: u64 = 48 << 10;

/// Bytes that are read at a time once [`READ_BY_CLIENT`] are sent: fewer changes of threads.
const LARGE_CHUNK: u64 = 256 << 10;

/// Bytes of an answer that the systems of both sides do not buffer: the client has read of them.
const READ_BY_CLIENT: u64 = 16 << 20;

impl App {
    /// Opens a range of stored bytes as the body of an answer.
    ///
    /// The first chunk is read with the opening, so that both fail before the answer's head is
    /// sent. A later failure breaks the answer off.
    pub async fn stream(
        &self,
        content: Content,
        range: Range<u64>,
    ) -> Result<impl Stream<Item = io::Result<Bytes>> + Send + Sync + use<>, CatalogError> {
        chunks(content, range).await
    }
}

async fn chunks(
    content: Content,
    range: Range<u64>,
) -> Result<impl Stream<Item = io::Result<Bytes>> + Send + Sync + use<>, CatalogError> {
    let open = move || Ok::<_, CatalogError>(next_chunk(content.open_range(range)?, 0)?);
    let opened = tokio::task::spawn_blocking(open).await.map_err(CatalogError::internal)?;
    let (first, next) = opened?;
    let first = (!first.is_empty()).then_some(Ok(first));
    Ok(stream::iter(first).chain(stream::try_unfold(next, rest)))
}

/// A content that is being sent, and the number of bytes that were read of it.
type Sending = (ContentReader, u64);

async fn rest((reader, sent): Sending) -> io::Result<Option<(Bytes, Sending)>> {
    if reader.left() == 0 {
        return Ok(None);
    }
    let (chunk, next) = tokio::task::spawn_blocking(move || next_chunk(reader, sent)).await??;
    Ok((!chunk.is_empty()).then_some((chunk, next)))
}

fn next_chunk(mut reader: ContentReader, sent: u64) -> io::Result<(Bytes, Sending)> {
    let size = if sent < READ_BY_CLIENT { CHUNK } else { LARGE_CHUNK };
    let chunk = next_piece(&mut reader, size)?;
    let sent = sent + chunk.len() as u64;
    Ok((chunk, (reader, sent)))
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};

    use super::*;

    #[test]
    fn every_chunk_of_a_range_arrives_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bytes");
        let bytes: Vec<u8> = (0..400_000_u32).map(|i| (i % 251) as u8).collect();
        fs::write(&path, &bytes).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let (chunk, size) = (CHUNK as usize, bytes.len());
        for range in [0..size, 0..chunk, 5..2 * chunk + 5, size - 1..size, 7..7] {
            let content = Content::of(File::open(&path).unwrap(), size as u64);
            let asked = range.start as u64..range.end as u64;
            let chunks: Vec<Bytes> = runtime.block_on(async {
                chunks(content, asked).await.unwrap().map(Result::unwrap).collect().await
            });
            assert_eq!(chunks.len(), range.len().div_ceil(chunk), "{range:?}");
            assert!(chunks.concat() == bytes[range.clone()], "{range:?}");
        }
    }
}
