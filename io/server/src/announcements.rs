//! What is being played into rooms, as administrators asked for it and the media server tells.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use anyhow::ensure;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trefoil_media::{AnnouncementView, Progress};
use trefoil_wire::{Announcement, AnnouncementState, http::AnnouncementBody};

/// Sounds that are played into rooms.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AnnouncementsConfig {
    /// Announcements at once in one room.
    pub at_once: usize,
    /// The longest file, in seconds.
    pub seconds: u64,
    /// The largest file, in bytes; it is kept in memory while it is played.
    pub bytes: usize,
    /// Bytes of all files that are being played.
    pub all_bytes: usize,
}

impl Default for AnnouncementsConfig {
    fn default() -> Self {
        Self {
            at_once: 4,
            seconds: 600,
            bytes: 32 * 1024 * 1024,
            all_bytes: 256 * 1024 * 1024,
        }
    }
}

impl AnnouncementsConfig {
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        ensure!(
            self.at_once <= 16,
            "announcements.at_once is {}, but must not be more than 16: nobody understands more",
            self.at_once
        );
        Ok(())
    }
}

/// One that is being played.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) name: Arc<str>,
    pub(crate) gain: f32,
    pub(crate) repeat: u16,
    pub(crate) bytes: usize,
    pub(crate) played: Duration,
    pub(crate) length: Duration,
}

/// More would be played than may.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum TooMany {
    /// In this room.
    InRoom,
    /// In all rooms, by the bytes of their files.
    InAll,
}

#[derive(Debug, Default)]
struct Playing {
    last: u64,
    bytes: usize,
    /// By room and number.
    entries: BTreeMap<(u64, u64), Entry>,
}

/// All that is being played.
#[derive(Debug, Default)]
pub(crate) struct Announcements(Mutex<Playing>);

impl Announcements {
    /// Takes a place for one more; its number.
    pub(crate) fn begin(
        &self,
        room: u64,
        entry: Entry,
        config: &AnnouncementsConfig,
    ) -> Result<u64, TooMany> {
        let mut playing = self.lock();
        if playing.entries.range(of(room)).count() >= config.at_once {
            return Err(TooMany::InRoom);
        }
        if playing.bytes.saturating_add(entry.bytes) > config.all_bytes {
            return Err(TooMany::InAll);
        }
        playing.last += 1;
        playing.bytes += entry.bytes;
        let id = playing.last;
        playing.entries.insert((room, id), entry);
        Ok(id)
    }

    /// The media server says how far one is.
    pub(crate) fn follow(&self, room: u64, view: &AnnouncementView) {
        match view.progress {
            Progress::Ended => self.end(room, view.id),
            Progress::Started | Progress::Goes => {
                if let Some(entry) = self.lock().entries.get_mut(&(room, view.id)) {
                    entry.played = view.played;
                }
            }
        }
    }

    /// One is over.
    pub(crate) fn end(&self, room: u64, id: u64) {
        let mut playing = self.lock();
        if let Some(entry) = playing.entries.remove(&(room, id)) {
            playing.bytes -= entry.bytes;
        }
    }

    /// Whether this is being played.
    pub(crate) fn holds(&self, room: u64, id: u64) -> bool {
        self.lock().entries.contains_key(&(room, id))
    }

    /// All that is being played in a room.
    pub(crate) fn list(&self, room: u64) -> Vec<AnnouncementBody> {
        let playing = self.lock();
        let entries = playing.entries.range(of(room));
        entries.map(|((_, id), entry)| body(*id, entry)).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Playing> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn of(room: u64) -> std::ops::RangeInclusive<(u64, u64)> {
    (room, 0)..=(room, u64::MAX)
}

/// One as administrators see it.
pub(crate) fn body(id: u64, entry: &Entry) -> AnnouncementBody {
    AnnouncementBody {
        id: name_of(id),
        name: entry.name.to_string(),
        gain: entry.gain,
        repeat: entry.repeat,
        seconds: entry.played.as_secs_f64(),
        length_seconds: entry.length.as_secs_f64(),
    }
}

/// One as people in the room are told of it.
pub(crate) fn message(view: &AnnouncementView) -> Announcement {
    Announcement {
        id: name_of(view.id),
        name: view.name.to_string(),
        state: match view.progress {
            Progress::Started => AnnouncementState::Started,
            Progress::Goes => AnnouncementState::Progress,
            Progress::Ended => AnnouncementState::Ended,
        },
        seconds: view.played.as_secs_f64(),
        length_seconds: view.length.as_secs_f64(),
    }
}

/// A number as others see it.
pub(crate) fn name_of(id: u64) -> String {
    format!("a_{id}")
}

/// The number that a name stands for.
pub(crate) fn number_of(name: &str) -> Option<u64> {
    name.strip_prefix("a_")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(bytes: usize) -> Entry {
        Entry {
            name: "chime".into(),
            gain: 1.0,
            repeat: 1,
            bytes,
            played: Duration::ZERO,
            length: Duration::from_secs(2),
        }
    }

    #[test]
    fn so_many_are_played_at_once_in_a_room_and_so_many_bytes_in_all() {
        let config = AnnouncementsConfig {
            at_once: 2,
            all_bytes: 100,
            ..AnnouncementsConfig::default()
        };
        let announcements = Announcements::default();
        let begin = |room, bytes| announcements.begin(room, entry(bytes), &config);
        assert_eq!((begin(1, 40), begin(1, 40)), (Ok(1), Ok(2)));
        assert_eq!(begin(1, 1), Err(TooMany::InRoom));
        assert_eq!(begin(2, 21), Err(TooMany::InAll));
        let view = |progress| AnnouncementView {
            id: 1,
            name: "chime".into(),
            progress,
            played: Duration::from_millis(1500),
            length: Duration::from_secs(2),
        };
        announcements.follow(1, &view(Progress::Goes));
        assert_eq!(announcements.list(1)[0].seconds, 1.5);
        announcements.follow(1, &view(Progress::Ended));
        announcements.follow(1, &view(Progress::Ended));
        assert!(!announcements.holds(1, 1) && announcements.holds(1, 2));
        assert_eq!(begin(2, 60), Ok(3));
        assert!(announcements.list(3).is_empty());
    }
}
