//! Two connections that are one: a client's and its peer's, bytes moving both ways, neither faster than the other takes.

use std::time::Duration;

use trefoil_net::Poller;
use trefoil_turn::Direction;

use crate::end::{Broken, End};

/// Chunks moved in one direction at each wake-up, so that one connection does not hold up the others.
const MOST_CHUNKS: usize = 4;
/// How long a splice rests that is over its rate.
const REST: Duration = Duration::from_millis(20);

/// How long one side may go on in silence when the other one has ended.
const HALF_OPEN: Duration = Duration::from_secs(30);

/// Says how many of these bytes may be moved now.
pub(crate) type Carry<'a> = &'a mut dyn FnMut(Direction, usize) -> usize;

/// A client's data connection and the connection with its peer.
pub(crate) struct Splice {
    client: End,
    peer: End,
    /// Read and not granted yet; at most one chunk each.
    from_client: Vec<u8>,
    to_client: Vec<u8>,
    /// When bytes were last moved.
    moved_at: Duration,
    /// Over its rate until then.
    pub(crate) rests_until: Option<Duration>,
}

impl Splice {
    /// `from_client` is what the client has said already.
    pub(crate) fn new((client, from_client): (End, Vec<u8>), peer: End, now: Duration) -> Splice {
        Splice {
            client,
            peer,
            from_client,
            to_client: Vec::new(),
            moved_at: now,
            rests_until: None,
        }
    }

    /// Moves what can be moved; whether the splice goes on.
    pub(crate) fn turn(
        &mut self,
        carry: Carry<'_>,
        (poller, client_token, peer_token): (&Poller, u64, u64),
        now: Duration,
    ) -> bool {
        let rests = self.rests_until.is_some_and(|until| until > now);
        let moved = if rests {
            self.flush()
        } else {
            self.both_ways(carry, now)
        };
        let awake = self.rests_until.is_none();
        let wanted = |held: &Vec<u8>, into: &End| awake && held.is_empty() && into.has_room();
        let (from_client, from_peer) = (
            wanted(&self.from_client, &self.peer),
            wanted(&self.to_client, &self.client),
        );
        let watched = moved
            .and_then(|()| self.client.watch(poller, client_token, from_client))
            .and_then(|()| self.peer.watch(poller, peer_token, from_peer));
        watched.is_ok() && !(self.client.is_over() && self.peer.is_over())
    }

    /// Whether one side has ended, and the other one has said nothing since for too long.
    pub(crate) fn is_forgotten(&self, now: Duration) -> bool {
        (self.client.has_ended || self.peer.has_ended) && self.moved_at + HALF_OPEN <= now
    }

    fn flush(&mut self) -> Result<(), Broken> {
        self.client.flush()?;
        self.peer.flush()
    }

    /// Moves bytes both ways; rests afterwards if that is over the rates.
    fn both_ways(&mut self, carry: Carry<'_>, now: Duration) -> Result<(), Broken> {
        let mut moved = false;
        let mut grant = |direction, bytes| {
            let granted = carry(direction, bytes);
            moved |= granted > 0;
            granted
        };
        let up = pump(
            &mut self.client,
            &mut self.peer,
            &mut self.from_client,
            &mut |bytes| grant(Direction::FromClient, bytes),
        )?;
        let down = pump(
            &mut self.peer,
            &mut self.client,
            &mut self.to_client,
            &mut |bytes| grant(Direction::ToClient, bytes),
        )?;
        self.rests_until = (!(up && down)).then_some(now + REST);
        if moved {
            self.moved_at = now;
        }
        Ok(())
    }
}

/// Moves bytes one way; whether all that was read was granted.
fn pump(
    from: &mut End,
    to: &mut End,
    held: &mut Vec<u8>,
    grant: &mut dyn FnMut(usize) -> usize,
) -> Result<bool, Broken> {
    to.flush()?;
    for _ in 0..MOST_CHUNKS {
        if held.is_empty() && !from.has_ended && to.has_room() {
            from.read(held)?;
        }
        if held.is_empty() {
            break;
        }
        let granted = grant(held.len());
        to.write(held.get(..granted).unwrap_or_default())?;
        held.drain(..granted);
        to.flush()?;
        if !held.is_empty() {
            return Ok(false);
        }
    }
    if held.is_empty() {
        *held = Vec::new();
        if from.has_ended {
            to.finish();
        }
    }
    to.flush()?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{Shutdown, TcpListener, TcpStream};

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    struct World {
        splice: Splice,
        poller: Poller,
        client: TcpStream,
        peer: TcpStream,
        elapsed: Duration,
    }

    /// The outer side of a connection, and the end of a splice.
    fn pair() -> (TcpStream, End) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let outer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (inner, _) = listener.accept().unwrap();
        inner.set_nonblocking(true).unwrap();
        (outer, End::new(inner, None, Vec::new()))
    }

    fn start() -> World {
        let ((client, client_end), (peer, peer_end)) = (pair(), pair());
        World {
            splice: Splice::new((client_end, b"early ".to_vec()), peer_end, SECOND),
            poller: Poller::new().unwrap(),
            client,
            peer,
            elapsed: SECOND,
        }
    }

    impl World {
        /// Moves what there is, granting at most `most` bytes at once; whether the splice goes on.
        fn turn(&mut self, most: usize) -> bool {
            self.splice.turn(
                &mut |_, bytes| bytes.min(most),
                (&self.poller, 1, 2),
                self.elapsed,
            )
        }

        /// Waits until a side has something, then moves it.
        fn wait_and_turn(&mut self) -> bool {
            assert!(
                self.poller.wait(Some(10 * SECOND)).unwrap() > 0,
                "nothing happens"
            );
            self.turn(usize::MAX)
        }
    }

    #[test]
    fn what_came_before_the_splice_goes_first_and_the_poller_tells_of_the_rest() {
        let mut world = start();
        assert!(world.turn(usize::MAX));
        world.client.write_all(b"word").unwrap();
        assert!(world.wait_and_turn());
        let mut buffer = [0; 10];
        world.peer.read_exact(&mut buffer).unwrap();
        assert_eq!(&buffer, b"early word");
    }

    #[test]
    fn what_is_not_granted_waits_and_nothing_is_read_meanwhile() {
        let mut world = start();
        assert!(world.turn(4));
        assert_eq!(world.splice.rests_until, Some(world.elapsed + REST));
        world.client.write_all(b"word").unwrap();
        assert_eq!(world.poller.wait(Some(Duration::ZERO)).unwrap(), 0, "it rests");
        assert!(world.turn(usize::MAX), "too early");
        world.elapsed += REST;
        assert!(world.turn(usize::MAX));
        let mut buffer = [0; 10];
        world.peer.read_exact(&mut buffer).unwrap();
        assert_eq!((&buffer, world.splice.rests_until), (b"early word", None));
    }

    #[test]
    fn a_splice_ends_when_both_sides_have_and_is_forgotten_when_one_is_silent() {
        let mut world = start();
        assert!(world.turn(usize::MAX));
        world.elapsed += 100 * SECOND;
        assert!(
            !world.splice.is_forgotten(world.elapsed),
            "silence alone is no end"
        );
        world.client.shutdown(Shutdown::Write).unwrap();
        assert!(world.wait_and_turn());
        let mut rest = Vec::new();
        world.peer.read_to_end(&mut rest).unwrap();
        world.peer.write_all(b"word").unwrap();
        assert!(world.wait_and_turn());
        assert!(!world.splice.is_forgotten(world.elapsed + 29 * SECOND));
        assert!(world.splice.is_forgotten(world.elapsed + 30 * SECOND));
        world.peer.shutdown(Shutdown::Write).unwrap();
        assert!(!world.wait_and_turn());
    }
}
