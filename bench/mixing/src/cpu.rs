//! What the kernel knows about this thread.

use anyhow::Context;

/// Nanoseconds that this thread has run.
pub(crate) fn nanoseconds() -> anyhow::Result<u64> {
    let text =
        std::fs::read_to_string("/proc/thread-self/schedstat").context("this kernel counts no CPU time")?;
    let field = text.split_whitespace().next().context("an empty schedstat")?;
    Ok(field.parse()?)
}
