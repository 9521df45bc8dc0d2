//! Control messages: the address that was asked, and how a coalesced buffer is cut.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Room for the control messages of one datagram.
#[derive(Clone, Copy)]
#[repr(C, align(8))]
pub(crate) struct Control(pub(crate) [u8; Control::ROOM]);

/// What the control messages of a received datagram say.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Told {
    /// The local address that the datagram was sent to.
    pub(crate) local: Option<IpAddr>,
    /// The length of each datagram but the last in a coalesced buffer; 0 if it holds one.
    pub(crate) segment: usize,
    /// When the kernel received it, if the socket was asked to note it.
    pub(crate) at: Option<SystemTime>,
}

impl Control {
    /// Enough for packet information of either family, a segment size and a time.
    pub(crate) const ROOM: usize = 96;

    pub(crate) fn empty() -> Control {
        Control([0; Control::ROOM])
    }
}

/// Reads the control messages of a header that the kernel has filled.
///
/// # Safety
/// `header` was filled by recvmsg or recvmmsg and its control buffer is alive.
#[inline]
pub(crate) unsafe fn read(header: &libc::msghdr) -> Told {
    let mut told = Told::default();
    // SAFETY: the CMSG functions walk the control buffer within msg_controllen, which the kernel wrote; each payload is
    // read unaligned and with the type that its level and type stand for.
    unsafe {
        let mut message = libc::CMSG_FIRSTHDR(header);
        while let Some(found) = message.as_ref() {
            let payload = libc::CMSG_DATA(message);
            match (found.cmsg_level, found.cmsg_type) {
                (libc::IPPROTO_IP, libc::IP_PKTINFO) => {
                    let at = payload.cast::<libc::in_pktinfo>().read_unaligned();
                    told.local = Some(Ipv4Addr::from(u32::from_be(at.ipi_addr.s_addr)).into());
                }
                (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => {
                    let at = payload.cast::<libc::in6_pktinfo>().read_unaligned();
                    told.local = Some(Ipv6Addr::from(at.ipi6_addr.s6_addr).into());
                }
                (libc::SOL_UDP, libc::UDP_GRO) => {
                    told.segment =
                        usize::try_from(payload.cast::<libc::c_int>().read_unaligned()).unwrap_or(0);
                }
                (libc::SOL_SOCKET, libc::SCM_TIMESTAMPNS) => {
                    let at = payload.cast::<libc::timespec>().read_unaligned();
                    let since = Duration::new(at.tv_sec.cast_unsigned(), at.tv_nsec.cast_unsigned() as u32);
                    told.at = Some(UNIX_EPOCH + since);
                }
                _ => {}
            }
            message = libc::CMSG_NXTHDR(header, message);
        }
    }
    told
}

/// Fills `control` with the source address and the segment size that are wanted, and points `header` at it.
///
/// # Safety
/// `control` stays where it is until `header` has been sent.
pub(crate) unsafe fn write(
    header: &mut libc::msghdr,
    control: *mut Control,
    source: Option<IpAddr>,
    segment: Option<u16>,
) {
    header.msg_control = control.cast();
    header.msg_controllen = Control::ROOM as _;
    let mut used = 0;
    // SAFETY: both messages together take at most CMSG_SPACE(20) + CMSG_SPACE(2) = 64 of the 96 bytes, so the second
    // header lies at `used`, inside the buffer and aligned, because CMSG_SPACE rounds up.
    unsafe {
        let mut put = |level, kind, payload: &[u8]| {
            let length = payload.len() as libc::c_uint;
            let message = control.cast::<u8>().add(used).cast::<libc::cmsghdr>();
            (*message).cmsg_level = level;
            (*message).cmsg_type = kind;
            (*message).cmsg_len = libc::CMSG_LEN(length) as _;
            libc::CMSG_DATA(message).copy_from_nonoverlapping(payload.as_ptr(), payload.len());
            used += libc::CMSG_SPACE(length) as usize;
        };
        match source {
            Some(IpAddr::V4(ip)) => {
                let mut payload = [0; size_of::<libc::in_pktinfo>()];
                payload
                    .iter_mut()
                    .skip(4)
                    .zip(ip.octets())
                    .for_each(|(into, byte)| *into = byte);
                put(libc::IPPROTO_IP, libc::IP_PKTINFO, &payload);
            }
            Some(IpAddr::V6(ip)) => {
                let mut payload = [0; size_of::<libc::in6_pktinfo>()];
                payload
                    .iter_mut()
                    .zip(ip.octets())
                    .for_each(|(into, byte)| *into = byte);
                put(libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, &payload);
            }
            None => {}
        }
        if let Some(segment) = segment {
            put(libc::SOL_UDP, libc::UDP_SEGMENT, &segment.to_ne_bytes());
        }
    }
    header.msg_controllen = used as _;
    if used == 0 {
        header.msg_control = std::ptr::null_mut();
    }
}
