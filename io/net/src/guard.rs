//! A panic in somebody else's code ends what it worked on, not the process.

use std::{
    cell::Cell,
    panic::{AssertUnwindSafe, catch_unwind},
};

thread_local!(static GUARDED: Cell<bool> = const { Cell::new(false) });

/// Whether a panic on this thread would be caught here; every other panic is the process's end.
#[must_use]
pub fn is_guarded() -> bool {
    GUARDED.get()
}

/// What `act` returns; `None` if it panicked. Whatever it worked on must not be used again.
pub fn guarded<T>(act: impl FnOnce() -> T) -> Option<T> {
    GUARDED.set(true);
    let done = catch_unwind(AssertUnwindSafe(act));
    GUARDED.set(false);
    done.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_caught_and_only_inside() {
        assert_eq!(guarded(is_guarded), Some(true));
        assert_eq!(guarded(|| -> u8 { panic!("as an engine might") }), None);
        assert!(!is_guarded());
    }
}
