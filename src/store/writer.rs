//! The one thread that writes: takes all changes that wait and commits them together.
//!
//! Each change runs in a savepoint, so that one that fails takes nothing of the others with it, and
//! is answered only after the shared commit is synced (`synchronous=FULL`).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, Sender, SyncSender};
use std::thread::JoinHandle;

use rusqlite::{Connection, Transaction, TransactionBehavior};

use super::{Change, View};
use crate::domain::CatalogError;

/// Changes that share one commit at the most; bounds how long the first of them waits.
const BATCH_MAX: usize = 256;

/// Tells a waiting caller how the shared commit went.
type Answer = Box<dyn FnOnce(Result<(), &str>)>;

/// Runs inside the writer; `None` when the change refused and its savepoint must be undone.
type Job = Box<dyn FnOnce(&Change<'_>) -> (bool, Answer) + Send>;

pub(super) struct Writer {
    jobs: Option<Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// Starts the thread; `changes` is raised at each commit, before anyone is answered.
    pub(super) fn start(connection: Connection, changes: Arc<AtomicU64>) -> Self {
        let (jobs, queue) = mpsc::channel();
        let thread = std::thread::Builder::new()
            .name("writer".to_owned())
            .spawn(move || work(connection, &queue, &changes))
            .ok();
        Self { jobs: Some(jobs), thread }
    }

    /// Queues `change` and waits until it is committed or refused.
    pub(super) fn run<T: Send + 'static>(
        &self,
        change: impl FnOnce(&Change<'_>) -> Result<T, CatalogError> + Send + 'static,
    ) -> Result<T, CatalogError> {
        let (reply, answer) = mpsc::sync_channel(1);
        let job: Job = Box::new(move |transaction| {
            let outcome = change(transaction);
            (outcome.is_ok(), answer_later(reply, outcome))
        });
        let gone = || CatalogError::internal("the writer has stopped");
        self.jobs.as_ref().ok_or_else(gone)?.send(job).map_err(|_| gone())?;
        answer.recv().map_err(|_| gone())?
    }
}

impl Drop for Writer {
    /// Lets the queue run dry, then waits for the last checkpoint.
    fn drop(&mut self) {
        drop(self.jobs.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn answer_later<T: 'static>(
    reply: SyncSender<Result<T, CatalogError>>,
    outcome: Result<T, CatalogError>,
) -> Answer {
    Box::new(move |committed| {
        let outcome = match committed {
            Ok(()) => outcome,
            Err(failure) => Err(outcome.err().unwrap_or_else(|| CatalogError::internal(failure))),
        };
        // The caller may have gone away; the change stands all the same.
        let _ = reply.send(outcome);
    })
}

fn work(mut connection: Connection, queue: &Receiver<Job>, changes: &AtomicU64) {
    while let Ok(first) = queue.recv() {
        let waiting = std::iter::once(first).chain(queue.try_iter().take(BATCH_MAX - 1));
        let mut answers = Vec::new();
        let committed = commit_together(&mut connection, waiting, &mut answers);
        if let Err(failure) = &committed {
            tracing::error!(%failure, "a commit failed");
        }
        changes.fetch_add(1, Ordering::Release);
        let committed = committed.map_err(|failure| failure.to_string());
        for answer in answers {
            answer(committed.as_ref().copied().map_err(String::as_str));
        }
    }
    // Leaves one file behind instead of three; a failure costs nothing but that.
    let _ = connection.pragma_update(None, "wal_checkpoint", "truncate");
}

/// A job that is not reached because the transaction broke is dropped, which its caller sees as a
/// stopped writer.
fn commit_together(
    connection: &mut Connection,
    jobs: impl Iterator<Item = Job>,
    answers: &mut Vec<Answer>,
) -> Result<(), rusqlite::Error> {
    let transaction = Transaction::new(connection, TransactionBehavior::Immediate)?;
    for job in jobs {
        transaction.execute_batch("SAVEPOINT one")?;
        let change = Change { view: View { connection: &transaction } };
        let (ok, answer) = job(&change);
        answers.push(answer);
        transaction.execute_batch(if ok {
            "RELEASE one"
        } else {
            "ROLLBACK TO one; RELEASE one"
        })?;
    }
    transaction.commit()
}
