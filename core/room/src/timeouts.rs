//! What time alone does to a room.

use crate::{Event, LeaveReason, Moment, Room, room::Member};

/// Why a room wants to be asked again.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum DeadlineReason {
    /// A vanished participant's seat becomes free.
    SeatFreed,
    /// A broken session can no longer be resumed.
    SessionForgotten,
    /// Who was kicked may come back.
    KickOver,
    /// The room was empty for long enough.
    RoomExpired,
}

/// When a room wants to be asked again, and why.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Deadline {
    /// When.
    pub at: Moment,
    /// Why.
    pub reason: DeadlineReason,
}

impl Room {
    /// The next moment at which time alone changes something; `None` while only connected people are inside.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Deadline> {
        let deadline = |at, reason| Deadline { at, reason };
        let lost = self.members.values().filter_map(|member| member.lost);
        let seats = lost.map(|lost| deadline(lost.free_at, DeadlineReason::SeatFreed));
        let gone = self.gone.values().filter_map(|member| member.lost);
        let sessions = gone.map(|lost| deadline(lost.forget_at, DeadlineReason::SessionForgotten));
        let kicks = self
            .kicked
            .values()
            .map(|until| deadline(*until, DeadlineReason::KickOver));
        let expiry = self
            .expires_at()
            .map(|at| deadline(at, DeadlineReason::RoomExpired));
        seats.chain(sessions).chain(kicks).chain(expiry).min()
    }

    /// Does what is due at `now`.
    pub fn handle_timeout(&mut self, now: Moment) {
        let due = |member: &Member| member.lost.is_some_and(|lost| lost.free_at <= now);
        while let Some(id) = self
            .members
            .iter()
            .find_map(|(id, member)| due(member).then_some(*id))
        {
            let Some(member) = self.stand_up(id, now) else {
                break;
            };
            let reason = LeaveReason::Timeout;
            self.tell_others(Event::Left { id, reason }, &member.participant);
            self.gone.insert(id, member);
        }
        let forget = |member: &Member| member.lost.is_none_or(|lost| lost.forget_at <= now);
        while let Some(id) = self
            .gone
            .iter()
            .find_map(|(id, member)| forget(member).then_some(*id))
        {
            self.leave(id, LeaveReason::Timeout, now);
        }
        let limit = usize::try_from(self.view.settings.member_limit).unwrap_or(usize::MAX);
        while self.gone.len() > limit {
            let first = self
                .gone
                .iter()
                .min_by_key(|(_, member)| member.lost.map(|lost| lost.forget_at));
            let Some(id) = first.map(|(id, _)| *id) else { break };
            self.leave(id, LeaveReason::Timeout, now);
        }
        self.kicked.retain(|_, until| *until > now);
    }

    /// Whether it was empty for so long that it should be dropped.
    #[must_use]
    pub fn is_expired(&self, now: Moment) -> bool {
        self.expires_at().is_some_and(|at| at <= now)
    }

    /// An empty room lives on while somebody may yet resume or is not to come back.
    fn expires_at(&self) -> Option<Moment> {
        let unused = self.gone.is_empty() && self.kicked.is_empty();
        let empty_since = self.empty_since.filter(|_| unused)?;
        Some(empty_since + self.view.settings.empty_timeout?)
    }
}
