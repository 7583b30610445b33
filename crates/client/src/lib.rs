//! A typed client of the gateway's own HTTP API: what the command line and the playbooks are built on.
//!
//! It can do nothing that the API cannot. One request is one exchange: nothing is retried here, nothing is cached. A problem
//! of the gateway arrives as [`ClientError::Problem`] with the rate limits that came with it.

mod admin;
mod approvals;
mod audit;
mod client;
mod error;
mod model;
mod models;
mod plans;
mod policy;
mod rate;
mod runs;
mod switches;
mod tools;
mod triggers;
mod watch;

pub use admin::{AuditLogQuery, NewAccount, NewToken};
pub use approvals::{Approval, ApprovalSummary, ApprovalsQuery, Card, CardRow, Vote};
pub use audit::{AuditKey, AuditPruned};
pub use client::{Answer, Client};
pub use error::ClientError;
pub use model::{
    Account, AuditEntry, Budget, BudgetWindow, CreatedEnvironment, CreatedToken, Integration, Lifecycle, ListPage,
    Page, Token,
};
pub use models::{ModelAnswer, ModelConnection, ModelUsage};
pub use plans::{Execution, NewPlan, Plan, PlanCost, PlanRow, PlanSummary, PlanTotals};
pub use policy::{BlastLimit, BlastSubject, Policy, PolicyCaseResult, PolicyTest, PolicyVersion};
pub use rate::RateHeaders;
pub use runs::{NewAgent, NewRun, Run, RunStep, RunSummary, RunsQuery};
pub use switches::{Switch, SwitchSubject};
pub use tools::{CallOptions, ToolsQuery};
pub use triggers::{CreatedTrigger, NewTrigger, TestDelivery, Trigger, TriggerChange, TriggerDelivery};
pub use watch::{RunEvent, RunHappening, RunWatch};
