//! A program that the kernel has taken, and its place at an interface.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use anyhow::{Context, Result, bail};

use super::{Argument, Assembler, Command};

/// A classifier of packets (`BPF_PROG_TYPE_SCHED_CLS`).
const CLASSIFIER: u32 = 3;
/// At the entrance of an interface, before anything else of the system sees a packet (`BPF_TCX_INGRESS`).
const ENTRANCE: u32 = 46;
/// A tested packet has a checksum over all of it (`BPF_F_TEST_SKB_CHECKSUM_COMPLETE`).
const CHECKSUM_COMPLETE: u32 = 1 << 2;
/// What the kernel says of a program that it refuses is at most so long; more of it is lost.
const COMPLAINT: usize = 1 << 16;

/// A classifier in the kernel: for each packet it answers what becomes of it.
#[derive(Debug)]
pub struct Program(OwnedFd);

/// A program at work; it stops when this is dropped, or when the process ends in whatever way.
#[derive(Debug)]
pub struct Attachment {
    _handle: OwnedFd,
}

/// What a program did with one packet in [`Program::test`].
#[derive(Debug)]
pub struct Ran {
    /// Its answer.
    pub answer: u32,
    /// The packet after it.
    pub packet: Vec<u8>,
}

impl Program {
    /// Gives a program to the kernel, which checks that it ends and touches only what it may.
    ///
    /// # Errors
    /// If the process may not (`CAP_BPF` and `CAP_NET_ADMIN`), or with what the kernel has against it.
    pub fn load(code: Assembler) -> Result<Program> {
        let Some(code) = code.finish() else {
            bail!("the program jumps to a place that it does not have");
        };
        let license = c"Dual MIT/GPL";
        let mut complaint = vec![0u8; COMPLAINT];
        let count = u32::try_from(code.len()).unwrap_or(u32::MAX);
        let load = |complaint: Option<&mut Vec<u8>>| {
            let argument = Argument::new()
                .number(0, CLASSIFIER)
                .number(4, count)
                .address(8, code.as_ptr())
                .address(16, license.as_ptr())
                .number(68, ENTRANCE);
            let mut argument = match complaint {
                None => argument,
                Some(room) => argument
                    .number(24, 1)
                    .number(28, COMPLAINT as u32)
                    .address(32, room.as_mut_ptr()),
            };
            // SAFETY: instructions, licence and room for the complaint are alive and as long as is said.
            unsafe { argument.open(Command::ProgramLoad) }
        };
        match load(None) {
            Ok(handle) => Ok(Program(handle)),
            Err(error) if error.raw_os_error() == Some(libc::EPERM) => Err(error.into()),
            Err(_) => match load(Some(&mut complaint)) {
                Ok(handle) => Ok(Program(handle)),
                Err(error) => {
                    let said = String::from_utf8_lossy(&complaint);
                    let said = said.trim_end_matches('\0').trim();
                    Err(error).with_context(|| format!("the kernel refuses the program: {said}"))
                }
            },
        }
    }

    /// Puts the program at the entrance of an interface, after what is there already.
    ///
    /// # Errors
    /// If there is no such interface, or the kernel is older than Linux 6.6.
    pub fn attach(&self, interface: &str) -> io::Result<Attachment> {
        let mut argument = Argument::new()
            .number(0, self.0.as_raw_fd().cast_unsigned())
            .number(4, interface_index(interface)?)
            .number(8, ENTRANCE);
        // SAFETY: there is no address in it.
        let handle = unsafe { argument.open(Command::LinkCreate)? };
        Ok(Attachment { _handle: handle })
    }

    /// Runs the program for one packet, an Ethernet frame with checksums that a network card has looked at, as if it came in
    /// at the loopback interface. It goes nowhere.
    ///
    /// # Errors
    /// If the kernel is older than Linux 6.15, or cannot.
    pub fn test(&self, packet: &[u8]) -> io::Result<Ran> {
        let mut out = vec![0u8; packet.len() + 256];
        let [input, output] = [packet.len(), out.len()].map(|size| u32::try_from(size).unwrap_or(u32::MAX));
        let mut argument = Argument::new()
            .number(0, self.0.as_raw_fd().cast_unsigned())
            .number(8, input)
            .number(12, output)
            .address(16, packet.as_ptr())
            .address(24, out.as_mut_ptr())
            .number(32, 1)
            .number(64, CHECKSUM_COMPLETE);
        // SAFETY: both packets are alive and as long as is said.
        unsafe { argument.call(Command::ProgramTestRun)? };
        out.truncate(argument.told(12) as usize);
        Ok(Ran {
            answer: argument.told(4),
            packet: out,
        })
    }
}

fn interface_index(name: &str) -> io::Result<u32> {
    let name = CString::new(name)?;
    // SAFETY: the name ends with a zero and is alive for the call.
    match unsafe { libc::if_nametoindex(name.as_ptr()) } {
        0 => Err(io::Error::last_os_error()),
        index => Ok(index),
    }
}
