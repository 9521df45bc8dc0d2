//! What the kernel knows about this thread, and about a server's process.

use anyhow::Context;

/// Nanoseconds that this thread has run.
pub(crate) fn nanoseconds() -> anyhow::Result<u64> {
    let text =
        std::fs::read_to_string("/proc/thread-self/schedstat").context("this kernel counts no CPU time")?;
    let field = text.split_whitespace().next().context("an empty schedstat")?;
    Ok(field.parse()?)
}

/// Nanoseconds that all threads of a process have run.
pub(crate) fn of_process(pid: u32) -> anyhow::Result<u64> {
    let mut sum = 0;
    for thread in std::fs::read_dir(format!("/proc/{pid}/task")).context("the server is gone")? {
        let text = std::fs::read_to_string(thread?.path().join("schedstat")).unwrap_or_default();
        let first = text
            .split_whitespace()
            .next()
            .and_then(|field| field.parse::<u64>().ok());
        sum += first.unwrap_or(0);
    }
    Ok(sum)
}
