//! Exit codes: part of the interface, listed in `docs/cli.md`.

/// How the program ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(crate) enum Exit {
    /// Everything was done.
    Ok = 0,
    /// It failed, for a reason that has no code of its own.
    Failed = 1,
    /// The command line is wrong; nothing was done.
    Usage = 2,
    /// Nothing, or more than one thing, has that name or address; nothing was changed.
    NotFound = 3,
    /// The gateway refused: token, rights, a guard, a sandbox.
    Refused = 4,
    /// A rate limit, and no patience left.
    RateLimited = 5,
    /// The vendor or the gateway could not be reached, or failed.
    Unreachable = 6,
    /// Done in part: bad lines, ambiguous people or failed suspensions are in the report.
    Partial = 7,
    /// The audit log does not verify.
    NotProven = 8,
    /// Interrupted by a signal.
    Interrupted = 130,
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// The codes with their meaning, for `--help` and the documentation.
pub(crate) const TABLE: &str = "\
Exit codes:
  0    done
  1    failed
  2    wrong command line; nothing was done
  3    not found, or more than one has that address; nothing was changed
  4    refused by the gateway: token, rights, a guard, a sandbox
  5    rate limited, and no patience left
  6    the vendor or the gateway cannot be reached, or fails
  7    done in part: the report says what is left
  8    the audit log does not hold: something was changed
  130  interrupted";
