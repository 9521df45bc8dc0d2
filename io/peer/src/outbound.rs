//! What goes out to one client: in which places, coded how, and where to; whichever engine did the handshake.

use trefoil_bwe::{Estimator, Settings};
use trefoil_rtp::Codec;

use crate::{
    Path, Plane,
    dtls::Handshake,
    sdp::{PayloadTypes, Place, SectionAnswer, Taken, extensions::Accepted},
};

/// The media that one client receives.
#[derive(Debug)]
pub struct Outbound {
    places: Vec<Place>,
    codecs: Vec<Codec>,
    taken: Taken,
    packet_time: Option<u8>,
    estimates: Settings,
    plane: Option<Plane>,
    /// Where media goes: the path of the client's last authenticated word.
    path: Option<Path>,
    /// The names of places that are in m= sections of the client's; otherwise they have names of ours.
    mids: Vec<String>,
}

impl Outbound {
    /// Without places, and to nowhere yet.
    #[must_use]
    pub const fn new(estimates: Settings) -> Self {
        Self {
            places: Vec::new(),
            codecs: Vec::new(),
            taken: Taken {
                audio: Accepted::NONE,
                video: Accepted::NONE,
                red: false,
                payloads: PayloadTypes::NONE,
            },
            packet_time: None,
            estimates,
            plane: None,
            path: None,
            mids: Vec::new(),
        }
    }

    /// Adds a place for sound or video. Sources must be different for each: random numbers.
    pub fn add_place(&mut self, video: bool, ssrc: u32, retransmission: u32) {
        self.places.push(Place {
            video,
            ssrc,
            retransmission,
        });
    }

    pub(crate) fn places(&self) -> &[Place] {
        &self.places
    }

    /// The m= section of a place.
    #[must_use]
    pub fn mid_of(&self, place: u8) -> String {
        let named = self.mids.get(usize::from(place)).cloned();
        named.unwrap_or_else(|| format!("s{place}"))
    }

    /// Names the m= sections of the places, in their order.
    pub(crate) fn name(&mut self, mids: Vec<String>) {
        self.mids = mids;
    }

    /// Takes what the client says that it receives: its first sections of sound and of video.
    pub(crate) fn learn(
        &mut self,
        audio: Option<&SectionAnswer>,
        video: Option<&SectionAnswer>,
        payloads: PayloadTypes,
    ) {
        self.packet_time = audio.and_then(|section| section.packet_time);
        self.codecs = [audio, video]
            .into_iter()
            .flatten()
            .flat_map(|section| section.codecs.iter().copied())
            .collect();
        let extensions = |section: Option<&SectionAnswer>| {
            section.map_or(Accepted::default(), |section| section.extensions)
        };
        self.taken = Taken {
            audio: extensions(audio),
            video: extensions(video),
            red: self.codecs.contains(&Codec::Red),
            payloads,
        };
        if !self.taken.red && self.codecs.contains(&Codec::Opus) {
            // They get it without the redundancy.
            self.codecs.push(Codec::Red);
        }
        if let Some(plane) = &mut self.plane {
            plane.set_places(&self.places, self.taken);
        }
    }

    /// The handshake is done: from now on there is a plane.
    pub(crate) fn connect(&mut self, keys: &Handshake) {
        let estimator = Estimator::new(self.estimates);
        self.plane = Some(Plane::new(keys, &self.places, self.taken, estimator));
    }

    /// What the client can be sent: what they can decode, as they answered, and RED where they can decode Opus.
    #[must_use]
    pub fn codecs(&self) -> &[Codec] {
        &self.codecs
    }

    /// Milliseconds of sound that they want in a packet, if they said so (RFC 8866, section 6.4).
    #[must_use]
    pub const fn packet_time(&self) -> Option<u8> {
        self.packet_time
    }

    /// Media, once the transport is connected.
    pub const fn plane(&mut self) -> Option<&mut Plane> {
        self.plane.as_mut()
    }

    /// The same, to look at.
    #[must_use]
    pub const fn plane_ref(&self) -> Option<&Plane> {
        self.plane.as_ref()
    }

    /// Media, and where it goes.
    #[inline]
    pub fn ready(&mut self) -> Option<(&mut Plane, Path)> {
        Some((self.plane.as_mut()?, self.path?))
    }

    /// The client's media reports came this way: media goes back the same way.
    pub const fn follow(&mut self, path: Path) {
        self.path = Some(path);
    }

    /// The engine has decided on this path, where none is known.
    pub(crate) fn begin_at(&mut self, path: Path) {
        self.path.get_or_insert(path);
    }
}
