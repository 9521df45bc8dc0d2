//! A media server on loopback and people in its rooms, without browsers.
#![allow(
    dead_code,
    unreachable_pub,
    unused_imports,
    reason = "each test file uses a part of this"
)]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may panic"
)]

mod call;
pub mod send;
pub mod tone;
mod wire;

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, mpsc},
    time::{Duration, Instant},
};

use trefoil_media::{
    AnnouncementView, Ask, Command, Described, Media, MediaConfig, MuteState, Notice, Reception, Rights,
    RoomKey, Source, Tell, Told, TrackId, TrackView, ViewWish,
};
use trefoil_peer::client::{Heard, Media as Packet};

pub use call::{Call, PICTURE, Section, VOICE};
pub use wire::Wire;

pub const ROOM: RoomKey = RoomKey(1);
/// How long anything may take; nothing waits for it unless something is wrong.
const PATIENCE: Duration = Duration::from_secs(20);

/// A packet as somebody received it.
#[derive(Clone, Debug)]
pub struct Received {
    pub track: Option<TrackId>,
    pub mid: String,
    pub sequence: u64,
    pub timestamp: u32,
    pub marker: bool,
    pub payload: Arc<[u8]>,
}

/// Somebody in a room.
pub struct Person {
    pub number: u64,
    pub room: RoomKey,
    pub publish: Option<Wire>,
    pub subscribe: Option<Wire>,
    /// By m= section, of what they publish.
    pub mids: Vec<String>,
    pub published: BTreeMap<String, TrackId>,
    pub slots: BTreeMap<String, TrackId>,
    pub tracks: BTreeMap<u64, Vec<TrackView>>,
    pub received: Vec<Received>,
    pub data: Vec<(u16, Vec<u8>)>,
    pub keyframes_wanted: Vec<(String, Option<String>)>,
    pub needed: BTreeMap<TrackId, (bool, Vec<String>)>,
    pub speakers: Vec<(u64, i8)>,
    pub reception: Option<Reception>,
    pub refused: Vec<(&'static str, String, bool)>,
    pub lost: Vec<&'static str>,
    pub offers: usize,
    /// The last offer of places.
    pub offer: String,
    /// The last answer to what they publish.
    pub answer: String,
    /// The last description of a call.
    pub called: String,
    /// So many answers are to offers that were taken back since.
    pub stale_answers: usize,
    pub talked_muted: usize,
    pub announcements: Vec<AnnouncementView>,
}

pub struct World {
    pub media: Media,
    notices: mpsc::Receiver<Notice>,
    pub people: BTreeMap<u64, Person>,
    pub server: SocketAddr,
    ticked: Instant,
}

impl World {
    pub fn new() -> Self {
        Self::with(|_| {})
    }

    pub fn with(change: impl FnOnce(&mut MediaConfig)) -> Self {
        let mut config = MediaConfig {
            listen: vec![SocketAddr::from(([127, 0, 0, 1], 0))],
            start_bits_per_second: 5_000_000,
            // More than one, so that half of all datagrams reach a worker that is not theirs.
            workers: 3,
            // In `spread.rs`, everybody is on another one.
            room_share: if module_path!().contains("spread::") {
                1
            } else {
                100
            },
            ..MediaConfig::default()
        };
        change(&mut config);
        let (sender, notices) = mpsc::sync_channel(65_536);
        let tell: Tell = Arc::new(move |notice| sender.try_send(notice).is_ok());
        let media = Media::start(&config, &tell).unwrap();
        let server = media.listening()[0];
        Self {
            media,
            notices,
            people: BTreeMap::new(),
            server,
            ticked: Instant::now(),
        }
    }

    /// Every 10 ms: when somebody who sends a hundred packets a second sends the next one.
    pub fn tick(&mut self) -> bool {
        let due = self.ticked.elapsed() >= Duration::from_millis(10);
        if due {
            self.ticked = Instant::now();
        }
        due
    }

    pub fn ask(&self, number: u64, ask: Ask) {
        let room = self.people.get(&number).map_or(ROOM, |person| person.room);
        assert!(self.media.ask(Command {
            room,
            participant: number,
            ask,
        }));
    }

    pub fn enter(&mut self, number: u64) {
        self.enter_as(number, ROOM, ALL);
    }

    pub fn enter_as(&mut self, number: u64, room: RoomKey, rights: Rights) {
        self.come(number, room, rights, false);
    }

    /// Enters a room that is mixed by its settings.
    pub fn enter_mixed(&mut self, number: u64, room: RoomKey) {
        self.come(number, room, ALL, true);
    }

    fn come(&mut self, number: u64, room: RoomKey, rights: Rights, mixed: bool) {
        self.people.insert(number, Person::new(number, room));
        self.ask(
            number,
            Ask::Enter {
                name: format!("p{number}").into(),
                rights,
                muted: MuteState::default(),
                mixed,
            },
        );
    }

    pub fn leave(&mut self, number: u64) {
        self.ask(number, Ask::Leave);
        self.people.remove(&number);
    }

    /// Publishes one m= section for each: whether it is video, and its encodings.
    pub fn publish(&mut self, number: u64, media: &[(bool, &[&str])]) {
        self.publish_as(number, media, &[]);
    }

    /// The same, and what each section is.
    pub fn publish_as(&mut self, number: u64, media: &[(bool, &[&str])], sources: &[Source]) {
        self.offer(number, Wire::udp(), media, sources, |offer| offer);
        self.until_published(number);
    }

    pub fn publish_over(&mut self, number: u64, wire: Wire, media: &[(bool, &[&str])]) {
        self.offer(number, wire, media, &[], |offer| offer);
        self.until_published(number);
    }

    /// Offers what is to be published, as `change` would have it, and waits for nothing.
    pub fn offer(
        &mut self,
        number: u64,
        mut wire: Wire,
        media: &[(bool, &[&str])],
        sources: &[Source],
        change: impl FnOnce(String) -> String,
    ) {
        let (offer, mids) = wire.client.offer(media);
        let person = self.people.get_mut(&number).unwrap();
        person.publish = Some(wire);
        person.mids = mids.clone();
        self.ask(
            number,
            Ask::Publish {
                offer: change(offer),
                sources: mids
                    .into_iter()
                    .zip(sources.iter().copied().map(Described::from))
                    .collect(),
            },
        );
    }

    /// Calls over one connection both ways: with an offer of these m= sections, or for one of the server's.
    pub fn call(&mut self, number: u64, media: Option<&[(bool, &[&str])]>) {
        self.call_over(number, Wire::udp(), media, |offer| offer);
        self.until_published(number);
    }

    /// The same over a connection of its own, offered as `change` would have it, without waiting for anything.
    pub fn call_over(
        &mut self,
        number: u64,
        mut wire: Wire,
        media: Option<&[(bool, &[&str])]>,
        change: impl FnOnce(String) -> String,
    ) {
        let (offer, mids) = media.map(|media| wire.client.offer_both(media)).unzip();
        let person = self.people.get_mut(&number).unwrap();
        person.publish = Some(wire);
        person.mids = mids.unwrap_or_default();
        let offer = offer.map(change);
        self.ask(number, Ask::Call { offer });
    }

    fn until_published(&mut self, number: u64) {
        self.until("publishing is connected", |world| {
            world.people[&number].publish.as_ref().unwrap().connected
        });
    }

    pub fn subscribe(&mut self, number: u64) {
        self.subscribe_over(number, Wire::udp(), None, None);
    }

    pub fn subscribe_over(&mut self, number: u64, wire: Wire, audio: Option<u8>, video: Option<u8>) {
        let person = self.people.get_mut(&number).unwrap();
        person.subscribe = Some(wire);
        self.ask(
            number,
            Ask::Subscribe {
                audio,
                video,
                restart: false,
            },
        );
        self.until("receiving is connected", |world| {
            world.people[&number].subscribe.as_ref().unwrap().connected
        });
    }

    pub fn view(&mut self, number: u64, shown: &[(TrackId, u16)]) {
        let wishes = shown.iter().map(|(track, height)| ViewWish {
            track: *track,
            height: *height,
            priority: 1,
        });
        self.ask(number, Ask::View(Some(wishes.collect())));
    }

    /// Sends one packet in the `index`th m= section of somebody.
    pub fn send(&mut self, number: u64, index: usize, rid: Option<&str>, packet: Packet<'_>) {
        let person = self.people.get_mut(&number).unwrap();
        let mid = person.mids[index].clone();
        let wire = person.publish.as_mut().unwrap();
        wire.client.send(&mid, rid, packet, Instant::now());
        wire.client.handle_timeout(Instant::now());
    }

    /// Lets everything move until `done`.
    pub fn until(&mut self, what: &str, mut done: impl FnMut(&mut Self) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !done(self) {
            assert!(Instant::now() < deadline, "waited in vain: {what}");
            self.turn();
        }
    }

    /// Lets everything move for so long, doing `each` again and again.
    pub fn during(&mut self, length: Duration, mut each: impl FnMut(&mut Self)) {
        let end = Instant::now() + length;
        while Instant::now() < end {
            each(self);
            self.turn();
        }
    }

    /// Moves everything once, and waits a moment for what comes.
    pub fn turn(&mut self) {
        for person in self.people.values_mut() {
            person.turn();
        }
        // The wait is what lets the server's thread run; a notice ends it.
        if let Ok(notice) = self.notices.recv_timeout(Duration::from_millis(1)) {
            self.hear(&notice);
        }
        while let Ok(notice) = self.notices.try_recv() {
            self.hear(&notice);
        }
    }

    fn hear(&mut self, notice: &Notice) {
        let to: Vec<u64> = match notice.to {
            Some(number) => vec![number],
            None => self
                .people
                .values()
                .filter(|person| person.room == notice.room)
                .map(|person| person.number)
                .collect(),
        };
        for number in to {
            let answer = self
                .people
                .get_mut(&number)
                .and_then(|person| person.hear(notice.told.clone()));
            if let Some(answer) = answer {
                self.ask(number, Ask::Answer { answer });
            }
        }
    }

    /// The track of somebody, as `number` is told.
    pub fn track_of(&self, number: u64, of: u64, source: Source) -> Option<TrackId> {
        let tracks = self.people[&number].tracks.get(&of)?;
        let found = tracks.iter().find(|track| track.source == source);
        found.map(|track| track.track)
    }

    /// The track of somebody's `index`th m= section.
    pub fn track(&self, number: u64, index: usize) -> TrackId {
        let person = &self.people[&number];
        person.published[&person.mids[index]]
    }

    pub fn received(&self, number: u64, track: TrackId) -> Vec<&Received> {
        let received = self.people[&number].received.iter();
        received.filter(|packet| packet.track == Some(track)).collect()
    }
}

pub const ALL: Rights = Rights {
    publish: true,
    subscribe: true,
    message: true,
};

impl Person {
    fn new(number: u64, room: RoomKey) -> Self {
        Self {
            number,
            room,
            publish: None,
            subscribe: None,
            mids: Vec::new(),
            published: BTreeMap::new(),
            slots: BTreeMap::new(),
            tracks: BTreeMap::new(),
            received: Vec::new(),
            data: Vec::new(),
            keyframes_wanted: Vec::new(),
            needed: BTreeMap::new(),
            speakers: Vec::new(),
            reception: None,
            refused: Vec::new(),
            lost: Vec::new(),
            offers: 0,
            offer: String::new(),
            answer: String::new(),
            called: String::new(),
            stale_answers: 0,
            talked_muted: 0,
            announcements: Vec::new(),
        }
    }

    /// What is told; an answer to an offer, if it is one.
    fn hear(&mut self, told: Told) -> Option<String> {
        match told {
            Told::Published { answer, tracks } => {
                if self.stale_answers > 0 {
                    self.stale_answers -= 1;
                    return None;
                }
                if let Some(wire) = &mut self.publish {
                    wire.client.accept(&answer).unwrap();
                }
                self.answer = answer;
                self.published = tracks.into_iter().collect();
            }
            Told::Offer { offer } => {
                self.offers += 1;
                self.offer.clone_from(&offer);
                let wire = self.subscribe.as_mut()?;
                return Some(wire.client.answer(&offer).unwrap());
            }
            Told::Tracks { of, tracks } => drop(self.tracks.insert(of, tracks)),
            Told::Slots(slots) => self.slots = slots.into_iter().collect(),
            Told::Speakers(speakers) => self.speakers = speakers,
            Told::Needed { track, rids, any } => drop(self.needed.insert(track, (any, rids))),
            Told::Reception(reception) => self.reception = Some(reception),
            Told::Refused { of, why, forbidden } => self.refused.push((of, why, forbidden)),
            Told::TalksMuted => self.talked_muted += 1,
            Told::Called {
                description,
                is_offer,
            } => {
                self.called.clone_from(&description);
                let wire = self.publish.as_mut()?;
                if is_offer {
                    let mids = description.lines().filter_map(|line| line.strip_prefix("a=mid:"));
                    self.mids = mids.map(str::to_owned).collect();
                    return Some(wire.client.answer(&description).unwrap());
                }
                wire.client.accept(&description).unwrap();
            }
            Told::Announcement(view) => self.announcements.push(view),
            Told::Lost(transport) => self.lost.push(transport),
        }
        None
    }

    fn turn(&mut self) {
        let mut heard = Vec::new();
        for wire in [&mut self.publish, &mut self.subscribe].into_iter().flatten() {
            wire.turn(&mut heard);
        }
        for heard in heard {
            match heard {
                Heard::Packet {
                    mid,
                    sequence,
                    timestamp,
                    marker,
                    payload,
                } => self.received.push(Received {
                    track: self.slots.get(&mid).copied(),
                    mid,
                    sequence,
                    timestamp,
                    marker,
                    payload,
                }),
                Heard::KeyframeWanted { mid, rid } => self.keyframes_wanted.push((mid, rid)),
                Heard::Data { channel, data } => self.data.push((channel, data)),
                Heard::Datagram { .. } | Heard::Connected | Heard::Closed => {}
            }
        }
    }
}

/// A VP8 payload with a picture id: a keyframe of this height, or a frame that needs one.
pub fn vp8(keyframe: bool, height: u16, picture: u16, length: usize) -> Vec<u8> {
    let [high, low] = (picture | 0x8000).to_be_bytes();
    let mut payload = vec![0x90, 0x80, high, low];
    if keyframe {
        payload.extend([0x10, 0, 0, 0x9d, 0x01, 0x2a]);
        payload.extend((height / 9 * 16).to_le_bytes());
        payload.extend(height.to_le_bytes());
    } else {
        payload.extend([0x11, 0, 0]);
    }
    payload.resize(length.max(payload.len()), 0xAB);
    payload
}

/// A talker's packet.
pub fn opus(sequence: u64) -> (u64, u32, Vec<u8>) {
    (
        sequence,
        (sequence as u32).wrapping_mul(960),
        vec![0x78, sequence as u8, 1, 2, 3, 4, 5, 6, 7, 8],
    )
}
