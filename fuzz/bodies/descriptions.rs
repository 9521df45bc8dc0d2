//! What the target `descriptions` does with its bytes; shared with the test that replays the corpus.

/// Reads a description as an answer and as an offer: what we read ourselves, not the engine.
pub(crate) fn run(bytes: &[u8]) {
    trefoil_peer::read_description(&String::from_utf8_lossy(bytes));
}
