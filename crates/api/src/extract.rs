//! Reading requests, so that every refusal is a problem in words.

use axum::{
    body::Bytes,
    extract::{FromRequest, FromRequestParts, Path, Query, Request},
    http::{HeaderMap, StatusCode, header, request::Parts},
};
use serde::de::DeserializeOwned;
use serde_json::error::Category;
use types::OrderId;

use crate::{problem::Problem, state::Shared};

/// The longest body of a request: an order of the largest size, every character escaped, is a third.
pub(crate) const MAX_BODY_BYTES: usize = 64 * 1024;
/// What a body too long is called.
const WHOLE_BODY: &str = "the request's body";
/// The most entries a page holds, and what it holds when not asked otherwise.
pub(crate) const MAX_PAGE: usize = 1_000;
const DEFAULT_PAGE: usize = 100;

/// A body that says it is JSON.
pub(crate) struct JsonBytes(pub(crate) Bytes);

impl FromRequest<Shared> for JsonBytes {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &Shared) -> Result<Self, Problem> {
        if !is_of_type(request.headers(), "application/json") {
            return Err(Problem::media_type());
        }
        // Said before the body is read, so that a client that asks first need not send it.
        let announced = request
            .headers()
            .get(header::CONTENT_LENGTH)
            .and_then(|length| length.to_str().ok());
        if announced
            .and_then(|length| length.parse().ok())
            .is_some_and(|length: usize| length > MAX_BODY_BYTES)
        {
            return Err(Problem::too_large(WHOLE_BODY, MAX_BODY_BYTES));
        }
        let reading = Bytes::from_request(request, app);
        let Ok(read) = tokio::time::timeout(app.config.limits.read_timeout, reading).await else {
            let detail = "the request's body did not arrive in time; send it again";
            return Err(Problem::body_too_slow(detail));
        };
        match read {
            Ok(bytes) => Ok(Self(bytes)),
            Err(rejection) if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE => {
                Err(Problem::too_large(WHOLE_BODY, MAX_BODY_BYTES))
            }
            Err(rejection) => Err(Problem::malformed(rejection.body_text())),
        }
    }
}

impl JsonBytes {
    /// Reads the body.
    pub(crate) fn parse<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        self.parse_as(Problem::invalid)
    }

    /// Reads a body that is no order; `invalid` makes the problem of one that is understood, but wrong.
    pub(crate) fn parse_as<T: DeserializeOwned>(
        &self,
        invalid: impl FnOnce(String) -> Problem,
    ) -> Result<T, Problem> {
        parse_object(&self.0, "body", invalid)
    }
}

/// Reads a JSON object; `what` it is goes into the words for one that cannot be read, and `invalid` makes
/// the problem of one that is understood, but wrong.
pub(crate) fn parse_object<T: DeserializeOwned>(
    json: &[u8],
    what: &str,
    invalid: impl FnOnce(String) -> Problem,
) -> Result<T, Problem> {
    // Serde would also take an array of the fields' values.
    if json.trim_ascii_start().first() != Some(&b'{') {
        let detail = format!("the {what} is not a JSON object, as it must be");
        return Err(Problem::malformed(detail));
    }
    serde_json::from_slice(json).map_err(|error| match error.classify() {
        Category::Data => invalid(error.to_string()),
        Category::Syntax | Category::Eof | Category::Io => {
            Problem::malformed(format!("the {what} is not JSON: {error}"))
        }
    })
}

/// Whether a body is said to be of a media type, whatever parameters follow.
pub(crate) fn is_of_type(headers: &HeaderMap, media_type: &str) -> bool {
    let content_type = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let essence = content_type.split(';').next().unwrap_or_default();
    essence.trim().eq_ignore_ascii_case(media_type)
}

/// The parameters behind the question mark.
pub(crate) struct Parameters<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequestParts<Shared> for Parameters<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Shared) -> Result<Self, Problem> {
        match Query::from_request_parts(parts, app).await {
            Ok(Query(parameters)) => Ok(Self(parameters)),
            Err(rejection) => {
                let text = rejection.body_text();
                // The library begins with its own words for what this says.
                let reason = text.split_once(": ").map_or(&*text, |(_, reason)| reason);
                Err(Problem::malformed(format!(
                    "a parameter behind the question mark is wrong: {reason}; /openapi.json describes them all"
                )))
            }
        }
    }
}

/// The one variable part of a path.
pub(crate) struct PathText(pub(crate) String);

impl FromRequestParts<Shared> for PathText {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Shared) -> Result<Self, Problem> {
        match Path::from_request_parts(parts, app).await {
            Ok(Path(text)) => Ok(Self(text)),
            Err(rejection) => Err(Problem::malformed(rejection.body_text())),
        }
    }
}

impl PathText {
    /// Reads an order's id.
    pub(crate) fn order_id(&self) -> Result<OrderId, Problem> {
        self.0
            .parse()
            .map_err(|error: types::fixed::ParseFixedError| Problem::malformed(error.to_string()))
    }
}

/// How long a page shall be.
pub(crate) fn page_limit(asked: Option<usize>) -> Result<usize, Problem> {
    match asked.unwrap_or(DEFAULT_PAGE) {
        limit @ 1..=MAX_PAGE => Ok(limit),
        limit => Err(Problem::malformed(format!(
            "limit is {limit}; it must be 1 to {MAX_PAGE}"
        ))),
    }
}
