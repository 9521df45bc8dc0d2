//! What the target `srtp_packets` does with its bytes; shared with the test that replays the corpus.
//!
//! The bytes are a profile and a history: one byte says what is received (nonsense, or a sealed packet, whole or with a
//! flipped bit, new or again), two how long it is, and it follows. Sealed packets have the given bytes as their payload.

use trefoil_srtp::{Keys, Opener, Profile, Refused, Sealer};

const HEADER: usize = 12;

struct Link {
    profile: Profile,
    sealer: Sealer,
    opener: Opener,
    /// The index of the next packet.
    next: u64,
    last: Vec<u8>,
}

/// Plays the history in `bytes`.
pub(crate) fn run(bytes: &[u8]) {
    let Some((profile, mut bytes)) = bytes.split_first() else {
        return;
    };
    let Some(mut link) = Link::new(*profile) else {
        return;
    };
    while let Some(([what, high, low], rest)) = bytes.split_first_chunk() {
        let length = usize::from(u16::from_be_bytes([*high, *low])).min(rest.len());
        let (given, rest) = rest.split_at(length);
        bytes = rest;
        link.play(*what, given);
    }
}

impl Link {
    fn new(profile: u8) -> Option<Link> {
        let profile = match profile % 3 {
            0 => Profile::AeadAes128Gcm,
            1 => Profile::AeadAes256Gcm,
            _ => Profile::Aes128CmSha1_80,
        };
        let material = vec![7; profile.keying_material_length()];
        let (outbound, _) = Keys::from_keying_material(profile, &material, true).ok()?;
        let (_, inbound) = Keys::from_keying_material(profile, &material, false).ok()?;
        Some(Link {
            profile,
            sealer: Sealer::new(&outbound),
            opener: Opener::new(&inbound),
            next: 0,
            last: Vec::new(),
        })
    }

    fn play(&mut self, what: u8, given: &[u8]) {
        match what % 8 {
            0 => assert!(
                self.opener.open_rtp(&mut given.to_vec()).is_err(),
                "nonsense is forged"
            ),
            1 => assert!(
                self.opener.open_rtcp(&mut given.to_vec()).is_err(),
                "nonsense is forged"
            ),
            2 => self.compound(given),
            3 => {
                let again = self.opener.open_rtp(&mut self.last.clone());
                assert!(matches!(
                    again,
                    Err(Refused::Replayed | Refused::TooOld | Refused::Malformed)
                ));
            }
            4 => self.flipped(what, given),
            // Packets are lost, but never half a turn of them.
            _ => {
                self.next += u64::from(what / 8) * 1000;
                self.packet(given);
            }
        }
    }

    fn sealed(&mut self, payload: &[u8]) -> (Vec<u8>, usize) {
        let [.., high, low] = self.next.to_be_bytes();
        let header = [0x80, 96, high, low, 0, 0, 0, 1, 0, 0, 0, 2];
        let mut packet = [&header[..], payload].concat();
        let clear = packet.len();
        packet.resize(clear + self.profile.rtp_overhead(), 0);
        let length = self.sealer.seal_rtp(&mut packet, HEADER, clear, self.next);
        assert_eq!(length, packet.len());
        (packet, clear)
    }

    fn packet(&mut self, payload: &[u8]) {
        let (mut packet, clear) = self.sealed(payload);
        self.last.clone_from(&packet);
        assert_eq!(self.opener.open_rtp(&mut packet), Ok((self.next, clear)));
        assert_eq!(packet.get(HEADER..clear), Some(payload));
        self.next += 1;
    }

    /// A packet with one flipped bit is refused, and the packet itself is taken after it.
    fn flipped(&mut self, what: u8, given: &[u8]) {
        let (mut broken, _) = self.sealed(given);
        let at = usize::from(what / 8) * 7 % broken.len();
        if let Some(byte) = broken.get_mut(at) {
            *byte ^= 1 << (what / 8 % 8);
        }
        assert!(self.opener.open_rtp(&mut broken).is_err());
        self.packet(given);
    }

    fn compound(&mut self, body: &[u8]) {
        let mut packet = [&[0x80, 201, 0, 1, 0, 0, 0, 9][..], body].concat();
        let clear = packet.len();
        packet.resize(clear + self.profile.rtcp_overhead(), 0);
        let length = self.sealer.seal_rtcp(&mut packet, clear);
        assert_eq!(length, packet.len());
        let sealed = packet.clone();
        assert_eq!(self.opener.open_rtcp(&mut packet), Ok(clear));
        assert_eq!(packet.get(8..clear), Some(body));
        assert_eq!(self.opener.open_rtcp(&mut sealed.clone()), Err(Refused::Replayed));
    }
}
