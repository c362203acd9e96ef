use proptest::prelude::*;
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;

use super::*;

/// Noise of one percent with heavy tails: every twentieth value is five times as far out.
fn noise_series(length: usize, seed: u64) -> Vec<f64> {
    let mut random = Pcg64Mcg::seed_from_u64(seed);
    (0..length)
        .map(|_| {
            let sum: f64 = (0..12).map(|_| random.random::<f64>()).sum();
            let tail = if random.random::<f64>() < 0.05 { 5.0 } else { 1.0 };
            (sum - 6.0) * 0.01 * tail
        })
        .collect()
}

fn stepped(length: usize, seed: u64, steps: &[(usize, f64)]) -> Vec<f64> {
    let mut values = noise_series(length, seed);
    for &(index, size) in steps {
        values[index..].iter_mut().for_each(|value| *value += size);
    }
    values
}

fn indices(values: &[f64]) -> Vec<usize> {
    segment(values, &StepSettings::default()).steps.iter().map(|step| step.index).collect()
}

fn near(found: &[usize], expected: &[usize]) -> bool {
    found.len() == expected.len()
        && found.iter().zip(expected).all(|(found, expected)| found.abs_diff(*expected) <= 3)
}

#[test]
fn a_step_is_located_and_measured() {
    let segmentation = segment(&stepped(100, 1, &[(60, 0.05)]), &StepSettings::default());
    assert_eq!(segmentation.steps.len(), 1);
    let step = segmentation.steps[0];
    assert!(step.index.abs_diff(60) <= 2, "{step:?}");
    assert!((step.after - step.before - 0.05).abs() < 0.01, "{step:?}");
    assert!(step.p_value < 1e-6 && !step.provisional, "{step:?}");
}

#[test]
fn several_steps_are_found_in_both_directions() {
    let found = indices(&stepped(200, 2, &[(50, 0.06), (100, -0.10), (150, 0.08)]));
    assert!(near(&found, &[50, 100, 150]), "{found:?}");
}

#[test]
fn a_level_that_comes_and_goes_is_found() {
    let found = indices(&stepped(300, 3, &[(140, 0.08), (160, -0.08)]));
    assert!(near(&found, &[140, 160]), "{found:?}");
}

/// A memory benchmark of a browser had a sixth more for eleven commits, after a small step.
#[test]
fn a_level_that_comes_and_goes_is_found_beside_a_small_step() {
    let missed: Vec<u64> = (0..20)
        .filter(|&seed| {
            let found = indices(&stepped(104, seed, &[(50, 0.015), (67, 0.15), (78, -0.15)]));
            [67, 78].iter().any(|place| !found.contains(place))
        })
        .collect();
    assert!(missed.len() <= 2, "{missed:?}");
}

#[test]
fn noise_alone_has_hardly_any_steps() {
    let found: usize = (0..200).map(|seed| indices(&noise_series(100, seed)).len()).sum();
    assert!(found <= 4, "{found} steps in 200 series");
}

#[test]
fn a_spike_is_no_step() {
    for length in 1..4 {
        let found =
            segment(&stepped(60, 5, &[(30, 0.5), (30 + length, -0.5)]), &StepSettings::default());
        assert!(found.steps.is_empty(), "{length}: {:?}", found.steps);
        let spikes: Vec<usize> = found.spikes.iter().map(|one| one.index).collect();
        let excursions: Vec<_> = found.excursions.iter().map(|one| (one.first, one.last)).collect();
        match length {
            1 => {
                assert!(spikes.contains(&30) && excursions.is_empty(), "{spikes:?}, {excursions:?}")
            }
            // Several values in a row are no spike.
            _ => {
                assert_eq!(excursions, [(30, 29 + length)]);
                assert!(
                    spikes.iter().all(|spike| !(30..30 + length).contains(spike)),
                    "{spikes:?}"
                );
            }
        }
    }
}

#[test]
fn steady_drift_is_no_step() {
    let mut values = noise_series(200, 6);
    values.iter_mut().enumerate().for_each(|(index, value)| *value += 0.0006 * index as f64);
    assert_eq!(indices(&values), Vec::<usize>::new());
}

/// Every series has its step somewhere with a level on both sides.
fn found_doublings(length: usize) -> usize {
    let doubles = |seed: u64| {
        let place = 4 + usize::try_from(seed).unwrap() % (length - 7);
        let values = stepped(length, seed, &[(place, 2.0_f64.ln())]);
        indices(&values) == [place]
    };
    (0..150).filter(|seed| doubles(*seed)).count()
}

#[test]
fn a_doubling_in_a_short_series_is_found() {
    for length in [12, 16, 24] {
        let found = found_doublings(length);
        assert!(found >= 145, "{found} of 150 series of {length} values");
    }
}

#[test]
fn the_old_level_of_a_doubling_is_no_row_of_spikes() {
    for seed in 0..50 {
        let values = stepped(16, seed, &[(7, 2.0_f64.ln())]);
        let mut spikes = segment(&values, &StepSettings::default()).spikes;
        spikes.retain(|spike| spike.index < 7);
        assert!(spikes.len() <= 2, "seed {seed}: {spikes:?}");
    }
}

/// Two large steps and a small one, then a slow rise that bends and levels off, over correlated noise:
/// the shape of a database's public history.
fn eventful(length: usize, seed: u64) -> Vec<f64> {
    let mut dependent = 0.0;
    noise_series(length, seed)
        .into_iter()
        .enumerate()
        .map(|(index, noise)| {
            dependent = 0.2 * dependent + 0.6 * noise;
            let steps = [(15, -0.12), (71, 0.16), (95, -0.045)];
            let level: f64 =
                steps.iter().filter(|(at, _)| index >= *at).map(|(_, size)| size).sum();
            let rise = 0.05 * (index.saturating_sub(110).min(110) as f64 / 110.0);
            level + rise + dependent
        })
        .collect()
}

#[test]
fn large_steps_stay_found_while_the_series_grows_and_drifts() {
    let (mut asked, mut missed) = (0, Vec::new());
    for seed in 0..10 {
        let values = eventful(365, seed);
        for length in (40..=365).step_by(25) {
            let found = indices(&values[..length]);
            for place in [15, 71].into_iter().filter(|place| place + 8 <= length) {
                asked += 1;
                if !found.iter().any(|index| index.abs_diff(place) <= 2) {
                    missed.push((seed, length, place));
                }
            }
        }
    }
    assert!(missed.len() * 50 <= asked, "missed {missed:?} of {asked}");
}

#[test]
fn a_sharp_jump_is_a_step_though_the_level_drifts_on_both_sides() {
    let mut values = stepped(120, 11, &[(60, 0.15)]);
    values.iter_mut().enumerate().for_each(|(index, value)| *value += 0.002 * index as f64);
    assert_eq!(indices(&values), [60]);
}

#[test]
fn a_regression_that_is_won_back_slowly_is_told_by_its_jump() {
    let mut values = stepped(160, 12, &[(60, 0.15)]);
    values[60..].iter_mut().enumerate().for_each(|(index, value)| *value -= 0.003 * index as f64);
    let steps = segment(&values, &StepSettings::default()).steps;
    let jump = steps.iter().find(|step| step.index == 60).unwrap_or_else(|| panic!("{steps:?}"));
    assert!(jump.after > jump.before + 0.04, "{jump:?}");
}

#[test]
fn strongly_dependent_neighbours_are_no_steps() {
    for correlation in [0.6, 0.8] {
        let mut found = 0;
        for seed in 0..100 {
            let mut previous = 0.0;
            let values: Vec<f64> = noise_series(130, seed)
                .into_iter()
                .map(|value| {
                    previous = correlation * previous + value;
                    previous
                })
                .skip(30)
                .collect();
            found += indices(&values).len();
        }
        assert!(found <= 8, "{found} steps in 100 series at {correlation}");
    }
}

#[test]
fn dependent_neighbours_are_no_steps() {
    let mut found = 0;
    for seed in 0..100 {
        let mut previous = 0.0;
        let values: Vec<f64> = noise_series(150, seed)
            .into_iter()
            .map(|value| {
                previous = 0.5 * previous + value;
                previous
            })
            .collect();
        found += indices(&values).len();
    }
    assert!(found <= 10, "{found} steps in 100 series");
}

#[test]
fn the_last_values_give_a_provisional_step() {
    for after in 1..4 {
        let values = stepped(60, 7, &[(60 - after, 0.3)]);
        let steps = segment(&values, &StepSettings::default()).steps;
        assert_eq!(steps.len(), 1, "{after} values after: {steps:?}");
        assert!(steps[0].provisional);
        assert_eq!(steps[0].index, 60 - after);
    }
}

#[test]
fn short_and_constant_series_have_no_steps() {
    assert_eq!(indices(&[]), Vec::<usize>::new());
    assert_eq!(indices(&[1.0, 2.0, 3.0]), Vec::<usize>::new());
    assert_eq!(indices(&[1.0; 50]), Vec::<usize>::new());
}

#[test]
fn a_step_between_two_constant_levels_is_found() {
    let values: Vec<f64> = (0..40).map(|index| if index < 20 { 0.0 } else { 0.1 }).collect();
    assert_eq!(indices(&values), [20]);
}

proptest! {
    #[test]
    fn scale_and_shift_change_no_location(seed in 0_u64..50, shift in -10.0_f64..10.0) {
        let values = stepped(80, seed, &[(40, 0.08)]);
        let shifted: Vec<f64> = values.iter().map(|value| value + shift).collect();
        prop_assert_eq!(indices(&values), indices(&shifted));
    }

    #[test]
    fn any_values_are_segmented(values in proptest::collection::vec(-1e3_f64..1e3, 0..120)) {
        let segmentation = segment(&values, &StepSettings::default());
        let indices: Vec<usize> = segmentation.steps.iter().map(|step| step.index).collect();
        prop_assert!(indices.is_sorted());
        prop_assert!(indices.iter().all(|index| (1..values.len()).contains(index)));
    }
}
