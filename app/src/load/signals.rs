//! One participant's WebSocket: docs/PROTOCOL.md from the client's side.

use std::io::ErrorKind;

use anyhow::{Context as _, bail};
use serde_json::Value;
use trefoil_wire::{LeaveReason, Refused, ServerMessage};
use tungstenite::{Message, WebSocket};

use super::http::{Place, Stream};

/// One participant's WebSocket.
pub(super) struct Signals {
    socket: WebSocket<Stream>,
    /// Who it is, for errors.
    name: String,
}

impl Signals {
    /// Connects.
    ///
    /// # Errors
    /// If nobody answers, or the server does not let anybody in.
    pub(super) fn open(url: &str, name: String) -> anyhow::Result<Self> {
        let stream = Place::parse(url)?.connect()?;
        let opened = tungstenite::client(url, stream).map_err(|error| error.to_string());
        match opened {
            Ok((socket, _)) => Ok(Self { socket, name }),
            Err(error) if error.contains("429") => bail!(
                "{url} takes no more connections from this address; set server.limits.connections_per_address = 0 \
                 in its configuration"
            ),
            Err(error) => bail!("{url} opens no WebSocket for {name}: {error}"),
        }
    }

    /// Says something.
    ///
    /// # Errors
    /// If the connection is broken.
    pub(super) fn say(&mut self, message: &Value) -> anyhow::Result<()> {
        self.socket.get_mut().set_waiting(true)?;
        let sent = self.socket.send(Message::text(message.to_string()));
        sent.with_context(|| format!("{} has lost the server", self.name))
    }

    /// Waits for the first message that is `wanted`.
    ///
    /// # Errors
    /// If the server refuses, or says nothing for 40 s.
    pub(super) fn wait<T>(
        &mut self,
        what: &str,
        mut wanted: impl FnMut(ServerMessage) -> Option<T>,
    ) -> anyhow::Result<T> {
        self.socket.get_mut().set_waiting(true)?;
        loop {
            let read = self.socket.read();
            let message = read.with_context(|| format!("{} waited for `{what}` in vain", self.name))?;
            if let Some(found) = self.understand(&message)?.and_then(&mut wanted) {
                return Ok(found);
            }
        }
    }

    /// Hears what has come, and answers pings.
    ///
    /// # Errors
    /// If the server has put the participant out.
    pub(super) fn hear(&mut self, mut each: impl FnMut(ServerMessage)) -> anyhow::Result<()> {
        self.socket.get_mut().set_waiting(false)?;
        loop {
            match self.socket.read() {
                Ok(message) => self.understand(&message)?.into_iter().for_each(&mut each),
                Err(tungstenite::Error::Io(error)) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => bail!("{} has lost the server: {error}", self.name),
            }
        }
    }

    /// Closes without waiting.
    pub(super) fn close(&mut self) {
        let leave = serde_json::json!({"type": "leave"});
        let _ = self.say(&leave);
        let _ = self.socket.close(None);
    }

    /// Reads a message, unless it is not for us to act on; what ends the load is an error.
    fn understand(&self, message: &Message) -> anyhow::Result<Option<ServerMessage>> {
        let Message::Text(text) = message else {
            return Ok(None);
        };
        let parsed = serde_json::from_str(text);
        let parsed: ServerMessage = parsed.with_context(|| {
            format!(
                "the server says something that this version does not know: {:.200}",
                text.as_str()
            )
        })?;
        match parsed {
            ServerMessage::Refused(refused) => bail!("{}", told(&self.name, &refused)),
            ServerMessage::Left { reason, .. } => bail!("{} was put out: {}", self.name, why(reason)),
            ServerMessage::MediaLost { transport } => bail!(
                "the server has lost the transport of {} ({transport:?}): its log says why",
                self.name
            ),
            heard => Ok(Some(heard)),
        }
    }
}

fn told(name: &str, refused: &Refused) -> String {
    let what = refused.of.as_deref().unwrap_or("a message");
    let (code, message) = (&refused.code, &refused.message);
    format!(
        "{name}: the server refuses {what} ({code}): {message}{}",
        remedy(code)
    )
}

/// What whoever runs a load can do about a refusal.
pub(super) fn remedy(code: &str) -> &'static str {
    match code {
        "room_full" => {
            "; give --key, so that the room is made large enough, or raise server.rooms.member_limit"
        }
        "unauthorized" => "; give a right --key and TREFOIL_SECRET: guests join only in development mode",
        "too_large" => {
            "; raise server.limits.message_bytes: an answer grows with the m= sections, so with --publishers"
        }
        "no_media_server" => "; the room must be of topology sfu: give --key, or set server.rooms.topology",
        _ => "",
    }
}

fn why(reason: LeaveReason) -> String {
    let named = serde_json::to_value(reason).unwrap_or_default();
    match reason {
        LeaveReason::TooSlow => {
            "this machine does not read what the server says fast enough (too_slow)".to_owned()
        }
        _ => named.as_str().unwrap_or_default().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_says_what_to_do_next() {
        for (code, next) in [
            ("room_full", "--key"),
            ("unauthorized", "TREFOIL_SECRET"),
            ("too_large", "message_bytes"),
        ] {
            let refused = Refused {
                of: Some("join".to_owned()),
                code: code.to_owned(),
                message: "no".to_owned(),
                retry_after_seconds: None,
            };
            let told = told("p1", &refused);
            assert!(
                told.starts_with("p1: the server refuses join") && told.contains(next),
                "{told}"
            );
        }
    }
}
