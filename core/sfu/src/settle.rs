//! Which track is in which slot of a subscriber.

use std::collections::BTreeSet;

use crate::{
    MemberId, Router, Share, Source, Subscription, Track, TrackId, View,
    router::renewed,
    subscriber::{Capabilities, Subscriber},
};

impl Router {
    /// Puts the tracks that a member should receive into their slots. What is in a slot stays there while it is wanted.
    pub(crate) fn settle_slots(&mut self, member: MemberId) {
        let Some(subscriber) = self.subscribers.get_mut(&member) else {
            return;
        };
        if !std::mem::take(&mut subscriber.unsettled) {
            return;
        }
        let Some(subscriber) = self.subscribers.get(&member) else {
            return;
        };
        let wanted = [
            if subscriber.deaf {
                Vec::new()
            } else {
                self.sounds_for(member, &subscriber.capabilities)
            },
            self.pictures_for(member, subscriber),
        ];
        let mut changed = false;
        for (video, wanted) in [(false, &wanted[0]), (true, &wanted[1])] {
            changed |= self.vacate(member, video, wanted);
            changed |= self.occupy(member, video, wanted);
        }
        if changed {
            if let Some(subscriber) = self.subscribers.get_mut(&member) {
                subscriber.unshared = true;
            }
            self.tell_slots(member);
        }
    }

    /// All voices where there is room for them, else those who spoke last; before them what is played into the room.
    fn sounds_for(&self, member: MemberId, capabilities: &Capabilities) -> Vec<TrackId> {
        let mut sounds: Vec<TrackId> = self
            .tracks
            .values()
            .filter(|track| !track.info.codec.is_video() && may_receive(track, member, capabilities))
            .map(|track| track.id)
            .collect();
        if sounds.len() > usize::from(capabilities.audio_slots) {
            let recent = self.by_recency();
            let announced = |id: &TrackId| {
                let track = self.tracks.get(id);
                track.is_some_and(|track| track.info.source == Source::Announcement)
            };
            let place = |id: &TrackId| {
                let recency = recent.iter().position(|other| other == id);
                (!announced(id), recency.unwrap_or(usize::MAX))
            };
            sounds.sort_by_key(place);
            sounds.truncate(capabilities.audio_slots.into());
        }
        sounds
    }

    /// What is shown, the most important first, as far as there is room.
    fn pictures_for(&self, member: MemberId, subscriber: &Subscriber) -> Vec<TrackId> {
        let capabilities = &subscriber.capabilities;
        let may = |track: &&Track| track.info.codec.is_video() && may_receive(track, member, capabilities);
        let mut pictures: Vec<TrackId> = match &subscriber.view {
            View::Everything => {
                let mut all: Vec<&Track> = self.tracks.values().filter(may).collect();
                all.sort_by_key(|track| (track.info.source != Source::Screen, track.id));
                all.into_iter().map(|track| track.id).collect()
            }
            View::Speaker => self.by_voice(subscriber, self.tracks.values().filter(may)),
            View::Only(wishes) => {
                let mut shown: Vec<_> = wishes.iter().filter(|wish| wish.height > 0).collect();
                shown.sort_by_key(|wish| std::cmp::Reverse(wish.priority));
                let known = shown
                    .into_iter()
                    .filter_map(|wish| self.tracks.get(&wish.track).filter(may));
                let mut seen = BTreeSet::new();
                known
                    .map(|track| track.id)
                    .filter(|id| seen.insert(*id))
                    .collect()
            }
        };
        pictures.truncate(capabilities.video_slots.into());
        pictures
    }

    /// Pictures in the order in which those who see few of them should: screens, then whoever leads the talk. What is shown
    /// stays while nobody else does, and so while the subscriber speaks themselves.
    fn by_voice<'a>(
        &self,
        subscriber: &Subscriber,
        pictures: impl Iterator<Item = &'a Track>,
    ) -> Vec<TrackId> {
        let publisher = |id: &TrackId| Some(self.tracks.get(id)?.info.publisher);
        let leader = self.leader().as_ref().and_then(publisher);
        let heard: Vec<MemberId> = self.by_recency().iter().filter_map(publisher).collect();
        let shown = |id| subscriber.slots.iter().any(|slot| slot.track == Some(id));
        let last = |who| heard.iter().position(|other| *other == who);
        let mut pictures: Vec<&Track> = pictures.collect();
        pictures.sort_by_key(|track| {
            let who = track.info.publisher;
            (
                track.info.source != Source::Screen,
                leader != Some(who),
                !shown(track.id),
                last(who).unwrap_or(usize::MAX),
                track.id,
            )
        });
        pictures.into_iter().map(|track| track.id).collect()
    }

    /// Empties the slots whose track is not wanted any more.
    fn vacate(&mut self, member: MemberId, video: bool, wanted: &[TrackId]) -> bool {
        let Some(subscriber) = self.subscribers.get(&member) else {
            return false;
        };
        let unwanted: Vec<(u8, TrackId)> = (0_u8..)
            .zip(&subscriber.slots)
            .filter(|(_, slot)| slot.video == video)
            .filter_map(|(index, slot)| Some((index, slot.track.filter(|id| !wanted.contains(id))?)))
            .collect();
        for (slot, id) in &unwanted {
            let Some(track) = self.tracks.get_mut(id) else {
                continue;
            };
            let of =
                |subscription: &Subscription| subscription.member == member && subscription.slot == *slot;
            if let Some(index) = track.subscriptions.iter().position(of) {
                let subscription = track.subscriptions.swap_remove(index);
                self.give_back(subscription);
            }
        }
        !unwanted.is_empty()
    }

    /// Puts wanted tracks into free slots.
    fn occupy(&mut self, member: MemberId, video: bool, wanted: &[TrackId]) -> bool {
        let mut changed = false;
        for id in wanted {
            let Some(subscriber) = self.subscribers.get_mut(&member) else {
                break;
            };
            if subscriber.slots.iter().any(|slot| slot.track == Some(*id)) {
                continue;
            }
            let free = (0_u8..)
                .zip(&mut subscriber.slots)
                .find(|(_, slot)| slot.video == video && slot.track.is_none());
            let (Some((index, slot)), Some(track)) = (free, self.tracks.get_mut(id)) else {
                break;
            };
            let Some(gate) = slot.gate.take() else { break };
            slot.track = Some(*id);
            track.subscriptions.push(Subscription {
                member,
                slot: index,
                gate: renewed(gate, track.info.codec),
                share: Share::default(),
            });
            changed = true;
        }
        changed
    }
}

fn may_receive(track: &Track, member: MemberId, capabilities: &Capabilities) -> bool {
    track.info.publisher != member
        && !track.muted
        && capabilities.codecs.contains(&track.info.codec)
        && track
            .allowed
            .as_ref()
            .is_none_or(|allowed| allowed.contains(&member))
}
