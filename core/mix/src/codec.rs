//! What the mixer asks of encoders, decoders and suppressors of noise; they stand in io/codec.

/// Samples a second of everything inside the mixer.
pub const RATE: usize = 48_000;
/// Samples of one channel in a frame of 20 ms: the mixer's step.
pub const FRAME: usize = 960;
/// The most that one packet may hold: 120 ms, Opus' own bound.
pub const LONGEST: usize = 5760;

/// A codec, and how its packets and clock look.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Codec {
    /// RFC 6716, carried as RFC 7587 says.
    Opus,
    /// G.711 mu-law.
    Pcmu,
    /// G.711 A-law.
    Pcma,
}

impl Codec {
    /// Samples of 48 kHz in one step of the RTP clock.
    #[must_use]
    pub fn step(self) -> u32 {
        match self {
            Self::Opus => 1,
            Self::Pcmu | Self::Pcma => 6,
        }
    }

    /// How long a packet is, in samples of 48 kHz; nothing where it is empty, malformed or beyond 120 ms.
    #[must_use]
    pub fn samples(self, payload: &[u8]) -> Option<usize> {
        let samples = match self {
            Self::Opus => opus_samples(payload)?,
            Self::Pcmu | Self::Pcma => payload.len() * 6,
        };
        (1..=LONGEST).contains(&samples).then_some(samples)
    }

    /// Whether a packet only says that nothing is said (discontinuous transmission).
    #[must_use]
    pub fn is_pause(self, payload: &[u8]) -> bool {
        match self {
            Self::Opus => payload.len() <= 2,
            Self::Pcmu | Self::Pcma => false,
        }
    }
}

/// The duration that the first byte of an Opus packet says, times its frames (RFC 6716, section 3.1).
fn opus_samples(payload: &[u8]) -> Option<usize> {
    let toc = *payload.first()?;
    // SILK, hybrid, CELT; each counts its lengths up.
    let (kind, length) = (toc >> 3, u32::from(toc >> 3 & 3));
    let frame: usize = match kind {
        0..12 if length == 3 => 2880,
        0..12 => 480 << length,
        12..16 => 480 << (length & 1),
        _ => 120 << length,
    };
    let frames = match toc & 3 {
        0 => 1,
        1 | 2 => 2,
        _ => usize::from(*payload.get(1)? & 0x3F),
    };
    Some(frame * frames)
}

/// One or two channels.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub enum Channels {
    /// One.
    #[default]
    Mono,
    /// Left and right, interleaved.
    Stereo,
}

impl Channels {
    /// How many.
    #[must_use]
    pub fn count(self) -> usize {
        match self {
            Self::Mono => 1,
            Self::Stereo => 2,
        }
    }
}

/// How an encoder works. Everything but codec and channels may change while it runs.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Quality {
    /// Bits a second.
    pub bitrate: u32,
    /// 0 (cheap) to 10.
    pub complexity: u8,
    /// Share of packets that get lost, in percent; above 0 each packet repeats the one before it in short (FEC).
    pub loss_percent: u8,
}

impl Default for Quality {
    fn default() -> Self {
        Self {
            bitrate: 32_000,
            complexity: 4,
            loss_percent: 0,
        }
    }
}

/// A packet that is no packet of its codec.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("not a packet of its codec")]
pub struct Undecodable;

/// Turns packets of one stream into samples: 48 kHz, mono, full scale at 1.
pub trait Decoder {
    /// Appends what `packet` holds, at most [`LONGEST`] samples, all of them finite.
    ///
    /// # Errors
    /// [`Undecodable`]; then nothing was appended.
    fn decode(&mut self, packet: &[u8], samples: &mut Vec<f32>) -> Result<(), Undecodable>;

    /// Appends `missing` samples that were lost just before `next`, from what `next` repeats of them if it does.
    fn recover(&mut self, next: &[u8], missing: usize, samples: &mut Vec<f32>);

    /// Appends `missing` samples that sound like a continuation.
    fn conceal(&mut self, missing: usize, samples: &mut Vec<f32>);
}

/// Turns frames of 10, 20, 40 or 60 ms into packets.
pub trait Encoder {
    /// Appends the packet for `samples` (48 kHz, interleaved, full scale at 1).
    fn encode(&mut self, samples: &[f32], packet: &mut Vec<u8>);

    /// Works like this from the next packet on.
    fn set_quality(&mut self, quality: Quality);

    /// The next packet follows packets of another encoder: it must not build on what the decoder remembers.
    fn seam(&mut self);
}

/// Takes the noise out of one voice, and remembers what is noise in it.
pub trait Suppressor {
    /// The next 20 ms, 48 kHz, mono, full scale at 1: in their place comes what is left of them, up to 10 ms later, all of it
    /// finite.
    fn suppress(&mut self, frame: &mut [f32]);
}

/// Where encoders, decoders and suppressors of noise come from.
pub trait Codecs {
    /// The encoders.
    type Encoder: Encoder;
    /// The decoders.
    type Decoder: Decoder;
    /// What takes noise away.
    type Suppressor: Suppressor;

    /// A new encoder.
    fn encoder(&mut self, codec: Codec, channels: Channels, quality: Quality) -> Self::Encoder;

    /// A new decoder.
    fn decoder(&mut self, codec: Codec) -> Self::Decoder;

    /// A suppressor for a voice that begins.
    fn suppressor(&mut self) -> Self::Suppressor;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_bytes_of_an_opus_packet_say_how_long_it_is() {
        let check = |packet: &[u8], samples| assert_eq!(Codec::Opus.samples(packet), samples, "{packet:?}");
        check(&[], None);
        check(&[0], Some(480));
        check(&[3 << 3], Some(2880));
        check(&[13 << 3], Some(960));
        check(&[16 << 3], Some(120));
        check(&[31 << 3], Some(960));
        check(&[31 << 3 | 1, 0], Some(1920));
        check(&[31 << 3 | 3], None);
        check(&[16 << 3 | 3, 48], Some(5760));
        check(&[31 << 3 | 3, 7], None);
        check(&[31 << 3 | 3, 0], None);
    }

    #[test]
    fn a_g711_packet_is_as_long_as_its_bytes() {
        assert_eq!(Codec::Pcmu.samples(&[0; 160]), Some(960));
        assert_eq!(Codec::Pcma.samples(&[0; 961]), None);
        assert_eq!(Codec::Pcma.samples(&[]), None);
    }
}
