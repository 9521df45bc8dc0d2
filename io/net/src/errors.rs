//! What the network says about datagrams that did not arrive: a socket's error queue.

use std::io;
use std::mem;
use std::net::SocketAddr;
use std::os::fd::AsRawFd;

use crate::UdpSocket;
use crate::control::Control;
use crate::name::Name;
use crate::socket::set_option;

/// An ICMP error about a datagram that a socket has sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IcmpError {
    /// Where the datagram was going.
    pub peer: SocketAddr,
    /// The type of the ICMP or, if the peer's address is IPv6, of the ICMPv6 message.
    pub kind: u8,
    /// Its code.
    pub code: u8,
    /// The MTU of the next hop where the datagram was too big, 0 otherwise.
    pub mtu: u32,
}

impl UdpSocket {
    /// Asks that ICMP errors be kept for [`UdpSocket::take_errors`], or that they be ignored and those kept forgotten.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn keep_errors(&self, on: bool) -> io::Result<()> {
        let (level, name) = if self.local().is_ipv4() {
            (libc::IPPROTO_IP, libc::IP_RECVERR)
        } else {
            (libc::IPPROTO_IPV6, libc::IPV6_RECVERR)
        };
        set_option(self, level, name, on.into())?;
        if !on {
            self.forget_pending_error();
        }
        Ok(())
    }

    /// Takes up to `most` errors that were kept and tells those that ICMP brought. Afterwards, if there were fewer, the
    /// poller reports the socket no more.
    pub fn take_errors(&self, most: usize, mut tell: impl FnMut(IcmpError)) {
        for _ in 0..most {
            match self.take_error() {
                Ok(Some(error)) => tell(error),
                Ok(None) => {}
                Err(_) => return self.forget_pending_error(),
            }
        }
    }

    /// Takes one error; `None` if it was no ICMP.
    fn take_error(&self) -> io::Result<Option<IcmpError>> {
        let (mut name, mut control) = (Name::empty(), Control::empty());
        // The datagram itself is of no interest, so there is no room for it.
        // SAFETY: msghdr is plain integers and pointers, for which all zeros is a value.
        let mut header = unsafe { mem::zeroed::<libc::msghdr>() };
        header.msg_name = name.as_mut_ptr();
        header.msg_namelen = Name::ROOM;
        header.msg_control = control.0.as_mut_ptr().cast();
        header.msg_controllen = Control::ROOM as _;
        let flags = libc::MSG_ERRQUEUE | libc::MSG_DONTWAIT;
        // SAFETY: the header points at name and control above, alive for the call, with the room that they have.
        let taken = unsafe { libc::recvmsg(self.as_raw_fd(), &raw mut header, flags) };
        if taken < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: recvmsg has filled the header, whose control buffer is alive.
        let told = unsafe { extended_error(&header) };
        Ok(told.and_then(|told| icmp(told, name.read()?)))
    }

    /// An error that the kernel keeps for the next call on the socket, which that call has nothing to do with.
    fn forget_pending_error(&self) {
        let (mut value, mut size) = (0 as libc::c_int, size_of::<libc::c_int>() as libc::socklen_t);
        let (level, name) = (libc::SOL_SOCKET, libc::SO_ERROR);
        // SAFETY: the option's value is one integer, alive for the call, and its size is given.
        unsafe {
            libc::getsockopt(
                self.as_raw_fd(),
                level,
                name,
                (&raw mut value).cast(),
                &raw mut size,
            )
        };
    }
}

fn icmp(told: libc::sock_extended_err, peer: SocketAddr) -> Option<IcmpError> {
    let came = match peer {
        SocketAddr::V4(_) => libc::SO_EE_ORIGIN_ICMP,
        SocketAddr::V6(_) => libc::SO_EE_ORIGIN_ICMP6,
    };
    (told.ee_origin == came).then_some(IcmpError {
        peer,
        kind: told.ee_type,
        code: told.ee_code,
        mtu: told.ee_info,
    })
}

/// # Safety
/// `header` was filled by recvmsg and its control buffer is alive.
unsafe fn extended_error(header: &libc::msghdr) -> Option<libc::sock_extended_err> {
    // SAFETY: the CMSG functions walk the control buffer within msg_controllen, which the kernel wrote; the payload is
    // read unaligned and with the type that its level and type stand for.
    unsafe {
        let mut message = libc::CMSG_FIRSTHDR(header);
        while let Some(found) = message.as_ref() {
            if matches!(
                (found.cmsg_level, found.cmsg_type),
                (libc::IPPROTO_IP, libc::IP_RECVERR) | (libc::IPPROTO_IPV6, libc::IPV6_RECVERR)
            ) {
                let payload = libc::CMSG_DATA(message).cast::<libc::sock_extended_err>();
                return Some(payload.read_unaligned());
            }
            message = libc::CMSG_NXTHDR(header, message);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{Batch, Poller, SocketOptions};

    /// Sends `data` to an address where nobody listens, from a socket that keeps errors.
    fn sent_to_nobody(data: &[u8], from: &str) -> (UdpSocket, SocketAddr, Poller) {
        let bind =
            |address: &str| UdpSocket::bind(address.parse().unwrap(), SocketOptions::default()).unwrap();
        let nobody = bind(from).local();
        let socket = bind(from);
        socket.keep_errors(true).unwrap();
        let poller = Poller::new().unwrap();
        poller.add(&socket, 7).unwrap();
        send(&socket, nobody, data);
        (socket, nobody, poller)
    }

    fn send(socket: &UdpSocket, to: SocketAddr, data: &[u8]) -> u64 {
        let mut batch = Batch::new();
        batch.send_bytes(socket.source(socket.local().ip()), to, data);
        batch.flush();
        batch.sums().sent
    }

    fn errors(socket: &UdpSocket) -> Vec<IcmpError> {
        let mut errors = Vec::new();
        socket.take_errors(8, |error| errors.push(error));
        errors
    }

    #[test]
    fn a_closed_port_is_told_once_and_the_poller_is_quiet_then() {
        for (from, kind, code) in [("127.0.0.1:0", 3, 3), ("[::1]:0", 1, 4)] {
            let (socket, peer, mut poller) = sent_to_nobody(b"data", from);
            assert_eq!(poller.wait(Some(Duration::from_secs(10))).unwrap(), 1);
            assert!(poller.ready(0).unwrap().failed);
            let expected = IcmpError {
                peer,
                kind,
                code,
                mtu: 0,
            };
            assert_eq!((errors(&socket), errors(&socket)), (vec![expected], vec![]));
            assert_eq!(poller.wait(Some(Duration::ZERO)).unwrap(), 0);
        }
    }

    #[test]
    fn a_datagram_pays_nothing_for_the_error_of_another() {
        let (socket, _, mut poller) = sent_to_nobody(b"data", "127.0.0.1:0");
        poller.wait(Some(Duration::from_secs(10))).unwrap();
        let alive = UdpSocket::bind("127.0.0.1:0".parse().unwrap(), SocketOptions::default()).unwrap();
        assert_eq!(send(&socket, alive.local(), b"more"), 1);
        let mut batch = Batch::new();
        assert_eq!(batch.receive(&alive, 4).unwrap().len(), 1);
    }

    #[test]
    fn errors_that_are_not_kept_wake_nobody() {
        let (socket, nobody, mut poller) = sent_to_nobody(b"data", "127.0.0.1:0");
        poller.wait(Some(Duration::from_secs(10))).unwrap();
        socket.keep_errors(false).unwrap();
        send(&socket, nobody, b"data");
        assert_eq!(poller.wait(Some(Duration::ZERO)).unwrap(), 0);
        assert!(errors(&socket).is_empty());
    }
}
