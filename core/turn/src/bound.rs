//! Bound channels, for a caller who carries their data past the machine.
//!
//! With [`Config::channels_are_carried`](crate::Config::channels_are_carried) the caller is told whenever the channels of
//! an allocation change, and tells what it carried for them. It may carry only where no rate is to be held.

use std::net::SocketAddr;
use std::time::Duration;

use crate::allocation::{Allocation, Channel};
use crate::{AllocationId, ChannelNumber, ClientAddr, Output, PeerAddr, Server, Traffic};

/// A channel whose data may go both ways between its client and its peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BoundChannel {
    /// Whose ChannelData it is.
    pub client: ClientAddr,
    /// The channel's number.
    pub channel: ChannelNumber,
    /// Where the socket towards the peer is bound.
    pub from: SocketAddr,
    /// The other end.
    pub peer: PeerAddr,
    /// When the channel or the permission for its peer ends.
    pub until: Duration,
}

impl Server {
    /// The channels of an allocation that lead out of a socket; none if it has ended.
    pub fn bound_channels(
        &self,
        allocation: AllocationId,
        now: Duration,
    ) -> impl Iterator<Item = BoundChannel> {
        let held = self
            .allocations
            .at(allocation.0)
            .filter(|held| held.expires > now);
        let channels = held.map(|held| held.channels.iter().map(move |channel| (held, channel)));
        channels
            .into_iter()
            .flatten()
            .filter(|(_, channel)| !channel.own)
            .filter_map(|(held, channel)| self.bound_channel(held, channel))
            .filter(move |bound| bound.until > now)
    }

    fn bound_channel(&self, held: &Allocation, channel: &Channel) -> Option<BoundChannel> {
        let relay = held.relay_towards(channel.peer.0.ip())?;
        Some(BoundChannel {
            client: held.client,
            channel: channel.number,
            from: self.relays.at(relay.id.0)?.bound,
            peer: channel.peer,
            until: channel.until.min(channel.permitted_until),
        })
    }

    /// Counts what was carried past the machine.
    pub fn handle_carried(&mut self, allocation: AllocationId, carried: Traffic) {
        let held = self.allocations.at_mut(allocation.0);
        let held = held.map(|held| &mut held.traffic);
        for traffic in held.into_iter().chain([&mut self.counts.traffic]) {
            *traffic += carried;
        }
    }

    pub(crate) fn channels_changed(&mut self, allocation: AllocationId) {
        if self.config.channels_are_carried {
            self.output(Output::Channels { allocation });
        }
    }
}
