//! A worker: one thread with its own socket, transports and rooms.

use std::{
    collections::HashMap,
    io,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc::Receiver,
    },
    time::Duration,
};

use trefoil_net::{Batch, Clock, Poller, Ready, UdpSocket, Waker, nap, sleep_precisely};
use trefoil_peer::{Engine, Feedback, IceCredentials, Path, Via, is_report};

use crate::{
    Command, MediaConfig, RoomKey, RoomReading,
    demux::{Arrival, Demux, Known, Leg, fragment_of},
    forward::micros,
    gather::Gather,
    handle::Tell,
    links::{Handed, Links, Strayed},
    member::Member,
    meters::WorkerReading,
    outbox::{Outbox, Route},
    room::Room,
    slab::Slab,
    streams::Streams,
    timers::Timers,
};

pub(crate) const SOCKET: u64 = 0 << 32;
pub(crate) const WAKER: u64 = 1 << 32;
pub(crate) const LISTENER: u64 = 2 << 32;
pub(crate) const STREAM: u64 = 3 << 32;

/// How often the reading is written while something happens.
const READING_EVERY: Duration = Duration::from_secs(1);
/// Datagrams taken from a socket before others have their turn.
const AT_ONCE: usize = 64;
/// What a worker is made of.
pub(crate) struct WorkerParts {
    pub(crate) number: u8,
    pub(crate) config: MediaConfig,
    pub(crate) engine: Engine,
    /// Where clients are told to come.
    pub(crate) addresses: Vec<(Via, std::net::SocketAddr)>,
    pub(crate) sockets: Vec<UdpSocket>,
    pub(crate) streams: Streams,
    pub(crate) poller: Poller,
    pub(crate) commands: Receiver<Command>,
    pub(crate) links: Links,
    pub(crate) waker: Waker,
    pub(crate) notices: Tell,
    pub(crate) reading: Arc<Mutex<WorkerReading>>,
    pub(crate) detail: Arc<Mutex<Vec<RoomReading>>>,
    pub(crate) stop: Arc<AtomicBool>,
}

/// A worker on its thread.
pub(crate) struct Worker {
    pub(crate) number: u8,
    pub(crate) config: MediaConfig,
    pub(crate) engine: Engine,
    pub(crate) addresses: Vec<(Via, std::net::SocketAddr)>,
    pub(crate) clock: Clock,
    /// Since the clock started; looked at once in a turn.
    pub(crate) now: Duration,
    pub(crate) poller: Poller,
    pub(crate) outbox: Outbox,
    pub(crate) rooms: Slab<Room>,
    pub(crate) members: Slab<Member>,
    /// How many of these are known through links.
    pub(crate) far_members: u64,
    /// Mixers that there were.
    pub(crate) mixers: u64,
    pub(crate) by_key: HashMap<RoomKey, u32>,
    pub(crate) by_participant: HashMap<(RoomKey, u64), u32>,
    pub(crate) demux: Demux,
    pub(crate) timers: Timers,
    pub(crate) notices: Tell,
    /// Rooms with packets to forward.
    pub(crate) dirty: Vec<u32>,
    /// Rooms in which something has changed that the router must look at.
    pub(crate) unsettled: Vec<u32>,
    /// Of the datagram that is being read.
    pub(crate) feedback: Vec<Feedback>,
    datagram: Vec<u8>,
    /// The report that is being read, while the engine reads it too.
    report: Vec<u8>,
    pub(crate) meters: WorkerReading,
    commands: Receiver<Command>,
    pub(crate) links: Links,
    waker: Waker,
    reading: Arc<Mutex<WorkerReading>>,
    detail: Arc<Mutex<Vec<RoomReading>>>,
    read_at: Duration,
    pub(crate) gather: Gather,
    stop: Arc<AtomicBool>,
}

impl Worker {
    pub(crate) fn new(parts: WorkerParts) -> Self {
        let gather = Gather::new(Duration::from_micros(parts.config.gather_microseconds.into()));
        Self {
            number: parts.number,
            config: parts.config,
            engine: parts.engine,
            addresses: parts.addresses,
            clock: Clock::start(),
            now: Duration::ZERO,
            poller: parts.poller,
            outbox: Outbox {
                batch: Batch::new(),
                sockets: parts.sockets,
                streams: parts.streams,
            },
            rooms: Slab::default(),
            members: Slab::default(),
            far_members: 0,
            mixers: 0,
            by_key: HashMap::new(),
            by_participant: HashMap::new(),
            demux: Demux::default(),
            timers: Timers::default(),
            notices: parts.notices,
            dirty: Vec::new(),
            unsettled: Vec::new(),
            feedback: Vec::new(),
            datagram: Vec::new(),
            report: Vec::new(),
            meters: WorkerReading::default(),
            commands: parts.commands,
            links: parts.links,
            waker: parts.waker,
            reading: parts.reading,
            detail: parts.detail,
            read_at: Duration::ZERO,
            gather,
            stop: parts.stop,
        }
    }

    /// Runs until it is stopped.
    pub(crate) fn run(mut self) {
        sleep_precisely();
        while !self.stop.load(Ordering::Acquire) {
            if let Err(error) = self.turn() {
                tracing::error!(%error, worker = self.number, "a media worker cannot wait for its sockets and ends");
                return;
            }
        }
        self.say_goodbye();
    }

    /// Waits once and handles all that is ready.
    fn turn(&mut self) -> io::Result<()> {
        let next_reading = self.read_at + READING_EVERY;
        let due = self
            .timers
            .next()
            .map_or(next_reading, |due| due.min(next_reading));
        let due = if self.links.is_waiting() {
            Duration::ZERO
        } else {
            due
        };
        let ready = self.poller.wait(Some(due.saturating_sub(self.clock.elapsed())))?;
        self.now = self.clock.elapsed();
        for index in 0..ready {
            if let Some(event) = self.poller.ready(index) {
                self.handle(event);
            }
        }
        self.forward();
        self.due();
        self.settle();
        self.forward();
        self.outbox.batch.flush();
        self.outbox.streams.flush(&self.poller);
        self.links.flush();
        if self.now >= next_reading {
            self.write_reading();
        }
        let wait = self
            .gather
            .turned(self.now, self.clock.elapsed(), self.outbox.batch.sums());
        if !wait.is_zero() {
            nap(wait);
        }
        Ok(())
    }

    fn handle(&mut self, event: Ready) {
        let index = (event.token & u64::from(u32::MAX)) as usize;
        match event.token & !u64::from(u32::MAX) {
            SOCKET => self.take_datagrams(index),
            LISTENER => self.outbox.streams.accept(index, &self.poller, self.now),
            STREAM => self.take_from_stream(index, event.readable, event.writable),
            _ => {
                self.waker.clear();
                while let Ok(command) = self.commands.try_recv() {
                    self.obey(command);
                }
                self.take_handed();
            }
        }
    }

    fn take_datagrams(&mut self, index: usize) {
        self.outbox.batch.make_room(AT_ONCE);
        let Some(socket) = self.outbox.sockets.get(index) else {
            return;
        };
        let port = socket.local().port();
        let Ok(slots) = self.outbox.batch.receive(socket, AT_ONCE) else {
            return;
        };
        let mut datagram = std::mem::take(&mut self.datagram);
        for slot in slots {
            let Some(received) = self.outbox.batch.received(slot) else {
                continue;
            };
            let Some(socket) = self.outbox.sockets.get(index) else {
                continue;
            };
            let local = received.local.unwrap_or_else(|| socket.local().ip());
            let source = socket.source(local);
            let path = Path {
                via: Via::Udp,
                remote: received.from,
                local: self.advertised(Via::Udp, std::net::SocketAddr::new(local, port)),
            };
            for span in received.segments() {
                datagram.clear();
                datagram.extend_from_slice(self.outbox.batch.bytes(span));
                let arrival = Arrival {
                    source: Some(source),
                    worker: self.number,
                };
                if let Some(owner) = self.owner(path, &datagram) {
                    let strayed = Strayed {
                        path,
                        socket: index,
                        local,
                        length: datagram.len(),
                    };
                    self.links.keep(owner, strayed, &datagram);
                } else {
                    self.receive(path, arrival, &mut datagram);
                }
            }
        }
        self.datagram = datagram;
    }

    /// Which other worker a datagram belongs to.
    fn owner(&self, path: Path, datagram: &[u8]) -> Option<u8> {
        if self.demux.known(path).is_some() {
            return None;
        }
        if datagram.first().is_some_and(|first| *first < 4) {
            let named = fragment_of(datagram).and_then(IceCredentials::worker_of);
            return named.filter(|worker| self.links.is_other(*worker));
        }
        self.links.owner(path)
    }

    /// Takes what other workers handed over.
    fn take_handed(&mut self) {
        while let Some(handed) = self.links.take() {
            match handed {
                Handed::Datagrams {
                    from,
                    strayed,
                    mut bytes,
                } => {
                    let mut rest = bytes.as_mut_slice();
                    for strayed in strayed {
                        let Some((datagram, behind)) = rest.split_at_mut_checked(strayed.length) else {
                            break;
                        };
                        rest = behind;
                        let socket = self.outbox.sockets.get(strayed.socket);
                        let arrival = Arrival {
                            source: socket.map(|socket| socket.source(strayed.local)),
                            worker: from,
                        };
                        self.receive(strayed.path, arrival, datagram);
                    }
                }
                Handed::Stream {
                    socket,
                    remote,
                    already_read,
                } => self.adopt(socket, remote, already_read),
                Handed::Proved { remote, worker } => self.links.remember(remote, worker),
                Handed::Forgotten { remote } => self.links.forget(remote),
                Handed::Word { from, room, word } => self.hear(room, from, word),
                Handed::Packets { from, packets } => self.take_packets(from, packets),
            }
        }
    }

    /// The candidate that stands for one of our addresses: itself, or the external one of its family.
    pub(crate) fn advertised(&self, via: Via, local: std::net::SocketAddr) -> std::net::SocketAddr {
        let known = |address: &&(Via, std::net::SocketAddr)| address.0 == via && address.1 == local;
        let alike = |address: &&(Via, std::net::SocketAddr)| {
            address.0 == via && address.1.is_ipv4() == local.is_ipv4()
        };
        let found = self
            .addresses
            .iter()
            .find(known)
            .or_else(|| self.addresses.iter().find(alike));
        found.map_or(local, |(_, address)| *address)
    }

    /// A datagram came, over UDP or framed over TCP.
    pub(crate) fn receive(&mut self, path: Path, arrival: Arrival, datagram: &mut [u8]) {
        let first = datagram.first().copied().unwrap_or(u8::MAX);
        let known = self.demux.known(path);
        let of_fragment = if first < 4 {
            fragment_of(datagram).and_then(|fragment| self.demux.of_fragment(fragment))
        } else {
            None
        };
        let known = match (known, of_fragment) {
            (Some(known), None) => known,
            (_, Some((member, leg))) => Known { member, leg, arrival },
            (None, None) => {
                self.meters.strangers += 1;
                return;
            }
        };
        match known.leg {
            Leg::Publish => self.receive_published(known, path, datagram),
            Leg::Subscribe => self.receive_from_subscriber(known, path, datagram),
            Leg::Plain => self.receive_plain(known.member, datagram),
        }
    }

    fn receive_published(&mut self, known: Known, path: Path, datagram: &[u8]) {
        let now = self.now;
        let member = self.members.get_mut(known.member);
        let Some(leg) = member.and_then(|member| member.publish.as_mut()) else {
            return;
        };
        let first = datagram.first().copied().unwrap_or(0);
        if (128..192).contains(&first) && !leg.allowance.take(datagram.len(), now) {
            self.meters.policed += 1;
            return;
        }
        leg.heard = now;
        leg.transport.receive(path, datagram, self.clock.instant_at(now));
        if leg.transport.goes_both_ways() && is_report(datagram) {
            // The engine wants to know of what they send; the plane, of what they receive.
            let mut report = std::mem::take(&mut self.report);
            report.clear();
            report.extend_from_slice(datagram);
            self.receive_report(known, path, &mut report);
            self.report = report;
        }
        self.poll_published(known.member, Some(known.arrival));
    }

    fn receive_from_subscriber(&mut self, known: Known, path: Path, datagram: &mut [u8]) {
        let (member, now) = (known.member, self.now);
        let Some(leg) = self
            .members
            .get_mut(member)
            .and_then(|member| member.subscribe.as_mut())
        else {
            return;
        };
        leg.heard = now;
        if !(128..192).contains(&datagram.first().copied().unwrap_or(0)) {
            if let Some(transport) = &mut leg.transport {
                transport.receive(path, datagram, self.clock.instant_at(now));
            }
            return self.poll_subscribed(member, Some(known.arrival));
        }
        self.receive_report(known, path, datagram);
    }

    /// Somebody says how they receive.
    fn receive_report(&mut self, known: Known, path: Path, datagram: &mut [u8]) {
        let (member, now) = (known.member, self.now);
        let leg = self.members.get_mut(member);
        let Some(leg) = leg.and_then(|member| member.subscribe.as_mut()) else {
            return;
        };
        let Some(plane) = leg.out.plane() else {
            return;
        };
        if !plane.receive(datagram, micros(now), &mut self.feedback) {
            self.meters.unverified += 1;
            return;
        }
        // Whoever speaks with the right key from an address that ICE has proved is where media goes.
        let source = known.arrival.source;
        leg.route = Some(Route { path, source });
        leg.out.follow(path);
        leg.follow_estimate();
        self.answer_feedback(member);
        self.follow_budget(member);
        self.pace(member);
        self.plan_subscribe(member);
    }

    /// The estimate of a subscriber's path has changed: so does what they get.
    fn follow_budget(&mut self, member: u32) {
        let Some(known) = self.members.get_mut(member) else {
            return;
        };
        let (Some(room), Some(leg)) = (self.rooms.get_mut(known.room), known.subscribe.as_mut()) else {
            return;
        };
        let Some(plane) = leg.out.plane() else {
            return;
        };
        let id = trefoil_sfu::MemberId(member.into());
        plane.estimator_mut().demand(room.router.demand(id));
        room.router.set_budget(id, plane.estimator().estimate());
        if room.router.is_unsettled(id) {
            self.unsettled.push(known.room);
        }
    }

    fn write_reading(&mut self) {
        self.read_at = self.now;
        self.meters.rooms = self.rooms.len() as u64;
        self.meters.members = self.members.len() as u64 - self.far_members;
        self.meters.addresses = self.demux.len() as u64;
        self.meters.sums = self.outbox.batch.sums();
        self.meters.handover_dropped = self.links.dropped;
        self.meters.turned_away = self.outbox.streams.turned_away;
        *self.reading.lock().unwrap_or_else(PoisonError::into_inner) = self.meters;
        if self.config.detailed_metrics {
            *self.detail.lock().unwrap_or_else(PoisonError::into_inner) = self.rooms_detail();
        }
    }

    fn say_goodbye(&mut self) {
        self.now = self.clock.elapsed();
        for member in self.members.numbers() {
            self.leave(member);
        }
        self.outbox.batch.flush();
        self.outbox.streams.flush(&self.poller);
    }
}
