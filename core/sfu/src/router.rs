//! One room: its tracks, its subscribers, and who receives what.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Duration,
};

use trefoil_rtp::{Codec, Malformed};

use crate::{
    Capabilities, Gate, Incoming, Layer, MemberId, Slot, Subscription, Track, TrackId, TrackInfo, View,
    speaker::Speakers, subscriber::Subscriber,
};

/// How a router is set up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RouterSettings {
    /// How often the router looks at what has changed by itself.
    pub tick: Duration,
    /// A publisher is asked for a keyframe of one encoding at most this often.
    pub keyframe_interval: Duration,
    /// An encoding that nobody has needed for so long may be paused.
    pub pause_after: Duration,
    /// Tracks of one member.
    pub tracks_limit: usize,
    /// The number of the first track; of the others those that follow. Routers that share a room count from far apart.
    pub first_track: u32,
}

impl Default for RouterSettings {
    fn default() -> Self {
        Self {
            tick: Duration::from_millis(100),
            keyframe_interval: Duration::from_millis(500),
            pause_after: Duration::from_secs(4),
            tracks_limit: 16,
            first_track: 1,
        }
    }
}

/// Something that should be done or told.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Output {
    /// The publisher of this track should send a keyframe.
    Keyframe {
        /// The track.
        track: TrackId,
        /// Which of its encodings.
        encoding: u8,
    },
    /// Only these encodings are needed: a bit for each.
    Needed {
        /// The track.
        track: TrackId,
        /// Which.
        encodings: u8,
    },
    /// What was forwarded into this member's slot is not to be decoded any more: what of it still waits may go.
    Left(MemberId, u8),
    /// Other tracks are in this member's slots: see [`Router::slots`].
    Slots(MemberId),
    /// Others speak: see [`Router::speakers`].
    Speakers,
}

/// One room's forwarding.
#[derive(Debug)]
pub struct Router {
    pub(crate) settings: RouterSettings,
    pub(crate) tracks: BTreeMap<TrackId, Track>,
    pub(crate) subscribers: BTreeMap<MemberId, Subscriber>,
    speakers: Speakers,
    next_track: u32,
    next_tick: Duration,
    ticks: u32,
    pub(crate) outputs: VecDeque<Output>,
}

impl Router {
    /// Nobody is there.
    #[must_use]
    pub fn new(settings: RouterSettings) -> Self {
        Self {
            settings,
            tracks: BTreeMap::new(),
            subscribers: BTreeMap::new(),
            speakers: Speakers::default(),
            next_track: settings.first_track,
            next_tick: Duration::ZERO,
            ticks: 0,
            outputs: VecDeque::new(),
        }
    }

    /// A track is published; `None` if its publisher has as many as one may have.
    pub fn publish(&mut self, info: TrackInfo) -> Option<TrackId> {
        let have = self
            .tracks
            .values()
            .filter(|track| track.info.publisher == info.publisher);
        if have.count() >= self.settings.tracks_limit {
            return None;
        }
        let id = TrackId(self.next_track);
        self.next_track += 1;
        self.tracks.insert(id, Track::new(id, info));
        self.unsettle_all();
        Some(id)
    }

    /// A track that is published at another router, which numbered it; `false` if it is there already.
    pub fn adopt(&mut self, id: TrackId, info: TrackInfo) -> bool {
        let new = !self.tracks.contains_key(&id);
        if new {
            self.tracks.insert(id, Track::new(id, info));
            self.unsettle_all();
        }
        new
    }

    /// These encodings of a track, a bit for each, are needed at another router, which `link` leads to.
    pub fn set_linked(&mut self, id: TrackId, link: u8, encodings: u8) {
        if let Some(track) = self.tracks.get_mut(&id) {
            track.linked.retain(|(known, _)| *known != link);
            track.linked.push((link, encodings));
        }
    }

    /// Nothing is needed any more where `link` leads to.
    pub fn unlink(&mut self, link: u8) {
        for track in self.tracks.values_mut() {
            track.linked.retain(|(known, _)| *known != link);
        }
    }

    /// A track is gone.
    pub fn unpublish(&mut self, id: TrackId) {
        let Some(mut track) = self.tracks.remove(&id) else {
            return;
        };
        self.speakers.remove(id);
        for subscription in track.subscriptions.drain(..) {
            self.tell_slots(subscription.member);
            self.give_back(subscription);
        }
        self.unsettle_all();
    }

    /// A track is muted or no longer: a muted one is not forwarded.
    pub fn mute(&mut self, id: TrackId, muted: bool) {
        if let Some(track) = self.tracks.get_mut(&id).filter(|track| track.muted != muted) {
            track.muted = muted;
            self.speakers.remove(id);
            self.unsettle_all();
        }
    }

    /// A track is coded otherwise from now on: whoever receives it begins again, if they can decode that.
    pub fn recode(&mut self, id: TrackId, codec: Codec) {
        let Some(track) = self.tracks.get_mut(&id) else {
            return;
        };
        track.info.codec = codec;
        let subscriptions = std::mem::take(&mut track.subscriptions);
        for subscription in subscriptions {
            self.tell_slots(subscription.member);
            self.give_back(subscription);
        }
        self.unsettle_all();
    }

    /// Only these members may receive a track; everybody for `None`.
    pub fn allow(&mut self, id: TrackId, members: Option<BTreeSet<MemberId>>) {
        if let Some(track) = self.tracks.get_mut(&id) {
            track.allowed = members;
            self.unsettle_all();
        }
    }

    /// Somebody receives from now on, or can take more than before.
    pub fn subscribe(&mut self, member: MemberId, capabilities: Capabilities, budget: u64) {
        let subscriber = self
            .subscribers
            .entry(member)
            .or_insert_with(|| Subscriber::new(capabilities.clone(), budget));
        subscriber.capabilities = capabilities;
        subscriber.fit_slots();
        (subscriber.unsettled, subscriber.unshared) = (true, true);
    }

    /// Somebody receives no longer.
    pub fn unsubscribe(&mut self, member: MemberId) {
        self.subscribers.remove(&member);
        for track in self.tracks.values_mut() {
            track
                .subscriptions
                .retain(|subscription| subscription.member != member);
        }
    }

    /// What somebody shows now.
    pub fn set_view(&mut self, member: MemberId, mut view: View) {
        if let Some(subscriber) = self.subscribers.get_mut(&member) {
            if let View::Only(wishes) = &mut view {
                wishes.truncate(View::LIMIT);
            }
            subscriber.view = view;
            (subscriber.unsettled, subscriber.unshared) = (true, true);
        }
    }

    /// Whether somebody receives no sound from here, since they want none or hear a mix.
    pub fn set_deaf(&mut self, member: MemberId, deaf: bool) {
        if let Some(subscriber) = self
            .subscribers
            .get_mut(&member)
            .filter(|known| known.deaf != deaf)
        {
            subscriber.deaf = deaf;
            subscriber.unsettled = true;
        }
    }

    /// What somebody's path carries now, in bits a second.
    pub fn set_budget(&mut self, member: MemberId, budget: u64) {
        if let Some(subscriber) = self.subscribers.get_mut(&member) {
            subscriber.budget = budget;
            // Small changes wait for the next look at everybody.
            subscriber.unshared |= subscriber.shared.abs_diff(budget) * 20 > subscriber.shared;
        }
    }

    /// What all that somebody shows would take, in bits a second.
    #[must_use]
    pub fn demand(&self, member: MemberId) -> u64 {
        self.subscribers
            .get(&member)
            .map_or(0, |subscriber| subscriber.demand)
    }

    /// A packet came: what it is, for [`Gate::pass`].
    ///
    /// # Errors
    /// [`Malformed`] if the payload is not what its codec says, or the track is not known.
    #[inline]
    pub fn receive(
        &mut self,
        id: TrackId,
        encoding: u8,
        (sequence, timestamp, marker): (u64, u32, bool),
        payload: &[u8],
        descriptor: Option<&[u8]>,
        now: Duration,
    ) -> Result<Incoming, Malformed> {
        let track = self.tracks.get_mut(&id).ok_or(Malformed::Field)?;
        let peek = track.receive(encoding, marker, payload, descriptor, now)?;
        Ok(Incoming {
            sequence,
            timestamp,
            marker,
            peek,
        })
    }

    /// How loud a track is: -dBov, 127 for silence (RFC 6464).
    #[inline]
    pub fn level(&mut self, id: TrackId, level: u8, now: Duration) {
        if self.tracks.get(&id).is_some_and(|track| !track.muted) {
            self.speakers.level(id, level, now);
        }
    }

    /// A sender report: the publisher's clock was at `microseconds` when `encoding` was at `timestamp`.
    pub fn report(&mut self, id: TrackId, encoding: u8, microseconds: u64, timestamp: u32) {
        if let Some(track) = self.tracks.get_mut(&id) {
            track.report(encoding, microseconds, timestamp);
        }
    }

    /// Who receives a track, and how timestamps of its encodings are aligned.
    #[inline]
    #[allow(
        clippy::type_complexity,
        reason = "the closure has no name, and the packet path wants no box"
    )]
    pub fn subscriptions(
        &mut self,
        id: TrackId,
    ) -> Option<(&mut [Subscription], impl Fn(u8, u8, u32) -> Option<u32> + Copy)> {
        let track = self.tracks.get_mut(&id)?;
        let (encodings, rate) = (&track.encodings, track.info.codec.clock_rate());
        let align = move |from, to, timestamp| Track::align(encodings, rate, from, to, timestamp);
        Some((&mut track.subscriptions, align))
    }

    /// The subscription behind a slot, and the track.
    pub fn in_slot(&mut self, member: MemberId, slot: u8) -> Option<(TrackId, &mut Subscription)> {
        let id = self
            .subscribers
            .get(&member)?
            .slots
            .get(usize::from(slot))?
            .track?;
        let track = self.tracks.get_mut(&id)?;
        let of =
            |subscription: &&mut Subscription| subscription.member == member && subscription.slot == slot;
        let subscription = track.subscriptions.iter_mut().find(of)?;
        Some((id, subscription))
    }

    /// What is to be done or told next.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When to call [`Router::handle_timeout`]; never while there is nothing to forward.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Duration> {
        (!self.tracks.is_empty()).then_some(self.next_tick)
    }

    /// Looks at all that has changed, by commands or by itself.
    pub fn handle_timeout(&mut self, now: Duration) {
        if now < self.next_tick {
            return;
        }
        self.next_tick = now + self.settings.tick;
        self.ticks = self.ticks.wrapping_add(1);
        let leader = self.speakers.dominant();
        let changed = self.speakers.update(now);
        if changed {
            self.outputs.push_back(Output::Speakers);
        }
        if changed || leader != self.speakers.dominant() {
            self.unsettle_crowded();
        }
        if self.ticks.is_multiple_of(5) {
            self.subscribers
                .values_mut()
                .for_each(|subscriber| subscriber.unshared = true);
        }
        self.settle(now);
    }

    /// Puts tracks into slots and shares bandwidth, where something has changed; to be called after commands.
    pub fn settle(&mut self, now: Duration) {
        let changed: Vec<MemberId> = self
            .subscribers
            .iter()
            .filter(|(_, subscriber)| subscriber.unsettled || subscriber.unshared)
            .map(|(member, _)| *member)
            .collect();
        for member in changed {
            self.settle_slots(member);
            self.share(member, now);
        }
        self.ask_for_awaited(now);
        self.tell_needed(now);
    }

    /// Whether [`Router::settle`] has something to do for a member.
    #[must_use]
    pub fn is_unsettled(&self, member: MemberId) -> bool {
        let subscriber = self.subscribers.get(&member);
        subscriber.is_some_and(|subscriber| subscriber.unsettled || subscriber.unshared)
    }

    pub(crate) fn subscription_mut(
        &mut self,
        track: TrackId,
        member: MemberId,
        slot: u8,
    ) -> Option<&mut Subscription> {
        let subscriptions = &mut self.tracks.get_mut(&track)?.subscriptions;
        subscriptions
            .iter_mut()
            .find(|subscription| subscription.member == member && subscription.slot == slot)
    }

    /// Who speaks: the dominant one first; with levels in -dBov.
    #[must_use]
    pub fn speakers(&self) -> &[(TrackId, u8)] {
        self.speakers.active()
    }

    /// Who leads the talk.
    pub(crate) const fn leader(&self) -> Option<TrackId> {
        self.speakers.dominant()
    }

    pub(crate) fn by_recency(&self) -> Vec<TrackId> {
        self.speakers.by_recency()
    }

    /// What is in somebody's slots.
    #[must_use]
    pub fn slots(&self, member: MemberId) -> &[Slot] {
        self.subscribers
            .get(&member)
            .map_or(&[], |subscriber| &subscriber.slots)
    }

    /// A track.
    #[must_use]
    pub fn track(&self, id: TrackId) -> Option<&Track> {
        self.tracks.get(&id)
    }

    /// All tracks, in the order in which they were published.
    pub fn tracks(&self) -> impl Iterator<Item = &Track> {
        self.tracks.values()
    }

    /// What a member receives: slot, track and share.
    pub fn received_by(&self, member: MemberId) -> impl Iterator<Item = (u8, &Track, &Subscription)> {
        self.slots(member)
            .iter()
            .zip(0_u8..)
            .filter_map(move |(slot, index)| {
                let track = self.tracks.get(&slot.track?)?;
                let of = |subscription: &&Subscription| {
                    subscription.member == member && subscription.slot == index
                };
                Some((index, track, track.subscriptions.iter().find(of)?))
            })
    }

    fn unsettle_all(&mut self) {
        for subscriber in self.subscribers.values_mut() {
            (subscriber.unsettled, subscriber.unshared) = (true, true);
        }
    }

    /// Those who cannot hear or see everybody at once hear and see those who speak.
    fn unsettle_crowded(&mut self) {
        let voices = self
            .tracks
            .values()
            .filter(|track| !track.info.codec.is_video())
            .count();
        for subscriber in self.subscribers.values_mut() {
            let crowded = voices > usize::from(subscriber.capabilities.audio_slots);
            subscriber.unsettled |= crowded || subscriber.view == View::Speaker;
        }
    }

    pub(crate) fn give_back(&mut self, subscription: Subscription) {
        let Subscription {
            member, slot, gate, ..
        } = subscription;
        let subscriber = self.subscribers.get_mut(&member);
        if let Some(slot) = subscriber.and_then(|subscriber| subscriber.slots.get_mut(usize::from(slot))) {
            (slot.track, slot.gate) = (None, Some(gate));
        }
    }

    pub(crate) fn tell_slots(&mut self, member: MemberId) {
        self.outputs.push_back(Output::Slots(member));
    }
}

/// A gate for another codec, or the same one for another source.
pub(crate) fn renewed(mut gate: Gate, codec: Codec) -> Gate {
    gate.change_source(codec);
    if !codec.is_video() {
        gate.aim(Some(Layer::all_of(0)));
    }
    gate
}
