//! A running module: its store, its limits, its state.

mod core_dump;
mod entering;
mod exchange;
mod failure;
mod fuel;
mod imports;
mod inspecting;
mod pool;
mod recipe;
mod room;
mod shared_template;
mod sharing;
mod template;

use std::ops::Range;
use std::sync::Arc;

use wasmer::{Function, Imports};

use crate::error::{CoreDumps, Result, SandboxError};
use crate::host::HostLink;
use crate::module::{Module, START_EXPORT};
use crate::output::Output;
use crate::policy::{Compiler, FuelUnits, SecurityPolicy};
use crate::sys::code::Code;
use crate::sys::guest::Guest;
use crate::sys::limits::LimitingTunables;
use crate::sys::memory::{Contents, ResetMethod, Writes};
use crate::sys::number::ZERO;
use crate::sys::refusals::Refusals;
use crate::sys::signals;
use crate::sys::state::Recorder;
use crate::wasi::{Launch, OutputCapture, Surroundings, WasiContext};
use crate::watchdog::cancellation::Cancellation;
use crate::watchdog::{CallControl, TurnId};

use exchange::Exchange;
use fuel::FuelTank;
pub(crate) use pool::InstancePool;
pub(crate) use recipe::Recipe;
pub(crate) use room::memory_sizes;
pub(crate) use shared_template::SharedTemplate;
pub(crate) use template::Template;
use template::{Effort, NotRestored, Users};

/// The name under which instantiation appears in errors.
pub(crate) const INSTANTIATION: &str = "_initialize";

/// One instance of a module.
pub(crate) struct Instance {
    guest: Guest,
    exchange: Option<Exchange>,
    wasi: Option<WasiContext>,
    /// Of guests that are metered.
    fuel: Option<FuelTank>,
    module: Module,
    policy: Arc<SecurityPolicy>,
    control: Arc<CallControl>,
    /// Where its native code lies; lent to the call that runs.
    code: Option<Arc<Code>>,
    /// All that the instance's host functions know of it.
    host: HostLink,
    output: Arc<OutputCapture>,
    refusals: Arc<Refusals>,
    /// It is put back to what a template is, and so it matters what it wrote.
    is_reset: bool,
    poisoned: bool,
    /// The guest was interrupted, or the host panicked: not even a reset makes the instance fit for use.
    unsound: bool,
    /// Knowledge of the writes to its memories since it was new.
    writes: Writes,
    core_dumps: CoreDumps,
}

/// Start of an instance: its own initialisation, or a template.
#[derive(Clone, Copy)]
enum Start<'a> {
    /// It is initialised, and never reset.
    Initialised,
    /// It is initialised, and a template is made of it.
    First(ResetMethod),
    /// It becomes what the template is.
    Template(&'a Template),
}

impl Start<'_> {
    fn recorder(self) -> Option<Recorder> {
        match self {
            // It may be saved, and is never put back.
            Start::Initialised => Some(Recorder::new(ResetMethod::Copy, Contents::OfModule)),
            Start::First(method) => Some(Recorder::new(method, Contents::OfModule)),
            Start::Template(template) => Some(Recorder::new(template.method, Contents::Replaced)),
        }
    }
}

/// Result of a call, as the guest left it behind.
#[derive(Debug)]
pub(crate) enum Returned {
    /// The results are where the arguments were.
    Numbers,
    /// The place of the output in linear memory, checked to lie in it.
    Output { range: Range<usize> },
}

impl Returned {
    /// Number of bytes that came out through the exchange area.
    pub(crate) fn bytes(&self) -> u64 {
        match self {
            Self::Numbers => 0,
            Self::Output { range, .. } => range.len() as u64,
        }
    }
}

impl Instance {
    /// Instantiates the module and runs its start function and `_initialize`, within all limits.
    ///
    /// Runs guest code on the calling thread.
    pub(crate) fn create(recipe: &Recipe, cancellation: &Cancellation) -> Result<Self> {
        let created = Self::create_with(recipe, Launch::default(), cancellation)?;
        created.forget_initialisation();
        Ok(created)
    }

    /// Instantiates the module with more than the policy grants to start with.
    pub(crate) fn create_with(
        recipe: &Recipe,
        launch: Launch,
        cancellation: &Cancellation,
    ) -> Result<Self> {
        Self::launch(recipe, launch, Start::Initialised, cancellation)
    }

    fn launch(
        recipe: &Recipe,
        launch: Launch,
        start: Start<'_>,
        cancellation: &Cancellation,
    ) -> Result<Self> {
        let Recipe { policy, host, .. } = recipe;
        let module = recipe.module.newest();
        let room = room::of(module, policy)?;
        crate::wasi::check_network(policy)?;
        let refusals = Arc::new(Refusals::new(room.exceptions));
        let recorder = start.recorder();
        let control = CallControl::new(policy.wall_clock)?;
        control.note_code(module.code().extent());
        if let Some(profiler) = &recipe.profiler {
            profiler.sample(module, &control);
        }
        let tunables = LimitingTunables::new(policy, room, Arc::clone(&refusals), recorder.clone());
        let sinks = launch.sinks.clone();
        let output = OutputCapture::new(policy.output_limit_bytes, sinks, Arc::clone(&control));
        let mut guest = Guest::new(module.engine().clone(), tunables, policy.stack_bytes);
        let (wasi, offered) = if host.imports_wasi() {
            let grants = host.grants(policy)?;
            let (module, control, output) = (module.compiled(), &control, &output);
            let refusals = &refusals;
            let lookups = host.lookups();
            let surroundings =
                Surroundings { module, policy, grants, lookups, control, output, refusals };
            let (wasi, offered) = WasiContext::new(guest.store(), surroundings, launch)?;
            (Some(wasi), Some(offered))
        } else {
            (None, None)
        };
        let mut instance = Self {
            guest,
            exchange: None,
            wasi,
            fuel: None,
            module: module.clone(),
            policy: Arc::clone(policy),
            code: Some(Arc::clone(module.code())),
            host: HostLink::new(Arc::clone(host), Arc::clone(&control), policy.value_limit_bytes),
            control,
            output,
            refusals,
            is_reset: !matches!(start, Start::Initialised),
            poisoned: false,
            unsound: false,
            writes: Writes::AnyPage,
            core_dumps: recipe.core_dumps,
        };
        let turn = instance.control.begin_initialisation(policy.initialisation_limit);
        cancellation.attach_initialisation(&instance.control, turn);
        instance.watched(INSTANTIATION, |instance| {
            instance.start(start, recorder.as_ref(), offered.as_ref())
        })?;
        signals::look_at_mask_again();
        if let Start::Template(template) = start {
            instance.adopt(template)?;
        }
        Ok(instance)
    }

    /// `offered` is what the module may import of WASI.
    fn start(
        &mut self,
        start: Start<'_>,
        recorder: Option<&Recorder>,
        offered: Option<&Imports>,
    ) -> Result<()> {
        let compiled = self.module.compiled().clone();
        let imports = imports::resolve(self.guest.store(), &compiled, &self.host, offered)?;
        let exported = self
            .guest
            .instantiate(&compiled, &imports)
            .map_err(|error| self.instantiation_failure(*error))?;
        if self.wasi.is_some() && compiled.info().memories.is_empty() {
            return Err(SandboxError::InvalidDeclaration {
                message: "the module imports WASI but has no memory".to_owned(),
            });
        }
        if let Some(recorder) = recorder {
            self.guest.own_state(recorder);
        }
        self.start_function(&exported, start)?;
        if !matches!(start, Start::Template(_))
            && let Ok(initialize) = exported.exports.get_function(INSTANTIATION)
        {
            self.run_to_its_end(initialize.clone())?;
        }
        let known = match start {
            Start::Template(template) => template.area_address,
            Start::Initialised | Start::First(_) => None,
        };
        // It asks the guest, which may be at its limit.
        self.exchange = Exchange::of(&mut self.guest, &exported, known)
            .map_err(|error| self.limit_reached(INSTANTIATION).unwrap_or(error))?;
        // In the order of `Module::callable`.
        let functions =
            self.module.callable().iter().map(|export| (export.name.as_str(), export.reach));
        self.guest
            .resolve(&exported, functions)
            .map_err(|error| SandboxError::InvalidDeclaration { message: error.to_string() })?;
        self.host.note_started(self.guest.reentry(), &self.module, &self.refusals);
        self.guest.trim();
        Ok(())
    }

    /// Fills the tank of a guest that is metered, and calls the start function, which does not run by itself.
    fn start_function(&mut self, exported: &wasmer::Instance, start: Start<'_>) -> Result<()> {
        if self.module.is_metered() {
            self.fuel = FuelTank::of(exported, &self.policy);
        }
        if let Some(fuel) = &self.fuel {
            fuel.fill(self.guest.store());
        }
        if matches!(start, Start::Template(_)) {
            return Ok(());
        }
        match exported.exports.get_function(START_EXPORT) {
            Ok(start) => self.run_to_its_end(start.clone()),
            Err(_) => Ok(()),
        }
    }

    /// Calls a function that is part of initialisation.
    fn run_to_its_end(&mut self, function: Function) -> Result<()> {
        let results = function.ty(self.guest.store()).results().len();
        let target = self.guest.target(function);
        let mut values = vec![ZERO; results];
        self.guest
            .enter(&target, &mut values)
            .map_err(|error| self.runtime_failure(INSTANTIATION, error))
    }

    /// Fuel that the last call used, if the guest is metered.
    pub(crate) fn fuel_used(&mut self) -> Option<FuelUnits> {
        Some(self.fuel.as_ref()?.used(self.guest.store()))
    }

    /// Begins a new turn: one caller's use of the instance.
    #[inline]
    pub(crate) fn begin_turn(&mut self) -> TurnId {
        self.control.begin_turn()
    }

    /// The switch that stops the instance's calls.
    pub(crate) fn control(&self) -> &Arc<CallControl> {
        &self.control
    }

    /// Forgets what the guest did as it was initialised: that is no part of any call.
    fn forget_initialisation(&self) {
        self.host.take_calls();
    }

    /// Takes the number of host functions that the guest called since this was last asked.
    pub(crate) fn take_host_calls(&self) -> u64 {
        self.host.take_calls()
    }

    /// Whether the last call left the guest in a state that nobody may see.
    #[inline]
    pub(crate) fn is_poisoned(&self) -> bool {
        self.poisoned
    }

    /// Whether there is better code of its module by now.
    pub(crate) fn is_outdated(&self) -> bool {
        self.module.is_outdated()
    }

    /// Compiler of the code that the instance runs.
    pub(crate) fn compiler(&self) -> Compiler {
        self.module.compiler()
    }

    /// The size of the guest's linear memory, in bytes.
    pub(crate) fn memory_bytes(&self) -> u64 {
        self.guest.memory().len() as u64
    }

    /// Takes what the guest wrote to its standard streams.
    pub(crate) fn take_output(&self) -> Output {
        self.output.take()
    }

    /// The bytes that a call left in linear memory.
    pub(crate) fn output_bytes(&self, range: Range<usize>) -> &[u8] {
        self.guest.memory().get(range).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests;
