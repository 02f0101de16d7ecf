use super::*;
use crate::Vin;
use crate::another_unit::is_nobodys;

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
fn another_unit_has_neither_the_numbers_nor_the_place_of_the_one_before() {
    let of = |vin: Option<&str>, serial: Option<&str>, make: &str, year: i64| {
        let mut said = draft(Some(100), None);
        said.vin = vin.and_then(|vin| Vin::parse(vin).ok());
        said.serial = serial.map(str::to_owned);
        (said.details.make, said.details.year) = (Some(make.to_owned()), Some(year));
        said
    };
    let vin = Some("1HGCM82633A004352");
    let mut listing = begin(1, &of(vin, Some("S-104832"), "Deere", 2018), &file(1));
    // A serial that is written otherwise is no other machine while its VIN is the same.
    let same = of(vin, Some("S104832"), "John Deere", 2019);
    assert!(!is_another(&listing, &same, Blanks::Clear));
    listing.status = Status::Pending;
    let cat = of(None, Some("CAT00420"), "Caterpillar", 2012);
    assert!(apply_with(
        &mut listing,
        &cat,
        &file(2),
        Blanks::Keep,
        &[Field::Status]
    ));
    assert_eq!((listing.vin, listing.status), (None, Status::Available));
    assert_eq!(listing.serial.as_deref(), Some("CAT00420"));
}

/// Whoever said them, and whatever an operator has said over them.
#[test]
fn the_dealers_words_tell_another_vehicle_also_under_an_operators() {
    let of = |vin: &str, make: &str, model: &str, year: i64| {
        let mut said = draft(Some(100), None);
        said.vin = Vin::parse(vin).ok();
        said.details.make = Some(make.to_owned());
        said.details.model = Some(model.to_owned());
        said.details.year = Some(year);
        said
    };
    let ford = of("1FTEW1EG2JFA00001", "Ford", "F-150", 2013);
    let jeep = of("1C4RJFBG5FC000007", "Jeep", "Grand Cherokee", 2014);
    for source in [Source::File, Source::Api] {
        let said = Origin { source, ..file(1) };
        let mut listing = begin(1, &ford, &said);
        let lincoln = Value::Text("Lincoln".into());
        assert!(put_right(&mut listing, Field::Make, lincoln, "ann"));
        assert!(put_right(
            &mut listing,
            Field::Year,
            Value::Number(2015),
            "ann"
        ));
        assert!(is_another(&listing, &jeep, Blanks::Clear));
        let slip = of("1FTEW1EG2JFA00002", "Ford", "F-150", 2013);
        assert!(!is_another(&listing, &slip, Blanks::Clear));
        // Who only updates has no such unit, and may put a VIN right.
        assert!(is_nobodys(&listing, &jeep, Blanks::KeepAll));
        assert!(!is_nobodys(&listing, &slip, Blanks::KeepAll));
    }
}

/// Not while it may be a slip put right: that is one VIN for another, and the vehicle the same.
#[test]
fn a_number_on_the_lot_that_says_another_vehicle_altogether_is_another_unit() {
    let of = |vin: &str, make: &str, year: i64| {
        let mut said = draft(Some(100), None);
        said.vin = Vin::parse(vin).ok();
        (said.details.make, said.details.year) = (Some(make.to_owned()), Some(year));
        said
    };
    let ford = of("1FTEW1EG2JFA00001", "Ford", 2018);
    let listing = begin(1, &ford, &file(1));
    for (said, another) in [
        (of("1HGCM82633A004352", "Honda", 2003), true),
        (of("1FTEW1EG2JFA00002", "Ford", 2018), false),
        (of("1FTEW1EG2JFA00002", "Ford", 2019), false),
    ] {
        let mut listing = listing.clone();
        let blue = Value::Text("Blue".into());
        assert!(put_right(&mut listing, Field::ExteriorColor, blue, "ann"));
        assert_eq!(is_another(&listing, &said, Blanks::Clear), another);
        assert!(!is_another(&listing, &said, Blanks::KeepAll));
        assert!(apply(&mut listing, &said, &file(2)));
        assert_eq!(listing.details.exterior_color.is_none(), another);
    }
}

#[test]
fn a_unit_that_was_promised_is_for_sale_again_where_its_files_word_is_gone() {
    let mut listing = begin(1, &draft(Some(100), None), &file(1));
    listing.status = Status::Pending;
    let blank = draft(Some(100), None);
    let mut unread = blank.clone();
    unread.unread = vec![Field::Status];
    let silent = [Field::Status];
    assert!(!apply_with(
        &mut listing,
        &blank,
        &file(2),
        Blanks::Keep,
        &[]
    ));
    assert!(!apply_with(
        &mut listing,
        &blank,
        &file(2),
        Blanks::Clear,
        &silent
    ));
    assert!(!apply(&mut listing, &unread, &file(2)));
    assert!(apply(&mut listing, &blank, &file(2)));
    assert_eq!(listing.status, Status::Available);
}

#[test]
fn a_released_list_is_the_dealers_again() {
    let list = |items: &[&str]| {
        let items: Vec<String> = items.iter().map(|item| (*item).to_owned()).collect();
        Value::List(items.into())
    };
    let mut said = draft(None, None);
    said.details.options = vec!["Tow, heavy".to_owned(), "Nav".to_owned()];
    let mut listing = begin(1, &said, &file(1));
    assert!(put_right(
        &mut listing,
        Field::Options,
        list(&["Winch"]),
        "ann"
    ));
    assert!(!apply(&mut listing, &said, &file(2)), "nothing new");
    assert!(release(&mut listing, Field::Options));
    assert_eq!(listing.details.options, ["Tow, heavy", "Nav"]);
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
        (None, Status::Available, true),
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
    let operator = Origin::of(Source::Operator);
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
    let withdrawn = &mut listing.clone();
    assert!(release(&mut listing, Field::PriceCents));
    assert_eq!(listing.details.price_cents, Some(95));
    assert!(
        !release(&mut listing, Field::PriceCents),
        "it is the dealer's again"
    );
    // What he took back meanwhile does not come back; where a blank means nothing it is not taken back.
    let blank = draft(None, Some("Red"));
    assert!(!apply_with(withdrawn, &blank, &file(4), Blanks::Keep, &[]));
    assert!(apply(withdrawn, &blank, &file(4)));
    assert!(!apply(withdrawn, &blank, &file(5)), "nothing new");
    assert_eq!(withdrawn.details.price_cents, Some(85));
    assert!(release(withdrawn, Field::PriceCents));
    assert_eq!(withdrawn.details.price_cents, None);
    assert!(apply(&mut listing, &draft(None, Some("Red")), &file(5)));
    assert_eq!(listing.details.price_cents, None, "as any word of a file");
    let photos = Value::List(vec!["x".to_owned()].into());
    assert!(put_right(&mut listing, Field::ImageUrls, photos, "jane"));
    assert!(release(&mut listing, Field::ImageUrls));
    assert!(
        listing.details.image_urls.is_empty() && listing.provenance.get(Field::ImageUrls).is_none()
    );
}

#[test]
fn another_unit_has_nothing_of_the_one_before_under_any_policy() {
    for blanks in [Blanks::Clear, Blanks::Keep, Blanks::KeepAll] {
        let mut first = draft(Some(100), Some("Red"));
        first.vin = Vin::parse("1HGCM82633A004352").ok();
        let mut listing = begin(1, &first, &file(1));
        let mut second = draft(None, None);
        second.vin = Vin::parse("4T1BF1FK5HU629468").ok();
        second.unread = vec![Field::PriceCents];
        let silent = [Field::ExteriorColor];
        assert!(apply_with(&mut listing, &second, &file(2), blanks, &silent));
        assert_eq!(listing.details.price_cents, None, "{blanks:?}");
        assert_eq!(listing.details.exterior_color, None, "{blanks:?}");
    }
}

#[test]
fn a_row_whose_vin_is_blank_and_that_says_another_make_and_year_is_another_unit() {
    let of = |make: &str, year: i64, vin: Option<&str>| {
        let mut said = draft(Some(100), None);
        said.details.make = Some(make.to_owned());
        said.details.year = Some(year);
        said.vin = vin.and_then(|vin| Vin::parse(vin).ok());
        said
    };
    let vin = "1HGCM82633A004352";
    let mut listing = begin(1, &of("Honda", 2003, Some(vin)), &file(1));
    fill(&mut listing, Field::Body, Value::Text("Coupe".into()));
    // A VIN that is missing one night is no other vehicle, and neither is a make or a year put right.
    for same in [of("Honda", 2003, None), of("honda", 2004, None)] {
        apply(&mut listing, &same, &file(2));
        assert!(listing.vin.is_some());
    }
    let ford = of("Ford", 1972, None);
    // Who has no column for VINs, and who only updates, says nothing of which vehicle it is.
    let mut silent = ford.clone();
    silent.unread = vec![Field::Vin];
    let mut same = listing.clone();
    apply(&mut same, &silent, &file(3));
    assert!(same.vin.is_some());
    let mut same = listing.clone();
    apply_with(&mut same, &ford, &file(3), Blanks::KeepAll, &[]);
    assert!(same.vin.is_some());
    put_right(&mut listing, Field::PriceCents, Value::Number(7), "jane");
    let mut back = listing.clone();
    assert!(apply(&mut listing, &ford, &file(3)));
    assert_eq!(
        (listing.vin.as_ref(), listing.details.body.as_deref()),
        (None, None)
    );
    // What an operator said, he said of the one before, whether it had left or not.
    assert_eq!(listing.details.price_cents, Some(100));
    back.status = Status::Removed;
    assert!(apply(&mut back, &ford, &file(3)));
    assert_eq!(back.details.price_cents, Some(100));
    // Of a unit that never had a VIN, once it has left.
    let mut bare = begin(1, &of("Honda", 2003, None), &file(1));
    put_right(&mut bare, Field::PriceCents, Value::Number(7), "jane");
    apply(&mut bare, &ford, &file(2));
    assert_eq!(bare.details.price_cents, Some(7));
    bare.status = Status::Removed;
    apply(&mut bare, &of("Jeep", 2020, None), &file(3));
    assert_eq!(bare.details.price_cents, Some(100));
    // Who overruled make and year has not made it another unit.
    let mut named = begin(1, &of("Hoonda", 1903, Some(vin)), &file(1));
    put_right(&mut named, Field::Make, Value::Text("Honda".into()), "jane");
    put_right(&mut named, Field::Year, Value::Number(2003), "jane");
    apply(&mut named, &of("Hoonda", 1903, None), &file(2));
    assert!(named.vin.is_some());
}

#[test]
fn a_status_that_cannot_be_read_does_not_bring_back_what_was_sold() {
    let mut said = draft(Some(100), None);
    said.vin = Vin::parse("1HGCM82633A004352").ok();
    said.status = Some(Status::Sold);
    let mut listing = begin(1, &said, &file(1));
    said.status = None;
    said.unread = vec![Field::Status];
    apply(&mut listing, &said, &file(2));
    assert_eq!(listing.status, Status::Sold);
    // What was only missing is back, in whatever words.
    let mut missed = listing.clone();
    missed.status = Status::Removed;
    apply(&mut missed, &said, &file(3));
    assert_eq!(missed.status, Status::Available);
    // And another unit under the number was never sold.
    let mut other = listing.clone();
    said.vin = Vin::parse("4T1BF1FK5HU629468").ok();
    apply(&mut other, &said, &file(3));
    assert_eq!(other.status, Status::Available);
    said.vin.clone_from(&listing.vin);
    said.unread.clear();
    apply(&mut listing, &said, &file(3));
    assert_eq!(listing.status, Status::Available);
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
