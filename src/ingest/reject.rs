//! What was refused of a file, and why.

/// A value or a row that was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reject {
    /// Counted from 1 for the first row after the header.
    pub row: u64,
    pub column: String,
    pub value: String,
    pub rule: String,
    pub message: String,
    /// The whole row is lost, not only the value.
    pub row_lost: bool,
}

/// Kept of a refused value: enough to find it in the file.
const VALUE_KEPT: usize = 200;

impl Reject {
    pub(crate) fn of_row(
        row: u64,
        column: &str,
        value: &str,
        rule: &str,
        message: impl Into<String>,
    ) -> Self {
        let message: String = message.into();
        Self {
            row,
            column: column.to_owned(),
            // PostgreSQL has no NUL in text; the rest stands as it was sent.
            value: value
                .chars()
                .filter(|c| *c != '\0')
                .take(VALUE_KEPT)
                .collect(),
            rule: rule.to_owned(),
            message: message.replace('\0', ""),
            row_lost: true,
        }
    }
}
