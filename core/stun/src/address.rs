//! Address attributes, plain and combined with the magic cookie.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::{MAGIC_COOKIE, TransactionId};

const V4: u8 = 1;
const V6: u8 = 2;

/// Reads a MAPPED-ADDRESS value ([RFC 8489 section 14.1](https://www.rfc-editor.org/rfc/rfc8489#section-14.1)).
#[must_use]
pub fn decode_address(value: &[u8]) -> Option<SocketAddr> {
    let ([_, family], rest) = value.split_first_chunk()?;
    let (port, address) = rest.split_first_chunk()?;
    let ip: IpAddr = match *family {
        V4 => Ipv4Addr::from(<[u8; 4]>::try_from(address).ok()?).into(),
        V6 => Ipv6Addr::from(<[u8; 16]>::try_from(address).ok()?).into(),
        _ => return None,
    };
    Some(SocketAddr::new(ip, u16::from_be_bytes(*port)))
}

/// Reads an XOR-MAPPED-ADDRESS, XOR-PEER-ADDRESS or XOR-RELAYED-ADDRESS value
/// ([RFC 8489 section 14.2](https://www.rfc-editor.org/rfc/rfc8489#section-14.2)).
#[must_use]
pub fn decode_xor_address(value: &[u8], transaction: &TransactionId) -> Option<SocketAddr> {
    decode_address(value).map(|address| xor(address, transaction))
}

/// The address combined with cookie and transaction id; applying it twice gives the address back.
fn xor(address: SocketAddr, transaction: &TransactionId) -> SocketAddr {
    let [high, low, ..] = MAGIC_COOKIE.to_be_bytes();
    let port = address.port() ^ u16::from_be_bytes([high, low]);
    let ip: IpAddr = match address.ip() {
        IpAddr::V4(ip) => Ipv4Addr::from(u32::from(ip) ^ MAGIC_COOKIE).into(),
        IpAddr::V6(ip) => {
            let mut mask = [0u8; 16];
            let bytes = MAGIC_COOKIE.to_be_bytes().into_iter().chain(transaction.0);
            mask.iter_mut().zip(bytes).for_each(|(into, byte)| *into = byte);
            Ipv6Addr::from(u128::from(ip) ^ u128::from_be_bytes(mask)).into()
        }
    };
    SocketAddr::new(ip, port)
}

/// Writes an address value into `buffer` and returns how much of it was used: 8 or 20 bytes.
pub(crate) fn encode(address: SocketAddr, buffer: &mut [u8; 20]) -> usize {
    let [_, family, port_high, port_low, rest @ ..] = buffer;
    [*port_high, *port_low] = address.port().to_be_bytes();
    let octets: &[u8] = match address.ip() {
        IpAddr::V4(ip) => &ip.octets(),
        IpAddr::V6(ip) => &ip.octets(),
    };
    *family = if octets.len() == 4 { V4 } else { V6 };
    rest.iter_mut().zip(octets).for_each(|(into, byte)| *into = *byte);
    4 + octets.len()
}

/// Like [`encode`], combined with cookie and transaction id.
pub(crate) fn encode_xor(address: SocketAddr, transaction: &TransactionId, buffer: &mut [u8; 20]) -> usize {
    encode(xor(address, transaction), buffer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_comes_back_as_it_went() {
        let transaction = TransactionId(*b"abcdefghijkl");
        for address in ["192.0.2.1:32853", "[2001:db8:1234:5678:11:2233:4455:6677]:32853"] {
            let address: SocketAddr = address.parse().unwrap();
            let mut buffer = [0; 20];
            let used = encode(address, &mut buffer);
            assert_eq!(decode_address(&buffer[..used]), Some(address));
            let mut buffer = [0; 20];
            let used = encode_xor(address, &transaction, &mut buffer);
            assert_eq!(decode_xor_address(&buffer[..used], &transaction), Some(address));
        }
    }

    #[test]
    fn an_address_of_the_wrong_length_or_family_is_refused() {
        for value in [
            &[][..],
            &[0, 1, 0, 80, 1, 2, 3],
            &[0, 1, 0, 80, 1, 2, 3, 4, 5],
            &[0, 3, 0, 80, 1, 2, 3, 4],
        ] {
            assert_eq!(decode_address(value), None);
        }
    }
}
