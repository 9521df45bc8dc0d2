//! What a receiver tells the sender: what it got and when, what is missing, which picture it lost.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use trefoil_rtp::rtcp::{self, ReportBlock};

/// Who the receiver says it is: as libwebrtc does where it sends nothing.
const REPORTER: u32 = 1;
/// How often arrival times are told; browsers take 50 to 250 ms, depending on the rate.
const ARRIVALS_EVERY: Duration = Duration::from_millis(100);
/// How often each source is reported on.
const REPORTS_EVERY: Duration = Duration::from_secs(1);
/// How often missing packets are looked for.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// Report blocks in one report.
const MOST_BLOCKS: usize = 31;
/// So many arrival times are told at once, without waiting longer.
const MANY_ARRIVALS: usize = 250;
/// What comes beyond so many before they are told is not told: a compound has no room for more.
const MOST_ARRIVALS: usize = 400;
/// A compound stays below this.
const COMPOUND: usize = 1200;

/// What one source sent, for its report.
#[derive(Clone, Copy, Debug, Default)]
struct Heard {
    first: u64,
    highest: u64,
    received: u64,
    /// Expected and received until the last report.
    before: (u64, u64),
    /// The middle of the last sender report's time, and when it came.
    told: Option<(u32, Instant)>,
}

/// What is to be reported.
#[derive(Debug)]
pub(crate) struct Reports {
    start: Instant,
    arrivals: Vec<(u64, i64)>,
    /// The transport-wide number that the next feedback begins with.
    base: Option<u64>,
    feedbacks: u8,
    heard: BTreeMap<u32, Heard>,
    tell_arrivals: Instant,
    report: Instant,
    look: Instant,
}

/// What it is time for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Due {
    pub(crate) arrivals: bool,
    pub(crate) report: bool,
    pub(crate) look: bool,
}

impl Reports {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            start: now,
            arrivals: Vec::new(),
            base: None,
            feedbacks: 0,
            heard: BTreeMap::new(),
            tell_arrivals: now + ARRIVALS_EVERY,
            report: now + REPORTS_EVERY,
            look: now + LOOK_EVERY,
        }
    }

    /// A packet came with this transport-wide sequence number.
    pub(crate) fn arrived(&mut self, number: u16, now: Instant) {
        let last = self.arrivals.last().map(|(last, _)| *last).or(self.base);
        let extended = last.map_or(u64::from(number) + 65_536, |last| near(last, number));
        let micros = i64::try_from(now.duration_since(self.start).as_micros()).unwrap_or(i64::MAX);
        if self.arrivals.len() < MOST_ARRIVALS {
            self.arrivals.push((extended, micros));
        }
        if self.arrivals.len() >= MANY_ARRIVALS {
            self.tell_arrivals = now;
        }
    }

    /// A packet of a source came.
    pub(crate) fn received(&mut self, ssrc: u32, index: u64) {
        let heard = self.heard.entry(ssrc).or_insert_with(|| Heard {
            first: index,
            highest: index,
            ..Heard::default()
        });
        heard.highest = heard.highest.max(index);
        heard.received += 1;
    }

    /// A source has said what time it is.
    pub(crate) fn told(&mut self, ssrc: u32, ntp: u64, now: Instant) {
        if let Some(heard) = self.heard.get_mut(&ssrc) {
            heard.told = Some(((ntp >> 16) as u32, now));
        }
    }

    /// When something is due; `waiting` says whether packets are missing.
    pub(crate) fn due(&self, waiting: bool) -> Instant {
        let soonest = self.tell_arrivals.min(self.report);
        if waiting { soonest.min(self.look) } else { soonest }
    }

    /// What is due now, and is over with that.
    pub(crate) fn take_due(&mut self, now: Instant) -> Due {
        let take = |at: &mut Instant, every| {
            let due = now >= *at;
            if due {
                *at = now + every;
            }
            due
        };
        Due {
            arrivals: take(&mut self.tell_arrivals, ARRIVALS_EVERY),
            report: take(&mut self.report, REPORTS_EVERY),
            look: take(&mut self.look, LOOK_EVERY),
        }
    }

    /// Compounds for what is due, each below 1200 bytes. Every one begins with a report, as RFC 3550 wants it.
    pub(crate) fn write(&mut self, due: Due, now: Instant, mut send: impl FnMut(&[u8])) {
        let mut out = [0; COMPOUND];
        if due.report {
            for blocks in self.blocks(now).chunks(MOST_BLOCKS) {
                let length = rtcp::write_receiver_report(&mut out, REPORTER, blocks);
                send(out.get(..length).unwrap_or_default());
            }
        }
        if due.arrivals && !self.arrivals.is_empty() {
            let statuses = self.statuses();
            let media = self.heard.keys().next().copied().unwrap_or(0);
            self.feedbacks = self.feedbacks.wrapping_add(1);
            behind_a_report(&mut out, &mut send, |room| {
                rtcp::write_twcc(room, REPORTER, media, self.feedbacks, &statuses)
            });
        }
    }

    /// What came since the last feedback, in the order of sending.
    fn statuses(&mut self) -> Vec<(u16, Option<i64>)> {
        self.arrivals.sort_unstable();
        self.arrivals.dedup_by_key(|(number, _)| *number);
        let known = |number: &(u64, i64)| self.base.is_none_or(|base| number.0 >= base);
        let mut statuses: Vec<(u16, Option<i64>)> = Vec::with_capacity(self.arrivals.len() + 1);
        if let (Some(base), Some((first, _))) = (self.base, self.arrivals.iter().find(|one| known(one)))
            && *first > base
        {
            statuses.push((base as u16, None));
        }
        let told = self.arrivals.iter().filter(|one| known(one));
        statuses.extend(told.map(|(number, at)| (*number as u16, Some(*at))));
        if let Some((last, _)) = self.arrivals.last() {
            self.base = self.base.max(Some(last + 1));
        }
        self.arrivals.clear();
        statuses
    }

    fn blocks(&mut self, now: Instant) -> Vec<ReportBlock> {
        let block = |(ssrc, heard): (&u32, &mut Heard)| {
            let expected = heard.highest - heard.first + 1;
            let (e, r) = heard.before;
            let (since, of) = (heard.received.saturating_sub(r), expected.saturating_sub(e));
            heard.before = (expected, heard.received);
            if of == 0 {
                return None;
            }
            let fraction = of.saturating_sub(since) * 256 / of;
            let (last_sr, delay) = heard.told.map_or((0, Duration::ZERO), |(middle, at)| {
                (middle, now.saturating_duration_since(at))
            });
            Some(ReportBlock {
                ssrc: *ssrc,
                fraction_lost: u8::try_from(fraction).unwrap_or(u8::MAX),
                lost: i32::try_from(expected as i64 - heard.received as i64).unwrap_or(i32::MAX),
                highest_sequence: heard.highest as u32,
                // Nobody adapts to it.
                jitter: 0,
                last_sr,
                delay_since_last_sr: (delay.as_micros() * 65_536 / 1_000_000) as u32,
            })
        };
        self.heard.iter_mut().filter_map(block).collect()
    }
}

/// Asks a source for packets again.
pub(crate) fn write_missing(media: u32, missing: &[u16], mut send: impl FnMut(&[u8])) {
    let mut out = [0; COMPOUND];
    for some in missing.chunks(rtcp::MOST_NACK_FIELDS) {
        behind_a_report(&mut out, &mut send, |room| {
            rtcp::write_nack(room, REPORTER, media, some)
        });
    }
}

/// Tells a source that a picture is lost.
pub(crate) fn write_lost_picture(media: u32, mut send: impl FnMut(&[u8])) {
    let mut out = [0; COMPOUND];
    behind_a_report(&mut out, &mut send, |room| rtcp::write_pli(room, REPORTER, media));
}

fn behind_a_report(
    out: &mut [u8; COMPOUND],
    send: &mut impl FnMut(&[u8]),
    write: impl FnOnce(&mut [u8]) -> usize,
) {
    let report = rtcp::write_receiver_report(out, REPORTER, &[]);
    let length = write(out.get_mut(report..).unwrap_or_default());
    if length > 0 {
        send(out.get(..report + length).unwrap_or_default());
    }
}

/// The number that is nearest to `last` among those that end in `number`.
pub(crate) fn near(last: u64, number: u16) -> u64 {
    let distance = number.wrapping_sub(last as u16) as i16;
    last.saturating_add_signed(i64::from(distance))
}

#[cfg(test)]
mod tests {
    use trefoil_rtp::rtcp::{Rtcp, packets};

    use super::*;

    fn compounds(reports: &mut Reports, at: Instant) -> Vec<Vec<u8>> {
        let (due, mut sent) = (reports.take_due(at), Vec::new());
        reports.write(due, at, |compound| sent.push(compound.to_vec()));
        sent
    }

    #[test]
    fn arrivals_are_told_in_order_and_what_is_missing_between_two_feedbacks_too() {
        let start = Instant::now();
        let mut reports = Reports::new(start);
        let told = |sent: &[Vec<u8>]| -> Vec<(u16, bool)> {
            let all = sent.iter().flat_map(|compound| packets(compound));
            let feedback = all.filter_map(|packet| match packet.unwrap() {
                Rtcp::Twcc(twcc) => Some(twcc),
                _ => None,
            });
            feedback
                .flat_map(|twcc| twcc.statuses())
                .map(|(number, arrival)| (number, arrival.is_some()))
                .collect()
        };
        for number in [65_534, 0, 65_535] {
            reports.arrived(number, start);
        }
        let sent = compounds(&mut reports, start + ARRIVALS_EVERY);
        assert_eq!(told(&sent), [(65_534, true), (65_535, true), (0, true)]);
        reports.arrived(3, start + ARRIVALS_EVERY);
        let sent = compounds(&mut reports, start + 2 * ARRIVALS_EVERY);
        assert_eq!(told(&sent), [(1, false), (2, false), (3, true)]);
        assert!(compounds(&mut reports, start + 3 * ARRIVALS_EVERY).is_empty());
    }

    #[test]
    fn a_report_says_which_part_was_lost_since_the_last() {
        let start = Instant::now();
        let mut reports = Reports::new(start);
        let lost = |sent: &[Vec<u8>]| -> Vec<(u32, u8, i32)> {
            let all = sent.iter().flat_map(|compound| packets(compound));
            let blocks = all.filter_map(|packet| match packet.unwrap() {
                Rtcp::ReceiverReport { blocks, .. } => Some(blocks),
                _ => None,
            });
            blocks
                .flatten()
                .map(|block| (block.ssrc, block.fraction_lost, block.lost))
                .collect()
        };
        for index in [10, 11, 13] {
            reports.received(7, index);
        }
        assert_eq!(
            lost(&compounds(&mut reports, start + REPORTS_EVERY)),
            [(7, 64, 1)]
        );
        reports.received(7, 14);
        assert_eq!(
            lost(&compounds(&mut reports, start + 2 * REPORTS_EVERY)),
            [(7, 0, 1)]
        );
        assert!(
            compounds(&mut reports, start + 3 * REPORTS_EVERY).is_empty(),
            "nothing new"
        );
    }
}
