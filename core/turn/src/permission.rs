//! CreatePermission and ChannelBind: with whom a client may speak.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use trefoil_stun::{AttributeType, Message, decode_xor_address};

use crate::allocation::{Allocation, CHANNEL, Channel};
use crate::authenticate::{Asker, Caller};
use crate::packet::Route;
use crate::{Access, AllocationId, ChannelNumber, Now, PeerAddr, Refusal, Server};

impl Server {
    /// [RFC 8656 section 10.2](https://www.rfc-editor.org/rfc/rfc8656#section-10.2): all of the permissions or none.
    pub(crate) fn create_permission(
        &mut self,
        asker: &Asker,
        caller: &Caller,
        message: &Message<'_>,
        now: Now,
    ) -> Result<(), Refusal> {
        let id = self.held_by(asker.client, caller)?;
        let mut peers = Vec::new();
        for attribute in message
            .attributes()
            .filter(|attribute| attribute.kind == AttributeType::XOR_PEER_ADDRESS)
        {
            let peer =
                decode_xor_address(attribute.value, &message.transaction_id()).ok_or(Refusal::MissingPeer)?;
            self.may_permit(id, peer.ip())?;
            if !peers.contains(&peer.ip()) {
                peers.push(peer.ip());
            }
        }
        if peers.is_empty() {
            return Err(Refusal::MissingPeer);
        }
        let most = self.config.limits.permissions;
        let allocation = self.allocations.at_mut(id.0).ok_or(Refusal::NoAllocation)?;
        allocation.forget_expired(now.elapsed);
        let new = peers
            .iter()
            .filter(|peer| !allocation.permits(**peer, now.elapsed))
            .count();
        if allocation.permissions.len() + new > most {
            return Err(Refusal::PermissionQuota);
        }
        peers
            .into_iter()
            .for_each(|peer| allocation.permit(peer, now.elapsed));
        self.channels_changed(id);
        self.succeed(asker, |_| {});
        Ok(())
    }

    /// [RFC 8656 section 12.2](https://www.rfc-editor.org/rfc/rfc8656#section-12.2).
    pub(crate) fn channel_bind(
        &mut self,
        asker: &Asker,
        caller: &Caller,
        message: &Message<'_>,
        now: Now,
    ) -> Result<(), Refusal> {
        let id = self.held_by(asker.client, caller)?;
        if self.allocations.at(id.0).is_some_and(|held| held.tcp) {
            return Err(Refusal::WrongTransport);
        }
        let field = message
            .number(AttributeType::CHANNEL_NUMBER)
            .ok_or(Refusal::BadChannel)?;
        let number = u16::try_from(field >> 16)
            .ok()
            .and_then(ChannelNumber::new)
            .ok_or(Refusal::BadChannel)?;
        let peer = message
            .xor_address(AttributeType::XOR_PEER_ADDRESS)
            .ok_or(Refusal::MissingPeer)?;
        self.may_permit(id, peer.ip())?;
        let own = match self.route(peer) {
            Route::Outside => false,
            Route::Own => true,
            Route::Refused(rule) => return Err(Refusal::PeerForbidden(rule)),
        };
        let (permissions, channels) = (self.config.limits.permissions, self.config.limits.channels);
        let allocation = self.allocations.at_mut(id.0).ok_or(Refusal::NoAllocation)?;
        allocation.forget_expired(now.elapsed);
        check_channel(allocation, number, peer, channels)?;
        if !allocation.permits(peer.ip(), now.elapsed) && allocation.permissions.len() >= permissions {
            return Err(Refusal::PermissionQuota);
        }
        bind(allocation, (number, peer, own), now.elapsed);
        self.channels_changed(id);
        self.succeed(asker, |_| {});
        Ok(())
    }

    /// Whether this allocation may have a permission for `peer`.
    fn may_permit(&self, id: AllocationId, peer: IpAddr) -> Result<(), Refusal> {
        let allocation = self.allocations.at(id.0).ok_or(Refusal::NoAllocation)?;
        if let Access::Refused(rule) = self.config.filter.access(peer) {
            return Err(Refusal::PeerForbidden(rule));
        }
        if allocation.relay_towards(peer).is_none() {
            return Err(Refusal::PeerFamily);
        }
        Ok(())
    }
}

/// A channel has one peer and a peer one channel, for as long as either lives.
fn check_channel(
    allocation: &Allocation,
    number: ChannelNumber,
    peer: SocketAddr,
    most: usize,
) -> Result<(), Refusal> {
    let clash = |channel: &Channel| (channel.number == number) != (channel.peer.0 == peer);
    if allocation.channels.iter().any(clash) {
        return Err(Refusal::ChannelTaken);
    }
    let renewed = allocation.channels.iter().any(|channel| channel.number == number);
    if !renewed && allocation.channels.len() >= most {
        Err(Refusal::ChannelQuota)
    } else {
        Ok(())
    }
}

fn bind(allocation: &mut Allocation, (number, peer, own): (ChannelNumber, SocketAddr, bool), now: Duration) {
    let until = now + CHANNEL;
    match allocation
        .channels
        .iter_mut()
        .find(|channel| channel.number == number)
    {
        Some(channel) => channel.until = until,
        None => {
            let peer = PeerAddr(peer);
            allocation.channels.push(Channel {
                number,
                peer,
                until,
                permitted_until: Duration::ZERO,
                own,
            });
        }
    }
    allocation.permit(peer.ip(), now);
}
