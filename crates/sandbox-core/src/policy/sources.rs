//! Where a guest's time and randomness come from.

/// Clocks that a guest sees.
///
/// The monotonic clock starts at zero with each instance, so that it does not tell how long the host has
/// been up. The clocks of processor time show the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Clock {
    /// The time, in nanoseconds.
    Real,
    /// The time, in steps of a millisecond: too coarse to tell a cache hit from a miss.
    Coarse,
    /// The monotonic clock in steps of a millisecond. The real-time clock and the times of files stand
    /// still at the beginning of 1970, so that a guest cannot tell when it runs.
    CoarseMonotonic,
}

/// Source of a guest's random bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Randomness {
    /// The operating system's, fit for keys.
    Secure,
    /// Equal bytes for each instance that has this seed. Good for tests, and not secret.
    Seeded(u64),
    /// There are none: the guest gets an error. Standard libraries that need some for their hash maps
    /// abort then.
    Denied,
}
