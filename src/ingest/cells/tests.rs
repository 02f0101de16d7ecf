use super::*;

const USD: Ways = Ways {
    currency: Currency::USD,
    day_first: false,
};

fn column(to: Field, read_as: ReadAs) -> Column {
    Column {
        to,
        from: vec![],
        at: None,
        read_as: Some(read_as),
        required: false,
        words: [].into(),
        separator: None,
        unit_from: Vec::new(),
        unit_places: Vec::new(),
    }
}

fn rule(to: Field, read_as: ReadAs, cell: &str) -> &'static str {
    read(&column(to, read_as), cell, false, USD)
        .unwrap_err()
        .rule
}

#[test]
fn what_cannot_be_read_has_a_name() {
    assert_eq!(
        rule(Field::PriceCents, ReadAs::Money, "Not Priced"),
        "not_priced"
    );
    assert_eq!(rule(Field::PriceCents, ReadAs::Money, "a lot"), "not_money");
    assert_eq!(rule(Field::Year, ReadAs::Year, "1000"), "year_unknown");
    assert_eq!(rule(Field::Year, ReadAs::Year, "1850"), "year_out_of_range");
    for text in ["four", "1234,5", "1,23", ",5", "12,3456"] {
        assert_eq!(
            rule(Field::Doors, ReadAs::Number, text),
            "not_a_number",
            "{text}"
        );
    }
    assert_eq!(
        rule(Field::OdometerKm, ReadAs::Miles, "low"),
        "not_a_distance"
    );
    assert_eq!(
        rule(Field::DateInStock, ReadAs::Date, "2026-13-40"),
        "not_a_date"
    );
    for text in ["1/2/3", "11/2/226", "1/2026", "2026-+1-02", "13/1/26"] {
        assert_eq!(
            rule(Field::DateInStock, ReadAs::Date, text),
            "not_a_date",
            "{text}"
        );
    }
    assert_eq!(
        rule(Field::DateInStock, ReadAs::Date, "1899-12-31"),
        "date_out_of_range"
    );
    for text in ["12 weeks", "1.2.3", "h"] {
        assert_eq!(
            rule(Field::Hours, ReadAs::Number, text),
            "not_a_number",
            "{text}"
        );
    }
    assert_eq!(rule(Field::Description, ReadAs::Text, "a\0b"), "nul_byte");
    assert_eq!(
        rule(Field::Description, ReadAs::Text, &"x".repeat(40_000)),
        "cell_too_long"
    );
}

#[test]
fn a_mappings_words_hold_for_every_type() {
    let column = Column {
        words: [
            ("Y".to_owned(), "1".to_owned()),
            ("Call".to_owned(), String::new()),
            ("4x4".to_owned(), "Four-Wheel Drive".to_owned()),
        ]
        .into(),
        ..column(Field::Accidents, ReadAs::Number)
    };
    assert_eq!(
        read(&column, "y", false, USD).unwrap(),
        Some(Value::Number(1))
    );
    let of = |to, read_as| Column {
        to,
        read_as: Some(read_as),
        ..column.clone()
    };
    assert_eq!(
        read(&of(Field::PriceCents, ReadAs::Money), "call", false, USD).unwrap(),
        None
    );
    let options = read(&of(Field::Options, ReadAs::List), "4X4, Winch", false, USD).unwrap();
    let said = vec!["Four-Wheel Drive".to_owned(), "Winch".to_owned()];
    assert_eq!(options, Some(Value::List(said.into())));
}

#[test]
fn an_engines_description_gives_its_size_and_cylinders() {
    let both = |cell| (litres_within(cell), cylinders_within(cell));
    assert_eq!(both("3,0L V6"), both("3.0L V6"));
    assert_eq!(litres("2,0 l"), Ok(Value::Number(2_000)));
    assert_eq!(litres("1998").unwrap_err().rule, "not_litres");
    let some = |cc, cylinders| (Some(Value::Number(cc)), Some(Value::Number(cylinders)));
    assert_eq!(both("3.5L V6 24V PDI DOHC Twin Turbo"), some(3_500, 6));
    assert_eq!(both("Intercooled Turbo 2.0 L I-4"), some(2_000, 4));
    assert_eq!(both("4-Cyl 1.5L"), some(1_500, 4));
    assert_eq!(both("Electric"), (None, None));
    assert_eq!(both("V60 wagon"), (None, None));
}

#[test]
fn what_may_be_two_numbers_is_read_by_the_rows_marks_or_not_at_all() {
    let euros = Ways {
        currency: Currency::EUR,
        day_first: true,
    };
    let value = |to, read_as, cell, ways| read(&column(to, read_as), cell, false, ways);
    for (to, read_as, cell, number) in [
        (Field::OdometerKm, ReadAs::Kilometres, "120.000", 120_000),
        (
            Field::OdometerKm,
            ReadAs::Kilometres,
            "85\u{a0}300 km",
            85_300,
        ),
        (Field::Hours, ReadAs::Number, "3.412", 3_412),
        (Field::Hours, ReadAs::Number, "3.412,6 Std.", 3_413),
    ] {
        let read = value(to, read_as, cell, euros);
        assert_eq!(read, Ok(Some(Value::Number(number))), "{cell}");
    }
    for (to, read_as, rule) in [
        (Field::OdometerKm, ReadAs::Kilometres, "not_a_distance"),
        (Field::Hours, ReadAs::Number, "not_a_number"),
        (Field::PriceCents, ReadAs::Money, "not_money"),
    ] {
        assert_eq!(value(to, read_as, "12.345", USD).unwrap_err().rule, rule);
    }
    let day = |cell, ways| value(Field::DateInStock, ReadAs::Date, cell, ways);
    let of = |month, day| Ok(Some(Value::Date(jiff::civil::date(2026, month, day))));
    assert_eq!(day("05/10/2026", USD), of(5, 10));
    assert_eq!(day("05/10/2026", euros), of(10, 5));
    assert_eq!(day("12.10.2026", USD), of(10, 12));
    assert_eq!(day("10-Nov-26", USD), of(11, 10));
    assert_eq!(day("02-OCT-2026", USD), of(10, 2));
    assert_eq!(day("2-OCT-2026T10:00", USD), of(10, 2));
    let long_ago = Ok(Some(Value::Date(jiff::civil::date(1998, 3, 15))));
    assert_eq!(day("3/15/98", USD), long_ago);
    assert_eq!(day("1/1/70", USD).unwrap_err().rule, "not_a_date");
    assert_eq!(day("2026-10-02T23:59:00Z", USD), of(10, 2));
    let day_first = value(Field::DateInStock, ReadAs::DayFirst, "5/10/26", USD);
    assert_eq!(day_first, of(10, 5));
}

#[test]
fn what_a_spreadsheet_puts_around_a_number_is_none_of_it() {
    let number = |cell| read(&column(Field::StockNumber, ReadAs::Text), cell, false, USD);
    let text = |text: &str| Ok(Some(Value::Text(text.to_owned().into())));
    assert_eq!(number("=\"0013\""), text("0013"));
    assert_eq!(number("'0014"), text("0014"));
    assert_eq!(number("1E5"), text("1E5"));
    for rounded in [
        "1.2E+05",
        "1E+05",
        "1,23457E+13",
        "1.2345678901234568e+22",
        "1.2E15",
    ] {
        assert_eq!(
            number(rounded).unwrap_err().rule,
            "number_rounded",
            "{rounded}"
        );
    }
    let serial = |cell| read(&column(Field::Serial, ReadAs::Text), cell, false, USD);
    assert_eq!(serial("1,23457E+13").unwrap_err().rule, "number_rounded");
    assert_eq!(serial("12E4567"), text("12E4567"));
    for failed in ["#N/A", "#REF!", "#WERT!", "#NAME?", "#DIV/0!"] {
        assert_eq!(
            number(failed).unwrap_err().rule,
            "formula_failed",
            "{failed}"
        );
    }
    for fine in ["#1204", "#SALE!"] {
        assert_eq!(number(fine), text(fine));
    }
    assert_eq!(number("W5\u{200b}"), text("W5"));
    let make = |cell| read(&column(Field::Make, ReadAs::Text), cell, false, USD);
    assert_eq!(make("Fo\u{200b}rd"), text("Ford"));
    assert_eq!(make("\u{200b}"), Ok(None));
    let price = read(
        &column(Field::PriceCents, ReadAs::Money),
        "9500\u{200b}",
        false,
        USD,
    );
    assert_eq!(price, Ok(Some(Value::Number(950_000))));
}

#[test]
fn cells_are_read_as_dealers_write_them() {
    let value = |to, read_as, cell| {
        read(&column(to, read_as), cell, false, USD)
            .unwrap()
            .unwrap()
    };
    assert_eq!(
        value(Field::PriceCents, ReadAs::Money, "$39,998 "),
        Value::Number(3_999_800)
    );
    assert_eq!(
        value(Field::DisplacementCc, ReadAs::Litres, "3.5L"),
        Value::Number(3_500)
    );
    assert_eq!(
        value(Field::DateInStock, ReadAs::Date, "11/2/2026 0:00"),
        Value::Date(jiff::civil::date(2026, 11, 2))
    );
    for (cell, year) in [
        ("11/2/26", 2026),
        ("20261102", 2026),
        ("2026/11/02", 2026),
        ("11-02-1999", 1999),
    ] {
        let date = jiff::civil::date(year, 11, 2);
        assert_eq!(
            value(Field::DateInStock, ReadAs::Date, cell),
            Value::Date(date),
            "{cell}"
        );
    }
    for (cell, hours) in [
        ("3,412.7", 3_413),
        ("1,200 hrs", 1_200),
        ("88.4h", 88),
        ("12 Hours.", 12),
    ] {
        assert_eq!(
            value(Field::Hours, ReadAs::Number, cell),
            Value::Number(hours),
            "{cell}"
        );
    }
    assert_eq!(
        value(Field::Cylinders, ReadAs::Number, "4.00"),
        Value::Number(4)
    );
    assert_eq!(
        value(
            Field::ImageUrls,
            ReadAs::List,
            "{http://a/1.jpg, http://a/2.jpg}"
        ),
        Value::List(vec!["http://a/1.jpg".to_owned(), "http://a/2.jpg".to_owned()].into())
    );
}
