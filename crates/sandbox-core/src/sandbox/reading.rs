//! Calls whose output is read where it lies.

use std::sync::Arc;

use super::{Inner, spans};
use crate::error::{CallResult, Result};
use crate::instance::{Instance, Returned};
use crate::marshal::arguments::{Arguments, signature_mismatch};
use crate::marshal::convert::IntoGuest;
use crate::marshal::export::{Export, ExportKind};
use crate::module::FunctionId;
use crate::sys::fork;
use crate::usage::ResourceUsage;
use crate::watchdog::cancellation::Scope;

impl Inner {
    pub(super) async fn call_with<A: IntoGuest, T>(
        self: &Arc<Self>,
        id: FunctionId,
        arguments: &A,
        scope: &Scope,
        read: impl FnOnce(&[u8]) -> T,
    ) -> Result<T> {
        let export = self.recipe.module.export(id);
        let prepared = self.prepare_to_read(export, arguments)?;
        let span = spans::wanted(self, &export.name);
        Box::pin(spans::maybe_traced(span, self.read_somewhere(id, prepared, scope, read))).await
    }

    pub(super) fn call_with_blocking<A: IntoGuest, T>(
        &self,
        id: FunctionId,
        arguments: &A,
        scope: &Scope,
        read: impl FnOnce(&[u8]) -> T,
    ) -> Result<T> {
        let export = self.recipe.module.export(id);
        let mut prepared = self.prepare_to_read(export, arguments)?;
        let call = || {
            fork::check()?;
            let mut turn = match self.instances.try_turn() {
                Some(turn) => turn,
                None => self.turn_blocking(&export.name, scope)?,
            };
            let buffer = prepared.call_buffer();
            self.run_exchange(&mut turn, id, buffer, &scope.undroppable(), reading(read))
        };
        let called = match spans::wanted(self, &export.name) {
            None => call(),
            Some(span) => spans::traced_blocking(&span, call),
        };
        called.map_err(|error| *error)
    }

    async fn read_somewhere<T>(
        self: &Arc<Self>,
        id: FunctionId,
        mut prepared: Arguments<'_>,
        scope: &Scope,
        read: impl FnOnce(&[u8]) -> T,
    ) -> Result<T> {
        let export = self.recipe.module.export(id);
        if let Some(callers_thread) = self.callers_thread(id) {
            let mut turn = self.turn(&export.name, scope).await?;
            let _on_callers_thread = callers_thread.enter();
            let buffer = prepared.call_buffer();
            let result =
                self.run_exchange(&mut turn, id, buffer, &scope.undroppable(), reading(read));
            return result.map_err(|error| *error);
        }
        let turn = self.turn_owned(&export.name, scope).await?;
        let (turn, _, returned, _) =
            self.run_on_worker(turn, id, prepared.into_owned(), scope).await?;
        let returned = returned.inspect_err(|_| self.totals.count_failure());
        Ok(read(output_of(turn.instance(), &returned.map_err(|error| *error)?)))
    }

    /// Prepares a call of a function that leaves something to read.
    fn prepare_to_read<'a, A: IntoGuest>(
        &self,
        export: &Export,
        arguments: &'a A,
    ) -> Result<Arguments<'a>> {
        if matches!(export.kind, ExportKind::Numbers(_)) {
            let given = "its output to be read as bytes".to_owned();
            return Err(signature_mismatch(export, given));
        }
        self.prepare::<A, ()>(export, arguments)
    }
}

fn reading<T>(
    read: impl FnOnce(&[u8]) -> T,
) -> impl FnOnce(&Instance, &Returned, Option<ResourceUsage>) -> CallResult<T> {
    |instance, returned, _| Ok(read(output_of(Some(instance), returned)))
}

/// The bytes that a call left.
fn output_of<'a>(instance: Option<&'a Instance>, returned: &Returned) -> &'a [u8] {
    match (instance, returned) {
        (Some(instance), Returned::Output { range }) => instance.output_bytes(range.clone()),
        _ => &[],
    }
}
