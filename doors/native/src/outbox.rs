//! What a session has to say: counted messages, kept until they are acknowledged, and what is said only once.

use std::{collections::VecDeque, mem::Discriminant};

use bytes::Bytes;
use trefoil_wire::ServerMessage;

/// How much may wait, and how much is kept for a resume.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OutboxLimits {
    /// Messages.
    pub messages: usize,
    /// Bytes in them.
    pub bytes: usize,
}

impl Default for OutboxLimits {
    fn default() -> Self {
        Self {
            messages: 256,
            bytes: 1024 * 1024,
        }
    }
}

/// More waits than may wait.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Overflow;

/// A counted message, and of whom it is news: later news of them make it needless until it was handed out.
#[derive(Debug)]
struct Kept {
    about: Option<u64>,
    message: Bytes,
}

/// The messages to one session.
///
/// Counted messages are numbered from 1. The last ones that were handed out are kept, up to the limits, so that a
/// resume can say them again; those that wait never give way.
#[derive(Debug, Default)]
pub struct Outbox {
    /// The number of the last counted message that is no longer kept.
    forgotten: u64,
    kept: VecDeque<Kept>,
    kept_bytes: usize,
    /// How many of `kept` were handed out.
    handed: usize,
    handed_bytes: usize,
    /// Said once, before all else, and not counted.
    express: VecDeque<Bytes>,
    express_bytes: usize,
    /// What is soon over, the last of each kind; it never makes anybody too slow.
    passing: Vec<(Discriminant<ServerMessage>, Bytes)>,
}

impl Outbox {
    /// Queues a counted message.
    ///
    /// # Errors
    /// [`Overflow`] if more waits than may; the message is queued all the same.
    pub fn push(&mut self, message: Bytes, limits: OutboxLimits) -> Result<(), Overflow> {
        self.keep(None, message, limits)
    }

    /// Queues a counted message that says all about somebody: older ones that still wait give way to it.
    ///
    /// # Errors
    /// [`Overflow`] if more waits than may; the message is queued all the same.
    pub fn push_about(&mut self, about: u64, message: Bytes, limits: OutboxLimits) -> Result<(), Overflow> {
        let mut waiting = self.kept.iter().skip(self.handed);
        let older = waiting.position(|kept| kept.about == Some(about));
        if let Some(older) = older.and_then(|older| self.kept.remove(self.handed + older)) {
            self.kept_bytes -= older.message.len();
        }
        self.keep(Some(about), message, limits)
    }

    /// Queues a counted message that those who fall behind can do without: it is not queued while half of what may wait does.
    ///
    /// # Errors
    /// [`Overflow`] if more waits than may.
    pub fn push_if_calm(&mut self, message: Bytes, limits: OutboxLimits) -> Result<(), Overflow> {
        if self.waiting() * 2 > limits.messages || self.waiting_bytes() * 2 > limits.bytes {
            return Ok(());
        }
        self.push(message, limits)
    }

    /// Queues a message that is not counted and soon over; one of its kind that still waits gives way to it.
    pub fn push_passing(&mut self, kind: Discriminant<ServerMessage>, message: Bytes) {
        self.passing.retain(|(waiting, _)| *waiting != kind);
        self.passing.push((kind, message));
    }

    fn keep(&mut self, about: Option<u64>, message: Bytes, limits: OutboxLimits) -> Result<(), Overflow> {
        self.kept_bytes += message.len();
        self.kept.push_back(Kept { about, message });
        while self.handed > 0 && (self.kept.len() > limits.messages || self.kept_bytes > limits.bytes) {
            self.forget_first();
        }
        self.check(limits)
    }

    /// Queues a message that is not counted; it overtakes those that are.
    ///
    /// # Errors
    /// [`Overflow`] if more waits than may; the message is queued all the same.
    pub fn push_express(&mut self, message: Bytes, limits: OutboxLimits) -> Result<(), Overflow> {
        self.express_bytes += message.len();
        self.express.push_back(message);
        self.check(limits)
    }

    /// The next message to send.
    pub fn hand_out(&mut self) -> Option<Bytes> {
        if let Some(message) = self.express.pop_front() {
            self.express_bytes -= message.len();
            if self.express.is_empty() {
                self.express = VecDeque::new();
            }
            return Some(message);
        }
        if !self.passing.is_empty() {
            return Some(self.passing.remove(0).1);
        }
        let message = self.kept.get(self.handed)?.message.clone();
        self.handed += 1;
        self.handed_bytes += message.len();
        Some(message)
    }

    /// The other side has counted `received` messages: their copies are forgotten.
    pub fn acknowledge(&mut self, received: u64) {
        while self.forgotten < received && self.handed > 0 {
            self.forget_first();
        }
        if self.kept.is_empty() {
            self.kept = VecDeque::new();
        }
    }

    /// A new connection goes on after the message with the number `received`.
    ///
    /// # Errors
    /// [`Overflow`] if a message after that one is no longer kept, or that one was never sent.
    pub fn rewind(&mut self, received: u64) -> Result<(), Overflow> {
        let sent = self.forgotten + self.handed as u64;
        if received < self.forgotten || received > sent {
            return Err(Overflow);
        }
        self.acknowledge(received);
        (self.handed, self.handed_bytes) = (0, 0);
        self.express.clear();
        self.passing.clear();
        self.express_bytes = 0;
        Ok(())
    }

    /// How many messages wait to be handed out, without those that are soon over.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.kept.len() - self.handed + self.express.len()
    }

    fn waiting_bytes(&self) -> usize {
        self.kept_bytes - self.handed_bytes + self.express_bytes
    }

    fn check(&self, limits: OutboxLimits) -> Result<(), Overflow> {
        if self.waiting() > limits.messages || self.waiting_bytes() > limits.bytes {
            Err(Overflow)
        } else {
            Ok(())
        }
    }

    /// Forgets the oldest kept message, which must have been handed out.
    fn forget_first(&mut self) {
        if let Some(Kept { message, .. }) = self.kept.pop_front() {
            self.forgotten += 1;
            self.kept_bytes -= message.len();
            self.handed -= 1;
            self.handed_bytes -= message.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: OutboxLimits = OutboxLimits {
        messages: 4,
        bytes: 100,
    };

    fn message(number: usize) -> Bytes {
        Bytes::from(number.to_string())
    }

    fn drain(outbox: &mut Outbox) -> Vec<Bytes> {
        std::iter::from_fn(|| outbox.hand_out()).collect()
    }

    fn filled(messages: usize) -> Outbox {
        let mut outbox = Outbox::default();
        for number in 1..=messages {
            outbox.push(message(number), LIMITS).unwrap();
            assert_eq!(outbox.hand_out(), Some(message(number)));
        }
        outbox
    }

    #[test]
    fn a_resume_repeats_what_was_not_received_and_nothing_else() {
        let mut outbox = filled(3);
        outbox.push(message(4), LIMITS).unwrap();
        outbox.rewind(2).unwrap();
        assert_eq!(drain(&mut outbox), [message(3), message(4)]);
        outbox.rewind(4).unwrap();
        assert_eq!(drain(&mut outbox), Vec::<Bytes>::new());
    }

    #[test]
    fn the_last_messages_are_kept_and_older_ones_cannot_be_resumed_from() {
        let mut outbox = filled(10);
        assert_eq!(outbox.rewind(5), Err(Overflow));
        outbox.rewind(6).unwrap();
        assert_eq!(drain(&mut outbox), (7..=10).map(message).collect::<Vec<_>>());
    }

    #[test]
    fn what_was_acknowledged_is_gone_and_what_was_never_sent_cannot_be_received() {
        let mut outbox = filled(3);
        outbox.acknowledge(2);
        assert_eq!(outbox.rewind(1), Err(Overflow));
        assert_eq!(outbox.rewind(4), Err(Overflow));
        outbox.acknowledge(1000);
        assert_eq!(outbox.rewind(3), Ok(()));
        outbox.push(message(4), LIMITS).unwrap();
        outbox.acknowledge(1000);
        assert_eq!(
            drain(&mut outbox),
            [message(4)],
            "what waits cannot be acknowledged away"
        );
    }

    /// FAULTS W08: what waits is bounded, in messages and in bytes, counted or not.
    #[test]
    fn more_than_may_wait_is_an_overflow() {
        let mut outbox = filled(4);
        assert!((0..4).all(|number| outbox.push(message(number), LIMITS).is_ok()));
        assert_eq!(outbox.push(message(4), LIMITS), Err(Overflow));

        let mut outbox = Outbox::default();
        outbox.push(Bytes::from(vec![b'x'; 60]), LIMITS).unwrap();
        assert_eq!(outbox.push(Bytes::from(vec![b'x'; 41]), LIMITS), Err(Overflow));

        let mut outbox = Outbox::default();
        assert!((0..4).all(|number| outbox.push_express(message(number), LIMITS).is_ok()));
        assert_eq!(outbox.push_express(message(4), LIMITS), Err(Overflow));
    }

    /// FAULTS W08: news of somebody give way to later ones, what is soon over never piles up, and neither makes anybody too slow.
    #[test]
    fn presence_gives_way_before_anybody_is_too_slow() {
        let speakers = std::mem::discriminant(&ServerMessage::TalkingMuted);
        let mut outbox = filled(1);
        outbox.push(message(3), LIMITS).unwrap();
        for number in 10..1000 {
            outbox
                .push_about(number as u64 % 2, message(number), LIMITS)
                .unwrap();
            outbox.push_passing(speakers, message(number));
            outbox.push_if_calm(message(5000), LIMITS).unwrap();
        }
        let kept = [message(3), message(5000), message(998), message(999)];
        let said = drain(&mut outbox);
        assert_eq!(said[0], message(999), "the last of its kind");
        assert_eq!(said[1..], kept, "the last of each, and in order");
        // What was handed out is kept as it was, for whoever comes back.
        outbox.rewind(1).unwrap();
        assert_eq!(drain(&mut outbox), kept);
        outbox.push_if_calm(message(4), LIMITS).unwrap();
        assert_eq!(drain(&mut outbox), [message(4)]);
    }

    #[test]
    fn what_is_not_counted_goes_first_and_is_not_repeated() {
        let mut outbox = filled(1);
        outbox.push(message(2), LIMITS).unwrap();
        outbox.push_express(message(99), LIMITS).unwrap();
        assert_eq!(drain(&mut outbox), [message(99), message(2)]);
        outbox.rewind(1).unwrap();
        assert_eq!(drain(&mut outbox), [message(2)]);
    }
}
