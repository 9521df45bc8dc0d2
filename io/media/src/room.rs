//! One room on a worker: its router, and the packets that pass through it.

use std::{collections::HashMap, rc::Rc, sync::Arc};

use trefoil_rtp::Codec;
use trefoil_sfu::{Router, RouterSettings, TrackId};

use crate::{
    RoomKey,
    history::{Held, History},
    timers::Planned,
};

/// A track's packets.
#[derive(Debug)]
pub(crate) struct Feed {
    /// Whose.
    pub(crate) member: u32,
    /// Which of their media.
    pub(crate) media: u8,
    pub(crate) codec: Codec,
    /// What the application calls it.
    pub(crate) name: Option<Arc<str>>,
    pub(crate) rids: Vec<String>,
    pub(crate) histories: [History; 3],
    /// What came since the last flush, with its encoding.
    pub(crate) pending: Vec<(u8, Rc<Held>)>,
    pub(crate) packets_in: u64,
    pub(crate) bytes_in: u64,
}

impl Feed {
    pub(crate) fn new(member: u32, media: u8, codec: Codec, rids: &[String]) -> Self {
        Self {
            member,
            media,
            codec,
            name: None,
            rids: rids.to_vec(),
            histories: [const { History::new() }; 3],
            pending: Vec::new(),
            packets_in: 0,
            bytes_in: 0,
        }
    }

    pub(crate) fn find(&self, encoding: u8, sequence: u64) -> Option<&Rc<Held>> {
        self.histories.get(usize::from(encoding))?.find(sequence)
    }
}

/// One room.
#[derive(Debug)]
pub(crate) struct Room {
    pub(crate) key: RoomKey,
    pub(crate) router: Router,
    pub(crate) feeds: HashMap<TrackId, Feed>,
    /// By their place among the worker's members.
    pub(crate) members: Vec<u32>,
    /// The workers that have another part of the room and speak with this one.
    pub(crate) links: Vec<u8>,
    /// While somebody hears it.
    pub(crate) mixing: Option<Box<crate::mixing::RoomMixer>>,
    /// While something is played into it, where it is at home.
    pub(crate) announcer: Option<Box<crate::announce::Announcer>>,
    /// Tracks with something pending.
    pub(crate) dirty: Vec<TrackId>,
    /// Packets that were forwarded to members here.
    pub(crate) packets_out: u64,
    pub(crate) planned: Planned,
}

impl Room {
    /// Nobody is there; `worker` is where.
    pub(crate) fn new(key: RoomKey, tracks_limit: usize, worker: u8) -> Self {
        Self {
            key,
            router: Router::new(RouterSettings {
                tracks_limit,
                first_track: u32::from(worker) << 24 | 1,
                ..RouterSettings::default()
            }),
            feeds: HashMap::new(),
            members: Vec::new(),
            links: Vec::new(),
            mixing: None,
            announcer: None,
            dirty: Vec::new(),
            packets_out: 0,
            planned: None,
        }
    }
}
