//! Allocate: what was asked, which sockets it needs, and the answer when they are open.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use trefoil_stun::{AttributeType, ErrorCode, Message};

use crate::allocation::{Allocation, Relay};
use crate::allowance::Purse;
use crate::authenticate::{Asker, Caller};
use crate::ledger::OverQuota;
use crate::plan::{Plan, Want};
use crate::server::{Owner, RelayRow};
use crate::third_party::within_grant;
use crate::{
    AllocationId, Allowance, Deadline, DeadlineReason, Now, OpenFailure, Output, Refusal, RelayId,
    RelayedAddr, Server,
};

/// How often another port is tried when somebody else has the one that was chosen.
const MOST_TRIES: u8 = 16;
/// How long a reserved port waits ([RFC 8656 section 18.10](https://www.rfc-editor.org/rfc/rfc8656#section-18.10)).
const RESERVATION: Duration = Duration::from_secs(30);
/// An allocation whose sockets were not opened by then is given up.
const OPENING: Duration = Duration::from_secs(10);

/// An allocation that waits for its sockets.
#[derive(Debug)]
pub(crate) struct Opening {
    asker: Asker,
    lifetime: Duration,
    wants: VecDeque<Want>,
    tries: u8,
    mobile: bool,
    /// The reserved socket that this allocation wants instead of a new one.
    redeem: Option<[u8; 8]>,
    /// The first port of a pair, open already.
    half: Option<RelayId>,
    /// The code of the family that could not be had.
    missing_family: Option<(bool, ErrorCode)>,
}

impl Server {
    pub(crate) fn allocate(
        &mut self,
        asker: &Asker,
        caller: Caller,
        message: &Message<'_>,
        now: Now,
    ) -> Result<(), Refusal> {
        if let Some(id) = self.by_client.get(&asker.client).copied() {
            return self.allocate_again(asker, id, now);
        }
        let plan = Plan::of(message, asker.client.transport, self.config.tcp.is_some())?;
        let mobile = self.wants_ticket(message)?;
        if self.draining {
            let alternates = &self.config.alternates;
            let same = alternates
                .iter()
                .find(|address| address.is_ipv4() == asker.client.remote.is_ipv4());
            return Err(same.map_or(Refusal::Draining, |address| Refusal::TryAlternate(*address)));
        }
        let required = |want: &&Want| !want.optional;
        if plan
            .wants
            .iter()
            .filter(required)
            .any(|want| !self.has_family(want.v4))
        {
            return Err(Refusal::UnsupportedFamily);
        }
        if plan
            .token
            .is_some_and(|token| !self.reservations.contains_key(&token))
        {
            return Err(Refusal::NoReservation);
        }
        let lifetime = self.lifetime(
            message
                .number(AttributeType::LIFETIME)
                .filter(|seconds| *seconds > 0),
        );
        let lifetime = within_grant(lifetime, caller.grant.as_ref(), now);
        let mut allocation = Allocation::new(asker.client, caller, asker.transaction);
        let username = allocation.identity().into();
        allocation.tcp = plan.tcp;
        let id = AllocationId(self.allocations.insert(allocation));
        self.by_client.insert(asker.client, id);
        let (wants, asker) = (plan.wants, asker.clone());
        self.opening.insert(
            id,
            Opening {
                asker,
                lifetime,
                wants,
                tries: 0,
                mobile,
                redeem: plan.token,
                half: None,
                missing_family: None,
            },
        );
        self.expire_at(id, now.elapsed + OPENING);
        self.output(Output::Admit {
            allocation: id,
            username,
        });
        Ok(())
    }

    /// The retransmission of an Allocate gets its answer again; any other one is a mistake.
    fn allocate_again(&mut self, asker: &Asker, id: AllocationId, now: Now) -> Result<(), Refusal> {
        let held = self.allocations.at(id.0).ok_or(Refusal::AllocationExists)?;
        if held.transaction != asker.transaction {
            return Err(Refusal::AllocationExists);
        }
        if !self.opening.contains_key(&id) {
            self.answer_allocate(asker, id, None, now);
        }
        Ok(())
    }

    fn has_family(&self, v4: bool) -> bool {
        self.ports.iter().any(|ports| ports.bound.is_ipv4() == v4)
    }

    /// The ledger's answer to [`Output::Admit`].
    pub fn handle_admission(
        &mut self,
        allocation: AllocationId,
        answer: Result<Allowance, OverQuota>,
        now: Now,
    ) {
        match answer {
            Ok(allowance) => {
                if let Some(held) = self.allocations.at_mut(allocation.0) {
                    held.admitted = true;
                    held.purse = Purse::new(allowance);
                }
                self.open_next(allocation, now);
            }
            Err(OverQuota::Username) => self.give_up(allocation, &Refusal::UsernameQuota, now),
            Err(OverQuota::Total) => self.give_up(allocation, &Refusal::TotalQuota, now),
        }
    }

    /// Asks for the next socket of an allocation, or completes it.
    fn open_next(&mut self, id: AllocationId, now: Now) {
        let Some(opening) = self.opening.get_mut(&id) else {
            return;
        };
        let Some(want) = opening.wants.front().copied() else {
            return match opening.redeem.take() {
                Some(token) => self.redeem(id, token, now),
                None => self.complete(id, now),
            };
        };
        let of_family = self
            .ports
            .iter_mut()
            .find(|ports| ports.bound.is_ipv4() == want.v4);
        let Some(ports) = of_family else {
            return self.cannot_open(id, &Refusal::UnsupportedFamily, now);
        };
        match ports
            .ports
            .pick(want.even, want.pair, &mut self.random, now.elapsed)
        {
            Some(port) => {
                let (bound, advertised) = (ports.bound, ports.advertised);
                self.open(
                    SocketAddr::new(bound, port),
                    SocketAddr::new(advertised, port),
                    Owner::Allocation(id),
                );
            }
            None => self.cannot_open(id, &Refusal::NoPort, now),
        }
    }

    fn open(&mut self, bound: SocketAddr, advertised: SocketAddr, owner: Owner) {
        let row = RelayRow {
            address: RelayedAddr(advertised),
            bound,
            owner,
        };
        let relay = RelayId(self.relays.insert(row));
        let tcp = match owner {
            Owner::Allocation(id) => self.allocations.at(id.0).is_some_and(|held| held.tcp),
            Owner::Reservation(_) => false,
        };
        if tcp {
            return self.output(Output::Listen {
                relay,
                address: bound,
            });
        }
        self.by_relayed.insert((bound.port(), bound.is_ipv4()), relay);
        self.output(Output::Open {
            relay,
            address: bound,
        });
    }

    /// The answer to [`Output::Open`] and [`Output::Listen`].
    pub fn handle_opened(&mut self, relay: RelayId, answer: Result<(), OpenFailure>, now: Now) {
        let Some(row) = self.relays.at(relay.0).copied() else {
            return;
        };
        let Owner::Allocation(id) = row.owner else { return };
        if !self.opening.contains_key(&id) {
            return;
        }
        match answer {
            Ok(()) => self.opened(id, relay, row, now),
            Err(failure) => {
                self.close(relay, now.elapsed);
                self.not_opened(id, row, failure, now);
            }
        }
    }

    fn opened(&mut self, id: AllocationId, relay: RelayId, row: RelayRow, now: Now) {
        let Some(opening) = self.opening.get_mut(&id) else {
            return;
        };
        let pair = opening.wants.front().is_some_and(|want| want.pair);
        match opening.half.take() {
            None if pair => {
                opening.half = Some(relay);
                let next = |address: SocketAddr| SocketAddr::new(address.ip(), address.port() + 1);
                return self.open(next(row.bound), next(row.address.0), Owner::Allocation(id));
            }
            None => self.attach(id, relay, row.address),
            Some(first) => {
                let first_address = self.relays.at(first.0).map(|row| row.address);
                if let Some(address) = first_address {
                    self.attach(id, first, address);
                }
                self.reserve(id, relay, now);
            }
        }
        if let Some(opening) = self.opening.get_mut(&id) {
            opening.wants.pop_front();
            opening.tries = 0;
        }
        self.open_next(id, now);
    }

    fn attach(&mut self, id: AllocationId, relay: RelayId, address: RelayedAddr) {
        let slot = self
            .allocations
            .at_mut(id.0)
            .and_then(|held| held.relays.iter_mut().find(|slot| slot.is_none()));
        if let Some(slot) = slot {
            *slot = Some(Relay { id: relay, address });
        }
    }

    /// Keeps the open port after an even one for whoever brings the token.
    fn reserve(&mut self, id: AllocationId, relay: RelayId, now: Now) {
        // The shard first, so that any other one knows where to hand the request on.
        let [high, low] = self.config.shard.index.to_be_bytes();
        let [.., a, b, c, d, e, f] = self.random.block();
        let token = [high, low, a, b, c, d, e, f];
        let at = now.elapsed + RESERVATION;
        if let Some(row) = self.relays.at_mut(relay.0) {
            row.owner = Owner::Reservation(token);
        }
        self.reservations.insert(token, (relay, at));
        self.deadlines.insert(Deadline {
            at,
            reason: DeadlineReason::Reservation(token),
        });
        if let Some(held) = self.allocations.at_mut(id.0) {
            held.token = Some(token);
        }
    }

    /// Gives a reserved socket to the allocation that brought its token.
    fn redeem(&mut self, id: AllocationId, token: [u8; 8], now: Now) {
        let reserved = self.reservations.get(&token).map(|(relay, _)| *relay);
        let row = reserved.and_then(|relay| self.relays.at_mut(relay.0).map(|row| (relay, row)));
        let Some((relay, row)) = row else {
            return self.give_up(id, &Refusal::NoReservation, now);
        };
        row.owner = Owner::Allocation(id);
        let address = row.address;
        self.end_reservation(token, now.elapsed);
        self.attach(id, relay, address);
        self.complete(id, now);
    }

    fn not_opened(&mut self, id: AllocationId, row: RelayRow, failure: OpenFailure, now: Now) {
        let Some(opening) = self.opening.get_mut(&id) else {
            return;
        };
        opening.tries += 1;
        let tries = opening.tries;
        let pair = opening.wants.front().is_some_and(|want| want.pair);
        match opening.half.take() {
            Some(first) => self.close(first, now.elapsed),
            // The next port was taken together with this one and has no socket that would give it back.
            None if pair => self.rest(row.bound.ip(), row.bound.port() + 1, now.elapsed),
            None => {}
        }
        match failure {
            OpenFailure::PortTaken if tries < MOST_TRIES => self.open_next(id, now),
            OpenFailure::PortTaken | OpenFailure::Exhausted => self.cannot_open(id, &Refusal::NoPort, now),
        }
    }

    /// A socket cannot be had: the allocation goes without it if it may, or not at all.
    fn cannot_open(&mut self, id: AllocationId, refusal: &Refusal, now: Now) {
        let Some(opening) = self.opening.get_mut(&id) else {
            return;
        };
        match opening.wants.pop_front() {
            Some(want) if want.optional => {
                opening.missing_family = Some((want.v4, refusal.code()));
                self.open_next(id, now);
            }
            Some(_) | None => self.give_up(id, refusal, now),
        }
    }

    fn give_up(&mut self, id: AllocationId, refusal: &Refusal, now: Now) {
        if let Some(opening) = self.opening.remove(&id) {
            self.refuse(&opening.asker, refusal, now);
        }
        self.end(id, now.elapsed);
    }

    fn complete(&mut self, id: AllocationId, now: Now) {
        let Some(opening) = self.opening.remove(&id) else {
            return;
        };
        self.counts.allocations += 1;
        if opening.mobile {
            self.renew_ticket(id);
        }
        self.expire_at(id, now.elapsed + opening.lifetime);
        self.answer_allocate(&opening.asker, id, opening.missing_family, now);
    }

    fn answer_allocate(
        &mut self,
        asker: &Asker,
        id: AllocationId,
        missing: Option<(bool, ErrorCode)>,
        now: Now,
    ) {
        let Some(held) = self.allocations.at(id.0) else {
            return;
        };
        let (relays, token, mapped, ticket) = (held.relays, held.token, held.client.remote, held.ticket);
        let left = u32::try_from(held.expires.saturating_sub(now.elapsed).as_secs()).unwrap_or(u32::MAX);
        self.succeed(asker, |writer| {
            for relay in relays.into_iter().flatten() {
                writer.xor_address(AttributeType::XOR_RELAYED_ADDRESS, relay.address.0);
            }
            writer.number(AttributeType::LIFETIME, left);
            writer.xor_address(AttributeType::XOR_MAPPED_ADDRESS, mapped);
            if let Some(token) = token {
                writer.attribute(AttributeType::RESERVATION_TOKEN, &token);
            }
            if let Some(ticket) = ticket {
                writer.attribute(AttributeType::MOBILITY_TICKET, &ticket);
            }
            if let Some((v4, code)) = missing {
                let [_, _, class, number] = code.to_bytes();
                writer.attribute(
                    AttributeType::ADDRESS_ERROR_CODE,
                    &[if v4 { 1 } else { 2 }, 0, class, number],
                );
            }
        });
    }
}
