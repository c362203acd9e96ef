//! When suites are due.

use std::cmp::Ordering;
use std::fmt;
use std::time::Duration;

use croner::errors::CronError;
use croner::{CivilDate, CivilDateTime, CivilTime, Cron, CronDateTime, Resolution, Weekday};
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{SignedDuration, Timestamp, ZonedDateTime};

/// When a suite is due.
#[derive(Debug, Clone)]
pub enum Schedule {
    /// Again and again, so long after the last time; at once the first time.
    Interval(Duration),
    /// At the moments that a cron expression names.
    Cron(Box<CronSchedule>),
    /// When a branch has a new commit.
    Commit(BranchWatch),
}

/// A cron expression in a time zone.
#[derive(Debug, Clone)]
pub struct CronSchedule {
    cron: Cron,
    zone: TimeZone,
    text: String,
}

/// A branch to look at from time to time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BranchWatch {
    /// Its name.
    pub branch: String,
    /// The remote to fetch it from; none means the branch of the local repository.
    pub remote: Option<String>,
    /// How often to look.
    pub poll: Duration,
}

impl fmt::Display for Schedule {
    /// The text by which the store knows the schedule.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Interval(every) => write!(f, "every {} s", every.as_secs()),
            Self::Cron(cron) => f.write_str(&cron.text),
            Self::Commit(BranchWatch { branch, remote: Some(remote), .. }) => {
                write!(f, "branch {remote}/{branch}")
            }
            Self::Commit(BranchWatch { branch, remote: None, .. }) => write!(f, "branch {branch}"),
        }
    }
}

impl CronSchedule {
    /// Reads `minute hour day month weekday`, or one of `@hourly`, `@daily`, `@weekly`,
    /// `@monthly`, `@yearly`, in the time zone with this IANA name.
    ///
    /// # Errors
    /// If the expression or the zone means nothing, or the moment never comes.
    pub fn new(expression: &str, zone: Option<&str>) -> Result<Self, String> {
        let fields = expression.split_whitespace().count();
        if fields != 5 && !expression.trim_start().starts_with('@') {
            return Err(format!(
                "`{expression}` is not a cron expression: it has {fields} fields, and needs five, \
                 minute hour day month weekday"
            ));
        }
        let cron: Cron = expression
            .parse()
            .map_err(|error| format!("`{expression}` is not a cron expression: {error}"))?;
        let name = zone.unwrap_or("UTC");
        let zone = TimeZone::get(name)
            .map_err(|_| format!("`{name}` is not a time zone: write UTC or Europe/Berlin"))?;
        let schedule = Self { cron, zone, text: format!("cron {expression} {name}") };
        match schedule.after(Timestamp::UNIX_EPOCH) {
            Some(_) => Ok(schedule),
            None => Err(format!("`{expression}` names a moment that never comes")),
        }
    }

    /// The first moment after `time`.
    fn after(&self, time: Timestamp) -> Option<Timestamp> {
        let from = Wall(time.to_zoned_datetime(self.zone.clone()));
        self.cron.find_next_occurrence(&from, false).ok().map(|found| found.0.timestamp())
    }

    /// The last moment up to `time`.
    fn up_to(&self, time: Timestamp) -> Option<Timestamp> {
        let from = Wall(time.to_zoned_datetime(self.zone.clone()));
        self.cron.find_previous_occurrence(&from, true).ok().map(|found| found.0.timestamp())
    }
}

impl Schedule {
    /// How far a schedule counts as followed when it is met for the first time at `now`.
    pub(super) fn start(&self, now: Timestamp) -> Timestamp {
        match self {
            // Due at once.
            Self::Interval(every) => now.checked_sub(signed(*every)).unwrap_or(now),
            Self::Cron(_) | Self::Commit(_) => now,
        }
    }

    /// The next moment after `followed`; none for what does not depend on time.
    pub fn next_after(&self, followed: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Interval(every) => followed.checked_add(signed(*every)).ok(),
            Self::Cron(cron) => cron.after(followed),
            Self::Commit(_) => None,
        }
    }

    /// The last moment after `followed` up to `now`: those that passed before are made up for by
    /// this one.
    pub fn due_between(&self, followed: Timestamp, now: Timestamp) -> Option<Timestamp> {
        let due = match self {
            Self::Interval(every) => {
                let passed = now.as_millisecond().checked_sub(followed.as_millisecond())?;
                let every = i64::try_from(every.as_millis()).ok()?;
                let due = followed.as_millisecond() + passed.checked_div(every)? * every;
                Timestamp::from_millisecond(due).ok()?
            }
            Self::Cron(cron) => cron.up_to(now)?,
            Self::Commit(_) => return None,
        };
        (due > followed && due <= now).then_some(due)
    }
}

fn signed(duration: Duration) -> SignedDuration {
    SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX)
}

/// The time on the wall, as the cron library wants to see it.
struct Wall(ZonedDateTime);

impl CronDateTime for Wall {
    fn to_civil(&self) -> CivilDateTime {
        let part = |value: i8| u32::try_from(value).unwrap_or_default();
        let time = &self.0;
        CivilDateTime::new(
            CivilDate::from_parts_unchecked(
                i32::from(time.year()),
                part(time.month()),
                part(time.day()),
            ),
            CivilTime::from_parts_unchecked(
                part(time.hour()),
                part(time.minute()),
                part(time.second()),
            ),
        )
    }

    fn civil_weekday(&self) -> Weekday {
        let days = self.0.weekday().to_sunday_zero_offset();
        Weekday::from_days_from_sunday(u32::try_from(days).unwrap_or_default())
    }

    fn resolve_civil(&self, civil: CivilDateTime) -> Result<Resolution<Self>, CronError> {
        let small = |value: u32| i8::try_from(value).map_err(|_| CronError::InvalidTime);
        let (date, time) = (civil.date(), civil.time());
        let datetime = jiff::civil::DateTime::new(
            i16::try_from(date.year()).map_err(|_| CronError::InvalidDate)?,
            small(date.month())?,
            small(date.day())?,
            small(time.hour())?,
            small(time.minute())?,
            small(time.second())?,
            0,
        )
        .map_err(|_| CronError::InvalidTime)?;
        let ambiguous = self.0.time_zone().to_ambiguous_zoned_datetime(datetime);
        let wall = |zoned: Result<ZonedDateTime, jiff::Error>| {
            zoned.map(Wall).map_err(|_| CronError::InvalidTime)
        };
        Ok(match ambiguous.offset() {
            AmbiguousOffset::Unambiguous { .. } => Resolution::Single(wall(ambiguous.later())?),
            AmbiguousOffset::Fold { .. } => {
                Resolution::Ambiguous(wall(ambiguous.clone().earlier())?, wall(ambiguous.later())?)
            }
            AmbiguousOffset::Gap { .. } => Resolution::Gap,
        })
    }

    fn checked_add_seconds(&self, seconds: i64) -> Option<Self> {
        self.0.checked_add(SignedDuration::from_secs(seconds)).ok().map(Wall)
    }

    fn cmp_instant(&self, other: &Self) -> Ordering {
        self.0.timestamp().cmp(&other.0.timestamp())
    }
}

impl Clone for Wall {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn missed_intervals_are_made_up_for_once() {
        let hourly = Schedule::Interval(Duration::from_secs(3600));
        let start = at("2026-01-01T00:00:00Z");
        assert_eq!(hourly.due_between(start, at("2026-01-01T00:59:59Z")), None);
        assert_eq!(
            hourly.due_between(start, at("2026-01-01T05:30:00Z")),
            Some(at("2026-01-01T05:00:00Z"))
        );
        assert_eq!(hourly.next_after(start), Some(at("2026-01-01T01:00:00Z")));
        assert!(hourly.due_between(hourly.start(start), start).is_some(), "due at once");
    }

    #[test]
    fn cron_follows_the_wall_of_its_zone() {
        let nightly = CronSchedule::new("30 2 * * *", Some("Europe/Berlin")).unwrap();
        let winter = nightly.after(at("2026-01-01T00:00:00Z")).unwrap();
        assert_eq!(winter, at("2026-01-01T01:30:00Z"));
        let summer = nightly.after(at("2026-07-01T00:00:00Z")).unwrap();
        assert_eq!(summer, at("2026-07-01T00:30:00Z"));
        // 02:30 does not exist on the day that summer time begins, and comes twice when it ends.
        let mut moment = at("2026-03-28T12:00:00Z");
        for _ in 0..3 {
            let next = nightly.after(moment).unwrap();
            assert!(next > moment && next.duration_since(moment) < SignedDuration::from_hours(26));
            moment = next;
        }
    }

    #[test]
    fn cron_says_the_last_moment_up_to_now() {
        let schedule = Schedule::Cron(Box::new(CronSchedule::new("*/15 * * * *", None).unwrap()));
        let due = schedule.due_between(at("2026-01-01T00:00:00Z"), at("2026-01-01T00:47:12Z"));
        assert_eq!(due, Some(at("2026-01-01T00:45:00Z")));
        assert_eq!(
            schedule.due_between(at("2026-01-01T00:45:00Z"), at("2026-01-01T00:59:59Z")),
            None
        );
    }

    #[test]
    fn what_never_comes_is_refused() {
        for seconds_or_years in ["0 0 3 * * *", "0 3 * * * 2027", "0 3 * *", ""] {
            let refused = CronSchedule::new(seconds_or_years, None).unwrap_err();
            assert!(refused.contains("needs five"), "{refused}");
        }
        assert!(CronSchedule::new("0 0 30 2 *", None).is_err());
        assert!(CronSchedule::new("61 * * * *", None).is_err());
        assert!(CronSchedule::new("0 0 * * *", Some("Mars/Olympus")).is_err());
    }
}
