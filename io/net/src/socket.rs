//! A UDP socket with the options of a relay.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use socket2::{Domain, Protocol, Socket, Type};

/// How a socket is opened.
#[derive(Clone, Copy, Debug, Default)]
pub struct SocketOptions {
    /// Several sockets share the address, and the kernel spreads 5-tuples over them.
    pub reuse_port: bool,
    /// Bytes of the receive and send buffers, as far as the system allows; 0 leaves them as they are.
    pub buffer_bytes: usize,
}

/// A non-blocking UDP socket that receives coalesced (GRO).
#[derive(Debug)]
pub struct UdpSocket {
    fd: OwnedFd,
    local: SocketAddr,
    v4: bool,
    /// Bound to a wildcard: each datagram tells where it was sent to, and answers say where they leave from.
    wildcard: bool,
}

impl UdpSocket {
    /// Opens and binds a socket. An IPv6 socket takes IPv6 only.
    ///
    /// # Errors
    /// `AddrInUse` if the port is taken; others if there are no sockets left or the address is not this machine's.
    pub fn bind(address: SocketAddr, options: SocketOptions) -> io::Result<UdpSocket> {
        let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
        socket.set_nonblocking(true)?;
        if address.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        if options.reuse_port {
            socket.set_reuse_port(true)?;
        }
        if options.buffer_bytes > 0 {
            grow_buffers(&socket, options.buffer_bytes)?;
        }
        let wildcard = address.ip().is_unspecified();
        // Old kernels have no GRO; datagrams then come one by one.
        let _ = set_option(&socket, libc::SOL_UDP, libc::UDP_GRO, 1);
        if address.is_ipv4() {
            // As the default does, this sets the bit that forbids routers to fragment. But nothing is fragmented here either
            // (see `let_fragment`), so the kernel needs no identification for each datagram, which costs 5 % of sending it.
            set_option(
                &socket,
                libc::IPPROTO_IP,
                libc::IP_MTU_DISCOVER,
                libc::IP_PMTUDISC_DO,
            )?;
        }
        if wildcard && address.is_ipv4() {
            set_option(&socket, libc::IPPROTO_IP, libc::IP_PKTINFO, 1)?;
        } else if wildcard {
            set_option(&socket, libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO, 1)?;
        }
        socket.bind(&address.into())?;
        let local = socket.local_addr()?.as_socket().unwrap_or(address);
        Ok(UdpSocket {
            fd: socket.into(),
            local,
            v4: address.is_ipv4(),
            wildcard,
        })
    }

    /// Where the socket is bound, with the real port.
    #[must_use]
    pub fn local(&self) -> SocketAddr {
        self.local
    }

    /// The address to answer from, if a datagram was sent to `local`: only a wildcard socket needs to be told.
    #[must_use]
    #[inline]
    pub(crate) fn source_for(&self, local: IpAddr) -> Option<IpAddr> {
        (self.wildcard && !local.is_unspecified()).then_some(local)
    }

    /// Asks the kernel to note when each datagram came, for one that is read later.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn note_arrivals(&self) -> io::Result<()> {
        set_option(self, libc::SOL_SOCKET, libc::SO_TIMESTAMPNS, 1)
    }

    /// Asks that nobody fragment the datagrams that follow, neither the kernel nor a router on the way, or that both may.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn set_dont_fragment(&self, on: bool) -> io::Result<()> {
        if !self.v4 {
            // Routers never fragment IPv6, so only the kernel is to be told.
            return set_option(self, libc::IPPROTO_IPV6, libc::IPV6_DONTFRAG, on.into());
        }
        // PROBE sets the bit whatever the kernel believes of the path. OMIT leaves it out and believes no report of a
        // small path, which may be forged; it still lets such reports be told.
        let mode = if on {
            libc::IP_PMTUDISC_PROBE
        } else {
            libc::IP_PMTUDISC_OMIT
        };
        set_option(self, libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, mode)
    }
}

/// A datagram was too large for its path: from now on the kernel fragments what this socket sends, as it does by default,
/// unless that was asked for otherwise.
pub(crate) fn let_fragment(socket: &impl AsRawFd) {
    let (level, name) = (libc::IPPROTO_IP, libc::IP_MTU_DISCOVER);
    let mut mode: libc::c_int = 0;
    let mut size = size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: the option's value is one integer, alive for the call, and its size is given.
    let known = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            level,
            name,
            (&raw mut mode).cast(),
            &raw mut size,
        )
    };
    if known == 0 && mode == libc::IP_PMTUDISC_DO {
        let _ = set_option(socket, level, name, libc::IP_PMTUDISC_WANT);
    }
}

impl AsRawFd for UdpSocket {
    fn as_raw_fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }
}

/// A capable process may go beyond the system's limit; others get as much as that allows.
fn grow_buffers(socket: &Socket, bytes: usize) -> io::Result<()> {
    let wanted = libc::c_int::try_from(bytes).unwrap_or(libc::c_int::MAX);
    if set_option(socket, libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, wanted).is_err() {
        socket.set_recv_buffer_size(bytes)?;
    }
    if set_option(socket, libc::SOL_SOCKET, libc::SO_SNDBUFFORCE, wanted).is_err() {
        socket.set_send_buffer_size(bytes)?;
    }
    Ok(())
}

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 1024;

/// Opens a non-blocking listening socket for TCP; an IPv6 one takes IPv6 only. With `shared`, several may listen on one
/// address, and the kernel spreads connections over them.
///
/// # Errors
/// `AddrInUse` if the port is taken; others if the address is not this machine's.
pub fn listen_tcp(address: SocketAddr, shared: bool) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(shared)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

pub(crate) fn set_option(socket: &impl AsRawFd, level: i32, name: i32, value: libc::c_int) -> io::Result<()> {
    let size = size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: the option's value is one integer, alive for the call, and its size is given.
    let done = unsafe { libc::setsockopt(socket.as_raw_fd(), level, name, (&raw const value).cast(), size) };
    if done == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}
