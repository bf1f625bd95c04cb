//! The one thread that writes: takes all changes that wait and commits them together.
//!
//! Each change runs in a savepoint, so that one that fails takes nothing of the others with it, and
//! is answered only after the shared commit is synced (`synchronous=FULL`).

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

/// Changes that share one commit at the most; bounds how long the first of them waits.
const BATCH_MAX: usize = 256;

/// Why a change does not stand.
#[derive(Debug)]
pub(super) enum Failed {
    /// It refused, or it was never part of a commit: nothing of it is left.
    Undone(CatalogError),
    /// Its commit failed on the way to the disk: the log may hold it all the same, and then the
    /// next start finds it done.
    Undecided(CatalogError),
}

/// How the transaction that a change ran in ended badly.
enum Broken {
    BeforeCommit(rusqlite::Error),
    AtCommit(rusqlite::Error),
}

/// Tells a waiting caller how the shared transaction went.
type Answer = Box<dyn FnOnce(Result<(), &Broken>)>;

/// Runs inside the writer, or is told that there is no transaction to run in; returns whether the
/// change stands, so that its savepoint need not be undone.
type Job = Box<dyn FnOnce(Option<&Change<'_>>) -> (bool, Answer) + Send>;

pub(super) struct Writer {
    jobs: Option<Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// Starts the thread; `changes` is raised at each commit that changed a row, before anyone is
    /// answered.
    pub(super) fn start(connection: Connection, changes: Arc<AtomicU64>) -> io::Result<Self> {
        let (jobs, queue) = mpsc::channel();
        let thread = std::thread::Builder::new()
            .name("writer".to_owned())
            .spawn(move || work(connection, &queue, &changes))
            .map(Some)?;
        Ok(Self { jobs: Some(jobs), thread })
    }

    /// Queues `change` and waits until it is committed or refused.
    ///
    /// A change that panics is undone like one that refuses.
    pub(super) fn run<T: Send + 'static>(
        &self,
        change: impl FnOnce(&Change<'_>) -> Result<T, CatalogError> + Send + 'static,
    ) -> Result<T, Failed> {
        let (job, answer) = job(change);
        let gone = || CatalogError::internal("the writer has stopped");
        let jobs = self.jobs.as_ref().ok_or_else(|| Failed::Undone(gone()))?;
        jobs.send(job).map_err(|_| Failed::Undone(gone()))?;
        answer.recv().map_err(|_| Failed::Undecided(gone()))?
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
    /// Lets the queue run dry, then waits for the last checkpoint.
    fn drop(&mut self) {
        drop(self.jobs.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Wraps a change for the queue; its outcome arrives at the receiver.
fn job<T: Send + 'static>(
    change: impl FnOnce(&Change<'_>) -> Result<T, CatalogError> + Send + 'static,
) -> (Job, Receiver<Result<T, Failed>>) {
    let (reply, answer) = mpsc::sync_channel(1);
    let job: Job = Box::new(move |transaction| {
        // Whatever the change was in the middle of is undone with its savepoint, and what it took
        // along is dropped: nobody sees either half done.
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
        // The caller may have gone away; the change stands all the same.
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
        // Those that were not reached hear why; they are not left to wait for the next attempt,
        // which may take as long as this one to fail.
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
    // Writes the log back. By now no reader is left, so that closing this last connection removes
    // the log and its index: one file is left instead of three.
    // Another process may hold it; then that one does it later, and nobody waits here.
    let _ = connection.busy_timeout(Duration::ZERO);
    let _ = connection.pragma_update(None, "wal_checkpoint", "truncate");
}

/// What came of the changes that share a commit.
#[derive(Default)]
struct Batch {
    answers: Vec<Answer>,
    /// Whether any of those that stand touched a row.
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
        // The savepoint is there before the job is taken: a job that was taken runs.
        transaction.execute_batch("SAVEPOINT one").map_err(Broken::BeforeCommit)?;
        for job in jobs {
            let change = Change {
                view: View { connection: &transaction },
                raises_generation: Cell::new(true),
            };
            let before = transaction.total_changes();
            let (stands, answer) = job(Some(&change));
            self.answers.push(answer);
            self.changed |=
                stands && change.raises_generation.get() && transaction.total_changes() != before;
            transaction
                .execute_batch(if stands {
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
    fn a_change_that_panics_takes_nothing_of_its_batch_with_it() {
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
    fn the_writer_outlives_a_panic_and_says_why_it_cannot_begin() {
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
