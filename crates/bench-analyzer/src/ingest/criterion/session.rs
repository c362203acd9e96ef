//! Tells by modification times which saved results came from one run.

use std::time::Duration;

use super::files::SavedResult;

/// Beside measuring, a benchmark sets up, warms up, is analysed and plotted. Nothing that
/// anybody waits for takes longer than this between two benchmarks of one process.
const PAUSE: Duration = Duration::from_secs(30 * 60);

/// How much longer than its measured time a benchmark may take: warm-up is about a third of the
/// measurement, and set-up for every batch can well double it.
const TIMES_MEASURED: u32 = 4;

/// Splits results into sessions, oldest first. Two neighbours in time belong to one session if the
/// gap between them can be explained by the later one's own measurement.
pub(super) fn split(mut results: Vec<SavedResult>) -> Vec<Vec<SavedResult>> {
    results.sort_by(|a, b| a.written_at.cmp(&b.written_at).then_with(|| a.series.cmp(&b.series)));
    let mut sessions: Vec<Vec<SavedResult>> = Vec::new();
    for result in results {
        let allowed = PAUSE + result.measured_for().saturating_mul(TIMES_MEASURED);
        match sessions.last_mut() {
            Some(session)
                if session.last().is_some_and(|previous| {
                    let gap = result.written_at.duration_since(previous.written_at);
                    Duration::try_from(gap).is_ok_and(|gap| gap <= allowed)
                }) =>
            {
                session.push(result);
            }
            _ => sessions.push(vec![result]),
        }
    }
    sessions
}
