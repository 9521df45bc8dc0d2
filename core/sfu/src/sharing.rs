//! Which layers a subscriber gets of what is in their slots.

use std::time::Duration;

use crate::{
    MemberId, Output, Router, Source, Subscription, Track, View,
    allocate::{self, Claim},
};

/// A path that carries less than one in so many of the bits that its pictures take fills its queue faster than a keyframe of
/// less comes: these pictures stop at once. On a better path they go on until then, so that nobody sees a gap.
const COLLAPSED: u64 = 2;

impl Router {
    pub(crate) fn share(&mut self, member: MemberId, now: Duration) {
        let Some(subscriber) = self.subscribers.get_mut(&member) else {
            return;
        };
        if !std::mem::take(&mut subscriber.unshared) {
            return;
        }
        subscriber.shared = subscriber.budget;
        let mut left = subscriber.budget;
        let (mut claims, mut claimants) = (Vec::new(), Vec::new());
        let mut taken = 0;
        for (index, slot) in (0_u8..).zip(&subscriber.slots) {
            let Some(track) = slot.track.and_then(|id| self.tracks.get(&id)) else {
                continue;
            };
            let of =
                |subscription: &&Subscription| subscription.member == member && subscription.slot == index;
            let Some(subscription) = track.subscriptions.iter().find(of) else {
                continue;
            };
            if slot.video {
                let mut choices = Vec::new();
                track.choices(now, &mut choices);
                let (height, priority) = subscriber.view.of(track);
                let takes = track.taken(subscription.gate.current(), now);
                taken += takes;
                claims.push(Claim {
                    priority,
                    height,
                    choices,
                    current: subscription.gate.target(),
                });
                claimants.push((track.id, index, takes));
            } else {
                left = left.saturating_sub(track.bits_per_second(now));
            }
        }
        subscriber.demand = (subscriber.budget - left) + allocate::demand(&claims);
        let collapsed = left < taken / COLLAPSED;
        for ((track, slot, takes), share) in claimants.into_iter().zip(allocate::share(left, &claims)) {
            let Some(subscription) = self.subscription_mut(track, member, slot) else {
                continue;
            };
            subscription.share = share;
            let gate = &mut subscription.gate;
            let before = gate.current();
            gate.aim(share.layer);
            if collapsed && gate.waits_for().is_some() && share.bits_per_second < takes {
                gate.leave();
            }
            if before.is_some() && gate.current().is_none() {
                self.outputs.push_back(Output::Left(member, slot));
            }
        }
    }
}

impl View {
    /// How high a track is shown, and how important it is.
    fn of(&self, track: &Track) -> (u16, u8) {
        match self {
            Self::Everything | Self::Speaker => match track.info.source {
                Source::Screen => (1080, 2),
                Source::Camera
                | Source::Other
                | Source::Microphone
                | Source::ScreenAudio
                | Source::Announcement => (720, 1),
            },
            Self::Only(wishes) => wishes
                .iter()
                .find(|wish| wish.track == track.id)
                .map_or((0, 0), |wish| (wish.height, wish.priority)),
        }
    }
}
