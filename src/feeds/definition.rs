//! What a feed is, as data.

use domain::{Field, Filter};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashSet};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Definition {
    pub key: String,
    pub name: String,
    pub format: Format,
    /// Which listings are considered at all; those left out need no reason.
    pub filter: Filter,
    /// What a considered listing must pass to be published.
    #[serde(default)]
    pub checks: Vec<Check>,
    pub columns: Vec<Column>,
    #[serde(default)]
    pub guard: Guard,
    /// Built by itself this long after the stock began to change, besides its schedule; never, when
    /// absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after_changes_seconds: Option<u32>,
    /// An upload provider: photos that it shows go out at its address, the others at the dealer's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub photos_by: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    Csv,
    Tsv,
    Ndjson,
}

impl Format {
    pub fn extension(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Tsv => "tsv",
            Self::Ndjson => "ndjson",
        }
    }

    pub fn content_type(self) -> &'static str {
        match self {
            Self::Csv => "text/csv; charset=utf-8",
            Self::Tsv => "text/tab-separated-values; charset=utf-8",
            Self::Ndjson => "application/x-ndjson",
        }
    }
}

/// Marketplace rules, each with the reason it gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Check {
    /// 17 characters and a true check digit (49 CFR 565).
    Vin,
    /// One offer per VIN: the first by rooftop and stock number stands.
    UniqueVin,
    Price,
    Photo,
    /// Not salvage, rebuilt or otherwise branded.
    CleanTitle,
    /// On the lot: not pending, not sold.
    Available,
    /// Used units must say how far they went.
    OdometerIfUsed,
    /// New units must have a manufacturer's price.
    MsrpIfNew,
    /// Priced in what the rooftop's country has: marketplaces want a price in the currency of the country that it is shown in.
    Currency,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(into = "WrittenColumn", try_from = "WrittenColumn")]
pub struct Column {
    pub name: String,
    pub source: Source,
    /// A blank cell excludes the listing.
    pub required: bool,
    /// In characters; longer text is cut at a word.
    pub max_length: Option<usize>,
}

/// A column as people write it: a name and one of the four sources beside it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct WrittenColumn {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<FieldSource>,
    #[serde(rename = "const", skip_serializing_if = "Option::is_none")]
    constant: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    map: Option<MapSource>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expr: Option<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    required: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_length: Option<usize>,
}

impl TryFrom<WrittenColumn> for Column {
    type Error = String;

    fn try_from(written: WrittenColumn) -> Result<Self, String> {
        let name = written.name;
        let sources = [
            written.field.map(Source::Field),
            written.constant.map(Source::Const),
            written.map.map(Source::Map),
            written.expr.map(Source::Expr),
        ];
        let mut sources = sources.into_iter().flatten();
        match (sources.next(), sources.next()) {
            (Some(source), None) => Ok(Self {
                name,
                source,
                required: written.required,
                max_length: written.max_length,
            }),
            _ => Err(format!(
                "column {name:?} needs exactly one of field, const, map and expr"
            )),
        }
    }
}

impl From<Column> for WrittenColumn {
    fn from(column: Column) -> Self {
        let mut written = Self {
            name: column.name,
            required: column.required,
            max_length: column.max_length,
            ..Self::default()
        };
        match column.source {
            Source::Field(field) => written.field = Some(field),
            Source::Const(text) => written.constant = Some(text),
            Source::Map(map) => written.map = Some(map),
            Source::Expr(text) => written.expr = Some(text),
        }
        written
    }
}

#[derive(Clone, Debug, PartialEq)]
pub enum Source {
    Field(FieldSource),
    Const(String),
    Map(MapSource),
    /// A minijinja expression over the listing's fields, `link`, `url`, and the rooftop's `dealer`,
    /// `dealer_name`, `store_code`, `street`, `city`, `state`, `postal_code` and `country`. About a
    /// microsecond a cell; the others are straight code.
    Expr(String),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum FieldSource {
    Plain(Field),
    Styled {
        name: Field,
        style: Style,
    },
    /// One item of a list, counted from 0.
    Item {
        name: Field,
        item: usize,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Style {
    /// Cents as `10499 USD`, in the unit's currency; `usd` was its name.
    #[serde(alias = "usd")]
    Money,
    /// Kilometres as `24000 Miles`.
    Miles,
    /// Kilometres as the number of miles.
    MilesNumber,
    /// All items of a list, separated by `|`.
    Piped,
    /// The first item of a list.
    First,
    /// The items after the first, at most ten, comma-separated.
    Rest,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MapSource {
    pub field: Field,
    /// Compared without regard to case.
    pub values: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub otherwise: Option<String>,
}

/// When a run is not published but held for an operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Guard {
    /// Rows may fall by this much against the last published run.
    pub max_drop_percent: u8,
}

impl Default for Guard {
    fn default() -> Self {
        Self {
            max_drop_percent: 50,
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum DefinitionError {
    #[error("feed definition is not readable: {0}")]
    Unreadable(String),
    #[error("feed {feed}: {source}")]
    Filter {
        feed: String,
        #[source]
        source: domain::filter::FilterError,
    },
    #[error("feed {feed} has no columns")]
    NoColumns { feed: String },
    #[error("feed {feed} has two columns called {column}")]
    ColumnTwice { feed: String, column: String },
    #[error("feed {feed}, column {column}: {problem}")]
    Column {
        feed: String,
        column: String,
        problem: String,
    },
    #[error("feed key {0:?} may only have a-z, 0-9, - and _")]
    Key(String),
}

/// Key and text of the feeds that ship with the program.
pub const BUILT_IN: &[(&str, &str)] = &[
    (
        "google-vehicle-ads",
        include_str!("definitions/google-vehicle-ads.yaml"),
    ),
    (
        "meta-automotive",
        include_str!("definitions/meta-automotive.yaml"),
    ),
    ("generic", include_str!("definitions/generic.yaml")),
];

impl Definition {
    pub fn parse(yaml: &str) -> Result<Self, DefinitionError> {
        let unreadable = |error: String| DefinitionError::Unreadable(error);
        // By way of JSON: YAML would want tags for the filter's nodes.
        let value: serde_json::Value =
            serde_norway::from_str(yaml).map_err(|error| unreadable(error.to_string()))?;
        let definition: Self =
            serde_json::from_value(value).map_err(|error| unreadable(error.to_string()))?;
        definition.check()?;
        Ok(definition)
    }

    pub fn check(&self) -> Result<(), DefinitionError> {
        let feed = || self.key.clone();
        let key_ok = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
        if self.key.is_empty() || !self.key.chars().all(key_ok) {
            return Err(DefinitionError::Key(feed()));
        }
        self.filter
            .check()
            .map_err(|source| DefinitionError::Filter {
                feed: feed(),
                source,
            })?;
        if self.columns.is_empty() {
            return Err(DefinitionError::NoColumns { feed: feed() });
        }
        let mut seen = HashSet::new();
        for column in &self.columns {
            if !seen.insert(&column.name) {
                return Err(DefinitionError::ColumnTwice {
                    feed: feed(),
                    column: column.name.clone(),
                });
            }
        }
        Ok(())
    }
}
