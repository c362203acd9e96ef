//! `rename`: which benchmark, and its new name.

use clap::Args;

use super::runs::Told;

/// Give a benchmark another name, for what is stored and for what will be imported
///
/// What is stored under OLD moves to NEW, and what is imported as OLD from now on is stored as NEW: so
/// branches that still have the old name go on in the same history. Without names, all are listed.
///
/// `--undo OLD` takes that back: what has the name OLD in its file goes by it again, what always was NEW
/// stays NEW.
#[derive(Debug, Args)]
pub(crate) struct Rename {
    /// The name that it has
    #[arg(requires = "new")]
    pub(crate) old: Option<String>,

    /// The name that it is to have
    pub(crate) new: Option<String>,

    /// Take back that this name became another
    #[arg(long, value_name = "OLD", conflicts_with_all = ["old", "new"])]
    pub(crate) undo: Option<String>,

    #[command(flatten)]
    pub(crate) told: Told,
}
