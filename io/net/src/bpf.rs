//! Programs inside the kernel: an assembler, tables that they share with us, and their place at a network interface.
//!
//! Only what a relay needs of [eBPF](https://docs.kernel.org/bpf/): a classifier at the entrance of an interface (tcx,
//! Linux 6.6), hash tables, and arrays that both sides see as memory. No crate assembles a program without a second
//! compiler, so [`Assembler`] does. Whatever is loaded is checked by the kernel, and ends with its handles.

mod assembler;
mod program;
mod table;

pub use assembler::{Assembler, Calculation, Condition, Label, Register, Size, Value};
pub use program::{Attachment, Program, Ran};
pub use table::{SharedWords, Table};

use std::io;
use std::os::fd::{FromRawFd, OwnedFd};

/// Commands of the system call `bpf`.
#[derive(Clone, Copy)]
#[repr(u8)]
enum Command {
    MapCreate = 0,
    MapUpdate = 2,
    MapDelete = 3,
    ProgramLoad = 5,
    ProgramTestRun = 10,
    LinkCreate = 28,
}

/// The argument of a command: its fields, each at its offset, in the order of `union bpf_attr`.
struct Argument([u64; 16]);

impl Argument {
    fn new() -> Argument {
        Argument([0; 16])
    }

    /// Sets the 32-bit field at this offset in bytes, a multiple of four.
    fn number(mut self, offset: usize, value: u32) -> Argument {
        if let Some(word) = self.0.get_mut(offset / 8) {
            let high = (offset % 8 == 4) == cfg!(target_endian = "little");
            *word |= u64::from(value) << if high { 32 } else { 0 };
        }
        self
    }

    /// Sets the 64-bit field at this offset in bytes, a multiple of eight.
    fn address<T: ?Sized>(mut self, offset: usize, of: *const T) -> Argument {
        if let Some(word) = self.0.get_mut(offset / 8) {
            *word = of.cast::<u8>().addr() as u64;
        }
        self
    }

    /// Reads the 32-bit field at this offset in bytes, a multiple of four.
    fn told(&self, offset: usize) -> u32 {
        let word = self.0.get(offset / 8).copied().unwrap_or(0);
        let high = (offset % 8 == 4) == cfg!(target_endian = "little");
        (if high { word >> 32 } else { word } & u64::from(u32::MAX)) as u32
    }

    /// Calls the kernel.
    ///
    /// # Safety
    /// Every address in the argument is of memory that is alive and as large as the command takes it for.
    unsafe fn call(&mut self, command: Command) -> io::Result<i32> {
        let (number, size) = (command as libc::c_int, size_of_val(&self.0) as libc::c_uint);
        // SAFETY: the argument is alive and its size is given; what it points to is the caller's promise.
        let done = unsafe { libc::syscall(libc::SYS_bpf, number, self.0.as_mut_ptr(), size) };
        if done < 0 {
            Err(io::Error::last_os_error())
        } else {
            Ok(i32::try_from(done).unwrap_or(0))
        }
    }

    /// The same, for a command that gives a handle.
    ///
    /// # Safety
    /// As [`Argument::call`].
    unsafe fn open(&mut self, command: Command) -> io::Result<OwnedFd> {
        // SAFETY: the caller's promise is passed on; the kernel gives a new handle that nobody else owns.
        unsafe { self.call(command).map(|fd| OwnedFd::from_raw_fd(fd)) }
    }
}
