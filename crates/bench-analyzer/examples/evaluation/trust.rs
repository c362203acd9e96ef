//! How far a gate can be trusted: trades, common moves, unequal sides, looking again and again, counts.

use bench_stats::detect::compare::compare;
use bench_stats::detect::settings::Settings;
use bench_stats::detect::verdict::{Reservation, Verdict};
use bench_stats::model::{
    BenchmarkResults, History, Measurement, Metric, RunId, Samples, Series, Unit,
};
use bench_stats::stats::spending::Plan;
use bench_stats::stats::summary::Summary;

use crate::noise::Noise;
use crate::real;
use crate::reports::{Kind, Order, Pair, compared, counts, share, verdicts};

pub(crate) fn print() {
    println!("## Can the gate be trusted?\n");
    print_trades();
    print_together();
    print_unequal();
    print_stopping();
    print_savings();
    print_single();
    print_counted();
}

fn settings(plan: Plan) -> Settings {
    Settings { plan, ..Settings::default() }
}

const FIVE: Plan = Plan::Stated(5);

/// Some got worse, others better.
fn print_trades() {
    const REPORTS: usize = 300;
    println!(
        "{REPORTS} reports of 20 benchmarks, five runs a side. Found = of those that got slower; alone = the \
         same with\nnothing else changed in the report; false = of those that did not change.\n"
    );
    println!("| slower | faster | found | alone | false |\n|---|---|--:|--:|--:|");
    for (slower, by, faster, to) in [
        (1, 0.30, 8, 0.9),
        (1, 0.10, 8, 0.9),
        (10, 0.25, 10, 0.8),
        (10, 0.10, 10, 0.9),
        (5, 0.10, 5, 0.9),
        (5, 0.10, 15, 0.9),
        (2, 0.30, 18, 0.9),
        (3, 0.05, 10, 0.9),
    ] {
        let changes = |index: usize, with: bool| match index {
            index if index < slower => by,
            index if with && index < slower + faster => to - 1.0,
            _ => 0.0,
        };
        let found = |with: bool| {
            let mut noise = Noise::new(6);
            let (mut found, mut false_alarms) = (0, 0);
            for _ in 0..REPORTS {
                let pairs: Vec<Pair> =
                    (0..20).map(|at| Kind::of(5).pair(changes(at, with), &mut noise)).collect();
                let verdicts = verdicts(&pairs, &settings(FIVE));
                found += verdicts[..slower].iter().filter(|v| **v == Verdict::Regression).count();
                let same = verdicts.iter().enumerate().filter(|(at, _)| changes(*at, with) == 0.0);
                false_alarms += same.filter(|(_, verdict)| counts(**verdict, 0.0)).count();
            }
            let same = if with { 20 - slower - faster } else { 20 - slower };
            (share(found, REPORTS * slower), share(false_alarms, REPORTS * same))
        };
        let ((trade, false_alarms), (alone, _)) = (found(true), found(false));
        println!(
            "| {slower} by {:.0}% | {faster} to {:.0}% | {:.0}% | {:.0}% | {:.2}% |",
            by * 100.0,
            to * 100.0,
            trade * 100.0,
            alone * 100.0,
            false_alarms * 100.0
        );
    }
}

/// Everything moves the same way.
fn print_together() {
    const REPORTS: usize = 50;
    println!(
        "\n{REPORTS} reports of 40 benchmarks, five runs a side, of which so many got slower by 40% or by 5%:\n"
    );
    println!(
        "| slower | measured | regressions | could not be judged | acquitted |\n|---|---|--:|--:|--:|"
    );
    for (slower, by) in [(40, 0.4), (34, 0.4), (40, 0.05)] {
        for (order, name) in [(Order::InTurns, "in turns"), (Order::Unknown, "apart")] {
            let mut noise = Noise::new(7);
            let (mut found, mut open, mut acquitted) = (0, 0, 0);
            for _ in 0..REPORTS {
                let change = |at| if at < slower { by } else { 0.0 };
                let pairs: Vec<Pair> =
                    (0..40).map(|at| Kind::of(5).pair(change(at), &mut noise)).collect();
                for one in &compared(&pairs, &settings(FIVE), order).comparisons[..slower] {
                    found += usize::from(one.verdict == Verdict::Regression);
                    open += usize::from(one.reservation == Some(Reservation::MachineOrCode));
                    acquitted += usize::from(one.verdict == Verdict::Unchanged);
                }
            }
            let percent = |count| 100.0 * share(count, REPORTS * slower);
            println!(
                "| {slower} of 40 by {:.0}% | {name} | {:.0}% | {:.0}% | {:.1}% |",
                by * 100.0,
                percent(found),
                percent(open),
                percent(acquitted)
            );
        }
    }
}

/// Different numbers of runs, and different spreads.
fn print_unequal() {
    const TIMES: usize = 1000;
    println!(
        "\nSides of one to ten runs each, {TIMES} benchmarks a pair, judged alone; the spreads of both sides \
         are as 1 to 1, 3 and 10.\nFalse alarms over all hundred pairs, and the worst pair:\n"
    );
    println!("| runs | spreads | mean | worst | of |\n|---|---|--:|--:|---|");
    for (plan, name) in [(None, "as planned"), (Some(Plan::Open), "whenever one likes")] {
        for ratio in [1.0, 3.0, 10.0] {
            let mut rates = Vec::new();
            for old in 1..=10 {
                for new in 1..=10 {
                    let mut noise = Noise::new(8);
                    let smaller = u32::try_from(old.min(new)).unwrap_or_default();
                    let settings = settings(plan.unwrap_or(Plan::Stated(smaller)));
                    let kind = Kind { runs: (old, new), ratio, ..Kind::of(1) };
                    let alarms = (0..TIMES).filter(|_| {
                        counts(verdicts(&[kind.pair(0.0, &mut noise)], &settings)[0], 0.0)
                    });
                    rates.push((share(alarms.count(), TIMES), old, new));
                }
            }
            let mean = rates.iter().map(|(rate, ..)| rate).sum::<f64>() / 100.0;
            let worst =
                rates.iter().copied().fold((0.0, 0, 0), |a, b| if b.0 > a.0 { b } else { a });
            println!(
                "| {name} | 1 to {ratio} | {:.2}% | {:.1}% | {} and {} runs |",
                mean * 100.0,
                worst.0 * 100.0,
                worst.1,
                worst.2
            );
        }
    }
}

/// The first so many runs of both sides.
fn first(pair: &Pair, runs: usize) -> Pair {
    Pair { old: pair.old[..runs].to_vec(), new: pair.new[..runs].to_vec() }
}

/// Adding a run a side until something is found.
fn print_stopping() {
    const TIMES: usize = 4000;
    println!(
        "\nRuns added one by one a side, from three up to so many, until a change is called: {TIMES} \
         benchmarks alone.\nOnce = every look as if it were the only one.\n"
    );
    println!(
        "| runs | false, once | false, whenever one likes | false, five planned | found +10%, whenever one \
         likes |\n|--:|--:|--:|--:|--:|"
    );
    for most in [5, 10, 20] {
        let ever = |plan: Plan, change: f64| {
            let mut noise = Noise::new(9);
            let stopped = (0..TIMES).filter(|_| {
                let pair = Kind::of(most).pair(change, &mut noise);
                (3..=most)
                    .any(|runs| counts(verdicts(&[first(&pair, runs)], &settings(plan))[0], change))
            });
            100.0 * share(stopped.count(), TIMES)
        };
        println!(
            "| 3 to {most} | {:.2}% | {:.2}% | {:.2}% | {:.0}% |",
            ever(Plan::Once, 0.0),
            ever(Plan::Open, 0.0),
            ever(FIVE, 0.0),
            ever(Plan::Open, 0.10)
        );
    }
}

/// What measuring only what is open saves.
fn print_savings() {
    const REPORTS: usize = 40;
    const SIZE: usize = 40;
    const MOST: usize = 10;
    println!(
        "\n{REPORTS} reports of {SIZE} benchmarks, of which a tenth got slower by so much, measured until they \
         are decided (three to\n{MOST} runs a side), and with {MOST} runs of everything:\n"
    );
    println!(
        "| slower by | runs a benchmark | found | found by ten of each | false | false by ten of each |\n\
         |--:|--:|--:|--:|--:|--:|"
    );
    for change in [0.05, 0.10, 0.30] {
        let mut noise = Noise::new(10);
        let (mut made, mut early, mut fixed) = (0, (0, 0), (0, 0));
        let tally = |verdicts: &[Verdict], to: &mut (usize, usize)| {
            to.0 += verdicts[..SIZE / 10].iter().filter(|v| **v == Verdict::Regression).count();
            to.1 += verdicts[SIZE / 10..].iter().filter(|v| counts(**v, 0.0)).count();
        };
        for _ in 0..REPORTS {
            let change = |at| if at < SIZE / 10 { change } else { 0.0 };
            let all: Vec<Pair> =
                (0..SIZE).map(|at| Kind::of(MOST).pair(change(at), &mut noise)).collect();
            let ten = Plan::Stated(u32::try_from(MOST).unwrap_or_default());
            tally(&verdicts(&all, &settings(ten)), &mut fixed);
            let mut runs = [3; SIZE];
            let judged = loop {
                let looked_at: Vec<Pair> =
                    all.iter().zip(runs).map(|(pair, runs)| first(pair, runs)).collect();
                let compared =
                    compared(&looked_at, &settings(Plan::Open), Order::Unknown).comparisons;
                let mut open = false;
                for (runs, one) in runs.iter_mut().zip(&compared) {
                    if one.open && *runs < MOST {
                        *runs += 1;
                        open = true;
                    }
                }
                if !open {
                    break compared.iter().map(|one| one.verdict).collect::<Vec<_>>();
                }
            };
            made += runs.iter().sum::<usize>();
            tally(&judged, &mut early);
        }
        let (changed, same) = (REPORTS * SIZE / 10, REPORTS * (SIZE - SIZE / 10));
        println!(
            "| {:.0}% | {:.1} | {:.0}% | {:.0}% | {:.2}% | {:.2}% |",
            change * 100.0,
            share(made, REPORTS * SIZE),
            100.0 * share(early.0, changed),
            100.0 * share(fixed.0, changed),
            100.0 * share(early.1, same),
            100.0 * share(fixed.1, same)
        );
    }
}

/// One run a side, on measured series: any two neighbouring processes ran the same code.
fn print_single() {
    let listed = |from: f64, to: f64| {
        let side = |value: f64| {
            let mut results = BenchmarkResults::new("side");
            let samples = Samples::of_values([value]).expect("exponentials are positive");
            let summary = Summary::of(&samples);
            results.add(&Series::time("b"), Measurement { run: RunId(1), summary, samples });
            results
        };
        let found =
            compare(&side(from.exp()), &side(to.exp()), &History::new(), &settings(Plan::Open));
        counts(found.comparisons[0].verdict, 0.0)
    };
    let (mut alarms, mut all) = (0, 0);
    for series in real::series() {
        for pair in series.chunks_exact(2) {
            all += 1;
            alarms += usize::from(listed(pair[0], pair[1]));
        }
    }
    println!(
        "\nOne run a side of the measured series below, each process with the next, alone: {alarms} of {all} \
         ({:.1}%) are listed.",
        100.0 * share(alarms, all)
    );
}

/// What is counted.
fn print_counted() {
    println!("\nCounted metrics, one run a side:\n");
    println!("| change | 0% | +0.5% | +2% | +10% | -10% |\n|---|---|---|---|---|---|");
    let verdict = |factor: f64| {
        let series = Series {
            metric: Metric::new("instructions"),
            unit: Unit::count(),
            ..Series::time("b")
        };
        let side = |value: f64| {
            let mut results = BenchmarkResults::new("side");
            let samples = Samples::of_values([value]).expect("a count is positive");
            let summary = Summary::of(&samples);
            results.add(&series, Measurement { run: RunId(1), summary, samples });
            results
        };
        let (old, new) = (side(1e6), side(1e6 * factor));
        let found = compare(&old, &new, &History::new(), &settings(Plan::Open));
        found.comparisons[0].verdict.to_string()
    };
    let cells = [1.0, 1.005, 1.02, 1.1, 0.9].map(verdict);
    println!("| verdict | {} |\n", cells.join(" | "));
}
