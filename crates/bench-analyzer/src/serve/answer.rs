//! Answers to visitors: values, reasons why there are none, and what is still being made.

use std::collections::HashMap;

use axum::Json;
use axum::extract::{FromRequest, FromRequestParts, Query, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::error::{Error, Result};

/// Why a question has no answer.
#[derive(Debug, Clone)]
pub(super) enum Refusal {
    /// With this status, for this reason.
    Said(StatusCode, String),
    /// It takes a while; this is what is being done.
    NotYet(String),
}

impl Refusal {
    pub(super) fn said(status: StatusCode, why: impl Into<String>) -> Self {
        Self::Said(status, why.into())
    }

    /// The question has no meaning.
    pub(super) fn wrong(why: impl Into<String>) -> Self {
        Self::Said(StatusCode::BAD_REQUEST, why.into())
    }

    /// The thing that was asked for is not there.
    pub(super) fn absent(why: impl Into<String>) -> Self {
        Self::Said(StatusCode::NOT_FOUND, why.into())
    }

    /// The server failed.
    pub(super) fn failed(why: impl std::fmt::Display) -> Self {
        Self::Said(StatusCode::INTERNAL_SERVER_ERROR, why.to_string())
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        let status = match error {
            Error::NoBaseline { .. }
            | Error::NoRun { .. }
            | Error::NotAccepted { .. }
            | Error::NotMeasured { .. }
            | Error::AmbiguousCommit { .. }
            | Error::EmptyStore { .. } => StatusCode::NOT_FOUND,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self::Said(status, error.to_string())
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        match self {
            Self::Said(status, why) => (status, Json(json!({ "error": why }))).into_response(),
            Self::NotYet(what) => {
                (StatusCode::ACCEPTED, Json(json!({ "not_yet": what }))).into_response()
            }
        }
    }
}

/// Parameters of a question. What cannot be read is refused as everything else is.
#[derive(Debug)]
pub(super) struct Asked<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Asked<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> std::result::Result<Self, Refusal> {
        match Query::try_from_uri(&parts.uri) {
            Ok(Query(asked)) => Ok(Self(asked)),
            Err(error) => Err(Refusal::wrong(error.body_text())),
        }
    }
}

/// The body of a request that changes something. What cannot be read is refused as everything else is.
#[derive(Debug)]
pub(super) struct Told<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Told<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &S) -> std::result::Result<Self, Refusal> {
        match Json::from_request(request, state).await {
            Ok(Json(told)) => Ok(Self(told)),
            Err(error) => Err(Refusal::wrong(error.body_text())),
        }
    }
}

/// The value of a parameter, of whatever question.
pub(super) fn parameter(uri: &axum::http::Uri, name: &str) -> Option<String> {
    let Query(mut all) = Query::<HashMap<String, String>>::try_from_uri(uri).ok()?;
    all.remove(name)
}

/// Waits for what the store is asked, on a thread that may wait.
pub(super) fn off_thread<T>(
    asking: impl Future<Output = Result<T>>,
) -> std::result::Result<T, Refusal> {
    Ok(tokio::runtime::Handle::current().block_on(asking)?)
}
