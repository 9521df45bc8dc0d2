//! What leaves the mixer in one step: payloads, each once, and to whom they go.

use std::ops::Range;

use crate::{
    codec::Codec,
    hearing::{ParticipantId, SourceId},
};

/// Voices that a packet names at most: as many as an RTP header has room for.
pub(crate) const VOICES: usize = 15;

/// Payloads of one group in one step.
#[derive(Debug, Default)]
pub(crate) struct Payload {
    pub(crate) bytes: Vec<u8>,
    /// Where each is, and by how many samples of 48 kHz it begins after the step (or before it, if negative).
    pub(crate) made: Vec<(Range<usize>, i32)>,
    pub(crate) scratch: Vec<u8>,
}

impl Payload {
    pub(crate) fn push(&mut self, packet: &[u8], offset: i32) {
        let start = self.open();
        self.bytes.extend_from_slice(packet);
        self.close(start, offset);
    }

    pub(crate) fn open(&mut self) -> usize {
        self.bytes.len()
    }

    pub(crate) fn close(&mut self, start: usize, offset: i32) {
        if self.bytes.len() > start {
            self.made.push((start..self.bytes.len(), offset));
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) to: ParticipantId,
    pub(crate) codec: Codec,
    pub(crate) payload: Range<usize>,
    pub(crate) sequence: u16,
    pub(crate) timestamp: u32,
    pub(crate) marker: bool,
    pub(crate) level: u8,
    /// Which of the voices are named.
    pub(crate) voices: Range<usize>,
}

/// Everything that one step sends.
#[derive(Debug, Default)]
pub struct Outgoing {
    pub(crate) payload: Payload,
    pub(crate) entries: Vec<Entry>,
    pub(crate) voices: Vec<(SourceId, u8)>,
}

/// One packet to one participant.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sent<'a> {
    /// To whom.
    pub to: ParticipantId,
    /// What the payload is.
    pub codec: Codec,
    /// The payload; many share one.
    pub payload: &'a [u8],
    /// Counts from 0; the shell adds where its stream began. A number that is left out is a packet that got lost on its
    /// way here.
    pub sequence: u16,
    /// In the codec's clock; the shell adds where its stream began.
    pub timestamp: u32,
    /// The first packet after silence.
    pub marker: bool,
    /// How loud the mix is: -dBov (RFC 6464).
    pub level: u8,
    /// Who is in it and how loud, for CSRCs and RFC 6465; at most 15.
    pub voices: &'a [(SourceId, u8)],
}

impl Outgoing {
    pub(crate) fn clear(&mut self) {
        self.payload.bytes.clear();
        self.payload.made.clear();
        self.entries.clear();
        self.voices.clear();
    }

    /// The packets, those of one group together.
    pub fn packets(&self) -> impl Iterator<Item = Sent<'_>> {
        self.entries.iter().map(|entry| Sent {
            to: entry.to,
            codec: entry.codec,
            payload: self.payload.bytes.get(entry.payload.clone()).unwrap_or_default(),
            sequence: entry.sequence,
            timestamp: entry.timestamp,
            marker: entry.marker,
            level: entry.level,
            voices: self.voices.get(entry.voices.clone()).unwrap_or_default(),
        })
    }
}
