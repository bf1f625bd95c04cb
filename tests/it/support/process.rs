//! The built binary as a process of its own: started on a free port, ended with the value.

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
    /// Starts `serve` on a data folder and waits for the line that says it is ready.
    pub fn serve(data: &Path, arguments: &[&str]) -> Self {
        Self::serve_with_log(data, arguments, Stdio::inherit())
    }

    /// Like [`Process::serve`], with the log somewhere else.
    pub fn serve_with_log(data: &Path, arguments: &[&str], log: impl Into<Stdio>) -> Self {
        Self::serve_by(binary(), data, arguments, log)
    }

    /// Like [`Process::serve_with_log`], by a command that has an environment of its own.
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

    /// The URL in front of every path.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a request.
    pub fn send(&self, request: &Request) -> Answer {
        request.send(&self.base)
    }

    /// Kills the process on the spot (SIGKILL) and waits until it is gone.
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
        // Already gone after `kill` and `terminate`, which is just as well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The binary with nothing of this machine's environment that would change what it does.
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
