//! One room: who has a seat, who comes and goes, and who is told.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use trefoil_auth::{Permission, Permissions, Role, same_secret};

use crate::{
    IdSource, Moment, MutedChange, Participant, ParticipantId, Refusal, ResumeSecret, RoomSettings, RoomView,
    Rules, SettingsChange, Topology, check_identity, clean_name,
};

/// Who asks to come in; the names must be checked, the token verified.
#[derive(Clone, Debug)]
pub struct Entrance {
    /// Who the token says they are; one identity holds one seat.
    pub identity: String,
    /// What to call them.
    pub name: String,
    /// What they are here.
    pub role: Role,
    /// What they may do.
    pub permissions: Permissions,
    /// Whether they watch unseen. Then all that they may do is subscribe, whatever `permissions` says.
    pub hidden: bool,
    /// Whether only a media server can reach them, as it is with a gateway.
    pub served: bool,
}

/// A seat that was taken, or taken again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Seat {
    /// Who sits there.
    pub id: ParticipantId,
    /// Shows the way back after a break; every resume makes a new one.
    pub secret: ResumeSecret,
}

/// Why somebody is no longer in the room.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum LeaveReason {
    /// Said so.
    Left,
    /// Vanished, and did not come back in time.
    Timeout,
    /// Removed by a moderator or an administrator.
    Kicked,
    /// The same identity joined again.
    Replaced,
    /// The room was closed.
    RoomClosed,
    /// Did not read what was said.
    TooSlow,
    /// Broke a limit again and again.
    Misbehaved,
    /// The server stops.
    ServerStopping,
}

/// Who is to be told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Audience {
    /// This one alone.
    One(ParticipantId),
    /// Everybody but this one, and also those who may yet resume.
    Others(ParticipantId),
    /// Everybody, and also those who may yet resume.
    Everybody,
    /// Nobody inside: it is about somebody who watches unseen, and only for what keeps account of the room.
    Nobody,
}

/// Something that happened in the room.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// Somebody took a seat.
    Joined(Participant),
    /// Something about somebody changed; this is how they are now.
    Updated(Participant),
    /// Somebody's seat is free.
    Left {
        /// Whose.
        id: ParticipantId,
        /// Why.
        reason: LeaveReason,
    },
    /// A moderator asks you to be silent or unseen; only `true` is asked for.
    Mute {
        /// The moderator.
        from: ParticipantId,
        /// Whether the microphone.
        audio: bool,
        /// Whether the camera.
        video: bool,
    },
    /// The room is set up anew.
    RoomUpdated(RoomView),
    /// It is over for the one addressed: nothing follows, nothing can be resumed.
    Ended(LeaveReason),
}

/// An event and who is to be told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Output {
    /// Who is told.
    pub to: Audience,
    /// What.
    pub event: Event,
}

/// Somebody with a seat, or who lost it and may yet resume.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) participant: Participant,
    pub(crate) secret: ResumeSecret,
    pub(crate) lost: Option<Lost>,
}

/// A connection broke: when the seat is free, and when there is nothing left to resume.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lost {
    pub(crate) free_at: Moment,
    pub(crate) forget_at: Moment,
}

/// One room of one namespace.
#[derive(Debug)]
pub struct Room {
    pub(crate) view: RoomView,
    pub(crate) rules: Rules,
    ids: IdSource,
    pub(crate) members: BTreeMap<ParticipantId, Box<Member>>,
    /// Seat lost, but the session not yet: at most `member_limit`, the oldest goes first.
    pub(crate) gone: BTreeMap<ParticipantId, Box<Member>>,
    seats: BTreeMap<Arc<str>, ParticipantId>,
    /// Until when; at most [`Room::KICKED_LIMIT`], who may come back first is forgotten first.
    pub(crate) kicked: BTreeMap<Arc<str>, Moment>,
    pub(crate) empty_since: Option<Moment>,
    outputs: VecDeque<Output>,
}

impl Room {
    /// How many kicked identities a room remembers.
    pub const KICKED_LIMIT: usize = 1024;

    /// An empty room.
    #[must_use]
    pub fn new(view: RoomView, rules: Rules, seed: [u8; 32], now: Moment) -> Self {
        Self {
            view,
            rules,
            ids: IdSource::new(seed),
            members: BTreeMap::new(),
            gone: BTreeMap::new(),
            seats: BTreeMap::new(),
            kicked: BTreeMap::new(),
            empty_since: Some(now),
            outputs: VecDeque::new(),
        }
    }

    /// What everybody inside may know of the room.
    #[must_use]
    pub const fn view(&self) -> &RoomView {
        &self.view
    }

    /// Everybody who has a seat, in the order of their ids.
    pub fn participants(&self) -> impl ExactSizeIterator<Item = &Participant> {
        self.members.values().map(|member| &member.participant)
    }

    /// The one with this id, if they have a seat.
    #[must_use]
    pub fn participant(&self, id: ParticipantId) -> Option<&Participant> {
        self.members.get(&id).map(|member| &member.participant)
    }

    /// What is to be told next.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Whether `identity` could come in; the seat itself is only taken by [`Room::join`].
    ///
    /// # Errors
    /// The same refusals as [`Room::join`].
    pub fn may_join(&self, identity: &str, now: Moment) -> Result<(), Refusal> {
        self.rules.may_be(self.view.settings.topology)?;
        if let Some(until) = self.kicked.get(identity).filter(|until| **until > now) {
            return Err(Refusal::Kicked {
                retry_after_seconds: until.since(now).as_millis().div_ceil(1000) as u64,
            });
        }
        if self.seats.contains_key(identity) {
            Ok(())
        } else {
            self.has_room()
        }
    }

    /// Whether media of this room goes through a media server, or would as soon as somebody needs that.
    ///
    /// # Errors
    /// `unsupported_topology`, `room_encrypted`.
    pub const fn may_be_served(&self) -> Result<(), Refusal> {
        if self.view.settings.encrypted {
            return Err(Refusal::RoomEncrypted);
        }
        match self.view.settings.topology {
            Topology::Sfu | Topology::Mixed => Ok(()),
            Topology::Auto if self.rules.media_server => Ok(()),
            Topology::Auto | Topology::P2p => Err(Refusal::UnsupportedTopology(Topology::P2p)),
        }
    }

    /// Takes a seat; the same identity's old seat if it has one.
    ///
    /// # Errors
    /// `invalid_name`, `unsupported_topology`, `kicked`, `room_locked` or `room_full`.
    pub fn join(&mut self, entrance: Entrance, now: Moment) -> Result<Seat, Refusal> {
        check_identity(&entrance.identity)?;
        let name: Arc<str> = clean_name(&entrance.name)?.into();
        self.may_join(&entrance.identity, now)?;
        if let Some(old) = self.seats.get(entrance.identity.as_str()) {
            self.leave(*old, LeaveReason::Replaced, now);
        }
        let stale = self
            .gone
            .iter()
            .find(|(_, member)| *member.participant.identity == *entrance.identity);
        if let Some(stale) = stale.map(|(id, _)| *id) {
            self.leave(stale, LeaveReason::Replaced, now);
        }
        let participant = Participant {
            id: self.new_id(),
            identity: entrance.identity.into(),
            name,
            role: entrance.role,
            permissions: if entrance.hidden {
                [Permission::Subscribe].into_iter().collect()
            } else {
                entrance.permissions
            },
            hidden: entrance.hidden,
            served: entrance.served,
            muted: crate::Muted::default(),
            away: false,
        };
        Ok(self.sit_down(participant))
    }

    /// Whether [`Room::resume`] would succeed.
    ///
    /// # Errors
    /// The same refusals.
    pub fn may_resume(&self, id: ParticipantId, secret: ResumeSecret, now: Moment) -> Result<(), Refusal> {
        let matches = |member: &Member| same_secret(&member.secret.0, &secret.0);
        if self.members.get(&id).is_some_and(|member| matches(member)) {
            return Ok(());
        }
        let member = self
            .gone
            .get(&id)
            .filter(|member| matches(member))
            .ok_or(Refusal::SessionLost)?;
        self.may_join(&member.participant.identity, now)
    }

    /// Comes back after a break: `secret` is the one of the seat as it was last given.
    ///
    /// # Errors
    /// `session_lost`; or, where the seat was free, what a newcomer would be refused for.
    pub fn resume(&mut self, id: ParticipantId, secret: ResumeSecret, now: Moment) -> Result<Seat, Refusal> {
        self.may_resume(id, secret, now)?;
        if let Some(member) = self.gone.remove(&id) {
            return Ok(self.sit_down(Participant {
                away: false,
                ..member.participant
            }));
        }
        let member = self.members.get_mut(&id).ok_or(Refusal::SessionLost)?;
        member.secret = ResumeSecret(self.ids.next_bytes());
        let seat = Seat {
            id,
            secret: member.secret,
        };
        if member.lost.take().is_some() {
            member.participant.away = false;
            let participant = member.participant.clone();
            self.tell_others(Event::Updated(participant.clone()), &participant);
        }
        Ok(seat)
    }

    /// Ends `id`'s stay for `reason`; nothing happens if they are not here.
    pub fn leave(&mut self, id: ParticipantId, reason: LeaveReason, now: Moment) {
        if self.gone.remove(&id).is_some() {
            self.tell(Audience::One(id), Event::Ended(reason));
        } else if let Some(member) = self.stand_up(id, now) {
            self.tell(Audience::One(id), Event::Ended(reason));
            self.tell_others(Event::Left { id, reason }, &member.participant);
        }
    }

    /// The connection of `id` broke; they were last heard at `heard`.
    pub fn connection_lost(&mut self, id: ParticipantId, heard: Moment, now: Moment) {
        let rules = self.rules;
        let Some(member) = self.members.get_mut(&id).filter(|member| member.lost.is_none()) else {
            return;
        };
        let (free_at, forget_at) = (heard + rules.seat_freed_after, now + rules.resume_window);
        member.lost = Some(Lost { free_at, forget_at });
        member.participant.away = true;
        let participant = member.participant.clone();
        self.tell_others(Event::Updated(participant.clone()), &participant);
    }

    /// Whether `from` may send something to `to` alone. What it is, a room does not know.
    ///
    /// # Errors
    /// `no_such_participant`.
    pub fn route_signal(&self, from: ParticipantId, to: ParticipantId) -> Result<(), Refusal> {
        if self.is_seen(from) && self.is_seen(to) {
            Ok(())
        } else {
            Err(Refusal::NoSuchParticipant)
        }
    }

    /// Whether `from` may send something to everybody else.
    ///
    /// # Errors
    /// `forbidden`.
    pub fn route_message(&self, from: ParticipantId) -> Result<(), Refusal> {
        self.require(from, Permission::Message)
    }

    /// `id` has another name, or another microphone or camera state.
    ///
    /// # Errors
    /// `invalid_name`, `no_such_participant`.
    pub fn update(
        &mut self,
        id: ParticipantId,
        name: Option<&str>,
        muted: MutedChange,
    ) -> Result<(), Refusal> {
        let name = name.map(clean_name).transpose()?;
        let member = self.members.get_mut(&id).ok_or(Refusal::NoSuchParticipant)?;
        if let Some(name) = name {
            member.participant.name = name.into();
        }
        member.participant.muted = member.participant.muted.after(muted);
        let participant = member.participant.clone();
        self.tell_others(Event::Updated(participant.clone()), &participant);
        Ok(())
    }

    /// Whether the room can be set up so.
    ///
    /// # Errors
    /// `room_encrypted`, where somebody would have to mix what is encrypted, or people are inside who were promised otherwise.
    pub fn may_configure(&self, change: SettingsChange) -> Result<(), Refusal> {
        let (before, after) = (self.view.settings, self.view.settings.after(change));
        let broken = before.encrypted != after.encrypted && !self.members.is_empty();
        if broken || (after.encrypted && after.topology == Topology::Mixed) {
            return Err(Refusal::RoomEncrypted);
        }
        Ok(())
    }

    /// Sets the room up anew; everybody inside is told if that changed anything.
    pub fn configure(&mut self, change: SettingsChange) {
        let settings: RoomSettings = self.view.settings.after(change);
        if settings != self.view.settings {
            self.view.settings = settings;
            self.view.crowded = self.is_crowded();
            self.tell(Audience::Everybody, Event::RoomUpdated(self.view.clone()));
        }
    }

    /// Ends everybody's stay.
    pub fn close(&mut self, reason: LeaveReason, now: Moment) {
        while let Some(id) = self.members.keys().next().copied() {
            // Nobody is left to be told that the others left too.
            drop(self.stand_up(id, now));
            self.tell(Audience::One(id), Event::Ended(reason));
        }
        while let Some((id, _)) = self.gone.pop_first() {
            self.tell(Audience::One(id), Event::Ended(reason));
        }
    }

    pub(crate) fn tell(&mut self, to: Audience, event: Event) {
        self.outputs.push_back(Output { to, event });
    }

    /// Tells the others something of `about`; nobody, where they watch unseen.
    pub(crate) fn tell_others(&mut self, event: Event, about: &Participant) {
        let to = if about.hidden {
            Audience::Nobody
        } else {
            Audience::Others(about.id)
        };
        self.tell(to, event);
    }

    /// Whether `id` has a seat and the others know it.
    pub(crate) fn is_seen(&self, id: ParticipantId) -> bool {
        self.participant(id)
            .is_some_and(|participant| !participant.hidden)
    }

    pub(crate) fn require(&self, id: ParticipantId, permission: Permission) -> Result<(), Refusal> {
        let allowed = self
            .members
            .get(&id)
            .is_some_and(|member| member.participant.permissions.allow(permission));
        let name = match permission {
            Permission::Publish => "publish",
            Permission::Subscribe => "subscribe",
            Permission::Message => "message",
            Permission::Moderate => "moderate",
        };
        if allowed {
            Ok(())
        } else {
            Err(Refusal::Forbidden(name))
        }
    }

    /// Takes `id` from its seat.
    pub(crate) fn stand_up(&mut self, id: ParticipantId, now: Moment) -> Option<Box<Member>> {
        let member = self.members.remove(&id)?;
        self.seats.remove(&member.participant.identity);
        if self.members.is_empty() {
            self.empty_since = Some(now);
            self.view.crowded = false;
        }
        Some(member)
    }

    fn sit_down(&mut self, participant: Participant) -> Seat {
        let seat = Seat {
            id: participant.id,
            secret: ResumeSecret(self.ids.next_bytes()),
        };
        self.tell_others(Event::Joined(participant.clone()), &participant);
        self.seats.insert(participant.identity.clone(), seat.id);
        self.members.insert(
            seat.id,
            Box::new(Member {
                participant,
                secret: seat.secret,
                lost: None,
            }),
        );
        self.empty_since = None;
        if !self.view.crowded && self.is_crowded() {
            self.view.crowded = true;
            self.tell(Audience::Everybody, Event::RoomUpdated(self.view.clone()));
        }
        seat
    }

    /// Whether media should go through a server, where the room may choose.
    fn is_crowded(&self) -> bool {
        let choose = self.view.settings.topology == Topology::Auto && self.rules.media_server;
        // Whoever watches unseen cannot be sent anything by the others, nor can a gateway.
        let out_of_reach = |participant: &Participant| participant.hidden || participant.served;
        choose && (self.view.crowded || self.members.len() > 2 || self.participants().any(out_of_reach))
    }

    fn new_id(&mut self) -> ParticipantId {
        loop {
            let id = ParticipantId::from_number(self.ids.next_number());
            if !self.members.contains_key(&id) && !self.gone.contains_key(&id) {
                return id;
            }
        }
    }

    fn has_room(&self) -> Result<(), Refusal> {
        let RoomSettings {
            member_limit: limit,
            locked,
            ..
        } = self.view.settings;
        if locked {
            Err(Refusal::RoomLocked)
        } else if u32::try_from(self.members.len()).is_ok_and(|members| members < limit) {
            Ok(())
        } else {
            Err(Refusal::RoomFull { limit })
        }
    }
}
