//! The TURN server as a machine (RFC 8656): datagrams and time in, answers and places to forward to out.
//!
//! [`Server`] owns allocations, permissions, channels, nonces and limits, and nothing that waits. The packet path is a
//! return value: [`Server::handle_client`] and [`Server::handle_peer`] say where the bytes that the caller holds must go
//! ([`Verdict`]). Everything slow is a queued [`Output`]: answers to requests, sockets to open and to close, the ledger
//! to ask. Time and randomness are arguments, so a test can replay any history.

mod address;
mod allocate;
mod allocation;
mod allowance;
mod authenticate;
mod binding;
mod bound;
mod bucket;
mod budget;
mod config;
mod connection;
mod filter;
mod hash;
mod icmp;
mod ledger;
mod mobility;
mod nonce;
mod output;
mod packet;
mod permission;
mod plan;
mod ports;
mod random;
mod refresh;
mod refusal;
mod server;
mod slab;
mod third_party;

pub use address::{ChannelNumber, ClientAddr, PeerAddr, RelayedAddr, Transport};
pub use allocation::{AllocationId, Traffic};
pub use allowance::{Allowance, IdentityRates};
pub use authenticate::Offer;
pub use bound::BoundChannel;
pub use config::{Config, Credentials, Discovery, Limits, PeerPorts, RelayAddress, Shard, ThirdParty};
pub use connection::{ConnectionId, Direction};
pub use filter::{Access, Net, NetError, PeerFilter};
pub use icmp::{Icmp, IcmpDrop};
pub use ledger::{Ledger, OverQuota};
pub use output::{Counts, OpenFailure, Output};
pub use packet::{Framing, Verdict, channel_header};
pub use refusal::Refusal;
pub use server::{Deadline, DeadlineReason, Now, RelayId, Server};
