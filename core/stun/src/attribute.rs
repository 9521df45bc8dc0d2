//! The attribute types of STUN, TURN and their extensions.

/// The type of an attribute, as its 16 bits on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AttributeType(pub u16);

macro_rules! types {
    ($($name:ident = $value:literal, $document:literal;)*) => {
        impl AttributeType {
            $(#[doc = $document] pub const $name: AttributeType = AttributeType($value);)*

            /// Whether this server knows what the attribute means.
            #[must_use]
            pub fn is_known(self) -> bool { matches!(self.0, $($value)|*) }
        }
    };
}

types! {
    MAPPED_ADDRESS = 0x0001, "RFC 8489 section 14.1.";
    CHANGE_REQUEST = 0x0003, "RFC 5780 section 7.2.";
    USERNAME = 0x0006, "RFC 8489 section 14.3.";
    MESSAGE_INTEGRITY = 0x0008, "RFC 8489 section 14.5.";
    ERROR_CODE = 0x0009, "RFC 8489 section 14.8.";
    UNKNOWN_ATTRIBUTES = 0x000A, "RFC 8489 section 14.13.";
    CHANNEL_NUMBER = 0x000C, "RFC 8656 section 18.1.";
    LIFETIME = 0x000D, "RFC 8656 section 18.2, seconds.";
    XOR_PEER_ADDRESS = 0x0012, "RFC 8656 section 18.3.";
    DATA = 0x0013, "RFC 8656 section 18.4.";
    REALM = 0x0014, "RFC 8489 section 14.9.";
    NONCE = 0x0015, "RFC 8489 section 14.10.";
    XOR_RELAYED_ADDRESS = 0x0016, "RFC 8656 section 18.5.";
    REQUESTED_ADDRESS_FAMILY = 0x0017, "RFC 8656 section 18.6.";
    EVEN_PORT = 0x0018, "RFC 8656 section 18.7.";
    REQUESTED_TRANSPORT = 0x0019, "RFC 8656 section 18.8.";
    DONT_FRAGMENT = 0x001A, "RFC 8656 section 18.9.";
    ACCESS_TOKEN = 0x001B, "RFC 7635 section 6.2.";
    MESSAGE_INTEGRITY_SHA256 = 0x001C, "RFC 8489 section 14.6.";
    PASSWORD_ALGORITHM = 0x001D, "RFC 8489 section 14.12.";
    USERHASH = 0x001E, "RFC 8489 section 14.4.";
    XOR_MAPPED_ADDRESS = 0x0020, "RFC 8489 section 14.2.";
    RESERVATION_TOKEN = 0x0022, "RFC 8656 section 18.10.";
    PRIORITY = 0x0024, "RFC 8445 section 7.1.1, sent by ICE agents.";
    USE_CANDIDATE = 0x0025, "RFC 8445 section 7.1.2, sent by ICE agents.";
    CONNECTION_ID = 0x002A, "RFC 6062 section 6.2.1.";
    ADDITIONAL_ADDRESS_FAMILY = 0x8000, "RFC 8656 section 18.11.";
    ADDRESS_ERROR_CODE = 0x8001, "RFC 8656 section 18.12.";
    PASSWORD_ALGORITHMS = 0x8002, "RFC 8489 section 14.11.";
    ALTERNATE_DOMAIN = 0x8003, "RFC 8489 section 14.16.";
    ICMP = 0x8004, "RFC 8656 section 18.13.";
    SOFTWARE = 0x8022, "RFC 8489 section 14.14.";
    ALTERNATE_SERVER = 0x8023, "RFC 8489 section 14.15.";
    FINGERPRINT = 0x8028, "RFC 8489 section 14.7.";
    ICE_CONTROLLED = 0x8029, "RFC 8445 section 7.1.3, sent by ICE agents.";
    ICE_CONTROLLING = 0x802A, "RFC 8445 section 7.1.3, sent by ICE agents.";
    RESPONSE_ORIGIN = 0x802B, "RFC 5780 section 7.3.";
    OTHER_ADDRESS = 0x802C, "RFC 5780 section 7.4.";
    THIRD_PARTY_AUTHORIZATION = 0x802E, "RFC 7635 section 6.1.";
    MOBILITY_TICKET = 0x8030, "RFC 8016 section 3.2.";
}

/// Whether a receiver that does not know the attribute must refuse the request
/// ([RFC 8489 section 14](https://www.rfc-editor.org/rfc/rfc8489#section-14)).
#[must_use]
pub fn is_comprehension_required(attribute: AttributeType) -> bool {
    attribute.0 < 0x8000
}
