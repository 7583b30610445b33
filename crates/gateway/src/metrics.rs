//! Counters for operators, in the Prometheus text format. All names stand in [`Name`].

use std::sync::atomic::{AtomicI64, AtomicU64};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Metric, Registry};
use quartermaster_store_model::Outcome;

/// Every metric, without the `_total` that the text format adds to counters.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Name {
    /// Calls by integration, method and outcome.
    Calls,
    /// Exchanges with vendors by class of status.
    UpstreamExchanges,
    /// Seconds that calls took.
    CallDuration,
    /// Seconds that exchanges with vendors took.
    UpstreamDuration,
    /// Audit records that wait.
    AuditQueueDepth,
    /// Audit records that could not be written nor kept.
    AuditLost,
    /// 1 while audit records can be written.
    AuditHealthy,
    /// Calls that ended with 429.
    RateLimited,
    /// Calls that a guard or the token's rights refused, by code.
    Refused,
    /// Requests with a token that was not accepted.
    Unauthenticated,
    /// Accounts in memory.
    AccountsCached,
    /// Compiled plans in memory.
    PlansCached,
    /// Accounts of which a rate budget is known.
    RateBudgets,
    /// Calls that an account's rate budget refused.
    RateBudgetRefused,
    /// Changes by replicas that were heard of here.
    RevisionsHeard,
    /// 1 while the changes that other replicas make are known here.
    RevisionsFollowed,
    /// Items of deliveries to triggers by what came of them.
    Deliveries,
}

impl Name {
    /// Every name.
    pub const ALL: &'static [Self] = &[
        Self::Calls,
        Self::UpstreamExchanges,
        Self::CallDuration,
        Self::UpstreamDuration,
        Self::AuditQueueDepth,
        Self::AuditLost,
        Self::AuditHealthy,
        Self::RateLimited,
        Self::Refused,
        Self::Unauthenticated,
        Self::AccountsCached,
        Self::PlansCached,
        Self::RateBudgets,
        Self::RateBudgetRefused,
        Self::RevisionsHeard,
        Self::RevisionsFollowed,
        Self::Deliveries,
    ];

    /// The name as it is registered.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Calls => "qm_calls",
            Self::UpstreamExchanges => "qm_upstream_exchanges",
            Self::CallDuration => "qm_call_duration_seconds",
            Self::UpstreamDuration => "qm_upstream_duration_seconds",
            Self::AuditQueueDepth => "qm_audit_queue_depth",
            Self::AuditLost => "qm_audit_lost",
            Self::AuditHealthy => "qm_audit_healthy",
            Self::RateLimited => "qm_rate_limited",
            Self::Refused => "qm_refused",
            Self::Unauthenticated => "qm_unauthenticated",
            Self::AccountsCached => "qm_accounts_cached",
            Self::PlansCached => "qm_plans_cached",
            Self::RateBudgets => "qm_rate_budgets",
            Self::RateBudgetRefused => "qm_rate_budget_refused",
            Self::RevisionsHeard => "qm_revisions_heard",
            Self::RevisionsFollowed => "qm_revisions_followed",
            Self::Deliveries => "qm_deliveries",
        }
    }

    const fn help(self) -> &'static str {
        match self {
            Self::Calls => "Calls by integration, method and outcome",
            Self::UpstreamExchanges => "Exchanges with vendors by class of status",
            Self::CallDuration => "Time from a call's arrival to its answer",
            Self::UpstreamDuration => "Time of single exchanges with vendors",
            Self::AuditQueueDepth => "Audit records that wait to be written",
            Self::AuditLost => "Audit records that could be neither written nor kept in memory",
            Self::AuditHealthy => "1 while audit records can be written, else 0",
            Self::RateLimited => "Calls that ended with status 429",
            Self::Refused => "Calls that were refused before anything was sent, by problem code",
            Self::Unauthenticated => "Requests whose token was not accepted",
            Self::AccountsCached => "Accounts held in memory",
            Self::PlansCached => "Compiled plans held in memory",
            Self::RateBudgets => "Accounts whose vendor tells its limits",
            Self::RateBudgetRefused => "Calls that were refused before they were sent, because nothing was left",
            Self::RevisionsHeard => {
                "Changes of tokens, accounts, overrides and policies that were heard from the database"
            }
            Self::Deliveries => "Items of deliveries to triggers, and scheduled times, by what came of them",
            Self::RevisionsFollowed => "1 while the changes that other replicas make are known, else 0",
        }
    }
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct CallLabels {
    integration: String,
    method: String,
    outcome: &'static str,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct StatusLabels {
    status: &'static str,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct CodeLabels {
    code: &'static str,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct DeliveryLabels {
    outcome: &'static str,
}

/// The counters of one method: found once per plan, so that a call looks up no labels.
#[derive(Clone, Debug)]
pub(crate) struct MethodMetrics {
    outcomes: [Counter; 4],
}

impl MethodMetrics {
    pub(crate) fn count(&self, outcome: Outcome) {
        self.outcomes[match outcome {
            Outcome::Ok => 0,
            Outcome::Unchanged => 1,
            Outcome::Refused => 2,
            Outcome::Failed => 3,
        }]
        .inc();
    }
}

/// All counters.
pub(crate) struct Metrics {
    registry: Registry,
    calls: Family<CallLabels, Counter>,
    exchanges: [Counter; 5],
    refused: Family<CodeLabels, Counter>,
    pub(crate) call_duration: Histogram,
    upstream_duration: Histogram,
    pub(crate) audit_queue_depth: Gauge<i64, AtomicI64>,
    pub(crate) audit_healthy: Gauge<i64, AtomicI64>,
    pub(crate) audit_lost: Counter<u64, AtomicU64>,
    pub(crate) rate_limited: Counter,
    pub(crate) unauthenticated: Counter,
    pub(crate) accounts_cached: Gauge,
    pub(crate) plans_cached: Gauge,
    pub(crate) rate_budgets: Gauge,
    pub(crate) rate_budget_refused: Counter,
    pub(crate) revisions_heard: Counter,
    pub(crate) revisions_followed: Gauge,
    deliveries: Family<DeliveryLabels, Counter>,
}

fn add(registry: &mut Registry, name: Name, metric: impl Metric) {
    registry.register(name.as_str(), name.help(), metric);
}

/// Seconds; from a tenth of a millisecond to the call deadline.
const DURATION_BUCKETS: [f64; 14] =
    [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.25, 1.0, 5.0, 20.0, 60.0];

impl Metrics {
    pub(crate) fn new() -> Self {
        let status = Family::<StatusLabels, Counter>::default();
        let counter = |name: &'static str| status.get_or_create_owned(&StatusLabels { status: name });
        let metrics = Self {
            registry: Registry::default(),
            calls: Family::default(),
            exchanges: ["2xx", "3xx", "4xx", "5xx", "none"].map(counter),
            refused: Family::default(),
            call_duration: Histogram::new(DURATION_BUCKETS),
            upstream_duration: Histogram::new(DURATION_BUCKETS),
            audit_queue_depth: Gauge::default(),
            audit_healthy: Gauge::default(),
            audit_lost: Counter::default(),
            rate_limited: Counter::default(),
            unauthenticated: Counter::default(),
            accounts_cached: Gauge::default(),
            plans_cached: Gauge::default(),
            rate_budgets: Gauge::default(),
            rate_budget_refused: Counter::default(),
            revisions_heard: Counter::default(),
            revisions_followed: Gauge::default(),
            deliveries: Family::default(),
        };
        metrics.audit_healthy.set(1);
        metrics.register(status)
    }

    fn register(mut self, status: Family<StatusLabels, Counter>) -> Self {
        let registry = &mut self.registry;
        add(registry, Name::Calls, self.calls.clone());
        add(registry, Name::UpstreamExchanges, status);
        add(registry, Name::CallDuration, self.call_duration.clone());
        add(registry, Name::UpstreamDuration, self.upstream_duration.clone());
        add(registry, Name::AuditQueueDepth, self.audit_queue_depth.clone());
        add(registry, Name::AuditLost, self.audit_lost.clone());
        add(registry, Name::AuditHealthy, self.audit_healthy.clone());
        add(registry, Name::RateLimited, self.rate_limited.clone());
        add(registry, Name::Refused, self.refused.clone());
        add(registry, Name::Unauthenticated, self.unauthenticated.clone());
        add(registry, Name::AccountsCached, self.accounts_cached.clone());
        add(registry, Name::PlansCached, self.plans_cached.clone());
        add(registry, Name::RateBudgets, self.rate_budgets.clone());
        add(registry, Name::RateBudgetRefused, self.rate_budget_refused.clone());
        add(registry, Name::RevisionsHeard, self.revisions_heard.clone());
        add(registry, Name::RevisionsFollowed, self.revisions_followed.clone());
        add(registry, Name::Deliveries, self.deliveries.clone());
        self
    }

    /// Counts an item of a delivery.
    pub(crate) fn delivery(&self, outcome: quartermaster_store_model::DeliveryOutcome) {
        self.deliveries.get_or_create_owned(&DeliveryLabels { outcome: outcome.as_str() }).inc();
    }

    /// The counters of one method.
    pub(crate) fn method(&self, integration: &str, method: &str) -> MethodMetrics {
        let outcomes = ["ok", "unchanged", "refused", "failed"].map(|outcome| {
            self.calls.get_or_create_owned(&CallLabels {
                integration: integration.to_owned(),
                method: method.to_owned(),
                outcome,
            })
        });
        MethodMetrics { outcomes }
    }

    /// Counts one exchange with a vendor.
    pub(crate) fn exchange(&self, status: Option<u16>, duration_ms: u64) {
        let class = match status {
            Some(200..=299) => 0,
            Some(300..=399) => 1,
            Some(400..=499) => 2,
            Some(_) => 3,
            None => 4,
        };
        self.exchanges[class].inc();
        self.upstream_duration.observe(duration_ms as f64 / 1000.0);
    }

    /// Counts a call that was refused before anything was sent.
    pub(crate) fn refused(&self, code: quartermaster_types::Code) {
        self.refused.get_or_create(&CodeLabels { code: code.as_str() }).inc();
    }

    /// The Prometheus text format.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        if encode(&mut text, &self.registry).is_err() {
            tracing::error!("metrics do not encode");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_in_the_text() {
        let metrics = Metrics::new();
        metrics.method("demo", "users.list").count(Outcome::Ok);
        metrics.exchange(Some(200), 3);
        metrics.refused(quartermaster_types::Code::UngroundedId);
        metrics.delivery(quartermaster_store_model::DeliveryOutcome::Started);
        let text = metrics.text();
        for name in Name::ALL {
            assert!(text.contains(name.as_str()), "{} is missing", name.as_str());
        }
        assert!(text.contains("qm_calls_total{integration=\"demo\",method=\"users.list\",outcome=\"ok\"} 1"), "{text}");
        assert!(text.contains("qm_upstream_exchanges_total{status=\"2xx\"} 1"), "{text}");
    }
}
