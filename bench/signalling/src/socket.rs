//! A WebSocket client connection: the least that a load generator needs of RFC 6455.

use std::{
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use anyhow::{Context as _, bail};

/// One connection; blocking until [`Socket::start`], non-blocking after it.
pub struct Socket {
    pub stream: mio::net::TcpStream,
    received: Vec<u8>,
    waiting: Vec<u8>,
}

impl Socket {
    /// Connects and upgrades, waiting for the answer.
    pub fn open(server: SocketAddr, path: &str) -> anyhow::Result<Self> {
        let mut stream = TcpStream::connect(server).context("connecting")?;
        stream.set_read_timeout(Some(Duration::from_secs(20)))?;
        stream.set_nodelay(true)?;
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {server}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        stream.write_all(request.as_bytes())?;
        let mut received = Vec::new();
        let head = loop {
            let mut chunk = [0; 2048];
            let n = stream.read(&mut chunk).context("waiting for the upgrade")?;
            received.extend_from_slice(&chunk[..n]);
            if let Some(at) = received.windows(4).position(|four| four == b"\r\n\r\n") {
                break at + 4;
            }
            if n == 0 {
                bail!(
                    "closed during the upgrade: {}",
                    String::from_utf8_lossy(&received)
                );
            }
        };
        if !received.starts_with(b"HTTP/1.1 101") {
            bail!(
                "no upgrade: {}",
                String::from_utf8_lossy(&received[..received.len().min(300)])
            );
        }
        received.drain(..head);
        stream.set_nonblocking(true)?;
        Ok(Self {
            stream: mio::net::TcpStream::from_std(stream),
            received,
            waiting: Vec::new(),
        })
    }

    /// Sends one text frame. The mask is zero, so that masking costs the generator nothing.
    pub fn send(&mut self, text: &[u8]) -> anyhow::Result<()> {
        frame(&mut self.waiting, 0x81, text);
        self.flush()
    }

    /// Writes what still waits.
    pub fn flush(&mut self) -> anyhow::Result<()> {
        while !self.waiting.is_empty() {
            match self.stream.write(&self.waiting) {
                Ok(n) => drop(self.waiting.drain(..n)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error).context("writing"),
            }
        }
        Ok(())
    }

    /// Reads what is there and hands over each text message; pings are answered.
    pub fn read(&mut self, mut message: impl FnMut(&[u8])) -> anyhow::Result<()> {
        let mut chunk = [0; 65536];
        loop {
            match self.stream.read(&mut chunk) {
                Ok(0) => bail!("the server closed the connection"),
                Ok(n) => self.received.extend_from_slice(&chunk[..n]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error).context("reading"),
            }
        }
        let mut at = 0;
        while let Some((opcode, from, to)) = next_frame(&self.received, at) {
            match opcode {
                1 | 2 => message(&self.received[from..to]),
                8 => bail!("the server said close: {:?}", &self.received[from..to]),
                9 => frame(&mut self.waiting, 0x8A, &self.received[from..to]),
                _ => {}
            }
            at = to;
        }
        self.received.drain(..at);
        self.flush()
    }

    /// Waits for the first message that `wanted` accepts.
    pub fn wait<T>(&mut self, mut wanted: impl FnMut(&str) -> Option<T>) -> anyhow::Result<T> {
        let started = std::time::Instant::now();
        let mut found = None;
        while found.is_none() {
            self.read(|text| {
                if found.is_none() {
                    found = wanted(&String::from_utf8_lossy(text));
                }
            })?;
            if found.is_none() {
                if started.elapsed() > Duration::from_secs(20) {
                    bail!("no answer within 20 s");
                }
                std::thread::sleep(Duration::from_micros(50));
            }
        }
        found.context("an answer")
    }
}

fn frame(out: &mut Vec<u8>, first: u8, body: &[u8]) {
    out.push(first);
    match body.len() {
        short @ 0..126 => out.push(0x80 | short as u8),
        long => {
            out.push(0x80 | 126);
            out.extend((long as u16).to_be_bytes());
        }
    }
    out.extend([0; 4]);
    out.extend_from_slice(body);
}

/// Opcode, and where the body of the frame at `at` starts and ends.
fn next_frame(bytes: &[u8], at: usize) -> Option<(u8, usize, usize)> {
    let head = bytes.get(at..at + 2)?;
    let (length, from) = match head[1] & 0x7f {
        126 => (
            u16::from_be_bytes(bytes.get(at + 2..at + 4)?.try_into().ok()?) as usize,
            at + 4,
        ),
        127 => (
            u64::from_be_bytes(bytes.get(at + 2..at + 10)?.try_into().ok()?) as usize,
            at + 10,
        ),
        short => (short as usize, at + 2),
    };
    bytes.get(from..from + length)?;
    Some((head[0] & 0x0f, from, from + length))
}
