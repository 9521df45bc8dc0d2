//! Everything that leaves a worker.

use std::net::{IpAddr, SocketAddr};

use trefoil_net::{Batch, Source, UdpSocket};
use trefoil_peer::{Path, Via};

/// The longest datagram that is made here.
pub(crate) const LONGEST: usize = 1600;

/// A way to somebody.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Route {
    pub(crate) path: Path,
    /// The socket and address to leave from; none for TCP.
    pub(crate) source: Option<Source>,
}

/// The sockets of a worker and what waits to leave.
pub(crate) struct Outbox {
    pub(crate) batch: Batch,
    pub(crate) sockets: Vec<UdpSocket>,
    pub(crate) streams: crate::streams::Streams,
}

impl Outbox {
    /// Queues a datagram.
    pub(crate) fn send(&mut self, route: Route, bytes: &[u8]) {
        match (
            route.path.via,
            route.source.or_else(|| self.default_source(route.path.remote)),
        ) {
            (Via::Udp, Some(source)) => self.batch.send_bytes(source, route.path.remote, bytes),
            (Via::Tcp, _) => self.streams.send(route.path.remote, bytes),
            (Via::Udp, None) => {}
        }
    }

    /// Queues a datagram that `fill` writes; nothing if it writes none.
    #[inline]
    pub(crate) fn compose(&mut self, route: Route, fill: impl FnOnce(&mut [u8]) -> usize) {
        if let (Via::Udp, Some(source)) = (route.path.via, route.source) {
            self.batch.compose(source, route.path.remote, LONGEST, fill);
        } else {
            let mut made = [0; LONGEST];
            let length = fill(&mut made);
            if let Some(made) = made.get(..length).filter(|made| !made.is_empty()) {
                self.send(route, made);
            }
        }
    }

    fn default_source(&self, to: SocketAddr) -> Option<Source> {
        let socket = self
            .sockets
            .iter()
            .find(|socket| socket.local().is_ipv4() == to.is_ipv4())?;
        let unspecified: IpAddr = if to.is_ipv4() {
            IpAddr::from([0; 4])
        } else {
            IpAddr::from([0; 16])
        };
        Some(socket.source(unspecified))
    }
}
