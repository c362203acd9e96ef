//! Sides named by what was measured: commits, tags and branches.

use camino::Utf8Path;

use crate::environment;
use crate::error::{Error, Result};
use crate::store::{RunListing, Store};
use bench_stats::model::{BenchmarkResults, Fingerprint, Run, RunId, Selector};

/// A commit that was measured, and the runs that did.
#[derive(Debug, Clone, PartialEq)]
pub struct MeasuredCommit {
    /// The commit as it is stored.
    pub commit: String,
    /// Its runs on one machine, oldest first.
    pub runs: Vec<RunId>,
}

impl MeasuredCommit {
    /// Finds the commit that `name` means: the first digits of its hash, or whatever git takes for a commit in
    /// `dir`, such as `HEAD~1`, a tag or a branch, or a branch that runs say they were on. Of several machines it is
    /// the one of `like`, else the one that measured last. None if it means none that was measured.
    ///
    /// # Errors
    /// If the digits are those of several commits, or the database refuses.
    pub async fn find(
        store: &mut Store,
        name: &str,
        dir: &Utf8Path,
        like: Option<&Fingerprint>,
    ) -> Result<Option<Self>> {
        let listed = store.runs(None).await?.into_iter().map(|one| one.run);
        let mut runs: Vec<Run> = listed.filter(|run| run.excluded.is_none()).collect();
        runs.sort_by_key(|run| (run.measured_at, run.id));
        let commit = match by_digits(&runs, name)? {
            Some(commit) => Some(commit),
            None => environment::commit(dir, name)
                .and_then(|hash| stored(&runs, &hash))
                .or_else(|| newest_of_branch(&runs, name)),
        };
        Ok(commit.map(|commit| Self::of(&runs, commit, like)))
    }

    fn of(runs: &[Run], commit: String, like: Option<&Fingerprint>) -> Self {
        let measured =
            || runs.iter().filter(|run| run.revision.commit.as_deref() == Some(commit.as_str()));
        let like = like.filter(|like| measured().any(|run| run.fingerprint == **like));
        let machine = like.or_else(|| measured().next_back().map(|run| &run.fingerprint));
        let same = |run: &&Run| machine == Some(&run.fingerprint);
        let runs = measured().filter(same).map(|run| run.id).collect();
        Self { commit, runs }
    }
}

/// Loads the side that `selector` names. What is no baseline may be a commit that was measured.
pub(super) async fn results(
    store: &mut Store,
    selector: &Selector,
    dir: &Utf8Path,
    like: Option<&Fingerprint>,
) -> Result<BenchmarkResults> {
    let unknown = match (store.results(selector).await, selector) {
        (Err(unknown @ Error::NoBaseline { .. }), Selector::Baseline(_)) => unknown,
        (results, _) => return results,
    };
    let name = selector.to_string();
    if name == PREVIOUS
        && let Some(runs) = previous(store).await?
    {
        return store.results_of_runs(&name, &runs).await;
    }
    if let Some(measured) = MeasuredCommit::find(store, &name, dir, like).await? {
        return store.results_of_runs(&name, &measured.runs).await;
    }
    Err(match environment::commit(dir, &name) {
        Some(commit) => not_measured(store, &name, commit, dir).await?,
        None => unknown,
    })
}

/// Name of the results before the latest, where no baseline has that name.
pub const PREVIOUS: &str = "previous";

/// Whether there are results before the latest.
///
/// # Errors
/// If the database refuses.
pub async fn has_previous(store: &mut Store) -> Result<bool> {
    match previous(store).await {
        Err(Error::EmptyStore { .. }) => Ok(false),
        found => Ok(found?.is_some()),
    }
}

/// The runs of the newest set before the latest one.
async fn previous(store: &mut Store) -> Result<Option<Vec<RunId>>> {
    let latest = store.runs_of_side(&Selector::Latest).await?;
    let listed = store.runs(None).await?;
    let Some(newest) = listed.iter().find(|one| latest.contains(&one.run.id)) else {
        return Ok(None);
    };
    let set = newest.set;
    let earlier = |one: &&RunListing| {
        one.set != set
            && one.run.excluded.is_none()
            && one.run.measured_at < newest.run.measured_at
            && one.run.fingerprint == newest.run.fingerprint
    };
    let Some(before) = listed.iter().find(earlier).map(|one| one.set) else { return Ok(None) };
    let of_it = listed.iter().filter(|one| one.set == before && one.run.excluded.is_none());
    Ok(Some(of_it.map(|one| one.run.id).collect()))
}

/// Says which measured commit is the nearest before one that was not measured.
async fn not_measured(
    store: &mut Store,
    name: &str,
    commit: String,
    dir: &Utf8Path,
) -> Result<Error> {
    let runs: Vec<Run> = store.runs(None).await?.into_iter().map(|one| one.run).collect();
    let before = environment::commits_before(dir, &commit);
    let nearest = before.iter().zip(1_usize..).find_map(|(hash, back)| {
        stored(&runs, hash).map(|_| (hash.chars().take(10).collect::<String>(), back))
    });
    Ok(Error::NotMeasured { name: name.to_owned(), commit, nearest })
}

/// The one commit that begins with these digits.
fn by_digits(runs: &[Run], name: &str) -> Result<Option<String>> {
    const LEAST: usize = 4;
    let commits = || runs.iter().filter_map(|run| run.revision.commit.as_deref());
    if let Some(exact) = commits().find(|commit| *commit == name) {
        return Ok(Some(exact.to_owned()));
    }
    if name.len() < LEAST || !name.chars().all(|one| one.is_ascii_hexdigit()) {
        return Ok(None);
    }
    let digits = name.to_lowercase();
    let mut found: Vec<&str> = commits().filter(|commit| commit.starts_with(&digits)).collect();
    found.sort_unstable();
    found.dedup();
    match found.as_slice() {
        [] => Ok(None),
        [only] => Ok(Some((*only).to_owned())),
        several => Err(Error::AmbiguousCommit {
            name: name.to_owned(),
            commits: several.iter().map(|one| (*one).to_owned()).collect(),
        }),
    }
}

/// The commit as it is stored, which may be in fewer digits than git gives.
fn stored(runs: &[Run], hash: &str) -> Option<String> {
    const LEAST: usize = 7;
    let mut commits = runs.iter().filter_map(|run| run.revision.commit.as_deref());
    let same =
        |commit: &&str| *commit == hash || (commit.len() >= LEAST && hash.starts_with(*commit));
    commits.find(same).map(str::to_owned)
}

fn newest_of_branch(runs: &[Run], name: &str) -> Option<String> {
    let on_it = |run: &&Run| run.revision.branch.as_deref() == Some(name);
    runs.iter().rev().filter(on_it).find_map(|run| run.revision.commit.clone())
}
