//! The writer: the one thread that writes. It commits all waiting changes together.
//!
//! Each change runs in a savepoint, so that a failed one undoes nothing of the others. A caller is
//! answered only after the shared commit is synced (`synchronous=FULL`). Knows no tables.

use std::any::Any;
use std::cell::Cell;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, Sender, SyncSender};
use std::thread::JoinHandle;
use std::time::Duration;

use rusqlite::{Connection, Transaction, TransactionBehavior};

use super::{Change, View};
use crate::domain::CatalogError;

/// Most changes that share one commit; bounds how long the first of them waits.
const BATCH_MAX: usize = 256;

/// Why a change failed.
#[derive(Debug)]
pub(super) enum Failed {
    /// It refused, or was never part of a commit: nothing of it remains.
    Undone(CatalogError),
    /// Its commit failed while it was written to disk. The log may contain it all the same; the
    /// next start then finds it committed.
    Undecided(CatalogError),
}

/// How the transaction that a change ran in failed.
enum Broken {
    BeforeCommit(rusqlite::Error),
    AtCommit(rusqlite::Error),
}

/// Sends the waiting caller its result, given that of the shared transaction.
type Answer = Box<dyn FnOnce(Result<(), &Broken>)>;

/// Runs a change inside the writer; `None` means that there is no transaction to run it in. Returns
/// whether the change succeeded; its savepoint is undone if not.
type Job = Box<dyn FnOnce(Option<&Change<'_>>) -> (bool, Answer) + Send>;

pub(super) struct Writer {
    jobs: Option<Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// Starts the thread. It raises `changes` at each commit that changed a row, before it answers
    /// the callers.
    pub(super) fn start(connection: Connection, changes: Arc<AtomicU64>) -> io::Result<Self> {
        let (jobs, queue) = mpsc::channel();
        let thread = std::thread::Builder::new()
            .name("writer".to_owned())
            .spawn(move || work(connection, &queue, &changes))
            .map(Some)?;
        Ok(Self { jobs: Some(jobs), thread })
    }

    /// Queues `change` and waits until it is committed or has failed.
    ///
    /// A change that panics is undone like one that refuses.
    pub(super) fn run<T: Send + 'static>(
        &self,
        change: impl FnOnce(&Change<'_>) -> Result<T, CatalogError> + Send + 'static,
    ) -> Result<T, Failed> {
        let (job, answer) = job(change);
        let stopped = || CatalogError::internal("the writer has stopped");
        let jobs = self.jobs.as_ref().ok_or_else(|| Failed::Undone(stopped()))?;
        jobs.send(job).map_err(|_| Failed::Undone(stopped()))?;
        answer.recv().map_err(|_| Failed::Undecided(stopped()))?
    }
}

impl From<Failed> for CatalogError {
    fn from(failed: Failed) -> Self {
        match failed {
            Failed::Undone(error) | Failed::Undecided(error) => error,
        }
    }
}

impl Drop for Writer {
    /// Lets the thread finish the queue, then waits for its last checkpoint.
    fn drop(&mut self) {
        drop(self.jobs.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Wraps a change for the queue; the receiver gets its outcome.
fn job<T: Send + 'static>(
    change: impl FnOnce(&Change<'_>) -> Result<T, CatalogError> + Send + 'static,
) -> (Job, Receiver<Result<T, Failed>>) {
    let (reply, answer) = mpsc::sync_channel(1);
    let job: Job = Box::new(move |transaction| {
        // Unwind safe: the savepoint undoes what a panicking change wrote, and the values that it
        // captured are dropped.
        let outcome = transaction.map(|transaction| {
            catch_unwind(AssertUnwindSafe(|| change(transaction)))
                .unwrap_or_else(|panic| Err(panicked(panic.as_ref())))
        });
        (matches!(outcome, Some(Ok(_))), answer_later(reply, outcome))
    });
    (job, answer)
}

fn panicked(panic: &(dyn Any + Send)) -> CatalogError {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    CatalogError::internal(format!("a change panicked: {}", text.unwrap_or("without a text")))
}

fn answer_later<T: 'static>(
    reply: SyncSender<Result<T, Failed>>,
    outcome: Option<Result<T, CatalogError>>,
) -> Answer {
    Box::new(move |transaction| {
        let outcome = match (outcome, transaction) {
            (Some(Err(refusal)), _) => Err(Failed::Undone(refusal)),
            (Some(Ok(done)), Ok(())) => Ok(done),
            (Some(Ok(_)), Err(Broken::AtCommit(failure))) => {
                Err(Failed::Undecided(CatalogError::internal(failure.to_string())))
            }
            (_, Err(Broken::BeforeCommit(failure) | Broken::AtCommit(failure))) => {
                Err(Failed::Undone(CatalogError::internal(failure.to_string())))
            }
            (None, Ok(())) => {
                Err(Failed::Undone(CatalogError::internal("the writer left a change out")))
            }
        };
        // The caller may no longer wait; the outcome stays the same.
        let _ = reply.send(outcome);
    })
}

fn work(mut connection: Connection, queue: &Receiver<Job>, changes: &AtomicU64) {
    while let Ok(first) = queue.recv() {
        let mut waiting = std::iter::once(first).chain(queue.try_iter().take(BATCH_MAX - 1));
        let mut batch = Batch::default();
        let outcome = batch.commit_together(&mut connection, &mut waiting);
        if let Err(Broken::BeforeCommit(failure) | Broken::AtCommit(failure)) = &outcome {
            tracing::error!(%failure, "a commit failed");
        }
        // Changes that were not reached fail too. The next attempt might take as long as this one
        // to fail.
        if let Err(Broken::BeforeCommit(_)) = &outcome {
            batch.answers.extend(waiting.map(|job| job(None).1));
        }
        if batch.changed {
            changes.fetch_add(1, Ordering::Release);
        }
        for answer in batch.answers {
            answer(outcome.as_ref().copied());
        }
    }
    // Writes the log back into the file. All readers are closed by now: closing this last
    // connection removes the log and its index. If another process has the catalog open, that
    // process does so later; nothing waits for it here.
    let _ = connection.busy_timeout(Duration::ZERO);
    let _ = connection.pragma_update(None, "wal_checkpoint", "truncate");
}

/// The outcome of the changes that share a commit.
#[derive(Default)]
struct Batch {
    answers: Vec<Answer>,
    /// Whether any that succeeded changed a row and raises the generation.
    changed: bool,
}

impl Batch {
    fn commit_together(
        &mut self,
        connection: &mut Connection,
        jobs: &mut impl Iterator<Item = Job>,
    ) -> Result<(), Broken> {
        let transaction = Transaction::new(connection, TransactionBehavior::Immediate)
            .map_err(Broken::BeforeCommit)?;
        // The savepoint exists before a job is taken from the queue: a job that is taken runs.
        transaction.execute_batch("SAVEPOINT one").map_err(Broken::BeforeCommit)?;
        for job in jobs {
            let change = Change {
                view: View { connection: &transaction },
                raises_generation: Cell::new(true),
            };
            let before = transaction.total_changes();
            let (succeeded, answer) = job(Some(&change));
            self.answers.push(answer);
            self.changed |= succeeded
                && change.raises_generation.get()
                && transaction.total_changes() != before;
            transaction
                .execute_batch(if succeeded {
                    "RELEASE one; SAVEPOINT one"
                } else {
                    "ROLLBACK TO one"
                })
                .map_err(Broken::BeforeCommit)?;
        }
        transaction.commit().map_err(Broken::AtCommit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connection(path: &std::path::Path) -> Connection {
        let connection = Connection::open(path).unwrap();
        connection.busy_timeout(std::time::Duration::ZERO).unwrap();
        connection.execute_batch("CREATE TABLE IF NOT EXISTS numbers (number INTEGER)").unwrap();
        connection
    }

    fn insert(change: &Change<'_>, number: i64) -> Result<i64, CatalogError> {
        change.connection.execute("INSERT INTO numbers VALUES (?)", [number])?;
        Ok(number)
    }

    #[test]
    fn a_panicking_change_undoes_nothing_else_of_its_batch() {
        let folder = tempfile::tempdir().unwrap();
        let mut connection = connection(&folder.path().join("numbers"));
        let (first, first_answer) = job(|change| insert(change, 1));
        let (second, second_answer) = job(|change| {
            insert(change, 2)?;
            assert!(insert(change, 3)? != 3, "a mistake of ours");
            Ok(())
        });
        let (third, third_answer) = job(|change| insert(change, 4));
        let mut batch = Batch::default();
        let outcome =
            batch.commit_together(&mut connection, &mut [first, second, third].into_iter());
        assert!(outcome.is_ok());
        batch.answers.into_iter().for_each(|answer| answer(outcome.as_ref().copied()));
        assert_eq!(first_answer.recv().unwrap().unwrap(), 1);
        assert_eq!(third_answer.recv().unwrap().unwrap(), 4);
        match second_answer.recv().unwrap() {
            Err(Failed::Undone(CatalogError::Internal { source })) => {
                assert!(source.to_string().contains("a mistake of ours"), "{source}");
            }
            other => panic!("{other:?}"),
        }
        let sql = "SELECT group_concat(number) FROM numbers";
        let numbers: String = connection.query_one(sql, [], |row| row.get(0)).unwrap();
        assert_eq!(numbers, "1,4");
    }

    #[test]
    fn the_writer_survives_a_panic_and_reports_why_it_cannot_begin() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("numbers");
        let writer = Writer::start(connection(&path), Arc::default()).unwrap();
        let panicking = writer.run(|_| -> Result<(), _> { panic!("a mistake of ours") });
        assert!(matches!(panicking, Err(Failed::Undone(_))));

        let other = connection(&path);
        other.execute_batch("BEGIN IMMEDIATE").unwrap();
        match writer.run(|change| insert(change, 1)) {
            Err(Failed::Undone(CatalogError::Internal { source })) => {
                assert!(source.to_string().contains("locked"), "{source}");
            }
            other => panic!("{other:?}"),
        }
        other.execute_batch("ROLLBACK").unwrap();
        assert_eq!(writer.run(|change| insert(change, 1)).unwrap(), 1);
    }
}
