//! What a store says when it cannot answer.

#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("database")]
    Sql(#[from] sqlx::Error),
    #[error("no {what} {key:?}")]
    NotFound { what: &'static str, key: String },
    #[error("{what} {key:?} is stored in a form this version cannot read")]
    Unreadable {
        what: &'static str,
        key: String,
        #[source]
        source: serde_json::Error,
    },
    #[error("the sealed secret of {0:?} does not open: it was sealed under another master key")]
    Sealed(String),
}

pub(crate) type Res<T> = Result<T, StoreError>;
