//! What becomes of steps as a history grows: whether those that were found stay.

use bench_stats::detect::steps::{Held, StepSettings, segment, segment_beside};

use crate::noise::Noise;
use crate::real::per_series;
use crate::sets::{self, Sample};
use crate::steps::{CLOSE, Detector};

const SERIES: usize = 40;
/// How many values come in between two looks.
const STRIDE: usize = 5;
/// The first look.
const FIRST: usize = 20;

/// What was seen over all looks at all series.
#[derive(Debug, Default)]
struct Seen {
    /// Steps that a look found.
    found: usize,
    /// Of these, those that the next look did not.
    gone: usize,
    /// How many of the steps that there are the last look found.
    at_the_end: usize,
    /// How many others it found.
    others: usize,
    steps: usize,
}

type Rule = fn(&Sample) -> Seen;
type Kind = fn(&mut Noise) -> Sample;

pub(crate) fn print() {
    println!("## Steps while a history grows\n");
    println!(
        "{SERIES} series a row, looked at whenever {STRIDE} values came in, from {FIRST} on. Gone = found by a \
         look, and not\nwithin {CLOSE} values by the next.\n"
    );
    print_head();
    let kinds: [(&str, Kind); 2] = [
        ("steps, then a rise that levels off", sets::eventful),
        ("no step, autocorrelation 0.6", |noise| sets::without_step(sets::dependent(noise, 0.6))),
    ];
    for (kind, sample) in kinds {
        let mut noise = Noise::new(5);
        let samples: Vec<Sample> = (0..SERIES).map(|_| sample(&mut noise)).collect();
        print_rows(kind, &samples);
    }
    println!();
}

pub(crate) fn print_head() {
    println!(
        "\n| series | found steps gone at the next look | steps found at the end | other points |"
    );
    println!("|---|--:|--:|--:|");
}

/// A row for every way of looking at these series.
pub(crate) fn print_rows(kind: &str, samples: &[Sample]) {
    if samples.is_empty() {
        return;
    }
    let rules: [(&str, Rule); 3] = [
        ("each look by itself", |sample| seen(sample, by_itself)),
        ("held, as the program does", held),
        ("PELT, L2, 3 log n, global sd", |sample| seen(sample, crate::pelt::change_points_global)),
    ];
    for (name, rule) in rules {
        let all: Vec<Seen> = samples.iter().map(rule).collect();
        let sum = |of: fn(&Seen) -> usize| all.iter().map(of).sum::<usize>();
        let others = per_series(all.iter().map(|one| one.others));
        println!(
            "| {kind}: {name} | {} of {} | {} of {} | {others:.2} |",
            sum(|one| one.gone),
            sum(|one| one.found),
            sum(|one| one.at_the_end),
            sum(|one| one.steps),
        );
    }
}

fn by_itself(values: &[f64]) -> Vec<usize> {
    let steps = segment(values, &StepSettings::default()).steps;
    steps.iter().filter(|step| !step.provisional).map(|step| step.index).collect()
}

fn looks(values: &[f64]) -> impl Iterator<Item = &[f64]> {
    let lengths = (FIRST..values.len()).step_by(STRIDE).chain(std::iter::once(values.len()));
    lengths.map(|length| &values[..length])
}

fn seen(sample: &Sample, detector: Detector) -> Seen {
    let mut seen = Seen { steps: sample.steps.len(), ..Seen::default() };
    let mut before: Vec<usize> = Vec::new();
    for look in looks(&sample.values) {
        let now = detector(look);
        seen.compare(&before, &now);
        before = now;
    }
    seen.end(sample, &before);
    seen
}

/// What the program does: sharp steps hold, whatever later looks say.
fn held(sample: &Sample) -> Seen {
    let mut seen = Seen { steps: sample.steps.len(), ..Seen::default() };
    let mut holds: Vec<Held> = Vec::new();
    let mut before: Vec<usize> = Vec::new();
    for look in looks(&sample.values) {
        let steps = segment_beside(look, &holds, &StepSettings::default()).steps;
        let lasting = || steps.iter().filter(|step| !step.provisional);
        let now: Vec<usize> = lasting().map(|step| step.index).collect();
        let new = lasting().filter(|step| step.sharp);
        for step in new {
            if holds.iter().all(|one| one.index.abs_diff(step.index) > 3) {
                holds.push(Held { index: step.index, p_value: step.p_value });
                holds.sort_by_key(|one| one.index);
            }
        }
        seen.compare(&before, &now);
        before = now;
    }
    seen.end(sample, &before);
    seen
}

impl Seen {
    fn compare(&mut self, before: &[usize], now: &[usize]) {
        let near = |place: &usize| now.iter().any(|other| other.abs_diff(*place) <= CLOSE);
        self.found += before.len();
        self.gone += before.iter().filter(|place| !near(place)).count();
    }

    fn end(&mut self, sample: &Sample, found: &[usize]) {
        let near = |place: &usize| found.iter().any(|other| other.abs_diff(*place) <= CLOSE);
        self.at_the_end += sample.steps.iter().filter(|place| near(place)).count();
        let is_step =
            |place: &usize| sample.steps.iter().any(|other| other.abs_diff(*place) <= CLOSE);
        self.others += found.iter().filter(|place| !is_step(place)).count();
    }
}
