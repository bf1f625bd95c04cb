//! Servers as child processes: the real binary and the limits.
//!
//! Each prints `… ready on http://address`; its memory and processor time are read from `/proc`.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::limits;

/// Path of the server under test, built with the profile of the bench.
pub const LAYERBASE: &str = env!("CARGO_BIN_EXE_layerbase");

/// A running server; dropping the value kills it.
pub struct Process {
    child: Child,
    /// Its address.
    pub address: SocketAddr,
    /// Time from its start to its ready line.
    pub started_in: Duration,
}

impl Process {
    /// Starts the server under test on a data folder, with the defaults and `flags`.
    pub fn layerbase(data: &Path, flags: &[&str]) -> Self {
        Self::server(LAYERBASE, data, flags)
    }

    /// Starts the server at the path `binary`, like [`Process::layerbase`].
    pub fn server(binary: &str, data: &Path, flags: &[&str]) -> Self {
        let mut command = Command::new(binary);
        command.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(data).args(flags);
        // The environment must not change the measured settings.
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("LAYERBASE_") {
                command.env_remove(name);
            }
        }
        Self::start(command)
    }

    /// Starts one of [`limits`], which is this program with other arguments.
    pub fn limit(kind: &str, path: &Path) -> Self {
        let mut command = Command::new(std::env::current_exe().expect("this program has a path"));
        command.args([limits::COMMAND, kind]).arg(path);
        Self::start(command)
    }

    fn start(mut command: Command) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        let begun = Instant::now();
        let mut child = command.spawn().expect("the server can be run");
        let mut line = String::new();
        let output = child.stdout.as_mut().expect("standard output is piped");
        BufReader::new(output).read_line(&mut line).expect("the server says that it is ready");
        let started_in = begun.elapsed();
        let (_, address) = line.split_once("http://").expect("the ready line has an address");
        let address = address.trim().parse().expect("the address is one");
        Self { child, address, started_in }
    }

    /// Sends SIGTERM to the server and waits until it has ended.
    pub fn stop(mut self) {
        let id = self.child.id().to_string();
        let asked = Command::new("kill").args(["-TERM", &id]).status();
        assert!(asked.is_ok_and(|status| status.success()), "`kill` works");
        self.child.wait().expect("a child can be waited for");
    }

    /// Returns the resident memory in bytes.
    pub fn resident(&self) -> u64 {
        self.status("VmRSS:")
    }

    /// Returns the peak resident memory since the start or [`Process::forget_peak`], in bytes.
    pub fn peak(&self) -> u64 {
        self.status("VmHWM:")
    }

    /// Resets the peak.
    pub fn forget_peak(&self) {
        fs::write(self.proc("clear_refs"), "5").expect("our own child's peak can be reset");
    }

    /// Returns the processor time of all its threads, in nanosecond resolution.
    pub fn processor_time(&self) -> Duration {
        let Ok(threads) = fs::read_dir(self.proc("task")) else { return Duration::ZERO };
        let spent = threads.flatten().filter_map(|thread| {
            let text = fs::read_to_string(thread.path().join("schedstat")).ok()?;
            text.split(' ').next()?.parse::<u64>().ok()
        });
        Duration::from_nanos(spent.sum())
    }

    fn status(&self, field: &str) -> u64 {
        let text = fs::read_to_string(self.proc("status")).expect("the server runs");
        let line = text.lines().find(|line| line.starts_with(field)).expect("Linux has the field");
        let kibibytes: u64 =
            line.split_whitespace().nth(1).and_then(|word| word.parse().ok()).expect("a number");
        kibibytes << 10
    }

    fn proc(&self, file: &str) -> String {
        format!("/proc/{}/{file}", self.child.id())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
