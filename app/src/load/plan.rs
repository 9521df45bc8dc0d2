//! What is sent, how often and how large: the command line, understood.

use std::time::Duration;

use anyhow::ensure;

use super::stamp::SHORTEST;
use crate::arguments::LoadArguments;

/// The largest payload: what fits into an Ethernet frame behind all headers.
const LARGEST: usize = 1300;
/// Sound: packets a second, and bytes of payload in each.
const SOUND: (f64, usize) = (50.0, 120);
/// Bytes of payload in a packet of video.
const PICTURE: usize = 1200;

/// What happens.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Plan {
    pub(super) publishers: usize,
    pub(super) active: usize,
    pub(super) subscribers: usize,
    /// What each publisher sends, one m= section each.
    pub(super) tracks: Vec<Track>,
    /// The part of packets that subscribers drop.
    pub(super) loss: f64,
    pub(super) warm_up: Duration,
    pub(super) seconds: u64,
}

/// A track: its encodings, one unless it is simulcast.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Track {
    pub(super) video: bool,
    pub(super) layers: Vec<Layer>,
}

/// One encoding.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Layer {
    pub(super) rid: Option<&'static str>,
    pub(super) height: u16,
    /// Of payload, in each packet.
    pub(super) bytes: usize,
    /// Packets in a frame.
    pub(super) packets: usize,
    pub(super) frames_per_second: f64,
}

impl Plan {
    /// # Errors
    /// Says which argument cannot be, and what can.
    pub(super) fn new(arguments: &LoadArguments) -> anyhow::Result<Self> {
        let active = arguments.active.unwrap_or(arguments.publishers);
        ensure!(
            arguments.publishers > 0 && (1..=arguments.publishers).contains(&active),
            "--active {active} of --publishers {}: at least one must publish, and no more can be active",
            arguments.publishers
        );
        ensure!(
            (0.0..100.0).contains(&arguments.loss),
            "--loss {} is no part of packets: give 0 to 99 percent",
            arguments.loss
        );
        ensure!(
            arguments.seconds > 0,
            "--seconds 0 measures nothing: give at least 1"
        );
        ensure!(
            arguments
                .packets_per_second
                .is_none_or(|rate| (0.1..=100_000.0).contains(&rate)),
            "--packets-per-second must be 0.1 to 100000"
        );
        let bytes = arguments.packet_bytes;
        ensure!(
            bytes.is_none_or(|bytes| (SHORTEST..=LARGEST).contains(&bytes)),
            "--packet-bytes must be {SHORTEST} to {LARGEST}: a packet says when it was sent, and must fit into a datagram"
        );
        ensure!(
            (1..=100).contains(&arguments.burst),
            "--burst must be 1 to 100 packets a frame"
        );
        let tracks = tracks(arguments);
        ensure!(
            !tracks.is_empty(),
            "--video-kbps 0 without --audio sends nothing: give one of them"
        );
        Ok(Self {
            publishers: arguments.publishers,
            active,
            subscribers: arguments.subscribers,
            tracks,
            loss: arguments.loss / 100.0,
            warm_up: Duration::from_secs(arguments.warm_up),
            seconds: arguments.seconds,
        })
    }

    /// Whether each subscriber should get as many packets as are published.
    pub(super) fn all_arrives(&self) -> bool {
        self.tracks.iter().all(|track| track.layers.len() == 1)
    }

    /// Places that a subscriber needs to receive everything: for sound and for video.
    pub(super) fn places(&self) -> (usize, usize) {
        let of = |video| self.tracks.iter().filter(|track| track.video == video).count();
        (of(false) * self.publishers, of(true) * self.publishers)
    }

    /// Packets that one active publisher sends each second.
    pub(super) fn packets_per_second(&self) -> f64 {
        let layers = self.tracks.iter().flat_map(|track| &track.layers);
        layers
            .map(|layer| layer.packets as f64 * layer.frames_per_second)
            .sum()
    }

    /// A video whose frames are further apart than this stands still.
    pub(super) fn freeze(&self) -> Duration {
        let video = self.tracks.iter().filter(|track| track.video);
        let slowest = video
            .flat_map(|track| &track.layers)
            .map(|layer| layer.frames_per_second)
            .fold(f64::INFINITY, f64::min);
        Duration::from_millis(500).max(Duration::from_secs_f64(3.0 / slowest))
    }
}

fn tracks(arguments: &LoadArguments) -> Vec<Track> {
    let (rate, bytes) = (arguments.packets_per_second, arguments.packet_bytes);
    let video = arguments.video_kbps > 0;
    let mut tracks = Vec::new();
    if arguments.audio {
        // Where there is no video, the shape of packets is that of sound.
        let own = (!video).then_some(());
        tracks.push(Track {
            video: false,
            layers: vec![Layer {
                rid: None,
                height: 0,
                bytes: own.and(bytes).unwrap_or(SOUND.1),
                packets: 1,
                frames_per_second: own.and(rate).unwrap_or(SOUND.0),
            }],
        });
    }
    if video {
        let bytes = bytes.unwrap_or(PICTURE);
        let packets = rate.unwrap_or(f64::from(arguments.video_kbps) * 125.0 / bytes as f64);
        let full = Layer {
            rid: None,
            height: 720,
            bytes,
            packets: arguments.burst,
            frames_per_second: packets / arguments.burst as f64,
        };
        let layers = if arguments.simulcast {
            vec![
                smaller(full, "q", 180, 16),
                smaller(full, "h", 360, 4),
                Layer {
                    rid: Some("f"),
                    ..full
                },
            ]
        } else {
            vec![full]
        };
        tracks.push(Track { video: true, layers });
    }
    tracks
}

/// An encoding with one so-and-so-manieth of the bytes in each frame, in as few packets as they need.
fn smaller(full: Layer, rid: &'static str, height: u16, part: usize) -> Layer {
    let frame = full.bytes * full.packets / part;
    let packets = frame.div_ceil(full.bytes).max(1);
    Layer {
        rid: Some(rid),
        height,
        bytes: (frame / packets).max(SHORTEST),
        packets,
        ..full
    }
}

#[cfg(test)]
pub(super) mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::arguments::{Arguments, Command};

    pub(in crate::load) fn arguments(line: &str) -> LoadArguments {
        let words = ["trefoil", "load"].into_iter().chain(line.split_whitespace());
        match Arguments::try_parse_from(words).unwrap().command {
            Some(Command::Load(arguments)) => arguments,
            other => panic!("{other:?}"),
        }
    }

    fn plan(line: &str) -> anyhow::Result<Plan> {
        Plan::new(&arguments(line))
    }

    #[test]
    fn rates_become_packets() {
        let rate = |line| plan(line).unwrap().packets_per_second();
        assert!((rate("--video-kbps 960 --packet-bytes 1200") - 100.0).abs() < 0.1);
        assert!((rate("--packets-per-second 1040 --burst 1") - 1040.0).abs() < 0.1);
        assert!((rate("--packets-per-second 100 --audio") - 150.0).abs() < 0.1);
        assert!((rate("--video-kbps 0 --audio --packets-per-second 1000") - 1000.0).abs() < 0.1);
    }

    #[test]
    fn sound_alone_takes_the_shape_that_was_asked_for() {
        let plan = plan("--video-kbps 0 --audio --packet-bytes 200").unwrap();
        assert_eq!((plan.tracks.len(), plan.tracks[0].layers[0].bytes), (1, 200));
        assert_eq!(plan.places(), (1, 0));
    }

    #[test]
    fn simulcast_has_three_sizes_and_is_not_received_whole() {
        let plan = plan("--simulcast --burst 8 --publishers 3").unwrap();
        let layers = &plan.tracks[0].layers;
        let frames: Vec<_> = layers
            .iter()
            .map(|layer| (layer.rid, layer.packets * layer.bytes))
            .collect();
        assert_eq!(frames, [(Some("q"), 600), (Some("h"), 2400), (Some("f"), 9600)]);
        assert!(!plan.all_arrives());
        assert_eq!(plan.places(), (0, 3));
    }

    #[test]
    fn what_cannot_be_is_refused_with_what_can() {
        for (line, word) in [
            ("--publishers 0", "--publishers"),
            ("--active 2", "--active"),
            ("--loss 100", "--loss"),
            ("--seconds 0", "--seconds"),
            ("--packet-bytes 5", "--packet-bytes"),
            ("--packet-bytes 1500", "--packet-bytes"),
            ("--packets-per-second 0", "--packets-per-second"),
            ("--burst 0", "--burst"),
            ("--video-kbps 0", "--audio"),
        ] {
            let error = plan(line).unwrap_err().to_string();
            assert!(error.contains(word), "{line}: {error}");
        }
    }
}
