//! JSON bodies: size, time, media type, encoding and depth are checked before anything is made of them.

use std::time::Duration;

use axum::body::Body;
use axum::extract::{FromRequest, Request};
use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderMap, Method};
use http_body_util::BodyExt;
use quartermaster_types::{Code, FieldError, Problem};
use serde_json::{Map, Value};

use super::{Members, strict};
use crate::app::App;
use crate::failure::Failure;

/// The largest body of a request.
pub const BODY_MAX_BYTES: usize = 1024 * 1024;
/// The largest body that starts a run: a list of a hundred thousand people, and a playbook.
pub const RUN_BODY_MAX_BYTES: usize = 17 * 1024 * 1024;
/// The most values in a body that starts a run: each takes many times the memory of its text.
pub const RUN_BODY_MAX_VALUES: usize = 1_000_000;
/// How much of a body is read and thrown away beyond what is taken, so that the caller gets to see the refusal instead of a
/// broken connection.
pub const BODY_DRAIN_MAX_BYTES: usize = 7 * BODY_MAX_BYTES;
/// How long a body may take to arrive.
pub const BODY_READ_TIMEOUT: Duration = Duration::from_secs(30);
/// How deep arrays and objects of a body may be nested.
pub const JSON_DEPTH_MAX: usize = 127;

/// A JSON body.
pub(crate) struct JsonBody(Bytes);

/// A JSON body that may be absent: then it is an empty object.
pub(crate) struct MaybeJsonBody(JsonBody);

impl FromRequest<App> for JsonBody {
    type Rejection = Failure;

    async fn from_request(request: Request, app: &App) -> Result<Self, Failure> {
        let MaybeJsonBody(body) = MaybeJsonBody::from_request(request, app).await?;
        if body.0.is_empty() {
            return Err(Failure::invalid("There is no body; this route takes a JSON object.", Vec::new()));
        }
        Ok(body)
    }
}

impl FromRequest<App> for MaybeJsonBody {
    type Rejection = Failure;

    async fn from_request(request: Request, _app: &App) -> Result<Self, Failure> {
        let (parts, body) = request.into_parts();
        let bytes = read_body(&parts, body).await?;
        if !bytes.is_empty()
            && let Some(charset) = foreign_charset(&parts.headers)
        {
            let detail = format!("The body is declared as {}; JSON is read as UTF-8 only.", super::shown(&charset));
            return Err(Problem::caller(Code::UnsupportedMediaType, detail)
                .with_hint("Send the body in UTF-8, with `content-type: application/json`.")
                .into());
        }
        if !bytes.is_empty() && !is_json(&parts.headers) {
            return Err(Problem::caller(Code::UnsupportedMediaType, "The body is not declared as JSON.")
                .with_hint("Send `content-type: application/json`.")
                .into());
        }
        Ok(Self(JsonBody(bytes)))
    }
}

impl JsonBody {
    /// Refuses a body with too many values, before any is made.
    pub(crate) fn values_at_most(&self, max: usize) -> Result<(), Failure> {
        let (mut values, mut in_text, mut escaped) = (0_usize, false, false);
        for byte in &self.0 {
            match byte {
                _ if escaped => escaped = false,
                b'\\' if in_text => escaped = true,
                b'"' => in_text = !in_text,
                // One for each member or item: what follows a bracket, a brace or a comma.
                b'[' | b'{' | b',' if !in_text => values += 1,
                _ => {}
            }
        }
        if values <= max {
            return Ok(());
        }
        let detail = format!("The body has more than {max} values, the most that is taken.");
        Err(Problem::caller(Code::PayloadTooLarge, detail).into())
    }

    /// The members of the object that the body is, still unread.
    pub(crate) fn members(&self) -> Result<Members<'_>, Failure> {
        Members::of(text(&self.0)?).map_err(|error| broken(&error))
    }

    /// The object that the body is.
    pub(crate) fn object(&self) -> Result<Map<String, Value>, Failure> {
        let (object, repeated) = strict::object(text(&self.0)?).map_err(|error| broken(&error))?;
        if repeated.is_empty() {
            return Ok(object);
        }
        let wrong = |pointer| FieldError { pointer, detail: strict::REPEATED.to_owned() };
        Err(Failure::invalid("The body has members more than once.", repeated.into_iter().map(wrong).collect()))
    }
}

impl MaybeJsonBody {
    /// The members; none when there is no body.
    pub(crate) fn members(&self) -> Result<Members<'_>, Failure> {
        if self.0.0.is_empty() { Ok(Members::default()) } else { self.0.members() }
    }

    /// The object; empty when there is no body.
    pub(crate) fn object(&self) -> Result<Map<String, Value>, Failure> {
        if self.0.0.is_empty() { Ok(Map::new()) } else { self.0.object() }
    }
}

/// The largest body that a request may have.
fn body_max(parts: &Parts) -> usize {
    if parts.method == Method::POST && parts.uri.path() == "/run" { RUN_BODY_MAX_BYTES } else { BODY_MAX_BYTES }
}

/// Reads a body of at most [`BODY_MAX_BYTES`], [`RUN_BODY_MAX_BYTES`] where a run is started, within [`BODY_READ_TIMEOUT`]. One
/// that is compressed is refused.
pub(crate) async fn read_body(parts: &Parts, body: Body) -> Result<Bytes, Failure> {
    let headers = &parts.headers;
    let encodings = headers.get_all(CONTENT_ENCODING).iter().map(|value| value.to_str().unwrap_or("?").trim());
    if let Some(encoding) = encodings.into_iter().find(|encoding| !encoding.eq_ignore_ascii_case("identity")) {
        let detail = format!("The body is declared as encoded ({}); no encoding is taken.", super::shown(encoding));
        return Err(Problem::caller(Code::UnsupportedMediaType, detail)
            .with_hint("Send the body as it is, not compressed and without `content-encoding`.")
            .into());
    }
    match tokio::time::timeout(BODY_READ_TIMEOUT, collect(headers, body, body_max(parts))).await {
        Ok(outcome) => outcome,
        Err(_) => Err(Failure::invalid(
            format!("The body did not arrive within {} seconds.", BODY_READ_TIMEOUT.as_secs()),
            Vec::new(),
        )),
    }
}

async fn collect(headers: &HeaderMap, mut body: Body, max: usize) -> Result<Bytes, Failure> {
    let announced = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    let mut too_large = announced.is_some_and(|bytes| bytes > max as u64);
    let mut gathered = Gathered::Nothing;
    let mut read = 0_usize;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Failure::invalid("The body ended before it was complete.", Vec::new()))?;
        let Ok(piece) = frame.into_data() else { continue };
        read += piece.len();
        too_large |= read > max;
        if too_large {
            gathered = Gathered::Nothing;
            if read > max + BODY_DRAIN_MAX_BYTES {
                break;
            }
        } else {
            gathered = gathered.with(piece);
        }
    }
    if too_large {
        let detail = format!("The body is larger than {max} bytes, the most that is taken.");
        return Err(Problem::caller(Code::PayloadTooLarge, detail).into());
    }
    Ok(gathered.into_bytes())
}

/// The pieces of a body so far. Most bodies come in one piece, which then is not copied.
enum Gathered {
    Nothing,
    One(Bytes),
    Many(BytesMut),
}

impl Gathered {
    fn with(self, piece: Bytes) -> Self {
        match self {
            Self::Nothing => Self::One(piece),
            Self::One(first) => {
                let mut buffer = BytesMut::from(&first[..]);
                buffer.extend_from_slice(&piece);
                Self::Many(buffer)
            }
            Self::Many(mut buffer) => {
                buffer.extend_from_slice(&piece);
                Self::Many(buffer)
            }
        }
    }

    fn into_bytes(self) -> Bytes {
        match self {
            Self::Nothing => Bytes::new(),
            Self::One(bytes) => bytes,
            Self::Many(buffer) => buffer.freeze(),
        }
    }
}

/// The character encoding that the body is declared to have, when that is another one than UTF-8 or its subset ASCII.
fn foreign_charset(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(CONTENT_TYPE)?.to_str().ok()?;
    let parameters = value.split(';').skip(1).filter_map(|parameter| parameter.split_once('='));
    let charset = parameters.filter(|(name, _)| name.trim().eq_ignore_ascii_case("charset")).map(|(_, value)| value);
    let charset = charset.map(|value| value.trim().trim_matches('"').to_ascii_lowercase());
    charset.into_iter().find(|charset| !matches!(charset.as_str(), "utf-8" | "utf8" | "us-ascii"))
}

/// `application/json`, or any type that ends in `+json`.
fn is_json(headers: &HeaderMap) -> bool {
    let Some(value) = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()) else { return false };
    let media_type = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    media_type == "application/json" || (media_type.starts_with("application/") && media_type.ends_with("+json"))
}

fn text(bytes: &Bytes) -> Result<&str, Failure> {
    std::str::from_utf8(bytes).map_err(|error| {
        Failure::invalid(format!("The body is not UTF-8: byte {} cannot be read.", error.valid_up_to()), Vec::new())
    })
}

/// What is wrong with a body that does not parse. The parser's own texts are used only where they cannot hold a value.
fn broken(error: &serde_json::Error) -> Failure {
    let place = format!("line {} column {}", error.line(), error.column());
    let (detail, pointer) = if too_deep(error) {
        (format!("The body is nested deeper than {JSON_DEPTH_MAX} levels."), "")
    } else if error.is_syntax() || error.is_eof() {
        return Failure::invalid(format!("The body is not JSON: {error}."), Vec::new());
    } else {
        ("The body must be a JSON object.".to_owned(), "")
    };
    let at = FieldError { pointer: pointer.to_owned(), detail: format!("See {place}.") };
    Failure::invalid(detail, vec![at])
}

/// Whether the parser gave up because of the depth.
pub(super) fn too_deep(error: &serde_json::Error) -> bool {
    error.is_syntax() && error.to_string().starts_with("recursion limit exceeded")
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn detail(body: &[u8]) -> Option<String> {
        let body = JsonBody(Bytes::copy_from_slice(body));
        body.object().err().map(|failure| failure.problem().body().detail.clone())
    }

    #[test]
    fn what_does_not_parse_is_explained_with_its_place() {
        assert_eq!(detail(b"{}"), None);
        assert_eq!(detail(b"{\"a\":1,}").as_deref(), Some("The body is not JSON: trailing comma at line 1 column 8."));
        assert_eq!(
            detail(b"\n{\"a\"").as_deref(),
            Some("The body is not JSON: EOF while parsing an object at line 2 column 4.")
        );
        assert_eq!(detail(b"\"hunter2\"").as_deref(), Some("The body must be a JSON object."));
        assert_eq!(detail(b"{\"a\":\"\xff\"}").as_deref(), Some("The body is not UTF-8: byte 6 cannot be read."));
    }

    #[test]
    fn depth_is_taken_at_the_limit_and_refused_one_past_it() {
        // The body's own object is the first level.
        let nested = |levels: usize| format!("{{\"a\":{}{}}}", "[".repeat(levels - 1), "]".repeat(levels - 1));
        assert_eq!(detail(nested(JSON_DEPTH_MAX).as_bytes()), None);
        let past = detail(nested(JSON_DEPTH_MAX + 1).as_bytes());
        assert_eq!(past.as_deref(), Some("The body is nested deeper than 127 levels."));
    }

    #[test]
    fn json_is_told_by_its_media_type() {
        let check = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(value));
            is_json(&headers)
        };
        assert!(
            check("application/json")
                && check("Application/JSON; charset=utf-8")
                && check("application/merge-patch+json")
        );
        assert!(!check("text/plain") && !check("application/x-www-form-urlencoded") && !check("text/x+json"));
    }

    #[tokio::test]
    async fn a_body_is_taken_at_the_limit_and_refused_one_past_it() {
        for (path, max) in [("/token", BODY_MAX_BYTES), ("/run", RUN_BODY_MAX_BYTES)] {
            let read = async |size: usize| {
                let request = Request::post(path).body(()).unwrap();
                read_body(&request.into_parts().0, Body::from(vec![b'x'; size])).await
            };
            assert_eq!(read(max).await.unwrap().len(), max);
            assert_eq!(read(max + 1).await.unwrap_err().problem().code(), Code::PayloadTooLarge);
        }
    }

    #[test]
    fn values_are_counted_before_any_is_made() {
        let check = |text: &str, max| JsonBody(Bytes::from(text.to_owned())).values_at_most(max).is_ok();
        // What stands in texts does not count.
        let text = r#"{"a": [1, 2, {"b": "[,\\\"{"}], "c": "\\"}"#;
        assert!(check(text, 6) && !check(text, 5));
        let many = format!("[{}0]", "0,".repeat(RUN_BODY_MAX_VALUES - 1));
        assert!(check(&many, RUN_BODY_MAX_VALUES));
        assert!(!check(&format!("[{many}]"), RUN_BODY_MAX_VALUES));
    }
}
