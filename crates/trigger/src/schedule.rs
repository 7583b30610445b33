//! Times at which runs are started.

use std::str::FromStr;

use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};
use jiff::tz::TimeZone;
use quartermaster_types::Timestamp;

use crate::model::{Missed, Overlap};

/// Times at which runs are started.
///
/// Where clocks go forward, a time of day that does not exist starts once, as soon as the gap is over; where they go back, one
/// that comes twice starts once, the first time. A pattern over all hours or minutes goes on evenly through both.
#[derive(Clone, Debug)]
pub struct Schedule {
    cron: Cron,
    zone: TimeZone,
    zone_name: String,
    /// What follows when times went by while nothing was running.
    pub missed: Missed,
    /// What follows when the run before is still going.
    pub overlap: Overlap,
}

impl Schedule {
    /// Reads a pattern: five fields, or a name such as `@hourly`. The message says what is wrong.
    pub(crate) fn pattern(text: &str) -> Result<Cron, String> {
        let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
        let cron = parser.parse(text).map_err(|error| {
            let error = error.to_string();
            format!("this is no pattern of times: {}", error.trim_end_matches('.'))
        })?;
        // A pattern such as the 31st of February never comes; looking for it from any day on shows that.
        let start = jiff::Timestamp::UNIX_EPOCH.to_zoned(TimeZone::UTC);
        cron.find_next_occurrence(&start, false).map_err(|_| "no day fits this pattern: it never comes".to_owned())?;
        Ok(cron)
    }

    /// Finds an IANA time zone; names count in their exact spelling.
    pub(crate) fn zone(name: &str) -> Option<TimeZone> {
        let zone = TimeZone::get(name).ok()?;
        (zone.iana_name() == Some(name) || name == "UTC").then_some(zone)
    }

    pub(crate) fn new(cron: Cron, zone: TimeZone, zone_name: String, missed: Missed, overlap: Overlap) -> Self {
        Self { cron, zone, zone_name, missed, overlap }
    }

    /// The name of its time zone.
    pub fn time_zone(&self) -> &str {
        &self.zone_name
    }

    /// The first time after `after`; `None` when there is none that can be told (the far future).
    pub fn next_after(&self, after: Timestamp) -> Option<Timestamp> {
        let after = jiff::Timestamp::from_millisecond(after.unix_ms()).ok()?.to_zoned(self.zone.clone());
        let next = self.cron.find_next_occurrence(&after, false).ok()?;
        Some(Timestamp::from_unix_ms(next.timestamp().as_millisecond()))
    }

    /// The last time at or before `at`, and after `from` at the latest.
    pub fn last_until(&self, from: Timestamp, at: Timestamp) -> Option<Timestamp> {
        let zoned = jiff::Timestamp::from_millisecond(at.unix_ms()).ok()?.to_zoned(self.zone.clone());
        let last = self.cron.find_previous_occurrence(&zoned, true).ok()?;
        let last = Timestamp::from_unix_ms(last.timestamp().as_millisecond());
        (last >= from).then_some(last)
    }
}

impl FromStr for Schedule {
    type Err = String;

    /// A pattern in UTC.
    fn from_str(text: &str) -> Result<Self, String> {
        let cron = Self::pattern(text)?;
        Ok(Self::new(cron, TimeZone::UTC, "UTC".to_owned(), Missed::default(), Overlap::default()))
    }
}
