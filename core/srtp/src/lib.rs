//! SRTP and SRTCP: seal and open in place, keys from DTLS, rollover and replay.
//!
//! [`Keys::from_keying_material`] makes the keys of both directions from what DTLS exported. A [`Sealer`] protects what
//! is sent, an [`Opener`] checks and decrypts what is received; both work inside the packet's own buffer, with ciphers
//! that were keyed once. Nothing is remembered of a packet before its authentication tag was right.

mod cipher;
mod counter;
mod gcm;
mod header;
mod keys;
mod opener;
mod profile;
mod refused;
mod sealer;
mod window;

pub use keys::{KeyingMaterial, Keys, SessionKeys};
pub use opener::{MOST_SOURCES, Opener};
pub use profile::Profile;
pub use refused::Refused;
pub use sealer::Sealer;
pub use window::WINDOW;
