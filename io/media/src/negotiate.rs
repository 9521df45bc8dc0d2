//! Commands: who comes and goes, offers and answers, what is shown.

use trefoil_peer::{IceCredentials, PublishTransport, PublishedMedia};
use trefoil_rtp::Codec;
use trefoil_sfu::{MemberId, Source, TrackId, TrackInfo};

use crate::{
    Ask, Command, Described, MuteState, Rights, RoomKey, Told,
    demux::Leg,
    hearing::Hearing,
    member::{Allowance, Member, PublishLeg},
    receive::members_of,
    room::{Feed, Room},
    worker::Worker,
};

/// What one offer may say of its m= sections.
const SOURCES: usize = 64;

impl Worker {
    pub(crate) fn obey(&mut self, command: Command) {
        let Command {
            room,
            participant,
            ask,
        } = command;
        if let Ask::Enter {
            name,
            rights,
            muted,
            mixed,
        } = ask
        {
            self.enter(room, participant, &name, rights, muted);
            return self.usually_mixed(room, participant, mixed);
        }
        let Some(ask) = self.obey_for_room(room, ask) else {
            return;
        };
        let Some(&member) = self.by_participant.get(&(room, participant)) else {
            return;
        };
        match ask {
            Ask::Enter { .. } | Ask::Announce(_) | Ask::Silence(_) => {}
            Ask::Leave => self.leave(member),
            Ask::Publish { offer, sources } => self.publish(member, &offer, sources),
            Ask::Subscribe {
                audio,
                video,
                restart,
            } => self.subscribe(member, audio, video, restart),
            Ask::Answer { answer } => self.answer(member, &answer),
            Ask::Call { offer } => self.call(member, offer.as_deref()),
            Ask::View(view) => self.view(member, view),
            Ask::Hear(wish) => self.hear_as(member, wish),
            Ask::Voice(wish) => {
                self.sound_as(member, wish);
                self.spread_tracks(member);
            }
            Ask::Plain(ask) => self.open_plain(member, &ask),
            Ask::Allow { track, to } => self.allow(member, track, to),
        }
    }

    fn enter(
        &mut self,
        key: RoomKey,
        participant: u64,
        name: &std::sync::Arc<str>,
        rights: Rights,
        muted: MuteState,
    ) {
        if let Some(&member) = self.by_participant.get(&(key, participant)) {
            if self.members.get(member).is_some_and(|known| known.link.is_none()) {
                return self.change(member, rights, muted);
            }
            // Whoever was known through a link is here now.
            self.remove_far(member);
        }
        let room = match self.by_key.get(&key) {
            Some(room) => *room,
            None => self.open_room(key),
        };
        let member = self.members.insert(Member {
            room,
            participant,
            name: name.clone(),
            rights,
            muted,
            publish: None,
            subscribe: None,
            sources: std::collections::BTreeMap::new(),
            hearing: Hearing::default(),
            hears_mix: false,
            plain: None,
            link: None,
        });
        self.by_participant.insert((key, participant), member);
        if let Some(room) = self.rooms.get_mut(room) {
            room.members.push(member);
        }
        self.spread_enter(room, member);
        self.tell_all_tracks(member);
        self.tell_announcements(room, participant);
    }

    pub(crate) fn open_room(&mut self, key: RoomKey) -> u32 {
        let room = Room::new(key, self.config.tracks_limit, self.number);
        let index = self.rooms.insert(room);
        self.by_key.insert(key, index);
        index
    }

    /// Whether somebody hears the room mixed unless they ask otherwise.
    fn usually_mixed(&mut self, room: RoomKey, participant: u64, mixed: bool) {
        let Some(&member) = self.by_participant.get(&(room, participant)) else {
            return;
        };
        let hearing = self.members.get_mut(member).map(|member| &mut member.hearing);
        if hearing.is_some_and(|hearing| std::mem::replace(&mut hearing.usual, mixed) != mixed) {
            self.settle_hearing(member);
        }
    }

    /// Somebody may do something else than before, or turned something on or off.
    fn change(&mut self, member: u32, rights: Rights, muted: MuteState) {
        let Some(known) = self.members.get_mut(member) else {
            return;
        };
        let (had, was) = (known.rights, known.muted);
        (known.rights, known.muted) = (rights, muted);
        if known.is_in_call() && (rights.publish || rights.subscribe) {
            if had != rights {
                self.settle_call(member);
            }
        } else {
            if had.publish && !rights.publish {
                self.lose_publish(member);
            }
            if had.subscribe && !rights.subscribe {
                self.lose_subscribe(member);
            }
        }
        if was != muted {
            self.mute(member, muted);
            self.tell_tracks(member);
        }
    }

    fn mute(&mut self, member: u32, muted: MuteState) {
        let Some(index) = self.members.get(member).map(|member| member.room) else {
            return;
        };
        let Some(room) = self.rooms.get_mut(index) else {
            return;
        };
        let own = room
            .router
            .tracks()
            .filter(|track| track.info().publisher == MemberId(member.into()));
        let tracks: Vec<_> = own.map(|track| (track.id(), track.info().source)).collect();
        for (track, source) in tracks {
            room.router.mute(track, is_muted(source, muted));
        }
        self.unsettled.push(index);
    }

    /// Somebody is gone, and the room with the last one.
    pub(crate) fn leave(&mut self, member: u32) {
        self.close_publish(member);
        self.close_subscribe(member);
        self.close_plain(member);
        if let Some(room) = self.members.get(member).map(|member| member.room) {
            self.quit_mix(room, member);
        }
        let Some(known) = self.members.remove(member) else {
            return;
        };
        let Some(room) = self.rooms.get_mut(known.room) else {
            return;
        };
        room.members.retain(|other| *other != member);
        self.by_participant.remove(&(room.key, known.participant));
        self.spread_leave(known.room, known.participant);
    }

    fn publish(&mut self, member: u32, offer: &str, sources: Vec<(String, Described)>) {
        let Some(known) = self.members.get_mut(member) else {
            return;
        };
        if !known.rights.publish {
            return self.refuse(member, "publish", "your role may not publish", true);
        }
        if known.is_in_call() {
            self.close_call(member);
        }
        let Some(known) = self.members.get_mut(member) else {
            return;
        };
        if known.sources.len() > SOURCES {
            // What was said with offers that could not be used is of no use.
            known.sources.clear();
        }
        known.sources.extend(sources.into_iter().take(SOURCES));
        let fingerprint = fingerprint_of(offer).to_owned();
        let same = known
            .publish
            .as_ref()
            .is_some_and(|leg| leg.fingerprint == fingerprint);
        if !same {
            self.close_publish(member);
            if let Err(error) = self.open_publish(member, fingerprint) {
                return self.refuse(
                    member,
                    "publish",
                    &format!("no transport could be made: {error}"),
                    false,
                );
            }
        }
        let leg = self
            .members
            .get_mut(member)
            .and_then(|member| member.publish.as_mut());
        let Some(leg) = leg else { return };
        let before = leg.transport.fragment().to_owned();
        let answer = match leg.transport.accept(offer) {
            Ok(answer) => answer,
            Err(refusal) => return self.refuse(member, "publish", &refusal.to_string(), false),
        };
        let (after, media) = (
            leg.transport.fragment().to_owned(),
            leg.transport.media().cloned().collect::<Vec<_>>(),
        );
        self.demux.remove_fragment(&before);
        self.demux.add_fragment(&after, member, Leg::Publish);
        let tracks = self.follow_media(member, &media);
        self.tell(member, Told::Published { answer, tracks });
        self.tell_tracks(member);
        self.poll_publish(member);
    }

    fn open_publish(&mut self, member: u32, fingerprint: String) -> Result<(), getrandom::Error> {
        let credentials = IceCredentials::random(self.number)?;
        let now = self.clock.instant_at(self.now);
        let leg = PublishLeg {
            transport: PublishTransport::new(&self.engine, credentials, &self.addresses, now),
            fingerprint,
            at: Vec::new(),
            opened: self.now,
            heard: self.now,
            planned: None,
            tracks: Vec::new(),
            allowance: Allowance::new(self.config.publish_bits_per_second, self.now),
        };
        if let Some(member) = self.members.get_mut(member) {
            member.publish = Some(Box::new(leg));
        }
        Ok(())
    }

    /// Makes and ends tracks as the description says; which is in which m= section.
    pub(crate) fn follow_media(&mut self, member: u32, media: &[PublishedMedia]) -> Vec<(String, TrackId)> {
        let Some(known) = self.members.get_mut(member) else {
            return Vec::new();
        };
        let (Some(room), Some(leg)) = (self.rooms.get_mut(known.room), known.publish.as_mut()) else {
            return Vec::new();
        };
        leg.tracks.resize(media.len().max(leg.tracks.len()), None);
        known
            .sources
            .retain(|mid, _| media.iter().any(|described| described.mid == *mid));
        let mut published = Vec::new();
        for (index, (described, track)) in (0_u8..).zip(media.iter().zip(&mut leg.tracks)) {
            if let (Some(id), false) = (*track, described.sending) {
                room.drop_track(id);
                *track = None;
            }
            if described.sending && track.is_none() {
                let said = known.sources.get(&described.mid).cloned();
                let said = said.unwrap_or_else(|| usual(described.codec).into());
                *track = room.router.publish(TrackInfo {
                    publisher: MemberId(member.into()),
                    codec: described.codec,
                    source: said.source,
                    encodings: u8::try_from(described.rids.len()).unwrap_or(1).max(1),
                });
                if let Some(id) = *track {
                    let mut feed = Feed::new(member, index, described.codec, &described.rids);
                    feed.name = said.name;
                    room.feeds.insert(id, feed);
                    // Before anybody is given a place for it.
                    let to = said.to.map(|to| members_of(&self.by_participant, room.key, &to));
                    room.router.allow(id, to);
                    for link in &room.links {
                        room.router.set_linked(id, *link, u8::MAX);
                    }
                    room.router.mute(id, is_muted(said.source, known.muted));
                }
            }
            published.extend(track.map(|track| (described.mid.clone(), track)));
        }
        self.unsettled.push(known.room);
        published
    }

    pub(crate) fn refuse(&mut self, member: u32, of: &'static str, why: &str, forbidden: bool) {
        let why = why.to_owned();
        self.tell(member, Told::Refused { of, why, forbidden });
    }

    /// A publishing transport is gone: its tracks are, and its owner is told.
    pub(crate) fn lose_publish(&mut self, member: u32) {
        if self.members.get(member).is_some_and(Member::is_in_call) {
            self.close_call(member);
            self.tell(member, Told::Lost("call"));
        } else if self.close_publish(member) {
            self.tell(member, Told::Lost("publish"));
            self.tell_tracks(member);
        }
    }

    /// A subscribing transport is gone, and its owner is told.
    pub(crate) fn lose_subscribe(&mut self, member: u32) {
        if self.members.get(member).is_some_and(Member::is_in_call) {
            self.lose_publish(member);
        } else if self.close_subscribe(member) {
            self.tell(member, Told::Lost("subscribe"));
        }
    }

    pub(crate) fn close_publish(&mut self, member: u32) -> bool {
        let Some(known) = self.members.get_mut(member) else {
            return false;
        };
        let Some(mut leg) = known.publish.take() else {
            return false;
        };
        let index = known.room;
        self.forget(&leg.at);
        self.demux.remove_fragment(leg.transport.fragment());
        if let Some(room) = self.rooms.get_mut(index) {
            for track in leg.tracks.iter().flatten() {
                room.drop_track(*track);
            }
            self.unsettled.push(index);
        }
        leg.transport.close();
        while let Some(published) = leg.transport.poll() {
            if let trefoil_peer::Published::Datagram { path, bytes } = published {
                let route = self.route(path, None);
                self.outbox.send(route, &bytes);
            }
        }
        true
    }

    pub(crate) fn close_subscribe(&mut self, member: u32) -> bool {
        let Some(known) = self.members.get_mut(member) else {
            return false;
        };
        let Some(mut leg) = known.subscribe.take() else {
            return false;
        };
        let index = known.room;
        self.leave_mix(index, member);
        self.forget(&leg.at);
        if let Some(room) = self.rooms.get_mut(index) {
            room.router.unsubscribe(MemberId(member.into()));
            self.unsettled.push(index);
        }
        let Some(transport) = &mut leg.transport else {
            return true;
        };
        self.demux.remove_fragment(transport.fragment());
        transport.close();
        while let Some(subscribed) = transport.poll(&mut leg.out) {
            if let trefoil_peer::Subscribed::Datagram { path, bytes } = subscribed {
                let route = self.route(path, None);
                self.outbox.send(route, &bytes);
            }
        }
        true
    }
}

/// What a track is where nobody says.
fn usual(codec: Codec) -> Source {
    if codec.is_video() {
        Source::Camera
    } else {
        Source::Microphone
    }
}

const fn is_muted(source: Source, muted: MuteState) -> bool {
    match source {
        Source::Microphone => muted.audio,
        Source::Camera => muted.video,
        Source::Screen | Source::ScreenAudio | Source::Announcement | Source::Other => false,
    }
}

/// The first fingerprint of a description.
pub(crate) fn fingerprint_of(sdp: &str) -> &str {
    sdp.lines()
        .find_map(|line| line.strip_prefix("a=fingerprint:"))
        .unwrap_or_default()
}
