//! Triggers, secrets and deliveries for tests.

use std::collections::BTreeMap;

use quartermaster_trigger::{Delivery, Reason, Trigger, Verified, load};
use quartermaster_types::Timestamp;
use quartermaster_vault::{MacAlgorithm, Secrets};

/// 2026-09-21T14:13:20Z.
pub(crate) const NOW: Timestamp = Timestamp::from_unix_ms(1_790_000_000_000);

/// A trigger that starts `offboard`, with this under `webhook`.
pub(crate) fn webhook(webhook: &str) -> Trigger {
    loaded(&document(&format!("webhook: {webhook}")))
}

/// The text of a trigger that starts `offboard`, with this source.
pub(crate) fn document(source: &str) -> String {
    format!(
        "version: 1\nname: leavers\n{source}\ninput: {{email: payload.email}}\n\
         run: {{playbook: offboard, integrated_account_id: 01890000-0000-7000-8000-000000000000}}\n"
    )
}

pub(crate) fn loaded(text: &str) -> Trigger {
    let (trigger, problems) = load("trigger.yaml", text.as_bytes());
    trigger.unwrap_or_else(|| panic!("{}", problems.render(false)))
}

pub(crate) fn secrets(pairs: &[(&str, &str)]) -> Secrets {
    let values: BTreeMap<_, _> = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).into())).collect();
    Secrets::new(values)
}

pub(crate) fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// What verifying a delivery gives.
pub(crate) fn verify(
    trigger: &Trigger,
    secrets: &Secrets,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Result<Verified, Reason> {
    verify_at(trigger, secrets, headers, body, NOW)
}

pub(crate) fn verify_at(
    trigger: &Trigger,
    secrets: &Secrets,
    headers: &[(&str, &str)],
    body: &[u8],
    now: Timestamp,
) -> Result<Verified, Reason> {
    let headers = pairs(headers);
    let delivery = Delivery { headers: &headers, query: &[], body };
    trigger.webhook().unwrap().verify(&delivery, secrets, now).map_err(|refusal| {
        assert!(!refusal.detail.contains("hunter2"), "a refusal repeats a secret: {refusal}");
        refusal.reason
    })
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

/// The signature of a text, in hexadecimal digits.
pub(crate) fn sign(secret: &str, text: &[u8]) -> String {
    hex(&MacAlgorithm::Sha256.sign(secret.as_bytes(), &[text]))
}
