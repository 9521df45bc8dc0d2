//! Waiting for many sockets at once, and being woken from another thread.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

/// Events taken at once; more are reported by the next wait.
const MOST_EVENTS: usize = 256;

/// A socket that can be read or written, by the token that it was added with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ready {
    /// The token.
    pub token: u64,
    /// There may be something to read, or the other side is gone.
    pub readable: bool,
    /// There is room to write.
    pub writable: bool,
    /// There is an error to take; readable too.
    pub failed: bool,
}

/// What a socket is watched for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Interest {
    /// Something to read.
    pub read: bool,
    /// Room to write.
    pub write: bool,
}

impl Interest {
    /// What [`Poller::add`] watches for.
    pub const READ: Interest = Interest {
        read: true,
        write: false,
    };

    fn bits(self) -> i32 {
        let bit = |wanted, bit| if wanted { bit } else { 0 };
        bit(self.read, libc::EPOLLIN) | bit(self.write, libc::EPOLLOUT)
    }
}

/// Level-triggered epoll.
pub struct Poller {
    epoll: OwnedFd,
    events: Box<[libc::epoll_event]>,
    ready: usize,
}

impl std::fmt::Debug for Poller {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Poller({})", self.epoll.as_raw_fd())
    }
}

impl Poller {
    /// A poller that watches nothing yet.
    ///
    /// # Errors
    /// If the kernel has no epoll descriptor left.
    pub fn new() -> io::Result<Poller> {
        // SAFETY: epoll_create1 takes a flag and returns a descriptor that nobody else has.
        let epoll = unsafe {
            let fd = libc::epoll_create1(libc::EPOLL_CLOEXEC);
            if fd < 0 {
                return Err(io::Error::last_os_error());
            }
            OwnedFd::from_raw_fd(fd)
        };
        let events = vec![libc::epoll_event { events: 0, u64: 0 }; MOST_EVENTS].into_boxed_slice();
        Ok(Poller {
            epoll,
            events,
            ready: 0,
        })
    }

    /// Watches `socket` for something to read. Closing the socket ends it.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn add(&self, socket: &impl AsRawFd, token: u64) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_ADD, socket, libc::EPOLLIN, token)
    }

    /// Watches `socket` for something to read and, if `writable`, for room to write.
    ///
    /// # Errors
    /// If the socket was not added before.
    pub fn change(&self, socket: &impl AsRawFd, token: u64, writable: bool) -> io::Result<()> {
        let interest = if writable {
            libc::EPOLLIN | libc::EPOLLOUT
        } else {
            libc::EPOLLIN
        };
        self.control(libc::EPOLL_CTL_MOD, socket, interest, token)
    }

    /// Changes what `socket` is watched for; watching for nothing, the poller forgets it and reports not even its end.
    ///
    /// # Errors
    /// If `before` is not what it was watched for.
    pub fn set(
        &self,
        socket: &impl AsRawFd,
        token: u64,
        before: Interest,
        after: Interest,
    ) -> io::Result<()> {
        match (before == Interest::default(), after == Interest::default()) {
            (true, true) => Ok(()),
            (true, false) => self.control(libc::EPOLL_CTL_ADD, socket, after.bits(), token),
            (false, true) => self.control(libc::EPOLL_CTL_DEL, socket, 0, token),
            (false, false) if before == after => Ok(()),
            (false, false) => self.control(libc::EPOLL_CTL_MOD, socket, after.bits(), token),
        }
    }

    fn control(&self, what: i32, socket: &impl AsRawFd, interest: i32, token: u64) -> io::Result<()> {
        let mut event = libc::epoll_event {
            events: interest.cast_unsigned(),
            u64: token,
        };
        // SAFETY: both descriptors are open and the event is alive for the call.
        let done =
            unsafe { libc::epoll_ctl(self.epoll.as_raw_fd(), what, socket.as_raw_fd(), &raw mut event) };
        if done == 0 {
            Ok(())
        } else {
            Err(io::Error::last_os_error())
        }
    }

    /// Waits until something is ready, or for `timeout` (rounded up to milliseconds; `None` waits for ever). Returns how
    /// many there are, to be read with [`Poller::ready`].
    ///
    /// # Errors
    /// If the kernel refuses to wait.
    pub fn wait(&mut self, timeout: Option<Duration>) -> io::Result<usize> {
        let milliseconds = timeout.map_or(-1, |timeout| {
            i32::try_from(timeout.as_nanos().div_ceil(1_000_000)).unwrap_or(i32::MAX)
        });
        let most = MOST_EVENTS as i32;
        // SAFETY: the events buffer has room for `most`.
        let count = unsafe {
            libc::epoll_wait(
                self.epoll.as_raw_fd(),
                self.events.as_mut_ptr(),
                most,
                milliseconds,
            )
        };
        self.ready = usize::try_from(count).unwrap_or(0);
        let error = io::Error::last_os_error();
        if count >= 0 || error.kind() == io::ErrorKind::Interrupted {
            Ok(self.ready)
        } else {
            Err(error)
        }
    }

    /// The `index`th of what the last wait found.
    #[must_use]
    #[inline]
    pub fn ready(&self, index: usize) -> Option<Ready> {
        let event = self.events.get(..self.ready)?.get(index)?;
        let (bits, token) = (event.events.cast_signed(), event.u64);
        let readable = bits & (libc::EPOLLIN | libc::EPOLLERR | libc::EPOLLHUP) != 0;
        Some(Ready {
            token,
            readable,
            writable: bits & libc::EPOLLOUT != 0,
            failed: bits & libc::EPOLLERR != 0,
        })
    }
}

/// Wakes a poller from another thread.
#[derive(Clone, Debug)]
pub struct Waker {
    event: Arc<OwnedFd>,
}

impl Waker {
    /// A waker, to be added to a poller.
    ///
    /// # Errors
    /// If the kernel has no descriptor left.
    pub fn new() -> io::Result<Waker> {
        // SAFETY: eventfd takes two integers and returns a descriptor that nobody else has.
        unsafe {
            let fd = libc::eventfd(0, libc::EFD_NONBLOCK | libc::EFD_CLOEXEC);
            if fd < 0 {
                return Err(io::Error::last_os_error());
            }
            Ok(Waker {
                event: Arc::new(OwnedFd::from_raw_fd(fd)),
            })
        }
    }

    /// Makes the poller's wait return.
    pub fn wake(&self) {
        let one = 1u64;
        // SAFETY: an eventfd takes eight bytes. A full counter means that the poller is awake already.
        unsafe { libc::write(self.event.as_raw_fd(), (&raw const one).cast(), 8) };
    }

    /// Takes the wake-ups that have come.
    pub fn clear(&self) {
        let mut count = 0u64;
        // SAFETY: an eventfd gives eight bytes.
        unsafe { libc::read(self.event.as_raw_fd(), (&raw mut count).cast(), 8) };
    }
}

impl AsRawFd for Waker {
    fn as_raw_fd(&self) -> i32 {
        self.event.as_raw_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_is_watched_for_what_is_wanted_and_for_nothing() {
        let (one, other) = std::os::unix::net::UnixStream::pair().unwrap();
        let mut poller = Poller::new().unwrap();
        let both = Interest {
            read: true,
            write: true,
        };
        let mut before = Interest::default();
        for (after, readable, writable) in [
            (both, false, true),
            (Interest::READ, false, false),
            (Interest::default(), false, false),
            (both, false, true),
        ] {
            poller.set(&one, 7, before, after).unwrap();
            before = after;
            let ready = poller.wait(Some(Duration::ZERO)).unwrap();
            assert_eq!(ready, usize::from(readable || writable), "{after:?}");
        }
        poller.set(&one, 7, before, Interest::default()).unwrap();
        drop(other);
        assert_eq!(poller.wait(Some(Duration::ZERO)).unwrap(), 0, "not even its end");
    }

    #[test]
    fn a_waker_ends_a_wait_until_it_is_cleared() {
        let mut poller = Poller::new().unwrap();
        let waker = Waker::new().unwrap();
        poller.add(&waker, 7).unwrap();
        assert_eq!(poller.wait(Some(Duration::ZERO)).unwrap(), 0);
        waker.wake();
        assert_eq!(poller.wait(None).unwrap(), 1);
        assert_eq!(
            poller.ready(0),
            Some(Ready {
                token: 7,
                readable: true,
                writable: false,
                failed: false,
            })
        );
        waker.clear();
        assert_eq!(poller.wait(Some(Duration::ZERO)).unwrap(), 0);
    }
}
