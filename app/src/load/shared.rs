//! What the threads of a load share: the clock, the counts, and what is going on.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use trefoil_net::Clock;

use super::tally::Tally;

/// Bytes of the buffers of each socket.
pub(super) const RECEIVE_BYTES: usize = 1024 * 1024;

/// What the threads of a load share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) clock: Clock,
    /// Who is connected to publish, and who to receive.
    pub(super) publishing: Count,
    pub(super) receiving: Count,
    tally: Mutex<Tally>,
    sending: AtomicBool,
    over: AtomicBool,
}

/// How many are connected.
#[derive(Debug, Default)]
pub(super) struct Count(AtomicUsize);

impl Count {
    pub(super) fn enter(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn leave(&self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }

    pub(super) fn now(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

impl Shared {
    pub(super) fn new() -> Self {
        Self {
            clock: Clock::start(),
            publishing: Count::default(),
            receiving: Count::default(),
            tally: Mutex::default(),
            sending: AtomicBool::new(false),
            over: AtomicBool::new(false),
        }
    }

    /// Counts something.
    pub(super) fn tally(&self, count: impl FnOnce(&mut Tally)) {
        count(&mut self.tally.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// What was counted since this was asked last.
    pub(super) fn take_tally(&self) -> Tally {
        let mut taken = Tally::default();
        self.tally(|tally| std::mem::swap(tally, &mut taken));
        taken
    }

    /// Whether media is to be sent.
    pub(super) fn is_sending(&self) -> bool {
        self.sending.load(Ordering::Relaxed)
    }

    /// Begins to send media, or ends it.
    pub(super) fn set_sending(&self, sending: bool) {
        self.sending.store(sending, Ordering::Relaxed);
    }

    /// Whether the threads should end.
    pub(super) fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    /// Ends the threads.
    pub(super) fn end(&self) {
        self.over.store(true, Ordering::Relaxed);
    }
}
