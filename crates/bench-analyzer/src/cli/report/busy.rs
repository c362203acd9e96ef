//! Why runs differ: what this machine is busy with, told right after it measured.

use std::collections::HashMap;
use std::time::Duration;

use bench_analyzer::AnalysisReport;
use bench_analyzer::environment::Environment;
use bench_analyzer::report::text::visible;
use bench_stats::detect::recommend::Rule;
use camino::Utf8Path;
use jiff::SignedDuration;

/// Says what the machine is busy with, where runs that were measured a moment ago on it differ a lot, and what to do.
pub(super) fn note(report: &AnalysisReport, environment: &Environment) -> Option<String> {
    /// Readings older than that say nothing about the present.
    const FRESH: SignedDuration = SignedDuration::from_mins(10);
    /// Programs that take less than this are no reason.
    const WATCHED: Duration = Duration::from_millis(300);
    let noisy = report
        .recommendations
        .iter()
        .any(|one| matches!(one.rule, Rule::NoisyBenchmark | Rule::BusyMachine));
    let newest = report.current.runs.last()?;
    let fresh = environment.now.duration_since(newest.measured_at) < FRESH
        && newest.fingerprint.same_machine(&environment.fingerprint);
    if !noisy || !fresh {
        return None;
    }
    let root = Utf8Path::new("/");
    let before = Moment::read(root)?;
    std::thread::sleep(WATCHED);
    before.busy_until(&Moment::read(root)?)
}

/// How much time processors and processes had spent at some moment, in the kernel's ticks.
struct Moment {
    processors: usize,
    total: u64,
    idle: u64,
    stolen: u64,
    processes: HashMap<u32, (String, u64)>,
}

impl Moment {
    fn read(root: &Utf8Path) -> Option<Self> {
        let read = |path: &str| std::fs::read_to_string(root.join(path)).ok();
        let stat = read("proc/stat")?;
        let processors = stat
            .lines()
            .filter(|line| line.starts_with("cpu") && !line.starts_with("cpu "))
            .count();
        let line = stat.lines().find_map(|line| line.strip_prefix("cpu "))?;
        let times: Vec<u64> = line.split_whitespace().map_while(|time| time.parse().ok()).collect();
        let own = std::process::id();
        let folders = root.join("proc").read_dir_utf8().ok()?.flatten();
        let processes = folders
            .filter_map(|folder| folder.file_name().parse::<u32>().ok())
            .filter(|process| *process != own)
            .filter_map(|process| {
                Some((process, process_times(&read(&format!("proc/{process}/stat"))?)?))
            })
            .collect();
        Some(Self {
            processors: processors.max(1),
            total: times.iter().take(8).sum(),
            // Waiting for a disk is idle too: the fourth and the fifth of the columns.
            idle: times.iter().skip(3).take(2).sum(),
            stolen: times.get(7).copied().unwrap_or(0),
            processes,
        })
    }

    /// Says which processes kept the processors busy between two moments; `None` if none did that matters. The load that the
    /// kernel tells is that of the last minutes, most of which the benchmarks made themselves.
    fn busy_until(&self, later: &Self) -> Option<String> {
        /// A share of the time of one processor, or of all where others took it, that matters.
        const MATTERS: f64 = 0.1;
        const STOLEN: f64 = 0.02;
        /// A share of the time of all that no single process need have taken.
        const IN_USE: f64 = 0.25;
        const NAMED: usize = 3;
        let total = later.total.checked_sub(self.total).filter(|total| *total > 0)? as f64;
        let of_one = total / self.processors as f64;
        let mut busiest: Vec<(f64, &str)> = later
            .processes
            .iter()
            .filter_map(|(process, (name, ticks))| {
                let before = self.processes.get(process).map_or(0, |(_, ticks)| *ticks);
                Some((ticks.checked_sub(before)? as f64 / of_one, name.as_str()))
            })
            .filter(|(share, _)| *share > MATTERS)
            .collect();
        busiest.sort_by(|(a, _), (b, _)| b.total_cmp(a));
        let stolen = later.stolen.saturating_sub(self.stolen) as f64 / total;
        let in_use = 1.0 - later.idle.saturating_sub(self.idle) as f64 / total;
        if busiest.is_empty() && stolen < STOLEN && in_use < IN_USE {
            return None;
        }
        let mut causes =
            vec![format!("{:.0}% of {} processors in use", in_use * 100.0, later.processors)];
        if stolen >= STOLEN {
            causes.push(format!(
                "{:.0}% of the time taken by other virtual machines",
                stolen * 100.0
            ));
        }
        let named = busiest.iter().take(NAMED);
        let named: Vec<String> =
            named.map(|(share, name)| format!("{} {:.0}%", visible(name), share * 100.0)).collect();
        if !named.is_empty() {
            causes.push(format!("busiest: {}", named.join(", ")));
        }
        Some(format!(
            "this machine is busy ({}), which makes runs differ: end what need not run, or measure when it is idle",
            causes.join("; ")
        ))
    }
}

/// The name and the ticks of `PID (name) S ...`: `utime` and `stime` are the twelfth and thirteenth behind the name,
/// which may hold brackets and spaces.
fn process_times(stat: &str) -> Option<(String, u64)> {
    let (before, after) = stat.rsplit_once(')')?;
    let (_, name) = before.split_once('(')?;
    let fields: Vec<&str> = after.split_whitespace().collect();
    let ticks = |at: usize| fields.get(at)?.parse::<u64>().ok();
    Some((name.to_owned(), ticks(11)? + ticks(12)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(total: u64, idle: u64, stolen: u64, processes: &[(u32, &str, u64)]) -> Moment {
        let processes =
            processes.iter().map(|(id, name, ticks)| (*id, ((*name).to_owned(), *ticks))).collect();
        Moment { processors: 2, total, idle, stolen, processes }
    }

    #[test]
    fn what_is_busy_is_named_with_how_busy_it_is() {
        let before = moment(1000, 300, 10, &[(7, "rustc", 100), (8, "idler", 50)]);
        let later =
            moment(1200, 350, 20, &[(7, "rustc", 195), (8, "idler", 51), (9, "new one", 40)]);
        let said = before.busy_until(&later).unwrap();
        assert!(said.contains("75% of 2 processors in use"), "{said}");
        assert!(said.contains("5% of the time taken by other virtual machines"), "{said}");
        assert!(said.contains("busiest: rustc 95%, new one 40%)"), "{said}");
        let idle = moment(1200, 490, 10, &[(7, "rustc", 101)]);
        assert_eq!(before.busy_until(&idle), None);
        let many_short_ones = moment(1200, 400, 10, &[]);
        assert!(
            before.busy_until(&many_short_ones).unwrap().contains("50% of 2 processors in use")
        );
    }

    #[test]
    fn a_process_may_have_any_name() {
        let stat = "12 (a (b) c) S 1 12 12 0 -1 4194560 100 0 0 0 30 12 0 0 20 0 1 0 5 0 0";
        assert_eq!(process_times(stat), Some(("a (b) c".to_owned(), 42)));
        assert_eq!(process_times("nothing"), None);
    }
}
