use super::*;

#[test]
fn every_built_in_mapping_is_sound() {
    for (name, _) in BUILT_IN {
        Mapping::built_in(name).unwrap();
    }
}

#[test]
fn a_mapping_that_cannot_work_says_why() {
    let of = |more: &str| {
        let yaml = format!(
            "name: x\nkind: vehicle\ncolumns:\n  - {{to: stock_number, from: [s]}}\n  - {more}\n"
        );
        Mapping::parse("x", &yaml)
    };
    let price = of("{to: price_cents, from: [p]}").unwrap();
    assert_eq!(price.columns[1].read_as(), ReadAs::Money);
    assert!(of("{to: price_cents, from: [p], as: number}").is_ok());
    for odd in [
        "{to: price_cents, from: [p], as: year}",
        "{to: year, from: [y], as: money}",
        "{to: hours, from: [h], as: miles}",
    ] {
        assert!(matches!(of(odd), Err(MappingError::Type { .. })), "{odd}");
    }
    assert!(of("{to: odometer_km, from: [o], as: miles, unit_from: [u]}").is_ok());
    let unit = of("{to: hours, from: [h], unit_from: [u]}");
    assert!(matches!(unit, Err(MappingError::NoDistance { .. })));
    let no_stock = "name: x\nkind: vehicle\ncolumns:\n  - {to: make, from: [make]}\n";
    assert!(matches!(
        Mapping::parse("x", no_stock),
        Err(MappingError::NoIdentity { .. })
    ));
    let wrong = "name: x\nkind: vehicle\ncolumns:\n  - {to: stock_number, from: [s]}\n  - {to: year, from: [y], as: list}\n";
    assert!(matches!(
        Mapping::parse("x", wrong),
        Err(MappingError::Type { .. })
    ));
    let reported = "name: x\nkind: vehicle\ncolumns:\n  - {to: stock_number, from: [s]}\n  - {to: owners, from: [o]}\n";
    assert!(
        Mapping::parse("x", reported)
            .unwrap_err()
            .to_string()
            .contains("owners is nothing that a file of units fills")
    );
    let by_number = "name: x\nkind: vehicle\nholds: reports\ncolumns:\n  - {to: stock_number, from: [s]}\n  - {to: vin, from: [v]}\n";
    assert!(matches!(
        Mapping::parse("x", by_number),
        Err(MappingError::NotByVin { .. })
    ));
    let nobody =
        "name: x\nkind: vehicle\ndealer: {city: c}\ncolumns:\n  - {to: stock_number, from: [s]}\n";
    assert!(
        Mapping::parse("x", nobody)
            .unwrap_err()
            .to_string()
            .contains("neither a key nor a name")
    );
    let headless = "name: x\nkind: vehicle\nheader: false\ndealer: {key: lot}\ncolumns:\n  - {to: stock_number, at: 1}\n";
    assert!(
        Mapping::parse("x", headless)
            .unwrap_err()
            .to_string()
            .contains("a number, counted from 1")
    );
    let shapeless = "name: x\nkind: vehicle\ndealer: {key: {a: 1}}\ncolumns:\n  - {to: stock_number, from: [s]}\n";
    assert!(
        Mapping::parse("x", shapeless)
            .unwrap_err()
            .to_string()
            .contains("a header name, a list of them, or a place")
    );
    let money = |more: &str| {
        let yaml = format!(
            "name: x\nkind: vehicle\n{more}\ncolumns:\n  - {{to: stock_number, from: [s]}}\n"
        );
        Mapping::parse("x", &yaml).map_err(|error| error.to_string())
    };
    assert!(money("constants: {currency: CAD}").is_ok());
    let unknown = money("constants: {currency: JPY}").unwrap_err();
    assert!(
        unknown.contains("\"JPY\" is no currency we keep"),
        "{unknown}"
    );
    let words = money("currency: {from: [Curr], words: {\"0\": USD, \"Can.\": CADD}}").unwrap_err();
    assert!(words.contains("CADD"), "{words}");
    let column = money("templates: {currency: \"{make}\"}").unwrap_err();
    assert!(column.contains("named by `currency"), "{column}");
    let typo = "name: x\nkind: vehicle\ncolumns:\n  - {to: stock_number, form: [s]}\n";
    assert!(
        Mapping::parse("x", typo)
            .unwrap_err()
            .to_string()
            .contains("form")
    );
}
