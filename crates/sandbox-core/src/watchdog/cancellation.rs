//! Stopping a call from outside.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::cancel_handle::{CancelHandle, Registration};
use super::{CallControl, StopReason, TurnId};

/// Wishes of a caller for its calls, beyond the policy.
#[derive(Debug, Clone, Default)]
pub(crate) struct Scope {
    pub(crate) cancel: Option<CancelHandle>,
    pub(crate) time_limit: Option<Duration>,
}

impl Scope {
    /// Waits for something that a call needs; nothing if the call is cancelled first.
    pub(crate) async fn wait_for<T>(&self, wanted: impl Future<Output = T>) -> Option<T> {
        match &self.cancel {
            Some(handle) => handle.unless_cancelled(wanted).await,
            None => Some(wanted.await),
        }
    }

    /// The connection of a call whose future can be dropped while a guest runs.
    pub(crate) fn droppable(&self) -> Cancellation {
        Cancellation { state: Some(Arc::default()), ..self.undroppable() }
    }

    /// The connection of a call that runs on its caller's thread.
    #[inline]
    pub(crate) fn undroppable(&self) -> Cancellation {
        Cancellation {
            state: None,
            handle: self.cancel.as_ref().map(|handle| Arc::new(handle.register())),
            time_limit: self.time_limit,
        }
    }
}

/// Connects whoever may cancel a call with the instance that comes to run it.
#[derive(Debug, Clone)]
pub(crate) struct Cancellation {
    /// State of the call. `None` for one whose future nobody can drop, because its caller is busy running it.
    state: Option<Arc<Mutex<State>>>,
    handle: Option<Arc<Registration>>,
    time_limit: Option<Duration>,
}

impl Default for Cancellation {
    fn default() -> Self {
        Scope::default().droppable()
    }
}

#[derive(Debug, Default)]
enum State {
    /// No instance runs the call yet.
    #[default]
    Waiting,
    Running(Arc<CallControl>, TurnId),
    Cancelled,
}

impl Cancellation {
    /// Names the instance that now runs the call; it is stopped at once if the call was cancelled already.
    #[inline]
    pub(crate) fn attach(&self, control: &Arc<CallControl>, turn: TurnId) {
        if let Some(limit) = self.time_limit {
            control.limit_turn(limit);
        }
        if let Some(handle) = &self.handle {
            handle.attach(control, turn);
        }
        let Some(state) = &self.state else { return };
        let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(*state, State::Cancelled) {
            control.request_stop(turn, StopReason::Cancelled);
        } else {
            *state = State::Running(Arc::clone(control), turn);
        }
    }

    /// Stops the call, if it runs or comes to run. The call of another caller is never stopped.
    pub(crate) fn cancel(&self) {
        let Some(state) = &self.state else { return };
        let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
        if let State::Running(control, turn) = std::mem::replace(&mut *state, State::Cancelled) {
            control.request_stop(turn, StopReason::Cancelled);
        }
    }

    /// Time that the caller lets the call take.
    pub(crate) fn time_limit(&self) -> Option<Duration> {
        self.time_limit
    }

    /// Whether the call is to stop, or not to begin.
    pub(crate) fn is_cancelled(&self) -> bool {
        let dropped = |state: &Arc<Mutex<State>>| {
            matches!(*state.lock().unwrap_or_else(PoisonError::into_inner), State::Cancelled)
        };
        self.state.as_ref().is_some_and(dropped)
            || self.handle.as_ref().is_some_and(|handle| handle.is_cancelled())
    }

    /// A guard that cancels when it is dropped.
    pub(crate) fn on_drop(&self) -> CancelOnDrop {
        CancelOnDrop(Some(self.clone()))
    }
}

/// Cancels a call whose future is dropped before it is over.
pub(crate) struct CancelOnDrop(Option<Cancellation>);

impl CancelOnDrop {
    /// The call is over.
    pub(crate) fn disarm(mut self) {
        self.0 = None;
    }
}

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        if let Some(cancellation) = &self.0 {
            cancellation.cancel();
        }
    }
}
