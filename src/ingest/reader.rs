//! Rows in order, each with what became of it.

use crate::currency::{self, RowIn};
use crate::fill::complete;
use crate::identity::{self, IDENTITY};
use crate::mapping::{Column, Mapping};
use crate::plan::{Plan, absent, fields, names, of_dealer, plan, plan_by_place};
use crate::reject::Reject;
use crate::rooftop::Rooftop;
use crate::shape::{self, Shape};
use crate::sniff::{self, FileProblem};
use crate::table::Table;
use crate::text::{CHUNK, Text};
use crate::units::Units;
use crate::values::{Known, Values};
use crate::{cells, spreadsheet, words};
use csv::ByteRecord;
use domain::{Currency, Dealer, Field, ListingDraft, parents};

#[derive(Clone, Debug, PartialEq)]
pub struct ParsedRow {
    pub row: u64,
    /// Known even when the row is lost: the unit is still in the file, and must not be taken for gone.
    pub stock_number: Option<String>,
    /// What else the number may be, in a row whose cells are not where they belong: the unit is in the file all the same.
    pub perhaps: Vec<String>,
    /// Whose unit it is, in files of many rooftops.
    pub dealer: Option<Dealer>,
    /// `None` when the row is lost; then at least one reject says why.
    pub draft: Option<ListingDraft>,
    /// The row repeats a stock number of an earlier row, which stands.
    pub duplicate: bool,
    pub rejects: Vec<Reject>,
}

#[derive(Debug)]
pub struct Reader {
    records: csv::Reader<Text>,
    start: u64,
    delimiter: u8,
    flat: bool,
    torn: Vec<u64>,
    ended: bool,
    /// The row that was read last has too few cells.
    short: bool,
    plan: Plan,
    mapping: Mapping,
    rooftop: Rooftop,
    currency: currency::Said,
    width: usize,
    surplus: usize,
    header: Option<ByteRecord>,
    row: u64,
    words: Known,
    seen: Units,
    record: ByteRecord,
    identity_only: bool,
}

impl Reader {
    /// A file in memory.
    pub fn new(bytes: Vec<u8>, mapping: &Mapping) -> Result<Self, FileProblem> {
        Table::of(Text::in_memory(bytes), mapping)?.read(mapping)
    }

    /// Reads the header and decides which column fills which field.
    pub(crate) fn of(table: Table, mapping: &Mapping) -> Result<Self, FileProblem> {
        let Table {
            text,
            start,
            delimiter,
            flat,
            torn,
            ended,
        } = table;
        let of = |text: Text| -> Result<csv::Reader<Text>, FileProblem> {
            Ok(csv::ReaderBuilder::new()
                .delimiter(delimiter)
                .flexible(true)
                .has_headers(mapping.header)
                .buffer_capacity(CHUNK)
                .from_reader(text.from(start)?))
        };
        let mut records = of(text)?;
        let mut currency = currency::Said::default();
        let mut rooftop = Rooftop::default();
        let (plan, width, header) = if mapping.header {
            let header = records
                .byte_headers()
                .map_err(|error| FileProblem::Unreadable {
                    row: 0,
                    problem: error.to_string(),
                })?
                .clone();
            let names = names(&header)?;
            if let Some(dealer) = &mapping.dealer {
                rooftop = of_dealer(dealer, Some(&names))?;
            }
            currency = currency::Said::of(&names, mapping);
            (plan(&names, mapping)?, header.len(), Some(header))
        } else {
            if let Some(dealer) = &mapping.dealer {
                rooftop = of_dealer(dealer, None)?;
            }
            let (plan, width) = plan_by_place(mapping);
            (plan, width, None)
        };
        let mut surplus = 0;
        if header.is_some() && !flat {
            // What cannot be read is told when its turn comes.
            surplus = shape::surplus(&mut records, width).unwrap_or(0);
            records = of(records.into_inner())?;
        }
        Ok(Self {
            records,
            start,
            delimiter,
            flat,
            torn,
            ended,
            short: false,
            plan,
            mapping: mapping.clone(),
            rooftop,
            currency,
            width,
            surplus,
            header,
            row: 0,
            words: Known::new(),
            seen: Units::default(),
            record: ByteRecord::new(),
            identity_only: false,
        })
    }

    /// Of the row that was read last.
    pub fn row_bytes(&self) -> usize {
        self.record.as_slice().len()
    }

    /// Of a file that was read to its end: the last row breaks off, and its line has no end. Whoever wrote it did not finish.
    pub fn breaks_off(&self) -> bool {
        self.short && !self.ended && !self.flat
    }

    /// From here on only whose unit a row is is read, several times as fast: drafts are empty.
    pub fn identity_only(&mut self) {
        self.identity_only = true;
    }

    /// The table again, to be read from its first row.
    pub fn into_table(self) -> Table {
        Table {
            text: self.records.into_inner(),
            start: self.start,
            delimiter: self.delimiter,
            flat: self.flat,
            torn: self.torn,
            ended: self.ended,
        }
    }

    /// Which columns of the file, counted from 1, fill which field.
    pub fn columns(&self) -> impl Iterator<Item = (&Column, Vec<usize>)> {
        self.plan
            .iter()
            .map(|(column, places)| (column, places.iter().map(|place| place + 1).collect()))
    }

    /// Columns of the file, counted from 1, that nothing is read from.
    pub fn unread(&self) -> Vec<(usize, String)> {
        let read = |place: usize| {
            let mut columns = self.plan.iter();
            let filled = columns.any(|(column, places)| {
                places.contains(&place) || column.unit_places.contains(&place)
            });
            filled || self.rooftop.reads(place) || self.currency.reads(place)
        };
        let cells = self.header.iter().flatten().enumerate();
        cells
            .filter(|(place, _)| !read(*place))
            .map(|(place, cell)| (place + 1, sniff::decode(cell).trim().to_owned()))
            .collect()
    }

    /// Fields that the file's columns fill.
    pub fn fields(&self) -> Vec<Field> {
        let mut there = fields(&self.plan);
        there.extend(self.currency.is_there().then_some(Field::Currency));
        there
    }

    /// Fields that the mapping has columns for, and the file has none of them.
    pub fn absent(&self) -> Vec<Field> {
        let mut absent = absent(&self.plan, &self.mapping);
        let unsaid = !self.mapping.currency.from.is_empty() && !self.currency.is_there();
        absent.extend(unsaid.then_some(Field::Currency));
        absent
    }

    /// Whether what is absent is no word at all. What XML or JSON lack may be blank in every unit: so they write it.
    pub fn absent_is_silent(&self) -> bool {
        !self.flat
    }

    /// `None` at the end of the file.
    pub fn next_row(&mut self) -> Result<Option<ParsedRow>, FileProblem> {
        loop {
            let begins = self.records.position().byte();
            let more = self
                .records
                .read_byte_record(&mut self.record)
                .map_err(|error| FileProblem::Unreadable {
                    row: self.row + 1,
                    problem: error.to_string(),
                })?;
            if !more {
                return Ok(None);
            }
            // A trailing blank line is no row.
            if self
                .record
                .iter()
                .all(|cell| cell.iter().all(u8::is_ascii_whitespace))
            {
                continue;
            }
            self.row += 1;
            let ends = self.records.position().byte();
            let torn = self.torn.partition_point(|at| *at < begins);
            let torn = self.torn.get(torn).is_some_and(|at| *at < ends);
            return Ok(Some(self.parse(torn)));
        }
    }

    fn parse(&mut self, torn: bool) -> ParsedRow {
        let mut parsed = ParsedRow {
            row: self.row,
            stock_number: None,
            perhaps: Vec::new(),
            dealer: None,
            draft: None,
            duplicate: false,
            rejects: Vec::new(),
        };
        if self.header.as_ref() == Some(&self.record) {
            let message = "the header again: perhaps two files were put together".to_owned();
            let reject = Reject::of_row(self.row, "", "", "header_again", message);
            parsed.rejects.push(reject);
            return parsed;
        }
        parsed.dealer = self.dealer();
        let shape = Shape {
            record: &self.record,
            width: self.width,
            exact: self.mapping.header,
            surplus: self.surplus,
            delimiter: self.delimiter,
            torn,
        };
        self.short = self.mapping.header && self.record.len() < self.width;
        if let Some((rule, message)) = shape.problem() {
            parsed
                .rejects
                .push(Reject::of_row(self.row, "", "", rule, message));
            parsed.perhaps = shape.perhaps_numbers(&self.plan);
            parsed.perhaps.extend(shape.swallowed(&self.plan));
            return parsed;
        }
        let country = self.mapping.homes.country_of(parsed.dealer.as_ref());
        let row_in = match self.identity_only {
            true => RowIn {
                currency: Ok(Currency::default()),
                said: true,
            },
            false => {
                let (record, mapping) = (&self.record, &self.mapping);
                self.currency.of_row(record, mapping, &self.plan, country)
            }
        };
        let mut values = Values::begun(
            self.mapping.kind,
            self.row,
            self.flat,
            !matches!(country, "" | "US" | "CA"),
            row_in.currency,
            &mut self.words,
        );
        if !row_in.said && !self.mapping.currency.from.is_empty() {
            values.leaves_unsaid(Field::Currency);
        }
        for (column, places) in &self.plan {
            if self.identity_only && !IDENTITY.contains(&column.to) {
                continue;
            }
            let Some(cell) = places
                .iter()
                .filter_map(|place| self.record.get(*place))
                .map(sniff::decode)
                .find(|cell| !blank(&self.mapping, cell))
            else {
                continue;
            };
            if cell.trim().contains('\n') && !spreadsheet::PROSE.contains(&column.to) {
                let message = "the cell goes on in the next line: perhaps a quote was never closed";
                let name = column.to.name();
                let reject = Reject::of_row(
                    self.row,
                    name,
                    &cell,
                    "line_break_in_cell",
                    message.to_owned(),
                );
                values.rejects.push(reject);
                values.perhaps.extend(shape.swallowed(&self.plan));
                continue;
            }
            let unit = column.unit_places.iter();
            let unit = unit
                .filter_map(|place| self.record.get(*place))
                .map(sniff::decode)
                .find(|unit| !blank(&self.mapping, unit));
            match unit {
                Some(unit) => values.take(column, &cells::measured(&cell, &unit)),
                None => values.take(column, &cell),
            }
        }
        let mut draft = values.done(&mut parsed);
        if !self.identity_only
            && identity::names_no_vehicle(&self.plan, &draft)
            && !parsed.rejects.iter().any(|reject| reject.row_lost)
        {
            let message = "nothing in the row names a vehicle: perhaps it adds up those above";
            let reject = Reject::of_row(
                self.row,
                "",
                &draft.stock_number,
                "no_vehicle",
                message.to_owned(),
            );
            parsed.rejects.push(reject);
            parsed.stock_number = Some(draft.stock_number).filter(|number| !number.is_empty());
            return parsed;
        }
        if self.mapping.dealer.is_some() && parsed.dealer.is_none() {
            let message = "the row does not say whose unit it is".to_owned();
            let reject = Reject::of_row(self.row, "dealer", "", "dealer_missing", message);
            parsed.rejects.push(reject);
        }
        if draft.vin.is_none() && draft.serial.is_none() {
            // Without a column for it a row says nothing of it.
            let says = |field| self.plan.iter().any(|(column, _)| column.to == field);
            let silent = [Field::Vin, Field::Serial]
                .into_iter()
                .filter(|f| !says(*f));
            draft.unread.extend(silent);
        }
        self.judge(draft, &mut parsed);
        parsed
    }

    fn dealer(&self) -> Option<Dealer> {
        self.rooftop.dealer(self.mapping.dealer.as_ref()?, |place| {
            let cell = self.record.get(place).map(sniff::decode);
            cell.unwrap_or_default().trim().replace('\0', "")
        })
    }

    /// Identity decides: a row without it is lost, one that repeats it a duplicate.
    fn judge(&mut self, mut draft: ListingDraft, parsed: &mut ParsedRow) {
        if draft.stock_number.is_empty() {
            if !parsed.rejects.iter().any(|r| r.column == "stock_number") {
                let message = "the row has no stock number: it cannot be told from others";
                parsed.rejects.push(Reject::of_row(
                    self.row,
                    "stock_number",
                    "",
                    "stock_number_missing",
                    message.to_owned(),
                ));
            }
            return;
        }
        if parents::reserved(&draft.stock_number) {
            let message = format!(
                "stock numbers that begin with {:?} are ours",
                parents::PREFIX
            );
            parsed.rejects.push(Reject::of_row(
                self.row,
                "stock_number",
                &draft.stock_number,
                "stock_number_reserved",
                message,
            ));
            return;
        }
        parsed.stock_number = Some(draft.stock_number.clone());
        let rooftop = parsed.dealer.as_ref();
        let rooftop = rooftop.map_or("", |dealer| dealer.key.as_str());
        if self.seen.contains(rooftop, &draft.stock_number) {
            parsed.duplicate = true;
            let message = "an earlier row of the file has this stock number; that row stands";
            parsed.rejects.push(Reject::of_row(
                self.row,
                "stock_number",
                &draft.stock_number,
                "stock_number_twice",
                message.to_owned(),
            ));
            return;
        }
        if !parsed.rejects.iter().any(|reject| reject.row_lost) {
            // A lost row does not stand, so a good one after it is no duplicate.
            self.seen.insert(rooftop, &draft.stock_number);
            complete(&mut draft, &self.mapping);
            parsed.draft = Some(draft);
        }
    }
}

/// Dashes of every length mean that nothing is known.
pub(crate) fn blank(mapping: &Mapping, cell: &str) -> bool {
    let cell = cell.trim_matches(|c: char| c.is_whitespace() || spreadsheet::is_unseen(c));
    cell.chars().all(|c| matches!(c, '-' | '–' | '—'))
        || mapping.blanks.iter().any(|blank| words::same(blank, cell))
}

#[cfg(test)]
mod tests;
