//! What `docs/mappings.md` says of mappings is so.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use domain::Field;
use ingest::{Mapping, Reader};

const PAGE: &str = include_str!("../../../docs/mappings.md");

fn examples() -> Vec<Mapping> {
    let blocks = PAGE.split("```yaml\n").skip(1);
    let texts = blocks.map(|block| block.split("```").next().unwrap());
    texts
        .map(|text| Mapping::parse("of the page", text).unwrap())
        .collect()
}

#[test]
fn the_examples_read_the_files_they_are_of() {
    let [mine, headless] = <[Mapping; 2]>::try_from(examples()).unwrap();
    let file = "Lot,Seller,Stock #,VIN,Brand,Price,Mileage,Lot Status,Features,Currency\n\
        MP12345,Bay,7,1HGCM82633A004352,Honda,\"$9,500\",100,in recon,nav|Sunroof,USD\n\
        hill,Hill,8,1HGCM82633A004352,Honda,9500,100,gone,,EUR\n";
    let mut reader = Reader::new(file.as_bytes().to_vec(), &mine).unwrap();
    let (first, second) = (
        reader.next_row().unwrap().unwrap(),
        reader.next_row().unwrap().unwrap(),
    );
    let unit = first.draft.unwrap();
    assert_eq!(first.dealer.unwrap().key, "bayview-motors");
    assert_eq!(unit.status, Some(domain::Status::Pending));
    assert_eq!(unit.details.make.as_deref(), Some("Honda"));
    assert_eq!(unit.details.price_cents, Some(950_000));
    assert_eq!(unit.details.options, ["Navigation System", "Sunroof"]);
    assert_eq!(
        unit.details.link.as_deref(),
        Some("https://stock.example.com/Honda/1HGCM82633A004352")
    );
    assert_eq!(second.dealer.unwrap().key, "hill");
    let sold = second.draft.unwrap();
    assert_eq!(sold.status, Some(domain::Status::Sold));
    assert_eq!(sold.details.currency(), domain::Currency::EUR);
    let mut reader = Reader::new(b"7|S1|12.5 hrs|Bay\n".to_vec(), &headless).unwrap();
    let row = reader.next_row().unwrap().unwrap();
    assert_eq!(row.dealer.unwrap().key, "bay");
    assert_eq!(row.draft.unwrap().details.hours, Some(13));
}

#[test]
fn every_field_that_a_file_fills_is_on_the_page() {
    let fields = PAGE.split("## Fields").nth(1).unwrap();
    let mut told = 0;
    for field in Field::ALL {
        let name = field.name();
        let of = |holds: &str, identity: &str| {
            let yaml = format!(
                "name: x\nkind: vehicle\nholds: {holds}\ncolumns:\n  - {{to: stock_number, from: [{identity}]}}\n  - {{to: vin, from: [v]}}\n  - {{to: {name}, from: [v]}}\n"
            );
            Mapping::parse("x", &yaml).is_ok()
        };
        let filled = of("units", "s") || of("reports", "v");
        assert_eq!(fields.contains(&format!("`{name}`")), filled, "{name}");
        told += usize::from(filled);
    }
    assert!(told > 30, "{told}");
}
