//! What tests share: packet builders now, a network with loss, delay and NATs when tests need it.

mod turn_client;

pub use turn_client::{Answer, TurnClient};
