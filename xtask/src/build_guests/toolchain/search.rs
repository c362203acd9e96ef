//! The order of the attempts, and the error when none succeeds.

use anyhow::{Result, anyhow};

use super::{Source, TARGET, Toolchain};

/// One place where a toolchain may be found.
pub(crate) trait Attempt {
    fn source(&self) -> Source;

    /// Finds, or fetches, a toolchain there. The error says why there is none.
    fn find(&self) -> Result<Toolchain>;

    /// Returns what an earlier run has fetched, without asking anybody again.
    fn fetched(&self) -> Option<Toolchain> {
        None
    }
}

/// The toolchain that was taken and why the places before it had none.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) toolchain: Toolchain,
    pub(crate) refusals: Vec<Refusal>,
}

/// A place without a toolchain.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) source: Source,
    pub(crate) reason: String,
}

/// Takes the first toolchain that any attempt finds.
///
/// Before an attempt that may go to the network, what an earlier run has fetched is taken: the
/// network refused then, and asking again before every build would cost more than the build.
pub(crate) fn search(local: &dyn Attempt, fetching: &[&dyn Attempt]) -> Result<Found> {
    let mut refusals = Vec::new();
    match local.find() {
        Ok(toolchain) => return Ok(Found { toolchain, refusals }),
        Err(error) => refusals.push(Refusal::new(local, &error)),
    }
    if let Some(toolchain) = fetching.iter().find_map(|attempt| attempt.fetched()) {
        return Ok(Found { toolchain, refusals });
    }
    for attempt in fetching {
        match attempt.find() {
            Ok(toolchain) => return Ok(Found { toolchain, refusals }),
            Err(error) => refusals.push(Refusal::new(*attempt, &error)),
        }
    }
    Err(nothing_found(&refusals))
}

impl Refusal {
    fn new(attempt: &dyn Attempt, error: &anyhow::Error) -> Self {
        Self { source: attempt.source(), reason: format!("{error:#}") }
    }
}

fn nothing_found(refusals: &[Refusal]) -> anyhow::Error {
    let mut message = format!("failed to find a toolchain for {TARGET}; tried");
    for Refusal { source, reason } in refusals {
        message.push_str(&format!("\n  - {source}: {reason}"));
    }
    message.push_str(&format!(
        "\ninstall one of these and run `cargo xtask build-guests` again:\
         \n  - with rustup, where its server can be reached: rustup target add {TARGET}\
         \n  - on Debian 12, where its mirror can be reached: apt-get, dpkg-deb and the package \
         debian-archive-keyring; the rest is fetched\
         \n  - from your distribution: a rustc {} or newer that comes with {TARGET}",
        env!("CARGO_PKG_RUST_VERSION"),
    ));
    anyhow!(message)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use anyhow::bail;

    use super::super::Compiler;
    use super::*;

    struct Place {
        source: Source,
        has: Result<(), &'static str>,
        fetched: bool,
        asked: Cell<bool>,
    }

    impl Place {
        fn new(source: Source, has: Result<(), &'static str>) -> Self {
            Self { source, has, fetched: false, asked: Cell::new(false) }
        }

        fn toolchain(&self) -> Toolchain {
            let version = "rustc 1.95.0".to_owned();
            Toolchain { source: self.source, version, compiler: Compiler::Ambient }
        }
    }

    impl Attempt for Place {
        fn source(&self) -> Source {
            self.source
        }

        fn find(&self) -> Result<Toolchain> {
            self.asked.set(true);
            if let Err(reason) = self.has {
                bail!(reason);
            }
            Ok(self.toolchain())
        }

        fn fetched(&self) -> Option<Toolchain> {
            self.fetched.then(|| self.toolchain())
        }
    }

    #[test]
    fn the_active_toolchain_is_taken_without_asking_anybody_else() {
        let active = Place::new(Source::Active, Ok(()));
        let rustup = Place::new(Source::Rustup, Ok(()));
        let mut debian = Place::new(Source::Debian, Ok(()));
        debian.fetched = true;
        let found = search(&active, &[&rustup, &debian]).unwrap();
        assert_eq!(found.toolchain.source, Source::Active);
        assert!(found.refusals.is_empty());
        assert!(!rustup.asked.get() && !debian.asked.get());
    }

    #[test]
    fn refusals_are_kept_for_the_person_who_wonders() {
        let active = Place::new(Source::Active, Err("no target"));
        let rustup = Place::new(Source::Rustup, Err("no network"));
        let debian = Place::new(Source::Debian, Ok(()));
        let found = search(&active, &[&rustup, &debian]).unwrap();
        assert_eq!(found.toolchain.source, Source::Debian);
        let reasons: Vec<_> = found.refusals.iter().map(|refusal| &*refusal.reason).collect();
        assert_eq!(reasons, ["no target", "no network"]);
    }

    #[test]
    fn what_was_fetched_before_is_taken_before_the_network_is_asked_again() {
        let active = Place::new(Source::Active, Err("no target"));
        let rustup = Place::new(Source::Rustup, Ok(()));
        let mut debian = Place::new(Source::Debian, Ok(()));
        debian.fetched = true;
        let found = search(&active, &[&rustup, &debian]).unwrap();
        assert_eq!(found.toolchain.source, Source::Debian);
        assert!(!rustup.asked.get());
    }

    #[test]
    fn the_error_lists_all_that_was_tried_and_what_to_install() {
        let active = Place::new(Source::Active, Err("no target"));
        let rustup = Place::new(Source::Rustup, Err("no network"));
        let debian = Place::new(Source::Debian, Err("no apt-get"));
        let error = search(&active, &[&rustup, &debian]).unwrap_err().to_string();
        for part in ["no target", "no network", "no apt-get", "rustup target add wasm32-wasip1"] {
            assert!(error.contains(part), "{error}");
        }
    }
}
