//! From statistics to statements: what changed, what stands out, what cannot be told.
//!
//! Everything here is a pure function of its arguments.

pub mod aa;
pub mod changes;
pub mod compare;
pub mod geometric_mean;
pub mod onset;
pub mod outliers;
pub mod pattern;
pub mod recommend;
pub mod reference;
pub mod scaling;
pub mod settings;
pub mod shape;
pub mod steps;
pub mod trend;
pub mod verdict;
pub mod work;
