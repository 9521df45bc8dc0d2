//! Receiving many datagrams with one system call.

use std::io;
use std::mem;
use std::ops::Range;
use std::os::fd::AsRawFd;

use crate::control::{self, Control};
use crate::name::Name;
use crate::{Batch, Received, UdpSocket};

/// The headers for recvmmsg, one for each slot. They point into boxes that never move or shrink.
pub(crate) struct Receiver {
    headers: Box<[libc::mmsghdr]>,
    vectors: Box<[libc::iovec]>,
    names: Box<[Name]>,
    controls: Box<[Control]>,
}

impl Receiver {
    pub(crate) fn new(slots: usize) -> Receiver {
        // SAFETY: mmsghdr and iovec are plain integers and pointers, for which all zeros is a value.
        let (header, vector) = unsafe { (mem::zeroed::<libc::mmsghdr>(), mem::zeroed::<libc::iovec>()) };
        Receiver {
            headers: vec![header; slots].into_boxed_slice(),
            vectors: vec![vector; slots].into_boxed_slice(),
            names: vec![Name::empty(); slots].into_boxed_slice(),
            controls: vec![Control::empty(); slots].into_boxed_slice(),
        }
    }
}

impl Batch {
    /// Takes up to `most` datagrams that wait at `socket` into free slots, and returns which slots were filled, to be
    /// read with [`Batch::received`]. Never waits; nothing there is an empty range.
    ///
    /// # Errors
    /// What the socket says, except that nothing is there.
    #[inline]
    pub fn receive(&mut self, socket: &UdpSocket, most: usize) -> io::Result<Range<usize>> {
        let first = self.next_slot;
        let end = (first + most).min(Batch::SLOTS);
        let Some(headers) = self.receiver.headers.get_mut(first..end) else {
            return Ok(0..0);
        };
        let (pointer, count) = (headers.as_mut_ptr(), headers.len() as libc::c_uint);
        let null = std::ptr::null_mut();
        // SAFETY: `Batch::aim` pointed these `count` headers at their own vectors, names, controls and parts of the
        // buffer when the batch was made, and none of these boxes is ever moved or given away; `Batch::renew` gave the
        // headers their lengths back after they were used last.
        let filled = unsafe { libc::recvmmsg(socket.as_raw_fd(), pointer, count, libc::MSG_DONTWAIT, null) };
        let Ok(filled) = usize::try_from(filled) else {
            let error = io::Error::last_os_error();
            let nothing = matches!(
                error.kind(),
                io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
            );
            return if nothing { Ok(first..first) } else { Err(error) };
        };
        self.next_slot = first + filled;
        Ok(first..first + filled)
    }

    /// Points the headers of a slot at its part of the buffer, once and for all.
    pub(crate) fn aim(&mut self, slot: usize) {
        let start = Batch::slot_start(slot);
        let receiver = &mut self.receiver;
        let parts = (
            receiver.headers.get_mut(slot),
            receiver.vectors.get_mut(slot),
            receiver.names.get_mut(slot),
            receiver.controls.get_mut(slot),
            self.buffer.get_mut(start..start + Batch::LARGEST),
        );
        let (Some(header), Some(vector), Some(name), Some(control), Some(room)) = parts else {
            return;
        };
        *vector = libc::iovec {
            iov_base: room.as_mut_ptr().cast(),
            iov_len: room.len(),
        };
        header.msg_hdr.msg_name = name.as_mut_ptr();
        header.msg_hdr.msg_iov = vector;
        header.msg_hdr.msg_iovlen = 1;
        header.msg_hdr.msg_control = control.0.as_mut_ptr().cast();
        renew(header);
    }

    /// Gives the headers of the slots that were used their lengths back, which the kernel has changed.
    pub(crate) fn renew(&mut self) {
        self.receiver
            .headers
            .iter_mut()
            .take(self.next_slot)
            .for_each(renew);
    }

    /// What a filled slot holds; `None` if it was not filled or its sender has no address.
    #[must_use]
    #[inline]
    pub fn received(&self, slot: usize) -> Option<Received> {
        let header = self
            .receiver
            .headers
            .get(slot)
            .filter(|_| slot < self.next_slot)?;
        let from = self.receiver.names.get(slot)?.read()?;
        // SAFETY: the slot is below `next_slot`, so recvmmsg has filled its header, whose control buffer is in `self`.
        let told = unsafe { control::read(&header.msg_hdr) };
        let start = Batch::slot_start(slot);
        let length = (header.msg_len as usize).min(Batch::LARGEST);
        let segment = if told.segment < length { told.segment } else { 0 };
        Some(Received {
            span: start..start + length,
            from,
            local: told.local,
            segment,
            at: told.at,
        })
    }
}

fn renew(header: &mut libc::mmsghdr) {
    header.msg_hdr.msg_namelen = Name::ROOM;
    header.msg_hdr.msg_controllen = Control::ROOM as _;
    header.msg_hdr.msg_flags = 0;
}
