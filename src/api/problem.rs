//! Errors as RFC 9457 problem documents, each with a code that does not change.

use poem::http::{StatusCode, header};
use poem::{IntoResponse, Response};
use poem_openapi::registry::{MetaMediaType, MetaResponse, MetaResponses, Registry};
use poem_openapi::types::Type;
use poem_openapi::{ApiResponse, Object};
use queue::EngineError;
use stores::StoreError;

#[derive(Clone, Debug)]
pub(crate) struct Problem {
    status: StatusCode,
    code: &'static str,
    detail: String,
    retry_after_seconds: Option<u32>,
}

impl Problem {
    fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self {
            status,
            code,
            detail: detail.into(),
            retry_after_seconds: None,
        }
    }

    pub(crate) fn not_found(what: &str, key: impl std::fmt::Display) -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "not_found",
            format!("there is no {what} {key}"),
        )
    }

    pub(crate) fn invalid(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid", detail)
    }

    pub(crate) fn conflict(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, "conflict", detail)
    }

    pub(crate) fn unauthorized() -> Self {
        let detail = "send a valid key as `Authorization: Bearer …`";
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", detail)
    }

    pub(crate) fn forbidden(needed: &str) -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "forbidden",
            format!("this needs a key with scope {needed}"),
        )
    }

    pub(crate) fn not_ready(detail: impl Into<String>) -> Self {
        Self {
            retry_after_seconds: Some(2),
            ..Self::new(StatusCode::SERVICE_UNAVAILABLE, "not_ready", detail)
        }
    }

    pub(crate) fn too_large(limit: usize) -> Self {
        let detail = format!("the body is larger than {limit} bytes; send it in parts");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", detail)
    }

    pub(crate) fn length_required() -> Self {
        Self::new(
            StatusCode::LENGTH_REQUIRED,
            "length_required",
            "send a Content-Length with the body",
        )
    }

    /// The cause is logged, not shown.
    pub(crate) fn internal() -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "something failed on our side; it is logged",
        )
    }
}

impl From<jobs::dealers::DealerProblem> for Problem {
    fn from(problem: jobs::dealers::DealerProblem) -> Self {
        use jobs::dealers::DealerProblem;
        match problem {
            DealerProblem::Order(detail) => Self::invalid(detail),
            DealerProblem::Store(error) => error.into(),
            DealerProblem::Sql(error) => error.into(),
        }
    }
}

impl From<jobs::mappings::MappingProblem> for Problem {
    fn from(problem: jobs::mappings::MappingProblem) -> Self {
        use jobs::mappings::MappingProblem;
        match problem {
            MappingProblem::Order(detail) => Self::invalid(detail),
            MappingProblem::Mapping(error) => Self::invalid(error.to_string()),
            MappingProblem::Store(error) => error.into(),
            MappingProblem::Sql(error) => error.into(),
        }
    }
}

impl From<jobs::sources::SourceProblem> for Problem {
    fn from(problem: jobs::sources::SourceProblem) -> Self {
        use jobs::sources::SourceProblem;
        match problem {
            SourceProblem::Order(detail) => Self::invalid(detail),
            SourceProblem::Mapping(problem) => problem.into(),
            SourceProblem::Conflict(detail) => Self::conflict(detail),
            // The host that is to be trusted does not answer, or refuses: the caller named it.
            SourceProblem::Host(error) => Self::invalid(error.to_string()),
            SourceProblem::Store(error) => error.into(),
            SourceProblem::Sql(error) => error.into(),
            SourceProblem::Queue(error) => error.into(),
            SourceProblem::Arguments(error) => failed(&error),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = serde_json::json!({
            "type": "about:blank",
            "title": self.status.canonical_reason().unwrap_or("Error"),
            "status": self.status.as_u16(),
            "code": self.code,
            "detail": self.detail,
        });
        let mut response = Response::builder()
            .status(self.status)
            .header(header::CONTENT_TYPE, "application/problem+json")
            .body(body.to_string());
        if let Some(seconds) = self.retry_after_seconds {
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, seconds.into());
        }
        response
    }
}

/// The document's shape, for the OpenAPI documents.
#[derive(Object)]
#[oai(rename = "Problem")]
struct ProblemDocument {
    #[oai(rename = "type")]
    kind: String,
    title: String,
    status: u16,
    /// Stable; what a program decides on.
    code: String,
    /// For people.
    detail: String,
}

impl ApiResponse for Problem {
    fn meta() -> MetaResponses {
        MetaResponses {
            responses: vec![MetaResponse {
                description: "A problem (RFC 9457)",
                status: None,
                status_range: None,
                content: vec![MetaMediaType {
                    content_type: "application/problem+json",
                    schema: ProblemDocument::schema_ref(),
                }],
                headers: Vec::new(),
            }],
        }
    }

    fn register(registry: &mut Registry) {
        ProblemDocument::register(registry);
    }
}

impl From<Problem> for poem::Error {
    fn from(problem: Problem) -> Self {
        Self::from_response(problem.into_response())
    }
}

impl From<jobs::providers::ProviderProblem> for Problem {
    fn from(problem: jobs::providers::ProviderProblem) -> Self {
        use jobs::providers::ProviderProblem;
        match problem {
            ProviderProblem::Order(detail) => Self::invalid(detail),
            // The service that the caller named does not answer, or refuses.
            ProviderProblem::Partner(error) => Self::invalid(error.to_string()),
            ProviderProblem::Store(error) => error.into(),
            ProviderProblem::Sql(error) => error.into(),
            ProviderProblem::Queue(error) => failed(&error),
            ProviderProblem::Arguments(error) => failed(&error),
        }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NotFound { what, key } => Self::not_found(what, key),
            error => failed(&error),
        }
    }
}
impl From<stores::SqlError> for Problem {
    fn from(error: stores::SqlError) -> Self {
        failed(&error)
    }
}
impl From<EngineError> for Problem {
    fn from(error: EngineError) -> Self {
        failed(&error)
    }
}
impl From<partners::PartnerError> for Problem {
    fn from(error: partners::PartnerError) -> Self {
        match error.kind {
            partners::ErrorKind::NotFound => Self::not_found("object", error.target),
            _ => failed(&error),
        }
    }
}

pub(crate) fn failed(error: &(dyn std::error::Error + 'static)) -> Problem {
    tracing::error!(error = %error, cause = ?error.source().map(ToString::to_string), "request failed");
    Problem::internal()
}

/// What the framework itself refuses (no route, a parameter that does not parse, a body too
/// large) in the same form.
pub(crate) async fn respond(error: poem::Error) -> Response {
    let status = error.status();
    let detail = error.to_string();
    let response = error.into_response();
    let ours = response
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|t| t == "application/problem+json");
    if ours {
        return response;
    }
    let code = match status {
        StatusCode::NOT_FOUND => "not_found",
        StatusCode::METHOD_NOT_ALLOWED => "method_not_allowed",
        StatusCode::UNAUTHORIZED => return Problem::unauthorized().into_response(),
        StatusCode::PAYLOAD_TOO_LARGE => "too_large",
        status if status.is_client_error() => "invalid",
        _ => return Problem::internal().into_response(),
    };
    Problem::new(status, code, detail).into_response()
}
