//! Why a session description is not accepted.

/// Why a session description is not accepted; the words are for developers.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SdpRefusal {
    /// More than is read.
    #[error("the description has more than {limit} {of}; send less")]
    TooLarge {
        /// Of what.
        of: &'static str,
        /// How much is read.
        limit: usize,
    },
    /// Something that must be there is not, or is not what it should be.
    #[error("the description cannot be used: {0}")]
    Unusable(String),
    /// An answer to no offer, or to an older one.
    #[error("no offer waits for this answer")]
    NoOffer,
    /// The transport is closed.
    #[error("the transport is closed; begin anew")]
    Closed,
}

impl SdpRefusal {
    pub(crate) fn unusable(why: impl Into<String>) -> Self {
        Self::Unusable(why.into())
    }
}

/// Bytes of a description that are read (FAULTS P01).
pub(crate) const BYTES: usize = 256 * 1024;
/// Lines of a description that are read.
pub(crate) const LINES: usize = 5000;
/// m= sections of a description that are read.
pub(crate) const SECTIONS: usize = 128;

/// Whether a description is small enough to be looked at.
pub(crate) fn check_size(sdp: &str) -> Result<(), SdpRefusal> {
    let too_large = |of, limit| Err(SdpRefusal::TooLarge { of, limit });
    if sdp.len() > BYTES {
        return too_large("bytes", BYTES);
    }
    let (mut lines, mut sections) = (0, 0);
    for line in sdp.split('\n') {
        lines += 1;
        sections += usize::from(line.starts_with("m="));
    }
    if lines > LINES {
        return too_large("lines", LINES);
    }
    if sections > SECTIONS {
        return too_large("m= sections", SECTIONS);
    }
    Ok(())
}
