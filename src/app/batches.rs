//! Spools bytes in batches: gathered on an async thread, written on a blocking one.

use bytes::Bytes;
use tokio::task::JoinHandle;

use super::App;
use crate::catalog::Catalog;
use crate::domain::{CatalogError, RequestError};
use crate::ingest::{Spool, SpoolWriter};

/// Bytes of a batch. One batch is gathered while the one before it is written.
pub(super) const BATCH: usize = 512 << 10;

/// The batches of one body or object.
pub(super) trait Batches {
    /// Gathers about [`BATCH`] bytes; true beside the last batch.
    async fn next(&mut self) -> Result<(Vec<Bytes>, bool), RequestError>;
}

impl App {
    /// Spools `first` and the batches after it.
    ///
    /// Fails as [`Batches::next`] and [`SpoolWriter::write`] do, after the spool's file is removed.
    pub(super) async fn spool_batches(
        &self,
        writer: SpoolWriter,
        first: Vec<Bytes>,
        batches: &mut impl Batches,
    ) -> Result<Spool, RequestError> {
        let mut writing = write_batch(writer, first);
        loop {
            let gathered = batches.next().await;
            let (batch, is_last) = match gathered {
                Ok(gathered) => gathered,
                Err(broken) => {
                    // Removing the file may wait for the disk.
                    let writer = written(writing).await;
                    self.spawn_blocking(move |_| drop(writer)).await?;
                    return Err(broken);
                }
            };
            let mut writer = written(writing).await?;
            if is_last {
                let end = move |_: &Catalog| {
                    batch.into_iter().try_for_each(|chunk| writer.write(chunk))?;
                    Ok::<_, RequestError>(writer.finish()?)
                };
                return self.blocking(end).await;
            }
            writing = write_batch(writer, batch);
        }
    }
}

/// A spool's writer on its way to a blocking thread and back.
type Writing = JoinHandle<Result<SpoolWriter, RequestError>>;

fn write_batch(mut writer: SpoolWriter, batch: Vec<Bytes>) -> Writing {
    tokio::task::spawn_blocking(move || {
        batch.into_iter().try_for_each(|chunk| writer.write(chunk))?;
        Ok(writer)
    })
}

async fn written(writing: Writing) -> Result<SpoolWriter, RequestError> {
    writing.await.map_err(CatalogError::internal)?
}
