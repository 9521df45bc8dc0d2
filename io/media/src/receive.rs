//! What somebody receives: offered, answered, shown, reported.

use std::{
    collections::{BTreeSet, HashMap},
    time::Duration,
};

use trefoil_bwe::{Pacer, Settings};
use trefoil_peer::{IceCredentials, Outbound, SdpRefusal, SubscribeTransport};
use trefoil_sfu::{Capabilities, MemberId, TrackId, View, Wish};

use crate::{
    RoomKey, Told, ViewWish,
    command::Reception,
    demux::Leg,
    member::{Member, SubscribeLeg},
    mix_out::MixOut,
    outbox::Route,
    worker::Worker,
};

/// The first report follows the first packets, so that sound and picture meet early.
const FIRST_REPORT: Duration = Duration::from_millis(300);

impl Worker {
    pub(crate) fn subscribe(&mut self, member: u32, audio: Option<u8>, video: Option<u8>, restart: bool) {
        let Some(known) = self.members.get_mut(member) else {
            return;
        };
        if !known.rights.subscribe {
            return self.refuse(member, "subscribe", "your role may not subscribe", true);
        }
        let Ok(credentials) = IceCredentials::random(self.number) else {
            return self.refuse(member, "subscribe", "the system gives no randomness", false);
        };
        if restart
            && let Some(leg) = known.subscribe.as_mut()
            && let Some(transport) = &mut leg.transport
        {
            let before = transport.fragment().to_owned();
            let offer = transport.restart(credentials, &leg.out);
            let after = transport.fragment().to_owned();
            self.demux.remove_fragment(&before);
            self.demux.add_fragment(&after, member, Leg::Subscribe);
            return self.tell(member, Told::Offer { offer });
        }
        let limit = self.config.slots_limit;
        let audio = audio.unwrap_or(self.config.audio_slots).min(limit);
        let video = video.unwrap_or(self.config.video_slots).min(limit);
        if known.is_in_call() {
            self.close_call(member);
        }
        self.close_subscribe(member);
        match self.open_subscribe(member, credentials, audio, video) {
            Ok(offer) => self.tell(member, Told::Offer { offer }),
            Err(error) => self.refuse(
                member,
                "subscribe",
                &format!("no transport could be made: {error}"),
                false,
            ),
        }
    }

    fn open_subscribe(
        &mut self,
        member: u32,
        credentials: IceCredentials,
        audio: u8,
        video: u8,
    ) -> Result<String, getrandom::Error> {
        let now = self.clock.instant_at(self.now);
        let mut leg = self.subscribe_leg(audio, video)?;
        let mut transport = SubscribeTransport::new(&self.engine, credentials, &self.addresses, now);
        let offer = transport.offer(&leg.out);
        self.demux
            .add_fragment(transport.fragment(), member, Leg::Subscribe);
        leg.transport = Some(transport);
        if let Some(member) = self.members.get_mut(member) {
            member.subscribe = Some(Box::new(leg));
        }
        Ok(offer)
    }

    /// Somebody's half that receives, in so many places; it has no transport yet.
    pub(crate) fn subscribe_leg(&self, audio: u8, video: u8) -> Result<SubscribeLeg, getrandom::Error> {
        let mut out = Outbound::new(Settings {
            start: self.config.start_bits_per_second,
            max: self.config.subscribe_bits_per_second,
            ..Settings::default()
        });
        let mut sources = Sources::new()?;
        for place in 0..u16::from(audio) + u16::from(video) {
            out.add_place(place >= u16::from(audio), sources.next(), sources.next());
        }
        // One more for the mix, so that changing to it needs no new description.
        let place = audio.saturating_add(video);
        out.add_place(false, sources.next(), sources.next());
        let mix = MixOut::new(place, sources.next() as u16 & 0x7FFF, sources.next());
        let first = sources.next() as u16 & 0x7FFF;
        Ok(SubscribeLeg {
            transport: None,
            out,
            at: Vec::new(),
            opened: self.now,
            heard: self.now,
            planned: None,
            pacer: Pacer::new(),
            route: None,
            audio,
            video,
            next_report: self.now + FIRST_REPORT,
            told: Reception::default(),
            first,
            mix,
        })
    }

    pub(crate) fn answer(&mut self, member: u32, answer: &str) {
        if self.members.get(member).is_some_and(Member::is_in_call) {
            return self.answer_call(member, answer);
        }
        let leg = self
            .members
            .get_mut(member)
            .and_then(|member| member.subscribe.as_mut());
        let answered = leg.and_then(|leg| Some(leg.transport.as_mut()?.answer(answer, &mut leg.out)));
        let answered = answered.unwrap_or(Err(SdpRefusal::NoOffer));
        match answered {
            Ok(()) => {
                self.begin_receiving(member);
                self.poll_subscribed(member, None);
            }
            Err(refusal) => self.refuse(member, "answer", &refusal.to_string(), false),
        }
    }

    /// A subscriber's transport is connected, or they have answered anew: now they can receive.
    pub(crate) fn begin_receiving(&mut self, member: u32) {
        let Some(known) = self.members.get_mut(member) else {
            return;
        };
        let view = known.is_in_call().then(|| known.call_view());
        let (Some(room), Some(leg)) = (self.rooms.get_mut(known.room), known.subscribe.as_mut()) else {
            return;
        };
        let capabilities = Capabilities {
            audio_slots: leg.audio,
            video_slots: leg.video,
            codecs: leg.out.codecs().to_vec(),
            first: leg.first,
        };
        let Some((plane, path)) = leg.out.ready() else {
            return;
        };
        let budget = plane.estimator().estimate();
        let source = self.demux.known(path).and_then(|known| known.arrival.source);
        leg.route = Some(Route { path, source });
        leg.follow_estimate();
        let id = MemberId(member.into());
        room.router.subscribe(id, capabilities, budget);
        match view {
            Some(view) => room.router.set_view(id, view),
            // In a call the transport is counted as that of what they publish.
            None => self.meters.connected += 1,
        }
        self.unsettled.push(known.room);
        self.settle_hearing(member);
    }

    /// Sender reports for everything that a member receives.
    pub(crate) fn report(&mut self, member: u32) {
        let now = self.now;
        let ntp = crate::clock::ntp();
        let Some(known) = self.members.get_mut(member) else {
            return;
        };
        let (Some(room), Some(leg)) = (self.rooms.get(known.room), known.subscribe.as_mut()) else {
            return;
        };
        let Some(route) = leg.route else { return };
        let Some(plane) = leg.out.plane() else {
            return;
        };
        for (place, _, subscription) in room.router.received_by(MemberId(member.into())) {
            let Some(timestamp) = subscription.gate.timestamp_at(now) else {
                continue;
            };
            let now = crate::forward::micros(now);
            self.outbox
                .compose(route, |out| plane.report(place, ntp, timestamp, now, out));
        }
        if known.hears_mix {
            // The mixer's timestamps are the worker's time.
            let samples = (now.as_nanos() * 48 / 1_000_000) as u32;
            let (place, timestamp) = (leg.mix.place, leg.mix.timestamp.wrapping_add(samples));
            let now = crate::forward::micros(now);
            self.outbox
                .compose(route, |out| plane.report(place, ntp, timestamp, now, out));
        }
    }

    pub(crate) fn view(&mut self, member: u32, view: Option<Vec<ViewWish>>) {
        let Some(known) = self.members.get(member) else {
            return;
        };
        let Some(room) = self.rooms.get_mut(known.room) else {
            return;
        };
        let view = view.map_or(View::Everything, |wishes| {
            let wish = |wish: ViewWish| Wish {
                track: wish.track,
                height: wish.height,
                priority: wish.priority,
            };
            View::Only(wishes.into_iter().take(View::LIMIT).map(wish).collect())
        });
        room.router.set_view(MemberId(member.into()), view);
        self.unsettled.push(known.room);
    }

    pub(crate) fn allow(&mut self, member: u32, track: TrackId, to: Option<Vec<u64>>) {
        let Some(known) = self.members.get(member) else {
            return;
        };
        let Some(room) = self.rooms.get_mut(known.room) else {
            return;
        };
        let own = room
            .router
            .track(track)
            .is_some_and(|track| track.info().publisher == MemberId(member.into()));
        if !own {
            return;
        }
        let members = to.map(|to| members_of(&self.by_participant, room.key, &to));
        room.router.allow(track, members);
        let index = known.room;
        self.unsettled.push(index);
        self.settle_volumes(index);
        self.spread_tracks(member);
    }
}

/// Those of these participants who are in a room.
pub(crate) fn members_of(
    known: &HashMap<(RoomKey, u64), u32>,
    room: RoomKey,
    participants: &[u64],
) -> BTreeSet<MemberId> {
    let found = participants
        .iter()
        .filter_map(|participant| known.get(&(room, *participant)));
    found.map(|member| MemberId((*member).into())).collect()
}

/// Random numbers for streams.
struct Sources {
    state: u64,
}

impl Sources {
    fn new() -> Result<Self, getrandom::Error> {
        Ok(Self {
            state: getrandom::u64()?,
        })
    }

    /// SplitMix64: never the same twice in a transport's life.
    fn next(&mut self) -> u32 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.state ^ self.state >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((mixed ^ mixed >> 31) as u32).max(1)
    }
}
