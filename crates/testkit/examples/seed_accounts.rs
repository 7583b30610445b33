//! Stores many accounts over one simulator in an existing data folder, for `cargo xtask bench`; prints their ids.
//!
//! `seed_accounts DATA_DIR COUNT ACCOUNT_ID CLIENT_ID CLIENT_SECRET BASE_URL`
#![allow(clippy::print_stdout, reason = "the ids are this program's output")]

use std::collections::BTreeMap;
use std::error::Error;
use std::path::Path;

use quartermaster_store::Store;
use quartermaster_store::model::AccountRow;
use quartermaster_types::{AccountId, Clock, IdSource};
use quartermaster_vault::{RootKey, SealScope, Secrets};
use secrecy::SecretString;
use serde_json::json;

/// Accounts in one transaction.
const BATCH: usize = 10_000;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [data_dir, count, account_id, client_id, client_secret, base_url] = &arguments[..] else {
        return Err("usage: seed_accounts DATA_DIR COUNT ACCOUNT_ID CLIENT_ID CLIENT_SECRET BASE_URL".into());
    };
    let folder = Path::new(data_dir);
    let root_key = RootKey::from_bytes(&unhex(std::fs::read_to_string(folder.join("root.key"))?.trim())?)?;
    let store = Store::open_sqlite(&folder.join("quartermaster.sqlite")).await?;
    let environment = store.list_environments().await?.into_iter().next().ok_or("no environment")?;
    let data_key = root_key.unwrap_data_key(environment.id, &environment.wrapped_key)?;
    let secrets = Secrets::new(BTreeMap::from([
        ("client_id".to_owned(), SecretString::from(client_id.as_str())),
        ("client_secret".to_owned(), SecretString::from(client_secret.as_str())),
    ]));
    let (clock, ids) = (Clock::System, IdSource::new(Clock::System, 1));
    let now = clock.now();
    let mut rows = Vec::with_capacity(BATCH);
    for number in 0..count.parse::<usize>()? {
        let id: AccountId = ids.next();
        let scope = SealScope { environment: environment.id, account: id, version: 1 };
        rows.push(AccountRow {
            id,
            environment_id: environment.id,
            integration: "1password".to_owned(),
            tenant_id: format!("tenant-{number}"),
            connection: json!({"region": "com", "account_id": account_id}).to_string(),
            override_patch: Some(json!({"base_url": base_url}).to_string()),
            sandbox: false,
            blocked: false,
            sealed_credentials: data_key.seal(scope, &secrets)?,
            credential_version: 1,
            version: 1,
            created_at: now,
            updated_at: now,
        });
        println!("{id}");
        if rows.len() == BATCH {
            store.insert_accounts_bulk(&rows).await?;
            rows.clear();
        }
    }
    store.insert_accounts_bulk(&rows).await?;
    store.close().await;
    Ok(())
}

fn unhex(text: &str) -> Result<Vec<u8>, Box<dyn Error>> {
    (0..text.len() / 2).map(|place| Ok(u8::from_str_radix(&text[place * 2..place * 2 + 2], 16)?)).collect()
}
