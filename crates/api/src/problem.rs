//! Errors as RFC 9457 problem details.

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use types::OrderId;

use crate::{
    backend::{Full, ReadError, SubmitError},
    model::ProblemBody,
};

/// The media type of problem details.
pub(crate) const PROBLEM_JSON: &str = "application/problem+json";

/// An error on its way to the client.
#[derive(Debug, Clone)]
pub(crate) struct Problem {
    status: StatusCode,
    kind: &'static str,
    title: &'static str,
    detail: String,
    order: Option<OrderId>,
    retry_after_seconds: Option<u32>,
}

impl Problem {
    fn new(
        status: StatusCode,
        kind: &'static str,
        title: &'static str,
        detail: impl Into<String>,
    ) -> Self {
        Self {
            status,
            kind,
            title,
            detail: detail.into(),
            order: None,
            retry_after_seconds: None,
        }
    }

    /// 400: the request cannot be read.
    pub(crate) fn malformed(detail: impl Into<String>) -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "malformed-request",
            "The request cannot be read",
            detail,
        )
    }
    /// 401: no token, or a wrong one.
    pub(crate) fn unauthorized() -> Self {
        let detail = "this node answers only with its token: send the header Authorization: Bearer TOKEN \
                      with the content of its token file";
        Self::new(
            StatusCode::UNAUTHORIZED,
            "token-required",
            "The node's token is required",
            detail,
        )
    }
    /// 403: asked by a page of another origin.
    pub(crate) fn foreign_origin(origin: &str) -> Self {
        let detail = format!(
            "pages of the origin {} may not use this node; its operator can allow the origin",
            shortened(origin)
        );
        Self::new(
            StatusCode::FORBIDDEN,
            "foreign-origin",
            "The origin is not allowed",
            detail,
        )
    }
    /// 404: there is no such thing.
    pub(crate) fn not_found(detail: impl Into<String>) -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "not-found",
            "There is no such thing",
            detail,
        )
    }
    /// 405: the route exists, but not for this method.
    pub(crate) fn method_not_allowed(method: &str, path: &str) -> Self {
        let detail = format!(
            "{} does not take {}; the header Allow says what it takes",
            shortened(path),
            shortened(method)
        );
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "method-not-allowed",
            "The method is not allowed",
            detail,
        )
    }
    /// 408: the body did not come in time.
    pub(crate) fn body_too_slow(detail: &str) -> Self {
        Self::new(
            StatusCode::REQUEST_TIMEOUT,
            "body-too-slow",
            "The body came too slowly",
            detail,
        )
    }
    /// 409: the order is not final yet.
    pub(crate) fn not_final(id: OrderId) -> Self {
        let detail =
            "the order is not final yet, so there is no proof of it; ask again in a moment";
        let mut problem = Self::new(
            StatusCode::CONFLICT,
            "not-final",
            "The order is not final yet",
            detail,
        );
        problem.order = Some(id);
        problem.retry_after(1)
    }
    /// 413: the body, or a line of it, is too large.
    pub(crate) fn too_large(what: &str, most: usize) -> Self {
        let detail = format!("{what} is larger than {most} bytes; send less at once");
        Self::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "body-too-large",
            "The body is too large",
            detail,
        )
    }
    /// 415: the body is of another type.
    pub(crate) fn media_type() -> Self {
        let detail = "send the body as JSON, with the header Content-Type: application/json; many orders, one a \
                      line, go to /v1/orders with application/x-ndjson";
        Self::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "media-type",
            "The body's type is not accepted",
            detail,
        )
    }
    /// 421: the client took this node for another host.
    pub(crate) fn unknown_host(host: &str) -> Self {
        let detail = format!(
            "this node is not known as {}; use its address, or let its operator allow the host name",
            shortened(host)
        );
        Self::new(
            StatusCode::MISDIRECTED_REQUEST,
            "unknown-host",
            "The host name is not this node's",
            detail,
        )
    }
    /// 422: understood, but wrong.
    pub(crate) fn invalid(detail: impl Into<String>) -> Self {
        Self::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "invalid-order",
            "The order is not valid",
            detail,
        )
    }
    /// 422: a menu that is understood, but wrong.
    pub(crate) fn invalid_menu(detail: impl Into<String>) -> Self {
        Self::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "invalid-menu",
            "The menu is not valid",
            detail,
        )
    }
    /// 500: the node's own fault.
    pub(crate) fn internal(detail: impl Into<String>) -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "The node failed",
            detail,
        )
    }
    /// 503: too much is going on.
    pub(crate) fn busy(detail: impl Into<String>) -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "busy",
            "The node is busy",
            detail,
        )
        .retry_after(5)
    }

    /// 503: the node goes down.
    pub(crate) fn stopping(detail: impl Into<String>) -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "stopping",
            "The node is stopping",
            detail,
        )
        .retry_after(10)
    }

    /// What the client is told.
    pub(crate) fn body(&self) -> ProblemBody {
        ProblemBody {
            kind: format!("urn:dexter:problem:{}", self.kind),
            title: self.title.to_owned(),
            status: self.status.as_u16(),
            detail: self.detail.clone(),
            order: self.order,
        }
    }

    const fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after_seconds = Some(seconds);
        self
    }
}

/// At most as much of what a client sent as an answer should repeat.
fn shortened(text: &str) -> String {
    text.chars().take(100).collect()
}

impl From<&Full> for Problem {
    fn from(full: &Full) -> Self {
        Self::new(
            StatusCode::TOO_MANY_REQUESTS,
            "pool-full",
            "The pool is full",
            full.to_string(),
        )
        .retry_after(full.retry_after_seconds)
    }
}

impl From<SubmitError> for Problem {
    fn from(error: SubmitError) -> Self {
        let detail = error.to_string();
        match error {
            SubmitError::Duplicate { id } => {
                let title = "The order is already taken";
                let mut problem = Self::new(StatusCode::CONFLICT, "duplicate-order", title, detail);
                problem.order = Some(id);
                problem
            }
            SubmitError::KeyReused => {
                let title = "The idempotency key belongs to another order";
                Self::new(
                    StatusCode::UNPROCESSABLE_ENTITY,
                    "idempotency-key-reused",
                    title,
                    detail,
                )
            }
            SubmitError::Invalid(detail) => Self::invalid(detail),
            SubmitError::Stopping => Self::stopping(detail),
        }
    }
}

impl From<ReadError> for Problem {
    fn from(error: ReadError) -> Self {
        let detail = error.to_string();
        match error {
            ReadError::Starting => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "starting",
                "The node is starting",
                detail,
            )
            .retry_after(1),
            ReadError::Stopping => Self::stopping(detail),
            ReadError::Failed(_) => Self::internal(detail),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(self.body())).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
        if let Some(seconds) = self.retry_after_seconds {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if self.status == StatusCode::CONFLICT
            && let Some(location) = self
                .order
                .and_then(|id| HeaderValue::try_from(format!("/v1/orders/{id}")).ok())
        {
            headers.insert(header::LOCATION, location);
        }
        response
    }
}
