//! Mobility (RFC 8016): an allocation follows its client to another address.

use std::collections::BTreeMap;
use std::time::Duration;

use trefoil_stun::{AttributeType, Class, Message, Method};

use crate::authenticate::{Asker, Caller};
use crate::{AllocationId, ClientAddr, Now, Refusal, Server, Transport};

/// The shard that holds the allocation, then what cannot be guessed.
pub(crate) type Ticket = [u8; 24];

/// Clients of other shards that arrive here; more are not helped.
const MOST_STRAYS: usize = 1024;
/// How long a stray is remembered after its last message.
const STRAY: Duration = Duration::from_secs(60);

/// Clients whose packets the kernel gives to this shard though what they refer to, made from another address, lives on
/// another one.
#[derive(Debug, Default)]
pub(crate) struct Strays {
    shards: BTreeMap<ClientAddr, (u16, Duration)>,
}

impl Strays {
    /// The shard that this client belongs to, if it is a stray.
    #[inline]
    pub(crate) fn shard_of(&mut self, client: ClientAddr, now: Duration) -> Option<u16> {
        if self.shards.is_empty() {
            return None;
        }
        let (shard, until) = self.shards.get_mut(&client).filter(|(_, until)| *until > now)?;
        *until = now + STRAY;
        Some(*shard)
    }

    fn note(&mut self, client: ClientAddr, shard: u16, now: Duration) {
        if self.shards.len() >= MOST_STRAYS {
            self.shards.retain(|_, (_, until)| *until > now);
        }
        if self.shards.len() < MOST_STRAYS {
            self.shards.insert(client, (shard, now + STRAY));
        }
    }
}

impl Server {
    /// The shard that a message is for, if it brings a ticket, a reservation token or a connection's number of another shard. Nothing is proved
    /// yet; that shard asks for credentials. A client over DTLS cannot be handed over.
    pub(crate) fn meant_for_other_shard(
        &mut self,
        client: ClientAddr,
        message: &Message<'_>,
        now: Now,
    ) -> Option<u16> {
        let kind = match (message.class(), message.method()) {
            (Class::Request, Method::Refresh) => AttributeType::MOBILITY_TICKET,
            (Class::Request, Method::Allocate) => AttributeType::RESERVATION_TOKEN,
            (Class::Request, Method::ConnectionBind) => AttributeType::CONNECTION_ID,
            _ => return None,
        };
        let shard = match *message.first(kind)? {
            [shard, _, _, _] if kind == AttributeType::CONNECTION_ID => shard.into(),
            [high, low, ..] => u16::from_be_bytes([high, low]),
            _ => return None,
        };
        let other = shard != self.config.shard.index && shard < self.config.shard.count;
        if !other || self.holds(client) {
            return None;
        }
        match client.transport {
            // The connection itself is handed over, so later messages arrive there.
            Transport::Tcp | Transport::Tls => {}
            Transport::Udp => self.strays.note(client, shard, now.elapsed),
            Transport::Dtls => return None,
        }
        Some(shard)
    }

    /// Whether an Allocate asks for a ticket.
    pub(crate) fn wants_ticket(&self, message: &Message<'_>) -> Result<bool, Refusal> {
        match message.first(AttributeType::MOBILITY_TICKET) {
            None => Ok(false),
            Some(_) if !self.config.mobility => Err(Refusal::MobilityForbidden),
            Some([]) => Ok(true),
            Some(_) => Err(Refusal::BadTicket),
        }
    }

    /// Gives an allocation a new ticket; the one before stays good for retransmissions.
    pub(crate) fn renew_ticket(&mut self, id: AllocationId) {
        let mut ticket: Ticket = [0; 24];
        let shard = self.config.shard.index.to_be_bytes();
        let bytes = shard.into_iter().chain(self.random.block());
        ticket.iter_mut().zip(bytes).for_each(|(into, byte)| *into = byte);
        let Some(held) = self.allocations.at_mut(id.0) else {
            return;
        };
        if let Some(old) = held.previous_ticket.take() {
            self.tickets.remove(&old);
        }
        held.previous_ticket = held.ticket.replace(ticket);
        self.tickets.insert(ticket, id);
    }

    /// The allocation that a ticket is for.
    pub(crate) fn by_ticket(&self, message: &Message<'_>) -> Option<AllocationId> {
        let ticket = Ticket::try_from(message.first(AttributeType::MOBILITY_TICKET)?).ok()?;
        self.tickets.get(&ticket).copied()
    }

    /// [RFC 8016 section 3.2](https://www.rfc-editor.org/rfc/rfc8016#section-3.2): a Refresh with a ticket moves the
    /// allocation to the address that it came from.
    pub(crate) fn resume(
        &mut self,
        asker: &Asker,
        caller: &Caller,
        message: &Message<'_>,
    ) -> Result<AllocationId, Refusal> {
        let id = self.by_ticket(message).ok_or(Refusal::BadTicket)?;
        let held = self.allocations.at_mut(id.0).ok_or(Refusal::BadTicket)?;
        if held.username != caller.username {
            return Err(Refusal::WrongCredentials);
        }
        let presented = message.first(AttributeType::MOBILITY_TICKET);
        let retransmitted = presented == held.previous_ticket.as_ref().map(|ticket| &ticket[..]);
        if held.client == asker.client && retransmitted {
            return Ok(id);
        }
        if self
            .by_client
            .get(&asker.client)
            .is_some_and(|other| *other != id)
        {
            return Err(Refusal::AllocationExists);
        }
        let before = std::mem::replace(&mut held.client, asker.client);
        if self.by_client.get(&before) == Some(&id) {
            self.by_client.remove(&before);
        }
        self.by_client.insert(asker.client, id);
        self.renew_ticket(id);
        self.channels_changed(id);
        Ok(id)
    }
}
