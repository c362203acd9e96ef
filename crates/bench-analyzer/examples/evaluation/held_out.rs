//! Public data that nobody here tuned to, from the files that `held_out.py` prints.

use bench_stats::detect::settings::Settings;
use bench_stats::detect::verdict::Verdict;
use bench_stats::model::{Sample as Timed, Samples};
use bench_stats::stats::spending::Plan;

use crate::growing;
use crate::noise::Noise;
use crate::real::per_series;
use crate::reports::{Pair, counts, share, verdicts};
use crate::sets::Sample;
use crate::steps::{CLOSE, DETECTORS};

/// Judges every series of a file by every detector.
pub(crate) fn judge(text: &str) {
    println!("| series | detector | found | F1 | other points a series |\n|---|---|--:|--:|--:|");
    let sets = sets(text);
    for Set { name, series } in &sets {
        for (detector_name, detector) in DETECTORS {
            let judged: Vec<Judged> =
                series.iter().map(|one| one.judge(&detector(&one.values))).collect();
            let all = judged.len();
            let found = judged.iter().filter_map(|one| one.found).collect::<Vec<f64>>();
            let f1 = judged.iter().map(|one| one.f1).collect::<Vec<f64>>();
            let others = per_series(judged.iter().map(|one| one.others));
            println!(
                "| {name} ({all}) | {detector_name} | {} | {} | {others:.3} |",
                mean(&found),
                mean(&f1)
            );
        }
    }
    for Set { name, series } in sets.iter().filter(|set| set.series.len() <= 12) {
        for (number, one) in (1..).zip(series) {
            let found =
                DETECTORS.map(|(detector, find)| format!("{detector} {:?}", find(&one.values)));
            println!(
                "\n{name}, {number} of {}: there are {:?}; {}",
                series.len(),
                one.people,
                found.join("; ")
            );
        }
    }
    growing::print_head();
    for Set { name, series } in sets {
        let short: Vec<Sample> = series
            .into_iter()
            .filter(|one| one.values.len() <= 2000)
            .map(|one| Sample { steps: Vec::new(), values: one.values })
            .collect();
        growing::print_rows(&format!("{name} ({})", short.len()), &short);
    }
}

struct Set {
    name: String,
    series: Vec<Annotated>,
}

/// Where somebody says that something changed: from one value to another, mostly the same.
type Place = (usize, usize);

/// A series and where several people say that it steps.
struct Annotated {
    people: Vec<Vec<Place>>,
    values: Vec<f64>,
}

/// What became of one series.
struct Judged {
    /// The share of steps that were found, where there are any.
    found: Option<f64>,
    f1: f64,
    others: usize,
}

impl Annotated {
    /// By van den Burg and Williams, *An Evaluation of Change Point Detection Algorithms*, 2020: the
    /// recall is the mean over people, precision counts what any of them named, and the first value
    /// counts as a step that everybody finds.
    fn judge(&self, found: &[usize]) -> Judged {
        let near = |place: &Place, one: &usize| {
            (place.0.saturating_sub(CLOSE)..=place.1 + CLOSE).contains(one)
        };
        let hit = |places: &[Place]| {
            places.iter().filter(|place| found.iter().any(|one| near(place, one))).count()
        };
        let named: Vec<Place> = self.people.concat();
        let right = found.iter().filter(|one| named.iter().any(|place| near(place, one))).count();
        let precision = share(right + 1, found.len() + 1);
        let recalls: Vec<f64> =
            self.people.iter().map(|places| share(hit(places) + 1, places.len() + 1)).collect();
        let recall =
            recalls.iter().sum::<f64>() / f64::from(u32::try_from(recalls.len()).unwrap_or(1));
        let steps: usize = self.people.iter().map(Vec::len).sum();
        let hits: usize = self.people.iter().map(|places| hit(places)).sum();
        Judged {
            found: (steps > 0).then(|| share(hits, steps)),
            f1: 2.0 * precision * recall / (precision + recall),
            others: found.len() - right,
        }
    }
}

fn sets(text: &str) -> Vec<Set> {
    let mut sets: Vec<Set> = Vec::new();
    for line in text.lines() {
        let mut fields = line.splitn(3, ';');
        let mut field = || fields.next().expect("a line has a set, its steps and its values");
        let (name, steps, values) = (field(), field(), field());
        let people = steps.split('|').map(places).collect();
        let values = values.split(',').map(|text| number(text).ln()).collect();
        let series = Annotated { people, values };
        match sets.iter_mut().find(|set| set.name == name) {
            Some(set) => set.series.push(series),
            None => sets.push(Set { name: name.to_owned(), series: vec![series] }),
        }
    }
    sets
}

fn places(text: &str) -> Vec<Place> {
    let place = |text: &str| {
        let (from, to) = text.split_once('-').unwrap_or((text, text));
        (from.parse().expect("a place is a number"), to.parse().expect("a place is a number"))
    };
    text.split(',').filter(|text| !text.is_empty()).map(place).collect()
}

fn number(text: &str) -> f64 {
    text.parse().expect("a value is a number")
}

fn mean(values: &[f64]) -> String {
    if values.is_empty() {
        return String::new();
    }
    let count = f64::from(u32::try_from(values.len()).unwrap_or(u32::MAX));
    format!("{:.2}", values.iter().sum::<f64>() / count)
}

/// How many times every benchmark's processes are divided into two sides.
const DIVISIONS: usize = 5;
const CHANGES: [f64; 5] = [0.0, 0.02, 0.05, 0.10, 0.30];

/// Compares processes of the same code, as they are and with one side slowed down.
pub(crate) fn compare_processes(text: &str) {
    let benchmarks: Vec<Vec<Vec<f64>>> = text
        .lines()
        .map(|line| {
            let (_, processes) = line.split_once(';').expect("a line has a name and processes");
            let samples = |text: &str| text.split(',').map(number).collect();
            processes.split('|').map(samples).collect()
        })
        .collect();
    println!(
        "{} benchmarks, their processes divided into two sides {DIVISIONS} times; {} comparisons a cell. False = \
         called a\nregression or an improvement where nothing changed.\n",
        benchmarks.len(),
        benchmarks.len() * DIVISIONS
    );
    println!(
        "| runs a side | rule | false | +2% | +5% | +10% | +30% |\n|---|---|--:|--:|--:|--:|--:|"
    );
    for runs in [1, 3, 5] {
        let planned = settings(Plan::Stated(u32::try_from(runs).unwrap_or(u32::MAX)));
        for (name, settings) in
            [("each alone", &planned), ("each alone, whenever one likes", &settings(Plan::Open))]
        {
            let cells = CHANGES.map(|change| {
                let mut noise = Noise::new(12);
                let pairs = divided(&benchmarks, runs, &mut noise);
                let hits = pairs.iter().filter(|pair| {
                    let pair = pair.changed(change);
                    counts(verdicts(&[pair], settings)[0], change)
                });
                format!("{:.1}%", 100.0 * share(hits.count(), pairs.len()))
            });
            println!("| {runs} | {name} | {} |", cells.join(" | "));
        }
        println!(
            "| {runs} | in reports of 40, of which 4 changed | {} |",
            in_reports(&benchmarks, runs)
        );
    }
}

/// The false alarms of reports in which nothing changed, and what is found of a tenth that did.
fn in_reports(benchmarks: &[Vec<Vec<f64>>], runs: usize) -> String {
    const SIZE: usize = 40;
    const CHANGED: usize = 4;
    let planned = settings(Plan::Stated(u32::try_from(runs).unwrap_or(u32::MAX)));
    let cells = CHANGES.map(|change| {
        let mut noise = Noise::new(13);
        let mut pairs = divided(benchmarks, runs, &mut noise);
        shuffle(&mut pairs, &mut noise);
        let (mut hits, mut all) = (0, 0);
        for report in pairs.chunks_exact(SIZE) {
            let report: Vec<Pair> = (0..)
                .zip(report)
                .map(|(at, pair): (usize, _)| pair.changed(if at < CHANGED { change } else { 0.0 }))
                .collect();
            let found = verdicts(&report, &planned);
            if change == 0.0 {
                hits += found.iter().filter(|one| counts(**one, 0.0)).count();
                all += SIZE;
            } else {
                hits += found[..CHANGED].iter().filter(|one| **one == Verdict::Regression).count();
                all += CHANGED;
            }
        }
        format!("{:.1}%", 100.0 * share(hits, all))
    });
    cells.join(" | ")
}

fn settings(plan: Plan) -> Settings {
    Settings { plan, ..Settings::default() }
}

/// Two sides that ran the same code, in processes of their own.
struct Division<'b> {
    old: Vec<&'b [f64]>,
    new: Vec<&'b [f64]>,
}

impl Division<'_> {
    fn changed(&self, change: f64) -> Pair {
        let side = |runs: &[&[f64]], factor: f64| -> Vec<Samples> {
            let samples = |run: &&[f64]| {
                let timed = run.iter().map(|value| Timed { iterations: 1, total: value * factor });
                Samples::of_time(timed.collect()).expect("times are positive")
            };
            runs.iter().map(samples).collect()
        };
        Pair { old: side(&self.old, 1.0), new: side(&self.new, 1.0 + change) }
    }
}

fn divided<'b>(
    benchmarks: &'b [Vec<Vec<f64>>],
    runs: usize,
    noise: &mut Noise,
) -> Vec<Division<'b>> {
    let mut divisions = Vec::with_capacity(benchmarks.len() * DIVISIONS);
    for benchmark in benchmarks {
        for _ in 0..DIVISIONS {
            let mut processes: Vec<&[f64]> = benchmark.iter().map(Vec::as_slice).collect();
            shuffle(&mut processes, noise);
            let new = processes[runs..2 * runs].to_vec();
            processes.truncate(runs);
            divisions.push(Division { old: processes, new });
        }
    }
    divisions
}

fn shuffle<T>(items: &mut [T], noise: &mut Noise) {
    for last in (1..items.len()).rev() {
        items.swap(last, noise.below(last + 1));
    }
}
