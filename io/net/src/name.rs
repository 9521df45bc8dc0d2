//! Socket addresses as the kernel wants them.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

/// Room for an IPv4 or IPv6 socket address, 28 bytes.
#[derive(Clone, Copy)]
pub(crate) struct Name(libc::sockaddr_in6);

impl Name {
    /// How many bytes of room there are.
    pub(crate) const ROOM: libc::socklen_t = size_of::<libc::sockaddr_in6>() as libc::socklen_t;

    pub(crate) fn empty() -> Name {
        // SAFETY: sockaddr_in6 is plain integers, for which all zeros is a value.
        Name(unsafe { std::mem::zeroed() })
    }

    /// Writes `address`; returns its length.
    pub(crate) fn set(&mut self, address: SocketAddr) -> libc::socklen_t {
        match address {
            SocketAddr::V4(address) => {
                let name = libc::sockaddr_in {
                    sin_family: libc::AF_INET as libc::sa_family_t,
                    sin_port: address.port().to_be(),
                    sin_addr: libc::in_addr {
                        s_addr: u32::from(*address.ip()).to_be(),
                    },
                    sin_zero: [0; 8],
                };
                // SAFETY: sockaddr_in is 16 bytes, aligned to 4, as are the 28 bytes of sockaddr_in6.
                unsafe { (&raw mut self.0).cast::<libc::sockaddr_in>().write(name) };
                size_of::<libc::sockaddr_in>() as libc::socklen_t
            }
            SocketAddr::V6(address) => {
                self.0 = libc::sockaddr_in6 {
                    sin6_family: libc::AF_INET6 as libc::sa_family_t,
                    sin6_port: address.port().to_be(),
                    sin6_flowinfo: address.flowinfo(),
                    sin6_addr: libc::in6_addr {
                        s6_addr: address.ip().octets(),
                    },
                    sin6_scope_id: address.scope_id(),
                };
                Name::ROOM
            }
        }
    }

    /// Reads what the kernel wrote; `None` if it is neither family.
    #[inline]
    pub(crate) fn read(&self) -> Option<SocketAddr> {
        match i32::from(self.0.sin6_family) {
            libc::AF_INET => {
                // SAFETY: the family says that the kernel wrote a sockaddr_in, which is smaller than what it lies in.
                let name = unsafe { (&raw const self.0).cast::<libc::sockaddr_in>().read() };
                let ip = Ipv4Addr::from(u32::from_be(name.sin_addr.s_addr));
                Some(SocketAddrV4::new(ip, u16::from_be(name.sin_port)).into())
            }
            libc::AF_INET6 => {
                let ip = Ipv6Addr::from(self.0.sin6_addr.s6_addr);
                let scope = if ip.is_unicast_link_local() {
                    self.0.sin6_scope_id
                } else {
                    0
                };
                Some(SocketAddrV6::new(ip, u16::from_be(self.0.sin6_port), 0, scope).into())
            }
            _ => None,
        }
    }

    pub(crate) fn as_mut_ptr(&mut self) -> *mut libc::c_void {
        (&raw mut self.0).cast()
    }
}
