//! Sending many datagrams with few system calls, runs to one destination as one (GSO).

use std::io;
use std::mem;
use std::net::{IpAddr, SocketAddr};
use std::ops::Range;
use std::os::fd::{AsRawFd, RawFd};

use crate::control::{self, Control};
use crate::name::Name;
use crate::socket::let_fragment;
use crate::{Batch, UdpSocket};

/// Messages that can wait, each one datagram or a run of them.
const MESSAGES: usize = 512;
/// Pieces that can wait.
const PIECES: usize = 4096;
/// Datagrams in one run; the kernel takes 64.
const LONGEST_RUN: usize = 60;
/// Bytes in one run.
const LARGEST_RUN: usize = 64_000;
/// The longest header that is put before data.
const HEAD: usize = 48;

static ZEROS: [u8; 4] = [0; 4];

/// Which socket sends, and from which of its addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Source {
    fd: RawFd,
    address: Option<IpAddr>,
}

impl UdpSocket {
    /// This socket as a source; `local` is the address that the other side spoke to.
    #[must_use]
    #[inline]
    pub fn source(&self, local: IpAddr) -> Source {
        Source {
            fd: self.as_raw_fd(),
            address: self.source_for(local),
        }
    }
}

/// What has been sent, and what the kernel did not take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    /// Datagrams handed to the kernel.
    pub sent: u64,
    /// Datagrams that were dropped because a send buffer was full or the destination unreachable.
    pub dropped: u64,
    /// Messages handed to the kernel, each one datagram or a run of them.
    pub messages: u64,
    /// System calls.
    pub calls: u64,
}

#[derive(Clone, Copy)]
struct Waiting {
    source: Source,
    to: SocketAddr,
    /// Of the first datagram; the others are as long, the last may be shorter.
    segment: usize,
    datagrams: usize,
    bytes: usize,
    /// The first piece of the message.
    piece: usize,
    /// A shorter datagram was the last: nothing can follow it in one run.
    closed: bool,
}

/// The headers for sendmmsg. They point into boxes that never move or shrink, and into the batch's buffer.
pub(crate) struct Sender {
    headers: Box<[libc::mmsghdr]>,
    names: Box<[Name]>,
    controls: Box<[Control]>,
    vectors: Box<[libc::iovec]>,
    heads: Box<[[u8; HEAD]]>,
    waiting: Vec<Waiting>,
    pieces: usize,
    heads_used: usize,
    segmentation: bool,
    sums: Sums,
}

impl Sender {
    pub(crate) fn new() -> Sender {
        // SAFETY: mmsghdr and iovec are plain integers and pointers, for which all zeros is a value.
        let (header, vector) = unsafe { (mem::zeroed::<libc::mmsghdr>(), mem::zeroed::<libc::iovec>()) };
        Sender {
            headers: vec![header; MESSAGES].into_boxed_slice(),
            names: vec![Name::empty(); MESSAGES].into_boxed_slice(),
            controls: vec![Control::empty(); MESSAGES].into_boxed_slice(),
            vectors: vec![vector; PIECES].into_boxed_slice(),
            heads: vec![[0; HEAD]; PIECES].into_boxed_slice(),
            waiting: Vec::with_capacity(MESSAGES),
            pieces: 0,
            heads_used: 0,
            segmentation: true,
            sums: Sums::default(),
        }
    }

    /// Begins a datagram of `length` bytes, as part of the last message's run if it fits there.
    #[inline]
    fn begin(&mut self, source: Source, to: SocketAddr, length: usize) {
        if let Some(last) = self.waiting.last_mut() {
            let alike = last.source == source && last.to == to && !last.closed && length <= last.segment;
            let room = last.datagrams < LONGEST_RUN && last.bytes + length <= LARGEST_RUN;
            if alike && room && self.segmentation && length > 0 {
                last.datagrams += 1;
                last.bytes += length;
                last.closed = length < last.segment;
                return;
            }
        }
        let piece = self.pieces;
        self.waiting.push(Waiting {
            source,
            to,
            segment: length,
            datagrams: 1,
            bytes: length,
            piece,
            closed: false,
        });
    }

    #[inline]
    fn piece(&mut self, bytes: *const u8, length: usize) {
        if let Some(vector) = self.vectors.get_mut(self.pieces) {
            *vector = libc::iovec {
                iov_base: bytes.cast_mut().cast(),
                iov_len: length,
            };
            self.pieces += 1;
        }
    }

    fn is_full(&self) -> bool {
        self.waiting.len() + 1 > MESSAGES || self.pieces + 3 > PIECES || self.heads_used + 1 > PIECES
    }

    pub(crate) fn flush(&mut self) {
        self.fill_headers();
        let mut first = 0;
        while let Some(source) = self.waiting.get(first).map(|message| message.source) {
            let run = self
                .waiting
                .iter()
                .skip(first)
                .take_while(|message| message.source.fd == source.fd)
                .count();
            self.send_run(source.fd, first..first + run);
            first += run;
        }
        self.waiting.clear();
        self.pieces = 0;
        self.heads_used = 0;
    }

    /// Points a header at each waiting message.
    fn fill_headers(&mut self) {
        let ends = self
            .waiting
            .iter()
            .skip(1)
            .map(|next| next.piece)
            .chain([self.pieces]);
        let parts = self
            .headers
            .iter_mut()
            .zip(&mut self.names)
            .zip(&mut self.controls);
        for ((message, end), ((header, name), control)) in self.waiting.iter().zip(ends).zip(parts) {
            let Some(vectors) = self.vectors.get_mut(message.piece..end) else {
                continue;
            };
            let header = &mut header.msg_hdr;
            header.msg_namelen = name.set(message.to);
            header.msg_name = name.as_mut_ptr();
            header.msg_iov = vectors.as_mut_ptr();
            header.msg_iovlen = vectors.len() as _;
            header.msg_flags = 0;
            let segment = if message.datagrams > 1 {
                u16::try_from(message.segment).ok()
            } else {
                None
            };
            // SAFETY: the control lies in a box of `self` and is written again only by the next flush.
            unsafe { control::write(header, control, message.source.address, segment) };
        }
    }

    /// Sends messages of one socket. A message that the kernel refuses is counted and passed over.
    fn send_run(&mut self, fd: RawFd, mut run: Range<usize>) {
        let mut tried = None;
        while !run.is_empty() {
            let Some(headers) = self.headers.get_mut(run.clone()) else {
                return;
            };
            let (pointer, count) = (headers.as_mut_ptr(), headers.len() as libc::c_uint);
            self.sums.calls += 1;
            // SAFETY: `fill_headers` pointed each of these headers at vectors, names and controls in boxes of `self`;
            // the vectors point at the batch's buffer, at heads in `self` or at ZEROS, all alive and not written to
            // during the call.
            let taken = unsafe {
                if count == 1 {
                    let sent = libc::sendmsg(fd, &raw const (*pointer).msg_hdr, libc::MSG_DONTWAIT);
                    if sent < 0 { -1 } else { 1 }
                } else {
                    libc::sendmmsg(fd, pointer, count, libc::MSG_DONTWAIT)
                }
            };
            match usize::try_from(taken) {
                Ok(taken) if taken > 0 => {
                    let sent = self
                        .waiting
                        .iter()
                        .skip(run.start)
                        .take(taken)
                        .map(|message| message.datagrams as u64);
                    self.sums.sent += sent.sum::<u64>();
                    self.sums.messages += taken as u64;
                    run.start += taken;
                }
                _ => {
                    let error = io::Error::last_os_error();
                    if matches!(error.raw_os_error(), Some(libc::EMSGSIZE | libc::EINVAL)) {
                        let_fragment(&fd);
                    }
                    if may_be_of_another(&error) && tried != Some(run.start) {
                        tried = Some(run.start);
                        continue;
                    }
                    self.refused(fd, run.start, &error);
                    run.start += 1;
                }
            }
        }
    }

    fn refused(&mut self, fd: RawFd, message: usize, error: &io::Error) {
        let datagrams = self.waiting.get(message).map_or(0, |message| message.datagrams);
        let no_segmentation = matches!(
            error.raw_os_error(),
            Some(libc::EIO | libc::EINVAL | libc::EMSGSIZE)
        );
        if datagrams > 1 && no_segmentation {
            self.segmentation = error.raw_os_error() != Some(libc::EIO) && self.segmentation;
            self.send_singly(fd, message);
        } else {
            self.sums.dropped += datagrams as u64;
        }
    }

    /// Sends a run datagram by datagram, for a device that cannot cut it.
    fn send_singly(&mut self, fd: RawFd, index: usize) {
        let Some(message) = self.waiting.get(index).copied() else {
            return;
        };
        let end = self.waiting.get(index + 1).map_or(self.pieces, |next| next.piece);
        let (Some(header), Some(control)) = (self.headers.get(index), self.controls.get_mut(index)) else {
            return;
        };
        let mut header = header.msg_hdr;
        // SAFETY: as in `fill_headers`.
        unsafe { control::write(&mut header, control, message.source.address, None) };
        let mut at = message.piece;
        while at < end {
            let Some(rest) = self.vectors.get_mut(at..end) else {
                return;
            };
            let mut length = 0;
            let mut pieces = 0;
            for vector in rest.iter() {
                length += vector.iov_len;
                pieces += 1;
                if length >= message.segment {
                    break;
                }
            }
            header.msg_iov = rest.as_mut_ptr();
            header.msg_iovlen = pieces as _;
            self.sums.calls += 1;
            // SAFETY: the header points at the vectors of one datagram; see `send_run`.
            let sent = unsafe { libc::sendmsg(fd, &raw const header, libc::MSG_DONTWAIT) };
            if sent < 0 {
                self.sums.dropped += 1;
            } else {
                self.sums.sent += 1;
                self.sums.messages += 1;
            }
            at += pieces;
        }
    }
}

/// Whether an error may be what ICMP said about an earlier datagram: a socket that keeps errors tells it at the next call,
/// and only once.
fn may_be_of_another(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(
            libc::ECONNREFUSED
                | libc::EHOSTUNREACH
                | libc::ENETUNREACH
                | libc::EHOSTDOWN
                | libc::ENONET
                | libc::ENOPROTOOPT
                | libc::EOPNOTSUPP
                | libc::EPROTO
                | libc::EACCES
                | libc::EMSGSIZE
        )
    )
}

impl Batch {
    /// Queues bytes of the batch as a datagram.
    #[inline]
    pub fn send(&mut self, source: Source, to: SocketAddr, body: Range<usize>) {
        if self.sender.is_full() {
            self.sender.flush();
        }
        let Some(bytes) = self.buffer.get(body) else {
            return;
        };
        self.sender.begin(source, to, bytes.len());
        self.sender.piece(bytes.as_ptr(), bytes.len());
    }

    /// Queues `head` (at most 48 bytes), bytes of the batch, and `padding` (at most 3) zeros as one datagram.
    #[inline]
    pub fn send_framed(
        &mut self,
        source: Source,
        to: SocketAddr,
        head: &[u8],
        body: Range<usize>,
        padding: usize,
    ) {
        if self.sender.is_full() {
            self.sender.flush();
        }
        let (Some(bytes), Some(zeros)) = (self.buffer.get(body), ZEROS.get(..padding)) else {
            return;
        };
        let (pointer, length) = (bytes.as_ptr(), bytes.len());
        let Some(kept) = self.sender.heads.get_mut(self.sender.heads_used) else {
            return;
        };
        let Some(into) = kept.get_mut(..head.len()) else {
            return;
        };
        into.copy_from_slice(head);
        let head_pointer = into.as_ptr();
        self.sender.heads_used += 1;
        self.sender.begin(source, to, head.len() + length + padding);
        self.sender.piece(head_pointer, head.len());
        if length > 0 {
            self.sender.piece(pointer, length);
        }
        if padding > 0 {
            self.sender.piece(zeros.as_ptr(), padding);
        }
    }

    /// Writes `head` into the bytes before `body` and queues both as one datagram. The bytes before must be free: the
    /// headroom of a slot, or the header of the message that `body` came in.
    #[inline]
    pub fn send_headed(&mut self, source: Source, to: SocketAddr, head: &[u8], body: Range<usize>) {
        let Some(start) = body.start.checked_sub(head.len()) else {
            return;
        };
        let Some(into) = self.buffer.get_mut(start..body.start) else {
            return;
        };
        into.copy_from_slice(head);
        self.send(source, to, start..body.end);
    }

    /// Queues a message that was made elsewhere.
    pub fn send_bytes(&mut self, source: Source, to: SocketAddr, bytes: &[u8]) {
        let span = self.keep(bytes);
        self.send(source, to, span);
    }

    /// Whether runs to one destination are sent as one (GSO); they are, until this says otherwise.
    pub fn set_segmentation(&mut self, on: bool) {
        self.sender.segmentation = on;
    }

    /// What has been sent since the batch was made.
    #[must_use]
    pub fn sums(&self) -> Sums {
        self.sender.sums
    }
}
