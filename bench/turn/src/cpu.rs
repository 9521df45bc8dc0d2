//! What the kernel knows about the server's process.

use std::fs;

use anyhow::{Context, Result};

/// Nanoseconds that all threads of a process have run.
pub(crate) fn nanoseconds(pid: u32) -> Result<u64> {
    let mut sum = 0;
    for thread in fs::read_dir(format!("/proc/{pid}/task")).context("the server is gone")? {
        let Ok(text) = fs::read_to_string(thread?.path().join("schedstat")) else {
            continue;
        };
        sum += text
            .split_whitespace()
            .next()
            .and_then(|field| field.parse::<u64>().ok())
            .unwrap_or(0);
    }
    Ok(sum)
}

/// Nanoseconds in which a core did nothing for anybody here, in hundredths of a second.
pub(crate) fn idle_nanoseconds(core: u32) -> Result<u64> {
    let text = fs::read_to_string("/proc/stat").context("the kernel does not tell")?;
    let name = format!("cpu{core}");
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(&name)?.strip_prefix(' '))
        .with_context(|| format!("there is no core {core}"))?;
    let fields: Vec<u64> = line
        .split_whitespace()
        .filter_map(|field| field.parse().ok())
        .collect();
    // Idle, waiting for disks, and taken by other machines.
    let idle: u64 = [3, 4, 7].iter().filter_map(|at| fields.get(*at)).sum();
    Ok(idle * 10_000_000)
}

/// Memory of a process that is in RAM.
pub(crate) fn resident_bytes(pid: u32) -> Result<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/statm")).context("the server is gone")?;
    let pages: u64 = text
        .split_whitespace()
        .nth(1)
        .and_then(|field| field.parse().ok())
        .unwrap_or(0);
    Ok(pages * 4096)
}
