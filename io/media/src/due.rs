//! Whose time has come, and when it will next.

use std::time::Duration;

use crate::{timers::Timer, worker::Worker};

/// How often a transport is looked after at least, and how often subscribers get reports.
const LOOK_EVERY: Duration = Duration::from_secs(2);

impl Worker {
    /// Looks after everybody whose time has come.
    pub(crate) fn due(&mut self) {
        while let Some((at, timer)) = self.timers.pop(self.now) {
            match timer {
                Timer::Publish(member) => self.publish_due(member, at),
                Timer::Subscribe(member) => self.subscribe_due(member, at),
                Timer::Room(room) => self.room_due(room, at),
                Timer::Mix(room) => self.mix_due(room, at),
                Timer::Announce(room) => self.announce_due(room, at),
            }
        }
    }

    /// For how long a client may be silent (RFC 7675, section 5.1).
    fn consent(&self) -> Duration {
        Duration::from_secs(self.config.silence_seconds.into())
    }

    fn publish_due(&mut self, member: u32, at: Duration) {
        let (now, instant) = (self.now, self.clock.instant_at(self.now));
        let consent = self.consent();
        let Some(leg) = self
            .members
            .get_mut(member)
            .and_then(|member| member.publish.as_mut())
        else {
            return;
        };
        if leg.planned != Some(at) {
            return;
        }
        leg.planned = None;
        let late = !leg.transport.was_connected() && now.saturating_sub(leg.opened) > consent;
        if late || now.saturating_sub(leg.heard) > consent {
            return self.lose_publish(member);
        }
        if leg.transport.due() <= instant {
            leg.transport.handle_timeout(instant);
        }
        self.poll_published(member, None);
    }

    fn subscribe_due(&mut self, member: u32, at: Duration) {
        let (now, instant) = (self.now, self.clock.instant_at(self.now));
        let consent = self.consent();
        let Some(leg) = self
            .members
            .get_mut(member)
            .and_then(|member| member.subscribe.as_mut())
        else {
            return;
        };
        if leg.planned != Some(at) {
            return;
        }
        leg.planned = None;
        let late = leg.route.is_none() && now.saturating_sub(leg.opened) > consent;
        if leg.transport.is_some() && (late || now.saturating_sub(leg.heard) > consent) {
            return self.lose_subscribe(member);
        }
        let report = now >= leg.next_report;
        if report {
            leg.next_report = now + LOOK_EVERY;
        }
        let engine = leg.transport.as_mut();
        let engine = engine.filter(|transport| transport.due() <= instant);
        let engine = engine
            .map(|transport| transport.handle_timeout(instant))
            .is_some();
        self.pace(member);
        if report {
            self.report(member);
            self.tell_reception(member);
        }
        if engine {
            self.poll_subscribed(member, None);
        } else {
            self.plan_subscribe(member);
        }
    }

    fn room_due(&mut self, room: u32, at: Duration) {
        let Some(known) = self.rooms.get_mut(room) else {
            return;
        };
        if known.planned == Some(at) {
            known.planned = None;
            known.router.handle_timeout(self.now);
            self.outputs(room);
        }
    }

    /// Lets routers look at what has changed.
    pub(crate) fn settle(&mut self) {
        self.unsettled.sort_unstable();
        self.unsettled.dedup();
        while let Some(room) = self.unsettled.pop() {
            if let Some(known) = self.rooms.get_mut(room) {
                known.router.settle(self.now);
                self.outputs(room);
            }
        }
    }

    pub(crate) fn plan_room(&mut self, room: u32) {
        if let Some(known) = self.rooms.get_mut(room)
            && let Some(due) = known.router.poll_timeout()
        {
            self.timers.plan(&mut known.planned, Timer::Room(room), due);
        }
    }

    pub(crate) fn plan_publish(&mut self, member: u32) {
        let soonest = self.now + Duration::from_millis(1);
        if let Some(leg) = self
            .members
            .get_mut(member)
            .and_then(|member| member.publish.as_mut())
        {
            let due = self.clock.elapsed_at(leg.transport.due()).max(soonest);
            let due = due.min(self.now + LOOK_EVERY);
            self.timers.plan(&mut leg.planned, Timer::Publish(member), due);
        }
    }

    pub(crate) fn plan_subscribe(&mut self, member: u32) {
        let Some(leg) = self
            .members
            .get_mut(member)
            .and_then(|member| member.subscribe.as_mut())
        else {
            return;
        };
        let engine = leg.transport.as_ref();
        let engine = engine.map(|transport| self.clock.elapsed_at(transport.due()));
        let pacer = leg.pacer.poll_timeout();
        let estimator = leg
            .out
            .plane_ref()
            .and_then(|plane| plane.estimator().poll_timeout());
        let own = [pacer, estimator]
            .into_iter()
            .flatten()
            .map(|due| Duration::from_micros(due.0));
        let due = own.chain(engine).fold(leg.next_report, Duration::min);
        let soonest = self.now + Duration::from_micros(500);
        self.timers
            .plan(&mut leg.planned, Timer::Subscribe(member), due.max(soonest));
    }
}
