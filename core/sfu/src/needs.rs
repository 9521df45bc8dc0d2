//! What is asked of publishers: keyframes, and only the encodings that anybody needs.

use std::{collections::BTreeSet, time::Duration};

use crate::{Layer, MemberId, Output, Router, Subscription, TrackId};

impl Router {
    /// A subscriber lost the picture in a slot: a keyframe is asked for, unless that was done just now.
    pub fn picture_lost(&mut self, member: MemberId, slot: u8, now: Duration) {
        let Some((track, subscription)) = self.in_slot(member, slot) else {
            return;
        };
        let gate = &subscription.gate;
        if let Some(encoding) = gate
            .waits_for()
            .or_else(|| gate.current().map(|layer| layer.encoding))
        {
            self.ask_for_keyframe(track, encoding, now);
        }
    }

    /// A keyframe of an encoding is wanted: it is asked for, unless that was done just now.
    pub fn ask_for_keyframe(&mut self, id: TrackId, encoding: u8, now: Duration) {
        let interval = self.settings.keyframe_interval;
        let of = self
            .tracks
            .get_mut(&id)
            .filter(|track| track.info.codec.is_video());
        let Some(asked) = of.and_then(|track| track.encodings.get_mut(usize::from(encoding))) else {
            return;
        };
        if asked.asked.is_none_or(|at| now.saturating_sub(at) >= interval) {
            asked.asked = Some(now);
            self.outputs.push_back(Output::Keyframe { track: id, encoding });
        }
    }

    /// Asks for the keyframes that somebody waits for.
    pub(crate) fn ask_for_awaited(&mut self, now: Duration) {
        let mut awaited = BTreeSet::new();
        for track in self.tracks.values() {
            for subscription in &track.subscriptions {
                let Some(wanted) = subscription.gate.waits_for() else {
                    continue;
                };
                awaited.insert((track.id, wanted));
                if subscription.gate.current().is_none() {
                    // Something is better than nothing until the wanted one comes.
                    let coming = (0..wanted)
                        .rev()
                        .find(|encoding| track.is_sending(*encoding, now));
                    awaited.extend(coming.map(|encoding| (track.id, encoding)));
                }
            }
        }
        for (track, encoding) in awaited {
            self.ask_for_keyframe(track, encoding, now);
        }
    }

    /// Tells publishers which encodings anybody needs: more at once, fewer after a while.
    pub(crate) fn tell_needed(&mut self, now: Duration) {
        for track in self
            .tracks
            .values_mut()
            .filter(|track| track.info.codec.is_video())
        {
            let wanted = |subscription: &Subscription| {
                let layers = [subscription.gate.target(), subscription.gate.current()];
                layers
                    .into_iter()
                    .flatten()
                    .fold(0_u8, |bits, Layer { encoding, .. }| bits | 1 << encoding.min(7))
            };
            let wanted = track
                .subscriptions
                .iter()
                .fold(0, |bits, subscription| bits | wanted(subscription));
            let all = ((1_u16 << track.encodings.len().min(8)) - 1) as u8;
            let wanted = track
                .linked
                .iter()
                .fold(wanted, |bits, (_, linked)| bits | (linked & all));
            let more = wanted & !track.needed != 0;
            if wanted == track.needed {
                track.unneeded_since = None;
                continue;
            }
            let since = *track.unneeded_since.get_or_insert(now);
            if more || now.saturating_sub(since) >= self.settings.pause_after {
                track.tell_needed(if more { track.needed | wanted } else { wanted }, now);
                track.unneeded_since = None;
                self.outputs.push_back(Output::Needed {
                    track: track.id,
                    encodings: track.needed,
                });
            }
        }
    }
}
