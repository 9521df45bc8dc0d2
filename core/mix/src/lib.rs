//! A media-mixing mixer as a machine ([RFC 7667, section 3.4](https://www.rfc-editor.org/rfc/rfc7667#section-3.4)).

mod codec;
mod delay;
mod level;
mod limiter;
mod stretch;

pub use codec::{Channels, Codec, Codecs, Decoder, Encoder, FRAME, LONGEST, Quality, RATE, Undecodable};
