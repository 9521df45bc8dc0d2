//! What tests share: seeds, an imaginary network with its clock, loss, delay and NATs (RFC 4787), and a TURN client.

mod nat;
mod network;
mod seed;
mod turn_client;

pub use nat::{Dependence, Nat};
pub use network::{Datagram, Link, Network};
pub use seed::Seed;
pub use turn_client::{Answer, TurnClient};
