//! Stopping a call from outside.

use std::sync::{Arc, Mutex, PoisonError};

use crate::watchdog::{CallControl, StopReason, Turn};

/// Connects whoever may cancel a call with the instance that comes to run it.
#[derive(Debug, Clone)]
pub(crate) struct Cancellation {
    /// Nothing for a call that nobody can cancel, because its caller is busy running it.
    state: Option<Arc<Mutex<State>>>,
}

impl Default for Cancellation {
    fn default() -> Self {
        Self { state: Some(Arc::default()) }
    }
}

#[derive(Debug, Default)]
enum State {
    /// No instance runs the call yet.
    #[default]
    Waiting,
    Running(Arc<CallControl>, Turn),
    Cancelled,
}

impl Cancellation {
    /// For a call that runs on its caller's thread.
    pub(crate) const fn none() -> Self {
        Self { state: None }
    }

    /// Names the instance that now runs the call; it is stopped at once if the call was cancelled already.
    pub(crate) fn attach(&self, control: &Arc<CallControl>, turn: Turn) {
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
