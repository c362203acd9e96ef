//! State that the functions of WASI of one instance work with.

use std::sync::Arc;

use super::Surroundings;
use super::clock::{self, ClockSource};
use super::errno::Errno;
use super::fs::{FileSystem, Snapshot};
use super::launch::{Given, Strings};
use super::network::NetworkGrants;
use super::output::OutputCapture;
use super::random::RandomSource;
use super::table::{Descriptor, SavedTable, Table};
use crate::error::SnapshotFault;
use crate::output::StreamName;
use crate::sys::refusals::Refusals;
use crate::watchdog::CallControl;

/// The state of one instance.
pub(super) struct State {
    pub(super) control: Arc<CallControl>,
    pub(super) output: Arc<OutputCapture>,
    pub(super) table: Table,
    pub(super) files: FileSystem,
    pub(super) clock: ClockSource,
    pub(super) random: RandomSource,
    pub(super) arguments: Strings,
    pub(super) environment: Strings,
    /// Where the policy grants hosts.
    pub(super) network: Option<NetworkGrants>,
    pub(super) refusals: Arc<Refusals>,
    /// Whether table or files may be others than at the beginning.
    is_changed: bool,
}

/// State as a template keeps it.
pub(crate) struct Remembered {
    pub(super) table: SavedTable,
    pub(super) files: Snapshot,
    pub(super) random: RandomSource,
}

impl Remembered {
    /// Whether the guest drew random bytes before, which others may not know.
    pub(crate) fn has_secrets(&self) -> bool {
        self.random.has_given_secrets()
    }
}

impl State {
    /// # Errors
    /// Those of [`FileSystem::preopened`].
    pub(super) fn new(surroundings: &Surroundings<'_>, given: Given) -> Result<Self, Errno> {
        let Surroundings { policy, lookups, control, output, refusals, .. } = *surroundings;
        let clock = policy.clock.clone();
        let now = Arc::new(move || clock::in_nanoseconds(clock::date(&clock)));
        let files = FileSystem::new(&given.grants, policy.scratch_limit_bytes, now);
        let mut first = vec![
            Descriptor::input(given.stdin),
            Descriptor::output(StreamName::Stdout),
            Descriptor::output(StreamName::Stderr),
        ];
        let folders = files.preopened()?.into_iter();
        first.extend(folders.map(|(name, folder)| Descriptor::preopened(folder, name.into())));
        Ok(Self {
            control: Arc::clone(control),
            output: Arc::clone(output),
            table: Table::new(first, policy.open_file_limit),
            files,
            clock: ClockSource::new(policy.clock.clone()),
            random: RandomSource::new(policy.randomness),
            arguments: given.arguments,
            environment: given.environment,
            network: NetworkGrants::of(policy, lookups),
            refusals: Arc::clone(refusals),
            is_changed: false,
        })
    }

    /// Notes that table or files may be others from now on.
    pub(super) fn note_change(&mut self) {
        self.is_changed = true;
    }

    /// Whether table or files may be others than at the beginning.
    pub(super) fn is_changed(&self) -> bool {
        self.is_changed
    }

    /// Keeps the state for instances that begin with it, and makes it what theirs will be: its clocks begin anew. Nothing
    /// if the guest has what only one can have, or did to the host what cannot be undone.
    pub(super) fn remember(&mut self) -> Option<Remembered> {
        let remembered = self.keep().ok()?;
        self.clock.restart();
        self.is_changed = false;
        Some(remembered)
    }

    /// Keeps the state for instances that begin with it, and leaves it as it is.
    ///
    /// # Errors
    /// Reasons why a guest's state is for one instance alone: what it has, or did to the host.
    pub(super) fn keep(&self) -> Result<Remembered, SnapshotFault> {
        if self.files.has_changed_host() {
            return Err(SnapshotFault::HostChanged);
        }
        let table = self.table.save().ok_or(SnapshotFault::OpenOfHost)?;
        Ok(Remembered { table, files: self.files.snapshot(), random: self.random.clone() })
    }

    /// Whether files have to be put back too.
    pub(super) fn takes_long_to_reset(&self, remembered: &Remembered) -> bool {
        self.is_changed && self.files.is_changed_since(&remembered.files)
    }

    /// Makes the state what it was when it was kept, whatever it is.
    ///
    /// # Errors
    /// Those of [`SavedTable::open`]; the instance is not to be used then.
    pub(super) fn adopt(&mut self, remembered: &Remembered) -> Result<(), Errno> {
        self.files.restore(&remembered.files);
        self.table = remembered.table.open(&self.files)?;
        self.is_changed = false;
        self.begin_anew(remembered);
        Ok(())
    }

    /// Puts back what is not in table and files.
    pub(super) fn begin_anew(&mut self, remembered: &Remembered) {
        self.clock.restart();
        self.random = remembered.random.clone();
    }
}
