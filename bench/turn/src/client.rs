//! Many TURN clients behind one socket.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::Range;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use trefoil_net::{Batch, Poller, SocketOptions, UdpSocket};
use trefoil_stun::{AttributeType, Method, Writer};
use trefoil_testkit::{Answer, TurnClient};

use crate::{Arguments, Flow};

/// The channel that every client binds.
pub(crate) const CHANNEL: u16 = 0x4000;

/// The clients and the two sockets of this process: one for all clients, one for all peers.
pub(crate) struct Clients {
    pub(crate) socket: UdpSocket,
    pub(crate) peers: UdpSocket,
    pub(crate) batch: Batch,
    poller: Poller,
    all: Vec<TurnClient>,
    relayed: Vec<SocketAddr>,
}

/// The address of a client (`net` 1) or peer (`net` 2).
pub(crate) fn address(net: u8, index: usize) -> IpAddr {
    let [high, low] = u16::try_from(index).unwrap_or(0).to_be_bytes();
    Ipv4Addr::new(127, net, high, low).into()
}

/// Which client or peer has this address.
pub(crate) fn index(address: IpAddr) -> usize {
    match address {
        IpAddr::V4(ip) => usize::from(u16::from_be_bytes([ip.octets()[2], ip.octets()[3]])),
        IpAddr::V6(_) => 0,
    }
}

impl Clients {
    pub(crate) fn new(arguments: &Arguments) -> Result<Clients> {
        let options = SocketOptions {
            reuse_port: false,
            buffer_bytes: 64 << 20,
        };
        let any = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
        let socket = UdpSocket::bind(any, options)?;
        let poller = Poller::new()?;
        poller.add(&socket, 0)?;
        let mut batch = Batch::new();
        batch.set_segmentation(arguments.coalesced);
        let client = TurnClient::new(&arguments.username, &arguments.password);
        let all = vec![client; usize::from(arguments.clients)];
        Ok(Clients {
            socket,
            peers: UdpSocket::bind(any, options)?,
            batch,
            poller,
            all,
            relayed: Vec::new(),
        })
    }

    /// Sends a request of a client until it is answered, meeting challenges.
    fn ask(
        &mut self,
        server: SocketAddr,
        who: usize,
        method: Method,
        fill: impl Fn(&mut Writer<'_>),
    ) -> Result<Answer> {
        for _ in 0..20 {
            let request = self.all[who].request(method, &fill);
            self.batch
                .send_bytes(self.socket.source(address(1, who)), server, &request);
            self.batch.flush();
            let Some(answer) = self.answer(who, &request)? else {
                continue;
            };
            if self.all[who].learn(&answer) {
                continue;
            }
            if answer.code != 0 {
                bail!("client {who}: {method:?} is refused with {}", answer.code);
            }
            return Ok(answer);
        }
        bail!("client {who}: no answer to {method:?}")
    }

    /// Waits half a second for the answer to this request.
    fn answer(&mut self, who: usize, request: &[u8]) -> Result<Option<Answer>> {
        let deadline = Instant::now() + Duration::from_millis(500);
        while let Some(left) = deadline.checked_duration_since(Instant::now()) {
            self.poller.wait(Some(left))?;
            let slots = self.batch.receive(&self.socket, 64)?;
            for slot in slots {
                let Some(received) = self.batch.received(slot) else {
                    continue;
                };
                let bytes = self.batch.bytes(received.span.clone());
                let mine = received.local == Some(address(1, who)) && bytes.get(8..20) == request.get(8..20);
                if mine {
                    let answer = Answer::read(bytes);
                    self.batch.flush();
                    return Ok(answer);
                }
            }
            self.batch.flush();
        }
        Ok(None)
    }

    /// Makes an allocation for each client.
    pub(crate) fn allocate(&mut self, arguments: &Arguments) -> Result<()> {
        for who in 0..self.all.len() {
            let answer = self.ask(arguments.server, who, Method::Allocate, |writer| {
                writer.attribute(AttributeType::REQUESTED_TRANSPORT, &[17, 0, 0, 0]);
            })?;
            let relayed = answer
                .address(AttributeType::XOR_RELAYED_ADDRESS)
                .context("no relayed address")?;
            self.relayed.push(relayed);
        }
        Ok(())
    }

    /// Whom a client talks to.
    fn peer_of(&self, flow: Flow, who: usize) -> SocketAddr {
        match flow {
            Flow::Peer => SocketAddr::new(address(2, who), self.peers.local().port()),
            Flow::Relay => self.relayed[who ^ 1],
        }
    }

    /// Binds a channel for each client.
    pub(crate) fn connect(&mut self, arguments: &Arguments) -> Result<()> {
        for who in 0..self.all.len() {
            let peer = self.peer_of(arguments.flow, who);
            self.ask(arguments.server, who, Method::ChannelBind, |writer| {
                writer
                    .number(AttributeType::CHANNEL_NUMBER, u32::from(CHANNEL) << 16)
                    .xor_address(AttributeType::XOR_PEER_ADDRESS, peer);
            })?;
        }
        Ok(())
    }

    /// Ends every allocation.
    pub(crate) fn end(&mut self, arguments: &Arguments) -> Result<()> {
        for who in 0..self.all.len() {
            self.ask(arguments.server, who, Method::Refresh, |writer| {
                writer.number(AttributeType::LIFETIME, 0);
            })?;
        }
        Ok(())
    }

    /// The datagrams of these slots: to whom, which bytes.
    pub(crate) fn datagrams(&self, slots: Range<usize>) -> impl Iterator<Item = (IpAddr, Range<usize>)> {
        let received = slots.filter_map(|slot| self.batch.received(slot));
        received.flat_map(|received| {
            let local = received.local.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
            received
                .segments()
                .map(move |span| (local, span))
                .collect::<Vec<_>>()
        })
    }
}
