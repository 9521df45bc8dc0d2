//! Starts the binary on free ports, speaks HTTP to it, and ends it.

use std::{
    env,
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use base64::{Engine as _, prelude::BASE64_STANDARD};

const BINARY: &str = env!("CARGO_BIN_EXE_trefoil");

/// A running server, ended when it is dropped.
pub(crate) struct Trefoil {
    child: Child,
    /// What it printed at the start.
    pub(crate) banner: String,
    /// Where HTTP listens; port 0 if it does not.
    pub(crate) http: SocketAddr,
    /// Where STUN and TURN listen; port 0 if they do not.
    pub(crate) relay: SocketAddr,
}

impl Trefoil {
    /// Starts it on free ports of loopback, and waits until it serves.
    pub(crate) fn start(arguments: &[&str]) -> Self {
        let mut command = Command::new(BINARY);
        command
            .args([
                "serve",
                "--http",
                "127.0.0.1:0",
                "--relay",
                "127.0.0.1:0",
                "--media",
                "127.0.0.1:0",
            ])
            .args(arguments);
        command
            .env("RUST_LOG", "debug")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut banner = String::new();
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        // An empty line follows the title, what listens, and (where there is a page) the link to it.
        let parts = |banner: &str| {
            if banner.contains("rooms and signalling") {
                3
            } else {
                2
            }
        };
        while banner.matches("\n\n").count() < parts(&banner) && lines.read_line(&mut banner).unwrap() > 0 {}
        let after = |words: &str| {
            let line = banner
                .lines()
                .find(|line| line.contains(words))
                .unwrap_or_default();
            line.split_whitespace().find_map(|word| word.parse().ok())
        };
        let none = SocketAddr::from(([127, 0, 0, 1], 0));
        let (http, relay) = (after("rooms and signalling"), after("STUN and TURN"));
        Self {
            child,
            http: http.unwrap_or(none),
            relay: relay.unwrap_or(none),
            banner,
        }
    }

    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The whole answer to a GET.
    pub(crate) fn get(&self, path: &str) -> String {
        self.ask(&format!("GET {path} HTTP/1.1\r\n"))
    }

    /// The whole answer to an empty POST with a bearer token.
    pub(crate) fn post(&self, path: &str, token: &str) -> String {
        self.ask(&format!(
            "POST {path} HTTP/1.1\r\nAuthorization: Bearer {token}\r\nContent-Length: 0\r\n"
        ))
    }

    /// The whole answer to a request of an administrator, whose key and secret are given as `key:secret`, with a JSON body.
    pub(crate) fn administer(&self, method: &str, path: &str, key: &str, body: &str) -> String {
        let head = format!(
            "{method} {path} HTTP/1.1\r\nAuthorization: Basic {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n",
            BASE64_STANDARD.encode(key),
            body.len()
        );
        self.ask_with(&head, body)
    }

    fn ask(&self, head: &str) -> String {
        self.ask_with(head, "")
    }

    fn ask_with(&self, head: &str, body: &str) -> String {
        let mut stream = TcpStream::connect(self.http).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        write!(
            stream,
            "{head}Host: {}\r\nConnection: close\r\n\r\n{body}",
            self.http
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    /// Sends SIGTERM and waits; the exit code and all that was logged.
    pub(crate) fn terminate(mut self) -> (Option<i32>, String) {
        let pid = self.child.id().to_string();
        assert!(
            Command::new("kill")
                .args(["-TERM", &pid])
                .status()
                .unwrap()
                .success()
        );
        let mut log = String::new();
        self.child
            .stderr
            .take()
            .unwrap()
            .read_to_string(&mut log)
            .unwrap();
        (self.child.wait().unwrap().code(), log)
    }
}

impl Drop for Trefoil {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs the binary to its end: exit code, standard output, standard error.
pub(crate) fn run(arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = Command::new(BINARY)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// A configuration file with this text; its path.
pub(crate) fn written(text: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let name = format!(
        "trefoil-{}-{}.toml",
        std::process::id(),
        COUNT.fetch_add(1, Ordering::Relaxed)
    );
    let path = env::temp_dir().join(name);
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}
