//! Stopping calls from anywhere.

use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};

use futures::future::{Either, select};
use tokio::sync::Notify;

use super::{CallControl, StopReason, TurnId};

/// Stops calls in progress, from any thread.
///
/// Give it to a sandbox with [`WasmSandbox::with_cancel_handle`](crate::WasmSandbox::with_cancel_handle): it
/// then belongs to every call that is made through what comes back, whatever kind of call it is. Once cancelled,
/// a running guest is stopped within milliseconds, a call that waits for its turn stops waiting, and a later one is
/// not begun; all of them return [`SandboxError::Cancelled`](crate::SandboxError::Cancelled).
///
/// Clones are the same handle. A handle stays cancelled; make a new one for the next calls.
///
/// ```
/// use sandbox_core::{CancelHandle, SandboxError, WasmSandbox};
///
/// # fn main() -> sandbox_core::Result<()> {
/// # let wasm = wat::parse_str(r#"(module (func (export "spin") (loop $again br $again)))"#)
/// #     .expect("valid text");
/// let sandbox = WasmSandbox::builder().source_bytes(&wasm).build_blocking()?;
/// let handle = CancelHandle::new();
/// let stopper = std::thread::spawn({
///     let handle = handle.clone();
///     move || handle.cancel()
/// });
/// let outcome = sandbox.with_cancel_handle(&handle).call_blocking::<()>("spin", ());
/// assert!(matches!(outcome, Err(SandboxError::Cancelled { .. })));
/// # stopper.join().expect("it only cancels");
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Default)]
pub struct CancelHandle {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    cancelled: Notify,
}

#[derive(Debug, Default)]
struct State {
    cancelled: bool,
    last_id: u64,
    running: Vec<Running>,
}

#[derive(Debug)]
struct Running {
    id: u64,
    control: Arc<CallControl>,
    turn: TurnId,
}

impl CancelHandle {
    /// A handle that is not cancelled and belongs to no calls.
    pub fn new() -> Self {
        Self::default()
    }

    /// Stops all calls that this handle belongs to, now and later.
    ///
    /// Returns at once; the guests stop within milliseconds.
    pub fn cancel(&self) {
        let mut state = self.state();
        state.cancelled = true;
        for running in &state.running {
            running.control.request_stop(running.turn, StopReason::Cancelled);
        }
        drop(state);
        self.shared.cancelled.notify_waiters();
    }

    /// Whether [`cancel`](Self::cancel) was called.
    pub fn is_cancelled(&self) -> bool {
        self.state().cancelled
    }

    /// Waits for something, unless the handle is or becomes cancelled.
    pub(crate) async fn unless_cancelled<T>(&self, wanted: impl Future<Output = T>) -> Option<T> {
        let mut cancelled = pin!(self.shared.cancelled.notified());
        // Enabled before the check, or a cancellation between the two would be lost.
        cancelled.as_mut().enable();
        if self.is_cancelled() {
            return None;
        }
        match select(pin!(wanted), cancelled).await {
            Either::Left((value, _)) => Some(value),
            Either::Right(_) => None,
        }
    }

    /// A place for one call, which is given up when it is dropped.
    pub(super) fn register(&self) -> Registration {
        let mut state = self.state();
        state.last_id += 1;
        Registration { handle: self.clone(), id: state.last_id }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One call that a handle belongs to.
#[derive(Debug)]
pub(super) struct Registration {
    handle: CancelHandle,
    id: u64,
}

impl Registration {
    pub(super) fn is_cancelled(&self) -> bool {
        self.handle.is_cancelled()
    }

    /// Names the instance that now runs the call; it is stopped at once if the handle is cancelled.
    pub(super) fn attach(&self, control: &Arc<CallControl>, turn: TurnId) {
        let mut state = self.handle.state();
        if state.cancelled {
            control.request_stop(turn, StopReason::Cancelled);
        }
        state.running.retain(|running| running.id != self.id);
        state.running.push(Running { id: self.id, control: Arc::clone(control), turn });
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.handle.state().running.retain(|running| running.id != self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn control() -> Arc<CallControl> {
        CallControl::new(None).unwrap()
    }

    #[test]
    fn a_call_is_stopped_whether_it_comes_before_or_after() {
        let handle = CancelHandle::new();
        let (before, after) = (control(), control());
        let registration = handle.register();
        registration.attach(&before, before.begin_turn());
        assert_eq!(before.stop_reason(), None);
        handle.cancel();
        assert_eq!(before.stop_reason(), Some(StopReason::Cancelled));
        handle.register().attach(&after, after.begin_turn());
        assert_eq!(after.stop_reason(), Some(StopReason::Cancelled));
    }

    #[test]
    fn a_call_that_is_over_is_forgotten() {
        let handle = CancelHandle::new();
        let control = control();
        let registration = handle.register();
        registration.attach(&control, control.begin_turn());
        registration.attach(&control, control.begin_turn());
        assert_eq!(handle.state().running.len(), 1);
        drop(registration);
        handle.cancel();
        assert_eq!(control.stop_reason(), None);
    }
}
