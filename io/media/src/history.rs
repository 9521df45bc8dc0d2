//! The last packets of an encoding, so that any subscriber can have them again.

use std::rc::Rc;

use trefoil_peer::PublishedPacket;
use trefoil_sfu::Incoming;

/// A packet, and what it is.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) packet: PublishedPacket,
    pub(crate) incoming: Incoming,
}

/// Packets that are kept: a second or two of video.
const KEPT: usize = 1024;

/// A ring by sequence number; one for all subscribers of an encoding.
#[derive(Debug)]
pub(crate) struct History {
    ring: Vec<Option<Rc<Held>>>,
}

impl History {
    pub(crate) const fn new() -> Self {
        Self { ring: Vec::new() }
    }

    pub(crate) fn keep(&mut self, held: Rc<Held>) {
        if self.ring.is_empty() {
            self.ring.resize_with(KEPT, || None);
        }
        let at = held.incoming.sequence as usize % KEPT;
        if let Some(slot) = self.ring.get_mut(at) {
            *slot = Some(held);
        }
    }

    pub(crate) fn find(&self, sequence: u64) -> Option<&Rc<Held>> {
        let held = self.ring.get(sequence as usize % KEPT)?.as_ref()?;
        (held.incoming.sequence == sequence).then_some(held)
    }
}
