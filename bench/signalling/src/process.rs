//! CPU time and memory of another process, from /proc.

use std::{fs, time::Duration};

use anyhow::Context as _;

/// A running process.
pub struct Process {
    pid: u32,
}

impl Process {
    pub fn new(pid: u32) -> Self {
        Self { pid }
    }

    /// Time on a processor so far, all threads together.
    pub fn cpu(&self) -> anyhow::Result<Duration> {
        let mut total = 0;
        for task in
            fs::read_dir(format!("/proc/{}/task", self.pid)).context("the server's process is gone")?
        {
            let text = fs::read_to_string(task?.path().join("schedstat")).unwrap_or_default();
            total += text
                .split_whitespace()
                .next()
                .and_then(|word| word.parse::<u64>().ok())
                .unwrap_or(0);
        }
        Ok(Duration::from_nanos(total))
    }

    /// Resident memory in bytes.
    pub fn memory(&self) -> anyhow::Result<u64> {
        let text = fs::read_to_string(format!("/proc/{}/status", self.pid))?;
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .context("VmRSS")?;
        let kilobytes: u64 = line.trim().trim_end_matches(" kB").trim().parse()?;
        Ok(kilobytes * 1024)
    }
}
