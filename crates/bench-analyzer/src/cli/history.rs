//! `history`: shows series through time.

use bench_analyzer::config::Config;
use bench_analyzer::detect::changes::find_changes_by;
use bench_analyzer::detect::settings::Pattern;
use bench_analyzer::detect::steps::StepSettings;
use bench_analyzer::model::Series;
use bench_analyzer::report::history;
use bench_analyzer::store::Store;

use super::Outcome;
use super::args::{History, ListFormat};
use super::output::Output;
use super::progress::Progress;
use super::report::contains_or_matches;

pub(super) async fn run(
    store: &mut Store,
    command: History,
    config: &Config,
    output: &Output,
) -> anyhow::Result<Outcome> {
    // All series, because what most of them do at once is the machine's doing.
    let of_metric =
        |series: &Series| command.metric == "all" || series.metric.as_str() == command.metric;
    let mut progress = Progress::new();
    let mut follow = progress.follow("reading the history");
    let timelines = store.timelines_watched(of_metric, &mut follow).await?;
    drop(follow);
    progress.phase("looking for changes in the history");
    let settings = config.settings();
    let rules = |series: &Series| {
        let StepSettings { threshold, .. } = settings.steps(series);
        StepSettings {
            alpha: command.alpha,
            // Said on the spot, it counts for all.
            threshold: command.threshold.map_or(threshold, f64::ln_1p),
            ..StepSettings::default()
        }
    };
    let mut changes = find_changes_by(timelines, &store.blessings().await?, rules);
    progress.finish();
    if !command.filters.is_empty() {
        let patterns: Vec<Pattern> =
            command.filters.iter().map(|text| contains_or_matches(text)).collect();
        changes.retain(|one| {
            let name = one.timeline.series.benchmark.as_str();
            patterns.iter().any(|pattern| pattern.matches(name))
        });
    }
    if let Some(wanted) = &command.benchmark {
        // A name that exists is meant exactly; `parse` is not `parse/large`.
        let named = |one: &Series| one.benchmark.as_str() == wanted;
        if changes.iter().any(|one| named(&one.timeline.series)) {
            changes.retain(|one| named(&one.timeline.series));
        } else {
            changes.retain(|one| one.timeline.series.benchmark.as_str().contains(wanted));
        }
        anyhow::ensure!(
            !changes.is_empty(),
            "no benchmark with `{wanted}` in its name is stored: `report` lists those that are"
        );
    }
    if command.changed {
        changes.retain(|one| !one.change_points.is_empty());
    }
    output.data(|stdout| match command.format {
        ListFormat::Human => history::write_human(&changes, stdout),
        ListFormat::Json => history::write_json(&changes, stdout),
    })?;
    let mut gated = changes.iter().filter(|one| settings.gates(&one.timeline.series));
    let regressed = command.fail_on.is_some()
        && gated.any(|one| one.change_points.iter().any(|change| change.alarms()));
    Ok(if regressed { Outcome::GateFailed } else { Outcome::Fine })
}
