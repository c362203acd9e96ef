//! Letters: notices that are queued with the change that they tell, and stay queued until a receiver
//! has them. The [steward](super::steward) delivers them.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::channel::{Channel, DeliveryError};
use super::notice::Notice;
use crate::clock::Stop;
use crate::jobs::letter::{LONGEST_WAIT, Letter, LetterFate};
use crate::secret::Confidential;

/// An attempt, for whoever watches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// The channel.
    pub channel: String,
    /// Outcome.
    pub fate: LetterFate,
}

/// The first wait; each further one is twice as long.
const FIRST_WAIT: Duration = Duration::from_secs(30);
/// After so long, nobody waits for the news any more.
const PATIENCE: Duration = Duration::from_secs(7 * 86_400);

/// So often a letter was tried at least before it is given up, whatever the calendar says: a clock that
/// jumps makes each next attempt due, and an unreliable receiver may fail many times in a row.
const FEWEST: u32 = 50;

/// Decides the fate of a letter that was just tried.
pub(super) fn fate(
    letter: &Letter,
    outcome: Result<(), DeliveryError>,
    now: Timestamp,
) -> LetterFate {
    let Err(DeliveryError { reason: error, retry_after: asked, refused }) = outcome else {
        return LetterFate::Delivered;
    };
    let waited = Duration::try_from(now.duration_since(letter.queued_at));
    let long = letter.attempts + 1 >= FEWEST && waited.is_ok_and(|waited| waited >= PATIENCE);
    if refused || long {
        return LetterFate::GivenUp { error };
    }
    let wait = wait_after(letter.attempts).max(asked.unwrap_or_default()).min(LONGEST_WAIT);
    let wait = SignedDuration::try_from(wait).unwrap_or(SignedDuration::MAX);
    LetterFate::TryAgain { at: now.checked_add(wait).unwrap_or(Timestamp::MAX), error }
}

/// Tries a letter.
pub(super) fn attempt(
    letter: &Letter,
    channels: &[Channel],
    confidential: &Confidential,
    stop: &Stop,
) -> Result<(), DeliveryError> {
    let Some(channel) = channels.iter().find(|channel| channel.name == letter.channel) else {
        let why = format!("the file of suites has no alert `{}` now", letter.channel);
        return Err(DeliveryError::new(why));
    };
    let notice: Notice = serde_json::from_str(&letter.notice).map_err(|error| {
        DeliveryError::new(format!("the stored notice cannot be read: {error}"))
    })?;
    channel.deliver(&notice, confidential, stop)
}

/// How long to wait after so many attempts that failed before the present one.
fn wait_after(attempts: u32) -> Duration {
    FIRST_WAIT.saturating_mul(1 << attempts.min(16)).min(LONGEST_WAIT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_jumps_has_no_letter_given_up() {
        let queued_at: Timestamp = "2026-01-05T00:00:00Z".parse().unwrap();
        let letter = |attempts| Letter {
            id: 1,
            channel: "team".to_owned(),
            notice: String::new(),
            queued_at,
            attempts,
        };
        let failed = || Err(DeliveryError::new("it hangs".to_owned()));
        let years_later = queued_at.checked_add(SignedDuration::from_hours(20_000)).unwrap();
        let given_up = |attempts, now| {
            matches!(fate(&letter(attempts), failed(), now), LetterFate::GivenUp { .. })
        };
        assert!(!given_up(12, years_later) && given_up(FEWEST, years_later));
        assert!(!given_up(FEWEST, queued_at), "it is not a week old");
    }

    #[test]
    fn waits_grow_up_to_an_hour() {
        let seconds: Vec<u64> = (0..9).map(|tried| wait_after(tried).as_secs()).collect();
        assert_eq!(seconds, [30, 60, 120, 240, 480, 960, 1920, 3600, 3600]);
        assert_eq!(wait_after(u32::MAX), LONGEST_WAIT);
    }
}
