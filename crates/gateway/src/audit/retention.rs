//! Dropping old records so that the rest of the chain still verifies.

use std::sync::Arc;

use quartermaster_store_model::StoreError;
use quartermaster_store_model::audit_chain::{CheckpointKind, Hash, Line, Record, Trusted, Verifier};
use quartermaster_store_model::chain::AuditPrune;
use quartermaster_types::{Code, EnvironmentId, Problem, RequestId, Timestamp};

use super::export::merged;
use crate::limits::{AUDIT_PRUNE_MAX, AUDIT_PRUNE_READ};
use crate::{Actor, Gateway, storage_problem};

/// What was dropped.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Pruned {
    /// How many records of the chain.
    pub count: i64,
    /// The first; `None` when there was nothing to drop.
    pub first: Option<i64>,
    /// The last.
    pub through: Option<i64>,
    /// Records from before the chain that went with them.
    pub unchained: i64,
    /// Whether older ones are left, because of [`AUDIT_PRUNE_MAX`]: ask again.
    pub more: bool,
}

/// The last record that is to go.
#[derive(Clone, Copy)]
struct Cut {
    through: i64,
    hash: Hash,
    more: bool,
}

impl Gateway {
    /// Drops the records from before `before`, oldest first and at most [`AUDIT_PRUNE_MAX`] of them, and leaves a signed statement on
    /// them from which the rest verifies (admins whose token is not narrowed).
    ///
    /// What is to go is verified first: a log that was tampered with is not dropped, so that the traces stay.
    pub async fn prune_audit(
        &self,
        actor: &Arc<Actor>,
        request_id: RequestId,
        before: Timestamp,
    ) -> Result<Pruned, Problem> {
        self.require_administrator(actor, "drop a part of the audit log").await?;
        let environment = actor.environment_id;
        let chain = self.chain(environment).await?;
        let Some(cut) = self.verified_cut(environment, before).await? else {
            return Ok(Pruned { count: 0, first: None, through: None, unchained: 0, more: false });
        };
        let key = self.audit_key(environment).await?;
        let first = chain.pruned + 1;
        let statement = self.signed(&key, environment, CheckpointKind::Prune, first, cut.through, &cut.hash, 0);
        let pruned = Pruned {
            count: statement.count,
            first: Some(first),
            through: Some(cut.through),
            unchained: chain.unchained,
            more: cut.more,
        };
        let audit = self
            .change(actor, request_id, "audit_log.prune")
            .before(&serde_json::json!({"first": first, "unchained": chain.unchained}))
            .after(&serde_json::json!({"first": cut.through + 1, "unchained": 0, "before": before}))
            .row();
        let prune = AuditPrune { environment_id: environment, statement, audit };
        self.inner.store.prune_audit(&prune).await.map_err(|error| match error {
            StoreError::Stale => {
                Problem::caller(Code::Conflict, "A part of the audit log was dropped by somebody else meanwhile.")
                    .with_hint("Ask again.")
            }
            other => storage_problem(other),
        })?;
        Ok(pruned)
    }

    /// Reads from the beginning as far as records are from before this time, and verifies what it reads.
    async fn verified_cut(&self, environment: EnvironmentId, before: Timestamp) -> Result<Option<Cut>, Problem> {
        let mut verifier = Verifier::new(Trusted::default());
        verifier.line(&Line::Chain(self.header(environment).await?));
        let mut place = 0;
        loop {
            let lines = self.prune_lines(environment, place).await?;
            let Some(Line::Checkpoint(last)) = lines.last() else { break };
            place = last.sequence;
            for line in &lines {
                verifier.line(line);
            }
        }
        let mut cut: Option<Cut> = None;
        let mut after = None;
        'pages: loop {
            let part = self.inner.store.read_audit_chain(environment, after, AUDIT_PRUNE_READ).await;
            let part = part.map_err(storage_problem)?;
            after = part.records.last().and_then(|record| record.sequence);
            let is_last = part.records.len() < AUDIT_PRUNE_READ as usize;
            for line in merged(part) {
                if let Line::Record(record) = &line {
                    if record.at >= before {
                        break 'pages;
                    }
                    if verifier.records() >= AUDIT_PRUNE_MAX {
                        cut = cut.map(|cut| Cut { more: true, ..cut });
                        break 'pages;
                    }
                    cut = cut_at(record);
                }
                verifier.line(&line);
            }
            if is_last {
                break;
            }
        }
        let report = verifier.so_far();
        match report.findings.first() {
            None => Ok(cut),
            Some(finding) => {
                let detail = format!("The records do not verify, so none was dropped: {}.", finding.detail);
                Err(Problem::gateway(Code::PreconditionFailed, detail)
                    .with_hint("Export the log, find out who changed it, and keep the export."))
            }
        }
    }
}

fn cut_at(record: &Record) -> Option<Cut> {
    Some(Cut { through: record.sequence?, hash: record.hash?, more: false })
}
