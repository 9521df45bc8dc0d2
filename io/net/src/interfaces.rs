//! The addresses of this machine.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Every address of every interface that is up.
///
/// # Errors
/// If the kernel does not tell.
pub fn local_addresses() -> io::Result<Vec<IpAddr>> {
    let mut list = std::ptr::null_mut();
    // SAFETY: getifaddrs writes one pointer, which freeifaddrs below takes back.
    if unsafe { libc::getifaddrs(&raw mut list) } != 0 {
        return Err(io::Error::last_os_error());
    }
    let mut addresses = Vec::new();
    let mut next = list;
    // SAFETY: the list is ours until freeifaddrs; ifa_addr is null or an address of the family that it names.
    unsafe {
        while let Some(entry) = next.as_ref() {
            let family = entry
                .ifa_addr
                .as_ref()
                .map(|address| i32::from(address.sa_family));
            match family {
                Some(libc::AF_INET) => {
                    let name = entry.ifa_addr.cast::<libc::sockaddr_in>().read_unaligned();
                    addresses.push(Ipv4Addr::from(u32::from_be(name.sin_addr.s_addr)).into());
                }
                Some(libc::AF_INET6) => {
                    let name = entry.ifa_addr.cast::<libc::sockaddr_in6>().read_unaligned();
                    addresses.push(Ipv6Addr::from(name.sin6_addr.s6_addr).into());
                }
                Some(_) | None => {}
            }
            next = entry.ifa_next;
        }
        libc::freeifaddrs(list);
    }
    Ok(addresses)
}

/// The address from which packets to the Internet leave, by asking the routing table; nothing is sent.
#[must_use]
pub fn address_towards_internet(v4: bool) -> Option<IpAddr> {
    let (from, to): (SocketAddr, SocketAddr) = if v4 {
        (
            (Ipv4Addr::UNSPECIFIED, 0).into(),
            (Ipv4Addr::new(198, 41, 0, 4), 53).into(),
        )
    } else {
        let root = Ipv6Addr::new(0x2001, 0x503, 0xba3e, 0, 0, 0, 2, 0x30);
        ((Ipv6Addr::UNSPECIFIED, 0).into(), (root, 53).into())
    };
    let socket = std::net::UdpSocket::bind(from).ok()?;
    socket.connect(to).ok()?;
    socket
        .local_addr()
        .ok()
        .map(|address| address.ip())
        .filter(|ip| !ip.is_unspecified())
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_loopback_address_is_one_of_ours() {
        assert!(
            super::local_addresses()
                .unwrap()
                .contains(&"127.0.0.1".parse().unwrap())
        );
    }
}
