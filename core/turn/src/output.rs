//! What the machine wants done outside, and what it counts.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use crate::{AllocationId, ClientAddr, ConnectionId, PeerAddr, Refusal, RelayId, Traffic};

#[cfg(doc)]
use crate::Server;

/// Why a socket could not be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenFailure {
    /// Somebody else has the port; another one may work.
    PortTaken,
    /// No socket can be had at all.
    Exhausted,
}

/// Something slow that the caller is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Send these bytes to a client.
    Reply {
        /// To whom, and from where.
        to: ClientAddr,
        /// The whole message.
        bytes: Vec<u8>,
    },
    /// Ask the ledger, then call [`Server::handle_admission`].
    Admit {
        /// For whom.
        allocation: AllocationId,
        /// Whose quota.
        username: Box<str>,
    },
    /// Tell the ledger that an admitted allocation has ended.
    Release {
        /// Which.
        allocation: AllocationId,
        /// Whose quota.
        username: Box<str>,
        /// What it carried.
        traffic: Traffic,
    },
    /// Open a UDP socket, then call [`Server::handle_opened`].
    Open {
        /// Its name from now on.
        relay: RelayId,
        /// Where to bind it.
        address: SocketAddr,
    },
    /// Open a TCP socket that listens, then call [`Server::handle_opened`].
    Listen {
        /// Its name from now on.
        relay: RelayId,
        /// Where to bind it.
        address: SocketAddr,
    },
    /// Connect to a peer over TCP, then call [`Server::handle_connected`].
    Connect {
        /// Its name from now on.
        connection: ConnectionId,
        /// Where to bind it: where a socket of ours listens.
        from: SocketAddr,
        /// Whom to connect to.
        peer: PeerAddr,
    },
    /// After the replies before this one, what this client's connection carries belongs to the connection with a peer, and
    /// the other way round.
    Splice {
        /// The connection with a peer.
        connection: ConnectionId,
        /// Whose connection carries its data.
        client: ClientAddr,
    },
    /// Close a connection with a peer, and the client's connection that it was spliced with.
    Disconnect {
        /// Which.
        connection: ConnectionId,
    },
    /// The channels of an allocation have changed: see [`Server::bound_channels`]. Comes before its [`Output::Release`].
    Channels {
        /// Whose.
        allocation: AllocationId,
    },
    /// Close a socket.
    Close {
        /// Which.
        relay: RelayId,
    },
    /// A request was refused; for the log at debug.
    Refused {
        /// Whose.
        client: ClientAddr,
        /// Why.
        refusal: Refusal,
    },
}

/// What the server has done since it was made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Refused requests by [`Refusal::name`].
    pub refusals: BTreeMap<&'static str, u64>,
    /// Peers that the filter refused, by rule.
    pub forbidden: BTreeMap<&'static str, u64>,
    /// Bytes from clients that were no message, or no message for a server.
    pub malformed: u64,
    /// Binding requests answered.
    pub bindings: u64,
    /// Answers that a source did not get because it had used up its budget.
    pub over_budget: u64,
    /// Allocations made.
    pub allocations: u64,
    /// Packets that had no permission, no channel or no allocation to go to.
    pub unroutable: u64,
    /// Packets over the rate of their allocation.
    pub over_rate: u64,
    /// Packets over the rate of all allocations of their identity.
    pub over_identity_rate: u64,
    /// Connections of clients spliced with connections of peers.
    pub spliced: u64,
    /// Connections of peers that were closed for want of an allocation, a permission or room.
    pub peers_turned_away: u64,
    /// ICMP messages that clients were told of.
    pub icmp_told: u64,
    /// ICMP messages that nobody was told of, by [`IcmpDrop::name`](crate::IcmpDrop::name).
    pub icmp_dropped: BTreeMap<&'static str, u64>,
    /// What ended and living allocations carried.
    pub traffic: Traffic,
}
