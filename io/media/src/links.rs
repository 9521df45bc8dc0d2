//! Between workers: what reached one and belongs to another.
//!
//! All workers listen on one port, and the kernel spreads clients over them without knowing where their rooms are. A STUN
//! request names its worker in the user fragment, so it is handed on; once the owner has seen the address proved, it
//! says so, and everything else from there is handed on too. What goes out leaves from the owner's own socket.

use std::{
    collections::{HashMap, VecDeque},
    net::{IpAddr, SocketAddr, TcpStream},
    sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
};

use trefoil_net::Waker;
use trefoil_peer::{Path, PublishedPacket, Via};
use trefoil_sfu::TrackId;

use crate::{RoomKey, spread::RoomWord};

/// Messages that may wait for one worker; more are dropped and counted, as a full socket buffer would drop them.
const WAITING: usize = 1024;
/// Words between parts of rooms that may wait for one worker; more are dropped and counted, and what they said is lost there.
const WORDS: usize = 65_536;
/// Remote addresses of others that one worker remembers; only proved ones are.
const REMEMBERED: usize = 65_536;

/// A datagram that came to another worker: by which socket, to which of our addresses.
#[derive(Debug)]
pub(crate) struct Strayed {
    pub(crate) path: Path,
    pub(crate) socket: usize,
    pub(crate) local: IpAddr,
    pub(crate) length: usize,
}

/// What one worker hands to another.
#[derive(Debug)]
pub(crate) enum Handed {
    /// Datagrams, one after the other in `bytes`.
    Datagrams {
        from: u8,
        strayed: Vec<Strayed>,
        bytes: Vec<u8>,
    },
    /// A connection, with what was read from it.
    Stream {
        socket: TcpStream,
        remote: SocketAddr,
        already_read: Vec<u8>,
    },
    /// What comes to you from there belongs to this worker.
    Proved { remote: SocketAddr, worker: u8 },
    /// No longer.
    Forgotten { remote: SocketAddr },
    /// What one part of a room says to another.
    Word { from: u8, room: RoomKey, word: RoomWord },
    /// Packets of tracks, for those who receive them there.
    Packets {
        from: u8,
        packets: Vec<(RoomKey, TrackId, PublishedPacket)>,
    },
}

/// What waits for another worker.
#[derive(Debug, Default)]
struct Waiting {
    strayed: Vec<Strayed>,
    bytes: Vec<u8>,
    packets: Vec<(RoomKey, TrackId, PublishedPacket)>,
    /// In their order, and never lost: they wait until there is room.
    words: VecDeque<Handed>,
}

/// One worker's ends of all links.
#[derive(Debug)]
pub(crate) struct Links {
    number: u8,
    to: Vec<(SyncSender<Handed>, Waker)>,
    from: Receiver<Handed>,
    /// By worker, what came for it since the last flush.
    waiting: Vec<Waiting>,
    /// Who owns what comes from there.
    foreign: HashMap<SocketAddr, u8>,
    pub(crate) dropped: u64,
}

impl Links {
    /// The links of as many workers as there are wakers, in their order.
    pub(crate) fn all(wakers: &[Waker]) -> Vec<Self> {
        let (senders, receivers): (Vec<_>, Vec<_>) = wakers.iter().map(|_| sync_channel(WAITING)).unzip();
        let links = (0_u8..).zip(receivers).map(|(number, from)| Self {
            number,
            to: senders.iter().cloned().zip(wakers.iter().cloned()).collect(),
            from,
            waiting: wakers.iter().map(|_| Waiting::default()).collect(),
            foreign: HashMap::new(),
            dropped: 0,
        });
        links.collect()
    }

    /// Whose what comes from there is, if it is another worker's.
    #[inline]
    pub(crate) fn owner(&self, path: Path) -> Option<u8> {
        match path.via {
            Via::Udp => self.foreign.get(&path.remote).copied(),
            Via::Tcp => None,
        }
    }

    /// Whether there is such a worker, and it is another one.
    pub(crate) fn is_other(&self, worker: u8) -> bool {
        worker != self.number && usize::from(worker) < self.to.len()
    }

    /// Keeps a datagram for its owner until the next flush.
    pub(crate) fn keep(&mut self, owner: u8, strayed: Strayed, datagram: &[u8]) {
        if let Some(waiting) = self.waiting.get_mut(usize::from(owner)) {
            waiting.bytes.extend_from_slice(datagram);
            waiting.strayed.push(strayed);
        }
    }

    /// How many workers there are.
    pub(crate) fn workers(&self) -> usize {
        self.to.len()
    }

    /// Keeps a packet for another part of its room until the next flush.
    #[inline]
    pub(crate) fn keep_packet(&mut self, to: u8, room: RoomKey, track: TrackId, packet: PublishedPacket) {
        if let Some(waiting) = self.waiting.get_mut(usize::from(to)) {
            waiting.packets.push((room, track, packet));
        }
    }

    /// Says something to another part of a room.
    pub(crate) fn say(&mut self, to: u8, room: RoomKey, word: RoomWord) {
        let from = self.number;
        let Some(waiting) = self.waiting.get_mut(usize::from(to)) else {
            return;
        };
        if waiting.words.len() < WORDS {
            waiting.words.push_back(Handed::Word { from, room, word });
        } else {
            self.dropped += 1;
        }
    }

    /// Hands everything that was kept to its owners.
    pub(crate) fn flush(&mut self) {
        for owner in 0..self.waiting.len() {
            self.flush_words(owner);
            let Some(waiting) = self.waiting.get_mut(owner) else {
                continue;
            };
            let (from, mut handed) = (self.number, Vec::new());
            if !waiting.strayed.is_empty() {
                handed.push(Handed::Datagrams {
                    from,
                    strayed: std::mem::take(&mut waiting.strayed),
                    bytes: std::mem::take(&mut waiting.bytes),
                });
            }
            if !waiting.packets.is_empty() {
                let packets = std::mem::take(&mut waiting.packets);
                handed.push(Handed::Packets { from, packets });
            }
            for handed in handed {
                self.send(owner as u8, handed);
            }
        }
    }

    /// Whether words wait for room at another worker, so that it should be tried again soon.
    pub(crate) fn is_waiting(&self) -> bool {
        self.waiting.iter().any(|waiting| !waiting.words.is_empty())
    }

    fn flush_words(&mut self, owner: usize) {
        let (Some(waiting), Some((sender, waker))) = (self.waiting.get_mut(owner), self.to.get(owner)) else {
            return;
        };
        let before = waiting.words.len();
        while let Some(word) = waiting.words.pop_front() {
            if let Err(TrySendError::Full(word) | TrySendError::Disconnected(word)) = sender.try_send(word) {
                waiting.words.push_front(word);
                break;
            }
        }
        if waiting.words.len() < before {
            waker.wake();
        }
    }

    /// Hands something to another worker.
    pub(crate) fn send(&mut self, to: u8, handed: Handed) {
        let Some((sender, waker)) = self.to.get(usize::from(to)) else {
            return;
        };
        if sender.try_send(handed).is_ok() {
            waker.wake();
        } else {
            self.dropped += 1;
        }
    }

    /// What others handed over.
    pub(crate) fn take(&self) -> Option<Handed> {
        self.from.try_recv().ok()
    }

    /// Another worker has seen this address proved.
    pub(crate) fn remember(&mut self, remote: SocketAddr, worker: u8) {
        if self.foreign.len() < REMEMBERED || self.foreign.contains_key(&remote) {
            self.foreign.insert(remote, worker);
        }
    }

    pub(crate) fn forget(&mut self, remote: SocketAddr) {
        self.foreign.remove(&remote);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_arrives_in_order_with_one_message() {
        let wakers = [Waker::new().unwrap(), Waker::new().unwrap()];
        let mut links = Links::all(&wakers);
        let remote = SocketAddr::from(([192, 0, 2, 1], 5000));
        let path = Path {
            via: Via::Udp,
            remote,
            local: remote,
        };
        assert!(links[0].is_other(1) && !links[0].is_other(0) && !links[0].is_other(2));
        for datagram in [&b"one"[..], b"three"] {
            let strayed = Strayed {
                path,
                socket: 0,
                local: remote.ip(),
                length: datagram.len(),
            };
            links[0].keep(1, strayed, datagram);
        }
        links[0].flush();
        links[0].flush();
        let Some(Handed::Datagrams { from, strayed, bytes }) = links[1].take() else {
            panic!("nothing came")
        };
        assert_eq!((from, strayed.len(), bytes), (0, 2, b"onethree".to_vec()));
        assert!(links[1].take().is_none());
    }

    #[test]
    fn a_worker_that_does_not_take_what_is_handed_loses_it_and_nobody_waits() {
        let wakers = [Waker::new().unwrap(), Waker::new().unwrap()];
        let mut links = Links::all(&wakers);
        let remote = SocketAddr::from(([192, 0, 2, 1], 5000));
        for _ in 0..WAITING + 10 {
            links[0].send(1, Handed::Forgotten { remote });
        }
        assert_eq!(links[0].dropped, 10);
    }
}
