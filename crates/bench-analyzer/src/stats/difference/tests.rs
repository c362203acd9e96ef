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

/// SciPy 1.17: `ttest_ind(b, a, equal_var=True)`; a prior worth nothing leaves Student's test.
#[test]
fn a_prior_worth_nothing_leaves_students_test() {
    let a = logs(&[100.0, 101.5, 99.2, 100.7, 98.9]);
    let b = logs(&[105.0, 106.2, 103.9, 107.1, 104.4]);
    let nothing = Spread { relative: 0.02, degrees_of_freedom: 0.0 };
    let student = Difference::moderated(&a, &b, nothing);
    close(student.degrees_of_freedom, 8.0);
    close(student.p_value(), 0.000_114_702_256_502_094_39);
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
    let own = prior.moderated_by(Spread::pooled(&[&noisy])).relative / 3.0_f64.sqrt();
    assert!(both.standard_error >= own);
}

#[test]
fn equal_sides_without_spread_do_not_differ() {
    let nothing = Spread { relative: 0.0, degrees_of_freedom: 1.0 };
    assert_eq!(Difference::moderated(&[1.0, 1.0], &[1.0, 1.0], nothing).p_value(), 1.0);
}

#[test]
fn more_runs_decide_smaller_differences() {
    let rule = Rule { alpha: 0.01, level: 0.95, threshold: 0.01 };
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
    let rule = Rule { alpha: 0.01, level: 0.95, threshold: 0.01 };
    let at = |standard_error| {
        rule.detectable(&Difference { log_ratio: 0.0, standard_error, degrees_of_freedom: 8.0 })
    };
    assert!(at(0.01) < at(0.02));
    // 3.355387 and 0.888890 are the .995 and .8 quantiles of t with 8 degrees (SciPy).
    assert!((at(0.02) - 0.02 * (3.355_387 + 0.888_890)).abs() < 1e-6);
}
