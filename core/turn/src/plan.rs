//! What an Allocate asks for: the sockets that it needs, or why it asks for what cannot be.

use std::collections::VecDeque;

use trefoil_stun::{AttributeType, Message};

use crate::{Refusal, Transport};

/// REQUESTED-TRANSPORT for UDP.
const UDP: u8 = 17;
/// REQUESTED-TRANSPORT for TCP.
const TCP: u8 = 6;

/// One socket that an allocation needs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Want {
    pub(crate) v4: bool,
    pub(crate) even: bool,
    /// The next port too, for RESERVATION-TOKEN.
    pub(crate) pair: bool,
    /// The allocation is made even without it (ADDITIONAL-ADDRESS-FAMILY).
    pub(crate) optional: bool,
}

/// What an Allocate asks for.
pub(crate) struct Plan {
    /// Peers are reached over TCP.
    pub(crate) tcp: bool,
    pub(crate) wants: VecDeque<Want>,
    pub(crate) token: Option<[u8; 8]>,
}

/// Reads REQUESTED-ADDRESS-FAMILY or ADDITIONAL-ADDRESS-FAMILY; true for IPv4.
pub(crate) fn family(value: &[u8]) -> Result<bool, Refusal> {
    match value {
        [1, 0, 0, 0] => Ok(true),
        [2, 0, 0, 0] => Ok(false),
        _ => Err(Refusal::UnsupportedFamily),
    }
}

impl Plan {
    /// [RFC 8656 section 7.2](https://www.rfc-editor.org/rfc/rfc8656#section-7.2), steps 3 to 9, for a client that came
    /// over `transport`; `tcp` if TCP is relayed at all.
    pub(crate) fn of(message: &Message<'_>, transport: Transport, tcp: bool) -> Result<Plan, Refusal> {
        match message.first(AttributeType::REQUESTED_TRANSPORT) {
            Some([UDP, _, _, _]) => Plan::udp(message),
            Some([TCP, _, _, _]) if tcp => Plan::tcp(message, transport),
            Some([_, _, _, _]) => Err(Refusal::UnsupportedTransport),
            Some(_) | None => Err(Refusal::MissingTransport),
        }
    }

    fn udp(message: &Message<'_>) -> Result<Plan, Refusal> {
        let token = message.first(AttributeType::RESERVATION_TOKEN);
        let even = message.first(AttributeType::EVEN_PORT);
        let requested = message.first(AttributeType::REQUESTED_ADDRESS_FAMILY);
        let additional = message.first(AttributeType::ADDITIONAL_ADDRESS_FAMILY);
        let v4 = requested.map_or(Ok(true), family)?;
        let pair = match even {
            Some([bits, ..]) => bits & 0x80 != 0,
            Some([]) => return Err(Refusal::ConflictingAttributes),
            None => false,
        };
        if let Some(token) = token {
            let token = <[u8; 8]>::try_from(token).map_err(|_| Refusal::ConflictingAttributes)?;
            let alone = even.is_none() && requested.is_none() && additional.is_none();
            let plan = Plan {
                tcp: false,
                wants: VecDeque::new(),
                token: Some(token),
            };
            return if alone {
                Ok(plan)
            } else {
                Err(Refusal::ConflictingAttributes)
            };
        }
        let mut wants = VecDeque::from([Want {
            v4,
            even: even.is_some(),
            pair,
            optional: false,
        }]);
        if let Some(additional) = additional {
            // Only IPv6 can be additional, and only to the IPv4 that is meant when nothing is requested.
            if family(additional)? || requested.is_some() || pair {
                return Err(Refusal::ConflictingAttributes);
            }
            wants.push_back(Want {
                v4: false,
                even: false,
                pair: false,
                optional: true,
            });
        }
        Ok(Plan {
            tcp: false,
            wants,
            token: None,
        })
    }

    /// [RFC 6062 section 5.1](https://www.rfc-editor.org/rfc/rfc6062#section-5.1): over a connection only, and without
    /// what makes sense for datagrams alone.
    fn tcp(message: &Message<'_>, transport: Transport) -> Result<Plan, Refusal> {
        if !transport.is_stream() {
            return Err(Refusal::NeedsStream);
        }
        let of_datagrams = [
            AttributeType::DONT_FRAGMENT,
            AttributeType::EVEN_PORT,
            AttributeType::RESERVATION_TOKEN,
            AttributeType::ADDITIONAL_ADDRESS_FAMILY,
            AttributeType::MOBILITY_TICKET,
        ];
        if of_datagrams.iter().any(|kind| message.first(*kind).is_some()) {
            return Err(Refusal::ConflictingAttributes);
        }
        let requested = message.first(AttributeType::REQUESTED_ADDRESS_FAMILY);
        let want = Want {
            v4: requested.map_or(Ok(true), family)?,
            even: false,
            pair: false,
            optional: false,
        };
        Ok(Plan {
            tcp: true,
            wants: VecDeque::from([want]),
            token: None,
        })
    }
}
