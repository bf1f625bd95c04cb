//! The writer: the one thread that writes. It commits all waiting changes together.
//!
//! Each change runs in a savepoint, so that a failed one undoes nothing of the others. A caller is
//! answered only after the shared commit is synced. Knows no tables and no engine.

use std::any::Any;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender, SyncSender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use super::Change;
use super::reserve::Reserve;
use super::sqlite::Session;
use crate::domain::CatalogError;

/// Most changes that share one commit; bounds how long the first of them waits.
const BATCH_MAX: usize = 256;

/// Why a change failed.
#[derive(Debug)]
pub(super) enum Failed {
    /// It refused, or was never part of a commit: nothing of it remains.
    Undone(CatalogError),
    /// Its commit failed while it was written to disk, and the writer could not settle it. SQLite's
    /// log may contain it all the same until a commit with a higher number succeeds; a start before
    /// that finds it committed.
    Undecided(CatalogError, u64),
}

/// How the transaction that a batch of changes ran in failed.
enum Broken {
    /// Before its commit: changes may be left that did not run.
    BeforeCommit(CatalogError),
    /// At its commit, after all its changes ran.
    AtCommit(CatalogError),
    /// At its commit, of which nothing is in the log any longer.
    Settled(CatalogError),
}

impl Broken {
    fn failure(&self) -> &CatalogError {
        match self {
            Self::BeforeCommit(failure) | Self::AtCommit(failure) | Self::Settled(failure) => {
                failure
            }
        }
    }
}

/// Runs a change, and leaves its result where the waiting caller takes it.
type Run = Box<dyn FnOnce(&Change<'_>) -> Result<(), CatalogError> + Send>;

/// Tells a waiting caller whether its change is committed, and the commit's number.
type Reply = SyncSender<Result<u64, Failed>>;

/// A change in the queue.
struct Job {
    /// Whether it adds something to the disk.
    needs_room: bool,
    run: Run,
    reply: Reply,
}

pub(super) struct Writer {
    jobs: Option<Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// Starts the thread. It raises `changes` at each commit that changed a row, before it answers
    /// the callers.
    pub(super) fn start(
        session: Session,
        reserve: Reserve,
        changes: Arc<AtomicU64>,
    ) -> io::Result<Self> {
        let (jobs, queue) = mpsc::channel();
        let thread = std::thread::Builder::new()
            .name("writer".to_owned())
            .spawn(move || work(session, reserve, &queue, &changes))
            .map(Some)?;
        Ok(Self { jobs: Some(jobs), thread })
    }

    /// Queues `change` and waits until it is committed or has failed. Returns its result and the
    /// number of its commit, which grows.
    ///
    /// A change that panics is undone like one that refuses. One that `needs_room` is refused with
    /// `NoSpace` while the reserve is given up.
    pub(super) fn run<T: Send + 'static>(
        &self,
        needs_room: bool,
        change: impl FnOnce(&Change<'_>) -> Result<T, CatalogError> + Send + 'static,
    ) -> Result<(T, u64), Failed> {
        let done = Arc::new(Mutex::new(None));
        let (reply, answer) = mpsc::sync_channel(1);
        let slot = Arc::clone(&done);
        let run = Box::new(move |store: &Change<'_>| {
            let value = change(store)?;
            *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(value);
            Ok(())
        });
        let stopped = || CatalogError::internal("the writer has stopped");
        let jobs = self.jobs.as_ref().ok_or_else(|| Failed::Undone(stopped()))?;
        jobs.send(Job { needs_room, run, reply }).map_err(|_| Failed::Undone(stopped()))?;
        let commit = answer.recv().map_err(|_| Failed::Undecided(stopped(), u64::MAX))??;
        let value = done.lock().unwrap_or_else(PoisonError::into_inner).take();
        let lost = || CatalogError::internal("a change left no result");
        value.map(|value| (value, commit)).ok_or_else(|| Failed::Undecided(lost(), u64::MAX))
    }
}

impl From<Failed> for CatalogError {
    fn from(failed: Failed) -> Self {
        match failed {
            Failed::Undone(error) | Failed::Undecided(error, _) => error,
        }
    }
}

impl Drop for Writer {
    /// Lets the thread finish the queue, then waits until the connection is closed.
    fn drop(&mut self) {
        drop(self.jobs.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn work(mut session: Session, mut reserve: Reserve, queue: &Receiver<Job>, changes: &AtomicU64) {
    reserve.refresh();
    let mut commit = 0;
    while let Some(first) = next(queue, &mut reserve) {
        let is_short = reserve.refresh();
        if is_short {
            session.empty_log();
        }
        let mut waiting = std::iter::once(first).chain(queue.try_iter().take(BATCH_MAX - 1));
        let mut batch = Batch { is_short, ..Batch::default() };
        let mut outcome = batch.commit_together(&mut session, &mut waiting);
        if let Err(broken) = &outcome {
            tracing::error!(failure = ?broken.failure(), "a commit failed");
        }
        // Changes that were not reached fail too. The next attempt might take as long as this one
        // to fail.
        if let Err(Broken::BeforeCommit(_)) = &outcome {
            batch.done.extend(waiting.map(|job| (job.reply, Ok(()))));
        }
        if let Err(broken) = outcome {
            outcome = Err(settle(broken, &mut session, &mut reserve));
        }
        if batch.changed {
            changes.fetch_add(1, Ordering::Release);
        }
        commit += 1;
        batch.answer(&outcome, commit);
    }
    session.close();
}

/// Waits for the next change; `None` when there will be none. While the reserve is given up it
/// looks each second whether it can be made again.
fn next(queue: &Receiver<Job>, reserve: &mut Reserve) -> Option<Job> {
    while reserve.is_given_up() {
        match queue.recv_timeout(Duration::from_secs(1)) {
            Err(RecvTimeoutError::Timeout) => {
                reserve.refresh();
            }
            Err(RecvTimeoutError::Disconnected) => return None,
            Ok(job) => return Some(job),
        }
    }
    queue.recv().ok()
}

/// Settles a failed commit where that can be done, so that its callers need not leave their files.
///
/// A commit that lacked space is not in the log: its last frame was not written. Any other is
/// overwritten by the next commit, which is made here.
fn settle(broken: Broken, session: &mut Session, reserve: &mut Reserve) -> Broken {
    if let CatalogError::NoSpace { .. } = broken.failure() {
        reserve.give_up_after_failure();
    }
    match broken {
        Broken::AtCommit(failure @ CatalogError::NoSpace { .. }) => Broken::Settled(failure),
        Broken::AtCommit(failure) => match session.overwrite() {
            Ok(()) => Broken::Settled(failure),
            Err(_) => Broken::AtCommit(failure),
        },
        other => other,
    }
}

/// The outcome of the changes that share a commit.
#[derive(Default)]
struct Batch {
    /// Whether changes that need room are refused.
    is_short: bool,
    /// Each change that ran: its waiting caller and its own result.
    done: Vec<(Reply, Result<(), CatalogError>)>,
    /// Whether any that succeeded changed a row and raises the generation.
    changed: bool,
}

impl Batch {
    fn commit_together(
        &mut self,
        session: &mut Session,
        jobs: &mut impl Iterator<Item = Job>,
    ) -> Result<(), Broken> {
        // The savepoint exists before a job is taken from the queue: a job that is taken runs.
        let transaction = session.begin().map_err(Broken::BeforeCommit)?;
        for Job { needs_room, run, reply } in jobs {
            if needs_room && self.is_short {
                let reason = "the reserve is given up, and is for deletions alone";
                self.done.push((reply, Err(CatalogError::NoSpace { source: reason.into() })));
                continue;
            }
            let change = transaction.change();
            let before = transaction.rows_changed();
            // Unwind safe: the savepoint undoes what a panicking change wrote, and the values that
            // it captured are dropped.
            let result = catch_unwind(AssertUnwindSafe(|| run(&change)))
                .unwrap_or_else(|panic| Err(panicked(panic.as_ref())));
            let succeeded = result.is_ok();
            self.done.push((reply, result));
            self.changed |=
                succeeded && change.raises_generation() && transaction.rows_changed() != before;
            transaction.settle(succeeded).map_err(Broken::BeforeCommit)?;
        }
        transaction.commit().map_err(Broken::AtCommit)
    }

    /// Answers each waiting caller, given the outcome and the number of the shared transaction.
    fn answer(self, outcome: &Result<(), Broken>, commit: u64) {
        for (reply, result) in self.done {
            let answer = match (result, outcome) {
                (Err(refusal), _) => Err(Failed::Undone(refusal)),
                (Ok(()), Ok(())) => Ok(commit),
                (Ok(()), Err(Broken::BeforeCommit(failure) | Broken::Settled(failure))) => {
                    Err(Failed::Undone(again(failure)))
                }
                (Ok(()), Err(Broken::AtCommit(failure))) => {
                    Err(Failed::Undecided(again(failure), commit))
                }
            };
            // The caller may no longer wait; the outcome stays the same.
            let _ = reply.send(answer);
        }
    }
}

/// Returns the failure of a shared transaction for one of the callers that waited for it.
fn again(failure: &CatalogError) -> CatalogError {
    match failure {
        CatalogError::NoSpace { source } => {
            CatalogError::NoSpace { source: source.to_string().into() }
        }
        CatalogError::Unavailable { what, source } => {
            CatalogError::Unavailable { what, source: source.to_string().into() }
        }
        CatalogError::Internal { source } => CatalogError::internal(source.to_string()),
        other => CatalogError::internal(other.to_string()),
    }
}

fn panicked(panic: &(dyn Any + Send)) -> CatalogError {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    CatalogError::internal(format!("a change panicked: {}", text.unwrap_or("without a text")))
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    use super::*;

    fn session(path: &std::path::Path) -> Session {
        let connection = Connection::open(path).unwrap();
        connection.busy_timeout(std::time::Duration::ZERO).unwrap();
        connection.execute_batch("CREATE TABLE IF NOT EXISTS numbers (number INTEGER)").unwrap();
        Session(connection)
    }

    fn insert(change: &Change<'_>, number: i64) -> Result<i64, CatalogError> {
        change.connection().execute("INSERT INTO numbers VALUES (?)", [number])?;
        Ok(number)
    }

    fn job(
        change: impl FnOnce(&Change<'_>) -> Result<(), CatalogError> + Send + 'static,
    ) -> (Job, Receiver<Result<u64, Failed>>) {
        let (reply, answer) = mpsc::sync_channel(1);
        (Job { needs_room: false, run: Box::new(change), reply }, answer)
    }

    #[test]
    fn a_panicking_change_undoes_nothing_else_of_its_batch() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("numbers");
        let mut session = session(&path);
        let (first, first_answer) = job(|change| insert(change, 1).map(drop));
        let (second, second_answer) = job(|change| {
            insert(change, 2)?;
            assert!(insert(change, 3)? != 3, "a mistake of ours");
            Ok(())
        });
        let (third, third_answer) = job(|change| insert(change, 4).map(drop));
        let mut batch = Batch::default();
        let outcome = batch.commit_together(&mut session, &mut [first, second, third].into_iter());
        assert!(outcome.is_ok());
        batch.answer(&outcome, 7);
        assert_eq!(first_answer.recv().unwrap().unwrap(), 7);
        third_answer.recv().unwrap().unwrap();
        match second_answer.recv().unwrap() {
            Err(Failed::Undone(CatalogError::Internal { source })) => {
                assert!(source.to_string().contains("a mistake of ours"), "{source}");
            }
            other => panic!("{other:?}"),
        }
        drop(session);
        let sql = "SELECT group_concat(number) FROM numbers";
        let connection = Connection::open(&path).unwrap();
        let numbers: String = connection.query_one(sql, [], |row| row.get(0)).unwrap();
        assert_eq!(numbers, "1,4");
    }

    #[test]
    fn the_writer_survives_a_panic_and_reports_why_it_cannot_begin() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("numbers");
        let reserve = Reserve::open(folder.path(), true);
        let writer = Writer::start(session(&path), reserve, Arc::default()).unwrap();
        let panicking = writer.run(false, |_| -> Result<(), _> { panic!("a mistake of ours") });
        assert!(matches!(panicking, Err(Failed::Undone(_))));

        let other = Connection::open(&path).unwrap();
        other.execute_batch("BEGIN IMMEDIATE").unwrap();
        match writer.run(false, |change| insert(change, 1)) {
            Err(Failed::Undone(CatalogError::Unavailable { source, .. })) => {
                assert!(source.to_string().contains("locked"), "{source}");
            }
            other => panic!("{other:?}"),
        }
        other.execute_batch("ROLLBACK").unwrap();
        assert_eq!(
            writer.run(false, |change| insert(change, 1)).unwrap(),
            (1, 3),
            "the third commit"
        );
    }
}
