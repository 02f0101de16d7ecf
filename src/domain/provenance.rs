//! Who set each field of a listing, and over what.

use crate::Field;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// A dealer's file; `file` and `row` say which.
    File,
    /// The VIN decoder, which only ever fills blanks.
    Vin,
    /// A vehicle's history, as a partner reports it.
    History,
    /// A partner's valuation.
    Valuation,
    /// A client of the API.
    Api,
    /// A parent's units.
    Units,
    /// A person at the console or the command line.
    Operator,
}

impl Source {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Vin => "vin",
            Self::History => "history",
            Self::Valuation => "valuation",
            Self::Api => "api",
            Self::Units => "units",
            Self::Operator => "operator",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Origin {
    pub source: Source,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub row: Option<u64>,
    /// The dealer's own words, where normalisation made another value of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub original: Option<String>,
    /// Who, when it was an operator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// The value this one replaced, as text; under an operator's value the dealer's newest word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub over: Option<String>,
    /// Whose that word is, under an operator's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub under: Option<Source>,
}

impl Origin {
    /// Somebody's word, of no file, over nothing.
    pub fn of(source: Source) -> Self {
        Self {
            source,
            file: None,
            row: None,
            original: None,
            by: None,
            over: None,
            under: None,
        }
    }
}

/// One origin for each field that has a value.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Provenance(pub BTreeMap<Field, Origin>);

impl Provenance {
    pub fn set(&mut self, field: Field, origin: Origin) {
        self.0.insert(field, origin);
    }

    pub fn forget(&mut self, field: Field) {
        self.0.remove(&field);
    }

    pub fn get(&self, field: Field) -> Option<&Origin> {
        self.0.get(&field)
    }
}
