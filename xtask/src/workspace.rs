//! Where things are: every path that the commands read or write is named here.

use std::env;

use anyhow::{Context as _, Result, bail};
use camino::{Utf8Path, Utf8PathBuf};

/// The checkout that the command was started in.
pub(crate) struct Workspace {
    root: Utf8PathBuf,
}

impl Workspace {
    /// Finds the checkout from the folder of this crate, which cargo names at run time. The
    /// compiled-in folder is only for a binary that was started by hand.
    pub(crate) fn find() -> Result<Self> {
        let crate_folder = env::var("CARGO_MANIFEST_DIR")
            .unwrap_or_else(|_| env!("CARGO_MANIFEST_DIR").to_owned());
        let crate_folder = Utf8PathBuf::from(crate_folder);
        let root = crate_folder.parent().context("failed to find the workspace above xtask")?;
        if !root.join("guest-modules").is_dir() {
            bail!("failed to find the workspace: {root} has no guest-modules folder");
        }
        Ok(Self { root: root.to_owned() })
    }

    /// A checkout whose place is known.
    pub(crate) fn at(root: &Utf8Path) -> Self {
        Self { root: root.to_owned() }
    }

    pub(crate) fn root(&self) -> &Utf8Path {
        &self.root
    }

    /// The workspace of the guests, with a lock file of its own.
    pub(crate) fn guest_modules(&self) -> Utf8PathBuf {
        self.root.join("guest-modules")
    }

    /// The crate that guests are written with: part of every guest.
    pub(crate) fn guest_crate(&self) -> Utf8PathBuf {
        self.root.join("crates/sandbox-guest")
    }

    /// Where the finished modules lie. Not below `CARGO_TARGET_DIR`: the tests and benchmarks of
    /// every build find them at one place.
    pub(crate) fn guests(&self) -> Utf8PathBuf {
        self.root.join("target/guests")
    }

    /// Cargo's target folder while it compiles guests; another compiler must not share ours.
    pub(crate) fn guest_build(&self) -> Utf8PathBuf {
        self.root.join("target/guest-build")
    }

    /// The Criterion folders of the last `cargo xtask bench`, one for each run.
    pub(crate) fn bench_runs(&self) -> Utf8PathBuf {
        self.root.join("target/xtask-bench")
    }

    /// Commits that were measured against, a folder for each.
    pub(crate) fn bench_against(&self) -> Utf8PathBuf {
        self.root.join("target/xtask-against")
    }

    /// The workspace of the other engines, with a lock file of its own.
    pub(crate) fn peers(&self) -> Utf8PathBuf {
        self.root.join("benches/peers")
    }

    /// Cargo's target folder for the other engines.
    pub(crate) fn peers_build(&self) -> Utf8PathBuf {
        self.root.join("target/peers")
    }

    /// The workspace of the fuzz targets, with a lock file of its own.
    pub(crate) fn fuzz(&self) -> Utf8PathBuf {
        self.root.join("fuzz")
    }

    /// Cargo's target folder for the fuzz targets, whose crates are compiled otherwise.
    pub(crate) fn fuzz_build(&self) -> Utf8PathBuf {
        self.root.join("target/fuzz")
    }

    /// Inputs that `cargo xtask fuzz` keeps, and those that broke a promise.
    pub(crate) fn fuzz_findings(&self) -> Utf8PathBuf {
        self.root.join("target/xtask-fuzz")
    }

    /// The workspace of the models, with a lock file of its own.
    pub(crate) fn models(&self) -> Utf8PathBuf {
        self.root.join("models")
    }

    /// Cargo's target folder for the models.
    pub(crate) fn models_build(&self) -> Utf8PathBuf {
        self.root.join("target/models")
    }

    /// The Criterion folders of the last `cargo xtask bench-peers`, one for each run.
    pub(crate) fn bench_peers(&self) -> Utf8PathBuf {
        self.root.join("target/xtask-bench-peers")
    }

    /// The project that `cargo xtask soak` plays in; several may play at once.
    pub(crate) fn soak(&self, seed: u64) -> Utf8PathBuf {
        self.root.join(format!("target/xtask-soak/{seed}"))
    }

    /// Programs that `cargo xtask wasi` fetched or compiled, and its reports.
    pub(crate) fn wasi_programs(&self) -> Utf8PathBuf {
        self.root.join("target/xtask-wasi")
    }

    /// The documents as a book: `src` is what it is made of, and `html` what comes of that.
    pub(crate) fn book(&self) -> Utf8PathBuf {
        self.root.join("target/book")
    }

    /// Man pages and completions of the programs.
    pub(crate) fn manuals(&self) -> Utf8PathBuf {
        self.root.join("target/manuals")
    }

    /// Folder of the output of `cargo xtask test`'s stages.
    pub(crate) fn test_logs(&self) -> Utf8PathBuf {
        self.root.join("target/xtask-test")
    }
}

/// Where cargo keeps what it downloads.
pub(crate) fn cargo_home() -> Result<Utf8PathBuf> {
    match env::var("CARGO_HOME") {
        Ok(path) => Ok(Utf8PathBuf::from(path)),
        Err(_) => {
            let home = env::var("HOME").context("failed to find cargo's home: HOME is not set")?;
            Ok(Utf8PathBuf::from(home).join(".cargo"))
        }
    }
}

/// This project's folder among the user's caches.
pub(crate) fn user_cache() -> Result<Utf8PathBuf> {
    let base = match env::var("XDG_CACHE_HOME") {
        // The specification has relative values ignored.
        Ok(path) if Utf8Path::new(&path).is_absolute() => Utf8PathBuf::from(path),
        _ => {
            let home = env::var("HOME").context(
                "failed to find the user's cache folder: neither XDG_CACHE_HOME nor HOME is set",
            )?;
            Utf8PathBuf::from(home).join(".cache")
        }
    };
    Ok(base.join("wasm-sandbox"))
}
