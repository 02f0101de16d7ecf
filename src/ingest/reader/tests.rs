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
    let open = "A2,1FTEW1EG2JFD44217,\"open\nA3,5TDXZ3DC2KS015402,\"x\nA4,5TDXZ3DC2KS015402,b\n";
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
    let head =
        "Year,Make,Model,Used/New,Price,SellerName,StreetName,State,Zipcode,VIN,Stock#,FuelType";
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
    let text = "stock,odo,uom\n1,20000,KM\n2,20000,\n3,100 mi,km\n4,20000,parsecs\n5,1,M\n6,7 km,\n7,20000,-\n8,20000,Unknown\n9,5,Kilometer\n";
    let mut reader = Reader::new(text.as_bytes().to_vec(), &mapping).unwrap();
    let rows: Vec<_> = std::iter::from_fn(|| reader.next_row().unwrap()).collect();
    let km = |row: &ParsedRow| row.draft.as_ref().unwrap().details.odometer_km;
    let all: Vec<Option<i64>> = rows.iter().map(km).collect();
    let miles = Some(32_187);
    let expected = [
        Some(20_000),
        miles,
        Some(161),
        None,
        Some(2),
        Some(7),
        miles,
        miles,
        Some(5),
    ];
    assert_eq!(all, expected);
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
