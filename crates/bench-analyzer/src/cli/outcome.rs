//! What the process says with its exit code. This is the one place that knows the numbers.

use std::process::ExitCode;

/// How a command ended. Wrong usage ends with 2 before any command begins, by clap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Nothing is wrong, or nobody asked to fail.
    Fine,
    /// The gate found what it was told to fail on.
    GateFailed,
    /// Something prevented an answer.
    Failed,
    /// The gate found no certain regression, but most benchmarks moved together, and whether the
    /// machine did that or the code cannot be told. A gate that passed here would pass on a lost
    /// optimisation.
    NotJudged,
}

impl Outcome {
    fn code(self) -> u8 {
        match self {
            Self::Fine => 0,
            Self::GateFailed => 1,
            Self::Failed => 3,
            Self::NotJudged => 4,
        }
    }

    /// The worse of two: what is certain outweighs what could not be judged.
    pub(super) fn and(self, other: Self) -> Self {
        let rank = |one: Self| match one {
            Self::Fine => 0,
            Self::NotJudged => 1,
            Self::GateFailed => 2,
            Self::Failed => 3,
        };
        if rank(self) >= rank(other) { self } else { other }
    }
}

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> Self {
        Self::from(outcome.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certain_regression_outweighs_what_could_not_be_judged() {
        assert_eq!(Outcome::NotJudged.and(Outcome::GateFailed), Outcome::GateFailed);
        assert_eq!(Outcome::GateFailed.and(Outcome::NotJudged), Outcome::GateFailed);
        assert_eq!(Outcome::Fine.and(Outcome::NotJudged), Outcome::NotJudged);
        assert_eq!(Outcome::Fine.and(Outcome::Fine), Outcome::Fine);
    }
}
