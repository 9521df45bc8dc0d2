//! What went wrong, as HTTP says it.

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use trefoil_native::Refusal;
use trefoil_wire::http::{ErrorBody, ErrorDetail};

/// An answer that is an error: status, code, words for developers.
#[derive(Debug)]
pub(crate) struct Problem {
    status: StatusCode,
    code: &'static str,
    message: String,
    retry_after_seconds: Option<u64>,
    challenge: Option<&'static str>,
}

impl Problem {
    fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
            retry_after_seconds: None,
            challenge: None,
        }
    }

    /// The code of the problem that an answer tells, if it tells one.
    pub(crate) fn code_of(response: &Response) -> Option<&'static str> {
        response.extensions().get().map(|ProblemCode(code)| *code)
    }

    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad_request", message)
    }

    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", message)
    }

    pub(crate) fn forbidden(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", message)
    }

    pub(crate) fn method_not_allowed() -> Self {
        let message = "this path has no such method; see /v1/openapi.json";
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", message)
    }

    pub(crate) fn too_large(limit: usize) -> Self {
        let message = format!("the body is larger than {limit} bytes; send less");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "payload_too_large", message)
    }

    pub(crate) fn unusable_sound(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unusable_sound", message)
    }

    pub(crate) fn sound_too_long(seconds: u64) -> Self {
        let message = format!("the sound is longer than {seconds} seconds; send less, or repeat it");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "sound_too_long", message)
    }

    pub(crate) fn room_empty() -> Self {
        let message = "nobody is in the room to hear it; try again when somebody has come";
        Self::new(StatusCode::CONFLICT, "room_empty", message)
    }

    pub(crate) fn too_many_announcements(message: &'static str) -> Self {
        Self::new(StatusCode::CONFLICT, "too_many_announcements", message)
    }

    pub(crate) fn no_such_announcement() -> Self {
        let message = "no such announcement is being played in this room; GET lists those that are";
        Self::new(StatusCode::NOT_FOUND, "no_such_announcement", message)
    }

    pub(crate) fn too_late() -> Self {
        let message = "the request did not arrive in time; send it again, faster";
        Self::new(StatusCode::REQUEST_TIMEOUT, "request_timeout", message)
    }

    pub(crate) fn too_many_connections() -> Self {
        let message = "too many connections from your address; close some or try again later";
        let problem = Self::new(StatusCode::TOO_MANY_REQUESTS, "too_many_connections", message);
        Self {
            retry_after_seconds: Some(10),
            ..problem
        }
    }

    pub(crate) fn origin(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "origin_not_allowed", message)
    }

    /// No API key, or a wrong one.
    pub(crate) fn no_key(development: bool) -> Self {
        let message = if development {
            "the administration interface needs an API key, and none is configured; add one under keys"
        } else {
            "an API key is needed: HTTP Basic with the key as name and its secret as password"
        };
        let problem = Self::new(StatusCode::UNAUTHORIZED, "unauthorized", message);
        Self {
            challenge: Some("Basic realm=\"trefoil\", charset=\"UTF-8\""),
            ..problem
        }
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let refused = refusal.to_wire(None);
        let status = match refusal.code() {
            "unauthorized" => StatusCode::UNAUTHORIZED,
            "forbidden" | "kicked" => StatusCode::FORBIDDEN,
            "room_full" | "room_limit" => StatusCode::CONFLICT,
            "room_locked" => StatusCode::LOCKED,
            "room_encrypted" | "no_media_server" => StatusCode::CONFLICT,
            "no_such_room" | "no_such_participant" => StatusCode::NOT_FOUND,
            "unsupported_topology" => StatusCode::NOT_IMPLEMENTED,
            "server_stopping" => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::BAD_REQUEST,
        };
        let challenge = (status == StatusCode::UNAUTHORIZED).then_some("Bearer");
        let problem = Self::new(status, refusal.code(), refused.message);
        Self {
            retry_after_seconds: refused.retry_after_seconds,
            challenge,
            ..problem
        }
    }
}

impl From<trefoil_room::Refusal> for Problem {
    fn from(refusal: trefoil_room::Refusal) -> Self {
        Refusal::from(refusal).into()
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let Self {
            status,
            code,
            message,
            retry_after_seconds,
            challenge,
        } = self;
        let body = ErrorBody {
            error: ErrorDetail {
                code: code.to_owned(),
                message,
                retry_after_seconds,
            },
        };
        let mut response = (status, Json(body)).into_response();
        response.extensions_mut().insert(ProblemCode(code));
        let headers = response.headers_mut();
        if let Some(seconds) = retry_after_seconds {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Some(challenge) = challenge {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        if status == StatusCode::REQUEST_TIMEOUT || status == StatusCode::PAYLOAD_TOO_LARGE {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}

/// The code of a [`Problem`], on its way out to be counted.
#[derive(Clone, Copy)]
pub(crate) struct ProblemCode(pub(crate) &'static str);
