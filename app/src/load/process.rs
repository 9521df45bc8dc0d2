//! What the kernel knows about a process: how long it ran and how much memory it holds.

use std::fs;

use anyhow::Context as _;

/// A process on this machine.
#[derive(Debug, Clone, Copy)]
pub(super) struct Process(pub(super) u32);

impl Process {
    /// This one.
    pub(super) fn own() -> Self {
        Self(std::process::id())
    }

    /// Nanoseconds that all its threads have run.
    ///
    /// # Errors
    /// If it is gone, or the kernel does not tell.
    pub(super) fn ran(self) -> anyhow::Result<u64> {
        let path = format!("/proc/{}/task", self.0);
        let threads = fs::read_dir(&path).with_context(|| self.gone(&path))?;
        // A thread may end between being listed and being read.
        let ran = threads.filter_map(|thread| {
            let text = fs::read_to_string(thread.ok()?.path().join("schedstat")).ok()?;
            text.split_whitespace().next()?.parse::<u64>().ok()
        });
        Ok(ran.sum())
    }

    /// Bytes of it that are in RAM.
    ///
    /// # Errors
    /// If it is gone, or the kernel does not tell.
    pub(super) fn resident_bytes(self) -> anyhow::Result<u64> {
        let path = format!("/proc/{}/status", self.0);
        let text = fs::read_to_string(&path).with_context(|| self.gone(&path))?;
        let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kilobytes = line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
        Ok(kilobytes.with_context(|| self.gone(&path))? * 1024)
    }

    fn gone(self, path: &str) -> String {
        format!(
            "cannot read {path}: no process {} runs on this machine; leave --pid out to measure without it",
            self.0
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_runs_is_measured_and_another_is_named() {
        let own = Process::own();
        assert!(own.resident_bytes().unwrap() > 100_000);
        let before = own.ran().unwrap();
        while own.ran().unwrap() == before {}
        let error = Process(u32::MAX).ran().unwrap_err().to_string();
        assert!(error.contains("4294967295") && error.contains("--pid"), "{error}");
    }
}
