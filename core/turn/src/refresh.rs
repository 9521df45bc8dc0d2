//! Refresh, and the end of allocations.

use std::net::IpAddr;
use std::time::Duration;

use trefoil_stun::{AttributeType, Message};

use crate::allocation::Relay;
use crate::authenticate::{Asker, Caller};
use crate::server::Owner;
use crate::third_party::within_grant;
use crate::{AllocationId, Deadline, DeadlineReason, Now, Output, Refusal, RelayId, Server};

impl Server {
    /// [RFC 8656 section 8.2](https://www.rfc-editor.org/rfc/rfc8656#section-8.2).
    pub(crate) fn refresh(
        &mut self,
        asker: &Asker,
        caller: &Caller,
        message: &Message<'_>,
        now: Now,
    ) -> Result<(), Refusal> {
        let id = match message.first(AttributeType::MOBILITY_TICKET) {
            Some([_, ..]) => self.resume(asker, caller, message)?,
            Some([]) | None => self.held_by(asker.client, caller)?,
        };
        let only = message.first(AttributeType::REQUESTED_ADDRESS_FAMILY);
        let relay = match only {
            Some(value) => Some(self.relay_of_family(id, value)?),
            None => None,
        };
        let lifetime = match message.number(AttributeType::LIFETIME) {
            Some(0) => Duration::ZERO,
            asked => {
                self.renew_grant(id, caller);
                let grant = self.allocations.at(id.0).and_then(|held| held.grant.as_deref());
                within_grant(self.lifetime(asked), grant, now)
            }
        };
        if lifetime.is_zero() {
            let both = self
                .allocations
                .at(id.0)
                .is_some_and(|held| held.relays().count() > 1);
            match relay {
                Some(relay) if both => self.end_relay_of(id, relay, now.elapsed),
                _ => self.end(id, now.elapsed),
            }
        } else {
            self.expire_at(id, now.elapsed + lifetime);
        }
        let seconds = u32::try_from(lifetime.as_secs()).unwrap_or(u32::MAX);
        let ticket = self.allocations.at(id.0).and_then(|held| held.ticket);
        self.succeed(asker, |writer| {
            writer.number(AttributeType::LIFETIME, seconds);
            if let Some(ticket) = ticket {
                writer.attribute(AttributeType::MOBILITY_TICKET, &ticket);
            }
        });
        Ok(())
    }

    fn relay_of_family(&self, id: AllocationId, value: &[u8]) -> Result<Relay, Refusal> {
        let held = self.allocations.at(id.0).ok_or(Refusal::NoAllocation)?;
        let v4 = crate::plan::family(value)?;
        held.relays()
            .find(|relay| relay.address.0.is_ipv4() == v4)
            .ok_or(Refusal::PeerFamily)
    }

    /// The lifetime that is granted for what was asked.
    pub(crate) fn lifetime(&self, asked_seconds: Option<u32>) -> Duration {
        let limits = &self.config.limits;
        let asked = asked_seconds.map_or(limits.lifetime, |seconds| Duration::from_secs(seconds.into()));
        asked
            .max(limits.lifetime)
            .min(limits.longest_lifetime.max(limits.lifetime))
    }

    /// Sets when an allocation ends by itself.
    pub(crate) fn expire_at(&mut self, id: AllocationId, at: Duration) {
        let Some(held) = self.allocations.at_mut(id.0) else {
            return;
        };
        let reason = DeadlineReason::Allocation(id);
        self.deadlines.remove(&Deadline {
            at: held.expires,
            reason,
        });
        held.expires = at;
        self.deadlines.insert(Deadline { at, reason });
    }

    /// Ends an allocation and all that it holds.
    pub(crate) fn end(&mut self, id: AllocationId, now: Duration) {
        let Some(held) = self.allocations.remove(id.0) else {
            return;
        };
        if self.by_client.get(&held.client) == Some(&id) {
            self.by_client.remove(&held.client);
        }
        for ticket in [held.ticket, held.previous_ticket].into_iter().flatten() {
            self.tickets.remove(&ticket);
        }
        self.opening.remove(&id);
        self.deadlines.remove(&Deadline {
            at: held.expires,
            reason: DeadlineReason::Allocation(id),
        });
        self.channels_changed(id);
        held.relays().for_each(|relay| self.close(relay.id, now));
        held.connections
            .iter()
            .for_each(|connection| self.disconnect(*connection));
        if held.admitted {
            let username = held.identity().into();
            self.output(Output::Release {
                allocation: id,
                username,
                traffic: held.traffic,
            });
        }
    }

    fn end_relay_of(&mut self, id: AllocationId, relay: Relay, now: Duration) {
        if let Some(held) = self.allocations.at_mut(id.0) {
            for slot in &mut held.relays {
                *slot = slot.filter(|other| other.id != relay.id);
            }
            let v4 = relay.address.0.is_ipv4();
            held.permissions
                .retain(|permission| permission.peer.is_ipv4() != v4);
            held.channels.retain(|channel| channel.peer.0.is_ipv4() != v4);
        }
        self.channels_changed(id);
        self.close(relay.id, now);
    }

    pub(crate) fn end_reservation(&mut self, token: [u8; 8], now: Duration) {
        let Some((relay, at)) = self.reservations.remove(&token) else {
            return;
        };
        self.deadlines.remove(&Deadline {
            at,
            reason: DeadlineReason::Reservation(token),
        });
        // A token that was redeemed has given its socket to an allocation.
        if self
            .relays
            .at(relay.0)
            .is_some_and(|row| row.owner == Owner::Reservation(token))
        {
            self.close(relay, now);
        }
    }

    /// Closes a relay socket and lets its port rest.
    pub(crate) fn close(&mut self, relay: RelayId, now: Duration) {
        let Some(row) = self.relays.remove(relay.0) else {
            return;
        };
        let place = (row.bound.port(), row.bound.is_ipv4());
        if self.by_relayed.get(&place) == Some(&relay) {
            self.by_relayed.remove(&place);
        }
        self.rest(row.bound.ip(), row.bound.port(), now);
        self.output(Output::Close { relay });
    }

    /// Lets a port be used again after the quarantine.
    pub(crate) fn rest(&mut self, bound: IpAddr, port: u16, now: Duration) {
        let until = now + self.config.limits.quarantine;
        if let Some(ports) = self.ports.iter_mut().find(|ports| ports.bound == bound) {
            ports.ports.give_back(port, until);
        }
    }
}
