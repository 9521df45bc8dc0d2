//! What a program and we both see: tables of fixed size.

use std::io;
use std::ops::Deref;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::atomic::AtomicU64;

use std::os::fd::AsFd;

use super::{Argument, Command};

const HASH: u32 = 1;
const ARRAY: u32 = 2;
/// The kernel lets an array be mapped into memory.
const MAPPABLE: u32 = 1 << 10;

/// A table in the kernel. It lives for as long as this handle or a program that uses it.
#[derive(Debug)]
pub struct Table {
    handle: OwnedFd,
    key: usize,
    value: usize,
    most: u32,
}

impl Table {
    /// A hash table of at most `most` rows, with keys and values of so many bytes.
    ///
    /// # Errors
    /// If the process may not (`CAP_BPF`), or the kernel does not know it.
    pub fn hash(key: usize, value: usize, most: u32) -> io::Result<Table> {
        Table::create(HASH, (key, value), most, 0)
    }

    /// An array of `most` rows of `words` times eight bytes, all zero.
    ///
    /// # Errors
    /// As [`Table::hash`].
    pub fn array(words: usize, most: u32) -> io::Result<Table> {
        Table::create(ARRAY, (4, words * 8), most, MAPPABLE)
    }

    fn create(kind: u32, (key, value): (usize, usize), most: u32, flags: u32) -> io::Result<Table> {
        let [key_bytes, value_bytes] = [key, value].map(|size| u32::try_from(size).unwrap_or(u32::MAX));
        let mut argument = Argument::new()
            .number(0, kind)
            .number(4, key_bytes)
            .number(8, value_bytes)
            .number(12, most)
            .number(16, flags);
        // SAFETY: there is no address in it.
        let handle = unsafe { argument.open(Command::MapCreate)? };
        Ok(Table {
            handle,
            key,
            value,
            most,
        })
    }

    pub(super) fn handle(&self) -> BorrowedFd<'_> {
        self.handle.as_fd()
    }

    fn number(&self) -> u32 {
        self.handle.as_raw_fd().cast_unsigned()
    }

    /// Sets the row of a key.
    ///
    /// # Errors
    /// If there is no room, or a size is not the table's.
    pub fn insert(&self, key: &[u8], value: &[u8]) -> io::Result<()> {
        if key.len() != self.key || value.len() != self.value {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let mut argument = Argument::new()
            .number(0, self.number())
            .address(8, key.as_ptr())
            .address(16, value.as_ptr());
        // SAFETY: key and value are as long as the table's, and alive for the call.
        unsafe { argument.call(Command::MapUpdate).map(drop) }
    }

    /// Removes the row of a key.
    ///
    /// # Errors
    /// If there is none, or its size is not the table's.
    pub fn remove(&self, key: &[u8]) -> io::Result<()> {
        if key.len() != self.key {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let mut argument = Argument::new().number(0, self.number()).address(8, key.as_ptr());
        // SAFETY: the key is as long as the table's, and alive for the call.
        unsafe { argument.call(Command::MapDelete).map(drop) }
    }

    /// The rows of an array as memory that programs change at the same time.
    ///
    /// # Errors
    /// If the table is no array, or there is no memory.
    pub fn words(&self) -> io::Result<SharedWords> {
        let bytes = self.value * self.most as usize;
        let (protection, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED);
        // SAFETY: a new mapping at an address that the kernel chooses touches no memory of ours.
        let start = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                bytes,
                protection,
                flags,
                self.handle.as_raw_fd(),
                0,
            )
        };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let start = NonNull::new(start.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(SharedWords {
            start,
            count: bytes / 8,
        })
    }
}

/// Memory that we share with programs in the kernel.
#[derive(Debug)]
pub struct SharedWords {
    start: NonNull<AtomicU64>,
    count: usize,
}

// SAFETY: the mapping belongs to this value alone, and every access to it is atomic.
unsafe impl Send for SharedWords {}
// SAFETY: as above.
unsafe impl Sync for SharedWords {}

impl Deref for SharedWords {
    type Target = [AtomicU64];

    fn deref(&self) -> &[AtomicU64] {
        // SAFETY: the mapping has so many words, aligned to a page, zeroed by the kernel, and lives as long as `self`.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.count) }
    }
}

impl Drop for SharedWords {
    fn drop(&mut self) {
        // SAFETY: the mapping was made with this length and nobody borrows it any more.
        unsafe { libc::munmap(self.start.as_ptr().cast(), self.count * 8) };
    }
}
