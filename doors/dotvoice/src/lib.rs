//! DotVoice: tokens and messages of voice rooms in which everybody hears one mixed stream.
//!
//! A [`Caller`] is one WebSocket; a [`TokenWish`] is what somebody asks a test token with, and [`token_reply`] what they get.
//! Nothing here has a socket or a clock.

mod caller;
mod message;
mod token;

pub use caller::{Act, Caller, Peer, Welcome};
pub use message::{Configure, Join, Malformed, Message};
pub use token::{TokenClaims, TokenWish, refusal_reply, token_reply};
