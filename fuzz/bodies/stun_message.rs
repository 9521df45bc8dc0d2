//! What the target `stun_message` does with its bytes; shared with the test that replays the corpus.

use trefoil_stun::{
    AttributeType, ChannelData, Class, ErrorCode, Integrity, Key, Kind, Message, Writer, decode_address,
    decode_xor_address, stream_frame,
};

/// Reads `bytes` in every way, and writes again what could be read.
pub(crate) fn run(bytes: &[u8]) {
    let _ = (Kind::of(bytes), stream_frame(bytes));
    if let Some(data) = ChannelData::parse(bytes) {
        assert!(data.data.end <= bytes.len() && (0x4000..=0x7FFF).contains(&data.channel));
    }
    let Ok(message) = Message::parse(bytes) else {
        return;
    };
    let Some(key) = Key::from_bytes(b"key") else {
        return;
    };
    let _ = (
        message.verify(Integrity::Sha1, &key),
        message.verify(Integrity::Sha256, &key),
    );
    let _ = (
        message.class(),
        message.number(AttributeType::LIFETIME),
        message.has_fingerprint(),
    );
    let mut buffer = vec![0; bytes.len() + 128];
    let mut writer = Writer::new(
        &mut buffer,
        Class::Request,
        message.method(),
        message.transaction_id(),
    );
    let mut count = 0;
    for attribute in message.attributes() {
        let _ = (
            decode_address(attribute.value),
            ErrorCode::decode(attribute.value),
        );
        let _ = decode_xor_address(attribute.value, &message.transaction_id());
        assert!(message.span_of(attribute.value).end <= bytes.len());
        writer.attribute(attribute.kind, attribute.value);
        count += 1;
    }
    let Ok(length) = writer.integrity(Integrity::Sha1, &key).fingerprint().finish() else {
        return;
    };
    // What was written is what was read, and it is sound. Two more attributes may be more than a reader takes.
    if let Some(written) = buffer.get(..length)
        && count < 60
    {
        let again = Message::parse(written);
        assert!(again.is_ok_and(
            |again| again.verify(Integrity::Sha1, &key) && again.attributes().eq(message.attributes())
        ));
    }
}
