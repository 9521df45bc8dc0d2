//! The vectors of RFC 7714 sections 16 and 17.

use super::*;
use crate::header::rtp;

const KEY: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
const SALT: &str = "517569642070726f2071756f0000";
const RTP: &str = "8040f17b8041f8d35501a0b2\
    47616c6c696120657374206f6d6e69732064697669736120696e207061727465732074726573";
const RTCP: &str = "81c8000d4d617273\
    4e5450314e545032525450200000042a0000e9304c756e61deadbeefdeadbeefdeadbeefdeadbeefdeadbeef";
const INDEX: u32 = 0x5d4;

fn bytes(hex: &str) -> Vec<u8> {
    let digits = |at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
    (0..hex.len()).step_by(2).map(digits).collect()
}

fn cipher(key_length: usize) -> Gcm {
    Gcm::new(&bytes(KEY)[..key_length], &bytes(SALT).try_into().unwrap())
}

fn check_rtp(key_length: usize, sealed: &str) {
    let (clear, sealed, cipher) = (bytes(RTP), bytes(sealed), cipher(key_length));
    let (header, sequence, ssrc) = rtp(&clear).unwrap();
    let mut packet = clear.clone();
    packet.resize(clear.len() + TAG, 0);
    let length = cipher.seal_rtp(&mut packet, header, clear.len(), ssrc, u64::from(sequence));
    assert_eq!((length, &packet), (Some(sealed.len()), &sealed));
    let length = cipher.open_rtp(&mut packet, header, ssrc, u64::from(sequence));
    assert_eq!(length, Ok(clear.len()));
    assert_eq!(packet[..clear.len()], clear);
}

#[test]
fn rtp_is_sealed_as_in_rfc_7714_section_16() {
    check_rtp(
        16,
        "8040f17b8041f8d35501a0b2f24de3a3fb34de6cacba861c9d7e4bcabe633bd50d294e6f42a5f47a51c7d19b36de3adf8833\
         899d7f27beb16a9152cf765ee4390cce",
    );
    check_rtp(
        32,
        "8040f17b8041f8d35501a0b232b1de78a822fe12ef9f78fa332e33aab18012389a58e2f3b50b2a0276ffae0f1ba63799b87b\
         7aa3db36dfffd6b0f9bb7878d7a76c13",
    );
}

fn check_rtcp(key_length: usize, sealed: &str) {
    let (clear, sealed, cipher) = (bytes(RTCP), bytes(sealed), cipher(key_length));
    let ssrc = u32::from_be_bytes(*b"Mars");
    let mut packet = clear.clone();
    packet.resize(clear.len() + TAG + TRAILER, 0);
    let length = cipher.seal_rtcp(&mut packet, clear.len(), ssrc, INDEX);
    assert_eq!((length, &packet), (Some(sealed.len()), &sealed));
    assert_eq!(Gcm::trailer(&packet), Some(INDEX | ENCRYPTED));
    assert_eq!(cipher.open_rtcp(&mut packet, ssrc, INDEX), Ok(clear.len()));
    assert_eq!(packet[..clear.len()], clear);
}

#[test]
fn rtcp_is_sealed_as_in_rfc_7714_section_17() {
    check_rtcp(
        16,
        "81c8000d4d61727363e94885dcdab67ca727d7662f6b7e997ff5c0f76c06f32dc676a5f1730d6fda4ce09b4686303ded0bb9\
         275bc84aa45896cf4d2fc5abf87245d9eade800005d4",
    );
    check_rtcp(
        32,
        "81c8000d4d617273d50ae4d1f5ce5d304ba297e47d470c282c3ece5dbffe0a50a2eaa5c1110555be8415f658c61de0476f1b\
         6fad1d1eb30c4446839f57ff6f6cb26ac3be800005d4",
    );
}
