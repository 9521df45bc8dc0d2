//! Those who receive, all on one thread: what arrives is opened, counted and measured.

use std::{
    net::IpAddr,
    sync::{Arc, mpsc},
    time::{Duration, Instant, SystemTime},
};

use anyhow::Context as _;
use trefoil_net::{Batch, Poller, SocketOptions, UdpSocket, nap};
use trefoil_peer::{
    Engine,
    client::{Arrival, Heard, Receiver, ReceiverStats},
};

use super::{
    shared::{RECEIVE_BYTES, Shared},
    stamp,
    tally::Tally,
};

/// How long the thread waits at most, so that timers are not late and newcomers are seen.
const WAIT: Duration = Duration::from_millis(5);
/// So long packets gather at the sockets before they are read. A server on this machine pays for each time that it wakes
/// this thread, which receivers elsewhere would not cost it; delays are taken from the kernel's note of the arrival.
const GATHER: Duration = Duration::from_millis(1);
/// Datagrams, or coalesced runs of them, that are read from one socket before the next has its turn.
const READ: usize = 8;
/// The longest datagram that media comes in.
const LONGEST: usize = 2048;

/// Somebody who receives.
pub(super) struct Subscriber {
    receiver: Receiver,
    socket: UdpSocket,
    /// When the last frame of each video ended, by m= section.
    frames: Vec<Option<Instant>>,
    stats: ReceiverStats,
    connected: bool,
}

impl Subscriber {
    /// Somebody who waits for an offer.
    ///
    /// # Errors
    /// If there is no socket left.
    pub(super) fn new(engine: &Engine, local: IpAddr) -> anyhow::Result<Self> {
        let options = SocketOptions {
            reuse_port: false,
            buffer_bytes: RECEIVE_BYTES,
        };
        let socket = UdpSocket::bind((local, 0).into(), options)
            .with_context(|| format!("no UDP socket on {local}; raise `ulimit -n`"))?;
        socket
            .note_arrivals()
            .context("the kernel does not note when datagrams come")?;
        Ok(Self {
            receiver: Receiver::new(engine, socket.local(), Instant::now()),
            socket,
            frames: Vec::new(),
            stats: ReceiverStats::default(),
            connected: false,
        })
    }

    /// Answers an offer.
    ///
    /// # Errors
    /// If it is none.
    pub(super) fn answer(&mut self, offer: &str) -> anyhow::Result<String> {
        self.receiver
            .answer(offer)
            .context("the server's offer cannot be used")
    }

    /// Notes that a frame of a video ended, and whether it had stood still before.
    fn frame(&mut self, place: u16, now: Instant, longest: Duration) -> bool {
        let place = usize::from(place);
        if self.frames.len() <= place {
            self.frames.resize(place + 1, None);
        }
        let last = self.frames.get_mut(place).and_then(|last| last.replace(now));
        last.is_some_and(|last| now.duration_since(last) > longest)
    }

    /// Videos that stand still now.
    fn frozen(&self, now: Instant, longest: Duration) -> usize {
        let still = |last: &&Instant| now.duration_since(**last) > longest;
        self.frames.iter().flatten().filter(still).count()
    }
}

/// What is measured, and what is done to it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Measure {
    /// The part of packets that is dropped.
    pub(super) loss: f64,
    /// A video whose frames are further apart than this stands still.
    pub(super) freeze: Duration,
}

/// Runs until the load stops. Subscribers come over `newcomers`.
///
/// # Errors
/// If the kernel lets nobody wait.
pub(super) fn run(
    shared: &Arc<Shared>,
    newcomers: &mpsc::Receiver<Subscriber>,
    measure: Measure,
) -> anyhow::Result<()> {
    let mut poller = Poller::new().context("the kernel has no descriptor left; raise `ulimit -n`")?;
    let mut subscribers: Vec<Subscriber> = Vec::new();
    let mut thread = Thread {
        shared: shared.clone(),
        batch: Batch::new(),
        scratch: [0; LONGEST],
        measure,
        dice: 0x9E37_79B9_7F4A_7C15,
    };
    let mut was_sending = false;
    while !shared.is_over() {
        for newcomer in newcomers.try_iter() {
            poller
                .add(&newcomer.socket, subscribers.len() as u64)
                .context("the kernel watches no more sockets")?;
            subscribers.push(newcomer);
        }
        let wait = thread.wait(&subscribers);
        let ready = poller.wait(Some(wait)).context("waiting for sockets")?;
        if ready > 0 {
            nap(GATHER);
        }
        let tokens = (0..ready).filter_map(|index| poller.ready(index));
        let mut tally = Tally::default();
        for token in tokens.map(|ready| usize::try_from(ready.token).unwrap_or(usize::MAX)) {
            if let Some(subscriber) = subscribers.get_mut(token) {
                thread.receive(subscriber, &mut tally);
            }
        }
        let now = Instant::now();
        let sending = shared.is_sending();
        for subscriber in &mut subscribers {
            if subscriber.receiver.due() <= now {
                subscriber.receiver.handle_timeout(now);
                thread.advance(subscriber, &mut tally);
            }
            if was_sending && !sending {
                tally.freezes += subscriber.frozen(now, measure.freeze) as u64;
            }
        }
        was_sending = sending;
        thread.batch.flush();
        shared.tally(|all| all.add(&tally));
    }
    Ok(())
}

/// What the thread has for all of them.
struct Thread {
    shared: Arc<Shared>,
    batch: Batch,
    scratch: [u8; LONGEST],
    measure: Measure,
    /// Decides what is dropped.
    dice: u64,
}

impl Thread {
    /// Until the first of them wants to be called.
    fn wait(&self, subscribers: &[Subscriber]) -> Duration {
        let due = subscribers.iter().map(|subscriber| subscriber.receiver.due());
        let first = due.min().map(|due| due.saturating_duration_since(Instant::now()));
        first.unwrap_or(WAIT).min(WAIT)
    }

    fn receive(&mut self, subscriber: &mut Subscriber, tally: &mut Tally) {
        self.batch.make_room(READ);
        let slots = self.batch.receive(&subscriber.socket, READ).unwrap_or(0..0);
        let (now, unix) = (Instant::now(), SystemTime::now());
        for slot in slots {
            let Some(received) = self.batch.received(slot) else {
                continue;
            };
            let waited = received.at.and_then(|at| unix.duration_since(at).ok());
            let arrived = self
                .shared
                .clock
                .elapsed_at(now)
                .saturating_sub(waited.unwrap_or_default());
            for span in received.segments() {
                let bytes = self.batch.bytes(span);
                let Some(datagram) = self.scratch.get_mut(..bytes.len()) else {
                    continue;
                };
                datagram.copy_from_slice(bytes);
                let media = matches!(*datagram, [128..192, kind, ..] if !(192..224).contains(&kind));
                if media {
                    tally.arrived += 1;
                    tally.arrived_bytes += datagram.len() as u64;
                    if drops(&mut self.dice, self.measure.loss) {
                        continue;
                    }
                }
                if let Some(arrival) = subscriber.receiver.receive(received.from, datagram, now) {
                    let payload = datagram.get(arrival.payload.clone()).unwrap_or_default();
                    let sent = stamp::sent(payload);
                    if let Some(sent) = sent {
                        tally.delay.record(arrived.saturating_sub(sent));
                    }
                    note_frame(subscriber, &arrival, now, self.measure.freeze, tally);
                }
            }
        }
        self.advance(subscriber, tally);
    }

    /// Hears what came of everything.
    fn advance(&mut self, subscriber: &mut Subscriber, tally: &mut Tally) {
        while let Some(heard) = subscriber.receiver.poll() {
            match heard {
                Heard::Datagram { path, bytes } => {
                    let source = subscriber.socket.source(path.local.ip());
                    self.batch.send_bytes(source, path.remote, &bytes);
                }
                Heard::Connected => {
                    subscriber.connected = true;
                    self.shared.receiving.enter();
                }
                Heard::Closed => {
                    if std::mem::take(&mut subscriber.connected) {
                        self.shared.receiving.leave();
                    }
                }
                Heard::Packet { .. } | Heard::KeyframeWanted { .. } | Heard::Data { .. } => {}
            }
        }
        let (now, before) = (subscriber.receiver.stats(), subscriber.stats);
        tally.received += now.received - before.received;
        tally.recovered += now.recovered - before.recovered;
        tally.lost += now.lost - before.lost;
        tally.refused += now.refused - before.refused;
        subscriber.stats = now;
    }
}

fn note_frame(
    subscriber: &mut Subscriber,
    arrival: &Arrival,
    now: Instant,
    longest: Duration,
    tally: &mut Tally,
) {
    if arrival.video && arrival.marker && subscriber.frame(arrival.place, now, longest) {
        tally.freezes += 1;
    }
}

/// Throws the dice (xorshift64): whether the next packet is dropped.
fn drops(dice: &mut u64, loss: f64) -> bool {
    *dice ^= *dice << 13;
    *dice ^= *dice >> 7;
    *dice ^= *dice << 17;
    loss > 0.0 && (*dice >> 11) as f64 / ((1_u64 << 53) as f64) < loss
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_dice_drop_as_many_as_they_should() {
        let mut dice = 0x9E37_79B9_7F4A_7C15;
        let dropped = (0..100_000).filter(|_| drops(&mut dice, 0.05)).count();
        assert!((4_700..5_300).contains(&dropped), "{dropped}");
        assert!((0..1000).all(|_| !drops(&mut dice, 0.0)));
    }

    #[test]
    fn a_video_stands_still_when_its_frames_are_too_far_apart() {
        let engine = Engine::new().unwrap();
        let mut subscriber = Subscriber::new(&engine, [127, 0, 0, 1].into()).unwrap();
        let (start, longest) = (Instant::now(), Duration::from_millis(500));
        let at = |milliseconds| start + Duration::from_millis(milliseconds);
        assert!(!subscriber.frame(3, at(0), longest), "the first frame");
        assert!(!subscriber.frame(3, at(500), longest));
        assert!(subscriber.frame(3, at(1001), longest));
        assert!(!subscriber.frame(4, at(9000), longest), "another video");
        assert_eq!(subscriber.frozen(at(9000), longest), 1);
    }
}
