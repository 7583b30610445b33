//! Blast radius at the doors: a change is counted before it is sent, and taken out of the count when nothing was changed.

use quartermaster_definition::MethodKind;
use quartermaster_definition::policy::{BlastLimit, Per, Policy, Room};
use quartermaster_engine::{Answer, Failure, ListAnswer};
use quartermaster_guard::PolicyFacts;
use quartermaster_guard::blast::{Full, Towards, limits_of, told, towards};
use quartermaster_store_model::{Blast, BlastReservation, BlastUse, DirectorySizeRow, Role};
use quartermaster_types::{Code, NextCall, Problem, Timestamp};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::Guarded;
use super::door::says_something;
use crate::accounts::AccountEntry;
use crate::call::Prepared;
use crate::limits::{BLAST_SUBJECTS_SHOWN_MAX, DIRECTORY_SIZE_TRUSTED_FOR};
use crate::page::Page;
use crate::{Actor, Gateway, rights, storage_problem};

/// A change that is counted.
pub(crate) struct Counted {
    id: Uuid,
    uses: Vec<BlastUse>,
    /// Whether no earlier attempt at the same change was counted: only then is it known that nothing was changed when this one
    /// changes nothing.
    is_new: bool,
}

/// How much of a limit has been used.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct BlastView {
    /// The limit's name.
    pub limit: String,
    /// Whom it counts for.
    pub per: Per,
    /// The window.
    pub within_seconds: Option<u64>,
    /// How many changes it allows; `None` for a share.
    pub max: Option<u64>,
    /// Which part of the directory it allows; `None` for a number.
    pub share: Option<f64>,
    /// Those who have used most of it, at most [`BLAST_SUBJECTS_SHOWN_MAX`].
    pub subjects: Vec<BlastSubjectView>,
}

/// How much one of them has used.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct BlastSubjectView {
    /// `run:…`, `session:…`, `token:…`, `account:…` or `environment`; of a share with the directory besides.
    pub subject: String,
    /// Changes that count now.
    pub used: u64,
    /// The oldest of them.
    pub first_at: Timestamp,
    /// The newest.
    pub last_at: Timestamp,
    /// When the oldest leaves the window.
    pub frees_at: Option<Timestamp>,
}

impl Gateway {
    /// Counts a change towards every limit that is about it, before it is sent. Where one is full, it is refused and counted
    /// nowhere. No SQL where no limit is about it.
    pub(crate) async fn count_change(
        &self,
        actor: &Actor,
        prepared: &Prepared,
        guarded: &mut Guarded,
    ) -> Option<Counted> {
        let name = prepared.method().full_name();
        let facts = self.facts_of_call(actor, prepared, &name);
        let id = match &prepared.idempotency_key {
            Some(key) => id_of(actor, key),
            None => self.request_id().0,
        };
        self.count(actor, &facts, id, Some(prepared), guarded).await
    }

    /// The same for a raw call. `method_name`: `custom.post`.
    pub(crate) async fn count_raw_change(
        &self,
        actor: &Actor,
        entry: &AccountEntry,
        method_name: &str,
        arguments: &Map<String, Value>,
        guarded: &mut Guarded,
    ) -> Option<Counted> {
        let facts = self.facts_of(actor, entry, quartermaster_guard::Door::Custom, arguments);
        let facts = PolicyFacts { method_name, ..facts };
        self.count(actor, &facts, self.request_id().0, None, guarded).await
    }

    async fn count(
        &self,
        actor: &Actor,
        facts: &PolicyFacts<'_>,
        id: Uuid,
        prepared: Option<&Prepared>,
        guarded: &mut Guarded,
    ) -> Option<Counted> {
        let in_force = match self.policy_in_force(actor.environment_id).await {
            Ok(in_force) => in_force,
            Err(problem) => {
                guarded.result = Err(problem.into());
                return None;
            }
        };
        let limits = limits_in(&in_force, facts, guarded)?;
        let size = match self.size_for(actor, facts, &limits).await {
            Ok(size) => size,
            Err(problem) => {
                guarded.result = Err(problem.into());
                return None;
            }
        };
        let all: Vec<Towards<'_>> = limits.iter().map(|limit| towards(limit, facts, size)).collect();
        let version = in_force.version;
        let full = |limit, max, used, frees| {
            let called = facts.method.map_or("A raw call", |method| method.tool);
            let full = Full { limit, max, used, frees };
            full.problem(called, version, facts.now, prepared.and_then(list_of))
        };
        if let Some(place) = all.iter().position(|towards| towards.max.is_none()) {
            let limit = limits[place];
            guarded.note(version, "blast_radius", vec![told(limit, 0, None)].into());
            guarded.refuse(version, &limit.name, limit.because.as_deref(), full(limit, None, 0, None));
            return None;
        }
        let uses: Vec<BlastUse> = all.iter().map(as_use).collect();
        let environment_id = actor.environment_id;
        let reservation = BlastReservation { environment_id, id, at: facts.now, uses };
        match self.inner.store.reserve_blast(&reservation).await {
            Ok(Blast::Counted { used, is_new }) => {
                let each = limits.iter().zip(&all).zip(&used);
                let each = each.map(|((limit, towards), used)| told(limit, used.saturating_sub(1), towards.max));
                guarded.note(version, "blast_radius", each.collect());
                Some(Counted { id, uses: reservation.uses, is_new })
            }
            Ok(Blast::Full { place, used, frees }) => {
                let (limit, max) = (limits[place], all[place].max);
                guarded.note(version, "blast_radius", vec![told(limit, used, max)].into());
                guarded.refuse(version, &limit.name, limit.because.as_deref(), full(limit, max, used, frees));
                None
            }
            Err(error) => {
                guarded.result = Err(storage_problem(error).into());
                None
            }
        }
    }

    /// What counting would say; nothing is counted.
    pub(crate) async fn rehearse_count(&self, actor: &Actor, prepared: &Prepared, guarded: &mut Guarded) {
        let name = prepared.method().full_name();
        let facts = self.facts_of_call(actor, prepared, &name);
        if let Err(problem) = self.look_ahead(actor, prepared, &facts, guarded).await {
            guarded.result = Err(problem.into());
        }
    }

    async fn look_ahead(
        &self,
        actor: &Actor,
        prepared: &Prepared,
        facts: &PolicyFacts<'_>,
        guarded: &mut Guarded,
    ) -> Result<(), Problem> {
        let in_force = self.policy_in_force(actor.environment_id).await?;
        let Some(limits) = limits_in(&in_force, facts, guarded) else { return Ok(()) };
        let size = self.size_for(actor, facts, &limits).await?;
        let (mut all, mut refused) = (Vec::new(), None);
        for limit in limits {
            let towards = towards(limit, facts, size);
            let counted = self.inner.store.count_blast(actor.environment_id, &as_use(&towards)).await;
            let used = counted.map_err(storage_problem)?;
            all.push(told(limit, used, towards.max));
            if refused.is_none() && towards.max.is_none_or(|max| used >= max) {
                let full = Full { limit, max: towards.max, used, frees: None };
                let problem =
                    full.problem(&prepared.method().tool_name, in_force.version, facts.now, list_of(prepared));
                refused = Some((limit, problem));
            }
        }
        guarded.note(in_force.version, "blast_radius", all.into());
        if let Some((limit, problem)) = refused {
            guarded.refuse(in_force.version, &limit.name, limit.because.as_deref(), problem);
        }
        Ok(())
    }

    /// Takes a change out of the count when it is known that nothing was changed.
    pub(crate) async fn settle_count(
        &self,
        actor: &Actor,
        counted: Option<Counted>,
        executed: &Result<Answer, Failure>,
    ) {
        let changed_nothing = match executed {
            Ok(Answer::Single(single)) => single.changed == Some(false),
            Ok(Answer::List(_)) => false,
            Err(failure) => changed_nothing(failure),
        };
        self.take_out(actor, counted, changed_nothing).await;
    }

    /// The same after a raw call: the status of the answer, when there was one.
    pub(crate) async fn settle_raw_count(
        &self,
        actor: &Actor,
        counted: Option<Counted>,
        status: Result<u16, &Failure>,
    ) {
        let changed_nothing = match status {
            Ok(status) => (400..500).contains(&status),
            Err(failure) => changed_nothing(failure),
        };
        self.take_out(actor, counted, changed_nothing).await;
    }

    async fn take_out(&self, actor: &Actor, counted: Option<Counted>, changed_nothing: bool) {
        let Some(counted) = counted.filter(|counted| changed_nothing && counted.is_new) else { return };
        let released = self.inner.store.release_blast(actor.environment_id, counted.id, &counted.uses).await;
        if let Err(error) = released {
            // It stays counted: that errs on the safe side.
            tracing::warn!(%error, "a change that was not made could not be taken out of the count");
        }
    }

    /// How many records the directory has, where a limit is a share of it.
    async fn size_for(
        &self,
        actor: &Actor,
        facts: &PolicyFacts<'_>,
        limits: &[&BlastLimit],
    ) -> Result<Option<u64>, Problem> {
        let is_share = |limit: &&BlastLimit| matches!(limit.room, Room::Share(_));
        let (true, Some(method)) = (limits.iter().any(is_share), facts.method) else { return Ok(None) };
        let found = self.inner.store.find_directory_size(actor.environment_id, facts.account, method.resource).await;
        let oldest = facts.now.plus_ms(-(DIRECTORY_SIZE_TRUSTED_FOR.as_millis() as i64));
        Ok(found.map_err(storage_problem)?.filter(|row| row.at >= oldest).map(|row| row.records))
    }

    /// Remembers how many records a directory has when a list has just come to its end, where a limit is a share of it.
    /// `walked`: records before this page; `None` when the vendor filtered.
    pub(crate) async fn learn_size(&self, actor: &Actor, prepared: &Prepared, list: &ListAnswer) {
        let (Some(walked), None, false) = (prepared.cursor.walked(), &list.next, list.is_partial) else { return };
        let Ok(in_force) = self.policy_in_force(actor.environment_id).await else { return };
        let is_share = |limit: &BlastLimit| matches!(limit.room, Room::Share(_));
        if !in_force.policy.as_ref().is_ok_and(|policy| policy.blast_radius.iter().any(is_share)) {
            return;
        }
        let row = DirectorySizeRow {
            environment_id: actor.environment_id,
            account_id: prepared.entry.id,
            resource: prepared.method().resource.clone(),
            records: walked + list.scanned.unwrap_or(list.count),
            at: self.inner.clock.now(),
        };
        if let Err(error) = self.inner.store.put_directory_size(&row).await {
            tracing::warn!(%error, "the size of a directory could not be remembered");
        }
    }

    /// How much of each limit of the policy has been used (admin and auditor).
    pub async fn blast_radius(&self, actor: &std::sync::Arc<Actor>) -> Result<Page<BlastView>, Problem> {
        rights::require_role(actor, &[Role::Admin, Role::Auditor], "read what was counted")?;
        let in_force = self.policy_in_force(actor.environment_id).await?;
        let now = self.inner.clock.now();
        let limits = says_something(&in_force)?.map_or(&[][..], |policy: &Policy| &policy.blast_radius);
        let mut views = Vec::with_capacity(limits.len());
        for limit in limits {
            let since = limit.within_seconds.map(|seconds| now.plus_ms(-(seconds as i64) * 1000));
            let store = &self.inner.store;
            let used = store.list_blast_uses(actor.environment_id, &limit.name, since, BLAST_SUBJECTS_SHOWN_MAX).await;
            let subjects = used.map_err(storage_problem)?.into_iter().map(|usage| BlastSubjectView {
                frees_at: limit.within_seconds.map(|seconds| usage.first_at.plus_ms(seconds as i64 * 1000)),
                subject: usage.subject,
                used: usage.used,
                first_at: usage.first_at,
                last_at: usage.last_at,
            });
            let (max, share) = match limit.room {
                Room::Max(max) => (Some(max), None),
                Room::Share(parts) => (None, Some(parts as f64 / quartermaster_definition::policy::SHARE_WHOLE as f64)),
            };
            views.push(BlastView {
                limit: limit.name.clone(),
                per: limit.per,
                within_seconds: limit.within_seconds,
                max,
                share,
                subjects: subjects.collect(),
            });
        }
        Ok(Page::whole(views))
    }
}

/// The limits that are about a call; `None` when there are none, or when the policy cannot be read, which refuses.
fn limits_in<'p>(
    in_force: &'p super::InForce,
    facts: &PolicyFacts<'_>,
    guarded: &mut Guarded,
) -> Option<Vec<&'p BlastLimit>> {
    match says_something(in_force) {
        Ok(policy) => policy.map(|policy| limits_of(policy, facts)).filter(|limits| !limits.is_empty()),
        Err(problem) => {
            guarded.result = Err(problem.into());
            None
        }
    }
}

fn as_use(towards: &Towards<'_>) -> BlastUse {
    BlastUse {
        limit: towards.limit.to_owned(),
        subject: towards.subject.clone(),
        since: towards.since,
        max: towards.max.unwrap_or(0),
    }
}

/// The change that a key stands for: made again, it is the same one.
fn id_of(actor: &Actor, key: &str) -> Uuid {
    let hash = quartermaster_vault::sha256(&[b"change", actor.token_id.0.as_bytes(), key.as_bytes()]);
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash[..16]);
    Uuid::from_bytes(bytes)
}

/// Whether a failure says that the vendor changed nothing: it was not asked, or it refused.
fn changed_nothing(failure: &Failure) -> bool {
    let is_refusal = matches!(
        failure.problem.code(),
        Code::RateLimited
            | Code::NotFound
            | Code::PermissionDenied
            | Code::Conflict
            | Code::AlreadyInState
            | Code::PreconditionFailed
            | Code::UpstreamRejected
            | Code::UpstreamForbidden
            | Code::AccountNeedsReauth
    );
    failure.upstream_calls == 0 || (is_refusal && !failure.is_accepted)
}

/// The list that tells how many records there are.
fn list_of(prepared: &Prepared) -> Option<NextCall> {
    let resource = prepared.entry.plan.plan.resources.get(&prepared.method().resource)?;
    let list = resource.methods.values().find(|method| method.kind == MethodKind::List)?;
    Some(NextCall { tool: list.tool_name.clone(), arguments: Map::new() })
}
