//! The audit log as its export's lines, page by page, and the public key that they are checked with.

use std::sync::Arc;

use quartermaster_store_model::Role;
use quartermaster_store_model::audit_chain::{Head, Header, Hex, Line, PublicKey};
use quartermaster_store_model::chain::{AuditChainPart, FIRST_AUDIT_ID};
use quartermaster_types::{AuditId, Code, EnvironmentId, Problem};
use uuid::Uuid;

use crate::limits::AUDIT_PRUNES_ON_PAGE_MAX;
use crate::page::{self, Page, PageQuery};
use crate::{Actor, Gateway, rights, storage_problem, vault_problem};

/// The key of an environment's audit log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct AuditKeyView {
    /// Environment.
    pub environment_id: EnvironmentId,
    /// Always `ed25519`.
    pub algorithm: &'static str,
    /// The public half, 64 hexadecimal digits.
    pub public_key: PublicKey,
}

/// Where a page of the export begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// The first line; after it the prunes after this record.
    Prunes(i64),
    /// The records after this one; `None`: from the first.
    Records(Option<i64>),
    /// The records from before the chain, after this one.
    Unchained(AuditId),
}

impl Place {
    fn encode(self) -> Vec<u8> {
        let (kind, value): (u8, Vec<u8>) = match self {
            Self::Prunes(after) => (0, after.to_be_bytes().to_vec()),
            Self::Records(None) => (1, Vec::new()),
            Self::Records(Some(after)) => (1, after.to_be_bytes().to_vec()),
            Self::Unchained(after) => (2, after.0.as_bytes().to_vec()),
        };
        [vec![kind], value].concat()
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let number = |value: &[u8]| value.try_into().ok().map(i64::from_be_bytes);
        match bytes.split_first()? {
            (0, value) => number(value).map(Self::Prunes),
            (1, []) => Some(Self::Records(None)),
            (1, value) => number(value).map(|after| Self::Records(Some(after))),
            (2, value) => Uuid::from_slice(value).ok().map(|id| Self::Unchained(AuditId(id))),
            _ => None,
        }
    }
}

impl Gateway {
    /// One page of the lines of the exported log, in the order of an export (admin and auditor; not narrowed to accounts).
    ///
    /// `limit` counts records. The last page ends with [`Line::End`].
    pub async fn export_audit(&self, actor: &Arc<Actor>, page: &PageQuery) -> Result<Page<Line>, Problem> {
        whole_log(actor)?;
        let environment = actor.environment_id;
        let name = environment.to_string();
        let context: [&[u8]; 2] = [name.as_bytes(), b"audit export"];
        let limit = page::limit(page)?;
        let place = match page.next_cursor.as_deref() {
            None => None,
            Some(cursor) => {
                let bytes = page::open_cursor(&self.inner.cursors, &context, cursor)?;
                Some(Place::decode(&bytes).ok_or_else(page::foreign_cursor)?)
            }
        };
        let (lines, next) = match place {
            None => {
                let header = Line::Chain(self.header(environment).await?);
                let (lines, next) = self.prunes(environment, 0, limit).await?;
                (std::iter::once(header).chain(lines).collect(), next)
            }
            Some(Place::Prunes(after)) => self.prunes(environment, after, limit).await?,
            Some(Place::Records(after)) => self.records(environment, after, limit).await?,
            Some(Place::Unchained(after)) => self.unchained(environment, after, limit).await?,
        };
        let next = next.map(|place| self.inner.cursors.seal(&context, &place.encode()).map_err(vault_problem));
        Ok(Page { result_count: lines.len(), result: lines, next_cursor: next.transpose()?, prev_cursor: None })
    }

    /// The public key of the actor's audit log (admin and auditor); made when first asked for.
    pub async fn audit_public_key(&self, actor: &Arc<Actor>) -> Result<AuditKeyView, Problem> {
        rights::require_role(actor, &[Role::Admin, Role::Auditor], "read the audit log's key")?;
        let key = self.audit_key(actor.environment_id).await?;
        let public_key = Hex(key.public_key());
        Ok(AuditKeyView { environment_id: actor.environment_id, algorithm: "ed25519", public_key })
    }

    pub(super) async fn header(&self, environment: EnvironmentId) -> Result<Header, Problem> {
        let key = self.audit_key(environment).await?;
        let chain = self.chain(environment).await?;
        Ok(Header::new(environment, Hex(key.public_key()), chain.sequence, chain.unchained))
    }

    pub(super) async fn prune_lines(&self, environment: EnvironmentId, after: i64) -> Result<Vec<Line>, Problem> {
        let found = self.inner.store.list_audit_prunes(environment, after, AUDIT_PRUNES_ON_PAGE_MAX).await;
        Ok(found.map_err(storage_problem)?.into_iter().map(Line::Checkpoint).collect())
    }

    async fn prunes(
        &self,
        environment: EnvironmentId,
        after: i64,
        limit: u32,
    ) -> Result<(Vec<Line>, Option<Place>), Problem> {
        let mut lines = self.prune_lines(environment, after).await?;
        if let Some(Line::Checkpoint(last)) = lines.last()
            && lines.len() == AUDIT_PRUNES_ON_PAGE_MAX as usize
        {
            let next = Place::Prunes(last.sequence);
            return Ok((lines, Some(next)));
        }
        let (records, next) = self.records(environment, None, limit).await?;
        lines.extend(records);
        Ok((lines, next))
    }

    async fn records(
        &self,
        environment: EnvironmentId,
        after: Option<i64>,
        limit: u32,
    ) -> Result<(Vec<Line>, Option<Place>), Problem> {
        let part = self.inner.store.read_audit_chain(environment, after, limit).await.map_err(storage_problem)?;
        let is_last = part.records.len() < limit as usize;
        let last = part.records.last().and_then(|record| record.sequence);
        let head = Head { sequence: part.chain.sequence, hash: part.chain.hash };
        let mut lines = merged(part);
        if !is_last {
            return Ok((lines, Some(Place::Records(last))));
        }
        lines.push(Line::Head(head));
        Ok((lines, Some(Place::Unchained(FIRST_AUDIT_ID))))
    }

    async fn unchained(
        &self,
        environment: EnvironmentId,
        after: AuditId,
        limit: u32,
    ) -> Result<(Vec<Line>, Option<Place>), Problem> {
        let found = self.inner.store.list_unchained_audit(environment, after, limit).await.map_err(storage_problem)?;
        let next = found.last().filter(|_| found.len() == limit as usize).map(|last| Place::Unchained(last.id));
        let mut lines: Vec<Line> = found.into_iter().map(Line::Record).collect();
        if next.is_none() {
            lines.push(Line::End {});
        }
        Ok((lines, next))
    }
}

/// Each record, and behind it the checkpoints on it.
pub(super) fn merged(part: AuditChainPart) -> Vec<Line> {
    let mut lines = Vec::with_capacity(part.records.len() + part.checkpoints.len() + 2);
    let mut checkpoints = part.checkpoints.into_iter().peekable();
    for record in part.records {
        let sequence = record.sequence;
        // One on a record that is not there comes before the next that is, where it is noticed.
        while let Some(checkpoint) = checkpoints.next_if(|checkpoint| Some(checkpoint.sequence) < sequence) {
            lines.push(Line::Checkpoint(checkpoint));
        }
        lines.push(Line::Record(record));
        while let Some(checkpoint) = checkpoints.next_if(|checkpoint| Some(checkpoint.sequence) == sequence) {
            lines.push(Line::Checkpoint(checkpoint));
        }
    }
    lines.extend(checkpoints.map(Line::Checkpoint));
    lines
}

/// The chain is one for the whole environment: who may see a part of it cannot check it.
fn whole_log(actor: &Actor) -> Result<(), Problem> {
    rights::require_role(actor, &[Role::Admin, Role::Auditor], "read the whole audit log")?;
    if actor.narrowing.accounts.is_none() {
        return Ok(());
    }
    Err(Problem::gateway(
        Code::PermissionDenied,
        "This token is narrowed to certain accounts, and the chain goes over the records of all accounts.",
    )
    .with_hint("Use a token that is not narrowed to accounts."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_come_back_and_nothing_else_is_one() {
        let id = AuditId(Uuid::from_u128(7));
        for place in [Place::Prunes(0), Place::Records(None), Place::Records(Some(-5)), Place::Unchained(id)] {
            assert_eq!(Place::decode(&place.encode()), Some(place));
        }
        for wrong in [&[][..], &[0], &[1, 2], &[2, 1], &[3]] {
            assert_eq!(Place::decode(wrong), None);
        }
    }
}
