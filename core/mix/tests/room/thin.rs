//! A codec that costs nothing, for tests that run for hours: one signed byte holds for six samples of the left channel.

use trefoil_mix::{Channels, Codec, Codecs, Decoder, Encoder, Quality, Suppressor, Undecodable};

#[derive(Clone, Copy, Debug, Default)]
pub struct Thin;

#[derive(Debug, Default)]
pub struct ThinDecoder {
    last: f32,
}

#[derive(Debug)]
pub struct ThinEncoder {
    channels: usize,
}

impl Codecs for Thin {
    type Encoder = ThinEncoder;
    type Decoder = ThinDecoder;
    type Suppressor = ThinSuppressor;

    fn encoder(&mut self, _codec: Codec, channels: Channels, _quality: Quality) -> ThinEncoder {
        ThinEncoder {
            channels: channels.count(),
        }
    }

    fn decoder(&mut self, _codec: Codec) -> ThinDecoder {
        ThinDecoder::default()
    }

    fn suppressor(&mut self) -> ThinSuppressor {
        ThinSuppressor
    }
}

/// All is half noise.
#[derive(Clone, Copy, Debug)]
pub struct ThinSuppressor;

impl Suppressor for ThinSuppressor {
    fn suppress(&mut self, frame: &mut [f32]) {
        frame.iter_mut().for_each(|sample| *sample *= 0.5);
    }
}

impl Decoder for ThinDecoder {
    fn decode(&mut self, packet: &[u8], samples: &mut Vec<f32>) -> Result<(), Undecodable> {
        for byte in packet {
            self.last = f32::from(byte.cast_signed()) / 127.0;
            samples.extend([self.last; 6]);
        }
        Ok(())
    }

    fn recover(&mut self, _next: &[u8], missing: usize, samples: &mut Vec<f32>) {
        self.conceal(missing, samples);
    }

    fn conceal(&mut self, missing: usize, samples: &mut Vec<f32>) {
        for _ in 0..missing {
            self.last *= 0.99;
            samples.push(self.last);
        }
    }
}

impl Encoder for ThinEncoder {
    fn encode(&mut self, samples: &[f32], packet: &mut Vec<u8>) {
        packet.extend(
            samples
                .iter()
                .step_by(6 * self.channels)
                .map(|sample| ((sample * 127.0).round() as i8).cast_unsigned()),
        );
    }

    fn set_quality(&mut self, _quality: Quality) {}

    fn seam(&mut self) {}
}
