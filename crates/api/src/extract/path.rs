//! Parts of the path.

use axum::extract::{FromRequestParts, Path};
use http::request::Parts;
use serde::de::DeserializeOwned;

use crate::app::App;
use crate::failure::Failure;

/// Percent-decoded parts of the path, as axum's `Path`, with our refusal.
pub(crate) struct PathParts<T>(pub(crate) T);

impl<T: DeserializeOwned + Send> FromRequestParts<App> for PathParts<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Failure> {
        match Path::<T>::from_request_parts(parts, app).await {
            Ok(Path(value)) => Ok(Self(value)),
            Err(_) => Err(Failure::invalid(
                "A part of the path cannot be read: after percent-decoding it is not UTF-8, or not an id where one belongs. Ids of this gateway are UUIDs.",
                Vec::new(),
            )),
        }
    }
}
