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
        assert!((30..30 + length).all(|index| found.spikes.iter().any(|one| one.index == index)));
    }
}

#[test]
fn steady_drift_is_no_step() {
    let mut values = noise_series(200, 6);
    values.iter_mut().enumerate().for_each(|(index, value)| *value += 0.0006 * index as f64);
    assert_eq!(indices(&values), Vec::<usize>::new());
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
