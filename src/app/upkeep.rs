//! What the tasks of upkeep did since the server's start. Knows neither the tasks nor their
//! schedule.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::domain::{Tally, TaskReport, TaskRun};

/// The reports of all tasks, in the order of their table.
#[derive(Default)]
pub struct Upkeep {
    reports: Mutex<Vec<TaskReport>>,
}

impl Upkeep {
    /// Adds a task that has not run yet.
    pub fn announce(&self, name: &'static str, period: Duration) {
        let (period, did) = (period.as_secs(), Tally::default());
        let report = TaskReport { name, period, runs: 0, did, last: None, last_work: None };
        self.lock().push(report);
    }

    /// Notes a run of a task.
    pub fn note(&self, name: &str, run: TaskRun) {
        let mut reports = self.lock();
        let Some(report) = reports.iter_mut().find(|report| report.name == name) else { return };
        if !run.did.is_empty() || run.failure.is_some() {
            report.last_work = Some(run.clone());
        }
        report.runs += 1;
        report.did.add(run.did);
        report.last = Some(run);
    }

    /// Returns what each task did.
    pub fn reports(&self) -> Vec<TaskReport> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<TaskReport>> {
        self.reports.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Timestamp;

    #[test]
    fn a_report_has_the_last_run_and_the_last_that_did_something() {
        let upkeep = Upkeep::default();
        upkeep.announce("one", Duration::from_secs(60));
        upkeep.announce("two", Duration::from_secs(5));
        let at = |second| Timestamp::from_second(second).unwrap();
        let run =
            |from, did, failure| TaskRun { started: at(from), ended: at(from + 1), did, failure };
        let (none, some) = (Tally::default(), Tally { things: 1, files: 2, bytes: 3 });
        upkeep.note("one", run(1, some, None));
        upkeep.note("one", run(3, some, Some("a fault".to_owned())));
        upkeep.note("one", run(5, none, None));
        let reports = upkeep.reports();
        assert_eq!(
            reports[0],
            TaskReport {
                name: "one",
                period: 60,
                runs: 3,
                did: Tally { things: 2, files: 4, bytes: 6 },
                last: Some(run(5, none, None)),
                last_work: Some(run(3, some, Some("a fault".to_owned()))),
            }
        );
        assert_eq!((reports[1].name, reports[1].runs), ("two", 0));
    }
}
