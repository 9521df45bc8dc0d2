//! The RTP header extensions that are spoken, and the ids under which they are offered.

/// The AV1 dependency descriptor; other codecs carry it too.
pub(crate) const DESCRIPTOR: &str =
    "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension";
/// Its id.
pub(crate) const DESCRIPTOR_ID: u8 = 12;

pub(crate) const LEVEL: &str = "urn:ietf:params:rtp-hdrext:ssrc-audio-level";
pub(crate) const LEVEL_ID: u8 = 1;
/// Levels of those who are in a mix (RFC 6465).
pub(crate) const MIXED_LEVELS: &str = "urn:ietf:params:rtp-hdrext:csrc-audio-level";
pub(crate) const MIXED_LEVELS_ID: u8 = 5;
pub(crate) const SEND_TIME: &str = "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time";
pub(crate) const SEND_TIME_ID: u8 = 2;
pub(crate) const TRANSPORT: &str =
    "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01";
pub(crate) const TRANSPORT_ID: u8 = 3;
pub(crate) const ORIENTATION: &str = "urn:3gpp:video-orientation";
pub(crate) const ORIENTATION_ID: u8 = 13;

pub(crate) const AUDIO: &[(u8, &str)] = &[
    (LEVEL_ID, LEVEL),
    (SEND_TIME_ID, SEND_TIME),
    (TRANSPORT_ID, TRANSPORT),
    (MIXED_LEVELS_ID, MIXED_LEVELS),
];
pub(crate) const VIDEO: &[(u8, &str)] = &[
    (SEND_TIME_ID, SEND_TIME),
    (TRANSPORT_ID, TRANSPORT),
    (DESCRIPTOR_ID, DESCRIPTOR),
    (ORIENTATION_ID, ORIENTATION),
];

/// Which extensions the other side takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Accepted(u16);

impl Accepted {
    pub(crate) const fn add(&mut self, id: u8) {
        if id < 16 {
            self.0 |= 1 << id;
        }
    }

    #[inline]
    pub(crate) const fn has(self, id: u8) -> bool {
        self.0 >> id & 1 == 1
    }
}
