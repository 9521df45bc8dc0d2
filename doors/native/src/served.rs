//! Visitors in a room whose media goes through the server: that is "the other" to them, and hears what they say of a call.

use std::sync::Arc;

use trefoil_room::{LeaveReason, Moment, MutedChange, ParticipantId, Topology};
use trefoil_wire::{Description, DescriptionKind, MediaAsk, Part};

use crate::{Hall, MediaWord, Outside, Refusal, Said, Word};

/// What the media server says of the one connection that a visitor has with it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum CallWord {
    /// Its half of a description.
    Says(Description),
    /// The connection is gone.
    Lost,
    /// What they said is of no use to it, counted by this code.
    Refused(&'static str),
}

/// As whom the media server speaks.
const SERVER: &str = "media server";

impl Said {
    /// What of it is for people where the media server is "the other": anything but words about a call.
    pub(crate) fn message(&self) -> Option<Self> {
        let is_message = |part: &&Part| matches!(part, Part::Other(_));
        let parts: Arc<[Part]> = self.parts.iter().filter(is_message).cloned().collect();
        let wanted = self.parts.is_empty() || !parts.is_empty();
        wanted.then(|| Self {
            parts,
            ..self.clone()
        })
    }
}

impl Hall {
    /// Whether media goes through the server now.
    pub(crate) fn is_served(&self) -> bool {
        self.room.view().topology() != Topology::P2p
    }

    /// The media server says something of the call of `to`; `false` if that is no visitor.
    pub fn call_says(
        &mut self,
        to: ParticipantId,
        word: CallWord,
        outside: &impl Outside,
        now: Moment,
    ) -> bool {
        if !self.visitors.contains_key(&to) {
            return false;
        }
        match word {
            CallWord::Says(description) => {
                let said = Said {
                    from: to,
                    door: SERVER,
                    raw: Arc::new(()),
                    parts: Arc::new([Part::Description(description)]),
                };
                self.tell(to, Word::Said(said));
            }
            CallWord::Lost => self.tell(to, Word::CallLost),
            CallWord::Refused(code) => {
                outside.refused(code);
                self.room.leave(to, LeaveReason::Misbehaved, now);
            }
        }
        self.dispatch(outside, now);
        true
    }

    /// A visitor asks something of the media server that is not about a connection.
    ///
    /// # Errors
    /// `no_media_server`.
    pub fn visitor_asks(
        &self,
        id: ParticipantId,
        ask: MediaAsk,
        outside: &impl Outside,
    ) -> Result<(), Refusal> {
        let asked = self.visitors.contains_key(&id) && self.is_served();
        if asked && outside.media(self.key(), id, MediaWord::Asks(ask)) {
            Ok(())
        } else {
            Err(Refusal::NoMediaServer)
        }
    }

    /// A visitor says whether their microphone is off.
    ///
    /// # Errors
    /// `no_such_participant`.
    pub fn visitor_mutes(
        &mut self,
        id: ParticipantId,
        audio: bool,
        outside: &impl Outside,
        now: Moment,
    ) -> Result<(), Refusal> {
        let muted = MutedChange {
            audio: Some(audio),
            video: None,
        };
        self.room.update(id, None, muted)?;
        self.dispatch(outside, now);
        Ok(())
    }

    /// The media server calls a visitor, or answers their `offer`.
    ///
    /// # Errors
    /// `no_media_server` where it has too much to do; then the visitor's stay is over.
    pub(crate) fn call(
        &mut self,
        id: ParticipantId,
        offer: Option<String>,
        outside: &impl Outside,
        now: Moment,
    ) -> Result<(), Refusal> {
        self.ask_of_call(id, MediaWord::Calls(offer), outside, now)
    }

    /// What a visitor says of a call, told to the media server. It can be reached at its own addresses, so it needs no
    /// candidates of theirs; and it learns over the connection that they have hung up.
    pub(crate) fn tell_of_call(
        &mut self,
        said: &Said,
        outside: &impl Outside,
        now: Moment,
    ) -> Result<(), Refusal> {
        for part in said.parts.iter() {
            let Part::Description(Description { kind, sdp }) = part else {
                continue;
            };
            let sdp = sdp.clone();
            match kind {
                DescriptionKind::Offer => self.call(said.from, Some(sdp), outside, now)?,
                DescriptionKind::Answer => {
                    let answer = MediaWord::Asks(MediaAsk::Answer { sdp });
                    self.ask_of_call(said.from, answer, outside, now)?;
                }
                DescriptionKind::Pranswer | DescriptionKind::Rollback => {}
            }
        }
        Ok(())
    }

    fn ask_of_call(
        &mut self,
        id: ParticipantId,
        word: MediaWord<'_>,
        outside: &impl Outside,
        now: Moment,
    ) -> Result<(), Refusal> {
        if outside.media(self.key(), id, word) {
            return Ok(());
        }
        // Nobody else would ever answer them.
        self.room.leave(id, LeaveReason::RoomClosed, now);
        self.dispatch(outside, now);
        Err(Refusal::NoMediaServer)
    }

    /// The room may have been set up anew. Visitors for whom "the other" would become somebody else find their stay over:
    /// their protocols have no word for that, and they may come again at once.
    pub(crate) fn part_with_visitors(&mut self, now: Moment) {
        let served = self.is_served();
        let changed = self.visitors.iter().filter(|(_, guest)| guest.served != served);
        let ids: Vec<_> = changed.map(|(id, _)| *id).collect();
        for id in ids {
            self.room.leave(id, LeaveReason::RoomClosed, now);
        }
    }
}
