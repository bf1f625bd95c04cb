//! Upkeep: the table of tasks, and when they run. The catalog knows what a step does.
//!
//! A run of a task is its steps until nothing is left. Each task runs at the server's start and
//! again a period after each run's end. Tasks that are due take turns, step by step, in the order
//! of their table.

use std::convert::Infallible;
use std::time::Duration;

use tokio::time::Instant;

use crate::app::App;
use crate::catalog::Catalog;
use crate::domain::{Actor, CatalogError, Tally, TaskRun};

/// A task of upkeep.
struct Task {
    /// Its name in reports and in the log.
    name: &'static str,
    /// The pause between two runs.
    period: Duration,
    /// One bounded step; `None` when nothing is left to do.
    step: fn(&Catalog, &Actor) -> Result<Option<Tally>, CatalogError>,
}

const TASKS: [Task; 3] = [
    // How long expired objects may stay in the inbox. Reads do not see them meanwhile.
    Task { name: "expire-inbox", period: Duration::from_secs(60), step: Catalog::expire_inbox },
    Task { name: "remove-files", period: Duration::from_secs(60), step: Catalog::remove_files },
    Task {
        name: "find-unknown-code",
        period: Duration::from_secs(24 * 60 * 60),
        step: Catalog::find_unknown_code,
    },
];

/// Has the reports list all tasks, before the first one runs.
pub(super) fn announce(app: &App) {
    for Task { name, period, .. } in &TASKS {
        app.upkeep().announce(name, *period);
    }
}

/// Runs all tasks until the future is dropped. A step that is already running still finishes.
pub(super) async fn run(app: App) -> Infallible {
    let mut due = TASKS.map(|_| Instant::now());
    let mut runs = TASKS.map(|_| None);
    loop {
        for ((task, due), run) in TASKS.iter().zip(&mut due).zip(&mut runs) {
            if *due <= Instant::now() && take_step(&app, task, run).await {
                *due = Instant::now() + task.period;
            }
        }
        let next = due.into_iter().min();
        tokio::time::sleep_until(next.unwrap_or_else(Instant::now)).await;
    }
}

/// Takes the next step of a task's run; returns true, after reporting the run, if it was the last.
async fn take_step(app: &App, task: &Task, run: &mut Option<TaskRun>) -> bool {
    let now = app.clock().now();
    let run_now = run.get_or_insert_with(|| TaskRun {
        started: now,
        ended: now,
        did: Tally::default(),
        failure: None,
    });
    let (step, by) = (task.step, Actor::task(task.name));
    match app.blocking(move |catalog| step(catalog, &by)).await {
        Ok(Some(done)) => {
            run_now.did.add(done);
            return false;
        }
        Ok(None) => {}
        Err(error) => {
            tracing::error!(task = task.name, failure = ?error, "a task of upkeep failed");
            run_now.failure = Some(error.to_string());
        }
    }
    run_now.ended = app.clock().now();
    let Tally { things, files, bytes } = run_now.did;
    if !run_now.did.is_empty() {
        tracing::info!(task = task.name, things, files, bytes, "a task of upkeep did its work");
    }
    if let Some(run) = run.take() {
        app.upkeep().note(task.name, run);
    }
    true
}
