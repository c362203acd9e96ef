//! `poll_oneoff`: waiting for a time or for files.
//!
//! Files never make a guest wait: its input is there from the start, its output is captured, and the rest
//! are regular files. So a poll with a file in it returns at once, and any other is a sleep.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use wasmer::{RuntimeError, TypedFunction};

use super::{Context, Errno, load, store};
use crate::call::workers;
use crate::watchdog::CallControl;

/// The most subscriptions in one call.
const MOST_SUBSCRIPTIONS: u32 = 1 << 16;

/// After how many subscriptions we look whether the call is to stop: some tens of microseconds.
const LOOK_EVERY: u64 = 256;

const EVENT_BYTES: usize = 32;
const CLOCK: u8 = 0;
const FILE_READ: u8 = 1;
const FILE_WRITE: u8 = 2;
const ABSOLUTE: u16 = 1;

/// Where the fields are that the two versions of WASI have in different places.
pub(super) struct Layout {
    subscription_bytes: u64,
    clock_id: u64,
    timeout: u64,
    flags: u64,
    file: u64,
    /// The first of the three times of a file's description.
    pub(super) file_times: u64,
}

/// In the order of the namespaces: preview 1 and what came before it.
pub(super) static LAYOUTS: [&Layout; 2] = [
    &Layout {
        subscription_bytes: 48,
        clock_id: 16,
        timeout: 24,
        flags: 40,
        file: 16,
        file_times: 40,
    },
    &Layout {
        subscription_bytes: 56,
        clock_id: 24,
        timeout: 32,
        flags: 48,
        file: 16,
        file_times: 32,
    },
];

/// What is waited for.
struct Subscription {
    userdata: [u8; 8],
    tag: u8,
    what: What,
}

enum What {
    /// A time, by how long it takes until then.
    After(Duration),
    /// A file: it is ready, or wrong.
    File(i32),
}

pub(super) fn oneoff(
    mut context: Context<'_>,
    layout: &Layout,
    fd_fdstat: &TypedFunction<(u32, u32), i32>,
    [subscriptions, events, count, out]: [u32; 4],
) -> Result<i32, RuntimeError> {
    let started = Instant::now();
    if count == 0 || count > MOST_SUBSCRIPTIONS {
        return Ok(Errno::Inval as i32);
    }
    let mut polled = Vec::new();
    for index in 0..u64::from(count) {
        if index.is_multiple_of(LOOK_EVERY) {
            crate::wasi::stop_if_told(&context.data().control)?;
        }
        let at = index * layout.subscription_bytes;
        match read(&mut context, layout, fd_fdstat, (subscriptions, at), events)? {
            Ok(subscription) => polled.push(subscription),
            Err(errno) => return Ok(errno as i32),
        }
    }
    let wait = polled.iter().map(|subscription| match subscription.what {
        What::After(time) => time,
        What::File(_) => Duration::ZERO,
    });
    let wait = wait.min().unwrap_or_default();
    if !wait.is_zero() {
        crate::call::seat::hand_over();
        let control = &context.data().control;
        workers::asleep(|| sleep(control, started.checked_add(wait)));
    }
    let errno = Errno::of(answer(&context, &polled, wait, events, out));
    crate::wasi::stop_if_told(&context.data().control)?;
    Ok(errno)
}

/// Reads one subscription. The place of the events is used to ask WASIX about a file.
fn read(
    context: &mut Context<'_>,
    layout: &Layout,
    fd_fdstat: &TypedFunction<(u32, u32), i32>,
    (base, at): (u32, u64),
    events: u32,
) -> Result<Result<Subscription, Errno>, RuntimeError> {
    let header = load(context, base, at).and_then(|userdata| {
        let [tag] = load(context, base, at + 8)?;
        Ok((userdata, tag))
    });
    let (userdata, tag) = match header {
        Ok(header) => header,
        Err(errno) => return Ok(Err(errno)),
    };
    let what = match tag {
        CLOCK => time_until(context, layout, base, at).map(What::After),
        FILE_READ | FILE_WRITE => match load(context, base, at + layout.file) {
            Ok(fd) => Ok(What::File(fd_fdstat.call(context, u32::from_le_bytes(fd), events)?)),
            Err(errno) => Err(errno),
        },
        _ => Err(Errno::Inval),
    };
    Ok(what.map(|what| Subscription { userdata, tag, what }))
}

fn time_until(
    context: &Context<'_>,
    layout: &Layout,
    base: u32,
    at: u64,
) -> Result<Duration, Errno> {
    let clock = u32::from_le_bytes(load(context, base, at + layout.clock_id)?);
    let timeout = u64::from_le_bytes(load(context, base, at + layout.timeout)?);
    let flags = u16::from_le_bytes(load(context, base, at + layout.flags)?);
    let now = context.data().clock.now(clock).ok_or(Errno::Inval)?;
    let timeout = Duration::from_nanos(timeout);
    Ok(if flags & ABSOLUTE == 0 { timeout } else { timeout.saturating_sub(now) })
}

/// Writes an event for each subscription that is due after that wait.
fn answer(
    context: &Context<'_>,
    polled: &[Subscription],
    wait: Duration,
    events: u32,
    out: u32,
) -> Result<(), Errno> {
    let mut written = 0u32;
    for Subscription { userdata, tag, what } in polled {
        let errno = match what {
            What::After(time) if *time > wait => continue,
            What::After(_) => 0,
            What::File(errno) => *errno,
        };
        let mut event = [0; EVENT_BYTES];
        event[..8].copy_from_slice(userdata);
        event[8..10].copy_from_slice(&u16::try_from(errno).unwrap_or(0).to_le_bytes());
        event[10] = *tag;
        if *tag != CLOCK && errno == 0 {
            event[16] = 1;
        }
        store(context, events, u64::from(written) * EVENT_BYTES as u64, &event)?;
        written += 1;
    }
    store(context, out, 0, &written.to_le_bytes())
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
