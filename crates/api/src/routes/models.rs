//! Connections to servers of language models.

use axum::extract::State;
use axum::response::Response;
use http::header::LOCATION;
use http::{HeaderMap, StatusCode, Uri};
use quartermaster_gateway::{ModelChange, ModelView, NewModel};
use quartermaster_model::{KeyHeader, OutputLimit, Price, Settings, Wire};
use serde::de::{Deserialize, DeserializeOwned};
use serde_json::{Map, Value};

use super::{empty, json, json_tagged, put};
use crate::app::App;
use crate::extract::{Caller, JsonBody, Members, PathParts, Query, if_match, version_tag};
use crate::failure::Failure;
use crate::schema;

/// List model connections
///
/// Those of the environment by name, then those of the server, which every environment has. Keys are never shown, only whether
/// there is one.
#[utoipa::path(get, path = "/model", tag = "models",
    responses((status = 200, description = "All of them.", body = schema::ModelList)))]
pub(super) async fn list_models(State(app): State<App>, caller: Caller, uri: Uri) -> Result<Response, Failure> {
    Query::of(&uri)?.finish()?;
    json(StatusCode::OK, &app.gateway().list_models(&caller.actor).await?)
}

/// Make a model connection
///
/// The key is sealed at once and never shown again. Nothing is asked of the server yet: see `POST /model/{name}/check`.
#[utoipa::path(post, path = "/model", tag = "models",
    request_body = schema::NewModel,
    responses(
        (status = 201, description = "The connection.", body = schema::Model,
            headers(("location" = String, description = "Its path."), ("etag" = String, description = "Its version."))),
        (status = 409, description = "`conflict`: the name is taken, or there are too many."),
        (status = 413, description = "`payload_too_large`"),
        (status = 415, description = "`unsupported_media_type`")))]
pub(super) async fn create_model(
    State(app): State<App>,
    caller: Caller,
    uri: Uri,
    body: JsonBody,
) -> Result<Response, Failure> {
    Query::of(&uri)?.finish()?;
    let mut members = body.members()?;
    let name = members.required_text("name");
    let key = members.nullable_secret("key").flatten();
    for required in ["wire", "base_url"] {
        if !members.has(required) {
            members.wrong(required, "Is required.");
        }
    }
    let mut settings = settings(&mut members);
    members.finish()?;
    drop(body);
    settings.retain(|_, value| !value.is_null());
    let settings: Settings = Settings::deserialize(Value::Object(settings))
        .map_err(|_| Failure::invalid("The settings of the model connection cannot be read.", Vec::new()))?;
    let gateway = app.gateway().clone();
    let new = NewModel { name, settings, key };
    let work = async move { Ok(gateway.create_model(&caller.actor, caller.request_id, new).await?) };
    let view = app.to_the_end(work).await?;
    let mut response = tagged(StatusCode::CREATED, &view)?;
    put(&mut response, LOCATION, &format!("/model/{}", view.name));
    Ok(response)
}

/// Read a model connection
#[utoipa::path(get, path = "/model/{name}", tag = "models", params(schema::ModelPath),
    responses(
        (status = 200, description = "The connection.", body = schema::Model,
            headers(("etag" = String, description = "Its version, of one made in this environment."))),
        (status = 404, description = "`not_found`")))]
pub(super) async fn get_model(
    State(app): State<App>,
    caller: Caller,
    PathParts(name): PathParts<String>,
    uri: Uri,
) -> Result<Response, Failure> {
    Query::of(&uri)?.finish()?;
    tagged(StatusCode::OK, &app.gateway().get_model(&caller.actor, &name).await?)
}

/// Change a model connection
///
/// A JSON Merge Patch (RFC 7396). A change that would send the key to another address, or in another way, takes the key again.
#[utoipa::path(patch, path = "/model/{name}", tag = "models", params(schema::ModelPath, schema::IfMatch),
    request_body(content((schema::ModelChange = "application/merge-patch+json"), (schema::ModelChange = "application/json"))),
    responses(
        (status = 200, description = "The connection after the change.", body = schema::Model,
            headers(("etag" = String, description = "Its version."))),
        (status = 404, description = "`not_found`"),
        (status = 409, description = "`conflict`: the name is taken."),
        (status = 412, description = "`precondition_failed`: it was changed since the version in `If-Match`."),
        (status = 413, description = "`payload_too_large`"),
        (status = 415, description = "`unsupported_media_type`")))]
pub(super) async fn update_model(
    State(app): State<App>,
    caller: Caller,
    PathParts(name): PathParts<String>,
    headers: HeaderMap,
    uri: Uri,
    body: JsonBody,
) -> Result<Response, Failure> {
    Query::of(&uri)?.finish()?;
    let version = if_match(&headers)?;
    let mut members = body.members()?;
    members.refuse_null(&["name", "wire", "base_url"]);
    let change = ModelChange {
        name: members.text("name"),
        key: members.nullable_secret("key"),
        settings: settings(&mut members),
    };
    members.finish()?;
    drop(body);
    let gateway = app.gateway().clone();
    let work = async move { Ok(gateway.update_model(&caller.actor, caller.request_id, &name, version, change).await?) };
    tagged(StatusCode::OK, &app.to_the_end(work).await?)
}

/// Delete a model connection and its key
///
/// Runs that use it fail at their next question to the model.
#[utoipa::path(delete, path = "/model/{name}", tag = "models", params(schema::ModelPath),
    responses((status = 204, description = "It is gone."), (status = 404, description = "`not_found`")))]
pub(super) async fn delete_model(
    State(app): State<App>,
    caller: Caller,
    PathParts(name): PathParts<String>,
    uri: Uri,
) -> Result<Response, Failure> {
    Query::of(&uri)?.finish()?;
    let gateway = app.gateway().clone();
    let work = async move { Ok(gateway.delete_model(&caller.actor, caller.request_id, &name).await?) };
    app.to_the_end(work).await?;
    Ok(empty(StatusCode::NO_CONTENT))
}

/// Check a model connection
///
/// Asks the model one short question. What goes wrong is the problem that a run would get, with `origin: model`. Costs a few
/// tokens.
#[utoipa::path(post, path = "/model/{name}/check", tag = "models", params(schema::ModelPath),
    request_body = schema::ModelCheck,
    responses(
        (status = 200, description = "What the model said.", body = schema::ModelAnswer),
        (status = 404, description = "`not_found`"),
        (status = 413, description = "`payload_too_large`"),
        (status = 415, description = "`unsupported_media_type`"),
        (status = 422, description = "`model_rejected`: the model's provider refused the request."),
        (status = 424, description = "`model_unauthenticated`: the model's provider refused the key."),
        (status = 429, description = "`rate_limited`: by the model's provider."),
        (status = 502, description = "`model_invalid` or `upstream_forbidden`"),
        (status = 503, description = "`model_unavailable`")))]
pub(super) async fn check_model(
    State(app): State<App>,
    caller: Caller,
    PathParts(name): PathParts<String>,
    uri: Uri,
    body: JsonBody,
) -> Result<Response, Failure> {
    Query::of(&uri)?.finish()?;
    let mut members = body.members()?;
    let model = members.text("model");
    members.finish()?;
    let gateway = app.gateway().clone();
    let work = async move { Ok(gateway.check_model(&caller.actor, caller.request_id, &name, model).await?) };
    json(StatusCode::OK, &app.to_the_end(work).await?)
}

/// A member, whether a value is right for it, and what is expected.
type Plain = (&'static str, fn(&Value) -> bool, &'static str);

/// The members that are settings, `null` as itself, each of the right form. Their values are checked by the gateway.
fn settings(members: &mut Members<'_>) -> Map<String, Value> {
    let plain: [Plain; 6] = [
        ("wire", is::<Wire>, "Must be `openai` or `anthropic`."),
        ("base_url", is::<String>, "Must be a string."),
        ("model", is::<String>, "Must be a string."),
        ("key_header", is::<KeyHeader>, "Must be `bearer`, `api-key` or `x-api-key`."),
        ("output_limit", is::<OutputLimit>, "Must be `max_tokens` or `max_completion_tokens`."),
        ("context_tokens", is::<u32>, "Must be a whole number."),
    ];
    let mut settings = Map::new();
    for (name, fits, expected) in plain {
        let Some(value) = members.plain(name) else { continue };
        if value.is_null() || fits(&value) {
            settings.insert(name.to_owned(), value);
        } else {
            members.wrong(name, expected);
        }
    }
    if let Some(query) = members.nullable("query") {
        let members_fit = |value: &Value| value.is_string() || value.is_null();
        if query.as_object().is_none_or(|query| query.values().all(members_fit)) {
            settings.insert("query".to_owned(), query);
        } else {
            members.wrong("query", "Must be an object of strings.");
        }
    }
    if let Some(price) = members.nullable("price") {
        if price.as_object().is_none_or(is_price) {
            settings.insert("price".to_owned(), price);
        } else {
            members.wrong("price", "Must be an object with the numbers `input`, `output` and perhaps `cached_input`.");
        }
    }
    settings
}

fn is<T: DeserializeOwned>(value: &Value) -> bool {
    T::deserialize(value).is_ok()
}

/// Whether the members of a price, or of a patch on one, are numbers, and known.
fn is_price(price: &Map<String, Value>) -> bool {
    let mut whole = serde_json::json!({"input": 0, "output": 0});
    for (name, value) in price {
        if value.is_null() {
            continue;
        }
        whole[name.as_str()] = value.clone();
    }
    is::<Price>(&whole)
}

fn tagged(status: StatusCode, view: &ModelView) -> Result<Response, Failure> {
    match view.version {
        Some(version) => json_tagged(status, view, &version_tag(version)),
        None => json(status, view),
    }
}
