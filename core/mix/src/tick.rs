//! One step of 20 ms: who is heard, what sounds, and one encoding for each group of those who hear the same.

use std::{ops::Range, time::Duration};

use crate::{
    codec::{Channels, Codecs, FRAME},
    event::Event,
    group::{Group, Step},
    hearing::SourceId,
    level,
    mixer::{Mixer, STEP, samples},
    out::{Entry, Outgoing, VOICES},
    overload::Rung,
    stage::{Original, Sounding, ramp},
};

/// Steps that are made up for when the thread comes late; more are left out.
const LATE: u64 = 3;
/// Steps between two looks at who speaks: 100 ms.
const LOOK: u64 = 5;

impl<C: Codecs> Mixer<C> {
    /// Makes the steps that are due; gives what they send.
    pub fn tick(&mut self, now: Duration) -> &Outgoing {
        self.out.clear();
        let Some(mut at) = self.next else {
            return &self.out;
        };
        let due = now.saturating_sub(at).as_nanos() / STEP.as_nanos() + u128::from(now >= at);
        let left_out = (due as u64).saturating_sub(LATE);
        self.skipped += left_out;
        self.timestamp += left_out * FRAME as u64;
        at += STEP * u32::try_from(left_out).unwrap_or(u32::MAX);
        while at <= now {
            self.step(at);
            self.timestamp += FRAME as u64;
            at += STEP;
        }
        self.next = self.is_awake().then_some(at);
        &self.out
    }

    fn is_awake(&self) -> bool {
        !(self.active.is_empty()
            && self.chosen.is_empty()
            && self.announcement.is_dry()
            && self.groups.iter().all(Group::is_silent))
    }

    fn step(&mut self, at: Duration) {
        self.choose(at);
        self.play(at);
        self.play_announcement();
        if std::mem::take(&mut self.dirty) {
            self.regroup();
        }
        let stereo = |group: &Group<C::Encoder>| group.hearing.output.channels == Channels::Stereo;
        self.stage.sum(self.groups.iter().any(stereo));
        self.send();
        self.clear_stage();
        if (self.timestamp / FRAME as u64).is_multiple_of(LOOK) || !self.is_awake() {
            self.look(at);
        }
    }

    /// The next 20 ms of each talker, and of those whose level must be found out.
    fn play(&mut self, at: Duration) {
        let now = samples(at);
        let probes: Vec<_> = self.probes.iter().map(|probe| probe.who).collect();
        for id in &probes {
            if let Some(who) = self.participants.get_mut(id) {
                let played = who
                    .playout
                    .play(&mut who.frame, false, |codec| self.codecs.decoder(codec), now);
                if played.sounds {
                    who.voice.hear(level::of(&who.frame), self.settings.audible, at);
                }
            }
        }
        for number in 0..self.chosen.len() {
            self.play_talker(number, at);
        }
    }

    /// The next 20 ms of one talker.
    fn play_talker(&mut self, number: usize, at: Duration) {
        let rung = self.ladder.rung;
        let Some((id, who)) = self
            .chosen
            .get(number)
            .and_then(|id| Some((*id, self.participants.get_mut(id)?)))
        else {
            return;
        };
        let denoised = who.is_denoised(rung);
        let alone = self.settings.pass_through && self.chosen.len() == 1 && !denoised;
        let mut frame = std::mem::take(&mut who.frame);
        let decoder = |codec| self.codecs.decoder(codec);
        let played = who.playout.play(&mut frame, alone, decoder, samples(at));
        let level = if played.sounds {
            level::of(&frame)
        } else {
            level::SILENT
        };
        if !who.voice.told || !played.sounds {
            who.voice.hear(level, self.settings.audible, at);
        }
        let (before, after) = (who.factor, who.wanted_factor());
        who.factor = after;
        if !played.sounds {
            who.frame = frame;
            return;
        }
        let quieted = who
            .quieting
            .pass(&mut frame, denoised, || self.codecs.suppressor());
        let level = if quieted { level::of(&frame) } else { level };
        ramp(&mut frame, before, after);
        // A word that begins may be passed as it came, since nothing was heard before it.
        let as_it_came =
            after == 1.0 && (before == 1.0 || before == 0.0) && self.settings.pass_through && !quieted;
        let original = who.playout.codec().filter(|_| as_it_came).map(|codec| Original {
            codec,
            packet: played.packet,
            lost: played.lost,
            bitrate: who.bitrate(),
        });
        self.stage.soundings.push(Sounding {
            id: SourceId::Participant(id),
            frame,
            level,
            place: if rung >= Rung::Shared { 0.0 } else { who.place },
            original,
        });
    }

    fn play_announcement(&mut self) {
        if self.announcement.play() {
            self.stage.soundings.push(Sounding {
                id: SourceId::Announcement,
                level: level::of(&self.announcement.frame),
                frame: std::mem::take(&mut self.announcement.frame),
                place: 0.0,
                original: None,
            });
        }
    }

    /// Sends each group its mix.
    fn send(&mut self) {
        let mut groups = std::mem::take(&mut self.groups);
        for group in &mut groups {
            self.out.payload.made.clear();
            let quality = self.ladder.rung.apply(group.hearing.output.quality);
            let step = group.step(&self.stage, quality, &mut self.codecs, &mut self.out.payload);
            self.deliver(group, &step);
        }
        self.groups = groups;
    }

    fn deliver(&mut self, group: &Group<C::Encoder>, step: &Step) {
        let members = || group.members.iter();
        if group.is_silent() {
            for id in members() {
                if let Some(who) = self.participants.get_mut(id) {
                    who.hush();
                }
            }
            return;
        }
        let voices = self.name_voices(group);
        let codec = group.hearing.output.codec;
        let start = self.timestamp as i64;
        for id in members() {
            let Some(who) = self.participants.get_mut(id) else {
                continue;
            };
            who.miss(step.lost);
            for (payload, offset) in &self.out.payload.made {
                let (sequence, marker) = who.number();
                self.out.entries.push(Entry {
                    to: *id,
                    codec,
                    payload: payload.clone(),
                    sequence,
                    timestamp: ((start + i64::from(*offset)) / i64::from(codec.step())) as u32,
                    marker,
                    level: step.level,
                    voices: voices.clone(),
                });
            }
        }
    }

    /// Who is in a group's mix, the loudest ones.
    fn name_voices(&mut self, group: &Group<C::Encoder>) -> Range<usize> {
        let start = self.out.voices.len();
        let heard = self
            .stage
            .voices
            .iter()
            .filter(|(id, _)| group.hearing.factor(*id) != 0.0);
        self.out.voices.extend(heard.take(VOICES));
        start..self.out.voices.len()
    }

    /// Gives the frames back to whom they belong.
    fn clear_stage(&mut self) {
        for sounding in self.stage.soundings.drain(..) {
            match sounding.id {
                SourceId::Participant(id) => {
                    if let Some(who) = self.participants.get_mut(&id) {
                        who.frame = sounding.frame;
                    }
                }
                SourceId::Announcement => self.announcement.frame = sounding.frame,
            }
        }
    }

    /// Tells who speaks, when that changes.
    fn look(&mut self, at: Duration) {
        let mut speaking: Vec<_> = self
            .chosen
            .iter()
            .filter_map(|id| Some((id, self.participants.get(id)?)))
            .filter(|(_, who)| who.is_heard() && who.voice.speaks(at))
            .map(|(id, who)| (who.voice.level(), *id))
            .collect();
        speaking.sort_unstable();
        let speaking: Vec<_> = speaking.into_iter().map(|(_, id)| id).collect();
        let changed =
            speaking.len() != self.speakers.len() || speaking.iter().any(|id| !self.speakers.contains(id));
        self.speakers = speaking;
        if changed {
            self.tell(Event::Speakers);
        }
    }
}
