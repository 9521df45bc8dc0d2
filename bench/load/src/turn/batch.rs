//! Batches of datagrams: sendmmsg and recvmmsg, with the local address of each and, if asked, GSO and GRO.

use std::{
    io, mem,
    net::{Ipv4Addr, SocketAddrV4, UdpSocket},
    os::fd::AsRawFd,
    ptr,
};

/// Datagrams (or runs of them) in one system call.
pub const BATCH: usize = 64;
const ROOM: usize = 65536;
const UDP_SEGMENT: i32 = 103;
const UDP_GRO: i32 = 104;
const PKTINFO_SPACE: usize = 32;

#[repr(C, align(8))]
#[derive(Clone, Copy)]
struct Control([u8; 96]);

fn raw(address: SocketAddrV4) -> libc::sockaddr_in {
    // SAFETY: all zeros is a sockaddr_in.
    let mut raw: libc::sockaddr_in = unsafe { mem::zeroed() };
    raw.sin_family = libc::AF_INET as u16;
    raw.sin_port = address.port().to_be();
    raw.sin_addr.s_addr = u32::from(*address.ip()).to_be();
    raw
}

fn cooked(raw: &libc::sockaddr_in) -> SocketAddrV4 {
    SocketAddrV4::new(
        Ipv4Addr::from(u32::from_be(raw.sin_addr.s_addr)),
        u16::from_be(raw.sin_port),
    )
}

fn set(socket: &UdpSocket, level: i32, name: i32, value: i32) -> io::Result<()> {
    // SAFETY: the option's value is an int that lives through the call.
    let done = unsafe { libc::setsockopt(socket.as_raw_fd(), level, name, (&raw const value).cast(), 4) };
    if done == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// A socket on every address with large buffers that tells to which address a datagram came.
pub fn socket(gro: bool) -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind("0.0.0.0:0")?;
    socket.set_nonblocking(true)?;
    for option in [libc::SO_RCVBUFFORCE, libc::SO_SNDBUFFORCE] {
        // Only root may pass the system's limit; without it the load is smaller, not wrong.
        let _ = set(&socket, libc::SOL_SOCKET, option, 64 << 20);
    }
    set(&socket, libc::IPPROTO_IP, libc::IP_PKTINFO, 1)?;
    if gro {
        set(&socket, libc::SOL_UDP, UDP_GRO, 1)?;
    }
    Ok(socket)
}

/// One received datagram, or several of `segment` bytes that came as one.
pub struct Received<'a> {
    pub bytes: &'a [u8],
    pub from: SocketAddrV4,
    /// The local address that it was sent to.
    pub to: Ipv4Addr,
    /// The size of each datagram; all of `bytes` if there is one.
    pub segment: usize,
}

/// Room for a batch of received datagrams.
pub struct Receiver {
    headers: Vec<libc::mmsghdr>,
    _vectors: Vec<libc::iovec>,
    _controls: Vec<Control>,
    names: Vec<libc::sockaddr_in>,
    bytes: Vec<u8>,
    count: usize,
}

impl Receiver {
    pub fn new() -> Self {
        let mut bytes = vec![0; BATCH * ROOM];
        // SAFETY: all zeros is valid for each of these C structures.
        let (mut headers, mut names): (Vec<libc::mmsghdr>, Vec<libc::sockaddr_in>) =
            unsafe { (vec![mem::zeroed(); BATCH], vec![mem::zeroed(); BATCH]) };
        let mut controls = vec![Control([0; 96]); BATCH];
        let mut vectors: Vec<_> = bytes
            .chunks_mut(ROOM)
            .map(|chunk| libc::iovec {
                iov_base: chunk.as_mut_ptr().cast(),
                iov_len: ROOM,
            })
            .collect();
        for (i, header) in headers.iter_mut().enumerate() {
            let header = &mut header.msg_hdr;
            header.msg_name = (&raw mut names[i]).cast();
            header.msg_iov = &raw mut vectors[i];
            header.msg_iovlen = 1;
            header.msg_control = controls[i].0.as_mut_ptr().cast();
        }
        Self {
            headers,
            _vectors: vectors,
            _controls: controls,
            names,
            bytes,
            count: 0,
        }
    }

    /// Takes what is there without waiting; how many.
    pub fn receive(&mut self, socket: &UdpSocket) -> usize {
        for header in &mut self.headers {
            header.msg_hdr.msg_namelen = mem::size_of::<libc::sockaddr_in>() as u32;
            header.msg_hdr.msg_controllen = mem::size_of::<Control>() as _;
        }
        // SAFETY: every header points at name, vector, control and bytes that this struct owns and never moves.
        let count = unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                self.headers.as_mut_ptr(),
                BATCH as u32,
                libc::MSG_DONTWAIT,
                ptr::null_mut(),
            )
        };
        self.count = usize::try_from(count).unwrap_or(0);
        self.count
    }

    pub fn each(&self) -> impl Iterator<Item = Received<'_>> {
        (0..self.count).map(|i| self.get(i))
    }

    fn get(&self, i: usize) -> Received<'_> {
        let (mut to, mut segment) = (Ipv4Addr::UNSPECIFIED, 0);
        let header = &self.headers[i].msg_hdr;
        // SAFETY: the kernel filled the control buffer of this header, whose length it wrote.
        unsafe {
            let mut control = libc::CMSG_FIRSTHDR(header);
            while let Some(one) = control.as_ref() {
                let data = libc::CMSG_DATA(control);
                match (one.cmsg_level, one.cmsg_type) {
                    (libc::IPPROTO_IP, libc::IP_PKTINFO) => {
                        let info: libc::in_pktinfo = ptr::read_unaligned(data.cast());
                        to = Ipv4Addr::from(u32::from_be(info.ipi_addr.s_addr));
                    }
                    (libc::SOL_UDP, UDP_GRO) => segment = ptr::read_unaligned(data.cast::<i32>()) as usize,
                    _ => {}
                }
                control = libc::CMSG_NXTHDR(header, control);
            }
        }
        let length = self.headers[i].msg_len as usize;
        let bytes = &self.bytes[i * ROOM..i * ROOM + length];
        Received {
            bytes,
            from: cooked(&self.names[i]),
            to,
            segment: if segment == 0 { length } else { segment },
        }
    }
}

impl Default for Receiver {
    fn default() -> Self {
        Self::new()
    }
}

/// Datagrams that wait to be sent together. What is pushed must stay where it is until [`Sender::flush`].
pub struct Sender<'a> {
    waiting: Vec<(&'a [u8], Ipv4Addr, SocketAddrV4, usize)>,
}

impl<'a> Sender<'a> {
    pub fn new() -> Self {
        Self {
            waiting: Vec::with_capacity(BATCH),
        }
    }

    /// One datagram from a local address, or several of `segment` bytes each as one.
    pub fn push(&mut self, bytes: &'a [u8], from: Ipv4Addr, to: SocketAddrV4, segment: usize) {
        self.waiting.push((bytes, from, to, segment));
    }

    pub fn is_full(&self) -> bool {
        self.waiting.len() == BATCH
    }

    /// Sends all; how many pushes the kernel took.
    pub fn flush(&mut self, socket: &UdpSocket) -> usize {
        let count = self.waiting.len();
        // SAFETY: all zeros is valid for each of these C structures.
        let mut headers: [libc::mmsghdr; BATCH] = unsafe { mem::zeroed() };
        let mut names: [libc::sockaddr_in; BATCH] = unsafe { mem::zeroed() };
        let mut vectors: [libc::iovec; BATCH] = unsafe { mem::zeroed() };
        let mut controls = [Control([0; 96]); BATCH];
        for (i, (bytes, from, to, segment)) in self.waiting.iter().enumerate() {
            names[i] = raw(*to);
            vectors[i] = libc::iovec {
                iov_base: bytes.as_ptr().cast_mut().cast(),
                iov_len: bytes.len(),
            };
            let header = &mut headers[i].msg_hdr;
            header.msg_name = (&raw mut names[i]).cast();
            header.msg_namelen = mem::size_of::<libc::sockaddr_in>() as u32;
            header.msg_iov = &raw mut vectors[i];
            header.msg_iovlen = 1;
            header.msg_control = controls[i].0.as_mut_ptr().cast();
            header.msg_controllen = write_control(&mut controls[i], *from, *segment, bytes.len()) as _;
        }
        let mut sent = 0;
        while sent < count {
            // SAFETY: the headers point at arrays of this function and at bytes borrowed until it returns.
            let done = unsafe {
                libc::sendmmsg(
                    socket.as_raw_fd(),
                    headers[sent..].as_mut_ptr(),
                    (count - sent) as u32,
                    0,
                )
            };
            if done <= 0 {
                break;
            }
            sent += done as usize;
        }
        self.waiting.clear();
        sent
    }
}

impl Default for Sender<'_> {
    fn default() -> Self {
        Self::new()
    }
}

/// Writes the source address and, for a run of datagrams, their size; the length of both.
fn write_control(control: &mut Control, from: Ipv4Addr, segment: usize, length: usize) -> usize {
    let base = control.0.as_mut_ptr();
    // SAFETY: 96 bytes hold both control messages, which are written at aligned offsets inside them.
    unsafe {
        let first: *mut libc::cmsghdr = base.cast();
        (*first).cmsg_level = libc::IPPROTO_IP;
        (*first).cmsg_type = libc::IP_PKTINFO;
        (*first).cmsg_len = libc::CMSG_LEN(mem::size_of::<libc::in_pktinfo>() as u32) as _;
        let mut info: libc::in_pktinfo = mem::zeroed();
        info.ipi_spec_dst.s_addr = u32::from(from).to_be();
        ptr::write_unaligned(libc::CMSG_DATA(first).cast(), info);
        if segment == 0 || length <= segment {
            return PKTINFO_SPACE;
        }
        let second: *mut libc::cmsghdr = base.add(PKTINFO_SPACE).cast();
        (*second).cmsg_level = libc::SOL_UDP;
        (*second).cmsg_type = UDP_SEGMENT;
        (*second).cmsg_len = libc::CMSG_LEN(2) as _;
        ptr::write_unaligned(libc::CMSG_DATA(second).cast(), segment as u16);
        PKTINFO_SPACE + libc::CMSG_SPACE(2) as usize
    }
}
