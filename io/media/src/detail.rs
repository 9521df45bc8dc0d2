//! What each room and each track carries, for operators who ask for it.

use trefoil_rtp::Codec;
use trefoil_sfu::{MemberId, Source, TrackId};

use crate::{RoomKey, room::Room, worker::Worker};

/// One track, as the worker of its publisher counts it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TrackReading {
    /// Which.
    pub track: TrackId,
    /// Whose.
    pub participant: u64,
    /// What it is.
    pub source: Source,
    /// How it is coded.
    pub codec: Codec,
    /// Packets that came.
    pub packets_in: u64,
    /// Bytes of payload that came.
    pub bytes_in: u64,
}

/// One room's part on one worker.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RoomReading {
    /// Which room.
    pub room: RoomKey,
    /// People in it.
    pub members: u64,
    /// Those of them who receive.
    pub subscribers: u64,
    /// Packets that were forwarded to them.
    pub packets_out: u64,
    /// What they publish.
    pub tracks: Vec<TrackReading>,
}

impl Worker {
    /// What every room on this worker carries.
    pub(crate) fn rooms_detail(&self) -> Vec<RoomReading> {
        let numbers = self.rooms.numbers();
        let rooms = numbers.into_iter().filter_map(|room| self.rooms.get(room));
        rooms.map(|room| self.room_detail(room)).collect()
    }

    fn room_detail(&self, room: &Room) -> RoomReading {
        let members = || room.members.iter().filter_map(|member| self.members.get(*member));
        let here = || members().filter(|member| member.is_here());
        let tracks = room.router.tracks().filter_map(|track| {
            let MemberId(publisher) = track.info().publisher;
            let publisher = self.members.get(publisher as u32)?;
            let feed = room.feeds.get(&track.id())?;
            publisher.link.is_none().then_some(TrackReading {
                track: track.id(),
                participant: publisher.participant,
                source: track.info().source,
                codec: track.info().codec,
                packets_in: feed.packets_in,
                bytes_in: feed.bytes_in,
            })
        });
        RoomReading {
            room: room.key,
            members: here().count() as u64,
            subscribers: here().filter(|member| member.subscribe.is_some()).count() as u64,
            packets_out: room.packets_out,
            tracks: tracks.collect(),
        }
    }
}
