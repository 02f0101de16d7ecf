//! New listings by `COPY` in PostgreSQL's binary form: half the cost of a row is saved where nothing has to be
//! parsed twice.
//!
//! The form: <https://www.postgresql.org/docs/current/sql-copy.html#SQL-COPY-BINARY-FORMAT>; each type as its `recv`
//! function reads it, which has not changed since it was made.

use domain::Listing;
use jiff::civil::Date;
use std::collections::BTreeMap;

pub(crate) struct Rows(Vec<u8>);

const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
const TEXT_OID: u32 = 25;
/// What a date counts from.
const EPOCH: Date = jiff::civil::date(2000, 1, 1);
const COLUMNS: i16 = 47;

impl Rows {
    pub(crate) const COPY: &'static str = "COPY listings (id, dealer_id, kind, status, stock_number, vin, serial, year, \
        make, model, \"trim\", body, category, fuel, drivetrain, transmission, engine, cylinders, displacement_cc, doors, \
        exterior_color, exterior_base_color, interior_color, interior_base_color, condition, title_brand, currency, price_cents, \
        msrp_cents, price_to_cents, odometer_km, hours, units, owners, accidents, market_cents, reported_title_brand, title, description, link, date_in_stock, parent_stock_number, image_urls, \
        options, provenance, version, file_id) FROM STDIN WITH (FORMAT binary)";

    pub(crate) fn begun() -> Self {
        Self(HEADER.to_vec())
    }

    /// What has been put together so far, to be sent.
    pub(crate) fn taken(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.0)
    }

    pub(crate) fn push(&mut self, id: i64, file_id: Option<i64>, listing: &Listing) {
        let d = &listing.details;
        self.0.extend_from_slice(&COLUMNS.to_be_bytes());
        self.number(Some(id));
        self.number(Some(listing.dealer_id));
        self.text(Some(listing.kind.as_str()));
        self.text(Some(listing.status.as_str()));
        self.text(Some(&listing.stock_number));
        self.text(listing.vin.as_ref().map(domain::Vin::as_str));
        self.text(listing.serial.as_deref());
        self.number(d.year);
        for text in [
            &d.make,
            &d.model,
            &d.trim,
            &d.body,
            &d.category,
            &d.fuel,
            &d.drivetrain,
            &d.transmission,
            &d.engine,
        ] {
            self.text(text.as_deref());
        }
        self.number(d.cylinders);
        self.number(d.displacement_cc);
        self.number(d.doors);
        for text in [
            &d.exterior_color,
            &d.exterior_base_color,
            &d.interior_color,
            &d.interior_base_color,
            &d.condition,
            &d.title_brand,
            &d.currency,
        ] {
            self.text(text.as_deref());
        }
        for number in [
            d.price_cents,
            d.msrp_cents,
            d.price_to_cents,
            d.odometer_km,
            d.hours,
            d.units,
            d.owners,
            d.accidents,
            d.market_cents,
        ] {
            self.number(number);
        }
        for text in [&d.reported_title_brand, &d.title, &d.description, &d.link] {
            self.text(text.as_deref());
        }
        self.date(d.date_in_stock);
        self.text(d.parent_stock_number.as_deref());
        self.list(&d.image_urls);
        self.list(&d.options);
        self.json(&listing.provenance.0);
        self.number(Some(listing.version));
        self.number(file_id);
    }

    /// The rest, and the mark of the end.
    pub(crate) fn ended(mut self) -> Vec<u8> {
        self.0.extend_from_slice(&(-1i16).to_be_bytes());
        self.0
    }

    fn null(&mut self) {
        self.0.extend_from_slice(&(-1i32).to_be_bytes());
    }

    fn text(&mut self, text: Option<&str>) {
        match text {
            None => self.null(),
            Some(text) => self.sized(|out| out.extend_from_slice(text.as_bytes())),
        }
    }

    fn number(&mut self, number: Option<i64>) {
        match number {
            None => self.null(),
            Some(number) => self.sized(|out| out.extend_from_slice(&number.to_be_bytes())),
        }
    }

    fn date(&mut self, date: Option<Date>) {
        let days = date.and_then(|date| EPOCH.until(date).ok());
        match days {
            None => self.null(),
            Some(days) => {
                self.sized(|out| out.extend_from_slice(&days.get_days().to_be_bytes()));
            }
        }
    }

    /// One dimension, from 1 on, without NULLs; none at all when it is empty.
    fn list(&mut self, items: &[String]) {
        self.sized(|out| {
            let dimensions = u32::from(!items.is_empty());
            for head in [dimensions, 0, TEXT_OID] {
                out.extend_from_slice(&head.to_be_bytes());
            }
            if dimensions > 0 {
                out.extend_from_slice(&size(items.len()));
                out.extend_from_slice(&1i32.to_be_bytes());
            }
            for item in items {
                out.extend_from_slice(&size(item.len()));
                out.extend_from_slice(item.as_bytes());
            }
        });
    }

    /// `jsonb`, whose first byte is its form's version.
    fn json<K: serde::Serialize, V: serde::Serialize>(&mut self, object: &BTreeMap<K, V>) {
        self.sized(|out| {
            out.push(1);
            let begun = out.len();
            if serde_json::to_writer(&mut *out, object).is_err() {
                out.truncate(begun);
                out.extend_from_slice(b"{}");
            }
        });
    }

    /// Four bytes that say how many follow.
    fn sized(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        let at = self.0.len();
        self.0.extend_from_slice(&[0; 4]);
        write(&mut self.0);
        let length = size(self.0.len() - at - 4);
        self.0[at..at + 4].copy_from_slice(&length);
    }
}

fn size(length: usize) -> [u8; 4] {
    i32::try_from(length).unwrap_or(i32::MAX).to_be_bytes()
}
