//! A sound from a file: WAV as it was given, read sample by sample while it is played, so that nothing is kept twice.

use std::{ops::Range, time::Duration};

use crate::codec::RATE;

/// A length from here on is no length: whoever wrote the file did not know it yet.
const UNKNOWN: usize = 0x7FFF_0000;
/// PCM, and a format whose real one follows (WAVEFORMATEXTENSIBLE).
const PCM: u16 = 1;
const EXTENSIBLE: u16 = 0xFFFE;

/// A sound: PCM of 16 bits, 8 to 48 kHz, one channel or two.
#[derive(PartialEq, Eq)]
pub struct Sound {
    file: Vec<u8>,
    data: Range<usize>,
    rate: u32,
    channels: usize,
}

/// Why a file cannot be played.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Unplayable {
    /// Something else, or cut off before its sound begins.
    #[error("this is no WAV file")]
    NotWav,
    /// Compressed, or not of 16 bits.
    #[error("its samples are not PCM of 16 bits; convert it with `ffmpeg -i FILE -c:a pcm_s16le sound.wav`")]
    Encoding,
    /// Slower than 8 kHz or faster than 48 kHz.
    #[error(
        "it must have 8000 to 48000 samples a second; convert it with `ffmpeg -i FILE -ar 48000 sound.wav`"
    )]
    Rate,
    /// Neither mono nor stereo.
    #[error("it must have one channel or two; convert it with `ffmpeg -i FILE -ac 1 sound.wav`")]
    Channels,
    /// It says that it is longer than it is.
    #[error("it ends before the length that it names; was all of it sent?")]
    Truncated,
    /// There is no sound in it.
    #[error("there is no sound in it")]
    Empty,
}

impl Sound {
    /// A WAV file, looked at and kept as it is.
    ///
    /// # Errors
    /// [`Unplayable`].
    pub fn read(file: Vec<u8>) -> Result<Self, Unplayable> {
        let is_wav = file.get(..4) == Some(b"RIFF") && file.get(8..12) == Some(b"WAVE");
        if !is_wav {
            return Err(Unplayable::NotWav);
        }
        let (mut at, mut format) = (12, None);
        loop {
            let name = file.get(at..at + 4).ok_or(Unplayable::NotWav)?;
            let length = number(&file, at + 4, 4).ok_or(Unplayable::NotWav)?;
            let body = at + 8;
            match (name, format) {
                (b"fmt ", None) => format = Some(format_of(&file, body)?),
                (b"data", Some((rate, channels))) => {
                    let data = data_of(file.len(), body, length, 2 * channels)?;
                    return Ok(Self {
                        file,
                        data,
                        rate,
                        channels,
                    });
                }
                (b"data", None) => return Err(Unplayable::NotWav),
                // Chunks are padded to an even length.
                _ if length > file.len() => return Err(Unplayable::NotWav),
                _ => {}
            }
            at = body + length + length % 2;
        }
    }

    /// Samples a second.
    #[must_use]
    pub const fn rate(&self) -> u32 {
        self.rate
    }

    /// How many samples of each channel there are.
    #[must_use]
    pub fn frames(&self) -> usize {
        self.data.len() / (2 * self.channels)
    }

    /// How long it is.
    #[must_use]
    pub fn length(&self) -> Duration {
        Duration::from_secs(self.frames() as u64) / self.rate
    }

    /// What it takes in memory.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.file.len()
    }

    /// Samples of 48 kHz that it is played in.
    #[must_use]
    pub(crate) fn played_samples(&self) -> u64 {
        (self.frames() as u64 * RATE as u64).div_ceil(u64::from(self.rate))
    }

    /// One sample, of both channels together; silence outside.
    pub(crate) fn sample(&self, index: usize) -> f32 {
        let at = self.data.start + index * 2 * self.channels;
        if at >= self.data.end {
            return 0.0;
        }
        let frame = self.file.get(at..at + 2 * self.channels).unwrap_or_default();
        let samples = frame.chunks_exact(2).map(|pair| match pair {
            [low, high] => f32::from(i16::from_le_bytes([*low, *high])),
            _ => 0.0,
        });
        samples.sum::<f32>() / (32_768.0 * self.channels as f32)
    }
}

impl std::fmt::Debug for Sound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Sound({:?} at {} Hz)", self.length(), self.rate)
    }
}

/// Little-endian, of so many bytes.
fn number(file: &[u8], at: usize, bytes: usize) -> Option<usize> {
    let bytes = file.get(at..at.checked_add(bytes)?)?;
    Some(
        bytes
            .iter()
            .rev()
            .fold(0, |sum, byte| sum << 8 | usize::from(*byte)),
    )
}

/// Samples a second and channels, as a `fmt ` chunk says.
fn format_of(file: &[u8], body: usize) -> Result<(u32, usize), Unplayable> {
    let read = |at, bytes| number(file, body + at, bytes).ok_or(Unplayable::NotWav);
    let mut encoding = read(0, 2)?;
    if encoding == usize::from(EXTENSIBLE) {
        encoding = read(24, 2)?;
    }
    if encoding != usize::from(PCM) || read(14, 2)? != 16 {
        return Err(Unplayable::Encoding);
    }
    let (channels, rate) = (read(2, 2)?, read(4, 4)?);
    if !(1..=2).contains(&channels) {
        return Err(Unplayable::Channels);
    }
    match u32::try_from(rate) {
        Ok(rate @ 8_000..=48_000) => Ok((rate, channels)),
        Ok(_) | Err(_) => Err(Unplayable::Rate),
    }
}

/// Where the samples are, in whole frames.
fn data_of(file: usize, body: usize, length: usize, frame: usize) -> Result<Range<usize>, Unplayable> {
    let there = file.saturating_sub(body);
    let length = if length >= UNKNOWN { there } else { length };
    if length > there {
        return Err(Unplayable::Truncated);
    }
    let whole = length - length % frame;
    if whole == 0 {
        return Err(Unplayable::Empty);
    }
    Ok(body..body + whole)
}
