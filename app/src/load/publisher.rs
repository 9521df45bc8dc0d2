//! Those who publish, all on one thread: each frame is sent when it is time.

use std::{
    sync::{Arc, mpsc},
    time::{Duration, Instant},
};

use anyhow::Context as _;
use trefoil_net::{Batch, Clock, SocketOptions, UdpSocket, nap, sleep_precisely};
use trefoil_peer::{
    Path, Via,
    client::{Client, Heard, Media},
};

use super::{
    plan::{Layer, Track},
    shared::{RECEIVE_BYTES, Shared},
    stamp::{self, Frame},
};

/// How long the thread naps at most, so that what comes in is read.
const NAP: Duration = Duration::from_millis(1);
/// What is later than this is not sent any more: the load could not keep up.
const LATE: Duration = Duration::from_millis(250);
/// Sequence numbers begin here: low enough that a receiver knows which turn they are in.
const FIRST_SEQUENCE: u64 = 1000;
/// How loud everybody speaks, in dBov.
const LEVEL: i8 = -30;

/// Somebody who publishes.
pub(super) struct Publisher {
    wire: Wire,
    encodings: Vec<Encoding>,
}

/// A client and its socket.
struct Wire {
    client: Client,
    socket: UdpSocket,
    connected: bool,
    /// Of which m= sections and encodings keyframes are wanted.
    wanted: Vec<(String, Option<String>)>,
}

/// One encoding of one track.
struct Encoding {
    mid: String,
    video: bool,
    layer: Layer,
    interval: Duration,
    next: Duration,
    frame: u64,
    sequence: u64,
    keyframe: bool,
}

impl Publisher {
    /// Somebody who is about to offer these tracks, and the offer. `phase` (0 to 1) keeps many from sending at once.
    ///
    /// # Errors
    /// If there is no socket left.
    pub(super) fn new(
        local: std::net::IpAddr,
        tracks: &[Track],
        phase: f64,
    ) -> anyhow::Result<(Self, String)> {
        let options = SocketOptions {
            reuse_port: false,
            buffer_bytes: RECEIVE_BYTES,
        };
        let socket = UdpSocket::bind((local, 0).into(), options)
            .with_context(|| format!("no UDP socket on {local}; raise `ulimit -n`"))?;
        let mut client = Client::new(Via::Udp, socket.local(), Instant::now());
        let rids: Vec<Vec<&str>> = tracks
            .iter()
            .map(|track| track.layers.iter().filter_map(|layer| layer.rid).collect())
            .collect();
        let sections: Vec<(bool, &[&str])> = tracks
            .iter()
            .zip(&rids)
            .map(|(track, rids)| (track.video, rids.as_slice()))
            .collect();
        let (offer, mids) = client.offer(&sections);
        let encodings = tracks.iter().zip(mids).flat_map(|(track, mid)| {
            let video = track.video;
            track.layers.iter().map(move |layer| {
                let interval = Duration::from_secs_f64(1.0 / layer.frames_per_second);
                Encoding {
                    mid: mid.clone(),
                    video,
                    layer: *layer,
                    interval,
                    next: interval.mul_f64(phase),
                    frame: 0,
                    sequence: FIRST_SEQUENCE,
                    keyframe: true,
                }
            })
        });
        let publisher = Self {
            encodings: encodings.collect(),
            wire: Wire {
                client,
                socket,
                connected: false,
                wanted: Vec::new(),
            },
        };
        Ok((publisher, offer))
    }

    /// Takes the answer.
    ///
    /// # Errors
    /// If it is none.
    pub(super) fn accept(&mut self, answer: &str) -> anyhow::Result<()> {
        self.wire
            .client
            .accept(answer)
            .context("the server's answer to an offer cannot be used")
    }

    /// Sends nothing from now on, though it stays connected.
    pub(super) fn be_silent(&mut self) {
        self.encodings.clear();
    }
}

/// Runs until the load stops. Publishers come over `newcomers`.
pub(super) fn run(shared: &Arc<Shared>, newcomers: &mpsc::Receiver<Publisher>) {
    sleep_precisely();
    let mut thread = Thread {
        clock: shared.clock,
        shared: shared.clone(),
        batch: Batch::new(),
        payload: Vec::new(),
        began: None,
    };
    let mut publishers = Vec::new();
    let mut received = Instant::now();
    while !shared.is_over() {
        publishers.extend(newcomers.try_iter());
        let now = Instant::now();
        let receive = now >= received + NAP;
        if receive {
            received = now;
        }
        let mut next = thread.clock.elapsed() + NAP;
        for publisher in &mut publishers {
            if receive {
                thread.receive(&mut publisher.wire);
            }
            if shared.is_sending() && publisher.wire.connected {
                next = next.min(thread.send(publisher));
            }
            thread.advance(publisher);
        }
        thread.batch.flush();
        let now = thread.clock.elapsed();
        if next > now {
            nap(next - now);
        }
    }
}

/// What the thread has for all of them.
struct Thread {
    clock: Clock,
    shared: Arc<Shared>,
    batch: Batch,
    payload: Vec<u8>,
    /// When sending began, by the clock.
    began: Option<Duration>,
}

impl Thread {
    /// Sends what is due, and says when the next is.
    fn send(&mut self, publisher: &mut Publisher) -> Duration {
        let now = self.clock.elapsed();
        let began = *self.began.get_or_insert(now);
        let mut soonest = now + NAP;
        let Publisher { wire, encodings } = publisher;
        for encoding in encodings {
            let late = now.saturating_sub(began + encoding.next);
            if late > LATE {
                let frames = late.div_duration_f64(encoding.interval) as u32;
                encoding.next += encoding.interval * frames;
                self.shared.tally(|tally| {
                    tally.skipped += u64::from(frames) * encoding.layer.packets as u64;
                });
            }
            while began + encoding.next <= now {
                self.send_frame(&mut wire.client, encoding);
                encoding.next += encoding.interval;
                self.hear(wire);
            }
            soonest = soonest.min(began + encoding.next);
        }
        soonest
    }

    fn send_frame(&mut self, client: &mut Client, encoding: &mut Encoding) {
        let keyframe = std::mem::take(&mut encoding.keyframe) && encoding.video;
        let packets = encoding.layer.packets;
        for packet in 0..packets {
            let sent = self.clock.elapsed();
            if encoding.video {
                let frame = Frame {
                    keyframe,
                    height: encoding.layer.height,
                    picture: encoding.frame,
                    first: packet == 0,
                };
                stamp::vp8(frame, encoding.layer.bytes, sent, &mut self.payload);
            } else {
                stamp::opus(encoding.layer.bytes, sent, &mut self.payload);
            }
            let clock_rate = if encoding.video { 90_000.0 } else { 48_000.0 };
            let media = Media {
                sequence: encoding.sequence,
                timestamp: (encoding.next.as_secs_f64() * clock_rate) as u64 as u32,
                marker: encoding.video && packet + 1 == packets,
                payload: &self.payload,
                level: (!encoding.video).then_some(LEVEL),
            };
            let now = Instant::now();
            client.send(&encoding.mid, encoding.layer.rid, media, now);
            client.handle_timeout(now);
            encoding.sequence += 1;
        }
        encoding.frame += 1;
        let bytes = packets * self.payload.len();
        self.shared.tally(|tally| {
            tally.sent += packets as u64;
            tally.sent_bytes += bytes as u64;
        });
    }

    fn receive(&mut self, wire: &mut Wire) {
        self.batch.make_room(8);
        let slots = self.batch.receive(&wire.socket, 8).unwrap_or(0..0);
        let local = wire.socket.local();
        for received in slots.filter_map(|slot| self.batch.received(slot)) {
            let path = Path {
                via: Via::Udp,
                remote: received.from,
                local,
            };
            for datagram in received.segments() {
                let bytes = self.batch.bytes(datagram);
                wire.client.receive(path, bytes, Instant::now());
            }
        }
    }

    /// Lets time pass, and hears what came of everything.
    fn advance(&mut self, publisher: &mut Publisher) {
        let Publisher { wire, encodings } = publisher;
        let now = Instant::now();
        if wire.client.due() <= now {
            wire.client.handle_timeout(now);
        }
        self.hear(wire);
        for (mid, rid) in wire.wanted.drain(..) {
            for encoding in &mut *encodings {
                encoding.keyframe |= encoding.mid == mid && encoding.layer.rid == rid.as_deref();
            }
        }
    }

    fn hear(&mut self, wire: &mut Wire) {
        while let Some(heard) = wire.client.poll() {
            match heard {
                Heard::Datagram { path, bytes } => {
                    let source = wire.socket.source(path.local.ip());
                    self.batch.send_bytes(source, path.remote, &bytes);
                }
                Heard::Connected => {
                    wire.connected = true;
                    self.shared.publishing.enter();
                }
                Heard::Closed => {
                    if std::mem::take(&mut wire.connected) {
                        self.shared.publishing.leave();
                    }
                }
                Heard::KeyframeWanted { mid, rid } => wire.wanted.push((mid, rid)),
                Heard::Packet { .. } | Heard::Data { .. } => {}
            }
        }
    }
}
