//! Data messages: from one member's data channel to the others'.
//!
//! To the server: a byte of flags (bit 0: the payload is text), a byte that says how many recipients follow (0: everybody
//! else), each as a byte of length and the participant's id, then the payload. From the server: the flags, a byte of length
//! and the sender's id, then the payload.

use std::sync::Arc;

use trefoil_peer::{Channel, DataSent};

use crate::{spread::RoomWord, worker::Worker};

/// Recipients that one message may name.
const RECIPIENTS: usize = 64;

/// A message on its way to those who receive it.
#[derive(Clone, Debug)]
pub(crate) struct DataMessage {
    pub(crate) channel: Channel,
    /// By id, to whom; everybody else where it is empty.
    pub(crate) to: Arc<[Vec<u8>]>,
    /// As they get it.
    pub(crate) bytes: Arc<[u8]>,
}

/// A message as a client sent it.
#[derive(PartialEq, Eq, Debug)]
struct Parcel<'a> {
    flags: u8,
    to: Vec<&'a [u8]>,
    payload: &'a [u8],
}

fn parse(message: &[u8]) -> Option<Parcel<'_>> {
    let ([flags, count], mut rest) = message.split_first_chunk::<2>()?;
    if usize::from(*count) > RECIPIENTS {
        return None;
    }
    let mut to = Vec::with_capacity(usize::from(*count));
    for _ in 0..*count {
        let (length, behind) = rest.split_first()?;
        let (name, behind) = behind.split_at_checked(usize::from(*length))?;
        to.push(name);
        rest = behind;
    }
    Some(Parcel {
        flags: flags & 1,
        to,
        payload: rest,
    })
}

impl Worker {
    /// Passes a message on to those whom it names.
    pub(crate) fn relay_data(&mut self, member: u32, channel: Channel, message: &[u8]) {
        let Some(known) = self.members.get(member) else {
            return;
        };
        let (parcel, name) = (parse(message), known.name.clone());
        let (Some(parcel), true) = (parcel, known.rights.message) else {
            self.meters.data_dropped += 1;
            return;
        };
        let mut wrapped = vec![parcel.flags, name.len() as u8];
        wrapped.extend_from_slice(name.as_bytes());
        wrapped.extend_from_slice(parcel.payload);
        let message = DataMessage {
            channel,
            to: parcel.to.iter().map(|name| name.to_vec()).collect(),
            bytes: wrapped.into(),
        };
        let room = known.room;
        self.deliver_data(room, Some(member), None, &message);
    }

    /// Gives a message to those here whom it names, and to the other parts of the room; `but` and the link `from` have it
    /// already.
    pub(crate) fn deliver_data(
        &mut self,
        room: u32,
        but: Option<u32>,
        from: Option<u8>,
        message: &DataMessage,
    ) {
        let Some(known) = self.rooms.get(room) else { return };
        let named = |other: &u32| {
            let other = self.members.get(*other).filter(|other| other.link.is_none());
            let to = &message.to;
            other.is_some_and(|other| to.is_empty() || to.iter().any(|to| to == other.name.as_bytes()))
        };
        let here: Vec<u32> = known
            .members
            .iter()
            .copied()
            .filter(|other| Some(*other) != but && named(other))
            .collect();
        for other in here {
            self.send_data(other, message.channel, &message.bytes);
        }
        self.say_all(room, from, &RoomWord::Data(message.clone()));
    }

    fn send_data(&mut self, member: u32, channel: Channel, message: &[u8]) {
        let leg = self
            .members
            .get_mut(member)
            .and_then(|member| member.subscribe.as_mut());
        let Some(leg) = leg else { return };
        let Some(transport) = &mut leg.transport else {
            self.meters.data_dropped += 1;
            return;
        };
        match transport.send(channel, true, message) {
            DataSent::Sent => self.meters.data_messages += 1,
            DataSent::NoRoom if channel == Channel::Reliable => {
                // What was promised cannot be kept: who does not read begins anew.
                self.meters.data_dropped += 1;
                return self.lose_subscribe(member);
            }
            DataSent::NoRoom | DataSent::NotOpen => self.meters.data_dropped += 1,
        }
        self.poll_subscribed(member, None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_names_everybody_or_some() {
        assert_eq!(
            parse(b"\x01\x00hello"),
            Some(Parcel {
                flags: 1,
                to: vec![],
                payload: b"hello"
            })
        );
        assert_eq!(
            parse(b"\x00\x02\x03p_a\x03p_bxyz"),
            Some(Parcel {
                flags: 0,
                to: vec![b"p_a", b"p_b"],
                payload: b"xyz"
            })
        );
    }

    #[test]
    fn nonsense_is_no_message() {
        for nonsense in [&b""[..], b"\x00", b"\x00\x01", b"\x00\x01\x05abc", b"\x00\xff"] {
            assert_eq!(parse(nonsense), None, "{nonsense:?}");
        }
    }
}
