//! Who is heard: the loudest few, with enough patience that nobody is cut off in a word.

use std::{cmp::Reverse, time::Duration};

use crate::{
    codec::Codecs,
    hearing::ParticipantId,
    mixer::{Mixer, Probe},
    noise::Quieting,
};

/// A talker who falls silent keeps their place for so long.
const HOLD: Duration = Duration::from_millis(800);
/// Where all places are taken, a louder one must be so for so long.
const CHALLENGE: Duration = Duration::from_millis(300);
/// Steps for which somebody is decoded in order to learn how loud they are: 100 ms.
const PROBE: u32 = 5;

impl<C: Codecs> Mixer<C> {
    /// Who is heard in the step at `now`.
    pub(crate) fn choose(&mut self, now: Duration) {
        let participants = &self.participants;
        self.active.retain(|id| {
            participants
                .get(id)
                .is_some_and(|who| !who.muted && who.voice.is_active(now))
        });
        self.release(now);
        let limit = self.ladder.rung.talkers(self.settings.talkers).max(1);
        let mut candidates: Vec<_> = self
            .active
            .iter()
            .filter(|id| !self.chosen.contains(id))
            .filter_map(|id| Some((*id, self.participants.get(id)?)))
            .filter(|(_, who)| who.is_heard() && who.voice.speaks(now))
            .map(|(id, who)| (who.voice.level(), id))
            .collect();
        candidates.sort_unstable();
        for (_, candidate) in candidates {
            if self.heard() < limit || self.displaces(candidate, now) {
                self.take(candidate);
            }
        }
        self.probe(now, limit);
    }

    /// Talkers who are not on their way out.
    fn heard(&self) -> usize {
        let is_heard = |id: &&ParticipantId| self.participants.get(id).is_some_and(|who| who.is_heard());
        self.chosen.iter().filter(is_heard).count()
    }

    fn take(&mut self, who: ParticipantId) {
        if let Some(participant) = self.participants.get_mut(&who) {
            participant.factor = 0.0;
            participant.voice.louder_since = None;
            self.chosen.push(who);
            self.probes.retain(|probe| probe.who != who);
            self.dirty = true;
        }
    }

    /// Lets go of those who have been silent, or whose last frame has faded.
    fn release(&mut self, now: Duration) {
        let mut freed = Vec::new();
        for id in &self.chosen {
            let Some(who) = self.participants.get_mut(id) else {
                freed.push(*id);
                continue;
            };
            if !who.is_heard() && who.factor == 0.0 {
                freed.push(*id);
            } else if !who.voice.audible_within(HOLD, now) {
                who.leaving = true;
            }
        }
        for id in freed {
            self.chosen.retain(|chosen| *chosen != id);
            self.dirty = true;
            let Some(who) = self.participants.get_mut(&id) else {
                continue;
            };
            who.leaving = false;
            who.factor = 0.0;
            who.quieting = Quieting::default();
            who.playout.rest(crate::mixer::samples(now));
            if who.gone {
                self.forget(id);
            }
        }
    }

    /// Whether somebody has been louder than the weakest talker for long enough; then that one goes.
    fn displaces(&mut self, candidate: ParticipantId, now: Duration) -> bool {
        let weakest = self
            .chosen
            .iter()
            .filter_map(|id| Some((*id, self.participants.get(id)?)))
            .filter(|(_, who)| who.is_heard())
            .max_by_key(|(_, who)| who.voice.weakness(now))
            .map(|(id, who)| (id, who.voice));
        let Some((weakest, voice)) = weakest else {
            return false;
        };
        let challenger = self.participants.get_mut(&candidate);
        let wins = challenger.is_some_and(|who| who.voice.challenges(&voice, CHALLENGE, now));
        if let Some(loser) = self.participants.get_mut(&weakest).filter(|_| wins) {
            loser.leaving = true;
        }
        wins
    }

    /// Of those who do not say how loud they are, some are decoded: those that were not for the longest time.
    fn probe(&mut self, now: Duration, limit: usize) {
        let mut ended = Vec::new();
        self.probes.retain_mut(|probe| {
            probe.steps = probe.steps.saturating_sub(1);
            let stays = probe.steps > 0 && self.active.contains(&probe.who);
            if !stays {
                ended.push(probe.who);
            }
            stays
        });
        let free = limit.saturating_sub(self.chosen.len()).min(4);
        let room = (self.settings.probes + free).saturating_sub(self.probes.len());
        if room > 0 {
            let mut unknown: Vec<_> = self
                .active
                .iter()
                .filter(|id| !self.chosen.contains(id) && !self.probes.iter().any(|probe| probe.who == **id))
                .filter_map(|id| Some((*id, self.participants.get(id)?)))
                .filter(|(_, who)| !who.voice.told && who.is_heard())
                .map(|(id, who)| (who.voice.measured, Reverse(who.bitrate()), id))
                .collect();
            unknown.sort_unstable();
            for (_, _, who) in unknown.into_iter().take(room) {
                ended.retain(|ended| *ended != who);
                self.probes.push(Probe { who, steps: PROBE });
            }
        }
        for id in ended {
            if let Some(who) = self
                .participants
                .get_mut(&id)
                .filter(|_| !self.chosen.contains(&id))
            {
                who.voice.measured = Some(now);
                who.playout.rest(crate::mixer::samples(now));
            }
        }
    }
}
