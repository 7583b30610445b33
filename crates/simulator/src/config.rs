//! What a simulator can be told.

use std::net::SocketAddr;
use std::str::FromStr;
use std::time::Duration;

/// The simulators that there are, by name.
pub const SIMULATORS: &[&str] = &["1password"];

/// The largest directory.
pub const USERS_MAX: usize = 1_000_000;

/// Everything that can be chosen. [`Config::default`] is a healthy account with 1,200 people and no rate limit.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where to listen; port 0 for any.
    pub listen: SocketAddr,
    /// People in the directory, at most [`USERS_MAX`]; fixtures included.
    pub users: usize,
    /// Seed of names, ids, tokens and faults.
    pub seed: u64,
    /// Requests in a window; `None` for no limit. The token endpoint has a bucket of its own with the same size.
    pub rate_limit: Option<RateLimit>,
    /// How limits are told.
    pub rate_headers: RateHeaders,
    /// The shape of error bodies.
    pub error_shape: ErrorShape,
    /// Wait before each answer.
    pub latency: Duration,
    /// Probability of a fault in an answer, 0 to 1.
    pub faults: f64,
    /// How the last page says that it is the last.
    pub end_of_list: EndOfList,
    /// What a caller sees of a thing that it may not see.
    pub obfuscation: Obfuscation,
    /// Whether a request without `User-Agent` is refused.
    pub require_user_agent: bool,
    /// Whether automated provisioning is turned on, so that people cannot be changed here.
    pub provisioning: bool,
    /// What the OAuth application may do; all when `None`.
    pub permissions: Option<Vec<crate::Operation>>,
    /// Lifetime of access tokens in seconds; the documentation says 900.
    pub token_lifetime_seconds: u64,
    /// How many further people have an e-mail address that somebody else has too (`twin.N@company.com`).
    pub twins: usize,
    /// Whether requests are written down for [`crate::Control::seen`].
    pub record: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            users: 1200,
            seed: 1,
            rate_limit: None,
            rate_headers: RateHeaders::None,
            error_shape: ErrorShape::Status,
            latency: Duration::ZERO,
            faults: 0.0,
            end_of_list: EndOfList::Absent,
            obfuscation: Obfuscation::NotFound,
            require_user_agent: false,
            provisioning: false,
            permissions: None,
            token_lifetime_seconds: 900,
            twins: 0,
            record: false,
        }
    }
}

/// A choice that does not parse.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ConfigError(String);

/// So many requests in so long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimit {
    /// Requests in a window.
    pub requests: u64,
    /// The window.
    pub window: Duration,
}

impl FromStr for RateLimit {
    type Err = ConfigError;

    /// `600/60s`, `5/10s`, `30000/1h`.
    fn from_str(text: &str) -> Result<Self, ConfigError> {
        let wrong =
            || ConfigError(format!("`{text}` is not a rate limit: write REQUESTS/WINDOW, for instance 600/60s"));
        let (requests, window) = text.split_once('/').ok_or_else(wrong)?;
        let requests = requests.trim().parse().map_err(|_| wrong())?;
        let window = parse_duration(window.trim()).map_err(|_| wrong())?;
        if requests == 0 || window < Duration::from_secs(1) {
            return Err(ConfigError(format!("`{text}`: at least 1 request in at least 1s")));
        }
        Ok(Self { requests, window })
    }
}

/// `20ms`, `10s`, `1h`; a bare `0` too.
pub fn parse_duration(text: &str) -> Result<Duration, ConfigError> {
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    humantime::parse_duration(text).map_err(|error| ConfigError(format!("`{text}` is not a duration: {error}")))
}

macro_rules! choice {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub enum $name { $($(#[$variant_doc])* $variant),+ }

        impl $name {
            /// The names that [`FromStr`] takes.
            pub const NAMES: &'static [&'static str] = &[$($text),+];
        }

        impl FromStr for $name {
            type Err = ConfigError;

            fn from_str(text: &str) -> Result<Self, ConfigError> {
                match text {
                    $($text => Ok(Self::$variant),)+
                    _ => Err(ConfigError(format!("`{text}` is not one of {}", Self::NAMES.join(", ")))),
                }
            }
        }
    };
}

choice! {
    /// How limits are told. 1Password documents no header for the Users API, so every dialect has to be expected.
    RateHeaders {
        /// A 429 says nothing more.
        None = "none",
        /// `Retry-After` on a 429.
        RetryAfter = "retry-after",
        /// `RateLimit-Limit`, `RateLimit-Remaining`, `RateLimit-Reset` (delta seconds) on every answer.
        Trio = "trio",
        /// `RateLimit` and `RateLimit-Policy` as structured fields on every answer.
        Structured = "structured",
    }
}

choice! {
    /// The shape of error bodies; which one the real service uses is not documented.
    ErrorShape {
        /// `{"code":3,"message":"…","details":[]}`.
        Status = "status",
        /// `{"error":{"code":400,"message":"…","status":"INVALID_ARGUMENT"}}`.
        Error = "error",
        /// `{"code":"invalid_argument","message":"…"}`.
        Plain = "plain",
        /// No body at all.
        Empty = "empty",
    }
}

choice! {
    /// How the last page says that it is the last: "`next_page_token`, if available".
    EndOfList {
        /// The member is not there.
        Absent = "absent",
        /// It is null.
        Null = "null",
        /// It is an empty text.
        Empty = "empty",
    }
}

choice! {
    /// What a caller sees of an account or a person that it may not see.
    Obfuscation {
        /// 404.
        NotFound = "not-found",
        /// 403.
        Forbidden = "forbidden",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rate_limits_parse() {
        assert_eq!("600/60s".parse(), Ok(RateLimit { requests: 600, window: Duration::from_secs(60) }));
        assert_eq!("5/1m".parse(), Ok(RateLimit { requests: 5, window: Duration::from_secs(60) }));
        for wrong in ["", "600", "600/", "/60s", "0/60s", "x/60s", "1/0s", "1/10ms", "-1/60s"] {
            assert!(wrong.parse::<RateLimit>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn choices_name_what_there_is() {
        assert_eq!("trio".parse(), Ok(RateHeaders::Trio));
        let error = "tri".parse::<RateHeaders>().expect_err("not a choice");
        assert_eq!(error.to_string(), "`tri` is not one of none, retry-after, trio, structured");
    }
}
