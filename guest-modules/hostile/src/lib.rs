//! Attacks the host in every way it can think of: by never ending, by taking what it can get, and by
//! lying about what it left in memory. The host's tests see to it that none of it works.

mod greed;
mod lies;
mod loops;
