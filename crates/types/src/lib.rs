//! Types that two or more crates share: typed ids, the clock, rate limits, problems, and what runs are told in.
//!
//! No I/O and no async here. Wire shapes that only the HTTP API knows live in `api`; rows live in `store-model`.

pub mod approval;
pub mod clock;
pub mod id;
pub mod problem;
pub mod rate_limit;
pub mod run;

pub use approval::{ApprovalNotice, ApprovalState};
pub use clock::{Clock, Timestamp};
pub use id::{
    AccountId, ApprovalId, AuditId, DeliveryId, EnvironmentId, IdSource, ModelId, PlanId, RequestId, RunId, TokenId,
    TriggerId,
};
pub use problem::{Code, FieldError, NextCall, Origin, Problem, UpstreamExcerpt};
pub use rate_limit::{RateLimits, RatePolicy, RateWindow};
