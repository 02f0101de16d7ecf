//! Mappings: which column of a dealer's file fills which field, as data.

use crate::currency::{CurrencyColumn, Homes};
use domain::{Currency, Dealer, Details, Field, FieldType, Kind, UnknownCurrency};
use encoding_rs::Encoding;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mapping {
    pub name: String,
    pub kind: Kind,
    #[serde(default)]
    pub holds: Holds,
    /// Of a zip archive of several files the one that is meant: `vehicles*.csv`.
    #[serde(default)]
    pub zip_file: Option<String>,
    /// What a file without a byte-order mark is written in (a label of the WHATWG's Encoding Standard); found by looking, unless told.
    #[serde(default)]
    pub encoding: Option<String>,
    #[serde(default)]
    pub delimiter: Option<char>,
    /// In XML the element that is a unit, in JSON the path of the list of units. Without it the children of the
    /// root, or the only list, are the units.
    #[serde(default)]
    pub unit: Option<String>,
    /// Lines above the header, or above the first unit, that are neither: a title, a date.
    #[serde(default)]
    pub skip_lines: u8,
    /// `false` for files without a header line: then each column says where it is (`at`).
    #[serde(default = "yes")]
    pub header: bool,
    /// Cell texts that mean nothing is known (compared without case); dashes always do.
    #[serde(default)]
    pub blanks: Vec<String>,
    /// The column that says what a row's money is in. Where it says nothing it is the constant `currency`, else what the
    /// rooftop's country has.
    #[serde(default)]
    pub currency: CurrencyColumn,
    pub columns: Vec<Column>,
    /// Values for fields no column of the file fills.
    #[serde(default)]
    pub constants: BTreeMap<Field, String>,
    /// The same, made from the row: `https://example.com/{vin}`. A blank in it makes it blank.
    #[serde(default)]
    pub templates: BTreeMap<Field, String>,
    /// The model column carries the trim behind the model: parted where the VIN's model ends.
    #[serde(default)]
    pub split_trim: bool,
    /// For files of many rooftops: where a row names its own.
    #[serde(default)]
    pub dealer: Option<DealerColumns>,
    /// In which countries rooftops are; not of the mapping, but of who is read.
    #[serde(skip)]
    pub homes: Homes,
}

fn yes() -> bool {
    true
}

/// What a row is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Holds {
    /// A unit of the stock.
    #[default]
    Units,
    /// What a history provider reports of one vehicle, known by its VIN: a badge file.
    Reports,
}

impl Holds {
    /// What a report says.
    const REPORTED: [Field; 6] = [
        Field::StockNumber,
        Field::Vin,
        Field::Owners,
        Field::Accidents,
        Field::ReportedTitleBrand,
        Field::Link,
    ];

    fn takes(self, field: Field) -> bool {
        match self {
            Self::Units => {
                // A parent's are counted, never read.
                let of_parents = matches!(field, Field::PriceToCents | Field::Units);
                let identity = [Field::StockNumber, Field::Vin, Field::Serial, Field::Status];
                identity.contains(&field)
                    || Details::FIELDS.contains(&field) && !field.is_reported() && !of_parents
            }
            Self::Reports => Self::REPORTED.contains(&field),
        }
    }
}

/// Where a row says whose unit it is: by a key of the dealer's, by his name, or by both.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DealerColumns {
    /// What the file calls the rooftop: `MP12345`. It is the dealer's key, unless `keys` says which that is.
    #[serde(default)]
    pub key: Option<Cell>,
    /// What the key's column says (compared without case) to the key of the dealer it means.
    #[serde(default)]
    pub keys: BTreeMap<String, String>,
    /// Without a key, the key is made of this and of the postal code.
    #[serde(default)]
    pub name: Option<Cell>,
    /// What follows this in the name is advertising.
    #[serde(default)]
    pub name_until: Option<String>,
    #[serde(default)]
    pub street: Option<Cell>,
    /// The city stands behind the street, in the same cell.
    #[serde(default)]
    pub street_ends_in_city: bool,
    #[serde(default)]
    pub city: Option<Cell>,
    #[serde(default)]
    pub state: Option<Cell>,
    #[serde(default)]
    pub postal_code: Option<Cell>,
    /// Two letters (ISO 3166-1); a Canadian postal code says it too.
    #[serde(default)]
    pub country: Option<Cell>,
}

impl DealerColumns {
    pub(crate) fn cells(&self) -> impl Iterator<Item = &Cell> {
        [
            &self.key,
            &self.name,
            &self.street,
            &self.city,
            &self.state,
            &self.postal_code,
            &self.country,
        ]
        .into_iter()
        .flatten()
    }

    fn problem(&self, header: bool) -> Option<String> {
        if self.key.is_none() && self.name.is_none() {
            return Some("has neither a key nor a name".to_owned());
        }
        if self.key.is_none() && !self.keys.is_empty() {
            return Some("has keys, and no column that is one (`key`)".to_owned());
        }
        if let Some(key) = self.keys.values().find(|key| !Dealer::is_key(key)) {
            return Some(format!("has {key:?}, which is no dealer's key"));
        }
        let misplaced = |cell: &&Cell| match cell {
            Cell::Name(name) => !header || name.is_empty(),
            Cell::Names(names) => !header || names.is_empty(),
            Cell::At(at) => *at == 0,
        };
        let why = match header {
            true => "places are counted from 1, and names are not blank",
            false => "without a header a column is where it is: a number, counted from 1",
        };
        self.cells().find(misplaced).map(|_| why.to_owned())
    }
}

/// A cell of a row, by its column.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(
    untagged,
    expecting = "a header name, a list of them, or a place counted from 1"
)]
pub enum Cell {
    Name(String),
    /// The first one the file has with a value in the row.
    Names(Vec<String>),
    /// Counted from 1.
    At(usize),
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Column {
    pub to: Field,
    /// Header names that mean this column; case, blanks and punctuation do not matter. The first
    /// one the file has with a value in the row wins.
    #[serde(default)]
    pub from: Vec<String>,
    /// The place of the column, counted from 1: where it is in files without a header, and in others when none of the
    /// names is in it, and no other column's.
    #[serde(default)]
    pub at: Option<usize>,
    #[serde(default, rename = "as")]
    pub read_as: Option<ReadAs>,
    /// The file is refused when none of the names is in its header.
    #[serde(default)]
    pub required: bool,
    /// Cell text (compared without case) to the value it means.
    #[serde(default)]
    pub words: BTreeMap<String, String>,
    /// Between the items of a list.
    #[serde(default)]
    pub separator: Option<char>,
    /// Header names of the column that says what a distance is measured in, where the cell itself does not.
    #[serde(default)]
    pub unit_from: Vec<String>,
    /// Where those are in this file.
    #[serde(skip)]
    pub(crate) unit_places: Vec<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ReadAs {
    Text,
    Number,
    Year,
    /// To hundredths of the row's currency.
    Money,
    /// Odometer in miles unless the cell says otherwise; kept in kilometres.
    Miles,
    Kilometres,
    /// Engine size in litres (`3.5L`), kept in cubic centimetres.
    Litres,
    /// Engine size somewhere in an engine's description (`3.5L V6`); blank when it is not there.
    LitresWithin,
    /// Cylinders somewhere in an engine's description (`3.5L V6`); blank when they are not there.
    CylindersWithin,
    List,
    /// Month first where it is ambiguous and the rooftop is in the United States or Canada, else day first.
    Date,
    /// Day first, wherever the rooftop is.
    DayFirst,
}

#[derive(Debug, thiserror::Error)]
pub enum MappingError {
    #[error("mapping {name} is not readable: {problem}")]
    Unreadable { name: String, problem: String },
    #[error("mapping {name} has no column for {field}")]
    NoIdentity { name: String, field: &'static str },
    #[error("mapping {name}: field {field} is a {kind:?}, it cannot be read as {read_as:?}")]
    Type {
        name: String,
        field: &'static str,
        kind: FieldType,
        read_as: ReadAs,
    },
    #[error("mapping {name}: {field} is nothing that a file of {} fills; `holds` is units or reports", match holds {
        Holds::Units => "units",
        Holds::Reports => "reports",
    })]
    NotHeld {
        name: String,
        field: &'static str,
        holds: Holds,
    },
    #[error(
        "mapping {name}: reports are told apart by their VIN: stock_number and vin are of the same column"
    )]
    NotByVin { name: String },
    #[error("mapping {name}: {field} has neither a header name (`from`) nor a place (`at`)")]
    NoPlace { name: String, field: &'static str },
    #[error("mapping {name}: `dealer` {problem}")]
    Dealer { name: String, problem: String },
    #[error("mapping {name}: the text of {field} (`templates`, `constants`) {problem}")]
    Template {
        name: String,
        field: &'static str,
        problem: String,
    },
    #[error("mapping {name}: {problem}")]
    Currency { name: String, problem: String },
    #[error(
        "mapping {name}: encoding {encoding:?} is none we know: a label like windows-1250 or iso-8859-2"
    )]
    Encoding { name: String, encoding: String },
    #[error(
        "mapping {name}: unit_from is of a column that is read as miles or kilometres in a file with a header, not of {field}"
    )]
    NoDistance { name: String, field: &'static str },
    #[error("there is no mapping {name:?}; built in are {known}")]
    Unknown { name: String, known: String },
}

/// Name and text of the mappings that ship with the program.
pub const BUILT_IN: &[(&str, &str)] = &[
    ("homenet", include_str!("mappings/homenet.yaml")),
    ("vauto", include_str!("mappings/vauto.yaml")),
    ("carsforsale", include_str!("mappings/carsforsale.yaml")),
    ("vehicles", include_str!("mappings/vehicles.yaml")),
    ("equipment", include_str!("mappings/equipment.yaml")),
    ("cars_com", include_str!("mappings/cars_com.yaml")),
    ("autoxloo", include_str!("mappings/autoxloo.yaml")),
    ("intellidealer", include_str!("mappings/intellidealer.yaml")),
    ("agriaffaires", include_str!("mappings/agriaffaires.yaml")),
    (
        "auction_equipment",
        include_str!("mappings/auction_equipment.yaml"),
    ),
    ("badges", include_str!("mappings/badges.yaml")),
];

impl Mapping {
    pub fn built_in(name: &str) -> Result<Self, MappingError> {
        let (name, text) = BUILT_IN
            .iter()
            .find(|(known, _)| *known == name)
            .ok_or_else(|| MappingError::Unknown {
                name: name.to_owned(),
                known: BUILT_IN
                    .iter()
                    .map(|(name, _)| *name)
                    .collect::<Vec<_>>()
                    .join(", "),
            })?;
        Self::parse(name, text)
    }

    pub fn parse(name: &str, yaml: &str) -> Result<Self, MappingError> {
        let mapping: Self =
            serde_norway::from_str(yaml).map_err(|error| MappingError::Unreadable {
                name: name.to_owned(),
                problem: error.to_string(),
            })?;
        mapping.check()?;
        Ok(mapping)
    }

    fn check(&self) -> Result<(), MappingError> {
        let identity: &[Field] = match self.holds {
            Holds::Units => &[Field::StockNumber],
            Holds::Reports => &[Field::StockNumber, Field::Vin],
        };
        for field in identity {
            if !self.columns.iter().any(|column| column.to == *field) {
                return Err(MappingError::NoIdentity {
                    name: self.name.clone(),
                    field: field.name(),
                });
            }
        }
        let places = |field| {
            let columns = self.columns.iter().filter(move |column| column.to == field);
            columns
                .map(|column| (&column.from, column.at))
                .collect::<Vec<_>>()
        };
        if self.holds == Holds::Reports && places(Field::StockNumber) != places(Field::Vin) {
            return Err(MappingError::NotByVin {
                name: self.name.clone(),
            });
        }
        let filled = self.columns.iter().map(|column| column.to);
        let made = self.templates.keys().chain(self.constants.keys()).copied();
        if let Some(field) = filled.chain(made).find(|field| !self.holds.takes(*field)) {
            return Err(MappingError::NotHeld {
                name: self.name.clone(),
                field: field.name(),
                holds: self.holds,
            });
        }
        if let Some(problem) = self.currency_problem() {
            return Err(MappingError::Currency {
                name: self.name.clone(),
                problem,
            });
        }
        let dealer = self.dealer.as_ref();
        if let Some(problem) = dealer.and_then(|dealer| dealer.problem(self.header)) {
            return Err(MappingError::Dealer {
                name: self.name.clone(),
                problem,
            });
        }
        for column in &self.columns {
            let named = self.header && !column.from.is_empty();
            let placed = column.at.map_or(named, |at| at > 0);
            if !placed {
                return Err(MappingError::NoPlace {
                    name: self.name.clone(),
                    field: column.to.name(),
                });
            }
            let (kind, read_as) = (column.to.field_type(), column.read_as());
            let fits = match read_as {
                ReadAs::Text => kind == FieldType::Text,
                ReadAs::List => kind == FieldType::List,
                ReadAs::Date | ReadAs::DayFirst => kind == FieldType::Date,
                ReadAs::Number => kind == FieldType::Number,
                ReadAs::Year => column.to == Field::Year,
                ReadAs::Money => column.to.is_money(),
                ReadAs::Miles | ReadAs::Kilometres => column.to == Field::OdometerKm,
                ReadAs::Litres | ReadAs::LitresWithin => column.to == Field::DisplacementCc,
                ReadAs::CylindersWithin => column.to == Field::Cylinders,
            };
            if !fits {
                return Err(MappingError::Type {
                    name: self.name.clone(),
                    field: column.to.name(),
                    kind,
                    read_as,
                });
            }
        }
        let odd = |column: &&Column| {
            let read = matches!(column.read_as(), ReadAs::Miles | ReadAs::Kilometres);
            let may_be = read && self.header;
            !may_be && !column.unit_from.is_empty()
        };
        if let Some(column) = self.columns.iter().find(odd) {
            return Err(MappingError::NoDistance {
                name: self.name.clone(),
                field: column.to.name(),
            });
        }
        if let Some(encoding) = &self.encoding
            && Encoding::for_label(encoding.as_bytes())
                .is_none_or(|encoding| encoding == encoding_rs::REPLACEMENT)
        {
            return Err(MappingError::Encoding {
                name: self.name.clone(),
                encoding: encoding.clone(),
            });
        }
        for (field, text) in self.templates.iter().chain(&self.constants) {
            let problem = match field.field_type() {
                FieldType::Text | FieldType::List if Details::FIELDS.contains(field) => {
                    crate::template::check(text).err()
                }
                _ => Some("fills only texts and lists that describe the unit".to_owned()),
            };
            if let Some(problem) = problem {
                return Err(MappingError::Template {
                    name: self.name.clone(),
                    field: field.name(),
                    problem,
                });
            }
        }
        Ok(())
    }
}

impl Mapping {
    /// Money and what it is in are read together.
    fn currency_problem(&self) -> Option<String> {
        let column = self
            .columns
            .iter()
            .any(|column| column.to == Field::Currency);
        if column || self.templates.contains_key(&Field::Currency) {
            return Some(
                "the column of a row's currency is named by `currency: [NAME]`".to_owned(),
            );
        }
        let constant = self.constants.get(&Field::Currency);
        let mut codes = constant.into_iter().chain(self.currency.words.values());
        let unknown = codes.find(|code| Currency::of_code(code).is_none())?;
        Some(UnknownCurrency(unknown.clone()).to_string())
    }
}

impl Column {
    pub(crate) fn read_as(&self) -> ReadAs {
        self.read_as.unwrap_or(match self.to.field_type() {
            FieldType::Text => ReadAs::Text,
            // Nobody writes hundredths, but for who says so: `as: number`.
            FieldType::Number if self.to.is_money() => ReadAs::Money,
            FieldType::Number => ReadAs::Number,
            FieldType::List => ReadAs::List,
            FieldType::Date => ReadAs::Date,
        })
    }
}

/// `Selling Price`, `SellingPrice` and `selling_price` are one name.
pub(crate) fn folded(header: &str) -> String {
    header
        .chars()
        .filter(|c| c.is_alphanumeric() || *c == '#')
        .flat_map(char::to_lowercase)
        .collect()
}

#[cfg(test)]
mod tests;
