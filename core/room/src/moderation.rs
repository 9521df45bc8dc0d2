//! What moderators and administrators may do to others and to the room.

use trefoil_auth::{Permission, Role};

use crate::{
    Audience, Event, LeaveReason, Moment, MutedChange, ParticipantId, Refusal, Room, SettingsChange,
};

impl Room {
    /// Asks `target` to switch off the microphone, the camera or both; nobody's is switched on from afar.
    ///
    /// # Errors
    /// `forbidden`, `no_such_participant`.
    pub fn mute(
        &mut self,
        target: ParticipantId,
        by: ParticipantId,
        audio: bool,
        video: bool,
    ) -> Result<(), Refusal> {
        self.require(by, Permission::Moderate)?;
        let member = self.seen(target)?;
        if audio || video {
            let change = MutedChange {
                audio: audio.then_some(true),
                video: video.then_some(true),
            };
            member.participant.muted = member.participant.muted.after(change);
            let updated = Event::Updated(member.participant.clone());
            self.tell(
                Audience::One(target),
                Event::Mute {
                    from: by,
                    audio,
                    video,
                },
            );
            self.tell(Audience::Everybody, updated);
        }
        Ok(())
    }

    /// Gives `target` another role, with that role's permissions.
    ///
    /// # Errors
    /// `forbidden`, `no_such_participant`.
    pub fn change_role(
        &mut self,
        target: ParticipantId,
        by: ParticipantId,
        role: Role,
    ) -> Result<(), Refusal> {
        self.require(by, Permission::Moderate)?;
        let member = self.seen(target)?;
        member.participant.role = role;
        member.participant.permissions = role.permissions();
        let updated = Event::Updated(member.participant.clone());
        self.tell(Audience::Everybody, updated);
        Ok(())
    }

    /// Whether `by` may decide something about `target`.
    ///
    /// # Errors
    /// `forbidden`, `no_such_participant`.
    pub fn may_moderate(&self, by: ParticipantId, target: ParticipantId) -> Result<(), Refusal> {
        self.require(by, Permission::Moderate)?;
        self.is_seen(target)
            .then_some(())
            .ok_or(Refusal::NoSuchParticipant)
    }

    /// Somebody whom the others know.
    fn seen(&mut self, id: ParticipantId) -> Result<&mut crate::room::Member, Refusal> {
        let member = self.members.get_mut(&id).ok_or(Refusal::NoSuchParticipant)?;
        let seen = (!member.participant.hidden).then_some(&mut **member);
        seen.ok_or(Refusal::NoSuchParticipant)
    }

    /// Locks the room for those who hold no seat, or opens it.
    ///
    /// # Errors
    /// `forbidden`.
    pub fn lock(&mut self, by: ParticipantId, locked: bool) -> Result<(), Refusal> {
        self.require(by, Permission::Moderate)?;
        self.configure(SettingsChange {
            locked: Some(locked),
            ..SettingsChange::default()
        });
        Ok(())
    }

    /// Removes `target`; the identity stays out for a while.
    ///
    /// # Errors
    /// `forbidden`, `no_such_participant`.
    pub fn kick(&mut self, target: ParticipantId, by: ParticipantId, now: Moment) -> Result<(), Refusal> {
        self.require(by, Permission::Moderate)?;
        self.remove(target, now)
    }

    /// Removes `target` as [`Room::kick`] does, on behalf of an administrator.
    ///
    /// # Errors
    /// `no_such_participant`.
    pub fn remove(&mut self, target: ParticipantId, now: Moment) -> Result<(), Refusal> {
        let member = self.members.get(&target).or_else(|| self.gone.get(&target));
        let identity = member
            .ok_or(Refusal::NoSuchParticipant)?
            .participant
            .identity
            .clone();
        if self.kicked.len() >= Self::KICKED_LIMIT {
            let first = self
                .kicked
                .iter()
                .min_by_key(|(_, until)| **until)
                .map(|(identity, _)| identity.clone());
            first.map(|identity| self.kicked.remove(&identity));
        }
        self.kicked.insert(identity, now + self.rules.kick_lasts);
        self.leave(target, LeaveReason::Kicked, now);
        Ok(())
    }
}
