//! Whose a datagram is: by where it came from, or by the user fragment in its first STUN message.

use std::collections::HashMap;

use trefoil_net::Source;
use trefoil_peer::{Path, Via};

/// Which of a member's transports.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Leg {
    Publish,
    Subscribe,
    Plain,
}

/// How a datagram arrived.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrival {
    /// The socket and address that it was sent to; none for TCP.
    pub(crate) source: Option<Source>,
    /// The worker that it reached.
    pub(crate) worker: u8,
}

/// Where a known remote address belongs, and how it is answered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Known {
    pub(crate) member: u32,
    pub(crate) leg: Leg,
    pub(crate) arrival: Arrival,
}

/// Addresses that one transport may be reached at; the oldest is forgotten.
const ADDRESSES: usize = 16;

type Remote = (Via, std::net::SocketAddr);

/// All addresses and user fragments of a worker.
#[derive(Debug, Default)]
pub(crate) struct Demux {
    by_remote: HashMap<Remote, Known>,
    by_fragment: HashMap<String, (u32, Leg)>,
}

impl Demux {
    #[inline]
    pub(crate) fn known(&self, path: Path) -> Option<Known> {
        self.by_remote.get(&(path.via, path.remote)).copied()
    }

    pub(crate) fn of_fragment(&self, fragment: &[u8]) -> Option<(u32, Leg)> {
        self.by_fragment.get(std::str::from_utf8(fragment).ok()?).copied()
    }

    pub(crate) fn add_fragment(&mut self, fragment: &str, member: u32, leg: Leg) {
        self.by_fragment.insert(fragment.to_owned(), (member, leg));
    }

    pub(crate) fn remove_fragment(&mut self, fragment: &str) {
        self.by_fragment.remove(fragment);
    }

    /// Remembers that a transport has proved to be at this address; `at` are all that it has proved. Returns whether that
    /// is new.
    pub(crate) fn learn(&mut self, path: Path, known: Known, at: &mut Vec<Remote>) -> bool {
        let remote = (path.via, path.remote);
        let before = self.by_remote.insert(remote, known);
        let new = before.is_none_or(|before| before.arrival.worker != known.arrival.worker)
            || !at.contains(&remote);
        if !at.contains(&remote) {
            if at.len() == ADDRESSES {
                let oldest = at.remove(0);
                self.by_remote.remove(&oldest);
            }
            at.push(remote);
        }
        new
    }

    /// Forgets addresses; those that reach another worker are returned, with that worker.
    pub(crate) fn forget(&mut self, at: &[Remote]) -> Vec<(std::net::SocketAddr, u8)> {
        let gone = at
            .iter()
            .filter_map(|remote| Some((remote.1, self.by_remote.remove(remote)?.arrival.worker)));
        gone.collect()
    }

    pub(crate) fn len(&self) -> usize {
        self.by_remote.len()
    }
}

/// Our user fragment in a STUN binding request: what stands before the colon of USERNAME (RFC 8445, section 7.2.2).
pub(crate) fn fragment_of(datagram: &[u8]) -> Option<&[u8]> {
    let (header, mut rest) = datagram.split_first_chunk::<20>()?;
    if header.get(..2) != Some(&[0, 1]) || header.get(4..8) != Some(&[0x21, 0x12, 0xA4, 0x42]) {
        return None;
    }
    // As many attributes as any client sends before its user name.
    for _ in 0..16 {
        let ([a, b, c, d], behind) = rest.split_first_chunk::<4>()?;
        let (kind, length) = (
            u16::from_be_bytes([*a, *b]),
            usize::from(u16::from_be_bytes([*c, *d])),
        );
        let value = behind.get(..length)?;
        if kind == 0x0006 {
            return value.split(|byte| *byte == b':').next();
        }
        rest = behind.get(length.next_multiple_of(4)..)?;
    }
    None
}

/// Whether these bytes are a binding success response.
pub(crate) fn is_success(datagram: &[u8]) -> bool {
    datagram.get(..2) == Some(&[1, 1])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(attributes: &[(u16, &[u8])]) -> Vec<u8> {
        let mut message = vec![0, 1, 0, 0, 0x21, 0x12, 0xA4, 0x42];
        message.extend([7; 12]);
        for (kind, value) in attributes {
            message.extend(kind.to_be_bytes());
            message.extend((value.len() as u16).to_be_bytes());
            message.extend(*value);
            message.resize(message.len().next_multiple_of(4), 0);
        }
        message
    }

    #[test]
    fn the_fragment_is_what_stands_before_the_colon() {
        let message = request(&[(0x8029, &[0; 8]), (0x0006, b"00abcdef:theirs")]);
        assert_eq!(fragment_of(&message), Some(&b"00abcdef"[..]));
        assert_eq!(fragment_of(&request(&[(0x8029, &[0; 8])])), None);
    }

    #[test]
    fn truncated_and_foreign_messages_have_none() {
        let message = request(&[(0x0006, b"00abcdef:theirs")]);
        for length in 0..message.len() - 1 {
            assert_eq!(fragment_of(&message[..length]), None, "{length}");
        }
        let mut response = message;
        response[0] = 1;
        assert_eq!(fragment_of(&response), None);
    }
}
