//! The traversal server: sharded sockets around the TURN machine.
//!
//! [`Relay::start`] opens the sockets and one thread for each core; each thread owns a socket of its own on every
//! listening address (the kernel keeps a client's 5-tuple on one of them), a machine of `trefoil-turn`, and the relay
//! sockets of its clients. Threads share a ledger of quotas, asked when an allocation begins, and nothing per packet.
//!
//! Two clients whose allocations live on different shards reach each other through a pair of local sockets (`handover`):
//! relayed data for one of our own relayed addresses never leaves the process. A client that has moved, or that brings a
//! token of another shard, is served there in the same way. Clients over TCP and TLS (`streams`) and DTLS (`dtls`) live
//! on the shard that the kernel gave their connection to.
//!
//! Where that is asked for, a program inside the kernel (`kernel`) carries the data of bound channels, and the threads only say
//! which (`carried`).

mod adopt;
mod carried;
mod certificate;
mod config;
mod credentials;
mod detail;
mod dtls;
mod end;
mod handover;
mod icmp;
mod inbound;
mod kernel;
mod layout;
mod meters;
mod outbound;
mod peers;
mod relay;
mod shard;
mod splice;
mod splices;
mod stream;
mod streams;
mod work;

pub use certificate::Certificate;
pub use config::{PortRange, RelayConfig, RelayThirdParty, RelayTls};
pub use relay::Relay;
pub use trefoil_auth::Secret;
