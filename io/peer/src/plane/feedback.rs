//! What a subscriber says about what it receives.

use trefoil_bwe::{Estimator, Micros};
use trefoil_rtp::rtcp::{self, Rtcp};

use crate::plane::{round_trip, stream::Stream};

/// What must be done about it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Feedback {
    /// A packet is wanted again.
    Nack {
        /// Of which place.
        place: u8,
        /// The low bits of its sequence number.
        sequence: u16,
    },
    /// The picture is lost.
    PictureLost {
        /// Of which place.
        place: u8,
    },
}

/// What one compound may ask for again; nobody loses more at once and wants it all.
const NACKS: usize = 256;

/// Reads a compound that was opened.
pub(super) fn read(
    streams: &mut [Stream],
    estimator: &mut Estimator,
    compound: &[u8],
    now: Micros,
    feedback: &mut Vec<Feedback>,
) {
    let place_of = |streams: &[Stream], ssrc: u32| {
        let at = streams
            .iter()
            .position(|stream| stream.ssrc == ssrc || stream.retransmission == ssrc);
        at.and_then(|at| u8::try_from(at).ok())
    };
    let mut nacks = 0;
    for packet in rtcp::packets(compound) {
        match packet {
            Ok(Rtcp::Twcc(twcc)) => estimator.feedback(twcc.statuses(), now),
            Ok(Rtcp::Nack { media, seqs, .. }) => {
                let Some(place) = place_of(streams, media) else {
                    continue;
                };
                for sequence in seqs {
                    nacks += 1;
                    if nacks > NACKS {
                        break;
                    }
                    feedback.push(Feedback::Nack { place, sequence });
                }
            }
            Ok(Rtcp::Pli { media, .. }) => {
                feedback.extend(place_of(streams, media).map(|place| Feedback::PictureLost { place }));
            }
            Ok(Rtcp::Fir { entries, .. }) => {
                let places = entries.filter_map(|(ssrc, _)| place_of(streams, ssrc));
                feedback.extend(places.take(16).map(|place| Feedback::PictureLost { place }));
            }
            Ok(Rtcp::Remb { bitrate, .. }) => estimator.remb(bitrate, now),
            Ok(Rtcp::ReceiverReport { blocks, .. } | Rtcp::SenderReport { blocks, .. }) => {
                for block in blocks {
                    let stream = streams.iter_mut().find(|stream| stream.ssrc == block.ssrc);
                    let Some(stream) = stream else { continue };
                    let trip = round_trip(stream.reported, block.last_sr, block.delay_since_last_sr, now);
                    stream.stats.loss = f32::from(block.fraction_lost) / 256.0;
                    stream.stats.jitter = block.jitter;
                    stream.stats.round_trip = trip.or(stream.stats.round_trip);
                    estimator.receiver_report(block.fraction_lost, trip, now);
                }
            }
            Ok(Rtcp::Sdes { .. } | Rtcp::Bye { .. } | Rtcp::Other) => {}
            Err(_) => return,
        }
    }
}
