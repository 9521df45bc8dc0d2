//! `trefoil load`: fills a room with people who publish and receive, and measures what arrives, when, and at what cost.
//!
//! Two threads carry the media, one for all publishers and one for all subscribers; the main thread speaks to the server
//! about rooms, and takes every second what the two have counted.

mod call;
mod http;
mod janus;
mod plan;
mod plot;
mod process;
mod publisher;
mod report;
mod shared;
mod signals;
mod stamp;
mod subscriber;
mod tally;
mod trefoil;

use std::{
    fs,
    net::IpAddr,
    path::Path,
    sync::{Arc, mpsc},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};
use trefoil_net::nap;
use trefoil_peer::Engine;

use self::{
    call::Call,
    http::Place,
    plan::Plan,
    process::Process,
    publisher::Publisher,
    report::{Delay, Planned, Report, Second, Server, each_us},
    shared::Shared,
    subscriber::{Measure, Subscriber},
    tally::Tally,
};
use crate::arguments::LoadArguments;

/// How long connections may take to be made.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often the main thread looks at the server's messages.
const LOOK: Duration = Duration::from_millis(20);
/// What is on its way when sending ends may take this long to come, or to be given up.
const TAIL: Duration = Duration::from_millis(1300);

/// Does it, shows it on standard error, and prints what was found.
#[allow(clippy::print_stdout, reason = "the findings are what was asked for")]
pub(crate) fn run(arguments: &LoadArguments) -> anyhow::Result<()> {
    let plan = Plan::new(arguments)?;
    let place = Place::parse(arguments.janus.as_ref().unwrap_or(&arguments.url))?;
    let local = place.local_address()?;
    let mut call: Box<dyn Call> = match &arguments.janus {
        Some(url) => Box::new(janus::Room::open(url, place, plan.publishers)?),
        None => {
            let people = plan.publishers + plan.subscribers;
            Box::new(trefoil::Room::open(arguments, place, people, plan.places())?)
        }
    };
    let load = Load::start(&plan, local, arguments.pid.map(Process))?;
    let measured = load.measure(&plan, call.as_mut());
    call.leave();
    load.stop()?;
    let report = measured?.report(&plan, arguments);
    if let Some(path) = &arguments.report {
        write(path, &serde_json::to_string_pretty(&report)?)?;
    }
    if let Some(path) = &arguments.plot {
        write(path, &plot::svg(&report))?;
    }
    print!("{report}");
    Ok(())
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

/// The threads, and where the server's process is watched.
struct Load {
    shared: Arc<Shared>,
    local: IpAddr,
    engine: Engine,
    server: Option<Process>,
    publish: mpsc::Sender<Publisher>,
    subscribe: mpsc::Sender<Subscriber>,
    publishing: JoinHandle<()>,
    receiving: JoinHandle<anyhow::Result<()>>,
}

/// What the server had used at some moment.
#[derive(Debug, Clone, Copy, Default)]
struct Used {
    ran: u64,
    resident: u64,
}

/// What was found.
#[derive(Default)]
struct Measured {
    /// While it was measured, and afterwards.
    within: Tally,
    after: Tally,
    each_second: Vec<Second>,
    /// Nanoseconds: of the server for all who joined to receive, of the server and of this process within.
    joining: u64,
    server_ran: u64,
    load_ran: u64,
    length: f64,
    /// Memory before anybody came to receive, when all were there, and at the end.
    resident: [u64; 3],
    connected: (usize, usize),
}

impl Load {
    fn start(plan: &Plan, local: IpAddr, server: Option<Process>) -> anyhow::Result<Self> {
        let shared = Arc::new(Shared::new());
        let measure = Measure {
            loss: plan.loss,
            freeze: plan.freeze(),
        };
        let (publish, publishers) = mpsc::channel();
        let (subscribe, subscribers) = mpsc::channel();
        let (ours, theirs) = (shared.clone(), shared.clone());
        let named = |name: &str| thread::Builder::new().name(name.to_owned());
        let publishing = named("publishers")
            .spawn(move || publisher::run(&ours, &publishers))
            .context("no thread could be started")?;
        let receiving = named("subscribers")
            .spawn(move || subscriber::run(&theirs, &subscribers, measure))
            .context("no thread could be started")?;
        let engine = Engine::new().map_err(|error| anyhow::anyhow!("WebRTC cannot be set up: {error}"))?;
        Ok(Self {
            shared,
            local,
            engine,
            server,
            publish,
            subscribe,
            publishing,
            receiving,
        })
    }

    fn used(&self) -> anyhow::Result<Used> {
        let Some(server) = self.server else {
            return Ok(Used::default());
        };
        Ok(Used {
            ran: server.ran()?,
            resident: server.resident_bytes()?,
        })
    }

    fn measure(&self, plan: &Plan, call: &mut dyn Call) -> anyhow::Result<Measured> {
        let mut measured = self.gather(plan, call)?;
        eprintln!(
            "{} publishers and {} subscribers are connected; warming up for {} s",
            plan.publishers,
            plan.subscribers,
            plan.warm_up.as_secs()
        );
        self.shared.set_sending(true);
        self.pass(call, Instant::now() + plan.warm_up)?;
        let (began, own, mut before) = (Instant::now(), Process::own(), self.used()?);
        let (ran, first) = (own.ran()?, before.ran);
        self.shared.take_tally();
        let mut last = began;
        for second in 1..=plan.seconds {
            self.pass(call, began + Duration::from_secs(second))?;
            let (tally, used, now) = (self.shared.take_tally(), self.used()?, Instant::now());
            let length = now.duration_since(last).as_secs_f64();
            let ran = self
                .server
                .map(|_| used.ran.saturating_sub(std::mem::replace(&mut before, used).ran));
            last = now;
            let line = Second::of(second, length, &tally, ran);
            eprintln!("{line}");
            measured.each_second.push(line);
            measured.within.add(&tally);
        }
        measured.length = last.duration_since(began).as_secs_f64();
        measured.server_ran = before.ran.saturating_sub(first);
        measured.load_ran = own.ran()?.saturating_sub(ran);
        measured.resident[2] = self.used()?.resident;
        measured.connected = (self.shared.publishing.now(), self.shared.receiving.now());
        self.shared.set_sending(false);
        self.pass(call, Instant::now() + TAIL)?;
        measured.after = self.shared.take_tally();
        Ok(measured)
    }

    /// Everybody comes in, publishers first.
    fn gather(&self, plan: &Plan, call: &mut dyn Call) -> anyhow::Result<Measured> {
        let mut measured = Measured::default();
        let subscribers = plan.publishers..plan.publishers + plan.subscribers;
        for number in 0..plan.publishers {
            call.enter(number, true)?;
        }
        let start = self.used()?;
        for number in subscribers.clone() {
            call.enter(number, false)?;
        }
        let entered = self.used()?;
        for number in 0..plan.publishers {
            let phase = number as f64 / plan.publishers as f64;
            let (mut publisher, offer) = Publisher::new(self.local, &plan.tracks, phase)?;
            publisher.accept(&call.publish(number, offer)?)?;
            if number >= plan.active {
                publisher.be_silent();
            }
            let _ = self.publish.send(publisher);
        }
        self.until(call, "publish", plan.publishers, |shared| shared.publishing.now())?;
        let published = self.used()?;
        for number in subscribers {
            let mut subscriber = Subscriber::new(&self.engine, self.local)?;
            call.subscribe(number, &mut |offer| subscriber.answer(offer))?;
            let _ = self.subscribe.send(subscriber);
        }
        self.until(call, "receive", plan.subscribers, |shared| shared.receiving.now())?;
        let joined = self.used()?;
        measured.joining = (entered.ran - start.ran) + (joined.ran - published.ran);
        measured.resident = [
            start.resident + published.resident.saturating_sub(entered.resident),
            joined.resident,
            0,
        ];
        Ok(measured)
    }

    /// Waits until so many are connected.
    fn until(
        &self,
        call: &mut dyn Call,
        what: &str,
        wanted: usize,
        now: impl Fn(&Shared) -> usize,
    ) -> anyhow::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while now(&self.shared) < wanted {
            if Instant::now() > deadline {
                bail!(
                    "only {} of {wanted} who should {what} could connect their media from {}: does a firewall stop \
                     UDP between this machine and the server's candidates?",
                    now(&self.shared),
                    self.local
                );
            }
            self.pass(call, Instant::now())?;
        }
        Ok(())
    }

    /// Stays until then.
    fn pass(&self, call: &mut dyn Call, until: Instant) -> anyhow::Result<()> {
        loop {
            call.stay()?;
            if self.receiving.is_finished() || self.publishing.is_finished() {
                bail!("a thread of the load has ended");
            }
            nap(LOOK
                .min(until.saturating_duration_since(Instant::now()))
                .max(Duration::from_millis(1)));
            if Instant::now() >= until {
                return Ok(());
            }
        }
    }

    fn stop(self) -> anyhow::Result<()> {
        self.shared.end();
        let _ = self.publishing.join();
        self.receiving
            .join()
            .unwrap_or_else(|_| bail!("the subscribers' thread has panicked"))
    }
}

impl Measured {
    fn report(self, plan: &Plan, arguments: &LoadArguments) -> Report {
        let mut all = self.within.clone();
        all.add(&self.after);
        let subscribers = plan.subscribers as f64;
        let each = |whole: u64| (plan.subscribers > 0).then(|| whole as f64 / subscribers);
        let grown = |resident: u64| each(resident.saturating_sub(self.resident[0]));
        let expected = all.sent as f64 * subscribers;
        Report {
            version: env!("CARGO_PKG_VERSION"),
            server_url: arguments.janus.as_ref().unwrap_or(&arguments.url).clone(),
            kind: if arguments.janus.is_some() {
                "janus"
            } else {
                "trefoil"
            },
            plan: Planned::of(plan),
            seconds: plan.seconds,
            publishers_connected: self.connected.0,
            subscribers_connected: self.connected.1,
            sent_packets: self.within.sent,
            sent_bytes: self.within.sent_bytes,
            skipped_packets: all.skipped,
            arrived_packets: self.within.arrived,
            arrived_bytes: self.within.arrived_bytes,
            received_packets: all.received,
            recovered_packets: all.recovered,
            lost_packets: all.lost,
            refused_packets: all.refused,
            loss: all.loss(),
            delivered: (plan.all_arrives() && expected > 0.0).then(|| all.received as f64 / expected),
            delay_ms: Delay::of(&self.within),
            freezes: all.freezes,
            server: arguments.pid.map(|_| Server {
                cpu_us_per_packet: each_us(self.server_ran as f64, self.within.arrived),
                cpu_percent: self.server_ran as f64 / self.length / 1e7,
                join_cpu_us: each(self.joining).map(|nanoseconds| nanoseconds / 1000.0),
                joined_bytes_per_subscriber: grown(self.resident[1]),
                end_bytes_per_subscriber: grown(self.resident[2]),
                resident_bytes: self.resident[2],
            }),
            load_cpu_percent: self.load_ran as f64 / self.length / 1e7,
            each_second: self.each_second,
        }
    }
}
