//! HTTP as a load needs it: one connection, one request after the other, JSON in and out.

use std::{
    fmt::Write as _,
    io::{self, Read, Write},
    net::{IpAddr, TcpStream, ToSocketAddrs as _, UdpSocket},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context as _, bail, ensure};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned, pki_types::ServerName};
use serde_json::Value;

/// How long a server may take to answer.
const PATIENCE: Duration = Duration::from_secs(40);
/// The longest answer that is read.
const LONGEST: usize = 16 * 1024 * 1024;

/// Where a server is: `http://host:port/path`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) secured: bool,
    pub(super) host: String,
    pub(super) port: u16,
    /// Without a slash at its end.
    pub(super) path: String,
}

impl Place {
    /// Reads a URL of HTTP or WebSocket.
    ///
    /// # Errors
    /// Says what a URL looks like.
    pub(super) fn parse(url: &str) -> anyhow::Result<Self> {
        let wrong = || format!("`{url}` is no URL of a server: write http://HOST:PORT or https://HOST");
        let (scheme, rest) = url.split_once("://").with_context(wrong)?;
        let secured = match scheme {
            "http" | "ws" => false,
            "https" | "wss" => true,
            _ => bail!(wrong()),
        };
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        // The brackets of an IPv6 address keep its colons from the port's.
        let (host, port) = match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((host, rest)) => (host, rest.strip_prefix(':')),
            None => authority
                .split_once(':')
                .map_or((authority, None), |(host, port)| (host, Some(port))),
        };
        ensure!(!host.is_empty(), wrong());
        let usual = if secured { 443 } else { 80 };
        Ok(Self {
            secured,
            host: host.to_owned(),
            port: port.map_or(Ok(usual), str::parse).ok().with_context(wrong)?,
            path: path.trim_end_matches('/').to_owned(),
        })
    }

    /// As it stands in `Host`.
    pub(super) fn authority(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }

    /// Our own address towards it.
    ///
    /// # Errors
    /// If its name has no address or no route leads there.
    pub(super) fn local_address(&self) -> anyhow::Result<IpAddr> {
        let reach = || format!("no way leads to {}", self.authority());
        let address = (self.host.as_str(), self.port)
            .to_socket_addrs()
            .with_context(|| format!("the name {} has no address: check it", self.host))?
            .next()
            .with_context(reach)?;
        let any: IpAddr = if address.is_ipv4() {
            [0; 4].into()
        } else {
            [0_u16; 8].into()
        };
        let socket = UdpSocket::bind((any, 0)).with_context(reach)?;
        socket.connect(address).with_context(reach)?;
        Ok(socket.local_addr().with_context(reach)?.ip())
    }

    /// Connects.
    ///
    /// # Errors
    /// Says where nobody answers, or whose certificate is not believed.
    pub(super) fn connect(&self) -> anyhow::Result<Stream> {
        let stream = TcpStream::connect((self.host.as_str(), self.port)).with_context(|| {
            format!(
                "cannot connect to {}: is the server running, and listening there?",
                self.authority()
            )
        })?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        if !self.secured {
            return Ok(Stream::Plain(stream));
        }
        let name = ServerName::try_from(self.host.clone())
            .with_context(|| format!("{} can have no certificate", self.host))?;
        let connection = ClientConnection::new(tls()?, name).context("TLS cannot be set up")?;
        Ok(Stream::Secured(Box::new(StreamOwned::new(connection, stream))))
    }
}

/// TLS that trusts whom this machine trusts.
fn tls() -> anyhow::Result<Arc<ClientConfig>> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .context("TLS cannot be set up")?;
    Ok(Arc::new(
        config.with_root_certificates(roots).with_no_client_auth(),
    ))
}

/// A connection, with or without TLS.
#[derive(Debug)]
pub(super) enum Stream {
    Plain(TcpStream),
    Secured(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Stream {
    /// Whether reading waits (for 40 s at most), or says at once that there is nothing.
    pub(super) fn set_waiting(&self, waiting: bool) -> io::Result<()> {
        match self {
            Self::Plain(stream) => stream.set_nonblocking(!waiting),
            Self::Secured(stream) => stream.sock.set_nonblocking(!waiting),
        }
    }
}

impl Read for Stream {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.read(into),
            Self::Secured(stream) => stream.read(into),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.write(bytes),
            Self::Secured(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(stream) => stream.flush(),
            Self::Secured(stream) => stream.flush(),
        }
    }
}

/// A server that is spoken to.
#[derive(Debug)]
pub(super) struct Http {
    place: Place,
    /// Sent with each request: `Name: value`, each with its end of line.
    headers: String,
    stream: Option<Stream>,
    received: Vec<u8>,
}

impl Http {
    pub(super) fn new(place: Place, headers: String) -> Self {
        Self {
            place,
            headers,
            stream: None,
            received: Vec::new(),
        }
    }

    /// The status and the body of the answer; `null` if it is none in JSON.
    ///
    /// # Errors
    /// If there is no answer.
    pub(super) fn ask(
        &mut self,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> anyhow::Result<(u16, Value)> {
        let body = body.map(Value::to_string).unwrap_or_default();
        let mut request = format!(
            "{method} {}{path} HTTP/1.1\r\nHost: {}\r\n{}",
            self.place.path,
            self.place.authority(),
            self.headers
        );
        if method != "GET" {
            let length = body.len();
            let _ = write!(
                request,
                "Content-Type: application/json\r\nContent-Length: {length}\r\n"
            );
        }
        request.push_str("\r\n");
        request.push_str(&body);
        // A server may close a connection that was idle: then once more on a new one.
        let reused = self.stream.is_some();
        let answer = match self.exchange(&request) {
            Err(_) if reused => self.exchange(&request),
            answer => answer,
        };
        answer.with_context(|| {
            format!(
                "no answer to {method} http://{}{}{path}",
                self.place.authority(),
                self.place.path
            )
        })
    }

    fn exchange(&mut self, request: &str) -> anyhow::Result<(u16, Value)> {
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => {
                self.received.clear();
                self.place.connect()?
            }
        };
        stream.write_all(request.as_bytes())?;
        stream.flush()?;
        let head = loop {
            if let Some(end) = self.received.windows(4).position(|four| four == b"\r\n\r\n") {
                break Head::parse(&self.received, end + 4)?;
            }
            ensure!(self.read(&mut stream)? > 0, "the connection was closed");
        };
        let (body, end) = loop {
            if let Some(whole) = head.body(&self.received)? {
                break whole;
            }
            if self.read(&mut stream)? == 0 {
                ensure!(
                    matches!(head.length, Length::UntilTheEnd),
                    "the connection was closed"
                );
                let body = self.received.get(head.start..).unwrap_or_default();
                break (body.to_vec(), self.received.len());
            }
        };
        let value = serde_json::from_slice(&body).unwrap_or(Value::Null);
        if !head.closes {
            self.received.drain(..end);
            self.stream = Some(stream);
        }
        Ok((head.status, value))
    }

    fn read(&mut self, stream: &mut Stream) -> anyhow::Result<usize> {
        ensure!(self.received.len() < LONGEST, "the answer is longer than 16 MiB");
        let mut chunk = [0; 16 * 1024];
        let length = stream.read(&mut chunk)?;
        self.received
            .extend_from_slice(chunk.get(..length).unwrap_or_default());
        Ok(length)
    }
}

/// What is above an answer's body.
#[derive(Debug)]
struct Head {
    status: u16,
    /// Where the body starts.
    start: usize,
    length: Length,
    closes: bool,
}

/// How long a body is.
#[derive(Debug)]
enum Length {
    Known(usize),
    Chunks,
    UntilTheEnd,
}

impl Head {
    fn parse(received: &[u8], start: usize) -> anyhow::Result<Self> {
        let head = String::from_utf8_lossy(received.get(..start).unwrap_or_default()).to_ascii_lowercase();
        let status = head.split(' ').nth(1).and_then(|word| word.parse().ok());
        let status = status.context("the answer is no HTTP")?;
        let value = |name: &str| {
            let of = |line: &str| Some(line.strip_prefix(name)?.strip_prefix(':')?.trim().to_owned());
            head.lines().find_map(of)
        };
        let length = value("content-length").and_then(|length| length.parse().ok());
        let length = match length {
            _ if status == 204 || status == 304 => Length::Known(0),
            Some(length) => Length::Known(length),
            None if value("transfer-encoding").as_deref() == Some("chunked") => Length::Chunks,
            None => Length::UntilTheEnd,
        };
        Ok(Self {
            status,
            start,
            closes: matches!(length, Length::UntilTheEnd) || value("connection").as_deref() == Some("close"),
            length,
        })
    }

    /// The body and where it ends, once all of it is there.
    fn body(&self, received: &[u8]) -> anyhow::Result<Option<(Vec<u8>, usize)>> {
        let mut at = self.start;
        let mut body = Vec::new();
        match self.length {
            Length::UntilTheEnd => return Ok(None),
            Length::Known(length) => {
                let end = at.saturating_add(length);
                return Ok(received.get(at..end).map(|whole| (whole.to_vec(), end)));
            }
            Length::Chunks => {}
        }
        loop {
            let rest = received.get(at..).unwrap_or_default();
            let Some(line) = rest.windows(2).position(|two| two == b"\r\n") else {
                return Ok(None);
            };
            let size = std::str::from_utf8(rest.get(..line).unwrap_or_default()).unwrap_or_default();
            let size = size.split(';').next().unwrap_or_default().trim();
            let size = usize::from_str_radix(size, 16).context("the answer's chunks have no length")?;
            let start = line + 2;
            let end = start.saturating_add(size);
            let (Some(chunk), Some(b"\r\n")) = (rest.get(start..end), rest.get(end..end.saturating_add(2)))
            else {
                return Ok(None);
            };
            body.extend_from_slice(chunk);
            at += end + 2;
            if size == 0 {
                return Ok(Some((body, at)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn a_place_is_read_from_a_url_and_what_is_none_is_refused() {
        for (url, secured, host, port, path) in [
            ("http://127.0.0.1:8080", false, "127.0.0.1", 8080, ""),
            ("https://meet.example.org/", true, "meet.example.org", 443, ""),
            ("wss://a:9/v1/signal", true, "a", 9, "/v1/signal"),
            ("http://[::1]:8088/janus", false, "::1", 8088, "/janus"),
        ] {
            let expected = Place {
                secured,
                host: host.to_owned(),
                port,
                path: path.to_owned(),
            };
            assert_eq!(Place::parse(url).unwrap(), expected, "{url}");
        }
        for url in ["", "a.example", "ftp://a", "http://", "http://a:b", "http://:80"] {
            let error = Place::parse(url).unwrap_err().to_string();
            assert!(error.contains("http://HOST:PORT"), "{url}: {error}");
        }
    }

    #[test]
    fn answers_follow_each_other_on_one_connection_and_another_is_made_where_it_closes() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let place = Place::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
        let server = std::thread::spawn(move || {
            for answers in [
                vec![
                    "Content-Length: 7\r\n\r\n{\"a\":1}",
                    "Transfer-Encoding: chunked\r\n\r\n1\r\n1\r\n0a\r\n234567890 \r\n0\r\n\r\n",
                    "Content-Length: 1\r\n\r\n2",
                ],
                vec!["Connection: close\r\n\r\n3"],
            ] {
                let (mut stream, _) = listener.accept().unwrap();
                for answer in answers {
                    let mut request = [0; 1000];
                    assert!(stream.read(&mut request).unwrap() > 0);
                    write!(stream, "HTTP/1.1 200 OK\r\n{answer}").unwrap();
                }
            }
        });
        let mut http = Http::new(place, String::new());
        let mut ask = || http.ask("GET", "/", None).unwrap();
        assert_eq!(ask(), (200, serde_json::json!({"a": 1})));
        assert_eq!(ask(), (200, 1_234_567_890.into()));
        assert_eq!(ask(), (200, 2.into()));
        assert_eq!(ask(), (200, 3.into()), "the first connection was closed");
        server.join().unwrap();
    }
}
