//! A question about listings, as data: the same tree selects rows for a feed, decides in
//! memory whether a change dirties it, and explains why one unit is left out.
//!
//! Invariant: `matches` here and the SQL that `stores` compiles agree on every listing. A test on
//! a blank field is false, and `not` of it is true; a property test holds the two together.

use crate::{Field, FieldType, Listing, Value};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Filter {
    /// True when every part is; an empty list is true.
    All(Vec<Filter>),
    /// True when one part is; an empty list is false.
    Any(Vec<Filter>),
    Not(Box<Filter>),
    Test(Test),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Test {
    pub field: Field,
    #[serde(flatten)]
    pub op: Op,
}

/// Text is compared without regard to ASCII case, as people search.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Op {
    /// The field has a value (`true`) or is blank (`false`).
    Present(bool),
    Is(String),
    In(Vec<String>),
    /// For lists: one item equals; for text: the text contains it.
    Contains(String),
    AtLeast(i64),
    AtMost(i64),
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FilterError {
    #[error("field {field} is a {kind:?}, it cannot be tested with {op}")]
    Type {
        field: &'static str,
        kind: FieldType,
        op: &'static str,
    },
    #[error("the filter is nested more than {MAX_DEPTH} deep")]
    TooDeep,
    #[error("the filter has more than {MAX_TESTS} tests")]
    TooLarge,
}

/// Filters come from clients: bounds keep one from building a query the server chokes on.
const MAX_DEPTH: usize = 8;
const MAX_TESTS: usize = 200;

impl Filter {
    pub fn test(field: Field, op: Op) -> Self {
        Self::Test(Test { field, op })
    }

    /// Refuses tests a field's type cannot answer, and trees too large to run.
    pub fn check(&self) -> Result<(), FilterError> {
        let mut tests = 0;
        self.check_at(0, &mut tests)
    }

    fn check_at(&self, depth: usize, tests: &mut usize) -> Result<(), FilterError> {
        if depth > MAX_DEPTH {
            return Err(FilterError::TooDeep);
        }
        match self {
            Self::All(parts) | Self::Any(parts) => parts
                .iter()
                .try_for_each(|part| part.check_at(depth + 1, tests)),
            Self::Not(part) => part.check_at(depth + 1, tests),
            Self::Test(test) => {
                *tests += match &test.op {
                    Op::In(items) => items.len().max(1),
                    _ => 1,
                };
                if *tests > MAX_TESTS {
                    return Err(FilterError::TooLarge);
                }
                test.check()
            }
        }
    }

    /// Does this listing, of the rooftop with this key, satisfy the filter?
    pub fn matches(&self, listing: &Listing, dealer_key: &str) -> bool {
        match self {
            Self::All(parts) => parts.iter().all(|part| part.matches(listing, dealer_key)),
            Self::Any(parts) => parts.iter().any(|part| part.matches(listing, dealer_key)),
            Self::Not(part) => !part.matches(listing, dealer_key),
            Self::Test(test) => test.matches(listing, dealer_key),
        }
    }
}

impl Test {
    fn check(&self) -> Result<(), FilterError> {
        let kind = self.field.field_type();
        let (op, ok) = match (&self.op, kind) {
            (Op::Present(_), _) => ("present", true),
            (Op::Is(_), _) => ("is", kind == FieldType::Text),
            (Op::In(_), _) => ("in", kind == FieldType::Text),
            (Op::Contains(_), _) => (
                "contains",
                matches!(kind, FieldType::Text | FieldType::List),
            ),
            (Op::AtLeast(_), _) => ("at_least", kind == FieldType::Number),
            (Op::AtMost(_), _) => ("at_most", kind == FieldType::Number),
        };
        if ok {
            Ok(())
        } else {
            Err(FilterError::Type {
                field: self.field.name(),
                kind,
                op,
            })
        }
    }

    fn matches(&self, listing: &Listing, dealer_key: &str) -> bool {
        let value = field_of(listing, dealer_key, self.field);
        match (&self.op, value) {
            (Op::Present(wanted), value) => value.is_some() == *wanted,
            (_, None) => false,
            (Op::Is(wanted), Some(Value::Text(text))) => text.eq_ignore_ascii_case(wanted),
            (Op::In(wanted), Some(Value::Text(text))) => {
                wanted.iter().any(|w| text.eq_ignore_ascii_case(w))
            }
            (Op::Contains(part), Some(Value::Text(text))) => text
                .to_ascii_lowercase()
                .contains(&part.to_ascii_lowercase()),
            (Op::Contains(part), Some(Value::List(items))) => {
                items.iter().any(|item| item.eq_ignore_ascii_case(part))
            }
            (Op::AtLeast(bound), Some(Value::Number(number))) => number >= *bound,
            (Op::AtMost(bound), Some(Value::Number(number))) => number <= *bound,
            _ => false,
        }
    }
}

/// A field wherever it stands: on the listing, on its rooftop or in its details.
pub fn field_of<'a>(listing: &'a Listing, dealer_key: &'a str, field: Field) -> Option<Value<'a>> {
    let text = |text: &'a str| Some(Value::Text(Cow::Borrowed(text)));
    match field {
        Field::Kind => text(listing.kind.as_str()),
        Field::Status => text(listing.status.as_str()),
        Field::Dealer => text(dealer_key),
        Field::StockNumber => text(&listing.stock_number),
        Field::Vin => listing.vin.as_ref().and_then(|vin| text(vin.as_str())),
        Field::Serial => listing.serial.as_deref().and_then(text),
        Field::Currency => text(listing.details.currency().code()),
        _ => listing.details.get(field),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_reads_as_data() {
        let json = r#"{"all":[{"test":{"field":"kind","is":"vehicle"}},{"not":{"test":{"field":"price_cents","at_most":0}}}]}"#;
        let filter: Filter = serde_json::from_str(json).unwrap();
        filter.check().unwrap();
        assert_eq!(serde_json::to_string(&filter).unwrap(), json);
    }

    #[test]
    fn a_test_the_type_cannot_answer_is_refused() {
        let error = Filter::test(Field::Year, Op::Contains("20".into())).check();
        assert!(error.unwrap_err().to_string().contains("year"));
        let mut deep = Filter::All(vec![]);
        for _ in 0..20 {
            deep = Filter::Not(Box::new(deep));
        }
        assert_eq!(deep.check(), Err(FilterError::TooDeep));
    }

    #[test]
    fn an_unknown_field_is_named() {
        let error = serde_json::from_str::<Filter>(r#"{"test":{"field":"colour","is":"red"}}"#);
        assert!(error.unwrap_err().to_string().contains("colour"));
    }
}
