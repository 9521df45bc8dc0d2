//! Opus (RFC 6716) for voices: `opus-pure` set up as the mixer needs it.
//!
//! **Seams.** Where a listener's stream goes on with packets of another encoder, its decoder remembers the wrong past.
//! libopus can code a frame without prediction; `opus-pure` cannot. But a decoder forgets CELT's past when the mode
//! becomes CELT, and SILK's when it leaves CELT. So one frame is coded in the other mode: after it both know the same, to
//! the bit, whatever was played before (RFC 6716, section 4.5.2). The encoder must forget as well, and that of `opus-pure` keeps
//! SILK's past as long as its inner rate stays: up to 20 dB too loud for a moment, a pop. So the other rate comes between.

use opus_pure::{Application, Bandwidth, OpusDecoder, OpusEncoder, OpusMode, Signal, packet::mode};
use trefoil_mix::{Channels, Codec, Decoder, Encoder, FRAME, LONGEST, Quality, RATE, Undecodable};
use trefoil_net::guarded;

/// No more than fits a datagram beside its headers.
const LARGEST: usize = 1200;
/// Louder than anything an encoder makes: hostile packets end here.
const LOUDEST: f32 = 4.0;
/// Below this rate for a channel, a voice is coded in SILK.
const SILK_RATE: u32 = 20_000;

const SETTINGS_ARE_VALID: &str = "48 kHz and one or two channels are what Opus takes";

pub(crate) struct OpusIn {
    decoder: OpusDecoder,
    buffer: Vec<f32>,
}

impl std::fmt::Debug for OpusIn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("OpusIn")
    }
}

#[expect(clippy::expect_used, reason = "the settings are constants that Opus takes")]
fn new_decoder() -> OpusDecoder {
    OpusDecoder::new(RATE as i32, 1).expect(SETTINGS_ARE_VALID)
}

impl OpusIn {
    pub(crate) fn new() -> Self {
        Self {
            decoder: new_decoder(),
            buffer: vec![0.0; LONGEST],
        }
    }

    /// Runs the decoder; says how many samples are in the buffer. What a sender made up must not end this process: a
    /// decoder that panics is put aside, and its stream goes on with a new one.
    fn run(
        &mut self,
        work: impl FnOnce(&mut OpusDecoder, &mut [f32]) -> opus_pure::Result<usize>,
    ) -> Option<usize> {
        let Self { decoder, buffer } = self;
        if let Some(made) = guarded(|| work(decoder, buffer)) {
            return made.ok();
        }
        self.decoder = new_decoder();
        None
    }

    /// Appends what was decoded, made harmless.
    fn take(&mut self, count: usize, samples: &mut Vec<f32>) {
        let decoded = self.buffer.iter().take(count);
        samples.extend(decoded.map(|sample| {
            if sample.is_finite() {
                sample.clamp(-LOUDEST, LOUDEST)
            } else {
                0.0
            }
        }));
    }
}

impl Decoder for OpusIn {
    fn decode(&mut self, packet: &[u8], samples: &mut Vec<f32>) -> Result<(), Undecodable> {
        let length = Codec::Opus.samples(packet).ok_or(Undecodable)?;
        let made = self.run(|decoder, buffer| decoder.decode(packet, length, buffer));
        self.take(made.ok_or(Undecodable)?.min(length), samples);
        Ok(())
    }

    fn recover(&mut self, next: &[u8], missing: usize, samples: &mut Vec<f32>) {
        // What a packet repeats is as long as itself; anything before that is made up.
        let length = Codec::Opus.samples(next).unwrap_or(0);
        if ![480, 960, 1920, 2880].contains(&length) || missing < length {
            return self.conceal(missing, samples);
        }
        self.conceal(missing.min(LONGEST) - length, samples);
        match self.run(|decoder, buffer| decoder.decode_fec(next, length, buffer)) {
            Some(made) => self.take(made.min(length), samples),
            None => samples.resize(samples.len() + length, 0.0),
        }
    }

    fn conceal(&mut self, missing: usize, samples: &mut Vec<f32>) {
        let mut left = missing.min(LONGEST);
        while left > 0 {
            // Only lengths that a frame may have: the shortest that holds what is left.
            let want = [120, 240, 480, FRAME]
                .into_iter()
                .find(|length| *length >= left)
                .unwrap_or(FRAME);
            let made = self.run(|decoder, buffer| decoder.decode(&[], want, buffer));
            let made = made.unwrap_or(0).min(left);
            if made == 0 {
                samples.resize(samples.len() + left, 0.0);
                return;
            }
            self.take(made, samples);
            left -= made;
        }
    }
}

pub(crate) struct OpusOut {
    encoder: OpusEncoder,
    channels: Channels,
    quality: Quality,
    seam: bool,
    mode: Option<OpusMode>,
    /// What was coded last.
    last: Vec<f32>,
}

impl std::fmt::Debug for OpusOut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OpusOut")
            .field("channels", &self.channels)
            .field("quality", &self.quality)
            .finish_non_exhaustive()
    }
}

impl OpusOut {
    #[expect(clippy::expect_used, reason = "the settings are constants that Opus takes")]
    pub(crate) fn new(channels: Channels, quality: Quality) -> Self {
        let encoder = OpusEncoder::new(RATE as i32, channels.count(), Application::Voip);
        let mut out = Self {
            encoder: encoder.expect(SETTINGS_ARE_VALID),
            channels,
            quality,
            seam: false,
            mode: None,
            last: Vec::new(),
        };
        out.apply();
        out
    }

    fn apply(&mut self) {
        self.encoder.bitrate_bps = i32::try_from(self.quality.bitrate)
            .unwrap_or(32_000)
            .clamp(6000, 510_000);
        self.encoder.complexity = i32::from(self.quality.complexity.min(10));
        self.encoder.use_inband_fec = self.quality.loss_percent > 0;
        self.encoder.packet_loss_perc = i32::from(self.quality.loss_percent.min(100));
        // Without the hint `opus-pure` codes much speech in CELT, which carries no FEC.
        self.encoder.signal_type = Some(Signal::Voice);
        self.encoder.force_bandwidth = None;
        self.encoder.use_dtx = true;
    }

    /// One frame in the mode that the last one was not in.
    fn turn(&mut self) {
        let (between, turns_to_silk) = match self.mode {
            Some(OpusMode::CeltOnly) => (Bandwidth::Wideband, true),
            _ => (Bandwidth::Mediumband, false),
        };
        // What was coded last, at SILK's other inner rate and for nobody.
        self.speak_silk(between);
        let last = std::mem::take(&mut self.last);
        self.run(&last, &mut [0; LARGEST]);
        self.last = last;
        if turns_to_silk {
            self.speak_silk(Bandwidth::Mediumband);
        } else {
            self.apply();
            self.encoder.signal_type = Some(Signal::Music);
            self.encoder.bitrate_bps = self.encoder.bitrate_bps.max(24_000);
        }
    }

    /// Codes in SILK alone, at the inner rate of this bandwidth.
    fn speak_silk(&mut self, bandwidth: Bandwidth) {
        self.encoder.force_bandwidth = Some(bandwidth);
        self.encoder.bitrate_bps = (SILK_RATE * self.channels.count() as u32) as i32;
    }

    /// Runs the encoder; says how long the packet is.
    fn run(&mut self, samples: &[f32], packet: &mut [u8]) -> Option<usize> {
        let (encoder, length) = (&mut self.encoder, samples.len() / self.channels.count());
        guarded(|| encoder.encode(samples, length, packet)).map(|made| made.unwrap_or(0))
    }
}

impl Encoder for OpusOut {
    fn encode(&mut self, samples: &[f32], packet: &mut Vec<u8>) {
        let turning = std::mem::take(&mut self.seam) && self.mode.is_some();
        if turning {
            self.turn();
        }
        let start = packet.len();
        packet.resize(start + LARGEST, 0);
        let (_, room) = packet.split_at_mut(start);
        let Some(made) = self.run(samples, room) else {
            packet.truncate(start);
            *self = Self::new(self.channels, self.quality);
            return;
        };
        packet.truncate(start + made);
        self.last.clear();
        self.last.extend_from_slice(samples);
        self.mode = packet.get(start..).and_then(|made| mode(made).ok());
        if turning {
            self.apply();
        }
    }

    fn set_quality(&mut self, quality: Quality) {
        self.quality = quality;
        self.apply();
    }

    fn seam(&mut self) {
        self.seam = true;
    }
}
