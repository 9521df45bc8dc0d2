//! One connection both ways, for clients that know one "other": the media server is that other. What they send is forwarded
//! and mixed as anybody's; they hear the mix of all others and see whoever speaks.

use trefoil_peer::{IceCredentials, PublishTransport, PublishedMedia};
use trefoil_sfu::{MemberId, View};

use crate::{
    Told,
    demux::Leg,
    member::{Allowance, Member, PublishLeg},
    negotiate::fingerprint_of,
    worker::Worker,
};

impl Member {
    /// Whether one connection of theirs goes both ways.
    pub(crate) fn is_in_call(&self) -> bool {
        self.subscribe.as_ref().is_some_and(|leg| leg.transport.is_none())
    }

    /// Which video somebody in a call gets.
    pub(crate) const fn call_view(&self) -> View {
        if self.rights.subscribe {
            View::Speaker
        } else {
            View::Only(Vec::new())
        }
    }
}

impl Worker {
    /// Somebody wants a call, or offers it in another way.
    pub(crate) fn call(&mut self, member: u32, offer: Option<&str>) {
        let Some(known) = self.members.get(member) else {
            return;
        };
        if !known.rights.publish && !known.rights.subscribe {
            let why = "your role may neither publish nor subscribe";
            return self.refuse(member, "call", why, true);
        }
        let fingerprint = offer.map_or("", fingerprint_of);
        let leg = known.publish.as_ref().filter(|_| known.is_in_call());
        let goes_on = !fingerprint.is_empty() && leg.is_some_and(|leg| leg.fingerprint == fingerprint);
        if !goes_on && let Err(error) = self.open_call(member, fingerprint) {
            let why = format!("no transport could be made: {error}");
            return self.refuse(member, "call", &why, false);
        }
        let Some((publish, subscribe)) = self.members.get_mut(member).and_then(Member::legs) else {
            return;
        };
        let before = publish.transport.fragment().to_owned();
        let described = match offer {
            Some(offer) => publish.transport.accept_both(offer, &mut subscribe.out),
            None => publish.transport.offer_both(&subscribe.out),
        };
        let after = publish.transport.fragment().to_owned();
        self.demux.remove_fragment(&before);
        self.demux.add_fragment(&after, member, Leg::Publish);
        match described {
            Ok(description) => {
                let is_offer = offer.is_none();
                let told = Told::Called {
                    description,
                    is_offer,
                };
                self.tell(member, told);
                self.agree(member);
            }
            Err(refusal) => {
                if !goes_on {
                    self.close_call(member);
                }
                self.refuse(member, "call", &refusal.to_string(), false);
            }
        }
    }

    /// New transports in the place of all that there were.
    fn open_call(&mut self, member: u32, fingerprint: &str) -> Result<(), getrandom::Error> {
        self.close_call(member);
        let credentials = IceCredentials::random(self.number)?;
        // They hear the mix, and see one picture.
        let subscribe = self.subscribe_leg(0, 1)?;
        let now = self.clock.instant_at(self.now);
        let (engine, addresses) = (&self.engine, &self.addresses);
        let transport = PublishTransport::both_ways(engine, credentials, addresses, &subscribe.out, now);
        let publish = PublishLeg {
            transport,
            fingerprint: fingerprint.to_owned(),
            at: Vec::new(),
            opened: self.now,
            heard: self.now,
            planned: None,
            tracks: Vec::new(),
            allowance: Allowance::new(self.config.publish_bits_per_second, self.now),
        };
        if let Some(known) = self.members.get_mut(member) {
            // What they said of other m= sections does not hold for these.
            known.sources.clear();
            known.publish = Some(Box::new(publish));
            known.subscribe = Some(Box::new(subscribe));
        }
        Ok(())
    }

    /// Their answer to our offer of a call.
    pub(crate) fn answer_call(&mut self, member: u32, answer: &str) {
        let Some((publish, subscribe)) = self.members.get_mut(member).and_then(Member::legs) else {
            return;
        };
        match publish.transport.answer_both(answer, &mut subscribe.out) {
            Ok(()) => {
                fingerprint_of(answer).clone_into(&mut publish.fingerprint);
                self.agree(member);
            }
            Err(refusal) => self.refuse(member, "answer", &refusal.to_string(), false),
        }
    }

    /// Both sides know what the call is.
    fn agree(&mut self, member: u32) {
        self.settle_call(member);
        self.begin_receiving(member);
        self.poll_publish(member);
    }

    /// A transport is connected; if it goes both ways, so is the other one.
    pub(crate) fn begin_call(&mut self, member: u32) {
        let known = self.members.get_mut(member);
        let known = known.filter(|known| known.is_in_call());
        let Some((publish, subscribe)) = known.and_then(Member::legs) else {
            return;
        };
        publish.transport.begin_sending(&mut subscribe.out);
        self.begin_receiving(member);
        self.plan_subscribe(member);
    }

    /// Makes true what somebody in a call may do.
    pub(crate) fn settle_call(&mut self, member: u32) {
        let Some(known) = self.members.get(member) else {
            return;
        };
        let (room, view, may) = (known.room, known.call_view(), known.rights.publish);
        let Some(leg) = &known.publish else { return };
        let media = leg.transport.media().cloned().map(|media| PublishedMedia {
            sending: media.sending && may,
            ..media
        });
        let media: Vec<PublishedMedia> = media.collect();
        self.follow_media(member, &media);
        self.tell_tracks(member);
        if let Some(room) = self.rooms.get_mut(room) {
            room.router.set_view(MemberId(member.into()), view);
        }
        self.settle_hearing(member);
    }

    /// Ends both halves; whether there was anything to end.
    pub(crate) fn close_call(&mut self, member: u32) -> bool {
        let (sent, received) = (self.close_publish(member), self.close_subscribe(member));
        if sent {
            self.tell_tracks(member);
        }
        sent || received
    }
}
