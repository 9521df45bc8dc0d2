//! One connection both ways: the engine receives, the plane sends, and no nonce is ever used twice although both have the keys
//! of one handshake.
//!
//! Under one SRTP key a nonce is made of the SSRC and the index of a packet, and under the separate SRTCP key of the SSRC of
//! the sender and the index of the compound: with AES-CM by RFC 3711, section 4.1.1, with AES-GCM by RFC 7714, sections 8.1
//! and 9.1. So two writers that never write under the same SSRC never use a nonce twice, whatever their indices are. That is
//! held where datagrams leave, not by trust in the engine: of what it writes, RTP goes nowhere, and a compound of RTCP only
//! if its sender, which is in the clear (RFC 3711, section 3.4), is none of the plane's sources ([`BothWays::lets_out`]). The
//! plane writes under its own sources only, and never twice under one index (`Stream::is_fresh`).

use std::time::Instant;

use str0m::{
    change::{SdpAnswer, SdpPendingOffer},
    media::{Direction, MediaKind},
};
use trefoil_net::guarded;

use crate::{
    Engine, IceCredentials, Outbound, Path, PublishTransport, SdpRefusal, Via,
    dtls::{KeySlot, take_keys},
    offered::{check_offer, red_last},
    refusal::check_size,
    sdp::call::{Terms, with_directions, with_places},
};

/// What a transport has beside receiving when it goes both ways.
pub(crate) struct BothWays {
    keys: KeySlot,
    /// Our offer, until it is answered.
    pending: Option<SdpPendingOffer>,
    /// Under which the plane writes.
    sources: Vec<u32>,
    /// Where the engine's DTLS goes.
    path: Option<Path>,
    /// Datagrams of the engine that did not leave.
    withheld: u64,
}

impl BothWays {
    /// Whether a datagram of the engine may leave; see above.
    pub(crate) fn lets_out(&mut self, path: Path, datagram: &[u8]) -> bool {
        let first = datagram.first().copied().unwrap_or(0);
        if (20..64).contains(&first) {
            self.path.get_or_insert(path);
        }
        let may = !(128..192).contains(&first) || is_report_of_none(datagram, &self.sources);
        self.withheld += u64::from(!may);
        may
    }
}

/// Whether these bytes are SRTCP (RFC 5761, section 4) whose sender is none of these.
fn is_report_of_none(datagram: &[u8], sources: &[u32]) -> bool {
    let Some(([_, kind, _, _, sender @ ..], _)) = datagram.split_first_chunk::<8>() else {
        return false;
    };
    (192..224).contains(kind) && !sources.contains(&u32::from_be_bytes(*sender))
}

/// Whether a datagram is SRTCP, by its second byte (RFC 5761, section 4).
#[must_use]
pub fn is_report(datagram: &[u8]) -> bool {
    is_report_of_none(datagram, &[])
}

impl PublishTransport {
    /// A transport that goes both ways: what `outbound` has places for is sent, and it must get no more places.
    #[must_use]
    pub fn both_ways(
        engine: &Engine,
        credentials: IceCredentials,
        addresses: &[(Via, std::net::SocketAddr)],
        outbound: &Outbound,
        now: Instant,
    ) -> Self {
        let (mut transport, keys) = Self::with_keys(engine, credentials, addresses, now);
        let sources = outbound.places().iter();
        transport.both_ways = Some(Box::new(BothWays {
            keys,
            pending: None,
            sources: sources
                .flat_map(|place| [place.ssrc, place.retransmission])
                .collect(),
            path: None,
            withheld: 0,
        }));
        transport
    }

    /// Whether it does.
    #[must_use]
    pub const fn goes_both_ways(&self) -> bool {
        self.both_ways.is_some()
    }

    /// Takes an offer of a client that both sends and receives; the answer.
    ///
    /// # Errors
    /// [`SdpRefusal`] if it cannot be used.
    pub fn accept_both(&mut self, offer: &str, outbound: &mut Outbound) -> Result<String, SdpRefusal> {
        check_size(offer)?;
        let offer = with_directions(offer);
        let answer = self.accept(&offer)?;
        self.send_nothing();
        let answer = with_places(&answer, outbound.places());
        follow(outbound, &Terms::of_our_answer(&answer, &offer));
        Ok(answer)
    }

    /// An offer of sound and video both ways.
    ///
    /// # Errors
    /// [`SdpRefusal::Closed`] if there is none to be had.
    pub fn offer_both(&mut self, outbound: &Outbound) -> Result<String, SdpRefusal> {
        let rtc = &mut self.rtc;
        let made = guarded(|| {
            let mut api = rtc.sdp_api();
            for kind in [MediaKind::Audio, MediaKind::Video] {
                api.add_media(kind, Direction::SendRecv, None, None, None);
            }
            api.apply()
        });
        let Some((offer, pending)) = made.flatten() else {
            self.broken = true;
            return Err(SdpRefusal::Closed);
        };
        if let Some(both_ways) = &mut self.both_ways {
            both_ways.pending = Some(pending);
        }
        Ok(with_places(&red_last(&offer.to_sdp_string()), outbound.places()))
    }

    /// Takes the answer to that offer. Afterwards everything must be polled.
    ///
    /// # Errors
    /// [`SdpRefusal`] if it cannot be used.
    pub fn answer_both(&mut self, answer: &str, outbound: &mut Outbound) -> Result<(), SdpRefusal> {
        check_size(answer)?;
        check_offer(answer)?;
        let both_ways = self.both_ways.as_mut();
        let pending = both_ways.and_then(|both_ways| both_ways.pending.take());
        let pending = pending.ok_or(SdpRefusal::NoOffer)?;
        let (rtc, answer) = (&mut self.rtc, with_directions(answer));
        let taken = guarded(|| {
            let answer = SdpAnswer::from_sdp_string(&answer);
            let answer = answer.map_err(|error| SdpRefusal::unusable(error.to_string()))?;
            let done = rtc.sdp_api().accept_answer(pending, answer);
            done.map_err(|error| SdpRefusal::unusable(error.to_string()))
        });
        let Some(taken) = taken else {
            self.broken = true;
            return Err(SdpRefusal::Closed);
        };
        taken?;
        self.learn(&answer);
        self.send_nothing();
        follow(outbound, &Terms::of_their_answer(&answer));
        Ok(())
    }

    /// The engine makes a stream to send for each section that goes both ways; it shall have none.
    fn send_nothing(&mut self) {
        let (rtc, media) = (&mut self.rtc, &self.media);
        let done = guarded(|| {
            let mut api = rtc.direct_api();
            for (mid, _) in media {
                let stream = api.stream_tx_by_mid(*mid, None);
                if let Some(ssrc) = stream.map(|stream| stream.ssrc()) {
                    api.remove_stream_tx(ssrc);
                }
            }
        });
        self.broken |= done.is_none();
    }

    /// The handshake is done: `outbound` gets its plane.
    pub fn begin_sending(&self, outbound: &mut Outbound) {
        let Some(both_ways) = &self.both_ways else { return };
        if let Some(keys) = take_keys(&both_ways.keys) {
            outbound.connect(&keys);
        }
        if let Some(path) = both_ways.path {
            outbound.begin_at(path);
        }
    }

    /// Datagrams of the engine that were not let out, since this was last asked.
    pub fn take_withheld(&mut self) -> u64 {
        let both_ways = self.both_ways.as_mut();
        both_ways.map_or(0, |both_ways| std::mem::take(&mut both_ways.withheld))
    }
}

fn follow(outbound: &mut Outbound, terms: &Terms) {
    let mid_of = |video| {
        let section = if video { &terms.video } else { &terms.audio };
        section
            .as_ref()
            .map_or_else(String::new, |section| section.mid.clone())
    };
    let mids = outbound
        .places()
        .iter()
        .map(|place| mid_of(place.video))
        .collect();
    outbound.name(mids);
    outbound.learn(terms.audio.as_ref(), terms.video.as_ref(), terms.payloads);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn both_ways() -> BothWays {
        BothWays {
            keys: KeySlot::default(),
            pending: None,
            sources: vec![7, 8, 0xFFFF_FFFF],
            path: None,
            withheld: 0,
        }
    }

    fn path() -> Path {
        let address = ([127, 0, 0, 1], 9).into();
        Path {
            via: Via::Udp,
            remote: address,
            local: address,
        }
    }

    /// A datagram with this payload type, or type of RTCP, and what stands where a sender is named.
    fn datagram(kind: u8, sender: u32) -> Vec<u8> {
        [&[0x80, kind, 0, 1][..], &sender.to_be_bytes(), &[0xAB; 30]].concat()
    }

    #[test]
    fn of_what_the_engine_writes_no_rtp_leaves_and_no_report_of_a_source_of_the_plane() {
        let mut both_ways = both_ways();
        let mut leaves = |bytes: &[u8]| both_ways.lets_out(path(), bytes);
        for kind in 0..=255 {
            let report = (192..224).contains(&kind);
            assert_eq!(leaves(&datagram(kind, 9)), report, "{kind}");
            for source in [7, 8, 0xFFFF_FFFF] {
                assert!(!leaves(&datagram(kind, source)), "{kind} of {source}");
            }
        }
        for length in 1..8 {
            assert!(!leaves(&datagram(200, 9)[..length]), "a report without a sender");
        }
        for first in (0..128).chain(192..=255) {
            assert!(leaves(&[first; 20]), "neither RTP nor RTCP: {first}");
        }
        assert_eq!(both_ways.withheld, 256 * 4 - 32 + 7);
    }

    #[test]
    fn media_goes_where_dtls_went() {
        let mut both_ways = both_ways();
        both_ways.lets_out(path(), &[0; 20]);
        assert_eq!(
            both_ways.path, None,
            "checks are answered wherever they come from"
        );
        both_ways.lets_out(path(), &[22; 20]);
        assert_eq!(both_ways.path, Some(path()));
    }
}
