//! Sockets, batches and the clock.
//!
//! The only crate that speaks to the kernel by hand: [`UdpSocket`] with the options that a relay needs, [`Batch`] for
//! many datagrams in one call with GRO and GSO, [`Poller`] over epoll, and [`Clock`]. What it offers is safe to use; the
//! unsafe code is inside and each piece says why it is sound. [`bpf`] puts small programs into the kernel. And [`guarded`],
//! for what may panic and is not ours.
#![allow(
    unsafe_code,
    reason = "recvmmsg, sendmmsg, control messages, epoll, bpf and getifaddrs have no safe interface in std"
)]

mod batch;
pub mod bpf;
mod clock;
mod control;
mod errors;
mod guard;
mod interfaces;
mod name;
mod poller;
mod receive;
mod send;
mod socket;

pub use batch::{Batch, HEADROOM, Received};
pub use clock::{Clock, nap, sleep_precisely};
pub use errors::IcmpError;
pub use guard::{guarded, is_guarded};
pub use interfaces::{address_towards_internet, local_addresses};
pub use poller::{Interest, Poller, Ready, Waker};
pub use send::{Source, Sums};
pub use socket::{SocketOptions, UdpSocket, listen_tcp};
