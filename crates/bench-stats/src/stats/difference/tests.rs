use super::*;

fn logs(values: &[f64]) -> Vec<f64> {
    values.iter().map(|value| value.ln()).collect()
}

fn close(left: f64, right: f64) {
    assert!((left - right).abs() < 1e-9 * right.abs().max(1.0), "{left} is not {right}");
}

/// SciPy 1.17: `ttest_ind(b, a, equal_var=False)` and its `confidence_interval(.95)`.
#[test]
fn welch_agrees_with_scipy() {
    let a = logs(&[100.0, 101.5, 99.2, 100.7, 98.9]);
    let b = logs(&[105.0, 106.2, 103.9, 107.1, 104.4]);
    let welch = Difference::welch(&a, &b);
    close(welch.degrees_of_freedom, 7.816_399_192_505_803);
    close(welch.log_ratio / welch.standard_error, 6.981_827_882_726_633);
    close(welch.p_value(), 0.000_128_181_431_585_730_72);
    let (low, high) = welch.interval(0.95);
    close(low, 0.034_231_160_046_168_61);
    close(high, 0.068_202_429_097_370_23);
}

/// SciPy 1.17, unequal sizes and spreads, 99% interval.
#[test]
fn welch_agrees_with_scipy_on_unequal_sides() {
    let a = logs(&[10.0, 10.2, 10.1]);
    let b = logs(&[12.0, 9.0, 15.0, 11.0]);
    let welch = Difference::welch(&a, &b);
    close(welch.p_value(), 0.293_395_529_131_948_55);
    let (low, high) = welch.interval(0.99);
    close(low, -0.480_944_742_273_458_2);
    close(high, 0.749_977_601_364_868_8);
}

#[test]
fn a_prior_worth_nothing_leaves_welchs_test() {
    let a = logs(&[100.0, 101.5, 99.2, 100.7, 98.9]);
    let b = logs(&[105.0, 106.2, 103.9, 107.1, 104.4, 105.5]);
    let nothing = Spread { relative: 0.02, degrees_of_freedom: 0.0 };
    let (moderated, welch) = (Difference::moderated(&a, &b, nothing), Difference::welch(&a, &b));
    close(moderated.degrees_of_freedom, welch.degrees_of_freedom);
    close(moderated.p_value(), welch.p_value());
}

/// Equal sides whose spread is the prior's: as much is known as both sides and the prior hold.
#[test]
fn equal_sides_are_moderated_as_one_pooled_spread() {
    let (a, b) = ([0.99, 1.0, 1.01], [1.09, 1.1, 1.11]);
    let prior = Spread { relative: 0.01, degrees_of_freedom: 2.0 };
    let both = Difference::moderated(&a, &b, prior);
    close(both.degrees_of_freedom, 6.0);
    close(both.standard_error, 0.01 * (2.0_f64 / 3.0).sqrt());
}

/// SciPy 1.17: `t.ppf`.
#[test]
fn quantiles_of_t_agree_with_scipy() {
    close(t_quantile(0.975, 8.0), 2.306_004_135_204_166);
    close(t_quantile(0.995, 2.0), 9.924_843_200_918_287);
    close(t_quantile(0.8, 10.0), 0.879_057_828_550_588_9);
    close(t_quantile(0.99, 2.5), 5.353_111_173_030_872);
}

#[test]
fn one_run_a_side_rests_on_the_prior_alone() {
    let single = Difference::moderated(&[1.0], &[1.3], Spread::UNREPLICATED);
    assert_eq!(single.degrees_of_freedom, 2.0);
    close(single.standard_error, Spread::UNREPLICATED.relative * std::f64::consts::SQRT_2);
}

#[test]
fn a_noisier_smaller_side_is_not_hidden_by_the_larger_one() {
    let quiet = vec![0.0; 20];
    let noisy = [0.1, -0.1, 0.0];
    let prior = Spread { relative: 0.001, degrees_of_freedom: 2.0 };
    let both = Difference::moderated(&quiet, &noisy, prior);
    let own = Spread::pooled(&[&noisy]).relative / 3.0_f64.sqrt();
    assert!(both.standard_error >= 0.8 * own, "{both:?}");
    // Three runs have two degrees of freedom, whatever the other side has.
    assert!(both.degrees_of_freedom < 3.0, "{both:?}");
}

#[test]
fn equal_sides_without_spread_do_not_differ() {
    let nothing = Spread { relative: 0.0, degrees_of_freedom: 1.0 };
    assert_eq!(Difference::moderated(&[1.0, 1.0], &[1.0, 1.0], nothing).p_value(), 1.0);
}

#[test]
fn more_runs_decide_smaller_differences() {
    let rule = Rule { alpha: 0.01, level: 0.95, threshold: 0.01, plan: Plan::Open };
    let spread = Spread { relative: 0.02, degrees_of_freedom: 4.0 };
    let large = rule.runs_to_decide(0.10, spread, 2.0).unwrap();
    let small = rule.runs_to_decide(0.04, spread, 2.0).unwrap();
    assert!(large < small, "{large} {small}");
    assert_eq!(rule.runs_to_decide(0.01, spread, 2.0), None);
    // A difference that is surely inside the threshold can be decided as well.
    assert!(rule.runs_to_decide(0.0, spread, 2.0).is_some());
}

#[test]
fn what_is_detectable_shrinks_with_the_error() {
    let rule = Rule { alpha: 0.01 / 0.9, level: 0.95, threshold: 0.01, plan: Plan::Stated(5) };
    let at = |standard_error| {
        let none = Difference { log_ratio: 0.0, standard_error, degrees_of_freedom: 8.0 };
        rule.detectable(&none, 5)
    };
    assert!(at(0.01) < at(0.02));
    // 3.355387 and 0.888890 are the .995 and .8 quantiles of t with 8 degrees (SciPy).
    assert!((at(0.02) - 0.02 * (3.355_387 + 0.888_890)).abs() < 1e-6);
}

/// Normal numbers by Box and Muller.
fn normals(seed: u64) -> impl FnMut() -> f64 {
    use rand::{RngExt, SeedableRng};
    let mut random = rand_pcg::Pcg64Mcg::seed_from_u64(seed);
    move || {
        let radius = (-2.0 * (1.0 - random.random::<f64>()).ln()).sqrt();
        radius * (std::f64::consts::TAU * random.random::<f64>()).cos()
    }
}

/// How often equal means are called different at 1%, with so many runs a side, the spread of the
/// current side so many times as large as the baseline's, and both as real benchmarks have them.
fn false_alarms(baseline: usize, current: usize, ratio: f64) -> f64 {
    const TIMES: u32 = 2000;
    let mut normal = normals(to_f64(baseline * 100 + current).to_bits());
    let alarms = (0..TIMES).filter(|_| {
        let spread = 0.018 * (0.977_5 * normal()).exp();
        let mut side = |runs: usize, spread: f64| -> Vec<f64> {
            (0..runs).map(|_| spread * normal()).collect()
        };
        let old = side(baseline, spread / ratio.sqrt());
        let new = side(current, spread * ratio.sqrt());
        let found = Difference::moderated(&old, &new, Spread::MODERATING);
        let runs = baseline.min(current);
        Plan::Open.always_valid(found.p_value(), runs) <= 0.01
    });
    to_f64(alarms.count()) / f64::from(TIMES)
}

/// Ten quiet runs against three noisy ones raised 17% where 1% was promised.
#[test]
fn unequal_sides_keep_the_rate_of_false_alarms() {
    for (baseline, current) in
        [(10, 1), (10, 2), (10, 3), (10, 5), (5, 3), (4, 4), (3, 10), (2, 10), (1, 10), (7, 6)]
    {
        for ratio in [1.0, 3.0, 10.0] {
            let rate = false_alarms(baseline, current, ratio);
            assert!(rate <= 0.015, "{baseline} and {current} runs, spreads 1 to {ratio}: {rate}");
        }
    }
}
