//! The built binary as a process of its own: started on a free port, killed on drop.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use super::{Answer, Request};

/// The binary under test.
pub const BINARY: &str = env!("CARGO_BIN_EXE_layerbase");

/// A serving process; killed when dropped.
pub struct Process {
    child: Child,
    base: String,
}

impl Process {
    /// Starts `serve` on a data folder and waits for its ready line.
    pub fn serve(data: &Path, arguments: &[&str]) -> Self {
        Self::serve_with_log(data, arguments, Stdio::inherit())
    }

    /// Like [`Process::serve`], with the log sent to `log`.
    pub fn serve_with_log(data: &Path, arguments: &[&str], log: impl Into<Stdio>) -> Self {
        Self::serve_by(binary(), data, arguments, log)
    }

    /// Like [`Process::serve_with_log`], with a command that has its own environment.
    pub fn serve_by(
        mut command: Command,
        data: &Path,
        arguments: &[&str],
        log: impl Into<Stdio>,
    ) -> Self {
        let mut child = command
            .args(["serve", "--listen", "127.0.0.1:0", "--data"])
            .arg(data)
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let base = line.trim_end().strip_prefix("layerbase ready on ");
        let base = base.unwrap_or_else(|| panic!("not the ready line: {line:?}")).to_owned();
        Self { child, base }
    }

    /// Returns the URL in front of every path.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Returns the process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a request.
    pub fn send(&self, request: &Request) -> Answer {
        request.send(&self.base)
    }

    /// Kills the process (SIGKILL) and waits until it has ended.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks the process to end (SIGTERM) and returns its exit code.
    pub fn terminate(self) -> Option<i32> {
        self.signal("TERM");
        self.end()
    }

    /// Sends a signal.
    pub fn signal(&self, name: &str) {
        let id = self.id().to_string();
        let sent = Command::new("kill").args(["-s", name, &id]).status().unwrap();
        assert!(sent.success());
    }

    /// Waits until the process ends and returns its exit code.
    pub fn end(mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // After `kill` and `end` the process has already ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Returns a command for the binary without the `LAYERBASE_` variables of this environment.
pub fn binary() -> Command {
    let mut command = Command::new(BINARY);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("LAYERBASE_") {
            command.env_remove(name);
        }
    }
    command.current_dir(std::env::temp_dir());
    command
}

/// Runs one command of the binary to its end.
pub fn run(arguments: &[&str]) -> Output {
    binary().args(arguments).output().unwrap()
}
