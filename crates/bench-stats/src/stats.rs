//! Pure statistics over slices; every formula names its source.
//!
//! Values are compared as logarithms, because benchmarks change by factors: a difference of
//! logarithms is the logarithm of a ratio, is symmetric in both sides and free of units.

pub mod cusum;
pub mod difference;
pub mod mean;
pub mod modes;
pub mod multiplicity;
pub mod outliers;
pub mod prior;
pub mod quantile;
pub mod spending;
pub mod spread;
pub mod summary;
pub mod trend;
