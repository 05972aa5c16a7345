//! Every way a request can fail, and the one place where it becomes a status.

use std::sync::Arc;

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use serde_json::{Value, json};
use tandem_channel_kit::InboxError;
use tandem_domain::{ConversationId, conversation::IllegalMove, store::StoreError};
use tandem_engine::PersonError;
use utoipa::ToSchema;

use crate::scope::Scope;

/// Seconds a client should wait before it tries again.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("1");

#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    #[error("a valid token is needed: Authorization: Bearer TOKEN")]
    Unauthorized,
    #[error("the token lacks the scope {}", .0.as_str())]
    Forbidden(Scope),
    #[error("there is no such {0}")]
    NotFound(&'static str),
    #[error("{0}")]
    Gone(&'static str),
    #[error("this address does not take that method")]
    MethodNotAllowed,
    #[error("the body is not readable as JSON: {0}")]
    BadJson(String),
    #[error("the body must be sent as application/json")]
    UnsupportedMedia,
    #[error("the body is larger than {0} bytes")]
    TooLarge(usize),
    /// A value that is readable and not usable.
    #[error("{field}: {message}")]
    Invalid { field: String, message: String },
    #[error(transparent)]
    Illegal(#[from] IllegalMove),
    /// The conversation has ended and the lane went on in a newer one.
    #[error("this conversation has ended and a newer one has begun")]
    Superseded(ConversationId),
    #[error("{message}")]
    Conflict {
        code: &'static str,
        message: &'static str,
    },
    #[error("it has changed since: If-Match does not hold")]
    Precondition,
    /// A pack that cannot be loaded; the one before stays.
    #[error("the pack was not loaded; the version before stays")]
    Refused(Value),
    /// A plugin that cannot be loaded; the one before stays.
    #[error("the plugin was not loaded; the one before goes on")]
    PluginRefused(Value),
    /// Settings of an account that cannot be used; those before stay.
    #[error("the account goes on as it was: {0}")]
    AccountRefused(String),
    #[error("too many {0} at the same time")]
    TooMany(&'static str),
    /// Not there yet, and nobody's fault.
    #[error("{0} is on its way; ask again")]
    Pending(&'static str),
    #[error("the server cannot do this right now")]
    Unavailable(String),
    #[error("the server has no room left")]
    Full(String),
    #[error("the request took too long")]
    Timeout,
    #[error("internal error")]
    Internal(String),
}

/// What every failed request answers.
#[derive(Serialize, ToSchema)]
pub struct ErrorBody {
    pub error: ErrorDetail,
}

#[derive(Serialize, ToSchema)]
pub struct ErrorDetail {
    /// For programs; stays the same when the message is worded better.
    #[schema(example = "not_found")]
    pub code: &'static str,
    /// For people.
    pub message: String,
    /// Stands in the server's log beside the cause.
    pub request_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub details: Option<Value>,
}

impl ApiError {
    #[must_use]
    pub fn invalid(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Invalid {
            field: field.into(),
            message: message.into(),
        }
    }

    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::Forbidden(_) => StatusCode::FORBIDDEN,
            Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::Gone(_) => StatusCode::GONE,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::BadJson(_) => StatusCode::BAD_REQUEST,
            Self::UnsupportedMedia => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Invalid { .. }
            | Self::Refused(_)
            | Self::PluginRefused(_)
            | Self::AccountRefused(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Illegal(_) | Self::Superseded(_) | Self::Conflict { .. } => StatusCode::CONFLICT,
            Self::Precondition => StatusCode::PRECONDITION_FAILED,
            Self::TooMany(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::Pending(_) | Self::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Full(_) => StatusCode::INSUFFICIENT_STORAGE,
            Self::Timeout => StatusCode::GATEWAY_TIMEOUT,
            Self::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unauthorized => "unauthorized",
            Self::Forbidden(_) => "forbidden",
            Self::NotFound(_) => "not_found",
            Self::Gone(_) => "gone",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::BadJson(_) => "bad_json",
            Self::UnsupportedMedia => "unsupported_media_type",
            Self::TooLarge(_) => "too_large",
            Self::Invalid { .. } => "invalid",
            Self::Illegal(_) => "illegal_move",
            Self::Superseded(_) => "superseded",
            Self::Conflict { code, .. } => code,
            Self::Precondition => "precondition_failed",
            Self::Refused(_) => "pack_refused",
            Self::PluginRefused(_) => "plugin_refused",
            Self::AccountRefused(_) => "account_refused",
            Self::TooMany(_) => "too_many",
            Self::Pending(_) => "pending",
            Self::Unavailable(_) => "unavailable",
            Self::Full(_) => "full",
            Self::Timeout => "timeout",
            Self::Internal(_) => "internal",
        }
    }

    fn details(&self) -> Option<Value> {
        match self {
            Self::Forbidden(scope) => Some(json!({"scope": scope})),
            Self::Invalid { field, .. } => Some(json!({"field": field})),
            Self::Illegal(refused) => Some(json!({
                "status": refused.from,
                "routing_state": refused.routing,
                "move": refused.what,
            })),
            Self::Superseded(newer) => Some(json!({"conversation": newer})),
            Self::Refused(problems) => Some(json!({"problems": problems})),
            Self::PluginRefused(why) => Some(why.clone()),
            _ => None,
        }
    }

    /// What is logged and not told.
    pub(crate) fn cause(&self) -> Option<&str> {
        match self {
            Self::Unavailable(why) | Self::Full(why) | Self::Internal(why) => Some(why),
            _ => None,
        }
    }

    /// The answer, for the request of this id.
    pub(crate) fn answer(&self, request_id: &str) -> Response {
        let body = ErrorBody {
            error: ErrorDetail {
                code: self.code(),
                message: self.to_string(),
                request_id: request_id.to_owned(),
                details: self.details(),
            },
        };
        let mut response = (self.status(), Json(body)).into_response();
        let headers = response.headers_mut();
        match self {
            Self::Unauthorized => {
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            Self::Pending(_) | Self::Unavailable(_) | Self::Full(_) | Self::TooMany(_) => {
                headers.insert(header::RETRY_AFTER, RETRY_AFTER);
            }
            _ => {}
        }
        response
    }
}

impl IntoResponse for ApiError {
    /// An empty answer that carries the error; the frame around every request knows the request's
    /// id and writes it out.
    fn into_response(self) -> Response {
        let mut response = self.status().into_response();
        response.extensions_mut().insert(Arc::new(self));
        response
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable(why) => Self::Unavailable(why),
            StoreError::Full(why) => Self::Full(why),
            StoreError::Corrupt(why) => Self::Internal(why),
        }
    }
}

impl From<PersonError> for ApiError {
    fn from(error: PersonError) -> Self {
        match error {
            PersonError::NotFound => Self::NotFound("conversation"),
            PersonError::Illegal(refused) => Self::Illegal(refused),
            PersonError::Superseded(newer) => Self::Superseded(newer),
            PersonError::NoLine => Self::NotFound("message"),
            PersonError::Unchangeable(message) => Self::Conflict {
                code: "unchangeable",
                message,
            },
            PersonError::Store(error) => error.into(),
            PersonError::Failed(why) => Self::Internal(why),
        }
    }
}

impl From<InboxError> for ApiError {
    fn from(error: InboxError) -> Self {
        match error {
            InboxError::Unavailable(why) => Self::Unavailable(why),
            InboxError::Full(why) => Self::Full(why),
            InboxError::Invalid(why) => Self::invalid("body", why),
            InboxError::TooLarge { what, max } => {
                Self::invalid("body", format!("{what} is larger than {max}"))
            }
            InboxError::Failed(why) => Self::Internal(why),
        }
    }
}
