//! WebSocket frames over a TCP connection, polled: no task, no lock and no timer of its own.

use std::{
    io::{self, ErrorKind, Read, Write},
    pin::Pin,
    task::{Context, Poll, Waker, ready},
};

use bytes::Bytes;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};
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
pub(crate) struct Socket {
    transport: Transport,
    frames: WebSocketContext,
}

/// What is under a WebSocket: TCP itself without a layer between, or whatever the caller brought, such as TLS.
enum Transport {
    Tcp(TcpStream),
    Other(Box<TokioIo<Upgraded>>),
}

impl Transport {
    fn poll_read(&mut self, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(tcp) => Pin::new(tcp).poll_read(context, buffer),
            Self::Other(other) => Pin::new(other).poll_read(context, buffer),
        }
    }

    fn poll_write(&mut self, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self {
            Self::Tcp(tcp) => Pin::new(tcp).poll_write(context, bytes),
            Self::Other(other) => Pin::new(other).poll_write(context, bytes),
        }
    }

    fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(tcp) => Pin::new(tcp).poll_flush(context),
            Self::Other(other) => Pin::new(other).poll_flush(context),
        }
    }

    fn poll_shutdown(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(tcp) => Pin::new(tcp).poll_shutdown(context),
            Self::Other(other) => Pin::new(other).poll_shutdown(context),
        }
    }
}

/// What is read at first, in bytes: most messages fit, and it is there as long as the connection.
const READ_BUFFER: usize = 2048;
/// What is gathered before it is written, in bytes.
const WRITE_BUFFER: usize = 8192;

impl Socket {
    /// A WebSocket whose handshake is done.
    pub(crate) fn new(upgraded: Upgraded, message_bytes: usize) -> Self {
        // What the client sent right after its handshake is in hyper's hands.
        let (transport, read) = match upgraded.downcast::<TokioIo<TcpStream>>() {
            Ok(parts) => (Transport::Tcp(parts.io.into_inner()), parts.read_buf.to_vec()),
            Err(upgraded) => (Transport::Other(Box::new(TokioIo::new(upgraded))), Vec::new()),
        };
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER)
            .write_buffer_size(WRITE_BUFFER)
            .max_message_size(Some(message_bytes))
            .max_frame_size(Some(message_bytes));
        let frames = WebSocketContext::from_partially_read(read, Role::Server, Some(config));
        Self { transport, frames }
    }

    /// The next message or control frame.
    pub(crate) fn poll_read(&mut self, context: &mut Context<'_>) -> Poll<Result<Message, Error>> {
        pending(self.frames.read(&mut Polled(&mut self.transport, context)))
    }

    /// Queues a text; `false` if the connection takes no more for now, though it took this one.
    ///
    /// Nobody is woken for it: [`Socket::poll_flush`] must be polled afterwards.
    pub(crate) fn write(&mut self, text: Bytes) -> Result<bool, Error> {
        self.queue(Message::Frame(Frame::message(
            text,
            OpCode::Data(Data::Text),
            true,
        )))
    }

    /// Queues a ping with this in it, as [`Socket::write`] does.
    pub(crate) fn ping(&mut self, payload: Bytes) -> Result<bool, Error> {
        self.queue(Message::Ping(payload))
    }

    /// Queues a close frame, as [`Socket::write`] does.
    pub(crate) fn close(&mut self, code: u16) -> Result<bool, Error> {
        self.queue(Message::Close(Some(CloseFrame {
            code: code.into(),
            reason: "".into(),
        })))
    }

    fn queue(&mut self, message: Message) -> Result<bool, Error> {
        let mut context = Context::from_waker(Waker::noop());
        match pending(
            self.frames
                .write(&mut Polled(&mut self.transport, &mut context), message),
        ) {
            Poll::Pending => Ok(false),
            Poll::Ready(done) => done.map(|()| true),
        }
    }

    /// Hands everything queued to the kernel.
    pub(crate) fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        pending(self.frames.flush(&mut Polled(&mut self.transport, context)))
    }

    /// Says that nothing more will be written.
    pub(crate) fn poll_shut_down(&mut self, context: &mut Context<'_>) -> Poll<()> {
        // It may be closed already.
        self.transport.poll_shutdown(context).map(drop)
    }

    /// Reads and forgets, so that no reset overtakes what was written; ready when the other side has closed.
    pub(crate) fn poll_discard(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let mut scratch = [0; 1024];
        loop {
            let mut buffer = ReadBuf::new(&mut scratch);
            if ready!(self.transport.poll_read(context, &mut buffer)).is_err() || buffer.filled().is_empty() {
                return Poll::Ready(());
            }
        }
    }
}

/// `WouldBlock` is what pending looks like through [`Polled`].
fn pending<T>(result: Result<T, Error>) -> Poll<Result<T, Error>> {
    match result {
        Err(Error::Io(error)) if error.kind() == ErrorKind::WouldBlock => Poll::Pending,
        done => Poll::Ready(done),
    }
}

/// A transport that is read and written only as far as it is ready; its task is woken when it is again.
struct Polled<'a, 'b, 'c>(&'a mut Transport, &'b mut Context<'c>);

impl Read for Polled<'_, '_, '_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut buffer = ReadBuf::new(buffer);
        match self.0.poll_read(self.1, &mut buffer) {
            Poll::Ready(done) => done.map(|()| buffer.filled().len()),
            Poll::Pending => Err(ErrorKind::WouldBlock.into()),
        }
    }
}

impl Write for Polled<'_, '_, '_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.0.poll_write(self.1, bytes) {
            Poll::Ready(done) => done,
            Poll::Pending => Err(ErrorKind::WouldBlock.into()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self.0.poll_flush(self.1) {
            Poll::Ready(done) => done,
            Poll::Pending => Err(ErrorKind::WouldBlock.into()),
        }
    }
}
