//! What the target `resume_token` does with its bytes; shared with the test that replays the corpus.

use trefoil_native::ResumeToken;

/// Reads a token as text, and one made of the bytes; each is read back as it was.
pub(crate) fn run(bytes: &[u8]) {
    let text = std::str::from_utf8(bytes).unwrap_or_default();
    if let Some(token) = ResumeToken::parse(text) {
        assert_eq!(ResumeToken::parse(&token.to_text()), Some(token));
    }
}
