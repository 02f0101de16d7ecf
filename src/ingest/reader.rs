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
use crate::{cells, words};
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
            let filled = self.plan.iter().any(|(_, places)| places.contains(&place));
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
            if cell.trim().contains('\n') && !PROSE.contains(&column.to) {
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
            let unit = unit.filter_map(|place| self.record.get(*place)).next();
            match unit.map(sniff::decode) {
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

/// Cells that may rightly have several lines.
const PROSE: &[Field] = &[
    Field::Title,
    Field::Description,
    Field::Options,
    Field::ImageUrls,
];

/// Dashes of every length mean that nothing is known.
pub(crate) fn blank(mapping: &Mapping, cell: &str) -> bool {
    let cell = cell.trim();
    cell.chars().all(|c| matches!(c, '-' | '–' | '—'))
        || mapping.blanks.iter().any(|blank| words::same(blank, cell))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn homenet() -> Mapping {
        Mapping::built_in("homenet").unwrap()
    }

    fn rows(text: &str) -> Vec<ParsedRow> {
        let mut reader = Reader::new(text.as_bytes().to_vec(), &homenet()).unwrap();
        std::iter::from_fn(|| reader.next_row().unwrap()).collect()
    }

    const HEAD: &str = "Type,Stock,VIN,Year,Make,Model,Miles,Selling Price,ImageList\n";

    #[test]
    fn a_row_becomes_a_draft() {
        let rows = rows(&format!(
            "{HEAD}Used,A1,1hgcm82633a004352,2003,Honda,Accord,\"12,000\",\"$9,995 \",\"http://p/1.jpg,http://p/2.jpg\"\n"
        ));
        let draft = rows[0].draft.as_ref().unwrap();
        assert_eq!(draft.stock_number, "A1");
        assert_eq!(draft.vin.as_ref().unwrap().as_str(), "1HGCM82633A004352");
        assert_eq!(draft.details.price_cents, Some(999_500));
        assert_eq!(draft.details.odometer_km, Some(19_312));
        assert_eq!(draft.details.image_urls.len(), 2);
        assert_eq!(draft.details.condition.as_deref(), Some("Used"));
        assert!(rows[0].rejects.is_empty());
    }

    #[test]
    fn a_bad_value_costs_the_value_and_a_bad_identity_the_row() {
        let rows = rows(&format!(
            "{HEAD}Used,A1,1HGCM82633A004352,1000,Honda,Accord,1,Not Priced,\nUsed,A2,1HGCM8263OA004352,2003,Honda,Accord,1,1,\nUsed,,1HGCM82633A004352,2003,Honda,Accord,1,1,\nUsed,a1,1HGCM82633A004352,2003,Honda,Accord,1,1,\nUsed,A5\n"
        ));
        let rules: Vec<Vec<&str>> = rows
            .iter()
            .map(|r| r.rejects.iter().map(|x| x.rule.as_str()).collect())
            .collect();
        assert_eq!(
            rules,
            [
                vec!["year_unknown", "not_priced"],
                vec!["vin_ioq"],
                vec!["stock_number_missing"],
                vec!["stock_number_twice"],
                vec!["ragged_row"]
            ]
        );
        let loaded: Vec<bool> = rows.iter().map(|r| r.draft.is_some()).collect();
        assert_eq!(loaded, [true, false, false, false, false]);
        // Both say that there is none.
        assert_eq!(rows[0].draft.as_ref().unwrap().unread, []);
        assert!(rows[3].duplicate);
    }

    #[test]
    fn a_draft_says_which_of_its_values_could_not_be_read() {
        let rows = rows(&format!(
            "{HEAD}Used,A1,,2003,Honda,Accord,twelve,9.9.95,\nUsed,A2,,2003,Honda,Accord,12,Call,\n"
        ));
        let unread = |n: usize| rows[n].draft.as_ref().unwrap().unread.clone();
        // Its VIN is blank, and for a serial there is no column.
        let read = [Field::OdometerKm, Field::PriceCents, Field::Serial];
        assert_eq!(unread(0), read);
        assert_eq!(unread(1), [Field::Serial]);
    }

    #[test]
    fn a_good_row_after_a_lost_one_of_its_number_stands() {
        let rows = rows(&format!(
            "{HEAD}Used,A1,1HGCM8263OA004352,2003,Honda,Accord,1,1,\nUsed,A1,1HGCM82633A004352,2003,Honda,Accord,1,1,\n"
        ));
        assert_eq!(rows[0].stock_number.as_deref(), Some("A1"));
        assert!(rows[0].draft.is_none() && rows[1].draft.is_some());
    }

    #[test]
    fn a_file_that_is_not_ours_is_refused_by_name() {
        let rule = |text: &str| {
            Reader::new(text.as_bytes().to_vec(), &homenet())
                .unwrap_err()
                .rule()
        };
        assert_eq!(rule("Make,Model\nFord,F-150\n"), "file_missing_column");
        assert_eq!(
            rule(&format!("{HEAD}Used,A1,\"1HGCM826\n")),
            "file_open_quote"
        );
        assert_eq!(rule("stock,vin,vin\n1,2,3\n"), "file_double_column");
    }

    fn read(mapping: &str, text: &str) -> Vec<ParsedRow> {
        let mapping = Mapping::built_in(mapping).unwrap();
        let mut reader = Reader::new(text.as_bytes().to_vec(), &mapping).unwrap();
        std::iter::from_fn(|| reader.next_row().unwrap()).collect()
    }

    #[test]
    fn a_line_far_too_long_and_a_quote_never_closed_cost_their_row() {
        let long = format!(
            "A1,1HGCM82633A004352,{}\n",
            "x".repeat(10 * crate::shape::LONGEST_ROW)
        );
        let open =
            "A2,1FTEW1EG2JFD44217,\"open\nA3,5TDXZ3DC2KS015402,\"x\nA4,5TDXZ3DC2KS015402,b\n";
        let rows = rows(&format!("stock,vin,make\n{long}{open}"));
        assert_eq!(rows[0].rejects[0].rule, "row_too_long");
        assert_eq!(rows[1].rejects[0].rule, "open_quote");
        assert_eq!(rows[1].perhaps, ["A2", "A3"]);
        assert!(rows[2].draft.is_some());
        let rows = read("vehicles", "stock,vin,make\nA2,,\"open\nA3,,\"\n");
        assert_eq!(rows[0].rejects[0].rule, "line_break_in_cell");
        let message = &rows[0].rejects[0].message;
        assert!(message.contains("a quote was never closed"), "{message}");
        assert_eq!(rows[0].perhaps, ["A3"]);
    }

    #[test]
    fn what_a_stray_quote_has_swallowed_is_no_description() {
        let text = "stock,vin,description,price\nA1,,\"Two\nlines, \"\"quoted\"\"\",50\n\
            A2,,\"Nice truck\nA3,,\"Other\",100\nA4,,\"20\" wheels\",100\n";
        for extra in ["", "\n\n"] {
            let rows = read("vehicles", &format!("{extra}{text}"));
            let loaded: Vec<bool> = rows.iter().map(|row| row.draft.is_some()).collect();
            assert_eq!(loaded, [true, false, true], "{rows:?}");
            assert_eq!(rows[1].rejects[0].rule, "open_quote");
            assert_eq!(rows[1].perhaps, ["A2", "A3"]);
        }
    }

    #[test]
    fn delimiters_too_many_at_the_end_are_a_files_habit_or_a_row_that_moved() {
        let row = |n: usize, more: &str| {
            format!("Used,A{n},1HGCM82633A004352,2003,Honda,Accord,1,1,{more}\n")
        };
        let habit: String = (0..6).map(|n| row(n, ",, ")).collect();
        let moved = row(6, "x,y,");
        let file = rows(&format!("{HEAD}{habit}{moved}{}", row(7, "")));
        let rules = |rows: &[ParsedRow]| -> Vec<usize> {
            let refused = rows.iter().filter(|row| row.draft.is_none());
            refused
                .map(|row| usize::try_from(row.row).unwrap())
                .collect()
        };
        assert_eq!(rules(&file), [7]);
        let one = rows(&format!(
            "{HEAD}{}{}{}",
            row(0, ","),
            row(1, ""),
            row(2, "")
        ));
        assert_eq!(rules(&one), [1]);
    }

    #[test]
    fn a_row_of_no_vehicle_is_none_where_the_file_has_columns_for_one() {
        let total = rows(&format!(
            "{HEAD},Total,,,,,12,\"$4,512\",\n,A1,,2003,,,,,\n"
        ));
        assert_eq!(total[0].rejects[0].rule, "no_vehicle");
        assert!(total[0].draft.is_none() && total[1].draft.is_some());
        let prices = read("equipment", "stock number,price\nA1,100\n");
        assert!(prices[0].draft.is_some());
    }

    #[test]
    fn a_vin_of_before_1981_is_a_serial() {
        let of = |year: u32, vin: &str| {
            let text = format!("vin,stock,year,make\n{vin},A1,{year},Chevrolet\n");
            read("vehicles", &text).remove(0)
        };
        let old = of(1969, "124379N500001");
        let draft = old.draft.unwrap();
        assert_eq!(
            (draft.vin, draft.serial.as_deref()),
            (None, Some("124379N500001"))
        );
        assert!(old.rejects.is_empty());
        assert_eq!(of(1981, "124379N500001").rejects[0].rule, "vin_length");
        assert!(of(1969, "1HGCM8263OA004352").draft.is_none());
    }

    #[test]
    fn an_inch_mark_opens_no_quote() {
        let rows = rows(
            "stock|vin|model\nA1|1HGCM82633A004352|20\" wheels\nA2|5TDXZ3DC2KS015402|\"a \"\"b\"\"\"\n",
        );
        let model = |n: usize| rows[n].draft.as_ref().unwrap().details.model.clone();
        assert_eq!(model(0).as_deref(), Some("20\" wheels"));
        assert_eq!(model(1).as_deref(), Some("a \"b\""));
    }

    #[test]
    fn identity_is_short_and_not_ours() {
        let long = "9".repeat(65);
        let rows = rows(&format!(
            "stock,vin\n{long},1HGCM82633A004352\nParent:prime A,1HGCM82633A004352\n"
        ));
        assert_eq!(rows[0].rejects[0].rule, "identity_too_long");
        assert_eq!(rows[1].rejects[0].rule, "stock_number_reserved");
        assert!(rows.iter().all(|row| row.draft.is_none()));
    }

    #[test]
    fn a_file_without_a_header_is_read_by_place() {
        let row = "77,U,1FTEW1EG2JFD44217,22418A,Ford,F-150,2018,Lariat,Crew Cab Pickup,32929,3.5L V6,6,Gas,\
            10-Speed Automatic,49985,Shadow Black,Black,\"Tow hitch,Moonroof\",One owner,\"http://x/1.jpg,http://x/2.jpg\"\n";
        let rows = read("carsforsale", row);
        let draft = rows[0].draft.as_ref().unwrap();
        assert_eq!((draft.stock_number.as_str(), rows[0].row), ("22418A", 1));
        let details = &draft.details;
        assert_eq!(details.body.as_deref(), Some("Truck"));
        assert_eq!(details.displacement_cc, Some(3_500));
        assert_eq!(details.transmission.as_deref(), Some("Automatic"));
        assert_eq!(draft.originals[&Field::Transmission], "10-Speed Automatic");
        assert_eq!(details.exterior_color.as_deref(), Some("Shadow Black"));
        assert_eq!(details.exterior_base_color.as_deref(), Some("Black"));
        assert_eq!((details.options.len(), details.image_urls.len()), (2, 2));
        assert_eq!(
            read("carsforsale", "77,U,1FTEW1EG2JFD44217\n")[0].rejects[0].rule,
            "ragged_row"
        );
    }

    #[test]
    fn a_vauto_photo_list_may_stand_in_braces() {
        let text = "VIN,Stock #,New/Used,Make,Photo Url List,Odometer,Engine\n\
            1FTEW1EG2JFD44217,T1,Used,Chevy,\"{http://x/1.jpg,http://x/2.jpg}\",\"12,000\",2.0L I-4\n";
        let rows = read("vauto", text);
        let details = &rows[0].draft.as_ref().unwrap().details;
        assert_eq!(details.image_urls, ["http://x/1.jpg", "http://x/2.jpg"]);
        assert_eq!(
            (details.make.as_deref(), details.cylinders),
            (Some("Chevrolet"), Some(4))
        );
    }

    #[test]
    fn a_row_says_its_dealers_key_wherever_it_stands() {
        let mapping = "name: x\nkind: vehicle\ndealer: {key: [Lot, Rooftop], keys: {\"MP 1\": bayview}, name: Seller}\n\
            columns:\n  - {to: stock_number, from: [Stock]}\n  - {to: make, from: [Make], at: 4}\n  - {to: model, from: [Model]}\n";
        let mapping = Mapping::parse("x", mapping).unwrap();
        let text = "Rooftop,Seller,Stock,Brand,Colour\nmp 1,Bayview Motors,7,Ford,Red\nHill 2,,7,Jeep,Red\n,Bay,8,Jeep,Red\n";
        let mut reader = Reader::new(text.as_bytes().to_vec(), &mapping).unwrap();
        assert_eq!(reader.unread(), [(5, "Colour".to_owned())]);
        let mut next = || reader.next_row().unwrap().unwrap();
        let (first, second, third) = (next(), next(), next());
        let dealer = |row: &ParsedRow| row.dealer.clone().map(|d| (d.key, d.name));
        assert_eq!(
            [dealer(&first), dealer(&second), dealer(&third)],
            [
                Some(("bayview".to_owned(), "Bayview Motors".to_owned())),
                Some(("hill-2".to_owned(), "Hill 2".to_owned())),
                None
            ]
        );
        assert_eq!(third.rejects[0].rule, "dealer_missing");
        // No column is called make: it is where the mapping says.
        let make = first.draft.unwrap().details.make;
        assert_eq!(make.as_deref(), Some("Ford"));
        // Unless that is another's.
        let taken = b"Lot,Stock,Colour,Model\nA,7,Red,Ranger\n".to_vec();
        let mut reader = Reader::new(taken, &mapping).unwrap();
        let row = reader.next_row().unwrap().unwrap();
        assert_eq!(row.draft.unwrap().details.make, None);
        let nobody = Reader::new(b"Seller,Stock\nBay,7\n".to_vec(), &mapping).unwrap_err();
        assert!(nobody.to_string().contains("Lot or Rooftop"), "{nobody}");
    }

    #[test]
    fn without_a_header_the_dealer_is_where_the_mapping_says() {
        let mapping = "name: x\nkind: vehicle\nheader: false\ndealer: {key: 3}\ncolumns:\n  - {to: stock_number, at: 1}\n  - {to: make, at: 2}\n";
        let mapping = Mapping::parse("x", mapping).unwrap();
        let mut reader = Reader::new(b"7,Ford,BAY\n8,Jeep\n".to_vec(), &mapping).unwrap();
        let row = reader.next_row().unwrap().unwrap();
        assert_eq!(row.dealer.unwrap().key, "bay");
        // Too short for the dealer is too short.
        let short = reader.next_row().unwrap().unwrap();
        assert_eq!((short.draft, &*short.rejects[0].rule), (None, "ragged_row"));
    }

    #[test]
    fn rows_of_many_rooftops_name_their_own() {
        let head = "Year,Make,Model,Used/New,Price,SellerName,StreetName,State,Zipcode,VIN,Stock#,FuelType";
        let row = |seller: &str, stock: &str| {
            format!(
                "2019,Land,Rover Range Rover,Used,\"$39,998 \",{seller},1 Main St Austin,TX,78701,1FTEW1EG2JFD44217,{stock},–\n"
            )
        };
        let text = format!(
            "{head}\n{}{}{}{}",
            row("Bay - Open Sundays", "7"),
            row("Hill", "7"),
            row("Bay", "7"),
            row("", "8")
        );
        let rows = read("cars_com", &text);
        let keys: Vec<_> = rows
            .iter()
            .map(|row| row.dealer.as_ref().map(|d| d.key.as_str()))
            .collect();
        assert_eq!(
            keys,
            [
                Some("bay-78701"),
                Some("hill-78701"),
                Some("bay-78701"),
                None
            ]
        );
        assert!(rows[1].draft.is_some() && rows[2].duplicate);
        assert_eq!(rows[3].rejects[0].rule, "dealer_missing");
        let draft = rows[0].draft.as_ref().unwrap();
        assert_eq!(draft.details.make.as_deref(), Some("Land Rover"));
        assert_eq!(draft.details.model.as_deref(), Some("Range Rover"));
        assert_eq!(draft.details.fuel, None);
        assert_eq!(
            draft.details.link.as_deref(),
            Some("https://stock.example.com/1FTEW1EG2JFD44217")
        );
        // A private seller's dash is no stock number: the VIN stands in.
        let private = read("cars_com", &format!("{head}\n{}", row("Ann", "–")));
        assert_eq!(
            private[0].stock_number.as_deref(),
            Some("1FTEW1EG2JFD44217")
        );
    }

    #[test]
    fn money_is_in_the_currency_that_its_row_says() {
        let ad = |id: &str, currency: &str, price: &str| {
            format!(
                "<equipment id=\"{id}\"><brand>Deere</brand><price{currency}>{price}</price></equipment>"
            )
        };
        let text = format!(
            "<equipments>{}{}{}{}{}</equipments>",
            ad("1", " currency=\"EUR\"", "9.500,50"),
            ad("2", " currency=\"usd\"", "9500"),
            ad("3", "", "9500"),
            ad("4", "", "9 500 €"),
            ad("5", " currency=\"JPY\"", "9500"),
        );
        let rows = read("agriaffaires", &text);
        let money = |n: usize| {
            let details = &rows[n].draft.as_ref().unwrap().details;
            (details.price_cents, details.currency().code())
        };
        let told: Vec<_> = (0..5).map(money).collect();
        let expected = [
            (Some(950_050), "EUR"),
            (Some(950_000), "USD"),
            (Some(950_000), "USD"),
            (Some(950_000), "EUR"),
            (None, "USD"),
        ];
        assert_eq!(told, expected);
        let told = &rows[4].rejects[0];
        assert_eq!(
            (told.rule.as_str(), told.row_lost),
            ("currency_unknown", false)
        );
        assert!(told.message.contains("JPY"), "{told:?}");
    }

    #[test]
    fn where_a_row_does_not_say_its_money_is_in_what_is_usual() {
        let mut mapping = Mapping::built_in("vehicles").unwrap();
        mapping.homes.country = "CA".to_owned();
        let head = "Stock,VIN,Make,Price,MSRP,Currency\n";
        let text = format!(
            "{head}A1,,Ford,\"$9,500\",$9900,\nA2,,Ford,9500,,USD\nA3,,Ford,9500,€9900,\nA4,,Ford,9500,€9900,CAD\n"
        );
        let mut reader = Reader::new(text.into_bytes(), &mapping).unwrap();
        let rows: Vec<_> = std::iter::from_fn(|| reader.next_row().unwrap()).collect();
        let told: Vec<_> = rows
            .iter()
            .map(|row| {
                let d = &row.draft.as_ref().unwrap().details;
                (d.price_cents, d.msrp_cents, d.currency().code())
            })
            .collect();
        let expected = [
            (Some(950_000), Some(990_000), "CAD"),
            (Some(950_000), None, "USD"),
            (Some(950_000), Some(990_000), "EUR"),
            (Some(950_000), None, "CAD"),
        ];
        assert_eq!(told, expected);
        assert_eq!(rows[3].rejects[0].rule, "currency_differs");
    }

    #[test]
    fn excels_line_above_the_header_is_its_delimiter() {
        let rows = read(
            "equipment",
            "sep=;\r\nStock;Make;Model\r\nA1;Deere, John;9RX\r\n",
        );
        let make = rows[0].draft.as_ref().unwrap().details.make.clone();
        assert_eq!((rows.len(), make.as_deref()), (1, Some("Deere, John")));
    }

    #[test]
    fn lines_above_the_header_are_passed_over() {
        let yaml = "name: x\nkind: vehicle\nskip_lines: 2\ncolumns:\n  - {to: stock_number, from: [stock], required: true}\n";
        let mapping = Mapping::parse("x", yaml).unwrap();
        let of = |text: &str| {
            let mut reader = Reader::new(text.as_bytes().to_vec(), &mapping)?;
            reader.next_row()
        };
        let row = of("\u{feff}Bayview Motors, Inc.\n\nStock,Make\nA1,Ford\n");
        let row = row.unwrap().unwrap();
        assert_eq!((row.row, row.stock_number.as_deref()), (1, Some("A1")));
        assert!(of("Stock,Make\nA1,Ford\n").is_err(), "they are not there");
    }

    #[test]
    fn a_column_of_its_own_says_what_distances_are_measured_in() {
        let yaml = "name: x\nkind: vehicle\ncolumns:\n  - {to: stock_number, from: [stock], required: true}\n  - {to: odometer_km, from: [odo], as: miles, unit_from: [uom]}\n";
        let mapping = Mapping::parse("x", yaml).unwrap();
        let text = "stock,odo,uom\n1,20000,KM\n2,20000,\n3,100 mi,km\n4,20000,parsecs\n5,1,M\n";
        let mut reader = Reader::new(text.as_bytes().to_vec(), &mapping).unwrap();
        let rows: Vec<_> = std::iter::from_fn(|| reader.next_row().unwrap()).collect();
        let km = |row: &ParsedRow| row.draft.as_ref().unwrap().details.odometer_km;
        let all: Vec<Option<i64>> = rows.iter().map(km).collect();
        assert_eq!(all, [Some(20_000), Some(32_187), Some(161), None, Some(2)]);
        assert_eq!(rows[3].rejects[0].rule, "not_a_distance");
    }

    #[test]
    fn a_file_whose_last_row_breaks_off_is_known() {
        let cut = |text: &str| {
            let mapping = Mapping::built_in("equipment").unwrap();
            let mut reader = Reader::new(text.as_bytes().to_vec(), &mapping).unwrap();
            while reader.next_row().unwrap().is_some() {}
            reader.breaks_off()
        };
        let whole = "Stock,Make,Model\nA1,Deere,9RX\n";
        assert!(cut(&format!("{whole}A2,De")));
        for fine in ["", "A2,De\n", "A2,Deere,9R"] {
            assert!(!cut(&format!("{whole}{fine}")), "{fine:?}");
        }
    }

    #[test]
    fn a_header_in_the_midst_is_no_unit() {
        let head = "Stock,Make,Model\n";
        let rows = read(
            "equipment",
            &format!("{head}A1,Deere,9RX\n{head}A2,Deere,9RX\n"),
        );
        let told = |row: &ParsedRow| row.rejects.first().map(|reject| reject.rule.clone());
        assert_eq!(told(&rows[1]).as_deref(), Some("header_again"));
        assert_eq!((rows[1].stock_number.as_deref(), rows.len()), (None, 3));
        assert!(rows[2].draft.is_some());
    }

    #[test]
    fn a_field_that_no_column_fills_is_absent() {
        let mapping = homenet();
        let text = b"stock,vin,exterior color\n".to_vec();
        let reader = Reader::new(text, &mapping).unwrap();
        assert!(reader.absent().contains(&Field::PriceCents) && reader.absent_is_silent());
        for there in [Field::Vin, Field::ExteriorColor, Field::ExteriorBaseColor] {
            assert!(reader.fields().contains(&there) && !reader.absent().contains(&there));
        }
    }

    #[test]
    fn tab_and_pipe_files_read_alike() {
        for delimiter in ["\t", "|"] {
            let text = "stock,vin,make\nA1,1HGCM82633A004352,Honda\n".replace(',', delimiter);
            assert_eq!(
                rows(&text)[0]
                    .draft
                    .as_ref()
                    .unwrap()
                    .details
                    .make
                    .as_deref(),
                Some("Honda")
            );
        }
    }

    proptest! {
        /// Any bytes at all: a named refusal or rows that are each accounted for; never a panic.
        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..2_000)) {
            let mut text = b"stock,vin\n".to_vec();
            text.extend(bytes);
            if let Ok(mut reader) = Reader::new(text, &homenet()) {
                while let Ok(Some(row)) = reader.next_row() {
                    prop_assert_eq!(row.draft.is_none(), row.rejects.iter().any(|r| r.row_lost));
                }
            }
        }
    }
}
