//! ICMP errors about what relay sockets have sent: taken from the sockets, given to the machine, and bounded.
//!
//! A peer that is gone may cause an error for each packet. So few are taken at each wake-up, and a socket whose client has
//! been told often enough ignores errors until the next second: then they cost nothing again.

use trefoil_turn::{Icmp, IcmpDrop, PeerAddr};

use crate::shard::Running;

/// Errors taken from one socket at each wake-up.
const MOST_ERRORS: usize = 16;

impl Running {
    /// A relay socket has something: errors, datagrams or both.
    pub(crate) fn take_from_relay(&mut self, index: usize, failed: bool) {
        if failed {
            self.take_errors(index);
        }
        self.take_from_peers(index);
    }

    fn take_errors(&mut self, index: usize) {
        let Some(Some(open)) = self.relays.get_mut(index) else {
            return;
        };
        let (machine, now) = (&mut self.machine, self.now.elapsed);
        let mut enough = false;
        open.socket.take_errors(MOST_ERRORS, |error| {
            let icmp = Icmp {
                kind: error.kind,
                code: error.code,
                mtu: error.mtu,
            };
            let told = machine.handle_icmp(open.id, PeerAddr(error.peer), icmp, now);
            enough |= told == Err(IcmpDrop::TooMany);
        });
        if enough && !open.deaf && open.socket.keep_errors(false).is_ok() {
            open.deaf = true;
            self.deaf.push(index);
        }
        self.outputs();
    }

    /// Lets deaf sockets hear errors again; called once a second.
    pub(crate) fn hear_again(&mut self) {
        for index in std::mem::take(&mut self.deaf) {
            let Some(Some(open)) = self.relays.get_mut(index) else {
                continue;
            };
            open.deaf = false;
            let _ = open.socket.keep_errors(true);
        }
    }
}
