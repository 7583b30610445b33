use quartermaster_egress::{AllowedUpstreams, Client};
use quartermaster_store::Store;
use quartermaster_types::{Clock, IdSource, Timestamp};
use quartermaster_vault::RootKey;
use secrecy::SecretString;

use super::*;
use crate::Options;

const ACCOUNTS: usize = 100_000;
/// The budget is 60 MB with an access token for each; entries get the larger part of it.
const ENTRY_MAX_BYTES: usize = 400;

fn resident_bytes() -> usize {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap();
    text.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

#[test]
fn access_versions_grow_with_every_change() {
    let versions =
        [access_version(1, 0), access_version(1, 1), access_version(1, 2), access_version(2, 0), access_version(2, 1)];
    assert!(versions.is_sorted_by(|one, other| one < other), "{versions:?}");
}

#[tokio::test]
async fn an_account_takes_few_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::create_sqlite(&folder.path().join("quartermaster.db")).await.unwrap();
    let root_key = || RootKey::from_bytes(&[1; 32]).unwrap();
    let clock = Clock::manual(Timestamp::from_unix_ms(1_790_000_000_000));
    crate::initialise(&store, &root_key(), &clock).await.unwrap();
    let environment_id = store.list_environments().await.unwrap()[0].id;
    let text = include_str!("../../../../../integrations/1password/definition.yaml");
    let gateway = Gateway::new(Options {
        store,
        root_key: root_key(),
        clock: clock.clone(),
        client: Client::new(AllowedUpstreams::default()),
        definitions: vec![("1password".to_owned(), text.to_owned())],
        observer: None,
        runs: Vec::new(),
        models: Vec::new(),
    })
    .unwrap();
    let ids = IdSource::new(clock.clone(), 1);
    let now = clock.now();
    let key = gateway.data_key(environment_id).await.unwrap();
    let secrets = Secrets::new(
        [("client_id", "A".repeat(26)), ("client_secret", "s".repeat(43))]
            .map(|(name, value)| (name.to_owned(), SecretString::from(value)))
            .into(),
    );
    let id: AccountId = ids.next();
    let mut row = AccountRow {
        id,
        environment_id,
        integration: "1password".to_owned(),
        tenant_id: "acme".to_owned(),
        connection: format!(r#"{{"region":"com","account_id":"{}"}}"#, "Q".repeat(26)),
        override_patch: Some(r#"{"base_url":"http://127.0.0.1:8080"}"#.to_owned()),
        sandbox: false,
        blocked: false,
        sealed_credentials: key
            .key
            .seal(SealScope { environment: environment_id, account: id, version: 1 }, &secrets)
            .unwrap(),
        credential_version: 1,
        version: 1,
        created_at: now,
        updated_at: now,
    };
    let (plan, version) = gateway.plan_of(&row).await.unwrap();
    let before = resident_bytes();
    for _ in 0..ACCOUNTS {
        row.id = ids.next();
        let entry = Arc::new(gateway.entry(&row, Arc::clone(&plan), version).await.unwrap());
        gateway.inner.accounts.insert(gateway.inner.accounts.ticket(), row.id, entry);
    }
    assert_eq!(gateway.inner.accounts.len(), ACCOUNTS, "all of them are held");
    let each = resident_bytes().saturating_sub(before) / ACCOUNTS;
    println!("{each} bytes for each of {ACCOUNTS} accounts, sealed credentials {} bytes", row.sealed_credentials.len());
    assert!(each <= ENTRY_MAX_BYTES, "{each} bytes each");
}
