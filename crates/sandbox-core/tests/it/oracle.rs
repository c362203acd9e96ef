//! Comparison with Wasmer's WASIX, which does the same operations.
//!
//! One guest passes calls of WASI on, in a sandbox and in plain Wasmer with WASIX, each with files in memory of its own. Random
//! operations must have the same outcome in both, but where WASIX is known to be wrong: each such [`Deviation`] is
//! listed with the reason, and tried, so that the list says what is.
//!
//! Folders of the host are not compared at random: WASIX writes to them in the background, and what is there after a file was
//! cut depends on who comes first.

mod deviations;
mod guest;
mod wasix;

use std::cell::Cell;

use proptest::prelude::*;
use proptest::test_runner::{RngAlgorithm, TestRng, TestRunner};

use deviations::{DEVIATIONS, Deviation, Seen};
use guest::{Deed, Guest, How, Outcome};
use wasix::Wasix;

use crate::probe::Probe;
use sandbox_core::{Access, SecurityPolicy};

/// Both sides, at the beginning.
struct Pair {
    ours: Guest<Probe>,
    theirs: Guest<Wasix>,
    _folders: Vec<tempfile::TempDir>,
}

/// Where the files of both are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Storage {
    Memory,
    Host,
}

impl Pair {
    fn new(storage: Storage) -> Self {
        let policy = SecurityPolicy::strict();
        match storage {
            Storage::Memory => Self {
                ours: Guest::new(Probe::new(policy)),
                theirs: Guest::new(Wasix::new(None)),
                _folders: Vec::new(),
            },
            Storage::Host => {
                let folders = [(); 2].map(|()| tempfile::tempdir().unwrap());
                let policy = policy.with_folder(folders[0].path(), "/", Access::ReadWrite);
                Self {
                    ours: Guest::new(Probe::new(policy)),
                    theirs: Guest::new(Wasix::new(Some(folders[1].path()))),
                    _folders: folders.into(),
                }
            }
        }
    }

    /// Does the same on both sides.
    fn act(&mut self, deed: &Deed) -> (Outcome, Outcome) {
        (self.ours.act(deed), self.theirs.act(deed))
    }
}

/// Does the same on both sides until they differ in a way that is known. Returns how many operations had one outcome.
fn compare(deeds: &[Deed]) -> Result<usize, TestCaseError> {
    let mut pair = Pair::new(Storage::Memory);
    for (number, deed) in deeds.iter().enumerate() {
        let (ours, theirs) = pair.act(deed);
        if ours == theirs {
            continue;
        }
        let seen = Seen { before: &deeds[..number], deed, ours: &ours, theirs: &theirs };
        prop_assert!(DEVIATIONS.iter().any(|known| (known.is)(&seen)), "{seen:#?}");
        return Ok(number);
    }
    Ok(deeds.len())
}

/// Number of cases that are tried: few enough to be tried each time, or as many as the environment says.
fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(256)
}

#[test]
fn random_operations_have_the_outcome_that_they_have_under_wasix() {
    let config =
        ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() };
    // The same each time: what nobody has seen of WASIX yet is not the fault of who changes something here.
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(config, rng);
    let compared = Cell::new(0);
    // Much of what is appended differs, so half of the guests do not.
    let some = |hows| prop::collection::vec(guest::deeds(hows), 1..40);
    let deeds = prop_oneof![some(&How::ALL), some(How::WITHOUT_APPENDING)];
    let result = runner.run(&deeds, |deeds| {
        compared.set(compared.get() + compare(&deeds)?);
        Ok(())
    });
    result.unwrap_or_else(|error| panic!("{error}"));
    // So that the list does not come to excuse everything.
    assert!(compared.get() > 8 * cases() as usize, "only {} were compared", compared.get());
}

#[test]
fn wasix_still_deviates_as_the_list_says() {
    for Deviation { name, is, storage, example } in DEVIATIONS {
        let deeds = example();
        let (deed, before) = deeds.split_last().unwrap();
        let mut pair = Pair::new(*storage);
        for deed in before {
            let (ours, theirs) = pair.act(deed);
            assert_eq!(ours, theirs, "{name}: {deed:?}");
        }
        let (ours, theirs) = pair.act(deed);
        let seen = Seen { before, deed, ours: &ours, theirs: &theirs };
        assert!(ours != theirs && is(&seen), "{name}: {seen:?}");
    }
}

#[test]
fn wasix_opens_two_folders_as_the_root_and_the_sandbox_one() {
    let mut pair = Pair::new(Storage::Memory);
    assert_eq!(pair.ours.preopened(), ["/"]);
    assert_eq!(pair.theirs.preopened(), ["/", "/"]);
}
