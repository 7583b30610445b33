//! Pure decisions about whether a call may be made. No I/O: facts in, a decision out; a failing rule denies.
//!
//! [`Ledger`] remembers which ids a session has read, so that a write to an id that nobody read is refused before anything is
//! sent. [`decide()`] goes through a closed list of [`Rule`]s over [`CallFacts`]; [`decide_policy()`] asks the environment's own policy.

pub mod blast;
pub mod decide;
pub mod expect;
mod hash;
pub mod ledger;
pub mod policy;
pub mod protected;

pub use decide::{
    CallFacts, Decision, Door, MethodFacts, Role, Rule, SwitchFacts, SwitchedOff, decide, decide_token,
    problem_of_switch, requires_grounding,
};
pub use ledger::{Grounding, Ledger, Limits, Reading, Session, SessionKey};
pub use policy::{PolicyDecision, PolicyFacts, PolicyMethod, decide_policy, needs_record};
