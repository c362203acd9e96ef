//! Who gets which instance, and when.

use std::ops::Deref;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use crate::error::{CallResult, Result};
use crate::instance::{Instance, InstancePool, Recipe, SharedTemplate, Template};
use crate::policy::{Compiler, InstanceMode, SecurityPolicy};
use crate::sync::permits::{Permit, Permits};
use crate::sys::fork;
use crate::sys::turn_lock::{KeptTurn, TurnGuard, TurnLock};
use crate::watchdog::cancellation::Cancellation;

/// A guest that is to stop does so within milliseconds, unless a host function holds it up. Calls that were not
/// dropped are another holder's, who may go on for ever.
const SETTLES_WITHIN: Duration = Duration::from_secs(1);
/// Time between two looks whether the turns are over: that of the watchdog, who ends them.
const SETTLING_TICK: Duration = Duration::from_millis(2);

/// The instances of one sandbox.
pub(super) enum Instances {
    /// One for all calls, and one for each run of the module as a program.
    Persistent { one: Arc<TurnLock<One>>, runs: OnceLock<Runs> },
    /// One for each call and each run, and at most so many at once.
    Fresh(Arc<Fresh>),
}

/// Bound of the runs of a sandbox whose calls share an instance. Made with the first run: most sandboxes have none.
pub(super) struct Runs {
    permits: Permits,
    /// Of the guests that run, which do not take turns with those that are called.
    recipe: Recipe,
}

/// The one instance for all calls, and where another would begin.
pub(super) struct One {
    /// Instance that calls share. `None` while there is none fit to be called.
    instance: Option<Instance>,
    template: SharedTemplate,
}

/// Where instances for single calls come from.
pub(super) struct Fresh {
    pub(super) pool: Arc<InstancePool>,
    permits: Permits,
}

/// Condition that the next caller would find the sandbox in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Condition {
    /// An instance, or all of them, after somebody's turn.
    Busy,
    /// An instance, or nothing that could keep one from being made.
    Ready,
    /// No instance: the last one was poisoned.
    Spent,
}

/// A caller's turn: sole use of an instance until it is dropped.
pub(super) enum Turn<'a> {
    Persistent(TurnGuard<'a, One>),
    /// A turn that may move to another thread.
    Kept(KeptTurn<One>),
    Fresh(Loan<'a>),
}

/// Leave to have an instance out of pool, which goes back there.
pub(super) struct Loan<'a> {
    instance: Option<Box<Instance>>,
    /// Until it is given up, or passed on.
    permit: Option<Permit>,
    of: Lender<'a>,
    /// Several calls are to see each other's state.
    is_held: bool,
}

/// Borrowed where that will do: whoever counts handles writes to what all cores read.
enum Lender<'a> {
    Borrowed(&'a Fresh),
    Kept(Arc<Fresh>),
}

impl Deref for Lender<'_> {
    type Target = Fresh;

    #[inline]
    fn deref(&self) -> &Fresh {
        match self {
            Self::Borrowed(fresh) => fresh,
            Self::Kept(fresh) => fresh,
        }
    }
}

impl Fresh {
    #[inline]
    fn try_loan(&self) -> Option<Loan<'_>> {
        self.permits.try_take().map(|permit| self.permitted(permit))
    }

    async fn loan(&self) -> Loan<'_> {
        self.permitted(self.permits.wait().await)
    }

    #[inline]
    fn permitted(&self, permit: Permit) -> Loan<'_> {
        Loan { instance: None, permit: Some(permit), of: Lender::Borrowed(self), is_held: false }
    }
}

impl Loan<'_> {
    /// Makes the loan independent of a borrow.
    fn keep(mut self, of: &Arc<Fresh>) -> Loan<'static> {
        Loan {
            instance: self.instance.take(),
            permit: self.permit.take(),
            of: Lender::Kept(Arc::clone(of)),
            is_held: self.is_held,
        }
    }
}

impl Drop for Loan<'_> {
    #[inline]
    fn drop(&mut self) {
        /// Gives up a permit when it is dropped.
        struct GivenUp<'a>(&'a Permits, Option<Permit>);

        impl Drop for GivenUp<'_> {
            #[inline]
            fn drop(&mut self) {
                if let Some(permit) = self.1.take() {
                    self.0.give_up(permit);
                }
            }
        }

        // In this order, so that the instance is back before the next caller may ask for it; also if that panics.
        let _permit = GivenUp(&self.of.permits, self.permit.take());
        if let Some(instance) = self.instance.take() {
            self.of.pool.put_back(instance);
        }
    }
}

impl Instances {
    /// Makes the first instance, which shows that the module starts. Runs guest code.
    ///
    /// # Errors
    /// As [`Instance::create`].
    pub(super) fn new(recipe: &Recipe, cancellation: &Cancellation) -> Result<Self> {
        // What lies ready already would do for a sandbox, but not for its calls.
        fork::check()?;
        Ok(match recipe.policy.instances {
            InstanceMode::Persistent => {
                let (first, template) = SharedTemplate::of(recipe, cancellation)?;
                let one = One { instance: Some(first), template };
                Self::Persistent { one: Arc::new(TurnLock::new(one)), runs: OnceLock::new() }
            }
            InstanceMode::Fresh => Self::Fresh(Arc::new(Fresh {
                pool: InstancePool::of(recipe, cancellation)?,
                permits: Permits::new(recipe.policy.max_instances),
            })),
        })
    }

    /// Makes the first instance, which begins from a snapshot. Runs no guest code.
    ///
    /// # Errors
    /// As [`Instance::create`].
    pub(super) fn of_snapshot(
        recipe: &Recipe,
        template: &Template,
        cancellation: &Cancellation,
    ) -> Result<Self> {
        fork::check()?;
        Ok(match recipe.policy.instances {
            InstanceMode::Persistent => {
                let (first, template) =
                    SharedTemplate::of_snapshot(recipe, template, cancellation)?;
                let one = One { instance: Some(first), template };
                Self::Persistent { one: Arc::new(TurnLock::new(one)), runs: OnceLock::new() }
            }
            InstanceMode::Fresh => Self::Fresh(Arc::new(Fresh {
                pool: InstancePool::of_snapshot(recipe, template, cancellation)?,
                permits: Permits::new(recipe.policy.max_instances),
            })),
        })
    }

    /// The policy that is shared with others that are alike, if it is: equal to the one that was given, and there only
    /// once.
    pub(super) fn policy(&self) -> Option<Arc<SecurityPolicy>> {
        match self {
            Self::Persistent { one, .. } => one.try_lock()?.template.policy().cloned(),
            Self::Fresh(fresh) => Some(Arc::clone(fresh.pool.policy())),
        }
    }

    /// Whether somebody uses the instances now, and if not, what the next caller would find.
    pub(super) fn condition(&self) -> Condition {
        match self {
            Self::Persistent { one, .. } => match one.try_lock() {
                None => Condition::Busy,
                Some(one) if one.instance.is_some() => Condition::Ready,
                Some(_) => Condition::Spent,
            },
            Self::Fresh(fresh) if fresh.permits.are_in_use() => Condition::Busy,
            Self::Fresh(_) => Condition::Ready,
        }
    }

    /// Waits until nobody uses the instances; for fresh ones at most [`SETTLES_WITHIN`].
    pub(super) async fn settled(&self) {
        match self {
            Self::Persistent { one, .. } => drop(one.lock_arc().await),
            Self::Fresh(_) => {
                let until = Instant::now() + SETTLES_WITHIN;
                while self.condition() == Condition::Busy && Instant::now() < until {
                    tokio::time::sleep(SETTLING_TICK).await;
                }
            }
        }
    }

    /// The linear memory of the one instance, in bytes, if there is one and nobody uses it now.
    pub(super) fn idle_memory_bytes(&self) -> Option<u64> {
        let Self::Persistent { one, .. } = self else { return None };
        one.try_lock()?.instance.as_ref().map(Instance::memory_bytes)
    }

    /// A turn that can be had at once, if there is one.
    #[inline]
    pub(super) fn try_turn(&self) -> Option<Turn<'_>> {
        match self {
            Self::Persistent { one, .. } => one.try_lock().map(Turn::Persistent),
            Self::Fresh(fresh) => fresh.try_loan().map(Turn::Fresh),
        }
    }

    /// Waits for a turn, about in the order of asking.
    pub(super) async fn turn(&self) -> Turn<'_> {
        match self {
            Self::Persistent { one, .. } => Turn::Persistent(one.lock().await),
            Self::Fresh(fresh) => Turn::Fresh(fresh.loan().await),
        }
    }

    /// Waits for a turn, blocking the thread.
    pub(super) fn turn_blocking(&self) -> Turn<'_> {
        match self {
            Self::Persistent { one, .. } => Turn::Persistent(one.lock_blocking()),
            Self::Fresh(fresh) => Turn::Fresh(pollster::block_on(fresh.loan())),
        }
    }

    /// As [`Self::try_turn`], for another thread.
    pub(super) fn try_turn_owned(&self) -> Option<Turn<'static>> {
        match self {
            Self::Persistent { one, .. } => one.try_lock_arc().map(Turn::Kept),
            Self::Fresh(fresh) => fresh.try_loan().map(|loan| Turn::Fresh(loan.keep(fresh))),
        }
    }

    /// As [`Self::turn`], for another thread.
    pub(super) async fn turn_owned(&self) -> Turn<'static> {
        match self {
            Self::Persistent { one, .. } => Turn::Kept(one.lock_arc().await),
            Self::Fresh(fresh) => Turn::Fresh(fresh.loan().await.keep(fresh)),
        }
    }

    /// The recipe for runs. Their guests are told from those of calls where the two do not wait for each other.
    pub(super) fn recipe_of_runs<'a>(&'a self, recipe: &'a Recipe) -> &'a Recipe {
        match self {
            Self::Persistent { runs, .. } => &Self::runs(runs, recipe).recipe,
            Self::Fresh(_) => recipe,
        }
    }

    /// The permits of runs. Fresh calls have theirs from the same.
    pub(super) fn permits_of_runs(&self, recipe: &Recipe) -> &Permits {
        match self {
            Self::Persistent { runs, .. } => &Self::runs(runs, recipe).permits,
            Self::Fresh(fresh) => &fresh.permits,
        }
    }

    fn runs<'a>(runs: &'a OnceLock<Runs>, recipe: &Recipe) -> &'a Runs {
        runs.get_or_init(|| Runs {
            permits: Permits::new(recipe.policy.max_instances),
            recipe: recipe.detached(),
        })
    }
}

impl Turn<'_> {
    /// Whether this is the only turn that there is at the time.
    #[inline]
    pub(super) fn is_of_only_instance(&self) -> bool {
        matches!(self, Self::Persistent(_) | Self::Kept(_))
    }

    /// The instance, if there is one.
    pub(super) fn instance(&self) -> Option<&Instance> {
        match self {
            Self::Persistent(one) => one.instance.as_ref(),
            Self::Kept(one) => one.instance.as_ref(),
            Self::Fresh(loan) => loan.instance.as_deref(),
        }
    }

    /// The instance, if there is one, to be changed.
    pub(super) fn instance_mut(&mut self) -> Option<&mut Instance> {
        match self {
            Self::Persistent(one) => one.instance.as_mut(),
            Self::Kept(one) => one.instance.as_mut(),
            Self::Fresh(loan) => loan.instance.as_deref_mut(),
        }
    }

    /// Has all calls of the turn see one instance, and takes that if one is ready. Runs no guest code.
    pub(super) fn hold(&mut self) {
        if let Self::Fresh(loan) = self {
            loan.is_held = true;
            if loan.instance.is_none() {
                loan.instance = loan.of.pool.take_free();
            }
        }
    }

    /// Compiler of the code that the call will run, if an instance for it is there or can be had of a pool.
    pub(super) fn compiler(&self) -> Option<Compiler> {
        match self {
            Self::Persistent(one) => one.instance.as_ref().map(Instance::compiler),
            Self::Kept(one) => one.instance.as_ref().map(Instance::compiler),
            Self::Fresh(loan) => Some(match &loan.instance {
                Some(instance) => instance.compiler(),
                None => loan.of.pool.compiler(),
            }),
        }
    }

    /// The instance, for one more call: created where there is none fit for it. May run guest code.
    #[inline]
    pub(super) fn ready(
        &mut self,
        recipe: &Recipe,
        cancellation: &Cancellation,
    ) -> CallResult<&mut Instance> {
        let instance = match self {
            Self::Persistent(one) => one.ready(recipe, cancellation)?,
            Self::Kept(one) => one.ready(recipe, cancellation)?,
            Self::Fresh(loan) => {
                let as_new = match loan.instance.take() {
                    None => loan.of.pool.take(cancellation)?,
                    Some(held) if loan.is_held => held,
                    Some(used) => loan.of.pool.renew(used, cancellation)?,
                };
                loan.instance.insert(as_new)
            }
        };
        let begun = instance.begin_turn();
        cancellation.attach(instance.control(), begun);
        Ok(instance)
    }

    /// Discards an instance that nobody may see again.
    #[inline]
    pub(super) fn retire_poisoned(&mut self) {
        let poisoned = |instance: &mut Instance| instance.is_poisoned();
        match self {
            Self::Persistent(one) => drop(one.instance.take_if(poisoned)),
            Self::Kept(one) => drop(one.instance.take_if(poisoned)),
            // It is put back to what it was, or dropped, as the turn ends.
            Self::Fresh(_) => {}
        }
    }
}

impl One {
    /// The instance that is there; made if there is none.
    #[inline]
    fn ready(&mut self, recipe: &Recipe, cancellation: &Cancellation) -> CallResult<&mut Instance> {
        let Self { instance, template } = self;
        if instance.is_none() {
            *instance = Some(template.instance(recipe, cancellation)?);
        }
        Ok(instance.as_mut().expect("an instance was put there if there was none"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::Context;
    use crate::error::CoreDumps;
    use crate::host::{HostBinding, HostFunctions};
    use crate::module::Module;
    use crate::sys::memory::ResetMethod;

    #[test]
    fn a_pool_lives_until_the_last_instance_on_loan_is_back() {
        const TEXT: &str = r#"(module (memory 1) (func (export "f")))"#;
        let policy = SecurityPolicy::strict();
        let policy = Arc::new(policy.with_instances(InstanceMode::Fresh).with_max_instances(2));
        let module = Module::compile(&wat::parse_str(TEXT).unwrap(), &policy).unwrap();
        let host = HostBinding::new(&module, HostFunctions::default(), Context::default()).unwrap();
        let recipe = Recipe {
            module,
            policy,
            host,
            reset: ResetMethod::quickest(),
            core_dumps: CoreDumps::Never,
            profiler: None,
        };
        let none = Cancellation::default();
        let instances = Instances::new(&recipe, &none).unwrap();
        let Instances::Fresh(fresh) = &instances else { panic!("they are fresh") };
        let pool = Arc::downgrade(&fresh.pool);
        assert_eq!(instances.condition(), Condition::Ready);
        let mut turn = instances.try_turn_owned().unwrap();
        turn.ready(&recipe, &none).unwrap();
        assert_eq!(instances.condition(), Condition::Busy);
        drop(instances);
        assert!(pool.upgrade().is_some());
        drop(turn);
        assert!(pool.upgrade().is_none());
    }
}
