//! The test vectors of RFC 5769, byte for byte.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may panic"
)]

use trefoil_stun::{
    AttributeType, Class, Integrity, Key, Message, Method, PasswordAlgorithm, TransactionId, Writer,
};

const REQUEST: &str = "
    00010058 2112a442 b7e7a701 bc34d686 fa87dfae
    80220010 5354554e 20746573 7420636c 69656e74
    00240004 6e0001ff 80290008 932ff9b1 51263b36
    00060009 6576746a 3a683676 59202020
    00080014 9aeaa70c bfd8cb56 781ef2b5 b2d3f249 c1b571a2
    80280004 e57a3bcf";
const RESPONSE_V4: &str = "
    0101003c 2112a442 b7e7a701 bc34d686 fa87dfae
    8022000b 74657374 20766563 746f7220
    00200008 0001a147 e112a643
    00080014 2b91f599 fd9e90c3 8c7489f9 2af9ba53 f06be7d7
    80280004 c07d4c96";
const RESPONSE_V6: &str = "
    01010048 2112a442 b7e7a701 bc34d686 fa87dfae
    8022000b 74657374 20766563 746f7220
    00200014 0002a147 0113a9fa a5d3f179 bc25f4b5 bed2b9d9
    00080014 a382954e 4be67bf1 1784c97c 8292c275 bfe3ed41
    80280004 c8fb0b4c";
const LONG_TERM: &str = "
    00010060 2112a442 78ad3433 c6ad72c0 29da412e
    00060012 e3839ee3 8388e383 aae38383 e382af e382b9 0000
    0015001c 662f2f34 39396b39 35346436 4f4c3334 6f4c3946 53547679 36347341
    0014000b 6578616d 706c652e 6f726700
    00080014 f6702465 6dd64a3e 02b8e071 2e85c9a2 8ca89666";

/// The password of the three first vectors.
const PASSWORD: &[u8] = b"VOkJxbRl1RmTxUk/WvJxBt";

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

#[test]
fn the_sample_request_of_section_2_1_is_read() {
    let bytes = bytes(REQUEST);
    let message = Message::parse(&bytes).unwrap();
    assert_eq!(
        (message.class(), message.method()),
        (Class::Request, Method::Binding)
    );
    assert_eq!(message.first(AttributeType::USERNAME), Some(&b"evtj:h6vY"[..]));
    assert_eq!(message.number(AttributeType::PRIORITY), Some(0x6e00_01ff));
    assert!(message.has_fingerprint());
    assert!(message.verify(Integrity::Sha1, &Key::from_bytes(PASSWORD).unwrap()));
    assert!(!message.verify(Integrity::Sha1, &Key::from_bytes(b"another").unwrap()));
}

#[test]
fn the_responses_of_sections_2_2_and_2_3_are_read() {
    for (hex, address) in [
        (RESPONSE_V4, "192.0.2.1:32853"),
        (RESPONSE_V6, "[2001:db8:1234:5678:11:2233:4455:6677]:32853"),
    ] {
        let bytes = bytes(hex);
        let message = Message::parse(&bytes).unwrap();
        assert_eq!(
            (message.class(), message.method()),
            (Class::Success, Method::Binding)
        );
        assert_eq!(
            message.xor_address(AttributeType::XOR_MAPPED_ADDRESS),
            Some(address.parse().unwrap())
        );
        assert!(message.has_fingerprint());
        assert!(message.verify(Integrity::Sha1, &Key::from_bytes(PASSWORD).unwrap()));
    }
}

#[test]
fn the_long_term_request_of_section_2_4_is_read_and_written() {
    let expected = bytes(LONG_TERM);
    let message = Message::parse(&expected).unwrap();
    let (username, realm) = ("マトリックス".as_bytes(), b"example.org");
    assert_eq!(message.first(AttributeType::USERNAME), Some(username));
    // SASLprep of the password "The<U+00AD>M<U+00AA>tr<U+2168>" is this.
    let key = Key::long_term(PasswordAlgorithm::Md5, username, realm, b"TheMatrIX");
    assert!(message.verify(Integrity::Sha1, &key));

    let mut buffer = [0; 256];
    let mut writer = Writer::new(
        &mut buffer,
        Class::Request,
        Method::Binding,
        message.transaction_id(),
    );
    writer
        .attribute(AttributeType::USERNAME, username)
        .attribute(AttributeType::NONCE, b"f//499k954d6OL34oL9FSTvy64sA")
        .attribute(AttributeType::REALM, realm)
        .integrity(Integrity::Sha1, &key);
    let length = writer.finish().unwrap();
    assert_eq!(buffer[..length], expected[..]);
}

#[test]
fn the_response_of_section_2_2_is_written_but_for_its_odd_padding() {
    let transaction = TransactionId(*b"\xb7\xe7\xa7\x01\xbc\x34\xd6\x86\xfa\x87\xdf\xae");
    let mut buffer = [0; 256];
    let mut writer = Writer::new(&mut buffer, Class::Success, Method::Binding, transaction);
    writer
        .attribute(AttributeType::SOFTWARE, b"test vector")
        .xor_address(
            AttributeType::XOR_MAPPED_ADDRESS,
            "192.0.2.1:32853".parse().unwrap(),
        );
    let key = Key::from_bytes(PASSWORD).unwrap();
    writer
        .integrity(Integrity::Sha1, &key)
        .integrity(Integrity::Sha256, &key)
        .fingerprint();
    let length = writer.finish().unwrap();
    let expected = bytes(RESPONSE_V4);
    assert_eq!(
        buffer[4..35],
        expected[4..35],
        "up to the padding, which the vector fills with a space"
    );
    let message = Message::parse(&buffer[..length]).unwrap();
    assert!(message.has_fingerprint());
    assert!(message.verify(Integrity::Sha1, &key) && message.verify(Integrity::Sha256, &key));
}
