//! Spans of calls, for subscribers of `tracing`.
//!
//! Without one that is interested in level `DEBUG`, a call pays one look at a number for it.

use std::borrow::Borrow;
use std::future::Future;
use std::time::Instant;

use tracing::field::Empty;
use tracing::level_filters::LevelFilter;
use tracing::{Instrument, Level, Span};

use super::Inner;
use crate::error::{Result, SandboxError};

/// The span of one call, or of a batch of so many.
///
/// Its fields: the function's name; the beginning of [`Module::wasm_hash`](crate::Module::wasm_hash); whether
/// instances are fresh or persistent; at its end the outcome, `ok` or [`SandboxError::kind`], and how long the
/// caller has waited in all.
pub(super) fn call(inner: &Inner, function: &str, calls: usize) -> Span {
    tracing::debug_span!(
        "call",
        function,
        calls,
        module = short(inner.recipe.module.wasm_hash()),
        instances = ?inner.recipe.policy.instances,
        outcome = Empty,
        elapsed_us = Empty,
    )
}

/// Makes the span of a call if somebody wants to see it. Quick where nobody wants to see anything of that level.
#[inline]
pub(super) fn wanted(inner: &Inner, function: &str) -> Option<Span> {
    if LevelFilter::current() < Level::DEBUG {
        return None;
    }
    Some(call(inner, function, 1)).filter(|span| !span.is_disabled())
}

/// Runs a call in its span, and records how it ended.
pub(super) async fn traced<T>(span: Span, call: impl Future<Output = Result<T>>) -> Result<T> {
    let started = Instant::now();
    let outcome = call.instrument(span.clone()).await;
    record(&span, started, outcome.as_ref());
    outcome
}

/// Runs a future within a span, if there is one.
pub(super) async fn maybe_traced<T>(
    span: Option<Span>,
    call: impl Future<Output = Result<T>>,
) -> Result<T> {
    match span {
        None => call.await,
        Some(span) => traced(span, call).await,
    }
}

/// Runs a call that blocks within a span.
pub(super) fn traced_blocking<T, E: Borrow<SandboxError>>(
    span: &Span,
    call: impl FnOnce() -> Result<T, E>,
) -> Result<T, E> {
    let started = Instant::now();
    let outcome = span.in_scope(call);
    record(span, started, outcome.as_ref().map_err(Borrow::borrow));
    outcome
}

/// Runs something that blocks within a span. `failure` finds the error in what it returned.
pub(super) fn recorded<T>(
    span: &Span,
    run: impl FnOnce() -> T,
    failure: impl FnOnce(&T) -> Option<&SandboxError>,
) -> T {
    let started = Instant::now();
    let outcome = span.in_scope(run);
    record(span, started, failure(&outcome).map_or(Ok(&()), Err));
    outcome
}

fn record<T>(span: &Span, started: Instant, outcome: Result<&T, &SandboxError>) {
    span.record("outcome", outcome.map_or_else(SandboxError::kind, |_| "ok"));
    let elapsed = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
    span.record("elapsed_us", elapsed);
}

/// Enough of a hash to tell modules apart in a log.
pub(super) fn short(hash: &str) -> &str {
    hash.get(..16).unwrap_or(hash)
}
