//! Numbers and dates in headers, as moments by our clock.

use http::HeaderMap;
use quartermaster_definition::plan::RateKind;
use quartermaster_types::Timestamp;
use time::{Date, Month, PrimitiveDateTime, Time, UtcOffset};

use super::{AHEAD_MAX_MS, single};

/// Above this a bare number is nothing that we know.
const NUMBER_MAX: u64 = 100_000_000_000_000;
/// Above this a bare number is milliseconds since the epoch (as seconds it would be the year 5138).
const EPOCH_MS_MIN: u64 = 100_000_000_000;
/// Above this a bare number is seconds since the epoch (30 years: no vendor lets one wait so long).
const EPOCH_SECONDS_MIN: u64 = 946_080_000;

/// Turns texts into moments.
pub(super) struct Moments {
    now: Timestamp,
    /// The upstream's clock minus ours, in milliseconds.
    skew_ms: i64,
}

impl Moments {
    pub(super) fn new(headers: &HeaderMap, now: Timestamp) -> Self {
        let skew_ms = single(headers, "date").and_then(http_date).map_or(0, |date| date.ms_since(now));
        Self { now, skew_ms }
    }

    /// What a text of a known kind means; `None` when it is malformed or out of range.
    pub(super) fn at(&self, text: &str, kind: RateKind) -> Option<Timestamp> {
        match kind {
            RateKind::DeltaSeconds => self.after(decimal(text)?.as_milliseconds(1000)?),
            RateKind::DeltaMilliseconds => self.after(decimal(text)?.as_milliseconds(1)?),
            RateKind::EpochSeconds => self.by_their_clock(decimal(text)?.as_milliseconds(1000)?),
            RateKind::EpochMilliseconds => self.by_their_clock(decimal(text)?.as_milliseconds(1)?),
            RateKind::Iso => self.by_their_clock(iso(text)?.unix_ms()),
            RateKind::HttpDate => self.by_their_clock(http_date(text)?.unix_ms()),
        }
    }

    /// What a text of an unknown kind means, where its form or size leaves no doubt.
    pub(super) fn guess(&self, text: &str) -> Option<Timestamp> {
        let Some(number) = decimal(text) else {
            return self.at(text, RateKind::Iso).or_else(|| self.at(text, RateKind::HttpDate));
        };
        let kind = match number.whole {
            number if number > NUMBER_MAX => return None,
            number if number > EPOCH_MS_MIN => RateKind::EpochMilliseconds,
            number if number > EPOCH_SECONDS_MIN => RateKind::EpochSeconds,
            _ => RateKind::DeltaSeconds,
        };
        self.at(text, kind)
    }

    /// `retry-after`: seconds (with a fraction too) or a date.
    pub(super) fn retry(&self, text: &str) -> Option<Timestamp> {
        self.at(text, RateKind::DeltaSeconds)
            .or_else(|| self.at(text, RateKind::HttpDate))
            .or_else(|| self.at(text, RateKind::Iso))
    }

    fn after(&self, milliseconds: i64) -> Option<Timestamp> {
        (0..=AHEAD_MAX_MS).contains(&milliseconds).then(|| self.now.plus_ms(milliseconds))
    }

    /// A moment by the upstream's clock. One that is past is now.
    fn by_their_clock(&self, unix_ms: i64) -> Option<Timestamp> {
        let ahead = i128::from(unix_ms) - i128::from(self.now.unix_ms()) - i128::from(self.skew_ms);
        let ahead = i64::try_from(ahead).ok().filter(|ahead| ahead.abs() <= AHEAD_MAX_MS)?;
        Some(self.now.plus_ms(ahead.max(0)))
    }
}

/// A number without a sign (a leading plus is taken), with digits after the point or without.
struct Decimal<'t> {
    whole: u64,
    fraction: &'t str,
}

fn decimal(text: &str) -> Option<Decimal<'_>> {
    let text = text.trim();
    let text = text.strip_prefix('+').unwrap_or(text);
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(fraction) {
        return None;
    }
    Some(Decimal { whole: whole.parse().ok()?, fraction })
}

impl Decimal<'_> {
    /// Milliseconds, rounded up, when one is worth `unit` (1 or 1000) of them.
    fn as_milliseconds(&self, unit: u64) -> Option<i64> {
        let kept = if unit == 1000 { 3 } else { 0 };
        let (head, tail) = self.fraction.split_at(self.fraction.len().min(kept));
        let part = format!("{head:0<kept$}").parse().unwrap_or(0) + u64::from(tail.bytes().any(|digit| digit != b'0'));
        i64::try_from(self.whole.checked_mul(unit)?.checked_add(part)?).ok()
    }
}

/// The next `count` digits of a text, which is moved on.
fn digits<T: std::str::FromStr>(text: &mut &str, count: usize) -> Option<T> {
    let (head, tail) = text.split_at_checked(count)?;
    if !head.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    *text = tail;
    head.parse().ok()
}

fn expect(text: &mut &str, prefix: &str) -> Option<()> {
    *text = text.strip_prefix(prefix)?;
    Some(())
}

fn timestamp(date: PrimitiveDateTime, offset: UtcOffset) -> Option<Timestamp> {
    let milliseconds = date.assume_offset(offset).unix_timestamp_nanos().div_euclid(1_000_000);
    i64::try_from(milliseconds).ok().map(Timestamp::from_unix_ms)
}

/// `2025-07-08T15:35:40.5Z`, `2025-07-08 15:35:40 -0700`, `2025-07-08T15:35+02:00`. A date without an offset could be
/// meant anywhere, and is none.
fn iso(text: &str) -> Option<Timestamp> {
    let mut text = text.trim();
    let year: i32 = digits(&mut text, 4)?;
    expect(&mut text, "-")?;
    let month: u8 = digits(&mut text, 2)?;
    expect(&mut text, "-")?;
    let day: u8 = digits(&mut text, 2)?;
    text = text.strip_prefix(['T', 't', ' '])?;
    let hour: u8 = digits(&mut text, 2)?;
    expect(&mut text, ":")?;
    let minute: u8 = digits(&mut text, 2)?;
    let mut second = 0u8;
    let mut millisecond = 0u16;
    if let Some(rest) = text.strip_prefix(':') {
        text = rest;
        second = digits(&mut text, 2)?;
        if let Some(rest) = text.strip_prefix(['.', ',']) {
            let length = rest.bytes().take_while(u8::is_ascii_digit).count();
            let (fraction, rest) = rest.split_at(length);
            millisecond = format!("{:0<3}", fraction.get(..length.min(3))?).parse().ok().filter(|_| length > 0)?;
            text = rest;
        }
    }
    let date = Date::from_calendar_date(year, Month::try_from(month).ok()?, day).ok()?;
    // A leap second is the last moment of its minute.
    let time = Time::from_hms_milli(hour, minute, second.min(59), millisecond).ok().filter(|_| second <= 60)?;
    timestamp(PrimitiveDateTime::new(date, time), offset(text)?)
}

/// `Z`, `UTC`, `GMT`, `+02:00`, `-0700`, `+02`; a space before it is allowed.
fn offset(text: &str) -> Option<UtcOffset> {
    let text = text.trim_start();
    if ["z", "utc", "gmt"].iter().any(|name| name.eq_ignore_ascii_case(text)) {
        return Some(UtcOffset::UTC);
    }
    let sign = match text.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let mut text = &text[1..];
    let hours: i8 = digits(&mut text, 2)?;
    text = text.strip_prefix(':').unwrap_or(text);
    let minutes: i8 = if text.is_empty() { 0 } else { digits(&mut text, 2)? };
    if !text.is_empty() || minutes > 59 {
        return None;
    }
    UtcOffset::from_hms(sign * hours, sign * minutes, 0).ok()
}

/// `Tue, 08 Jul 2025 15:35:40 GMT`.
fn http_date(text: &str) -> Option<Timestamp> {
    const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let (weekday, mut text) = text.trim().split_once(", ")?;
    if !DAYS.contains(&weekday) {
        return None;
    }
    let day: u8 = digits(&mut text, 2)?;
    expect(&mut text, " ")?;
    let (name, rest) = text.split_at_checked(3)?;
    let month = MONTHS.iter().position(|month| *month == name)? as u8 + 1;
    text = rest;
    expect(&mut text, " ")?;
    let year: i32 = digits(&mut text, 4)?;
    expect(&mut text, " ")?;
    let hour: u8 = digits(&mut text, 2)?;
    expect(&mut text, ":")?;
    let minute: u8 = digits(&mut text, 2)?;
    expect(&mut text, ":")?;
    let second: u8 = digits(&mut text, 2)?;
    expect(&mut text, " GMT")?;
    let date = Date::from_calendar_date(year, Month::try_from(month).ok()?, day).ok()?;
    let time = Time::from_hms(hour, minute, second.min(59)).ok().filter(|_| second <= 60 && text.is_empty())?;
    timestamp(PrimitiveDateTime::new(date, time), UtcOffset::UTC)
}
