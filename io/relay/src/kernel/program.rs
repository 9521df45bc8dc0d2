//! The classifier that relays data of bound channels at the entrance of a network interface.
//!
//! ChannelData from a client of the table loses its four bytes of header and goes to the channel's peer; a datagram from that
//! peer to the relayed address gains them and goes to the client. Everything else, and everything in doubt, goes on to the
//! sockets: fragments, IP options, padding after the data, other lengths than the headers say, more than 1496 bytes,
//! IPv6, VLANs, and several datagrams that the kernel joined into one.
//!
//! Checksums are kept from end to end: changed by what changes, so that damage on the way stays visible. Where a local
//! sender has left its checksum to the hardware (which cannot be seen, but is never marked as checked), packets go to the sockets;
//! except on the loopback interface, where nobody makes or reads any.

use trefoil_net::bpf::{Assembler, Calculation, Condition, Label, Register, Size, Table, Value};

use Calculation::{Add, And, ShiftLeft, ShiftRight, Subtract, Xor};
use Condition::{Common, Different, Equal, Greater, Less, SignedAtLeast, SignedLess};
use Register::{R0, R1, R2, R3, R4, R5, R6, R7, R8, R9, R10};
use Size::{Eight, Four, One, Two};

/// What a channel's row is made of; each a word of eight bytes.
pub(crate) mod word {
    /// Source and destination address of packets to the client, as in the header of IPv4.
    pub(crate) const TO_CLIENT: usize = 0;
    /// Their ports, as in the header of UDP, then the channel's number and two bytes of zero.
    pub(crate) const CLIENT_PORTS: usize = 1;
    /// Source and destination address of packets to the peer.
    pub(crate) const TO_PEER: usize = 2;
    /// Their ports, then four bytes of zero.
    pub(crate) const PEER_PORTS: usize = 3;
    /// The interface at which the client's packets came in; 0 before the first.
    pub(crate) const CLIENT_INTERFACE: usize = 4;
    /// The same of the peer.
    pub(crate) const PEER_INTERFACE: usize = 5;
    /// Packets from the client, and bytes, then the same to it.
    pub(crate) const TRAFFIC: usize = 6;
    /// All of them.
    pub(crate) const COUNT: usize = 10;
}

/// A key of the table of places: addresses and ports of an arriving packet in the order of its headers, then the channel
/// (0 for a peer) and two bytes of zero. Its value is the number of the channel's row.
pub(crate) const KEY: usize = 16;

/// The packet is none of ours: whatever else there is may look at it (`TCX_NEXT`).
const NEXT: i32 = -1;

/// Fields of `struct __sk_buff`.
mod field {
    pub(super) const LENGTH: i16 = 0;
    pub(super) const VLAN: i16 = 20;
    pub(super) const INTERFACE: i16 = 40;
    pub(super) const DATA: i16 = 76;
    pub(super) const DATA_END: i16 = 80;
    pub(super) const JOINED: i16 = 176;
}

/// Functions of the kernel (`bpf-helpers(7)`).
mod function {
    pub(super) const LOOK_UP: u32 = 1;
    pub(super) const RANDOM: u32 = 7;
    pub(super) const STORE: u32 = 9;
    pub(super) const UPDATE_CHECKSUM: u32 = 40;
    pub(super) const ADJUST_ROOM: u32 = 50;
    pub(super) const CHECKSUM_LEVEL: u32 = 135;
    pub(super) const REDIRECT: u32 = 152;
}

/// Offsets in an Ethernet frame with IPv4 without options and UDP.
mod at {
    pub(super) const PROTOCOL: i16 = 12;
    pub(super) const IP: i16 = 14;
    pub(super) const LENGTH: i16 = 16;
    pub(super) const FRAGMENT: i16 = 20;
    pub(super) const TRANSPORT: i16 = 23;
    pub(super) const SOURCE: i16 = 26;
    pub(super) const PORTS: i16 = 34;
    pub(super) const DESTINATION_PORT: i16 = 36;
    pub(super) const UDP_LENGTH: i16 = 38;
    pub(super) const CHECKSUM: i16 = 40;
    pub(super) const CHANNEL: i16 = 42;
    pub(super) const CHANNEL_LENGTH: i16 = 44;
    pub(super) const END: i32 = 46;
}

/// Places below the top of the stack.
mod stack {
    pub(super) const KEY: i16 = -16;
    pub(super) const KEY_PORTS: i16 = -8;
    pub(super) const KEY_CHANNEL: i16 = -4;
    pub(super) const ROW: i16 = -24;
    /// What the arriving packet's UDP length says, in the machine's order.
    pub(super) const LENGTH: i16 = -32;
    /// The new headers: 20 bytes of IPv4, 8 of UDP, 4 of ChannelData.
    pub(super) const HEADERS: i16 = -64;
    pub(super) const UDP: i16 = HEADERS + 20;
    pub(super) const CHANNEL: i16 = HEADERS + 28;
}

const HEADERS_OF_IP_AND_UDP: i32 = 28;
/// Data in ChannelData comes after that many bytes.
const CHANNEL_HEADER: i32 = 4;
/// The largest IP packet that still fits with four bytes more.
const LARGEST: i32 = 1496;

/// Which way a packet goes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    ToPeer,
    ToClient,
}

/// What the program is made for.
#[derive(Debug)]
pub(crate) struct Given<'a> {
    /// From [`KEY`] to the number of a row.
    pub(crate) places: &'a Table,
    /// Rows of [`word::COUNT`] words.
    pub(crate) rows: &'a Table,
    /// The ports of relayed addresses, the first and the last.
    pub(crate) ports: (u16, u16),
    /// The loopback interface, where nobody makes checksums.
    pub(crate) loopback: i32,
}

/// The program.
pub(crate) fn program(given: &Given<'_>) -> Assembler {
    let (first, last) = given.ports;
    let mut code = Assembler::new();
    let (leave, from_client) = (code.label(), code.label());
    check_headers(&mut code, leave);
    code.load(Two, R2, R7, at::DESTINATION_PORT);
    code.swap_two(R2);
    code.jump_if(R2, Less, i32::from(first), from_client);
    code.jump_if(R2, Greater, i32::from(last), from_client);
    carry(&mut code, given, Way::ToClient, leave);
    code.here(from_client);
    check_channel(&mut code, leave);
    carry(&mut code, given, Way::ToPeer, leave);
    code.here(leave);
    code.set(R0, NEXT);
    code.exit();
    code
}

/// Leaves `R6` the packet, `R7` its bytes, and addresses, ports and length on the stack.
fn check_headers(code: &mut Assembler, leave: Label) {
    code.set(R6, R1);
    for unusual in [field::JOINED, field::VLAN] {
        code.load(Four, R2, R6, unusual);
        code.jump_if(R2, Different, 0, leave);
    }
    code.load(Four, R7, R6, field::DATA);
    code.load(Four, R8, R6, field::DATA_END);
    code.set(R2, R7);
    code.calculate(R2, Add, at::END);
    code.jump_if(R2, Greater, R8, leave);
    let fixed = [
        (Two, at::PROTOCOL, i32::from(0x0800_u16.to_be())),
        (One, at::IP, 0x45),
        (One, at::TRANSPORT, 17),
    ];
    for (size, offset, expected) in fixed {
        code.load(size, R2, R7, offset);
        code.jump_if(R2, Different, expected, leave);
    }
    code.load(Two, R2, R7, at::FRAGMENT);
    code.jump_if(R2, Common, i32::from(0x3fff_u16.to_be()), leave);
    code.load(Two, R3, R7, at::LENGTH);
    code.swap_two(R3);
    code.load(Two, R4, R7, at::UDP_LENGTH);
    code.swap_two(R4);
    code.set(R5, R3);
    code.calculate(R5, Subtract, HEADERS_OF_IP_AND_UDP - 8);
    code.jump_if(R5, Different, R4, leave);
    code.jump_if(R4, Less, 8, leave);
    code.jump_if(R3, Greater, LARGEST, leave);
    code.load(Four, R2, R6, field::LENGTH);
    code.calculate(R2, Subtract, i32::from(at::IP));
    code.jump_if(R2, Less, R3, leave);
    code.store(Eight, R10, stack::LENGTH, R4);
    sum_words(code, R7, at::IP);
    code.jump_if(R2, Different, 0xffff, leave);
    code.load(Eight, R2, R7, at::SOURCE);
    code.store(Eight, R10, stack::KEY, R2);
    code.load(Four, R2, R7, at::PORTS);
    code.store(Four, R10, stack::KEY_PORTS, R2);
    code.set(R2, 0);
    code.store(Four, R10, stack::KEY_CHANNEL, R2);
}

/// Leaves in `R2` the sum of an IPv4 header's words, folded to 16 bits. Uses `R3`.
fn sum_words(code: &mut Assembler, from: Register, offset: i16) {
    code.set(R2, 0);
    for word in 0..5 {
        code.load(Four, R3, from, offset + 4 * word);
        code.calculate(R2, Add, R3);
    }
    fold(code);
}

/// Folds the sum in `R2` to 16 bits. Uses `R3`.
fn fold(code: &mut Assembler) {
    for _ in 0..4 {
        code.set(R3, R2);
        code.calculate(R3, ShiftRight, 16);
        code.calculate(R2, And, 0xffff);
        code.calculate(R2, Add, R3);
    }
}

/// The bytes must be ChannelData without padding; the channel becomes part of the key.
fn check_channel(code: &mut Assembler, leave: Label) {
    code.load(Eight, R4, R10, stack::LENGTH);
    code.jump_if(R4, Less, 8 + CHANNEL_HEADER, leave);
    code.load(One, R2, R7, at::CHANNEL);
    code.calculate(R2, And, 0xc0);
    code.jump_if(R2, Different, 0x40, leave);
    code.load(Two, R2, R7, at::CHANNEL_LENGTH);
    code.swap_two(R2);
    code.calculate(R2, Add, 8 + CHANNEL_HEADER);
    code.jump_if(R2, Different, R4, leave);
    code.load(Two, R2, R7, at::CHANNEL);
    code.store(Two, R10, stack::KEY_CHANNEL, R2);
}

/// Finds the row and sends the packet on; leaves if there is none.
fn carry(code: &mut Assembler, given: &Given<'_>, way: Way, leave: Label) {
    find(code, given.places, stack::KEY, leave);
    code.load(Four, R2, R0, 0);
    code.store(Four, R10, stack::ROW, R2);
    find(code, given.rows, stack::ROW, leave);
    code.set(R9, R0);
    choose_interface(code, way, leave);
    write_checksum(code, given.loopback, way, leave);
    write_headers(code, way);
    send(code, way, leave);
}

/// Leaves in `R0` where a table has the row of the key on the stack.
fn find(code: &mut Assembler, table: &Table, key: i16, leave: Label) {
    code.table(R1, table);
    code.set(R2, R10);
    code.calculate(R2, Add, i32::from(key));
    code.call(function::LOOK_UP);
    code.jump_if(R0, Equal, 0, leave);
}

/// Notes where the sender's packets come in, and leaves in `R8` where those of the receiver do.
fn choose_interface(code: &mut Assembler, way: Way, leave: Label) {
    let (senders, receivers) = match way {
        Way::ToPeer => (word::CLIENT_INTERFACE, word::PEER_INTERFACE),
        Way::ToClient => (word::PEER_INTERFACE, word::CLIENT_INTERFACE),
    };
    let known = code.label();
    code.load(Eight, R2, R9, offset_of(senders));
    code.jump_if(R2, Different, 0, known);
    code.load(Four, R2, R6, field::INTERFACE);
    code.store(Eight, R9, offset_of(senders), R2);
    code.here(known);
    code.load(Eight, R8, R9, offset_of(receivers));
    code.jump_if(R8, Equal, 0, leave);
}

/// Writes the new checksum of UDP to the stack: the old one, changed by what changes
/// ([RFC 1624](https://www.rfc-editor.org/rfc/rfc1624)); or none, where there was none or nobody made it.
fn write_checksum(code: &mut Assembler, loopback: i32, way: Way, leave: Label) {
    let (none, checked, done) = (code.label(), code.label(), code.label());
    code.load(Four, R2, R6, field::INTERFACE);
    code.jump_if(R2, Equal, loopback, none);
    code.set(R1, R6);
    code.set(R2, 0);
    code.call(function::CHECKSUM_LEVEL);
    code.jump_if(R0, SignedAtLeast, 0, checked);
    code.set(R1, R6);
    code.set(R2, 0);
    code.call(function::UPDATE_CHECKSUM);
    code.jump_if(R0, SignedLess, 0, leave);
    code.here(checked);
    code.load(Two, R4, R7, at::CHECKSUM);
    code.jump_if(R4, Equal, 0, none);
    sum_of_changes(code, way);
    fold(code);
    code.calculate(R2, Xor, 0xffff);
    code.jump_if(R2, Different, 0, done);
    code.set(R2, 0xffff);
    code.jump(done);
    code.here(none);
    code.set(R2, 0);
    code.here(done);
    code.store(Two, R10, stack::UDP + 6, R2);
}

/// Leaves in `R2` the complement of the checksum in `R4`, less all old words that it is made of, plus the new ones.
fn sum_of_changes(code: &mut Assembler, way: Way) {
    code.set(R2, R4);
    code.calculate(R2, Xor, 0xffff);
    // An old word is taken away by adding its complement, for which 32 bits of ones must not be a sign.
    code.set(R5, -1);
    code.calculate(R5, ShiftRight, 32);
    for old in [at::SOURCE, at::SOURCE + 4, at::PORTS] {
        code.load(Four, R3, R7, old);
        code.calculate(R3, Xor, R5);
        code.calculate(R2, Add, R3);
    }
    let (addresses, ports) = headed(way);
    for new in [offset_of(addresses), offset_of(addresses) + 4, offset_of(ports)] {
        code.load(Four, R3, R9, new);
        code.calculate(R2, Add, R3);
    }
    // The length counts twice: in the header and in the pseudo-header.
    code.load(Eight, R4, R10, stack::LENGTH);
    let header = match way {
        Way::ToPeer => -CHANNEL_HEADER,
        Way::ToClient => CHANNEL_HEADER,
    };
    code.set(R3, R4);
    code.calculate(R3, Add, header);
    code.swap_two(R3);
    code.calculate(R3, ShiftLeft, 1);
    code.calculate(R2, Add, R3);
    code.swap_two(R4);
    code.calculate(R4, Xor, 0xffff);
    code.calculate(R4, ShiftLeft, 1);
    code.calculate(R2, Add, R4);
    match way {
        Way::ToPeer => {
            code.load(Four, R3, R7, at::CHANNEL);
            code.calculate(R3, Xor, R5);
        }
        Way::ToClient => {
            code.load(Two, R3, R9, offset_of(word::CLIENT_PORTS) + 4);
            code.calculate(R2, Add, R3);
            code.load(Eight, R3, R10, stack::LENGTH);
            code.calculate(R3, Subtract, 8);
            code.swap_two(R3);
        }
    }
    code.calculate(R2, Add, R3);
}

/// Writes the new headers to the stack, except for the checksum of UDP.
fn write_headers(code: &mut Assembler, way: Way) {
    // The class of service stays, and the bits by which a path tells of congestion ([RFC 8656 section 14](https://www.rfc-editor.org/rfc/rfc8656#section-14)).
    code.load(Two, R2, R7, at::IP);
    code.store(Two, R10, stack::HEADERS, R2);
    code.load(Eight, R4, R10, stack::LENGTH);
    if way == Way::ToClient {
        code.load(Two, R2, R9, offset_of(word::CLIENT_PORTS) + 4);
        code.store(Two, R10, stack::CHANNEL, R2);
        code.set(R2, R4);
        code.calculate(R2, Subtract, 8);
        code.swap_two(R2);
        code.store(Two, R10, stack::CHANNEL + 2, R2);
        code.calculate(R4, Add, CHANNEL_HEADER);
    } else {
        code.calculate(R4, Subtract, CHANNEL_HEADER);
    }
    code.set(R2, R4);
    code.swap_two(R2);
    code.store(Two, R10, stack::UDP + 4, R2);
    code.calculate(R4, Add, HEADERS_OF_IP_AND_UDP - 8);
    code.swap_two(R4);
    code.store(Two, R10, stack::HEADERS + 2, R4);
    let (addresses, ports) = headed(way);
    code.load(Eight, R2, R9, offset_of(addresses));
    code.store(Four, R10, stack::HEADERS + 12, R2);
    code.load(Four, R3, R9, offset_of(addresses) + 4);
    code.store(Four, R10, stack::HEADERS + 16, R3);
    code.load(Four, R2, R9, offset_of(ports));
    code.store(Four, R10, stack::UDP, R2);
    // Routers may fragment what is relayed, so each packet has an identification.
    code.call(function::RANDOM);
    code.store(Two, R10, stack::HEADERS + 4, R0);
    code.set(R2, 0);
    code.store(Two, R10, stack::HEADERS + 6, R2);
    code.store(Two, R10, stack::HEADERS + 10, R2);
    code.set(R2, i32::from(u16::from_ne_bytes([64, 17])));
    code.store(Two, R10, stack::HEADERS + 8, R2);
    sum_words(code, R10, stack::HEADERS);
    code.calculate(R2, Xor, 0xffff);
    code.store(Two, R10, stack::HEADERS + 10, R2);
}

/// Makes room for the headers or takes some away, puts them there, counts, and sends the packet on.
fn send(code: &mut Assembler, way: Way, leave: Label) {
    let (room, headers, counters) = match way {
        Way::ToPeer => (-CHANNEL_HEADER, HEADERS_OF_IP_AND_UDP, word::TRAFFIC),
        Way::ToClient => (
            CHANNEL_HEADER,
            HEADERS_OF_IP_AND_UDP + CHANNEL_HEADER,
            word::TRAFFIC + 2,
        ),
    };
    // After the header of IPv4 (`BPF_ADJ_ROOM_NET`, 0), without flags.
    call_with(code, function::ADJUST_ROOM, &[room.into(), 0.into(), 0.into()]);
    code.jump_if(R0, Different, 0, leave);
    code.set(R3, R10);
    code.calculate(R3, Add, i32::from(stack::HEADERS));
    // With what the kernel knows of the packet's checksum kept right (`BPF_F_RECOMPUTE_CSUM`, 1).
    let place = i32::from(at::IP);
    call_with(
        code,
        function::STORE,
        &[place.into(), R3.into(), headers.into(), 1.into()],
    );
    code.jump_if(R0, Different, 0, leave);
    code.set(R2, 1);
    code.add_in_memory(R9, offset_of(counters), R2);
    code.load(Eight, R2, R10, stack::LENGTH);
    code.calculate(R2, Subtract, if way == Way::ToPeer { 12 } else { 8 });
    code.add_in_memory(R9, offset_of(counters + 1), R2);
    code.set(R1, R8);
    for register in [R2, R3, R4] {
        code.set(register, 0);
    }
    code.call(function::REDIRECT);
    code.exit();
}

/// Calls a function with the packet and these arguments.
fn call_with(code: &mut Assembler, function: u32, arguments: &[Value]) {
    code.set(R1, R6);
    for (register, value) in [R2, R3, R4, R5].into_iter().zip(arguments) {
        code.set(register, *value);
    }
    code.call(function);
}

/// The words of a row with addresses and ports of packets that go this way.
fn headed(way: Way) -> (usize, usize) {
    match way {
        Way::ToPeer => (word::TO_PEER, word::PEER_PORTS),
        Way::ToClient => (word::TO_CLIENT, word::CLIENT_PORTS),
    }
}

fn offset_of(word: usize) -> i16 {
    i16::try_from(word * 8).unwrap_or(i16::MAX)
}
