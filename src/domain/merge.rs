//! Whose value stands when a file, a client or the VIN says something new about a listing.
//!
//! - an operator's value stands until it is released, and what the dealer says meanwhile is kept under it; it goes when its
//!   number comes back to the lot as another unit;
//! - a file or client sets what it says; what it leaves blank it clears, if it had set it; where its word could not be read,
//!   what it said before stands;
//! - a VIN only fills blanks;
//! - what partners report of a unit's history and worth, a file does not say: only an operator puts it right.
//!
//! Every field that changes hands says who set it, and over what.

use crate::{
    Details, Field, FieldType, Kind, Listing, ListingDraft, Origin, Provenance, Source, Status,
    Value,
};

/// A listing that a draft begins.
pub fn begin(dealer_id: i64, draft: &ListingDraft, origin: &Origin) -> Listing {
    let mut listing = Listing {
        id: 0,
        dealer_id,
        kind: draft.kind,
        status: Status::Available,
        stock_number: draft.stock_number.clone(),
        vin: None,
        serial: None,
        details: Details::default(),
        provenance: Provenance::default(),
        version: 1,
    };
    apply(&mut listing, draft, origin);
    listing
}

/// What a blank in a file means for what stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Blanks {
    /// The source's own value is cleared.
    #[default]
    Clear,
    /// The value stands.
    Keep,
    /// The value stands, and the unit where it is: nothing comes back to the lot.
    KeepAll,
}

/// Brings a listing up to what the draft says. `true` when anything a reader can see changed.
pub fn apply(listing: &mut Listing, draft: &ListingDraft, origin: &Origin) -> bool {
    apply_with(listing, draft, origin, Blanks::Clear, &[])
}

/// The same, with what its blanks mean, and the fields that its file has no column for: of those it says nothing.
pub fn apply_with(
    listing: &mut Listing,
    draft: &ListingDraft,
    origin: &Origin,
    blanks: Blanks,
    silent: &[Field],
) -> bool {
    // A parent is never a dealer's unit, nor the other way round.
    if (draft.kind == Kind::Parent) != (listing.kind == Kind::Parent) {
        return false;
    }
    let mut changed = false;
    if draft.kind != listing.kind && listing.kind != Kind::Parent {
        listing.kind = draft.kind;
        changed = true;
    }
    let status = match (blanks, listing.status) {
        // Who only updates does not bring back what the dealer's own file lacks.
        (Blanks::KeepAll, now) if off_the_lot(now) => now,
        (Blanks::KeepAll, now) => draft.status.unwrap_or(now),
        (_, now) => stands(now, draft.status),
    };
    let was_gone = off_the_lot(listing.status);
    if status != listing.status {
        listing.status = status;
        changed = true;
    }
    // What the file says nothing of was said of another unit.
    let vin_replaced = listing.vin.is_some() && draft.vin.is_some() && draft.vin != listing.vin;
    let serial_replaced =
        listing.serial.is_some() && draft.serial.is_some() && draft.serial != listing.serial;
    let (silent, unread) = match vin_replaced || serial_replaced {
        true => (&[][..], &[][..]),
        false => (silent, draft.unread.as_slice()),
    };
    if was_gone && (vin_replaced || serial_replaced) {
        forget_overrides(listing);
    }
    if draft.vin.is_some() && draft.vin != listing.vin {
        let over = listing.vin.as_ref().map(ToString::to_string);
        listing.provenance.set(
            Field::Vin,
            Origin {
                over,
                ..origin.clone()
            },
        );
        if listing.vin.is_some() {
            forget_vehicle(listing);
        }
        listing.vin.clone_from(&draft.vin);
        changed = true;
    }
    if draft.serial.is_some() && draft.serial != listing.serial {
        let over = listing.serial.clone();
        listing.provenance.set(
            Field::Serial,
            Origin {
                over,
                ..origin.clone()
            },
        );
        listing.serial.clone_from(&draft.serial);
        changed = true;
    }
    for &field in Details::FIELDS {
        if field.is_reported() {
            continue;
        }
        let original = draft.originals.get(&field).map(String::as_str);
        let said = draft.details.get(field);
        let blank = !silent.contains(&field) && !unread.contains(&field);
        if said.is_some() || blanks == Blanks::Clear && blank {
            changed |= set(listing, field, said, original, origin);
        }
    }
    changed
}

/// Another VIN is another vehicle: what the old one was decoded to, and what others said of it, goes. Whose word stands by
/// itself, a file's or an operator's, stays.
fn forget_vehicle(listing: &mut Listing) {
    for &field in Details::FIELDS {
        let holder = listing.provenance.get(field).map(|origin| origin.source);
        if matches!(
            holder,
            Some(Source::Vin | Source::History | Source::Valuation)
        ) {
            let _ = listing.details.set(field, None);
            listing.provenance.forget(field);
        }
    }
}

/// A number that comes back to the lot with another VIN is another unit: what an operator said, he said of the one before.
/// While it is on the lot another VIN is the same unit put right.
fn forget_overrides(listing: &mut Listing) {
    for &field in Details::FIELDS {
        let holder = listing.provenance.get(field).map(|origin| origin.source);
        if holder == Some(Source::Operator) {
            let _ = listing.details.set(field, None);
            listing.provenance.forget(field);
        }
    }
}

fn off_the_lot(status: Status) -> bool {
    matches!(status, Status::Removed | Status::Sold | Status::Archived)
}

/// Where a unit stands that is in a file again: where the row says; without a word of it, what had left the lot is
/// back on it.
fn stands(now: Status, said: Option<Status>) -> Status {
    match (said, now) {
        (Some(said), _) => said,
        (None, now) if off_the_lot(now) => Status::Available,
        (None, now) => now,
    }
}

/// Fills one blank field from the VIN. `false` when the field has a value.
pub fn fill(listing: &mut Listing, field: Field, value: Value<'_>) -> bool {
    if listing.details.get(field).is_some() || !listing.details.set(field, Some(value)) {
        return false;
    }
    let origin = Origin {
        source: Source::Vin,
        file: None,
        row: None,
        original: None,
        by: None,
        over: None,
        under: None,
    };
    listing.provenance.set(field, origin);
    true
}

/// A partner's newest word on a field that is theirs; `None` when it has none any more. `false` when nothing changed.
pub fn report(
    listing: &mut Listing,
    field: Field,
    said: Option<Value<'_>>,
    source: Source,
) -> bool {
    let origin = Origin {
        source,
        file: None,
        row: None,
        original: None,
        by: None,
        over: None,
        under: None,
    };
    field.is_reported() && set(listing, field, said, None, &origin)
}

fn set(
    listing: &mut Listing,
    field: Field,
    said: Option<Value<'_>>,
    original: Option<&str>,
    origin: &Origin,
) -> bool {
    let holder = listing.provenance.get(field).map(|o| o.source);
    if holder == Some(Source::Operator) && origin.source != Source::Operator {
        return kept_under(listing, field, said, origin.source);
    }
    let before = listing.details.get(field);
    if before == said {
        return reworded(listing, field, original, origin);
    }
    // A blank clears only what the same kind of source had set.
    if said.is_none() && holder != Some(origin.source) {
        return false;
    }
    let over = before.map(|value| value.to_string());
    let cleared = said.is_none();
    if !listing.details.set(field, said) {
        return false;
    }
    if cleared {
        listing.provenance.0.remove(&field);
    } else {
        listing.provenance.set(
            field,
            Origin {
                over,
                original: original.map(ToOwned::to_owned),
                ..origin.clone()
            },
        );
    }
    true
}

/// What the dealer says under an operator's value, for when that is released.
fn kept_under(listing: &mut Listing, field: Field, said: Option<Value<'_>>, whose: Source) -> bool {
    let (Some(said), Some(held)) = (said, listing.provenance.0.get_mut(&field)) else {
        return false;
    };
    let said = Some(said.to_string());
    let news = held.over != said;
    (held.over, held.under) = (said, Some(whose));
    news
}

/// An operator's word, over whatever stands there. `false` when the field cannot have such a value.
pub fn put_right(listing: &mut Listing, field: Field, value: Value<'_>, who: &str) -> bool {
    let held = listing.provenance.get(field);
    let (over, under) = match held {
        // The dealer's word stays the one under it, however often it is put right.
        Some(held) if held.source == Source::Operator => (held.over.clone(), held.under),
        held => {
            let word = listing.details.get(field).map(|value| value.to_string());
            (word, held.map(|held| held.source))
        }
    };
    if !listing.details.set(field, Some(value)) {
        return false;
    }
    let origin = Origin {
        source: Source::Operator,
        file: None,
        row: None,
        original: None,
        by: Some(who.to_owned()),
        over,
        under,
    };
    listing.provenance.set(field, origin);
    true
}

/// Takes an operator's word back: the dealer's newest stands again. A list is blank until the next file, because
/// its text does not say where an item ends. `false` when no operator had a word on the field.
pub fn release(listing: &mut Listing, field: Field) -> bool {
    let held = listing.provenance.get(field);
    let Some(held) = held.filter(|held| held.source == Source::Operator) else {
        return false;
    };
    let (over, under) = (held.over.clone(), held.under);
    let value = over.and_then(|text| match field.field_type() {
        FieldType::Text => Some(Value::Text(text.into())),
        FieldType::Number => text.parse().ok().map(Value::Number),
        FieldType::Date => text.parse().ok().map(Value::Date),
        FieldType::List => None,
    });
    let blank = value.is_none();
    if !listing.details.set(field, value) {
        return false;
    }
    listing.provenance.0.remove(&field);
    if !blank {
        let origin = Origin {
            source: under.unwrap_or(Source::File),
            file: None,
            row: None,
            original: None,
            by: None,
            over: None,
            under: None,
        };
        listing.provenance.set(field, origin);
    }
    true
}

/// The same value in other words of the same source: only the words are kept anew.
fn reworded(listing: &mut Listing, field: Field, original: Option<&str>, origin: &Origin) -> bool {
    let Some(held) = listing.provenance.0.get_mut(&field) else {
        return false;
    };
    if held.source != origin.source || held.original.as_deref() == original {
        return false;
    }
    held.original = original.map(ToOwned::to_owned);
    (held.file, held.row) = (origin.file, origin.row);
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(row: u64) -> Origin {
        Origin {
            source: Source::File,
            file: Some(1),
            row: Some(row),
            original: None,
            by: None,
            over: None,
            under: None,
        }
    }

    fn draft(price: Option<i64>, color: Option<&str>) -> ListingDraft {
        ListingDraft {
            kind: Kind::Vehicle,
            stock_number: "A1".into(),
            vin: None,
            serial: None,
            status: None,
            details: Details {
                price_cents: price,
                exterior_color: color.map(Into::into),
                ..Details::default()
            },
            originals: [].into(),
            unread: Vec::new(),
            row: 1,
        }
    }

    #[test]
    fn the_dealers_own_words_are_kept_and_follow_the_file() {
        let mut said = draft(None, Some("Black"));
        said.originals
            .insert(Field::ExteriorColor, "Shadow Black".into());
        let mut listing = begin(1, &said, &file(1));
        said.originals
            .insert(Field::ExteriorColor, "Jet Black".into());
        assert!(apply(&mut listing, &said, &file(2)));
        assert!(!apply(&mut listing, &said, &file(3)));
        let origin = listing.provenance.get(Field::ExteriorColor).unwrap();
        assert_eq!(origin.original.as_deref(), Some("Jet Black"));
        assert_eq!((origin.row, &origin.over), (Some(2), &None));
    }

    #[test]
    fn another_vin_is_another_vehicle() {
        let of = |vin: &str| ListingDraft {
            vin: Some(crate::Vin::parse(vin).unwrap()),
            ..draft(Some(100), Some("Red"))
        };
        let mut listing = begin(1, &of("1HGCM82633A004352"), &file(1));
        assert!(fill(&mut listing, Field::Doors, Value::Number(4)));
        let said = Some(Value::Number(1));
        assert!(report(&mut listing, Field::Owners, said, Source::History));
        assert!(!apply(&mut listing, &of("1HGCM82633A004352"), &file(2)));
        assert_eq!(
            (listing.details.doors, listing.details.owners),
            (Some(4), Some(1))
        );
        assert!(apply(&mut listing, &of("5TDXZ3DC2KS015402"), &file(3)));
        assert_eq!(
            (listing.details.doors, listing.details.owners),
            (None, None)
        );
        assert!(listing.provenance.get(Field::Owners).is_none());
        assert_eq!(listing.details.exterior_color.as_deref(), Some("Red"));
    }

    #[test]
    fn a_number_that_comes_back_as_another_unit_has_no_ones_word_on_it() {
        let of = |vin: &str| ListingDraft {
            vin: Some(crate::Vin::parse(vin).unwrap()),
            ..draft(Some(100), Some("Red"))
        };
        for (gone, stands) in [(true, None), (false, Some("Clean"))] {
            let mut listing = begin(1, &of("1HGCM82633A004352"), &file(1));
            let clean = Value::Text("Clean".into());
            assert!(put_right(&mut listing, Field::TitleBrand, clean, "ann"));
            if gone {
                listing.status = Status::Removed;
            }
            assert!(apply(&mut listing, &of("5TDXZ3DC2KS015402"), &file(2)));
            assert_eq!(listing.details.title_brand.as_deref(), stands);
        }
    }

    #[test]
    fn a_released_word_is_whose_it_was() {
        let mut listing = begin(1, &draft(Some(100), None), &file(1));
        let one = Some(Value::Number(1));
        assert!(report(&mut listing, Field::Owners, one, Source::History));
        assert!(put_right(
            &mut listing,
            Field::Owners,
            Value::Number(2),
            "ann"
        ));
        assert!(put_right(
            &mut listing,
            Field::Owners,
            Value::Number(3),
            "ann"
        ));
        assert!(release(&mut listing, Field::Owners));
        assert_eq!(listing.details.owners, Some(1));
        let by = listing.provenance.get(Field::Owners).map(|o| o.source);
        assert_eq!(by, Some(Source::History));
        assert!(
            report(&mut listing, Field::Owners, None, Source::History),
            "theirs to clear"
        );
    }

    #[test]
    fn the_same_draft_twice_changes_nothing() {
        let draft = draft(Some(100), Some("Red"));
        let mut listing = begin(1, &draft, &file(1));
        let before = listing.clone();
        assert!(!apply(&mut listing, &draft, &file(9)));
        assert_eq!(listing, before);
    }

    #[test]
    fn blanks_may_mean_that_nothing_is_new() {
        let mut listing = begin(1, &draft(Some(100), Some("Red")), &file(1));
        let blank = draft(None, Some("Blue"));
        assert!(apply_with(
            &mut listing,
            &blank,
            &file(2),
            Blanks::Keep,
            &[]
        ));
        assert_eq!(listing.details.price_cents, Some(100));
        assert_eq!(listing.details.exterior_color.as_deref(), Some("Blue"));
        for (stands, said, becomes) in [
            (Status::Sold, None, Status::Sold),
            (Status::Removed, Some(Status::Available), Status::Removed),
            (Status::Available, Some(Status::Sold), Status::Sold),
        ] {
            listing.status = stands;
            let said = ListingDraft {
                status: said,
                ..draft(Some(1), None)
            };
            apply_with(&mut listing, &said, &file(3), Blanks::KeepAll, &[]);
            assert_eq!(listing.status, becomes);
        }
    }

    #[test]
    fn what_could_not_be_read_is_no_blank_but_of_another_unit() {
        let of = |price, unread: &[Field], vin: &str| ListingDraft {
            vin: Some(crate::Vin::parse(vin).unwrap()),
            unread: unread.to_vec(),
            ..draft(price, Some("Red"))
        };
        let (one, other) = ("1HGCM82633A004352", "5TDXZ3DC2KS015402");
        let mut listing = begin(1, &of(Some(100), &[], one), &file(1));
        let mumbled = of(None, &[Field::PriceCents], one);
        assert!(!apply(&mut listing, &mumbled, &file(2)));
        assert_eq!(listing.details.price_cents, Some(100));
        let other = of(None, &[Field::PriceCents], other);
        assert!(apply(&mut listing, &other, &file(3)));
        assert_eq!(listing.details.price_cents, None);
    }

    #[test]
    fn a_file_says_nothing_of_what_it_has_no_column_for() {
        let mut listing = begin(1, &draft(Some(100), Some("Red")), &file(1));
        let blank = draft(None, None);
        let silent = [Field::PriceCents];
        let changed = apply_with(&mut listing, &blank, &file(2), Blanks::Clear, &silent);
        let details = &listing.details;
        assert_eq!((changed, details.price_cents), (true, Some(100)));
        assert_eq!(details.exterior_color, None);
        let other = |serial: &str| ListingDraft {
            serial: Some(serial.into()),
            ..draft(None, None)
        };
        assert!(apply_with(
            &mut listing,
            &other("S1"),
            &file(3),
            Blanks::Clear,
            &silent
        ));
        assert_eq!(listing.details.price_cents, Some(100));
        assert!(apply_with(
            &mut listing,
            &other("S2"),
            &file(4),
            Blanks::Clear,
            &silent
        ));
        assert_eq!(listing.details.price_cents, None, "another machine's");
    }

    #[test]
    fn a_row_may_say_where_the_unit_stands() {
        let said = |status| ListingDraft {
            status,
            ..draft(Some(100), None)
        };
        let mut listing = begin(1, &said(Some(Status::Sold)), &file(1));
        assert_eq!(listing.status, Status::Sold);
        for (word, stands, changed) in [
            (Some(Status::Sold), Status::Sold, false),
            (Some(Status::Pending), Status::Pending, true),
            (None, Status::Pending, false),
            (Some(Status::Removed), Status::Removed, true),
            (None, Status::Available, true),
        ] {
            assert_eq!(apply(&mut listing, &said(word), &file(2)), changed);
            assert_eq!(listing.status, stands);
        }
    }

    #[test]
    fn a_change_says_who_and_over_what() {
        let mut listing = begin(1, &draft(Some(100), None), &file(1));
        assert!(apply(&mut listing, &draft(Some(90), None), &file(2)));
        let origin = listing.provenance.get(Field::PriceCents).unwrap();
        assert_eq!((origin.row, origin.over.as_deref()), (Some(2), Some("100")));
    }

    #[test]
    fn an_operators_value_survives_the_next_file() {
        let mut listing = begin(1, &draft(Some(100), None), &file(1));
        let operator = Origin {
            source: Source::Operator,
            file: None,
            row: None,
            original: None,
            by: None,
            over: None,
            under: None,
        };
        apply(&mut listing, &draft(Some(80), None), &operator);
        assert!(!apply(&mut listing, &draft(Some(100), None), &file(3)));
        assert_eq!(listing.details.price_cents, Some(80));
    }

    #[test]
    fn what_a_dealer_says_meanwhile_stands_when_an_operator_lets_go() {
        let mut listing = begin(1, &draft(Some(100), Some("Red")), &file(1));
        assert!(put_right(
            &mut listing,
            Field::PriceCents,
            Value::Number(80),
            "jane"
        ));
        assert!(put_right(
            &mut listing,
            Field::PriceCents,
            Value::Number(85),
            "jane"
        ));
        let held = listing.provenance.get(Field::PriceCents).unwrap();
        assert_eq!(
            (held.by.as_deref(), held.over.as_deref()),
            (Some("jane"), Some("100"))
        );
        assert!(apply(&mut listing, &draft(Some(95), Some("Red")), &file(2)));
        assert!(
            !apply(&mut listing, &draft(Some(95), Some("Red")), &file(3)),
            "nothing new"
        );
        assert!(
            !apply(&mut listing, &draft(None, Some("Red")), &file(4)),
            "a blank is no word"
        );
        assert_eq!(listing.details.price_cents, Some(85));
        assert!(release(&mut listing, Field::PriceCents));
        assert_eq!(listing.details.price_cents, Some(95));
        assert!(
            !release(&mut listing, Field::PriceCents),
            "it is the dealer's again"
        );
        assert!(apply(&mut listing, &draft(None, Some("Red")), &file(5)));
        assert_eq!(listing.details.price_cents, None, "as any word of a file");
        let photos = Value::List(vec!["x".to_owned()].into());
        assert!(put_right(&mut listing, Field::ImageUrls, photos, "jane"));
        assert!(release(&mut listing, Field::ImageUrls));
        assert!(
            listing.details.image_urls.is_empty()
                && listing.provenance.get(Field::ImageUrls).is_none()
        );
    }

    #[test]
    fn what_partners_report_is_theirs_and_an_operators() {
        let mut said = draft(Some(100), None);
        said.details.reported_title_brand = Some("Clean".into());
        let mut listing = begin(1, &said, &file(1));
        assert_eq!(
            listing.details.reported_title_brand, None,
            "no file says so"
        );
        let brand = |text: &'static str| Some(Value::Text(text.into()));
        let field = Field::ReportedTitleBrand;
        assert!(report(
            &mut listing,
            field,
            brand("Salvage"),
            Source::History
        ));
        assert!(!report(
            &mut listing,
            field,
            brand("Salvage"),
            Source::History
        ));
        assert!(!apply(&mut listing, &said, &file(2)));
        assert_eq!(
            listing.details.reported_title_brand.as_deref(),
            Some("Salvage")
        );
        let right = Value::Text("Clean".into());
        assert!(put_right(&mut listing, field, right, "jane"));
        assert!(!report(
            &mut listing,
            field,
            brand("Salvage"),
            Source::History
        ));
        assert_eq!(
            listing.details.reported_title_brand.as_deref(),
            Some("Clean")
        );
        assert!(!report(
            &mut listing,
            Field::Make,
            brand("Ford"),
            Source::History
        ));
    }

    #[test]
    fn a_blank_clears_what_the_file_had_set_but_not_what_the_vin_filled() {
        let mut listing = begin(1, &draft(Some(100), Some("Red")), &file(1));
        assert!(fill(&mut listing, Field::Doors, Value::Number(4)));
        assert!(!fill(
            &mut listing,
            Field::ExteriorColor,
            Value::Text("Blue".into())
        ));
        assert!(apply(&mut listing, &draft(None, Some("Red")), &file(2)));
        assert_eq!(
            (listing.details.price_cents, listing.details.doors),
            (None, Some(4))
        );
    }
}
