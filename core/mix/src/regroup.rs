//! Who hears the same: looked at again whenever talkers or wishes change, and only then.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    codec::{Channels, Codecs, Quality},
    group::Group,
    hearing::{Gain, Hearing, Output, ParticipantId, SourceId},
    mixer::Mixer,
    overload::Rung,
};

impl<C: Codecs> Mixer<C> {
    /// Puts together who hears the same; groups that stay keep their encoders, new ones go on where their members were.
    pub(crate) fn regroup(&mut self) {
        let mut wanted: BTreeMap<Hearing, Vec<ParticipantId>> = BTreeMap::new();
        for (id, who) in &self.participants {
            if !(who.gone || who.deafened) {
                wanted.entry(self.hearing(*id, who.output)).or_default().push(*id);
            }
        }
        let old = std::mem::take(&mut self.groups);
        let mut groups = Self::new_groups(&old, &wanted);
        groups.extend(
            old.into_iter()
                .filter(|group| wanted.contains_key(&group.hearing)),
        );
        for group in &mut groups {
            group.set_members(wanted.remove(&group.hearing).unwrap_or_default());
        }
        self.groups = groups;
    }

    fn new_groups(
        old: &[Group<C::Encoder>],
        wanted: &BTreeMap<Hearing, Vec<ParticipantId>>,
    ) -> Vec<Group<C::Encoder>> {
        let known: BTreeSet<_> = old.iter().map(|group| &group.hearing).collect();
        let mut was = BTreeMap::new();
        for group in old {
            was.extend(group.members.iter().map(|member| (member, group)));
        }
        let new = wanted.iter().filter(|(hearing, _)| !known.contains(hearing));
        new.map(|(hearing, members)| {
            let before = members.iter().find_map(|member| was.get(member));
            match before {
                Some(before) => Group::after(hearing.clone(), before),
                None => Group::new(hearing.clone()),
            }
        })
        .collect()
    }

    /// What one participant should hear.
    fn hearing(&self, listener: ParticipantId, output: Output) -> Hearing {
        let shared = self.ladder.rung >= Rung::Shared;
        let volumes = self.participants.get(&listener).map(|who| &who.volumes);
        let gains = volumes
            .into_iter()
            .flatten()
            .filter(|(talker, _)| **talker != listener && self.chosen.contains(talker))
            .filter(|(_, gain)| !shared || **gain == Gain::NOTHING)
            .map(|(talker, gain)| (SourceId::Participant(*talker), *gain))
            .collect();
        let output = if shared {
            Output {
                channels: Channels::Mono,
                quality: Quality::default(),
                ..output
            }
        } else {
            output
        };
        Hearing {
            own: self.chosen.contains(&listener).then_some(listener),
            gains,
            output,
        }
    }
}
