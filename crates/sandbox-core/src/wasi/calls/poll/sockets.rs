//! The sockets of one poll.
//!
//! The host is asked which of its sockets are ready, for some milliseconds at a time, because it does not know when the call
//! is to stop.

use std::collections::BTreeMap;
use std::os::fd::AsFd as _;
use std::time::{Duration, Instant};

use super::{Direction, Event};
use crate::sys::readiness::{self, Readiness, Watched};
use crate::threads::{callers_thread, workers};
use crate::wasi::calls::Errno;
use crate::wasi::network::NetworkGrants;
use crate::wasi::socket::{Channel, SocketKind, TICK};
use crate::wasi::state::State;
use crate::wasi::table::Kind;

/// Sockets by their numbers: each once, however often a guest asks for it.
#[derive(Debug, Default)]
pub(super) struct Sockets(BTreeMap<u32, Polled>);

/// Why a wait for sockets is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    Ready,
    /// The time has come, or the call is to stop.
    Due,
}

/// One socket, and what is known of each direction that was asked for.
#[derive(Debug)]
struct Polled {
    /// `None` for one that has nothing to wait for.
    channel: Option<Channel>,
    input: Side,
    output: Side,
}

/// One direction of a socket.
#[derive(Debug, Clone, Copy)]
enum Side {
    Unasked,
    Waits,
    Has(Event),
}

impl Side {
    fn waits(self) -> bool {
        matches!(self, Self::Waits)
    }
}

impl Sockets {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds a direction of a socket.
    ///
    /// # Errors
    /// [`Errno::NotSock`] if the number is none of a socket.
    pub(super) fn add(
        &mut self,
        state: &State,
        fd: u32,
        direction: Direction,
    ) -> Result<(), Errno> {
        let Kind::Socket(socket) = &state.table.get(fd)?.kind else { return Err(Errno::NotSock) };
        let polled = self.0.entry(fd).or_insert_with(|| Polled {
            channel: socket.channel().ok(),
            input: Side::Unasked,
            output: Side::Unasked,
        });
        let unconnected = match (&polled.channel, &socket.kind, direction) {
            (Some(_), ..) => Side::Waits,
            // As Linux says of one that is not connected.
            (None, SocketKind::Stream { .. }, _) => Side::Has(Event::over()),
            // It is made when something is sent. Until then nobody knows where to send to it.
            (None, SocketKind::Datagrams(_), Direction::Out) => Side::Has(Event::ready()),
            (None, SocketKind::Datagrams(_), Direction::In) => Side::Waits,
        };
        match direction {
            Direction::In => polled.input = unconnected,
            Direction::Out => polled.output = unconnected,
        }
        Ok(())
    }

    /// Waits until one is ready, that time has come, or the call is to stop.
    ///
    /// # Errors
    /// Those of the host.
    pub(super) fn wait(&mut self, state: &State, until: Option<Instant>) -> Result<Ended, Errno> {
        self.look(state.network.as_ref(), Duration::ZERO)?;
        if self.is_ready() {
            return Ok(Ended::Ready);
        }
        let left = || until.map(|until| until.saturating_duration_since(Instant::now()));
        if left().is_some_and(|left| left.is_zero()) {
            return Ok(Ended::Due);
        }
        let mut wait = || loop {
            let left = left().unwrap_or(TICK);
            if left.is_zero() || state.control.stop_reason().is_some() {
                return Ok(Ended::Due);
            }
            self.look(state.network.as_ref(), left.min(TICK))?;
            if self.is_ready() {
                return Ok(Ended::Ready);
            }
        };
        callers_thread::while_waiting(|| workers::asleep(&mut wait))
    }

    /// Event of a direction of a socket, if it is ready.
    pub(super) fn event(&self, fd: u32, direction: Direction) -> Option<Event> {
        let polled = self.0.get(&fd)?;
        let side = match direction {
            Direction::In => polled.input,
            Direction::Out => polled.output,
        };
        match side {
            Side::Has(event) => Some(event),
            Side::Unasked | Side::Waits => None,
        }
    }

    fn is_ready(&self) -> bool {
        let has = |side| matches!(side, Side::Has(_));
        self.0.values().any(|polled| has(polled.input) || has(polled.output))
    }

    /// Asks the host, which waits so long if none is ready.
    fn look(&mut self, network: Option<&NetworkGrants>, limit: Duration) -> Result<(), Errno> {
        let watched = self.0.values().filter_map(|polled| {
            let socket = polled.channel.as_ref()?.as_fd();
            let (for_reading, for_writing) = (polled.input.waits(), polled.output.waits());
            Some(Watched { socket, for_reading, for_writing, seen: Readiness::default() })
        });
        let mut watched: Vec<Watched<'_>> = watched.collect();
        readiness::wait(&mut watched, limit)?;
        let seen: Vec<Readiness> = watched.iter().map(|watched| watched.seen).collect();
        let open = self.0.values_mut().filter(|polled| polled.channel.is_some());
        for (polled, seen) in open.zip(seen) {
            polled.note(network, seen);
        }
        Ok(())
    }
}

impl Polled {
    fn note(&mut self, network: Option<&NetworkGrants>, seen: Readiness) {
        let Some(channel) = &self.channel else { return };
        if self.input.waits() && (seen.readable || seen.is_over) {
            let accepts = |from| network.is_some_and(|network| network.permits(from));
            match channel.receivable(accepts) {
                None => {}
                // The end of a connection; but a datagram may be empty.
                Some(0) if matches!(channel, Channel::Stream(_)) || seen.is_over => {
                    self.input = Side::Has(Event::over());
                }
                Some(bytes) => self.input = Side::Has(Event { bytes, ..Event::ready() }),
            }
        }
        if self.output.waits() && (seen.writable || seen.is_over) {
            let event = if seen.is_over { Event::over() } else { Event::ready() };
            self.output = Side::Has(event);
        }
    }
}
