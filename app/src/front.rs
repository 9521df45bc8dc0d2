//! HTTPS and TURN over TLS on one port: the first bytes inside the TLS connection say which it is.

use std::{io::Cursor, net::SocketAddr, sync::Arc, time::Duration};

use anyhow::Context as _;
use rustls::ServerConfig;
use tokio::{
    io::{AsyncReadExt as _, join, split},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::timeout,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tracing::{debug, info, warn};
use trefoil_relay::{Certificate, Relay};
use trefoil_server::Server;

use crate::config::HttpsConfig;

/// Handshakes and first bytes that may be waited for at once; more wait in the kernel's queue.
const MOST_HALF_OPEN: usize = 1000;
/// How long a client may take for its handshake, and again for its first bytes.
const PATIENCE: Duration = Duration::from_secs(10);
/// What a client may ask for by name (RFC 7301, RFC 7443): HTTP or TURN.
const HTTP: &[u8] = b"http/1.1";
const STUN: [&[u8]; 2] = [b"stun.turn", b"stun.nat-discovery"];

/// How often the certificate's files are looked at.
const CERTIFICATE_EVERY: Duration = Duration::from_secs(10);

/// What stands behind the front.
pub(crate) struct Behind {
    /// Takes what is HTTP.
    pub(crate) server: Option<Arc<Server>>,
    /// Takes what is STUN and TURN.
    pub(crate) relay: Option<Arc<Relay>>,
}

/// Sockets that listen already and are not answered yet.
pub(crate) struct Front {
    listeners: Vec<TcpListener>,
    /// Where it listens, with the real ports.
    pub(crate) listening: Vec<SocketAddr>,
    certificate: Arc<Certificate>,
}

impl Front {
    /// Listens on the configured addresses; `None` if there are none.
    ///
    /// # Errors
    /// An address that cannot be listened on, or a certificate that cannot be read.
    pub(crate) async fn listen(config: &HttpsConfig) -> anyhow::Result<Option<Self>> {
        if config.listen.is_empty() {
            return Ok(None);
        }
        let certificate = Certificate::read(&config.certificate, &config.key)?;
        let (mut listeners, mut listening) = (Vec::new(), Vec::new());
        for address in &config.listen {
            let listener = TcpListener::bind(address).await.with_context(|| {
                format!("cannot listen on {address} for HTTPS; stop what uses it, or change https.listen")
            })?;
            listening.push(listener.local_addr()?);
            listeners.push(listener);
        }
        Ok(Some(Self {
            listeners,
            listening,
            certificate,
        }))
    }

    /// Answers from now on, until the runtime ends.
    ///
    /// # Errors
    /// TLS that cannot be set up.
    pub(crate) fn serve(self, behind: Behind) -> anyhow::Result<()> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let versions = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
        let mut tls = versions
            .with_no_client_auth()
            .with_cert_resolver(self.certificate.clone());
        tls.alpn_protocols = std::iter::once(HTTP).chain(STUN).map(<[u8]>::to_vec).collect();
        let acceptor = TlsAcceptor::from(Arc::new(tls));
        let (behind, half_open) = (Arc::new(behind), Arc::new(Semaphore::new(MOST_HALF_OPEN)));
        for listener in self.listeners {
            tokio::spawn(accept(
                listener,
                acceptor.clone(),
                behind.clone(),
                half_open.clone(),
            ));
        }
        tokio::spawn(renew(self.certificate));
        Ok(())
    }
}

/// Takes a renewed certificate without a restart.
async fn renew(certificate: Arc<Certificate>) {
    loop {
        tokio::time::sleep(CERTIFICATE_EVERY).await;
        match certificate.refresh() {
            Ok(true) => info!("https: the certificate was renewed"),
            Ok(false) => {}
            Err(error) => {
                warn!("https: the old certificate stays, since the new one cannot be read: {error:#}")
            }
        }
    }
}

async fn accept(
    listener: TcpListener,
    acceptor: TlsAcceptor,
    behind: Arc<Behind>,
    half_open: Arc<Semaphore>,
) {
    // The semaphore is never closed, so this ends with the runtime.
    while let Ok(permit) = half_open.clone().acquire_owned().await {
        let (stream, remote) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of files: the next one closed makes room, so wait a little instead of spinning.
                debug!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let (acceptor, behind) = (acceptor.clone(), behind.clone());
        tokio::spawn(async move {
            let Ok(Ok(stream)) = timeout(PATIENCE, acceptor.accept(stream)).await else {
                return;
            };
            let Some((stream, first)) = first_bytes(stream).await else {
                return;
            };
            drop(permit);
            hand_over(&behind, stream, first, remote).await;
        });
    }
}

/// Waits for what the client says first, unless it has named its protocol.
async fn first_bytes(mut stream: TlsStream<TcpStream>) -> Option<(TlsStream<TcpStream>, Vec<u8>)> {
    if stream.get_ref().1.alpn_protocol().is_some() {
        return Some((stream, Vec::new()));
    }
    let mut first = vec![0; 4096];
    let length = timeout(PATIENCE, stream.read(&mut first)).await.ok()?.ok()?;
    first.truncate(length);
    (length > 0).then_some((stream, first))
}

async fn hand_over(behind: &Behind, stream: TlsStream<TcpStream>, first: Vec<u8>, remote: SocketAddr) {
    let named = stream.get_ref().1.alpn_protocol();
    let is_stun = named.map_or_else(
        || first.first().is_some_and(|byte| *byte < 4),
        |name| STUN.contains(&name),
    );
    match behind {
        Behind {
            relay: Some(relay), ..
        } if is_stun => {
            let (stream, tls) = stream.into_inner();
            match stream.into_std() {
                Ok(stream) => relay.adopt(stream, Some(tls), first),
                Err(error) => debug!(%error, "a TURN connection could not be handed over"),
            }
        }
        Behind {
            server: Some(server), ..
        } if !is_stun => {
            let (read, write) = split(stream);
            server
                .serve_connection(join(Cursor::new(first).chain(read), write), remote)
                .await;
        }
        _ => debug!("a TLS client asked for what does not run here"),
    }
}
