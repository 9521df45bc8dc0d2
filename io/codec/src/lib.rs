//! Encoders and decoders behind the mixer's traits: Opus (`opus-pure`, no C), PCMU and PCMA; and what takes noise away (RNNoise).
//!
//! Samples are `f32` at 48 kHz with full scale at 1: a sum of voices may pass full scale until the limiter has seen it,
//! and neither a sum nor a gain rounds.

mod g711;
mod narrow;
mod noise;
mod opus;
mod resample;

use trefoil_mix::{Channels, Codec, Codecs, Decoder, Encoder, Quality, Undecodable};

pub use crate::noise::NoiseSuppressor;
use crate::{
    narrow::{NarrowDecoder, NarrowEncoder},
    opus::{OpusIn, OpusOut},
};

/// All that Trefoil can mix.
#[derive(Clone, Copy, Debug, Default)]
pub struct Builtin;

/// A decoder of any codec.
#[derive(Debug)]
pub struct AnyDecoder(In);

#[derive(Debug)]
enum In {
    Opus(Box<OpusIn>),
    Narrow(NarrowDecoder),
}

/// An encoder of any codec.
#[derive(Debug)]
pub struct AnyEncoder(Out);

#[derive(Debug)]
enum Out {
    Opus(Box<OpusOut>),
    Narrow(NarrowEncoder),
}

impl Codecs for Builtin {
    type Encoder = AnyEncoder;
    type Decoder = AnyDecoder;
    type Suppressor = NoiseSuppressor;

    fn encoder(&mut self, codec: Codec, channels: Channels, quality: Quality) -> AnyEncoder {
        AnyEncoder(match codec {
            Codec::Opus => Out::Opus(Box::new(OpusOut::new(channels, quality))),
            Codec::Pcmu => Out::Narrow(NarrowEncoder::new(g711::mu_law, channels)),
            Codec::Pcma => Out::Narrow(NarrowEncoder::new(g711::a_law, channels)),
        })
    }

    fn decoder(&mut self, codec: Codec) -> AnyDecoder {
        AnyDecoder(match codec {
            Codec::Opus => In::Opus(Box::new(OpusIn::new())),
            Codec::Pcmu => In::Narrow(NarrowDecoder::new(g711::from_mu_law)),
            Codec::Pcma => In::Narrow(NarrowDecoder::new(g711::from_a_law)),
        })
    }

    fn suppressor(&mut self) -> NoiseSuppressor {
        NoiseSuppressor::new()
    }
}

impl Decoder for AnyDecoder {
    fn decode(&mut self, packet: &[u8], samples: &mut Vec<f32>) -> Result<(), Undecodable> {
        match &mut self.0 {
            In::Opus(opus) => opus.decode(packet, samples),
            In::Narrow(narrow) => narrow.decode(packet, samples),
        }
    }

    fn recover(&mut self, next: &[u8], missing: usize, samples: &mut Vec<f32>) {
        match &mut self.0 {
            In::Opus(opus) => opus.recover(next, missing, samples),
            In::Narrow(narrow) => narrow.recover(next, missing, samples),
        }
    }

    fn conceal(&mut self, missing: usize, samples: &mut Vec<f32>) {
        match &mut self.0 {
            In::Opus(opus) => opus.conceal(missing, samples),
            In::Narrow(narrow) => narrow.conceal(missing, samples),
        }
    }
}

impl Encoder for AnyEncoder {
    fn encode(&mut self, samples: &[f32], packet: &mut Vec<u8>) {
        match &mut self.0 {
            Out::Opus(opus) => opus.encode(samples, packet),
            Out::Narrow(narrow) => narrow.encode(samples, packet),
        }
    }

    fn set_quality(&mut self, quality: Quality) {
        match &mut self.0 {
            Out::Opus(opus) => opus.set_quality(quality),
            Out::Narrow(narrow) => narrow.set_quality(quality),
        }
    }

    fn seam(&mut self) {
        match &mut self.0 {
            Out::Opus(opus) => opus.seam(),
            Out::Narrow(narrow) => narrow.seam(),
        }
    }
}
