//! One room's mixer: who is in it, and how each wants to hear.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Duration,
};

use crate::{
    announcement::Announcement,
    codec::Codecs,
    event::{Event, Refusal},
    group::Group,
    hearing::{Gain, Output, ParticipantId},
    level::SILENT,
    out::Outgoing,
    overload::{Ladder, Rung},
    participant::Participant,
    playout::{Packet, Reception},
    stage::Stage,
};

/// The mixer's step.
pub const STEP: Duration = Duration::from_millis(20);
/// Events that wait at most; then older ones are forgotten.
const EVENTS: usize = 256;

/// How a mixer is set up.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Settings {
    /// So many talkers are heard at once; [`usize::MAX`] for all.
    pub talkers: usize,
    /// Of those who do not say how loud they are, so many more are decoded in order to know.
    pub probes: usize,
    /// From this level on (-dBov) somebody is audible: louder ones have smaller numbers.
    pub audible: u8,
    /// A lone talker's packets go on as they came.
    pub pass_through: bool,
    /// Participants at most.
    pub participants: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            talkers: 3,
            probes: 2,
            audible: 60,
            pass_through: true,
            participants: 2000,
        }
    }
}

/// Somebody whose level must be found out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Probe {
    pub(crate) who: ParticipantId,
    pub(crate) steps: u32,
}

/// One room's mixing.
#[derive(Debug)]
pub struct Mixer<C: Codecs> {
    pub(crate) settings: Settings,
    pub(crate) codecs: C,
    pub(crate) participants: BTreeMap<ParticipantId, Participant<C::Decoder, C::Suppressor>>,
    /// Who sent something audible lately.
    pub(crate) active: BTreeSet<ParticipantId>,
    pub(crate) chosen: Vec<ParticipantId>,
    pub(crate) probes: Vec<Probe>,
    pub(crate) announcement: Announcement,
    pub(crate) groups: Vec<Group<C::Encoder>>,
    /// Who hears what must be looked at again.
    pub(crate) dirty: bool,
    pub(crate) stage: Stage,
    pub(crate) out: Outgoing,
    pub(crate) ladder: Ladder,
    pub(crate) speakers: Vec<ParticipantId>,
    pub(crate) events: VecDeque<Event>,
    /// The next step; nothing while nobody is heard.
    pub(crate) next: Option<Duration>,
    /// The timestamp of the next step, in samples: never before what was sent already.
    pub(crate) timestamp: u64,
    pub(crate) skipped: u64,
}

impl<C: Codecs> Mixer<C> {
    /// Nobody is there.
    #[must_use]
    pub fn new(settings: Settings, codecs: C) -> Self {
        Self {
            settings,
            codecs,
            participants: BTreeMap::new(),
            active: BTreeSet::new(),
            chosen: Vec::new(),
            probes: Vec::new(),
            announcement: Announcement::default(),
            groups: Vec::new(),
            dirty: true,
            stage: Stage::default(),
            out: Outgoing::default(),
            ladder: Ladder::default(),
            speakers: Vec::new(),
            events: VecDeque::new(),
            next: None,
            timestamp: 0,
            skipped: 0,
        }
    }

    /// Somebody comes, and receives the mix like this.
    ///
    /// # Errors
    /// [`Refusal::Full`], [`Refusal::Present`].
    pub fn join(&mut self, who: ParticipantId, output: Output) -> Result<(), Refusal> {
        let is_full = self.participants.len() >= self.settings.participants;
        match self.participants.get_mut(&who) {
            Some(before) if !before.gone => return Err(Refusal::Present),
            // The last frame of who had this number is lost.
            Some(before) => *before = Participant::new(output),
            None if is_full => return Err(Refusal::Full),
            None => {
                self.participants.insert(who, Participant::new(output));
            }
        }
        self.chosen.retain(|id| *id != who);
        self.dirty = true;
        Ok(())
    }

    /// Somebody goes; a word they were saying fades.
    pub fn leave(&mut self, who: ParticipantId) {
        if let Some(participant) = self.participants.get_mut(&who) {
            participant.gone = true;
            if !self.chosen.contains(&who) {
                self.forget(who);
            }
            self.dirty = true;
        }
    }

    pub(crate) fn forget(&mut self, who: ParticipantId) {
        self.participants.remove(&who);
        self.active.remove(&who);
        self.probes.retain(|probe| probe.who != who);
        for other in self.participants.values_mut() {
            other.volumes.remove(&who);
        }
    }

    /// Somebody receives the mix in another form.
    pub fn set_output(&mut self, who: ParticipantId, output: Output) {
        self.change(who, |participant| participant.output = output);
    }

    /// Nobody hears somebody, or hears them again.
    pub fn set_muted(&mut self, who: ParticipantId, muted: bool) {
        self.change(who, |participant| {
            participant.muted = muted;
            participant.voice = crate::voice::Voice::default();
        });
    }

    /// Somebody hears nobody, or hears again.
    pub fn set_deafened(&mut self, who: ParticipantId, deafened: bool) {
        self.change(who, |participant| participant.deafened = deafened);
    }

    /// How loud the room hears somebody; 1 as they are, 8 at most.
    pub fn set_gain(&mut self, who: ParticipantId, gain: f32) {
        self.change(who, |participant| participant.gain = Gain::new(gain));
    }

    /// The noise is taken out of somebody's voice while they are among the talkers, or is not.
    pub fn set_denoise(&mut self, who: ParticipantId, denoise: bool) {
        self.change(who, |participant| participant.denoise = denoise);
    }

    /// Where somebody stands, for those who hear stereo: -1 is left, 1 is right.
    pub fn set_place(&mut self, who: ParticipantId, place: f32) {
        let place = if place.is_finite() {
            place.clamp(-1.0, 1.0)
        } else {
            0.0
        };
        self.change(who, |participant| participant.place = place);
    }

    /// How loud `listener` hears `talker`; 1 as the room does.
    pub fn set_volume(&mut self, listener: ParticipantId, talker: ParticipantId, volume: f32) {
        let gain = Gain::new(volume);
        let known = self.participants.contains_key(&talker);
        self.change(listener, |participant| {
            if gain == Gain::PLAIN || !known {
                participant.volumes.remove(&talker);
            } else {
                participant.volumes.insert(talker, gain);
            }
        });
    }

    fn change(
        &mut self,
        who: ParticipantId,
        change: impl FnOnce(&mut Participant<C::Decoder, C::Suppressor>),
    ) {
        if let Some(participant) = self.participants.get_mut(&who) {
            change(participant);
            self.dirty = true;
        }
    }

    /// A sound that everybody hears beside the voices, 48 kHz mono; says how many samples there was room for: two seconds may
    /// wait.
    pub fn feed(&mut self, samples: &[f32], now: Duration) -> usize {
        let taken = self.announcement.feed(samples);
        self.wake(now, now);
        taken
    }

    /// A packet of somebody's voice.
    pub fn packet_in(&mut self, from: ParticipantId, packet: &Packet<'_>, now: Duration) {
        let Some(participant) = self
            .participants
            .get_mut(&from)
            .filter(|participant| !participant.gone)
        else {
            return;
        };
        let level = packet.level.map(|level| level.min(SILENT));
        let is_audible = match level {
            Some(level) => level < self.settings.audible,
            None => !packet.codec.is_pause(packet.payload),
        };
        if participant.muted {
            if participant.voice.talks_muted(is_audible && level.is_some()) {
                self.tell(Event::TalksMuted(from));
            }
            return;
        }
        if !participant.playout.insert(packet, samples(now)) {
            return;
        }
        participant.count(packet.codec, packet.payload);
        participant.voice.told = level.is_some();
        if let Some(level) = level {
            participant.voice.hear(level, self.settings.audible, now);
        }
        if is_audible {
            participant.voice.arrived(now);
            let wanted = now + duration(participant.playout.wait());
            self.active.insert(from);
            self.wake(wanted, now);
        }
    }

    /// When [`Mixer::tick`] should be called next; never, while nobody is heard.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Duration> {
        self.next
    }

    /// What should be told, the oldest first.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Who speaks, the loudest first.
    #[must_use]
    pub fn speakers(&self) -> &[ParticipantId] {
        &self.speakers
    }

    /// How loud somebody was last: -dBov, 127 for silence.
    #[must_use]
    pub fn level(&self, who: ParticipantId) -> u8 {
        self.participants
            .get(&who)
            .map_or(SILENT, |participant| participant.voice.level())
    }

    /// How somebody's packets come.
    #[must_use]
    pub fn reception(&self, who: ParticipantId) -> Option<Reception> {
        self.participants
            .get(&who)
            .map(|participant| participant.playout.reception)
    }

    /// The thread that runs this mixer was busy for this share of the last tenth of a second or so.
    pub fn report_load(&mut self, busy: f32, now: Duration) {
        if self.ladder.report(busy, now) {
            self.dirty = true;
            self.tell(Event::Overload(self.ladder.rung));
        }
    }

    /// What is given up at the moment.
    #[must_use]
    pub fn rung(&self) -> Rung {
        self.ladder.rung
    }

    /// Steps that were left out since the thread came too late for them.
    #[must_use]
    pub fn skipped(&self) -> u64 {
        self.skipped
    }

    /// How many encoders there may be at the moment: groups of those who hear the same.
    #[must_use]
    pub fn groups(&self) -> usize {
        self.groups.len()
    }

    pub(crate) fn tell(&mut self, event: Event) {
        if self.events.len() == EVENTS {
            self.events.pop_front();
        }
        self.events.push_back(event);
    }

    /// From now on there are steps, one of them at `wanted`: the first talker waits no longer for it than their network asks.
    fn wake(&mut self, wanted: Duration, now: Duration) {
        if self.next.is_none() {
            let whole = (wanted.saturating_sub(now).as_nanos() / STEP.as_nanos()) as u32;
            let first = wanted - STEP * whole;
            self.timestamp = self.timestamp.max(samples(first) as u64);
            self.next = Some(first);
        }
    }
}

/// A time in samples of 48 kHz.
pub(crate) fn samples(time: Duration) -> i64 {
    (time.as_nanos() * 48 / 1_000_000) as i64
}

/// Samples of 48 kHz as a time.
fn duration(samples: u64) -> Duration {
    Duration::from_nanos((samples * 62_500).div_ceil(3))
}
