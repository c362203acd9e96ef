//! Stopping a call from outside.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::cancel_handle::{CancelHandle, Registration};
use super::{CallControl, StopReason, TurnId};
use crate::context::Brought;

/// Wishes of a caller for its calls, beyond the policy.
#[derive(Debug, Clone, Default)]
pub(crate) struct Scope {
    /// Things that most callers do not have: one look tells.
    extras: Option<Arc<Extras>>,
    limit: Option<Limit>,
}

/// Limit of the time of calls.
#[derive(Debug, Clone, Copy)]
struct Limit {
    time: Duration,
    deadline: Option<Instant>,
}

impl Limit {
    /// Time that is left for a call which begins now.
    fn left(self) -> Duration {
        match self.deadline {
            None => self.time,
            Some(deadline) => self.time.min(deadline.saturating_duration_since(Instant::now())),
        }
    }
}

/// Handle that stops a caller's calls, and what the caller brings along to them.
#[derive(Debug, Clone, Default)]
struct Extras {
    cancel: Option<CancelHandle>,
    brought: Option<Arc<Brought>>,
}

impl Scope {
    /// Returns this scope with a handle that stops its calls.
    pub(crate) fn with_cancel_handle(&self, handle: &CancelHandle) -> Self {
        self.with_extras(|extras| extras.cancel = Some(handle.clone()))
    }

    /// Returns this scope with something that is brought along.
    pub(crate) fn with_brought(&self, bring: impl FnOnce(&mut Brought)) -> Self {
        self.with_extras(|extras| {
            let mut brought = extras.brought.as_deref().cloned().unwrap_or_default();
            bring(&mut brought);
            extras.brought = Some(Arc::new(brought));
        })
    }

    fn with_extras(&self, add: impl FnOnce(&mut Extras)) -> Self {
        let mut extras = self.extras.as_deref().cloned().unwrap_or_default();
        add(&mut extras);
        Self { extras: Some(Arc::new(extras)), ..self.clone() }
    }

    /// Returns this scope with that limit of time.
    pub(crate) fn with_time_limit(&self, limit: Duration) -> Self {
        let deadline = self.limit.and_then(|limit| limit.deadline);
        Self { limit: Some(Limit { time: limit, deadline }), ..self.clone() }
    }

    /// Returns this scope with that limit of time, or the one that it had if that is shorter.
    pub(crate) fn with_time_limit_at_most(&self, limit: Duration) -> Self {
        self.with_time_limit(self.limit.map_or(limit, |other| other.time.min(limit)))
    }

    /// Returns this scope for calls that are over by that time.
    pub(crate) fn with_deadline(&self, deadline: Instant) -> Self {
        let time = self.limit.map_or(Duration::MAX, |limit| limit.time);
        Self { limit: Some(Limit { time, deadline: Some(deadline) }), ..self.clone() }
    }

    fn cancel(&self) -> Option<&CancelHandle> {
        self.extras.as_ref()?.cancel.as_ref()
    }

    /// Whether there is a handle that may stop a call that waits.
    pub(crate) fn is_cancellable(&self) -> bool {
        self.cancel().is_some()
    }

    /// Waits for something that a call needs; nothing if the call is cancelled first.
    pub(crate) async fn wait_for<T>(&self, wanted: impl Future<Output = T>) -> Option<T> {
        match self.cancel() {
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
            connection: self.extras.as_ref().map(|extras| Arc::new(Connection::new(extras))),
            time_limit: self.limit.map(Limit::left),
        }
    }
}

/// Connects whoever may cancel a call with the instance that comes to run it.
#[derive(Debug, Clone)]
pub(crate) struct Cancellation {
    /// State of the call. `None` for one whose future nobody can drop, because its caller is busy running it.
    state: Option<Arc<Mutex<State>>>,
    connection: Option<Arc<Connection>>,
    time_limit: Option<Duration>,
}

/// Connection of one call with what its caller has beyond a limit of time.
#[derive(Debug)]
struct Connection {
    registration: Option<Registration>,
    brought: Option<Arc<Brought>>,
    /// Where that was brought to.
    at: Mutex<Option<(Arc<CallControl>, TurnId)>>,
}

impl Connection {
    fn new(extras: &Extras) -> Self {
        let registration = extras.cancel.as_ref().map(CancelHandle::register);
        Self { registration, brought: extras.brought.clone(), at: Mutex::default() }
    }

    fn bring(&self, control: &Arc<CallControl>, turn: TurnId) {
        if let Some(brought) = &self.brought {
            control.bring(turn, brought);
            *self.at.lock().unwrap_or_else(PoisonError::into_inner) =
                Some((Arc::clone(control), turn));
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let at = self.at.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some((control, turn)) = at.take() {
            control.leave(turn);
        }
    }
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
    /// Names the instance that now runs the call, and brings there what its caller brings along; it is stopped at once if
    /// the call was cancelled already.
    #[inline]
    pub(crate) fn attach(&self, control: &Arc<CallControl>, turn: TurnId) {
        if let Some(connection) = &self.connection {
            connection.bring(control, turn);
        }
        self.attach_initialisation(control, turn);
    }

    /// Names the instance that is being initialised, perhaps for the calls of others too.
    #[inline]
    pub(crate) fn attach_initialisation(&self, control: &Arc<CallControl>, turn: TurnId) {
        if let Some(limit) = self.time_limit {
            control.limit_turn(limit);
        }
        if let Some(Some(registration)) = self.connection.as_ref().map(|c| &c.registration) {
            registration.attach(control, turn);
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
            || self
                .connection
                .as_ref()
                .and_then(|connection| connection.registration.as_ref())
                .is_some_and(Registration::is_cancelled)
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
