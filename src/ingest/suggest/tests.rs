use super::*;
use crate::Reader;

fn lines(header: &str, row: &str) -> String {
    let file = format!("{header}\n{row}\n").into_bytes();
    let yaml = suggest(file.clone(), "mine").unwrap().yaml;
    // Whatever it is, it can be read.
    let mapping = Mapping::parse("mine", &yaml).unwrap();
    crate::Reader::new(file, &mapping).unwrap();
    yaml
}

#[test]
fn a_selling_price_goes_before_a_list_price_and_a_rate_is_none() {
    let yaml = lines(
        "Stock,VIN,List Price,Selling Price,Price Per Month",
        "1,1HGCM82633A004352,7995,7495,299",
    );
    assert!(
        yaml.contains(r#"{to: price_cents, from: ["Selling Price", "List Price"], as: money}"#),
        "{yaml}"
    );
    assert!(yaml.contains(r##"# "Price Per Month": "299""##), "{yaml}");
}

#[test]
fn what_a_column_holds_is_looked_at() {
    let yaml = lines(
        "Stock,VIN,Type,Image Count,Carfax URL,Odometer Status,Photo URLs",
        "1,1HGCM82633A004352,SUV,24,https://c.example/1,Actual,https://p.example/1.jpg https://p.example/2.jpg",
    );
    for unread in ["Type", "Image Count", "Carfax URL", "Odometer Status"] {
        assert!(yaml.contains(&format!("# {unread:?}")), "{yaml}");
    }
    assert!(yaml.contains(r#"separator: " ""#), "{yaml}");
}

#[test]
fn units_and_currencies_are_not_passed_over() {
    let yaml = lines(
        "Stock,VIN,Price,Currency,Odometer,Odometer Unit",
        "1,1HGCM82633A004352,9500,CAD,45210,KM",
    );
    assert!(yaml.contains(r#"currency: ["Currency"]"#), "{yaml}");
    assert!(yaml.contains(r#"unit_from: ["Odometer Unit"]"#), "{yaml}");
    let mapping = Mapping::parse("mine", &yaml).unwrap();
    let file =
        b"Stock,VIN,Price,Currency,Odometer,Odometer Unit\n1,1HGCM82633A004352,9500,CAD,45210,KM\n";
    let mut reader = crate::Reader::new(file.to_vec(), &mapping).unwrap();
    let row = reader.next_row().unwrap().unwrap();
    let details = row.draft.unwrap().details;
    assert_eq!(details.currency(), domain::Currency::CAD);
    assert_eq!(details.odometer_km, Some(45_210));
}

#[test]
fn columns_may_be_called_as_elsewhere() {
    let yaml = lines(
        "Lager;FIN;Marke;Modell;Baujahr;Preis;km-Stand;Farbe;Market Value",
        "D1;WAUZZZ8V5KA012345;Audi;A3;2019;18.490,00;45.000;Rot;1",
    );
    for part in [
        r#"{to: stock_number, from: ["Lager"], required: true}"#,
        r#"{to: vin, from: ["FIN"]}"#,
        r#"{to: make, from: ["Marke"]}"#,
        r#"{to: year, from: ["Baujahr"], as: year}"#,
        r#"{to: price_cents, from: ["Preis"], as: money}"#,
        r#"{to: odometer_km, from: ["km-Stand"], as: kilometres}"#,
        r#"{to: exterior_color, from: ["Farbe"]}"#,
        r##"# "Market Value": "1""##,
    ] {
        assert!(yaml.contains(part), "{part}: {yaml}");
    }
    let names = names::OF_OTHER_LANGUAGES.iter().map(|(.., names)| names);
    for name in names.flat_map(|names| names.split_whitespace()) {
        assert_eq!(folded(name), name, "as names compare");
    }
    let yaml = lines(
        "Référence stock,N° de châssis,Marque,Modèle,Année,Prix TTC,Kilométrage",
        "F1,VF1RFB00067123456,Renault,Clio,2021,\"14 990 €\",\"32 000\"",
    );
    for field in [
        "stock_number",
        "make",
        "model",
        "year",
        "price_cents",
        "odometer_km",
    ] {
        assert!(yaml.contains(&format!("to: {field}, ")), "{field}: {yaml}");
    }
}

#[test]
fn signs_that_no_one_sees_are_left_out_of_names() {
    let yaml = lines(
        "Stock\u{a0}#,VIN,Our\u{200b} Price",
        "1,1HGCM82633A004352,9500",
    );
    assert!(yaml.contains(r#"from: ["Stock #"]"#), "{yaml}");
}

#[test]
fn a_column_that_names_the_rooftop_is_the_dealers() {
    let file = b"Lot,Seller,Stock #,VIN,Foo\nMP1,Bay,7,1HGCM82633A004352,x\n".to_vec();
    let suggestion = suggest(file.clone(), "mine").unwrap();
    assert_eq!((suggestion.known, suggestion.unknown), (4, 1));
    let mapping = Mapping::parse("mine", &suggestion.yaml).unwrap();
    let mut reader = crate::Reader::new(file, &mapping).unwrap();
    let dealer = reader.next_row().unwrap().unwrap().dealer.unwrap();
    assert_eq!((&*dealer.key, &*dealer.name), ("mp1", "Bay"));
    // A column that is there and blank names nobody.
    let blank = b"Lot,Stock #,VIN\n,7,1HGCM82633A004352\n".to_vec();
    let yaml = suggest(blank, "mine").unwrap().yaml;
    assert!(Mapping::parse("mine", &yaml).unwrap().dealer.is_none());
}

#[test]
fn what_is_suggested_is_a_mapping_that_reads_the_file() {
    let text = "Unit No,Stock #,V.I.N. Code,Yr,Year,Make,Model,Our Selling Price,Pictures,Mood\n\
        7,A1,1HGCM82633A004352,x,2003,Honda,Accord,\"$9,995\",https://a/1.jpg;https://a/2.jpg,good\n\
        8,A2,1HGCM82633A004352,x,2003,Honda,Accord,\"$8,995\",https://a/3.jpg,bad\n";
    let suggestion = suggest(text.as_bytes().to_vec(), "mine").unwrap();
    for part in [
        "kind: vehicle",
        r##"{to: stock_number, from: ["Stock #"], required: true}"##,
        r#"{to: vin, from: ["V.I.N. Code"]}   # a guess"#,
        r#"{to: year, from: ["Year"], as: year}"#,
        r#"{to: price_cents, from: ["Our Selling Price"], as: money}   # a guess"#,
        r#"separator: ";""#,
        r#"# "Mood": "good""#,
    ] {
        assert!(
            suggestion.yaml.contains(part),
            "no {part} in\n{}",
            suggestion.yaml
        );
    }
    let mapping = Mapping::parse("mine", &suggestion.yaml).unwrap();
    let mut reader = Reader::new(text.as_bytes().to_vec(), &mapping).unwrap();
    let draft = reader.next_row().unwrap().unwrap().draft.unwrap();
    assert_eq!(draft.details.price_cents, Some(999_500));
    assert_eq!(draft.details.image_urls.len(), 2);
    assert_eq!(draft.vin.unwrap().as_str(), "1HGCM82633A004352");
}

#[test]
fn a_badge_file_is_one_of_reports_and_a_dealers_owners_are_not_believed() {
    let text = "VIN,Owners,Accidents,Title Brand\n1HGCM82633A004352,2,0,Clean\n";
    let suggestion = suggest(text.as_bytes().to_vec(), "mine").unwrap();
    let mapping = Mapping::parse("mine", &suggestion.yaml).unwrap();
    assert_eq!(mapping.holds, Holds::Reports);
    let mut reader = Reader::new(text.as_bytes().to_vec(), &mapping).unwrap();
    let details = reader.next_row().unwrap().unwrap().draft.unwrap().details;
    assert_eq!((details.owners, details.accidents), (Some(2), Some(0)));
    let text = "Stock #,VIN,Price,Owners\nA1,1HGCM82633A004352,9995,2\n";
    let suggestion = suggest(text.as_bytes().to_vec(), "mine").unwrap();
    let mapping = Mapping::parse("mine", &suggestion.yaml).unwrap();
    assert_eq!(mapping.holds, Holds::Units);
    assert!(
        suggestion.yaml.contains(r##"# "Owners": "2""##),
        "{}",
        suggestion.yaml
    );
}

#[test]
fn a_file_of_machines_in_xml_is_one_of_equipment() {
    let text = "<stock><machine><Ref>7</Ref><Manufacturer>Bobcat</Manufacturer><Hours>412</Hours></machine></stock>";
    let suggestion = suggest(text.as_bytes().to_vec(), "mine").unwrap();
    assert!(
        suggestion.yaml.contains("kind: equipment"),
        "{}",
        suggestion.yaml
    );
    assert!(
        suggestion
            .yaml
            .contains("No column looks like a stock number")
    );
    let mapping = Mapping::parse("mine", &suggestion.yaml).unwrap();
    let mut reader = Reader::new(text.as_bytes().to_vec(), &mapping).unwrap();
    let draft = reader.next_row().unwrap().unwrap().draft.unwrap();
    assert_eq!(
        (draft.stock_number.as_str(), draft.details.hours),
        ("7", Some(412))
    );
}
