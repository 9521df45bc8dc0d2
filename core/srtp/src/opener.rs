//! Checking and decrypting what is received.

use std::{collections::BTreeMap, fmt};

use crate::{
    Refused, SessionKeys,
    cipher::{Cipher, ENCRYPTED},
    header,
    window::Window,
};

/// How many sources an opener knows, of RTP and of RTCP each. Packets of further ones are refused unread; a source is
/// forgotten with its opener only, since to forget one sooner would open the door to its replays.
pub const MOST_SOURCES: usize = 512;

/// Opens RTP and RTCP of one direction, in place.
pub struct Opener {
    rtp: Cipher,
    rtcp: Cipher,
    rtp_sources: Sources,
    rtcp_sources: Sources,
}

impl fmt::Debug for Opener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Opener(***)")
    }
}

impl Opener {
    /// An opener with the keys for what we receive.
    #[must_use]
    pub fn new(keys: &SessionKeys) -> Opener {
        Opener {
            rtp: Cipher::new(keys.profile, &keys.rtp),
            rtcp: Cipher::new(keys.profile, &keys.rtcp),
            rtp_sources: Sources::default(),
            rtcp_sources: Sources::default(),
        }
    }

    /// Opens a whole RTP packet: its index (`roc << 16 | sequence`), and its length without the tag.
    ///
    /// # Errors
    /// [`Refused`]; then the packet is dropped, its bytes may be spoiled and nothing is remembered.
    #[inline]
    pub fn open_rtp(&mut self, packet: &mut [u8]) -> Result<(u64, usize), Refused> {
        let (header, sequence, ssrc) = header::rtp(packet)?;
        let index = match self.rtp_sources.window(ssrc)? {
            Some(window) => window.guess(sequence)?,
            None => u64::from(sequence),
        };
        let rtp = &self.rtp;
        self.rtp_sources
            .accept(ssrc, index, || rtp.open_rtp(packet, header, ssrc, index))
            .map(|length| (index, length))
    }

    /// Opens a whole RTCP compound: its length without index and tag.
    ///
    /// # Errors
    /// As [`Opener::open_rtp`].
    pub fn open_rtcp(&mut self, packet: &mut [u8]) -> Result<usize, Refused> {
        let ssrc = header::rtcp(packet)?;
        let trailer = self.rtcp.trailer(packet).ok_or(Refused::Malformed)?;
        if trailer & ENCRYPTED == 0 {
            return Err(Refused::Unencrypted);
        }
        let index = trailer & !ENCRYPTED;
        let rtcp = &self.rtcp;
        self.rtcp_sources
            .accept(ssrc, u64::from(index), || rtcp.open_rtcp(packet, ssrc, index))
    }
}

/// The replay windows of the sources that were authenticated.
#[derive(Default)]
struct Sources {
    windows: BTreeMap<u32, Window>,
}

impl Sources {
    /// What is known of a source; refused if it is unknown and there is no room for it.
    #[inline]
    fn window(&self, ssrc: u32) -> Result<Option<&Window>, Refused> {
        let known = self.windows.get(&ssrc);
        if known.is_none() && self.windows.len() >= MOST_SOURCES {
            return Err(Refused::TooManySources);
        }
        Ok(known)
    }

    /// Opens a packet if it may be new, and remembers it if it is authentic.
    #[inline]
    fn accept(
        &mut self,
        ssrc: u32,
        index: u64,
        open: impl FnOnce() -> Result<usize, Refused>,
    ) -> Result<usize, Refused> {
        if let Some(window) = self.windows.get_mut(&ssrc) {
            window.check(index)?;
            let length = open()?;
            window.accept(index);
            return Ok(length);
        }
        self.window(ssrc)?;
        let length = open()?;
        self.windows.insert(ssrc, Window::beginning_with(index));
        Ok(length)
    }
}
