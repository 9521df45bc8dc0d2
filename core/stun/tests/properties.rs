//! What holds for any bytes and for any message.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use proptest::prelude::*;
use std::net::SocketAddr;
use trefoil_stun::{
    Attribute, AttributeType, ChannelData, Class, Integrity, Key, Malformed, Message, Method, TransactionId,
    Writer, stream_frame,
};

const KEY: &[u8] = b"0123456789abcdef";

fn walk(bytes: &[u8]) {
    let _ = (ChannelData::parse(bytes), stream_frame(bytes));
    let Ok(message) = Message::parse(bytes) else {
        return;
    };
    let _ = (
        message.class(),
        message.method(),
        message.transaction_id(),
        message.has_fingerprint(),
    );
    for attribute in message.attributes() {
        let _ = trefoil_stun::decode_xor_address(attribute.value, &message.transaction_id());
        let _ = trefoil_stun::ErrorCode::decode(attribute.value);
        assert_eq!(&bytes[message.span_of(attribute.value)], attribute.value);
    }
    let key = Key::from_bytes(KEY).unwrap();
    let _ = (
        message.verify(Integrity::Sha1, &key),
        message.verify(Integrity::Sha256, &key),
    );
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        walk(&bytes);
    }

    #[test]
    fn any_bytes_behind_a_sound_header_are_read_without_panic(mut body in proptest::collection::vec(any::<u8>(), 0..600)) {
        body.truncate(body.len() / 4 * 4);
        let mut bytes = vec![0, 1];
        bytes.extend(u16::try_from(body.len()).unwrap().to_be_bytes());
        bytes.extend(0x2112_A442_u32.to_be_bytes());
        bytes.extend([7; 12]);
        bytes.extend(body);
        walk(&bytes);
    }

    #[test]
    fn what_is_written_is_what_is_read(
        class in 0..4usize,
        method in 0..0x1000u16,
        id in any::<[u8; 12]>(),
        attributes in proptest::collection::vec((0x4000..0x7FFFu16, proptest::collection::vec(any::<u8>(), 0..40)), 0..10),
        address in any::<([u8; 16], bool, u16)>(),
    ) {
        let class = [Class::Request, Class::Indication, Class::Success, Class::Error][class];
        let address = match address {
            (octets, true, port) => SocketAddr::from((octets, port)),
            ([a, b, c, d, ..], false, port) => SocketAddr::from(([a, b, c, d], port)),
        };
        let key = Key::from_bytes(KEY).unwrap();
        let mut buffer = [0xFF; 1024];
        let mut writer = Writer::new(&mut buffer, class, Method::Other(method), TransactionId(id));
        for (kind, value) in &attributes {
            writer.attribute(AttributeType(*kind), value);
        }
        writer.xor_address(AttributeType::XOR_PEER_ADDRESS, address);
        writer.integrity(Integrity::Sha1, &key).integrity(Integrity::Sha256, &key).fingerprint();
        let length = writer.finish().unwrap();

        let message = Message::parse(&buffer[..length]).unwrap();
        prop_assert_eq!(message.class(), class);
        prop_assert_eq!(message.method().number(), method);
        prop_assert_eq!(message.transaction_id(), TransactionId(id));
        prop_assert_eq!(message.xor_address(AttributeType::XOR_PEER_ADDRESS), Some(address));
        let read: Vec<Attribute<'_>> = message.attributes().collect();
        prop_assert_eq!(read.len(), attributes.len() + 1);
        for (read, (kind, value)) in read.iter().zip(&attributes) {
            prop_assert_eq!((read.kind, read.value), (AttributeType(*kind), &value[..]));
        }
        prop_assert!(message.verify(Integrity::Sha1, &key) && message.verify(Integrity::Sha256, &key));
    }

    #[test]
    fn a_flipped_bit_breaks_the_integrity(bit in 0..(28 * 8usize)) {
        let key = Key::from_bytes(KEY).unwrap();
        let mut buffer = [0; 64];
        let mut writer = Writer::new(&mut buffer, Class::Request, Method::Refresh, TransactionId([3; 12]));
        writer.number(AttributeType::LIFETIME, 600).integrity(Integrity::Sha1, &key);
        let length = writer.finish().unwrap();
        prop_assume!(!(16..32).contains(&bit)); // the length field is checked against the datagram instead
        buffer[bit / 8] ^= 1 << (bit % 8);
        let sound = Message::parse(&buffer[..length]).is_ok_and(|message| message.verify(Integrity::Sha1, &key));
        prop_assert!(!sound);
    }
}

#[test]
fn attributes_after_the_integrity_are_invisible() {
    let key = Key::from_bytes(KEY).unwrap();
    let mut buffer = [0; 128];
    let mut writer = Writer::new(
        &mut buffer,
        Class::Request,
        Method::Refresh,
        TransactionId([3; 12]),
    );
    writer
        .integrity(Integrity::Sha1, &key)
        .number(AttributeType::LIFETIME, 3333);
    let length = writer.finish().unwrap();
    let message = Message::parse(&buffer[..length]).unwrap();
    assert_eq!(message.number(AttributeType::LIFETIME), None);
    assert!(message.verify(Integrity::Sha1, &key));
}

#[test]
fn a_truncated_sha256_is_taken_only_at_sixteen_bytes_or_more() {
    let key = Key::from_bytes(KEY).unwrap();
    for (size, accepted) in [
        (0, false),
        (4, false),
        (12, false),
        (16, true),
        (20, true),
        (28, true),
        (32, true),
    ] {
        let mut buffer = [0; 128];
        // The tag of a truncated attribute is made over a header that knows the shorter length.
        let mut whole = buffer;
        let filler = vec![0; size];
        let mut writer = Writer::new(
            &mut buffer,
            Class::Request,
            Method::Refresh,
            TransactionId([3; 12]),
        );
        writer.attribute(AttributeType::MESSAGE_INTEGRITY_SHA256, &filler);
        let length = writer.finish().unwrap();
        let hmac = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, KEY);
        let tag = aws_lc_rs::hmac::sign(&hmac, &buffer[..20]);
        whole[..length].copy_from_slice(&buffer[..length]);
        whole[24..24 + size].copy_from_slice(&tag.as_ref()[..size]);
        let message = Message::parse(&whole[..length]).unwrap();
        assert_eq!(message.verify(Integrity::Sha256, &key), accepted, "{size}");
    }
}

#[test]
fn each_kind_of_malformed_message_is_named() {
    let check = |change: &dyn Fn(&mut Vec<u8>), expected| {
        let mut buffer = [0; 2048];
        let mut writer = Writer::new(
            &mut buffer,
            Class::Request,
            Method::Binding,
            TransactionId([3; 12]),
        );
        let length = writer
            .number(AttributeType::LIFETIME, 1)
            .fingerprint()
            .finish()
            .unwrap();
        let mut bytes = buffer[..length].to_vec();
        change(&mut bytes);
        assert_eq!(Message::parse(&bytes).unwrap_err(), expected);
    };
    check(&|bytes| bytes.truncate(19), Malformed::Short);
    check(&|bytes| bytes[4] = 0, Malformed::NotStun);
    check(&|bytes| bytes[0] = 0x80, Malformed::NotStun);
    check(&|bytes| bytes[3] = 3, Malformed::Length);
    check(&|bytes| bytes.push(0), Malformed::Length);
    check(
        &|bytes| bytes[2..4].copy_from_slice(&[0xFF, 0xFC]),
        Malformed::Length,
    );
    check(&|bytes| bytes[23] = 0xFF, Malformed::Attribute);
    check(&|bytes| bytes[27] = 2, Malformed::Fingerprint);
    let many = |bytes: &mut Vec<u8>| {
        bytes.truncate(20);
        bytes.extend([0x80, 0xFF, 0, 0].repeat(65));
        bytes[2..4].copy_from_slice(&260u16.to_be_bytes());
    };
    check(&many, Malformed::TooManyAttributes);
}
