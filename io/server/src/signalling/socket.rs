//! WebSocket frames over a TCP connection, polled: no task, no lock and no timer of its own.

use std::{
    io::{self, ErrorKind, Read, Write},
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use socket2::SockRef;
use tokio::net::TcpStream;
use tungstenite::{
    Error, Message,
    protocol::{
        CloseFrame, Role, WebSocketConfig, WebSocketContext,
        frame::{
            Frame,
            coding::{Data, OpCode},
        },
    },
};

/// An accepted WebSocket.
pub(super) struct Socket {
    stream: TcpStream,
    frames: WebSocketContext,
}

/// What reading buffers hold at first, and what is gathered before it is written: both in bytes.
const BUFFER: usize = 4096;

impl Socket {
    /// A WebSocket whose handshake is done; `read` is what the client sent after that.
    pub(super) fn new(stream: TcpStream, read: Vec<u8>, message_bytes: usize) -> Self {
        let config = WebSocketConfig::default()
            .read_buffer_size(BUFFER)
            .write_buffer_size(BUFFER)
            .max_message_size(Some(message_bytes))
            .max_frame_size(Some(message_bytes));
        Self {
            stream,
            frames: WebSocketContext::from_partially_read(read, Role::Server, Some(config)),
        }
    }

    /// The next message or control frame.
    pub(super) fn poll_read(&mut self, context: &mut Context<'_>) -> Poll<Result<Message, Error>> {
        loop {
            match self.frames.read(&mut Ready(&self.stream)) {
                Err(Error::Io(error)) if error.kind() == ErrorKind::WouldBlock => {
                    ready!(self.stream.poll_read_ready(context))?;
                }
                done => return Poll::Ready(done),
            }
        }
    }

    /// Queues a text; `false` if the connection takes no more for now, though it took this one.
    pub(super) fn write(&mut self, text: Bytes) -> Result<bool, Error> {
        self.queue(Message::Frame(Frame::message(
            text,
            OpCode::Data(Data::Text),
            true,
        )))
    }

    /// Queues a ping.
    pub(super) fn ping(&mut self) -> Result<bool, Error> {
        self.queue(Message::Ping(Bytes::new()))
    }

    /// Queues a close frame.
    pub(super) fn close(&mut self, code: u16) -> Result<bool, Error> {
        self.queue(Message::Close(Some(CloseFrame {
            code: code.into(),
            reason: "".into(),
        })))
    }

    fn queue(&mut self, message: Message) -> Result<bool, Error> {
        match self.frames.write(&mut Ready(&self.stream), message) {
            Err(Error::Io(error)) if error.kind() == ErrorKind::WouldBlock => Ok(false),
            done => done.map(|()| true),
        }
    }

    /// Hands everything queued to the kernel.
    pub(super) fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        loop {
            match self.frames.flush(&mut Ready(&self.stream)) {
                Err(Error::Io(error)) if error.kind() == ErrorKind::WouldBlock => {
                    ready!(self.stream.poll_write_ready(context))?;
                }
                done => return Poll::Ready(done),
            }
        }
    }

    /// Says that nothing more will be written.
    pub(super) fn shut_down(&self) {
        // It may be closed already.
        let _ = SockRef::from(&self.stream).shutdown(std::net::Shutdown::Write);
    }

    /// Reads and forgets, so that no reset overtakes what was written; ready when the other side has closed.
    pub(super) fn poll_discard(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let mut scratch = [0; 1024];
        loop {
            match self.stream.try_read(&mut scratch) {
                Ok(0) => return Poll::Ready(()),
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    if ready!(self.stream.poll_read_ready(context)).is_err() {
                        return Poll::Ready(());
                    }
                }
                Err(_) => return Poll::Ready(()),
            }
        }
    }
}

/// A connection that is read and written only as far as it is ready.
struct Ready<'a>(&'a TcpStream);

impl Read for Ready<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.try_read(buffer)
    }
}

impl Write for Ready<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
