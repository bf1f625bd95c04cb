//! Stored bytes on their way into an answer: each chunk is read on a blocking thread.

use std::io;
use std::ops::Range;

use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};

use super::App;
use crate::catalog::{Content, ContentReader};
use crate::domain::CatalogError;
use crate::ingest::next_piece;

/// Bytes that are read at a time; an answer to a slow client holds one such chunk.
const CHUNK: u64 = 32 << 10;

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
    let open = move || Ok::<_, CatalogError>(next_chunk(content.open_range(range)?)?);
    let opened = tokio::task::spawn_blocking(open).await.map_err(CatalogError::internal)?;
    let (first, reader) = opened?;
    let first = (!first.is_empty()).then_some(Ok(first));
    Ok(stream::iter(first).chain(stream::try_unfold(reader, rest)))
}

async fn rest(reader: ContentReader) -> io::Result<Option<(Bytes, ContentReader)>> {
    if reader.left() == 0 {
        return Ok(None);
    }
    let (chunk, reader) = tokio::task::spawn_blocking(move || next_chunk(reader)).await??;
    Ok((!chunk.is_empty()).then_some((chunk, reader)))
}

fn next_chunk(mut reader: ContentReader) -> io::Result<(Bytes, ContentReader)> {
    Ok((next_piece(&mut reader, CHUNK)?, reader))
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
