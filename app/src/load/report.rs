//! What was measured, as JSON for programs and as a few lines for people.

use std::fmt;

use serde::Serialize;

use super::{plan::Plan, tally::Tally};

/// Everything that was measured.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Report {
    /// The version of Trefoil whose `load` this is.
    pub(super) version: &'static str,
    /// The server, as it was named.
    pub(super) server_url: String,
    /// `trefoil` or `janus`.
    pub(super) kind: &'static str,
    pub(super) plan: Planned,
    pub(super) seconds: u64,
    /// How many stayed connected to the end.
    pub(super) publishers_connected: usize,
    pub(super) subscribers_connected: usize,
    pub(super) sent_packets: u64,
    pub(super) sent_bytes: u64,
    /// Packets that this machine had no time to publish; the load is too large for it.
    pub(super) skipped_packets: u64,
    /// Packets of media that left the server, those sent again too.
    pub(super) arrived_packets: u64,
    pub(super) arrived_bytes: u64,
    /// Packets that were received, each counted once, and of these those that were late.
    pub(super) received_packets: u64,
    pub(super) recovered_packets: u64,
    pub(super) lost_packets: u64,
    pub(super) refused_packets: u64,
    /// The part that never came, after retransmission.
    pub(super) loss: f64,
    /// Received of what was published times subscribers; not for simulcast, where each gets one of several.
    pub(super) delivered: Option<f64>,
    /// From the moment before a packet is encrypted until it is read.
    pub(super) delay_ms: Delay,
    /// Videos that stood still for half a second or longer.
    pub(super) freezes: u64,
    pub(super) server: Option<Server>,
    /// Of this process, in percent of one core. Where a core is busy, delays are the load's own.
    pub(super) load_cpu_percent: f64,
    pub(super) each_second: Vec<Second>,
}

/// What was sent.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Planned {
    pub(super) publishers: usize,
    pub(super) active: usize,
    pub(super) subscribers: usize,
    /// Of each active publisher.
    pub(super) packets_per_second: f64,
    pub(super) audio: bool,
    pub(super) video: bool,
    pub(super) simulcast: bool,
    /// Of the largest packets.
    pub(super) packet_bytes: usize,
    pub(super) burst: usize,
    pub(super) dropped: f64,
}

impl Planned {
    pub(super) fn of(plan: &Plan) -> Self {
        let layers = || plan.tracks.iter().flat_map(|track| &track.layers);
        Self {
            publishers: plan.publishers,
            active: plan.active,
            subscribers: plan.subscribers,
            packets_per_second: plan.packets_per_second(),
            audio: plan.tracks.iter().any(|track| !track.video),
            video: plan.tracks.iter().any(|track| track.video),
            simulcast: !plan.all_arrives(),
            packet_bytes: layers().map(|layer| layer.bytes).max().unwrap_or(0),
            burst: layers().map(|layer| layer.packets).max().unwrap_or(0),
            dropped: plan.loss,
        }
    }
}

/// Quantiles of the delay; nothing if nothing arrived.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub(super) struct Delay {
    pub(super) p50: Option<f64>,
    pub(super) p95: Option<f64>,
    pub(super) p99: Option<f64>,
}

impl Delay {
    pub(super) fn of(tally: &Tally) -> Self {
        Self {
            p50: tally.delay.quantile(0.5),
            p95: tally.delay.quantile(0.95),
            p99: tally.delay.quantile(0.99),
        }
    }
}

/// What the server's process used.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub(super) struct Server {
    /// For each packet of media that left it, if any did.
    pub(super) cpu_us_per_packet: Option<f64>,
    /// Of one core.
    pub(super) cpu_percent: f64,
    /// For each subscriber who came in, from the first word to ICE and DTLS.
    pub(super) join_cpu_us: Option<f64>,
    /// Memory for each subscriber: connected, and at the end.
    pub(super) joined_bytes_per_subscriber: Option<f64>,
    pub(super) end_bytes_per_subscriber: Option<f64>,
    /// Of the whole process, at the end.
    pub(super) resident_bytes: u64,
}

/// One second of it.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub(super) struct Second {
    pub(super) second: u64,
    pub(super) sent_packets: u64,
    pub(super) sent_mbit: f64,
    pub(super) arrived_packets: u64,
    pub(super) arrived_mbit: f64,
    pub(super) loss: f64,
    pub(super) delay_ms: Delay,
    pub(super) freezes: u64,
    pub(super) server_cpu_percent: Option<f64>,
    pub(super) server_cpu_us_per_packet: Option<f64>,
}

impl Second {
    /// `ran` is how many nanoseconds the server ran within this second, which took so many seconds.
    pub(super) fn of(second: u64, length: f64, tally: &Tally, ran: Option<u64>) -> Self {
        let mbit = |bytes: u64| bytes as f64 * 8.0 / 1e6 / length;
        let rate = |packets: u64| (packets as f64 / length).round() as u64;
        let ran = ran.map(|ran| ran as f64);
        Self {
            second,
            sent_packets: rate(tally.sent),
            sent_mbit: mbit(tally.sent_bytes),
            arrived_packets: rate(tally.arrived),
            arrived_mbit: mbit(tally.arrived_bytes),
            loss: tally.loss(),
            delay_ms: Delay::of(tally),
            freezes: tally.freezes,
            server_cpu_percent: ran.map(|ran| ran / length / 1e7),
            server_cpu_us_per_packet: ran.and_then(|ran| each_us(ran, tally.arrived)),
        }
    }
}

/// Microseconds for each packet, if there were any.
pub(super) fn each_us(nanoseconds: f64, packets: u64) -> Option<f64> {
    (packets > 0).then(|| nanoseconds / 1000.0 / packets as f64)
}

/// A line of the live view.
impl fmt::Display for Second {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:4} s  in {:6}/s {:6.1} Mbit/s  out {:7}/s {:7.1} Mbit/s  loss {:.2} %  delay p99 {}  freezes {}",
            self.second,
            self.sent_packets,
            self.sent_mbit,
            self.arrived_packets,
            self.arrived_mbit,
            self.loss * 100.0,
            milliseconds(self.delay_ms.p99),
            self.freezes,
        )?;
        if let Some(percent) = self.server_cpu_percent {
            write!(f, "  server {percent:.0} %")?;
        }
        if let Some(each) = self.server_cpu_us_per_packet {
            write!(f, ", {each:.2} us a packet")?;
        }
        Ok(())
    }
}

/// What a person sees at the end.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Planned {
            publishers,
            active,
            subscribers,
            ..
        } = self.plan;
        writeln!(
            f,
            "{} at {}, {} s: {publishers} published ({active} sent), {subscribers} received",
            self.kind, self.server_url, self.seconds
        )?;
        writeln!(
            f,
            "  packets    {} in, {} out; {} received, {} of these late, {} lost ({:.3} %)",
            self.sent_packets,
            self.arrived_packets,
            self.received_packets,
            self.recovered_packets,
            self.lost_packets,
            self.loss * 100.0
        )?;
        if let Some(delivered) = self.delivered {
            writeln!(f, "  delivered  {:.2} % of what was published", delivered * 100.0)?;
        }
        let Delay { p50, p95, p99 } = self.delay_ms;
        let [p50, p95, p99] = [p50, p95, p99].map(milliseconds);
        writeln!(f, "  delay      {p50} (median), {p95} (95 %), {p99} (99 %)")?;
        writeln!(f, "  freezes    {}", self.freezes)?;
        if let Some(server) = &self.server {
            writeln!(
                f,
                "  server     {} us a packet, {:.0} % of a core, {:.1} MB",
                server
                    .cpu_us_per_packet
                    .map_or_else(|| "-".to_owned(), |each| format!("{each:.2}")),
                server.cpu_percent,
                server.resident_bytes as f64 / 1e6
            )?;
            if let (Some(join), Some(bytes)) = (server.join_cpu_us, server.joined_bytes_per_subscriber) {
                writeln!(
                    f,
                    "  each join  {join:.0} us of the server, {:.0} KB",
                    bytes / 1000.0
                )?;
            }
        }
        for warning in self.warnings() {
            writeln!(f, "  NOTE       {warning}")?;
        }
        Ok(())
    }
}

impl Report {
    /// Why the figures may not be what they seem.
    fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if self.skipped_packets > 0 {
            warnings.push(format!(
                "this machine had no time to send {} packets: lower the load, or run it elsewhere",
                self.skipped_packets
            ));
        }
        if self.load_cpu_percent > 85.0 {
            warnings.push(format!(
                "the load itself took {:.0} % of a core: delays may be its own",
                self.load_cpu_percent
            ));
        }
        let gone = (self.plan.publishers - self.publishers_connected)
            + (self.plan.subscribers - self.subscribers_connected);
        if gone > 0 {
            warnings.push(format!("{gone} connections broke while it was measured"));
        }
        if self.arrived_packets == 0 && self.plan.subscribers > 0 {
            warnings.push("nothing arrived: see the server's log".to_owned());
        }
        warnings
    }
}

fn milliseconds(value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{value:.2} ms"))
}

#[cfg(test)]
pub(super) mod tests {
    use std::time::Duration;

    use super::*;
    use crate::load::plan::tests::arguments;

    /// A report of two seconds.
    pub(in crate::load) fn report() -> Report {
        let mut tally = Tally {
            sent: 100,
            sent_bytes: 125_000,
            arrived: 1010,
            arrived_bytes: 1_250_000,
            received: 990,
            lost: 10,
            ..Tally::default()
        };
        tally.delay.record(Duration::from_millis(4));
        let second = |second| Second::of(second, 1.0, &tally, Some(250_000_000));
        Report {
            version: "0",
            server_url: "http://127.0.0.1:8080".to_owned(),
            kind: "trefoil",
            plan: Planned::of(&Plan::new(&arguments("--publishers 2")).unwrap()),
            seconds: 2,
            publishers_connected: 2,
            subscribers_connected: 10,
            sent_packets: 200,
            sent_bytes: 250_000,
            skipped_packets: 0,
            arrived_packets: 2020,
            arrived_bytes: 2_500_000,
            received_packets: 1980,
            recovered_packets: 7,
            lost_packets: 20,
            refused_packets: 0,
            loss: 0.01,
            delivered: Some(0.99),
            delay_ms: Delay::of(&tally),
            freezes: 1,
            server: Some(Server::default()),
            load_cpu_percent: 10.0,
            each_second: vec![second(1), second(2)],
        }
    }

    #[test]
    fn a_second_is_a_line_of_rates() {
        let report = report();
        let line = report.each_second[0].to_string();
        for part in [
            "in    100/s    1.0 Mbit/s",
            "out    1010/s    10.0 Mbit/s",
            "loss 1.00 %",
            "server 25 %, 247.52 us a packet",
        ] {
            assert!(line.contains(part), "{part}: {line}");
        }
    }

    #[test]
    fn what_makes_figures_doubtful_is_said() {
        let mut report = report();
        assert!(report.warnings().is_empty());
        report.skipped_packets = 5;
        report.load_cpu_percent = 99.0;
        report.subscribers_connected = 9;
        report.arrived_packets = 0;
        let all = report.to_string();
        for part in [
            "no time to send 5",
            "99 % of a core",
            "1 connections broke",
            "nothing arrived",
        ] {
            assert!(all.contains(part), "{part}: {all}");
        }
    }
}
