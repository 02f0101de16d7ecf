//! Questions and answers.

use crate::document::{Facet, Number};
use domain::Kind;
use serde::Serialize;
use std::collections::BTreeMap;

#[derive(Clone, Debug)]
pub struct Query {
    pub kind: Kind,
    /// Every word must match a term.
    pub text: String,
    /// Values of one facet widen, facets narrow.
    pub filters: BTreeMap<Facet, Vec<String>>,
    pub ranges: BTreeMap<Number, Range>,
    pub sort: Sort,
    /// Go on behind this place.
    pub after: Option<Cursor>,
    pub limit: usize,
    pub facets: Vec<Facet>,
    /// Values per facet; a value that is filtered by is always among them. Filters disregard ASCII case.
    pub facet_limit: usize,
}

impl Query {
    pub fn new(kind: Kind) -> Self {
        Self {
            kind,
            text: String::new(),
            filters: BTreeMap::new(),
            ranges: BTreeMap::new(),
            sort: Sort::default(),
            after: None,
            limit: 24,
            facets: Vec::new(),
            facet_limit: 20,
        }
    }
}

/// Both ends included; a unit without the number is outside every range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    pub low: i64,
    pub high: i64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sort {
    pub key: SortKey,
    pub descending: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SortKey {
    /// By listing id: the order units were first seen.
    #[default]
    Id,
    Number(Number),
}

/// A place in a sorted result: the last hit's sort value and id. Units without the value come
/// last in either direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    pub value: Option<i64>,
    pub id: i64,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    #[error("{0:?} is not a cursor of this search")]
    Cursor(String),
}

impl Cursor {
    /// `12345.678`, or `-.678` for a unit without the value.
    pub fn encode(self) -> String {
        match self.value {
            Some(value) => format!("{value}.{}", self.id),
            None => format!("-.{}", self.id),
        }
    }

    pub fn decode(text: &str) -> Result<Self, QueryError> {
        let error = || QueryError::Cursor(text.to_owned());
        let (value, id) = text.rsplit_once('.').ok_or_else(error)?;
        let value = match value {
            "-" => None,
            number => Some(number.parse().map_err(|_| error())?),
        };
        Ok(Self {
            value,
            id: id.parse().map_err(|_| error())?,
        })
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FacetCount {
    pub value: String,
    pub count: usize,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// All that match, however many are shown.
    pub total: usize,
    pub hits: Vec<i64>,
    pub next: Option<Cursor>,
    /// For a facet that is filtered by: counts as if it were not (multi-select).
    pub facets: BTreeMap<Facet, Vec<FacetCount>>,
}
