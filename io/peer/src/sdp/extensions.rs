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

/// Ids that the short form of header extensions can say (RFC 8285, section 4.2), and 0.
const IDS: usize = 15;

/// Which extensions the other side takes, and under which id: by our id, and 0 for those that it does not take.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Accepted([u8; IDS]);

impl Accepted {
    /// It takes none.
    pub(crate) const NONE: Self = Self([0; IDS]);

    /// It takes the extension of this id, as we offered it.
    pub(crate) fn add(&mut self, id: u8) {
        self.add_as(id, id);
    }

    /// It takes the extension that has the id `ours` here, under an id of its own.
    pub(crate) fn add_as(&mut self, ours: u8, theirs: u8) {
        if let Some(known) = self.0.get_mut(usize::from(ours))
            && usize::from(theirs) < IDS
        {
            *known = theirs;
        }
    }

    /// Only what both say.
    pub(crate) fn and(self, other: Self) -> Self {
        let mut both = Self::NONE;
        for (known, (one, two)) in both.0.iter_mut().zip(self.0.into_iter().zip(other.0)) {
            *known = if one == two { one } else { 0 };
        }
        both
    }

    /// Under which id it takes the extension that has the id `ours` here.
    #[inline]
    pub(crate) fn id_of(self, ours: u8) -> Option<u8> {
        self.0.get(usize::from(ours)).copied().filter(|id| *id > 0)
    }
}

/// Our id of an extension.
pub(crate) fn named(uri: &str) -> Option<u8> {
    let mut all = AUDIO.iter().chain(VIDEO);
    all.find(|(_, known)| *known == uri).map(|(id, _)| *id)
}
