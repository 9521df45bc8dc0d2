//! A published track: its encodings as they are measured, and who subscribes to it.

use std::{collections::BTreeSet, time::Duration};

use trefoil_rtp::{Codec, DependencyReader, Malformed, Peek, peek};

use crate::{Gate, Layer, MemberId, Share, TrackId, meter::Meter};

/// Spatial layers that are told apart; higher ones count as the last.
const SPATIAL: usize = 3;
/// Temporal layers that are told apart; higher ones count as the last.
const TEMPORAL: usize = 4;
/// Encodings of one track.
pub(crate) const ENCODINGS: usize = 3;
/// An encoding that does not come for so long although it is needed is not counted on: cameras may be too small for it. A
/// publisher whose own estimate must grow first takes some seconds.
const PATIENCE: Duration = Duration::from_secs(10);
/// After which it is tried once more.
const ABSENCE: Duration = Duration::from_secs(30);

/// What a track shows or lets hear.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Source {
    /// A voice.
    Microphone,
    /// A face.
    Camera,
    /// A screen; shown before cameras.
    Screen,
    /// What a screen sounds like.
    ScreenAudio,
    /// Played into the room; heard before voices.
    Announcement,
    /// Whatever the application means.
    Other,
}

/// What is known of a track when it is published.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TrackInfo {
    /// Whose it is.
    pub publisher: MemberId,
    /// How it is coded.
    pub codec: Codec,
    /// What it is.
    pub source: Source,
    /// How many encodings it is sent in (simulcast), at most 3; the first is taken for the smallest until they were seen.
    pub encodings: u8,
}

/// A packet as it came from the publisher.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Incoming {
    /// The sequence number, extended.
    pub sequence: u64,
    /// The RTP timestamp.
    pub timestamp: u32,
    /// The marker bit.
    pub marker: bool,
    /// What the payload says about itself.
    pub peek: Peek,
}

/// Somebody who receives a track in one of their slots.
#[derive(Debug)]
pub struct Subscription {
    /// Who.
    pub member: MemberId,
    /// In which of their slots.
    pub slot: u8,
    /// What passes.
    pub gate: Gate,
    /// What the allocation gave, and why not more.
    pub share: Share,
}

/// When a timestamp of an encoding was, by its sender's clock.
#[derive(Clone, Copy, Debug)]
struct Report {
    microseconds: u64,
    timestamp: u32,
}

#[derive(Debug, Default)]
pub(crate) struct Encoding {
    meters: [[Meter; TEMPORAL]; SPATIAL],
    dependency: DependencyReader,
    /// Of the highest spatial layer.
    size: Option<(u16, u16)>,
    spatial: u8,
    report: Option<Report>,
    pub(crate) asked: Option<Duration>,
    /// Since when it may be expected: the publisher was told that it is needed.
    pub(crate) expected: Option<Duration>,
    /// When it was last waited for in vain.
    absent: Option<Duration>,
}

/// A published track.
#[derive(Debug)]
pub struct Track {
    pub(crate) id: TrackId,
    pub(crate) info: TrackInfo,
    pub(crate) muted: bool,
    /// Who alone may subscribe; everybody where it is `None`.
    pub(crate) allowed: Option<BTreeSet<MemberId>>,
    pub(crate) encodings: Vec<Encoding>,
    /// A bit for each encoding that the publisher was told is needed.
    pub(crate) needed: u8,
    /// Since when less than `needed` would do.
    pub(crate) unneeded_since: Option<Duration>,
    pub(crate) subscriptions: Vec<Subscription>,
    /// By link to another router, a bit for each encoding that is needed there.
    pub(crate) linked: Vec<(u8, u8)>,
}

/// Something that could be forwarded, at what rate and of what height.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Choice {
    pub(crate) layer: Layer,
    pub(crate) bits_per_second: u64,
    pub(crate) height: u16,
}

impl Track {
    pub(crate) fn new(id: TrackId, info: TrackInfo) -> Self {
        let encodings = usize::from(info.encodings).clamp(1, ENCODINGS);
        Self {
            id,
            info,
            muted: false,
            allowed: None,
            encodings: std::iter::repeat_with(Encoding::default)
                .take(encodings)
                .collect(),
            needed: ((1_u16 << encodings) - 1) as u8,
            unneeded_since: None,
            subscriptions: Vec::new(),
            linked: Vec::new(),
        }
    }

    /// Its id.
    #[must_use]
    pub const fn id(&self) -> TrackId {
        self.id
    }

    /// What was said of it.
    #[must_use]
    pub const fn info(&self) -> &TrackInfo {
        &self.info
    }

    /// Whether it is silent or dark by its owner's or a moderator's will.
    #[must_use]
    pub const fn is_muted(&self) -> bool {
        self.muted
    }

    /// The links to other routers at which this encoding is needed.
    pub fn links(&self, encoding: u8) -> impl Iterator<Item = u8> {
        let needed = self
            .linked
            .iter()
            .filter(move |(_, encodings)| encodings >> encoding.min(7) & 1 == 1);
        needed.map(|(link, _)| *link)
    }

    /// Who alone may subscribe; everybody where it is `None`.
    #[must_use]
    pub const fn allowed(&self) -> Option<&BTreeSet<MemberId>> {
        self.allowed.as_ref()
    }

    /// The size of the largest encoding that was seen.
    #[must_use]
    pub fn size(&self) -> Option<(u16, u16)> {
        self.encodings.iter().filter_map(|encoding| encoding.size).max()
    }

    /// Looks into a packet and measures it.
    ///
    /// # Errors
    /// [`Malformed`] where the payload is not what its codec says; such packets are dropped.
    pub(crate) fn receive(
        &mut self,
        encoding: u8,
        marker: bool,
        payload: &[u8],
        descriptor: Option<&[u8]>,
        now: Duration,
    ) -> Result<Peek, Malformed> {
        let codec = self.info.codec;
        if self
            .encodings
            .first()
            .is_some_and(|first| first.expected.is_none())
        {
            for encoding in &mut self.encodings {
                encoding.expected.get_or_insert(now);
            }
        }
        let Some(encoding) = self.encodings.get_mut(usize::from(encoding)) else {
            return Err(Malformed::Field);
        };
        let peek = peek(codec, marker, payload, &mut encoding.dependency, descriptor)?;
        let (spatial, temporal) = (
            usize::from(peek.spatial).min(SPATIAL - 1),
            usize::from(peek.temporal).min(TEMPORAL - 1),
        );
        if let Some(meter) = encoding
            .meters
            .get_mut(spatial)
            .and_then(|row| row.get_mut(temporal))
        {
            meter.add(payload.len() + 40, now);
        }
        if peek.keyframe && peek.starts_frame && peek.spatial == 0 {
            encoding.spatial = 0;
        }
        encoding.spatial = encoding.spatial.max(spatial as u8);
        if let Some(size) = peek.size {
            encoding.size = Some(size);
        }
        Ok(peek)
    }

    /// The publisher's clock was at `microseconds` when this encoding was at `timestamp`.
    pub(crate) fn report(&mut self, encoding: u8, microseconds: u64, timestamp: u32) {
        if let Some(encoding) = self.encodings.get_mut(usize::from(encoding)) {
            encoding.report = Some(Report {
                microseconds,
                timestamp,
            });
        }
    }

    /// A timestamp of encoding `from`, in the time of encoding `to`.
    pub(crate) fn align(encodings: &[Encoding], rate: u32, from: u8, to: u8, timestamp: u32) -> Option<u32> {
        let from = encodings.get(usize::from(from))?.report?;
        let to = encodings.get(usize::from(to))?.report?;
        let between = i128::from(from.microseconds) - i128::from(to.microseconds);
        let ticks = between * i128::from(rate) / 1_000_000;
        Some(
            to.timestamp
                .wrapping_add(ticks as u32)
                .wrapping_add(timestamp.wrapping_sub(from.timestamp)),
        )
    }

    /// Bits a second of all encodings together.
    #[must_use]
    pub fn bits_per_second(&self, now: Duration) -> u64 {
        let meters = self
            .encodings
            .iter()
            .flat_map(|encoding| encoding.meters.as_flattened());
        meters.map(|meter| meter.bits_per_second(now)).sum()
    }

    /// Whether anything of this encoding came lately.
    #[must_use]
    pub fn is_sending(&self, encoding: u8, now: Duration) -> bool {
        self.encodings.get(usize::from(encoding)).is_some_and(|encoding| {
            encoding
                .meters
                .as_flattened()
                .iter()
                .any(|meter| !meter.is_silent(now))
        })
    }

    /// Whether an encoding comes, or would come if it was asked for.
    fn is_available(&self, index: u8, now: Duration) -> bool {
        let Some(encoding) = self.encodings.get(usize::from(index)) else {
            return false;
        };
        let paused = self.needed >> index & 1 == 0;
        let absent = encoding
            .absent
            .is_some_and(|since| now.saturating_sub(since) < ABSENCE);
        let awaited = encoding
            .expected
            .is_none_or(|since| now.saturating_sub(since) < PATIENCE);
        self.is_sending(index, now) || (!absent && (paused || awaited))
    }

    /// The publisher is told that these encodings are needed, and no others.
    pub(crate) fn tell_needed(&mut self, needed: u8, now: Duration) {
        let (more, less) = (needed & !self.needed, self.needed & !needed);
        let silent = (0..ENCODINGS as u8).map(|index| !self.is_sending(index, now));
        let silent: Vec<bool> = silent.collect();
        self.needed = needed;
        for ((index, encoding), silent) in self.encodings.iter_mut().enumerate().zip(silent) {
            if more >> index & 1 == 1 {
                encoding.expected = Some(now);
            }
            if less >> index & 1 == 1 && silent {
                encoding.absent = Some(now);
            }
        }
    }

    /// Bits a second of a layer, as far as it was measured.
    pub(crate) fn taken(&self, layer: Option<Layer>, now: Duration) -> u64 {
        let known = layer.and_then(|layer| Some((layer, self.encodings.get(usize::from(layer.encoding))?)));
        known
            .and_then(|(layer, encoding)| encoding.rate(layer.spatial, layer.temporal, now))
            .unwrap_or(0)
    }

    /// What could be forwarded, the smallest first.
    pub(crate) fn choices(&self, now: Duration, into: &mut Vec<Choice>) {
        into.clear();
        let count = self.encodings.len();
        for (rank, index) in self.by_size().into_iter().take(count).enumerate() {
            let Some(encoding) = self.encodings.get(usize::from(index)) else {
                continue;
            };
            if !self.is_available(index, now) {
                continue;
            }
            let guessed = 720 >> (count - 1 - rank).min(3);
            let height = encoding.size.map_or(guessed, |(width, height)| width.min(height));
            for spatial in 0..=encoding.spatial {
                let smallest = into.is_empty();
                let height = height >> (encoding.spatial - spatial);
                let whole = encoding.rate(spatial, u8::MAX, now);
                let nominal = whole.unwrap_or_else(|| nominal(height));
                if smallest {
                    encoding.thinned(index, spatial, height, nominal, now, into);
                }
                into.push(Choice {
                    layer: Layer {
                        encoding: index,
                        spatial,
                        temporal: u8::MAX,
                    },
                    bits_per_second: nominal,
                    height,
                });
            }
        }
    }

    /// The encodings from the smallest to the largest; as they were announced where nothing is known of their sizes.
    fn by_size(&self) -> [u8; ENCODINGS] {
        let mut order = [0, 1, 2];
        let all_known = self.encodings.iter().all(|encoding| encoding.size.is_some());
        if all_known {
            order.sort_by_key(|index| {
                self.encodings
                    .get(usize::from(*index))
                    .map_or((u16::MAX, u16::MAX), |encoding| encoding.size.unwrap_or_default())
            });
        }
        order
    }
}

impl Encoding {
    /// Up to this layer, now or when it was last heard; `None` if it never was.
    fn rate(&self, spatial: u8, temporal: u8, now: Duration) -> Option<u64> {
        let meters = || {
            self.meters
                .iter()
                .take(usize::from(spatial) + 1)
                .flat_map(|row| row.iter().take(usize::from(temporal).saturating_add(1)))
        };
        let running: u64 = meters().map(|meter| meter.bits_per_second(now)).sum();
        let known = if running > 0 {
            running
        } else {
            meters().map(Meter::last_known).sum()
        };
        (known > 0).then_some(known)
    }

    /// Fewer pictures a second of the smallest layer, for those who can receive hardly anything.
    fn thinned(
        &self,
        index: u8,
        spatial: u8,
        height: u16,
        whole: u64,
        now: Duration,
        into: &mut Vec<Choice>,
    ) {
        for temporal in 0..TEMPORAL as u8 - 1 {
            let Some(bits_per_second) = self.rate(spatial, temporal, now).filter(|rate| *rate < whole) else {
                return;
            };
            into.push(Choice {
                layer: Layer {
                    encoding: index,
                    spatial,
                    temporal,
                },
                bits_per_second,
                height,
            });
        }
    }
}

/// What a picture of this height is expected to need before it was measured.
const fn nominal(height: u16) -> u64 {
    match height {
        0..=200 => 150_000,
        201..=400 => 500_000,
        401..=800 => 1_500_000,
        _ => 2_500_000,
    }
}
