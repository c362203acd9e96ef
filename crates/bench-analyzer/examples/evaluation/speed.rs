//! How long the large cases take.

use std::time::Duration;

use bench_analyzer::environment::Environment;
use bench_analyzer::ingest::ImportBatch;
use bench_analyzer::ingest::criterion::{self, CustomUnit, Wanted};
use bench_analyzer::store::{BaselineMode, Destination, Store};
use bench_analyzer::{AnalysisReport, BenchmarkAnalyzer};
use bench_stats::model::{BenchmarkResults, Selector};
use camino::Utf8Path;

use bench_stats::detect::steps::{StepSettings, segment};

use crate::noise::Noise;

pub(crate) fn print() {
    println!("## Speed of step detection, one thread\n");
    println!("| series | values each | with a step | processor time |");
    println!("|--:|--:|---|--:|");
    for (series, length, step) in [
        (1000, 100, 0.0),
        (1000, 1000, 0.0),
        (1000, 1000, 0.05),
        (100, 10_000, 0.05),
        (10, 100_000, 0.05),
    ] {
        let time = detect(series, length, step);
        let with = if step > 0.0 { "yes" } else { "no" };
        println!("| {series} | {length} | {with} | {:.2} s |", time.as_secs_f64());
    }
    print_whole();
}

/// How long all threads have been on a processor, so that other programs on the machine do not
/// count; the time of the clock where the system does not say it.
fn processor_time() -> Duration {
    let of_thread = |entry: std::io::Result<std::fs::DirEntry>| -> Option<u64> {
        let text = std::fs::read_to_string(entry.ok()?.path().join("schedstat")).ok()?;
        text.split_whitespace().next()?.parse().ok()
    };
    match std::fs::read_dir("/proc/self/task") {
        Ok(threads) => Duration::from_nanos(threads.filter_map(of_thread).sum()),
        Err(_) => {
            std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default()
        }
    }
}

/// A database with two baselines of five runs, a thousand benchmarks of a hundred samples each.
pub(crate) fn print_whole() {
    println!("\n## Speed of whole commands, a thousand benchmarks of 100 samples\n");
    println!("| what | processor time |");
    println!("|---|--:|");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime needs nothing special");
    let dir = tempfile::tempdir().expect("there is room for a thousand small folders");
    let path = Utf8Path::from_path(dir.path()).expect("temporary folders have plain names");
    for (number, (import, report)) in
        (1..).zip(runtime.block_on(whole(path)).expect("a new database can be filled"))
    {
        let row = |what: &str, time: Duration| println!("| {what} | {:.2} s |", time.as_secs_f64());
        row(&format!("import of one run, number {number}"), import);
        if let Some(report) = report {
            row("report over 5 runs against 5", report);
        }
    }
}

async fn whole(dir: &Utf8Path) -> bench_analyzer::Result<Vec<(Duration, Option<Duration>)>> {
    let mut noise = Noise::new(12);
    let mut store = Store::open(&dir.join("history.db")).await?;
    let environment = Environment::capture(dir);
    let mut times = Vec::new();
    for run in 0..10 {
        let root = dir.join(run.to_string());
        (0..1000).for_each(|benchmark| write_result(&root, benchmark, &mut noise));
        let start = processor_time();
        let found = criterion::read(&root, Wanted::Current, &CustomUnit::default(), &environment)?;
        let batch = ImportBatch { runs: found.runs, ..ImportBatch::default() };
        let name = if run < 5 { "old" } else { "new" }.parse().expect("a plain name");
        let destination = Destination::Baseline(name, BaselineMode::Append);
        store.import(&batch, &destination, environment.now).await?;
        times.push((processor_time().saturating_sub(start), None));
    }
    let start = processor_time();
    let report = report(&mut store).await?;
    assert_eq!(report.comparisons.len(), 1000);
    if let Some(last) = times.last_mut() {
        last.1 = Some(processor_time().saturating_sub(start));
    }
    Ok(times)
}

async fn report(store: &mut Store) -> bench_analyzer::Result<AnalysisReport> {
    let side = |name: &str| Selector::Baseline(name.parse().expect("a plain name"));
    let old: BenchmarkResults = store.results(&side("old")).await?;
    let new = store.results(&side("new")).await?;
    let runs: Vec<_> = new.runs.iter().map(|run| run.id).collect();
    let fingerprint = new.runs[0].fingerprint.clone();
    let history = store.history(&fingerprint, &runs).await?;
    Ok(BenchmarkAnalyzer::new(old).with_history(history).analyze_results(&new))
}

/// What Criterion leaves behind of one benchmark.
fn write_result(root: &Utf8Path, benchmark: usize, noise: &mut Noise) {
    let folder = root.join(format!("group{}/b{benchmark}/new", benchmark % 20));
    let iterations: Vec<u32> = (1..=100).map(|index| index * 50).collect();
    let times: Vec<String> = iterations
        .iter()
        .map(|&count| {
            let whole = 83.0 * f64::from(count);
            format!("{:.1}", (whole * (0.02 * noise.heavy()).exp()).round())
        })
        .collect();
    let iterations: Vec<String> = iterations.iter().map(|count| format!("{count}.0")).collect();
    let sample = format!(
        r#"{{"sampling_mode":"Linear","iters":[{}],"times":[{}]}}"#,
        iterations.join(","),
        times.join(",")
    );
    let name = format!(r#"{{"full_id":"group{}/b{benchmark}"}}"#, benchmark % 20);
    let written = std::fs::create_dir_all(&folder)
        .and_then(|()| std::fs::write(folder.join("sample.json"), sample))
        .and_then(|()| std::fs::write(folder.join("benchmark.json"), name));
    written.expect("a temporary folder can be written");
}

fn detect(series: usize, length: usize, step: f64) -> Duration {
    let mut noise = Noise::new(11);
    let mut spent = Duration::ZERO;
    for _ in 0..series {
        let values: Vec<f64> = (0..length)
            .map(|index| 0.018 * noise.heavy() + if 2 * index < length { 0.0 } else { step })
            .collect();
        let start = processor_time();
        std::hint::black_box(segment(&values, &StepSettings::default()));
        spent += processor_time().saturating_sub(start);
    }
    spent
}
