//! `poll_oneoff`: waiting for a time, for files or for sockets.
//!
//! Files never make a guest wait: its input is there from the start, its output is captured, and the rest
//! are regular files. So a poll with a file in it returns at once. One of clocks alone is a sleep, and one of sockets asks the
//! host's own ([`sockets`]).

mod sockets;

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use super::{Call, Errno, Version, look};
use crate::threads::{callers_thread, workers};
use crate::wasi::memory::Memory;
use crate::wasi::rights::Rights;
use crate::wasi::state::State;
use crate::wasi::table::Kind;
use crate::watchdog::CallControl;

use sockets::{Ended, Sockets};

/// The most subscriptions in one call.
const MOST_SUBSCRIPTIONS: u32 = 1 << 16;

/// After how many subscriptions we look whether the call is to stop: some tens of microseconds.
const LOOK_EVERY: u32 = 256;

const EVENT_BYTES: usize = 32;
const CLOCK: u8 = 0;
const FILE_READ: u8 = 1;
const FILE_WRITE: u8 = 2;
const ABSOLUTE: u16 = 1;
/// Says of a stream that there will be no more.
const HANGUP: u8 = 1;

/// Where the fields of a subscription are, which the two versions of WASI have in different places.
struct Layout {
    bytes: u64,
    clock_id: u64,
    timeout: u64,
    flags: u64,
    file: u64,
}

impl Layout {
    fn of(version: Version) -> Self {
        match version {
            Version::Preview1 => Self { bytes: 48, clock_id: 16, timeout: 24, flags: 40, file: 16 },
            Version::Unstable => Self { bytes: 56, clock_id: 24, timeout: 32, flags: 48, file: 16 },
        }
    }
}

/// Subscription to something that is waited for.
struct Subscription {
    userdata: [u8; 8],
    tag: u8,
    what: What,
}

enum What {
    /// A time, by how long it takes until then.
    After(Duration),
    /// A socket of that number, in one direction.
    Socket(u32, Direction),
    /// Something that needs no wait, and tells its guest this.
    Now(Event),
}

/// Way that bytes go through a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Direction {
    In,
    Out,
}

/// Event that a guest is told of.
#[derive(Debug, Clone, Copy)]
struct Event {
    errno: Errno,
    /// Number of bytes that can be read or written.
    bytes: u64,
    flags: u8,
}

impl Event {
    fn failed(errno: Errno) -> Self {
        Self { errno, bytes: 0, flags: 0 }
    }

    /// Of something that can be used, however much.
    fn ready() -> Self {
        Self { errno: Errno::Success, bytes: 1, flags: 0 }
    }

    /// Of a socket that is over, which to use says why.
    fn over() -> Self {
        Self { errno: Errno::Success, bytes: 0, flags: HANGUP }
    }
}

pub(super) fn oneoff(
    call: &mut Call<'_>,
    subscriptions: u32,
    events: u32,
    count: u32,
    out: u32,
    version: Version,
) -> Result<(), Errno> {
    let Call { state, memory } = call;
    let started = Instant::now();
    if count == 0 || count > MOST_SUBSCRIPTIONS {
        return Err(Errno::Inval);
    }
    let layout = Layout::of(version);
    memory.check(subscriptions, u64::from(count) * layout.bytes)?;
    memory.check(events, u64::from(count) * EVENT_BYTES as u64)?;
    memory.check(out, 4)?;
    let (mut polled, mut sockets) = (Vec::new(), Sockets::default());
    for index in 0..count {
        if index.is_multiple_of(LOOK_EVERY) {
            look(&state.control)?;
        }
        let at = u64::from(index) * layout.bytes;
        let subscription = read(state, memory, &layout, (subscriptions, at))?;
        if let What::Socket(fd, direction) = subscription.what {
            sockets.add(state, fd, direction)?;
        }
        polled.push(subscription);
    }
    let wait = polled.iter().filter_map(|subscription| match subscription.what {
        What::After(time) => Some(time),
        What::Now(_) => Some(Duration::ZERO),
        What::Socket(..) => None,
    });
    let wait = wait.min();
    let until = wait.and_then(|wait| started.checked_add(wait));
    let mut waited = wait.unwrap_or_default();
    if !sockets.is_empty() {
        if sockets.wait(state, until)? == Ended::Ready {
            waited = started.elapsed();
        }
    } else if !waited.is_zero() {
        callers_thread::while_waiting(|| workers::asleep(|| sleep(&state.control, until)));
    }
    answer(memory, &polled, &sockets, waited, (events, out))
}

fn read(
    state: &State,
    memory: &Memory<'_>,
    layout: &Layout,
    (base, at): (u32, u64),
) -> Result<Subscription, Errno> {
    let userdata = memory.load(base, at)?;
    let [tag] = memory.load(base, at + 8)?;
    let what = match tag {
        CLOCK => time_until(state, memory, layout, base, at)?,
        FILE_READ => readable(state, memory.load_u32(base, at + layout.file)?),
        FILE_WRITE => writable(state, memory.load_u32(base, at + layout.file)?),
        _ => return Err(Errno::Inval),
    };
    Ok(Subscription { userdata, tag, what })
}

fn time_until(
    state: &State,
    memory: &Memory<'_>,
    layout: &Layout,
    base: u32,
    at: u64,
) -> Result<What, Errno> {
    let clock = memory.load_u32(base, at + layout.clock_id)?;
    let timeout = Duration::from_nanos(memory.load_u64(base, at + layout.timeout)?);
    let flags = u16::from_le_bytes(memory.load(base, at + layout.flags)?);
    let now = state.clock.now(clock).ok_or(Errno::Inval)?;
    Ok(What::After(if flags & ABSOLUTE == 0 { timeout } else { timeout.saturating_sub(now) }))
}

fn readable(state: &State, fd: u32) -> What {
    let descriptor = match state.table.get(fd) {
        Ok(descriptor) => descriptor,
        Err(errno) => return What::Now(Event::failed(errno)),
    };
    if !descriptor.rights.contains(Rights::FD_READ) {
        return What::Now(Event::failed(Errno::BadF));
    }
    match &descriptor.kind {
        Kind::Input { bytes, position } => {
            let left = bytes.len().saturating_sub(*position) as u64;
            let flags = if left == 0 { HANGUP } else { 0 };
            What::Now(Event { errno: Errno::Success, bytes: left, flags })
        }
        Kind::Socket(_) => What::Socket(fd, Direction::In),
        _ => What::Now(Event::ready()),
    }
}

fn writable(state: &State, fd: u32) -> What {
    match state.table.get(fd) {
        Ok(descriptor) if !descriptor.rights.contains(Rights::FD_WRITE) => {
            What::Now(Event::failed(Errno::BadF))
        }
        Ok(descriptor) if matches!(descriptor.kind, Kind::Socket(_)) => {
            What::Socket(fd, Direction::Out)
        }
        Ok(_) => What::Now(Event::ready()),
        Err(errno) => What::Now(Event::failed(errno)),
    }
}

/// Writes an event for each subscription that is due after that wait.
fn answer(
    memory: &mut Memory<'_>,
    polled: &[Subscription],
    sockets: &Sockets,
    waited: Duration,
    (events, out): (u32, u32),
) -> Result<(), Errno> {
    let mut written = 0u32;
    for Subscription { userdata, tag, what } in polled {
        let event = match what {
            What::After(time) => (*time <= waited).then(|| Event::failed(Errno::Success)),
            What::Socket(fd, direction) => sockets.event(*fd, *direction),
            What::Now(event) => Some(*event),
        };
        let Some(Event { errno, bytes, flags }) = event else { continue };
        let mut event = [0; EVENT_BYTES];
        event[..8].copy_from_slice(userdata);
        event[8..10].copy_from_slice(&(errno as u16).to_le_bytes());
        event[10] = *tag;
        event[16..24].copy_from_slice(&bytes.to_le_bytes());
        event[24] = flags;
        memory.store(events, u64::from(written) * EVENT_BYTES as u64, &event)?;
        written += 1;
    }
    memory.store(out, 0, &written.to_le_bytes())
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Sleeps until that time, or until the call is to stop. Without a time, only the latter ends it.
fn sleep(control: &CallControl, until: Option<Instant>) {
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut stopped = pin!(control.stop_requested());
    while stopped.as_mut().poll(&mut TaskContext::from_waker(&waker)).is_pending() {
        match until.map(|until| until.saturating_duration_since(Instant::now())) {
            Some(left) if left.is_zero() => break,
            Some(left) => thread::park_timeout(left),
            None => thread::park(),
        }
    }
}
