//! What the target `client_message` does with its bytes; shared with the test that replays the corpus.

use trefoil_wire::ClientMessage;

/// Reads a message of a client.
pub(crate) fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    match ClientMessage::parse(text) {
        Ok(message) => assert!(ClientMessage::TYPES.contains(&message.kind())),
        Err(unreadable) => assert!(unreadable.of.is_none_or(|of| of.chars().count() <= 64)),
    }
}
