//! Binding: where a client is seen from, and what its NAT does (RFC 5780).

use trefoil_stun::{AttributeType, Message};

use crate::authenticate::Asker;
use crate::server::unknown_attributes;
use crate::{ClientAddr, Discovery, Now, Refusal, Server, Transport};

impl Server {
    /// Answers with the client's address and no more, unless behaviour discovery is on.
    pub(crate) fn binding(&mut self, client: ClientAddr, message: &Message<'_>, now: Now) {
        let asker = Asker::of(client, message);
        if !self.may_answer(client, now) {
            return;
        }
        if let Some(refusal) = unknown_attributes(message) {
            return self.refuse(&asker, &refusal, now);
        }
        let discovery = self
            .config
            .discovery
            .filter(|discovery| discovery.addresses().contains(&client.local));
        let change = message.number(AttributeType::CHANGE_REQUEST);
        let discovery = match (discovery, change) {
            (Some(discovery), _) if client.transport == Transport::Udp => Some(discovery),
            (_, Some(_)) => {
                let unknown = Refusal::UnknownAttributes(vec![AttributeType::CHANGE_REQUEST.0]);
                return self.refuse(&asker, &unknown, now);
            }
            (_, None) => None,
        };
        self.counts.bindings += 1;
        match discovery {
            Some(discovery) => self.discover(asker, discovery, change.unwrap_or(0)),
            None => self.succeed(&asker, |writer| {
                writer.xor_address(AttributeType::XOR_MAPPED_ADDRESS, client.remote);
            }),
        }
    }

    /// [RFC 5780 section 6.1](https://www.rfc-editor.org/rfc/rfc5780#section-6.1): the answer leaves from the address
    /// that CHANGE-REQUEST asks for.
    fn discover(&mut self, mut asker: Asker, discovery: Discovery, change: u32) {
        let (asked, mapped) = (asker.client.local, asker.client.remote);
        let origin = discovery.other(asked, change & 4 != 0, change & 2 != 0);
        let other = discovery.other(asked, true, true);
        asker.client.local = origin;
        self.succeed(&asker, |writer| {
            writer
                .xor_address(AttributeType::XOR_MAPPED_ADDRESS, mapped)
                .address(AttributeType::RESPONSE_ORIGIN, origin)
                .address(AttributeType::OTHER_ADDRESS, other);
        });
    }
}
