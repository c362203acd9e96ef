//! Random values.

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;

/// A seeded source of noise.
pub(crate) struct Noise(Pcg64Mcg);

impl Noise {
    pub(crate) fn new(seed: u64) -> Self {
        Self(Pcg64Mcg::seed_from_u64(seed))
    }

    pub(crate) fn uniform(&mut self) -> f64 {
        self.0.random()
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0.random_range(0..bound)
    }

    /// A standard normal number, by Box and Muller.
    pub(crate) fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }

    /// A number with Student's t distribution of three degrees of freedom, scaled so that its
    /// robust standard deviation (from the median absolute deviation) is one: heavy tails.
    pub(crate) fn heavy(&mut self) -> f64 {
        let square: f64 = (0..3).map(|_| self.normal().powi(2)).sum();
        // The upper quartile of t with three degrees is 0.764892, of the normal 0.674490.
        self.normal() / (square / 3.0).sqrt() * (0.674_490 / 0.764_892)
    }

    /// A between-run coefficient of variation as real benchmarks have: log-normal with a median
    /// of 1.8% and a 90th percentile of 6.3%.
    pub(crate) fn between_run_cv(&mut self) -> f64 {
        let sigma = (6.3_f64 / 1.8).ln() / 1.281_552;
        0.018 * (sigma * self.normal()).exp()
    }

    /// By how much the spread between runs exceeds the error inside one: log-normal with a median
    /// of 3.1 and a 90th percentile of 24, but at least 1, as the error is part of the spread.
    pub(crate) fn between_over_within(&mut self) -> f64 {
        let sigma = (24.0_f64 / 3.1).ln() / 1.281_552;
        (3.1 * (sigma * self.normal()).exp()).max(1.0)
    }
}
