//! A seat that somebody of another door holds: taken, spoken from, and given back at the latest when it is dropped.

use std::{any::Any, sync::Arc};

use tokio::sync::mpsc;
use trefoil_native::{Manner, Overflow, Refusal, Said, Visit, Visitor, Word};
use trefoil_room::{LeaveReason, Participant, ParticipantId, Topology};
use trefoil_wire::{MediaAsk, Part};

use crate::{
    halls::HallCell,
    shared::{At, Shared, entrance},
};

/// Words that may wait until a door's task has told them to its client.
const WORDS: usize = 128;

/// Who wants to come in, and where.
pub(super) struct Wish<'a> {
    pub(super) door: &'static str,
    pub(super) manner: Manner,
    pub(super) token: Option<&'a str>,
    /// Only for those without a token.
    pub(super) namespace: &'a str,
    pub(super) room: &'a str,
    /// What the room is to be if there is none yet; as usual where nothing is said.
    pub(super) topology: Option<Topology>,
    pub(super) name: Option<&'a str>,
    /// By which name the client calls this server.
    pub(super) host: Arc<str>,
}

/// A seat.
pub(super) struct Stay {
    shared: Arc<Shared>,
    cell: Arc<HallCell>,
    id: ParticipantId,
    door: &'static str,
    host: Arc<str>,
    over: bool,
}

/// A seat that was just taken.
pub(super) struct Entered {
    pub(super) stay: Stay,
    /// What its owner is told from now on; it ends with the stay.
    pub(super) words: mpsc::Receiver<Word>,
    /// How many others were inside, as its protocol knows them.
    pub(super) others: usize,
    /// Whether media goes through the server.
    pub(super) served: bool,
}

#[derive(Debug)]
struct Ear {
    door: &'static str,
    manner: Manner,
    sender: mpsc::Sender<Word>,
}

impl Visitor for Ear {
    fn door(&self) -> &'static str {
        self.door
    }

    fn manner(&self) -> Manner {
        self.manner
    }

    fn tell(&mut self, word: Word) -> Result<(), Overflow> {
        self.sender.try_send(word).map_err(|_| Overflow)
    }
}

impl Stay {
    /// Takes a seat.
    pub(super) fn enter(shared: &Arc<Shared>, wish: Wish<'_>) -> Result<Entered, Refusal> {
        let entered = Self::try_enter(shared, wish);
        if let Err(refusal) = &entered {
            shared.metrics.refused(refusal.code());
            tracing::debug!(code = refusal.code(), "refused at a door");
        }
        entered
    }

    fn try_enter(shared: &Arc<Shared>, wish: Wish<'_>) -> Result<Entered, Refusal> {
        if shared.is_draining() {
            return Err(Refusal::ServerStopping);
        }
        let Wish {
            door,
            manner,
            token,
            namespace,
            room,
            topology,
            name,
            host,
        } = wish;
        let claims = shared.visitor_claims(token, namespace, room, name)?;
        let now = shared.now();
        let at = At { shared, host: &host };
        let (sender, words) = mpsc::channel(WORDS);
        let (cell, seat) = shared
            .halls
            .enter(&claims.ns, &claims.room, topology, now, |hall| {
                let ear = Box::new(Ear {
                    door,
                    manner,
                    sender: sender.clone(),
                });
                hall.visit(entrance(&claims), ear, &at, now)
            })?;
        let Visit { id, others, served } = seat?;
        shared.metrics.joins.inc();
        shared.metrics.door(door).people.inc();
        let stay = Self {
            shared: shared.clone(),
            cell,
            id,
            door,
            host,
            over: false,
        };
        Ok(Entered {
            stay,
            words,
            others,
            served,
        })
    }

    /// Says something to everybody else in the room: `raw` to those of the same door, `parts` to the rest.
    pub(super) fn say(&self, raw: Arc<dyn Any + Send + Sync>, parts: Vec<Part>) {
        let said = Said {
            from: self.id,
            door: self.door,
            raw,
            parts: parts.into(),
        };
        let (at, now) = (self.at(), self.shared.now());
        let done = self
            .shared
            .halls
            .serve(&self.cell, |hall| hall.visitor_says(&said, &at, now));
        self.count(done);
    }

    /// Whether somebody in the room came through the same door.
    pub(super) fn is_kin(&self, other: ParticipantId) -> bool {
        self.shared
            .halls
            .serve(&self.cell, |hall| hall.door_of(other) == self.door)
    }

    /// Its owner, as the others see them.
    pub(super) fn owner(&self) -> Option<Participant> {
        self.shared
            .halls
            .serve(&self.cell, |hall| hall.room().participant(self.id).cloned())
    }

    /// Everybody else whom the others see.
    pub(super) fn others(&self) -> Vec<Participant> {
        self.shared.halls.serve(&self.cell, |hall| {
            let seen = hall.room().participants().filter(|other| !other.hidden);
            seen.filter(|other| other.id != self.id).cloned().collect()
        })
    }

    /// Its owner's microphone is off, or on.
    pub(super) fn mute(&self, audio: bool) {
        let (at, now) = (self.at(), self.shared.now());
        self.count(
            self.shared
                .halls
                .serve(&self.cell, |hall| hall.visitor_mutes(self.id, audio, &at, now)),
        );
    }

    /// Asks something of the media server that is not about a connection.
    pub(super) fn ask(&self, ask: MediaAsk) {
        let at = self.at();
        self.count(
            self.shared
                .halls
                .serve(&self.cell, |hall| hall.visitor_asks(self.id, ask, &at)),
        );
    }

    fn count(&self, done: Result<(), Refusal>) {
        if let Err(refusal) = done {
            self.shared.metrics.refused(refusal.code());
        }
    }

    /// Gives the seat back.
    pub(super) fn leave(mut self, reason: LeaveReason) {
        self.end(reason);
    }

    /// The seat is gone already.
    pub(super) fn forget(mut self) {
        self.over = true;
    }

    fn at(&self) -> At<'_> {
        At {
            shared: &self.shared,
            host: &self.host,
        }
    }

    fn end(&mut self, reason: LeaveReason) {
        if !std::mem::replace(&mut self.over, true) {
            let (at, now) = (self.at(), self.shared.now());
            self.shared.halls.serve(&self.cell, |hall| {
                hall.visitor_leaves(self.id, reason, &at, now);
            });
        }
    }
}

impl Drop for Stay {
    fn drop(&mut self) {
        self.end(LeaveReason::Timeout);
        self.shared.metrics.door(self.door).people.dec();
    }
}
