//! A row's cells, one after the other, into its draft, and what was refused of them.

use crate::cells::{self, Ways};
use crate::fill::set_text;
use crate::flat::JOINT;
use crate::identity::{self, longest};
use crate::mapping::{Column, ReadAs};
use crate::reader::ParsedRow;
use crate::reject::Reject;
use crate::words;
use domain::{
    Currency, Details, Field, Kind, ListingDraft, Status, UnknownCurrency, Value, Vin, VinError,
};
use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

/// Words looked up before, by field and text: files repeat themselves.
pub(crate) type Known = HashMap<(Field, String), Option<&'static str>>;

pub(crate) struct Values<'a> {
    draft: ListingDraft,
    pub(crate) rejects: Vec<Reject>,
    /// What else its number may be.
    pub(crate) perhaps: Vec<String>,
    /// Of a file made of XML or JSON.
    flat: bool,
    day_first: bool,
    currency: Result<Currency, UnknownCurrency>,
    no_vin: Option<(String, VinError)>,
    known: &'a mut Known,
}

impl<'a> Values<'a> {
    pub(crate) fn begun(
        kind: Kind,
        row: u64,
        flat: bool,
        day_first: bool,
        currency: Result<Currency, UnknownCurrency>,
        known: &'a mut Known,
    ) -> Self {
        let mut draft = ListingDraft {
            kind,
            stock_number: String::new(),
            vin: None,
            serial: None,
            status: None,
            details: Details::default(),
            originals: BTreeMap::new(),
            unread: Vec::new(),
            row,
        };
        if let Ok(currency) = &currency {
            draft.details.set_currency(*currency);
        }
        Self {
            draft,
            rejects: Vec::new(),
            perhaps: Vec::new(),
            flat,
            day_first,
            currency,
            no_vin: None,
            known,
        }
    }

    /// It has a word for the field, and none in this row.
    pub(crate) fn leaves_unsaid(&mut self, field: Field) {
        self.draft.unread.push(field);
    }

    /// One cell that is not blank.
    pub(crate) fn take(&mut self, column: &Column, cell: &str) {
        let field = column.to;
        let longest = longest(field);
        if cell.trim().chars().count() > longest {
            let message = format!("more than {longest} characters");
            let lost = field == Field::StockNumber;
            self.refuse(field, cell, "identity_too_long", message, lost);
            return;
        }
        let currency = match (&self.currency, column.read_as()) {
            (Err(unknown), ReadAs::Money) => {
                let message = unknown.to_string();
                self.refuse(field, cell, "currency_unknown", message, false);
                return;
            }
            (currency, _) => currency.as_ref().copied().unwrap_or_default(),
        };
        let ways = Ways {
            currency,
            day_first: self.day_first,
        };
        match cells::read(column, cell, self.flat, ways) {
            Ok(Some(Value::Text(text))) => self.text(field, text),
            Ok(Some(Value::List(said))) if field == Field::Options => self.options(&said),
            Ok(value) => {
                // The mapping's check made sure that the types fit.
                let _ = self.draft.details.set(field, value);
            }
            Err(bad) => {
                if !bad.says_there_is_none() {
                    self.draft.unread.push(field);
                }
                let lost = matches!(field, Field::StockNumber | Field::Vin);
                self.refuse(field, cell, bad.rule, bad.message, lost);
            }
        }
    }

    fn text(&mut self, field: Field, text: Cow<'_, str>) {
        match field {
            Field::StockNumber if self.flat && text.contains(JOINT) => {
                let message = "several numbers in one unit: perhaps what is read as a unit holds many; a mapping's `unit` says what one is";
                self.refuse(field, &text, "several_units", message, true);
                let numbers = text.split(JOINT).map(|number| number.trim().to_owned());
                self.perhaps.extend(numbers);
            }
            Field::StockNumber => self.draft.stock_number = text.into_owned(),
            Field::Serial => self.draft.serial = Some(text.into_owned()),
            Field::Status => self.status(words::status(&text), &text),
            Field::Vin => match Vin::parse(&text) {
                Ok(good) => self.draft.vin = Some(good),
                Err(error) => self.no_vin = Some((text.into_owned(), error)),
            },
            _ => set_text(&mut self.draft, field, &text, self.known),
        }
    }

    fn status(&mut self, status: Option<Status>, text: &str) {
        if status.is_some() {
            self.draft.status = status;
            return;
        }
        self.draft.unread.push(Field::Status);
        let message = format!(
            "{text:?} is no word we know for where a unit stands: a mapping's `words` can say what it means"
        );
        self.refuse(Field::Status, text, "status_unknown", message, false);
    }

    fn options(&mut self, said: &[String]) {
        let (named, other) = words::options(said);
        if other {
            let originals = &mut self.draft.originals;
            originals.insert(Field::Options, said.join(", "));
        }
        let named = Some(Value::List(named.into()));
        let _ = self.draft.details.set(Field::Options, named);
    }

    fn refuse(
        &mut self,
        field: Field,
        cell: &str,
        rule: &str,
        message: impl Into<String>,
        row_lost: bool,
    ) {
        let reject = Reject::of_row(self.draft.row, field.name(), cell, rule, message);
        self.rejects.push(Reject { row_lost, ..reject });
    }

    /// The draft; what was refused goes to the row.
    pub(crate) fn done(mut self, parsed: &mut ParsedRow) -> ListingDraft {
        if let Some((text, error)) = self.no_vin.take() {
            if identity::before_vins(&self.draft, &text) {
                self.draft.serial.get_or_insert(text);
            } else {
                self.refuse(Field::Vin, &text, error.rule(), error.to_string(), true);
            }
        }
        parsed.rejects.append(&mut self.rejects);
        parsed.perhaps.append(&mut self.perhaps);
        self.draft
    }
}
