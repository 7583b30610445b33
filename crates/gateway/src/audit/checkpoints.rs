//! Signed checkpoints on the chains of the audit log: every so many records and every so often, and before the end.

use std::sync::{Arc, Weak};

use quartermaster_store_model::audit_chain::{Checkpoint, CheckpointKind, Hash, Hex, Record};
use quartermaster_store_model::chain::{AuditChain, AuditKeyRow};
use quartermaster_types::{EnvironmentId, Problem};
use quartermaster_vault::SigningKey;

use crate::limits::AUDIT_CHECKPOINT_EVERY;
use crate::{Gateway, Inner, storage_problem, vault_problem};

/// Makes checkpoints for as long as the gateway lives.
pub(crate) async fn keep_signing(inner: Weak<Inner>) {
    let Some(due) = inner.upgrade().map(|inner| inner.audit.checkpoint_due()) else { return };
    loop {
        tokio::select! {
            () = tokio::time::sleep(AUDIT_CHECKPOINT_EVERY) => {}
            () = due.notified() => {}
        }
        let Some(inner) = inner.upgrade() else { return };
        Gateway { inner }.sign_checkpoints().await;
    }
}

impl Gateway {
    /// Signs a checkpoint on every chain that has gone on since its last one. What fails is logged and tried the next time.
    pub(crate) async fn sign_checkpoints(&self) {
        let ahead = match self.inner.store.audit_chains_ahead().await {
            Ok(ahead) => ahead,
            Err(error) => {
                tracing::warn!(%error, "no checkpoints of the audit log can be made");
                return;
            }
        };
        for environment in ahead {
            if let Err(problem) = self.sign_checkpoint(environment).await {
                tracing::warn!(%environment, problem = problem.body().detail, "no checkpoint of the audit log was made");
            }
        }
    }

    async fn sign_checkpoint(&self, environment: EnvironmentId) -> Result<(), Problem> {
        let key = self.audit_key(environment).await?;
        let chain = self.inner.store.audit_chain(environment).await.map_err(storage_problem)?;
        let first = chain.pruned + 1;
        let checkpoint =
            self.signed(&key, environment, CheckpointKind::Head, first, chain.sequence, &chain.hash, chain.unchained);
        self.inner.store.insert_audit_checkpoint(environment, &checkpoint).await.map_err(storage_problem)?;
        // Who collects the log has a witness outside the database.
        tracing::info!(%environment, sequence = checkpoint.sequence, hash = %checkpoint.hash, "audit log checkpoint");
        Ok(())
    }

    pub(super) fn signed(
        &self,
        key: &SigningKey,
        environment: EnvironmentId,
        kind: CheckpointKind,
        first: i64,
        sequence: i64,
        hash: &Hash,
        unchained: i64,
    ) -> Checkpoint {
        let mut checkpoint = Checkpoint {
            kind,
            first,
            sequence,
            count: sequence - first + 1,
            unchained,
            at: Record::time_of_column(self.inner.clock.now().unix_ms()),
            hash: *hash,
            signature: Hex([0; 64]),
        };
        checkpoint.signature = Hex(key.sign(&checkpoint.statement(environment)));
        checkpoint
    }

    /// The key that signs an environment's checkpoints; made when first needed.
    pub(super) async fn audit_key(&self, environment: EnvironmentId) -> Result<Arc<SigningKey>, Problem> {
        if let Some(key) = self.inner.signing_keys.get(&environment) {
            return Ok(key);
        }
        let ticket = self.inner.signing_keys.ticket();
        let data_key = self.data_key(environment).await?;
        let mut found = self.inner.store.find_audit_key(environment).await.map_err(storage_problem)?;
        if found.is_none() {
            let (made, sealed_key) = data_key.key.new_signing_key(environment).map_err(vault_problem)?;
            let row = AuditKeyRow { environment_id: environment, public_key: made.public_key(), sealed_key };
            self.inner.store.insert_audit_key(&row).await.map_err(storage_problem)?;
            // Another replica may have been quicker: what is stored holds.
            found = self.inner.store.find_audit_key(environment).await.map_err(storage_problem)?;
        }
        let row = found.ok_or_else(crate::audit::no_key)?;
        let key =
            data_key.key.open_signing_key(environment, &row.public_key, &row.sealed_key).map_err(vault_problem)?;
        let key = Arc::new(key);
        self.inner.signing_keys.insert(ticket, environment, Arc::clone(&key));
        Ok(key)
    }

    /// The chain of the actor's environment.
    pub(super) async fn chain(&self, environment: EnvironmentId) -> Result<AuditChain, Problem> {
        self.inner.store.audit_chain(environment).await.map_err(storage_problem)
    }
}
