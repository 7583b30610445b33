//! A vendor whose records hold nothing where others do: the id at `/user/uuid`, a decoy at `/id`, the state a truth value.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};

use axum::extract::{Path, Query, State as Shared};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use quartermaster_roster::report::{Action, Finding};
use quartermaster_testkit::TestApp;
use quartermaster_types::AccountId;
use serde_json::{Value, json};

use super::{audited, offboarded};

const DEFINITION: &str = r"
name: badgebook
label: Badgebook
category: identity
connection:
  credentials: {token: {label: Token}}
  auth: {bearer: {token: '{{ credentials.token }}'}}
  verify: {call: people.list, with: {limit: 1}}
base_url: https://badgebook.example
pagination:
  cursor: {send: after, read: /more/after}
  size: {send: take, default: 2, max: 2}
lifecycle:
  resource: people
  find_by_email: email
  email: /user/login/mail
  display_name: /user/name
  suspend: close
  reactivate: open
  active: 'true'
  suspended: 'false'
resources:
  people:
    singular: person
    id:
      at: /user/uuid
      pattern: '^u-[0-9]{4}$'
      description: An id is u- and four digits.
      find: {call: people.list, with: {email: '{value}'}}
    state: {at: /access/open, values: ['true', 'false']}
    methods:
      list:
        get: /people
        items: /people
        description: List the people.
        local_filters:
          email: {at: /user/login/mail, compare: equals, fold_case: true, description: Exactly this address.}
      get: {get: '/people/{{ id }}', result: /person, description: Read one person by id.}
      close:
        post: /people/{{ id }}/close
        effect: destructive
        from: ['true']
        to: 'false'
        undo: open
        description: Take access away from a person, by id.
      open:
        post: /people/{{ id }}/open
        from: ['false']
        to: 'true'
        undo: close
        description: Give a person access again, by id.
";

/// The vendor's book: people by number, whether they have access, and how often that was changed.
#[derive(Default)]
struct Book {
    open: Vec<bool>,
    changes: usize,
}

type SharedBook = Arc<Mutex<Book>>;

fn lock(book: &SharedBook) -> MutexGuard<'_, Book> {
    book.lock().unwrap()
}

fn uuid(number: usize) -> String {
    format!("u-{number:04}")
}

fn email(number: usize) -> String {
    format!("person{number}@company.com")
}

/// `/id` is the id of another person: whoever takes it acts on the wrong one.
fn record(number: usize, open: bool) -> Value {
    json!({
        "id": uuid(number + 1),
        "user": {"uuid": uuid(number), "login": {"mail": email(number)}, "name": format!("Person {number}")},
        "access": {"open": open},
    })
}

async fn list(Shared(book): Shared<SharedBook>, Query(query): Query<Vec<(String, String)>>) -> Json<Value> {
    let number = |name: &str| query.iter().find(|(known, _)| known == name).and_then(|(_, value)| value.parse().ok());
    let (from, take) = (number("after").unwrap_or(0_usize), number("take").unwrap_or(2));
    let book = lock(&book);
    let people: Vec<Value> =
        book.open.iter().enumerate().skip(from).take(take).map(|(number, open)| record(number, *open)).collect();
    let end = from + people.len();
    let after = if end < book.open.len() { json!(end.to_string()) } else { Value::Null };
    Json(json!({"people": people, "more": {"after": after}}))
}

fn number_of(id: &str, book: &Book) -> Result<usize, StatusCode> {
    let number = id.strip_prefix("u-").and_then(|digits| digits.parse().ok());
    number.filter(|number| *number < book.open.len()).ok_or(StatusCode::NOT_FOUND)
}

async fn read(Shared(book): Shared<SharedBook>, Path(id): Path<String>) -> Result<Json<Value>, StatusCode> {
    let book = lock(&book);
    let number = number_of(&id, &book)?;
    Ok(Json(json!({"person": record(number, book.open[number])})))
}

/// Says nothing in its answer: what came of it is in the record only.
async fn change(
    Shared(book): Shared<SharedBook>,
    Path((id, verb)): Path<(String, String)>,
) -> Result<StatusCode, StatusCode> {
    let mut book = lock(&book);
    let number = number_of(&id, &book)?;
    book.open[number] = verb == "open";
    book.changes += 1;
    Ok(StatusCode::NO_CONTENT)
}

/// A gateway with an account at this vendor, which has `people`; the last of them has no access.
struct Nested {
    app: TestApp,
    account: AccountId,
    book: SharedBook,
}

impl Nested {
    async fn start(people: usize) -> Self {
        let mut open = vec![true; people];
        open[people - 1] = false;
        let book = Arc::new(Mutex::new(Book { open, changes: 0 }));
        let address = serve(Arc::clone(&book)).await;
        let builder = TestApp::builder().unconnected().upstream(address).definition("badgebook", DEFINITION);
        let app = builder.start().await;
        let body = json!({
            "integration": "badgebook", "tenant_id": "acme", "connection": {},
            "credentials": {"token": "badgebook-token-0123456789"},
            "override": {"base_url": format!("http://{address}")},
        });
        let account = app.operator.post("/integrated-account", &body).await.expect(201);
        let account = account["id"].as_str().and_then(|id| id.parse().ok()).unwrap();
        Self { app, account, book }
    }

    async fn call(&self, tool: &str, arguments: Value) -> quartermaster_testkit::Answer {
        let path = format!("/integrated-account/{}/tools/{tool}/call", self.account);
        self.app.operator.post(&path, &json!({ "arguments": arguments })).await
    }
}

async fn serve(book: SharedBook) -> SocketAddr {
    let router = Router::new()
        .route("/people", get(list))
        .route("/people/{id}", get(read))
        .route("/people/{id}/{verb}", post(change))
        .with_state(book);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

#[tokio::test]
async fn an_agent_is_told_where_the_id_stands() {
    let nested = Nested::start(3).await;
    let integration = nested.app.operator.get("/integration/badgebook").await.expect(200);
    assert_eq!(integration["lifecycle"]["id"], "/user/uuid");
    assert_eq!(integration["lifecycle"]["state"], "/access/open");
    let path = format!("/integrated-account/{}/tools?methods=close", nested.account);
    let tools = nested.app.operator.get(&path).await.expect(200);
    let words = &tools["result"][0]["input_schema"]["properties"]["id"]["description"];
    assert_eq!(words, "An id is u- and four digits. In a record it stands at `/user/uuid`.");
}

#[tokio::test]
async fn a_read_grounds_the_declared_id_and_not_what_stands_elsewhere() {
    let nested = Nested::start(4).await;
    let page = nested.call("list_all_badgebook_people", json!({"limit": 1})).await.expect(200);
    let decoy = &page["result"][0]["id"];
    let refused = nested.call("badgebook_people_close", json!({"id": decoy})).await;
    assert_eq!(refused.expect(403)["code"], "ungrounded_id");
    assert_eq!(lock(&nested.book).changes, 0);
    let id = &page["result"][0]["user"]["uuid"];
    let closed = nested.call("badgebook_people_close", json!({"id": id})).await.expect(200);
    assert_eq!((closed["changed"].as_bool(), closed["result"]["access"]["open"].as_bool()), (Some(true), Some(false)));
    let again = nested.call("badgebook_people_close", json!({"id": id})).await.expect(200);
    assert_eq!(again["changed"], false);
    assert_eq!(lock(&nested.book).changes, 1);

    // One record read by id grounds that id, too.
    nested.call("get_single_badgebook_person_by_id", json!({"id": uuid(2)})).await.expect(200);
    nested.call("badgebook_people_close", json!({"id": uuid(2)})).await.expect(200);
    let refused = nested.call("badgebook_people_close", json!({"id": uuid(3)})).await;
    assert_eq!(refused.expect(403)["code"], "ungrounded_id");
}

#[tokio::test]
async fn a_person_is_offboarded_by_the_declared_id() {
    let nested = Nested::start(5).await;
    let planned = offboarded(&nested.app, nested.account, &email(2), true).await;
    assert!(planned.plan.unwrap()["request"]["url"].as_str().unwrap().ends_with("/people/u-0002/close"));
    let done = offboarded(&nested.app, nested.account, &email(2), false).await;
    assert_eq!((done.id.as_str(), done.changed), ("u-0002", true));
    assert_eq!((done.state_before.as_str(), done.state_after.as_str()), ("true", "false"));
    assert_eq!(done.display_name.as_deref(), Some("Person 2"));
    assert_eq!(lock(&nested.book).open, [true, true, false, true, false]);
    let log = nested.app.operator.get("/audit-log?action=people.close").await.expect(200);
    assert_eq!(log["result"][0]["target"], "u-0002");
    assert_eq!(log["result"][0]["before"]["access"]["open"], true);
    assert_eq!(log["result"][0]["after"]["access"]["open"], false);
}

#[tokio::test]
async fn a_list_is_audited_by_the_declared_id_over_all_pages() {
    let nested = Nested::start(7).await;
    let list = format!("email\n{}\n{}\n{}\nnobody@company.com\n", email(0), email(5), email(6));
    let report = audited(&nested.app, nested.account, &list, true, |_| {}).await;
    let found: Vec<_> = report.people.iter().map(|line| (line.finding, line.action, line.id.as_deref())).collect();
    assert_eq!(
        found,
        [
            (Finding::Active, Action::Suspended, Some("u-0000")),
            (Finding::Active, Action::Suspended, Some("u-0005")),
            (Finding::Suspended, Action::None, Some("u-0006")),
            (Finding::Unknown, Action::None, None),
        ]
    );
    assert_eq!(lock(&nested.book).open, [false, true, true, true, true, false, false]);
    assert_eq!(report.counts.directory_people, 7);
}
