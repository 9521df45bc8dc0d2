//! Packets that libsrtp 2 made are opened, and made alike.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may panic"
)]

use trefoil_srtp::{Keys, Opener, Profile, Sealer};

/// What libsrtp 2 sealed as DTLS client with keying material 0, 1, 2 and so on: RTP with the sequence numbers 32767,
/// 65535 and 0, then the same RTCP compound twice.
struct Vectors {
    profile: Profile,
    rtp: [&'static str; 3],
    rtcp: [&'static str; 2],
}

const VECTORS: [Vectors; 3] = [
    Vectors {
        profile: Profile::AeadAes128Gcm,
        rtp: [
            "916f7fff00001000cafebabe01020304bede000110aa0000b22c89d9c2896dbe5af378c96bc8f41b8542c0e97fff9e",
            "916fffff00001000cafebabe01020304bede000110aa0000258e4db789c0268ece1a7fd0c9814f44e14040874baa93",
            "916f000000001000cafebabe01020304bede000110aa0000071ea12945da550ab3815394557b5b89bf9c0be03bede4",
        ],
        rtcp: [
            "80c90001cafebabe7449b878b45725ffd559e7f56d992ddaaf29e9f23b6f3e70a2ff5b3e80000001",
            "80c90001cafebabe7269b4bd81c7113226f9ccf13b1549485c262da1fccd5c801c7f04b380000002",
        ],
    },
    Vectors {
        profile: Profile::AeadAes256Gcm,
        rtp: [
            "916f7fff00001000cafebabe01020304bede000110aa0000a4c89878c87d71183ff7265bd902e776481830f42840a2",
            "916fffff00001000cafebabe01020304bede000110aa0000c01b4de5e4271e0f27f3807bcc94b17b60ac0d8ef94174",
            "916f000000001000cafebabe01020304bede000110aa0000b15652a42c14595a5d0a373559642dbf1a8adb85e10599",
        ],
        rtcp: [
            "80c90001cafebabefbbbf9b40507adca69253b6ea9c22cf7026a71e2b3f2968e6b10dc9380000001",
            "80c90001cafebabe942fff73497bdf759fb82ca834c2fdc601728bfb5382d974be4bcccf80000002",
        ],
    },
    Vectors {
        profile: Profile::Aes128CmSha1_80,
        rtp: [
            "916f7fff00001000cafebabe01020304bede000110aa00002d80862b38f406425ce8ff93148339819d",
            "916fffff00001000cafebabe01020304bede000110aa0000fdd0afcbf1200a68617ce744456116e805",
            "916f000000001000cafebabe01020304bede000110aa00008dbee2fa3322122fb73dc65a4fc1ce2110",
        ],
        rtcp: [
            "80c90001cafebabed9e3b0426dd172d669da3aec80000001b8b0994b8b9b0e10f682",
            "80c90001cafebabe34b9de661ef3a6152819aefb800000025a65091925e151cc7c2e",
        ],
    },
];

/// One CSRC and an extension of one word come before the payload.
const RTP_HEADER: usize = 24;
const RTCP: &str = "80c90001cafebabe81ce0002cafebabe01020304";

fn bytes(hex: &str) -> Vec<u8> {
    let digits = |at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
    (0..hex.len()).step_by(2).map(digits).collect()
}

fn rtp(sequence: u16) -> Vec<u8> {
    let mut packet = bytes("916f000000001000cafebabe01020304bede000110aa0000");
    packet[2..4].copy_from_slice(&sequence.to_be_bytes());
    packet.extend(b"Trefoil");
    packet
}

fn material(profile: Profile) -> Vec<u8> {
    (0..).take(profile.keying_material_length()).collect()
}

#[test]
fn rtp_is_opened_and_sealed_as_by_libsrtp_across_a_rollover() {
    for Vectors {
        profile, rtp: sealed, ..
    } in VECTORS
    {
        let (outbound, _) = Keys::from_keying_material(profile, &material(profile), true).unwrap();
        let (_, inbound) = Keys::from_keying_material(profile, &material(profile), false).unwrap();
        let (mut sealer, mut opener) = (Sealer::new(&outbound), Opener::new(&inbound));
        for (index, sealed) in [32_767, 65_535, 65_536].into_iter().zip(sealed) {
            let clear = rtp(index as u16);
            let mut packet = clear.clone();
            packet.resize(clear.len() + profile.rtp_overhead(), 0);
            let length = sealer.seal_rtp(&mut packet, RTP_HEADER, clear.len(), index);
            assert_eq!(packet[..length], bytes(sealed), "{profile:?} {index}");
            assert_eq!(
                opener.open_rtp(&mut packet),
                Ok((index, clear.len())),
                "{profile:?}"
            );
            assert_eq!(packet[..clear.len()], clear);
        }
    }
}

#[test]
fn rtcp_of_libsrtp_is_opened_and_sealed_alike_but_for_the_first_index() {
    for Vectors {
        profile,
        rtcp: sealed,
        ..
    } in VECTORS
    {
        let (outbound, _) = Keys::from_keying_material(profile, &material(profile), true).unwrap();
        let (_, inbound) = Keys::from_keying_material(profile, &material(profile), false).unwrap();
        let (mut sealer, mut opener) = (Sealer::new(&outbound), Opener::new(&inbound));
        let clear = bytes(RTCP);
        let mut seal = || {
            let mut packet = clear.clone();
            packet.resize(clear.len() + profile.rtcp_overhead(), 0);
            let length = sealer.seal_rtcp(&mut packet, clear.len());
            assert_eq!(length, packet.len());
            packet
        };
        // libsrtp begins with index 1, we with 0 as RFC 3711 section 3.4 has it.
        seal();
        for sealed in sealed {
            let mut packet = seal();
            assert_eq!(packet, bytes(sealed), "{profile:?}");
            assert_eq!(opener.open_rtcp(&mut packet), Ok(clear.len()), "{profile:?}");
            assert_eq!(packet[..clear.len()], clear);
        }
    }
}
