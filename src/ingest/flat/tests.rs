use super::*;
use proptest::prelude::*;

fn table(text: &str, unit: Option<&str>) -> Result<String, FileProblem> {
    let bytes = flat(text.as_bytes(), unit)?;
    Ok(String::from_utf8(bytes).unwrap())
}

fn flat(text: &[u8], unit: Option<&str>) -> Result<Vec<u8>, FileProblem> {
    to_table(Text::in_memory(text.to_vec()), form(text), unit)?.head(usize::MAX)
}

#[test]
fn what_stands_around_units_is_theirs_too() {
    let text = r#"<feed made="today"><at>now</at>
        <dealer id="L1"><name>Bay</name><address city="Reno"/><cars><car><stock>1</stock><make>Ford</make><model>M</model><price>9</price></car><car><stock>2</stock><make>Kia</make><model>M</model><price>9</price></car></cars><late>x</late></dealer>
        <dealer id="L2"><cars><car><stock>3</stock><make>Jeep</make><model>M</model><price>9</price></car></cars></dealer></feed>"#;
    assert_eq!(
        table(text, None).unwrap(),
        "stock,make,model,price,dealer@id,dealer.name,dealer.address@city\n\
         1,Ford,M,9,L1,Bay,Reno\n2,Kia,M,9,L1,Bay,Reno\n3,Jeep,M,9,L2,,\n"
    );
    // The root is the file's, and a unit of its own has nothing around it.
    let plain = r#"<lot id="x"><car><stock>1</stock><make>Ford</make><model>M</model><price>9</price></car></lot>"#;
    assert_eq!(
        table(plain, None).unwrap(),
        "stock,make,model,price\n1,Ford,M,9\n"
    );
}

#[test]
fn elements_become_rows_and_what_is_inside_them_columns() {
    let text = r#"<?xml version="1.0"?><importfile type="complete"><date>today</date><equipments>
        <equipment id="7"><brand>Deere &amp; Co</brand><price currency="USD">9&#48;00</price>
          <photos><photo url="https://a/1.jpg"/><photo url="https://a/2.jpg"/></photos></equipment>
        <equipment id="8"><brand><![CDATA[A<B]]></brand><note/></equipment></equipments></importfile>"#;
    assert_eq!(
        table(text, Some("equipment")).unwrap(),
        "@id,brand,price@currency,price,photos.photo@url\n\
         7,Deere & Co,USD,9000,https://a/1.jpg|https://a/2.jpg\n8,A<B,,,\n"
    );
    let plain =
        "<listings><listing><vin>1</vin></listing><listing><vin>2</vin></listing></listings>";
    assert_eq!(table(plain, None).unwrap(), "vin\n1\n2\n");
}

#[test]
fn what_an_element_may_not_have_is_refused_by_name_and_row() {
    for (text, word) in [
        (
            "<!DOCTYPE x [<!ENTITY a \"b\">]><x><u><v>&a;</v></u></x>",
            "document type",
        ),
        ("<x><u><v>1</v></u><u><v>&secret;</v></u></x>", "row 2"),
        ("<x><u><v>&secret;</v></u></x>", "&secret;"),
        ("<x><u><v>1</v></u>", "ends inside"),
        ("<x><u><v>1</w></u></x>", "row 1"),
        ("<x></x>", "no unit"),
    ] {
        let refused = table(text, None).unwrap_err().to_string();
        assert!(refused.contains(word), "{text}: {refused}");
    }
    let deep = "<a>".repeat(100_000);
    assert!(
        table(&deep, None)
            .unwrap_err()
            .to_string()
            .contains("32 deep")
    );
}

#[test]
fn lists_objects_with_a_list_and_objects_a_line_are_read_alike() {
    let units = r#"{"photos":["a","b"],"price":{"amount":5},"sold":false,"vin":"1","x":null}"#;
    let rows = "photos,price.amount,sold,vin\na|b,5,false,1\na|b,5,false,1\n";
    for text in [
        format!("[{units},{units}]"),
        format!("{units}\n{units}\n"),
        format!(r#"{{"count":2,"listings":[{units},{units}]}}"#),
    ] {
        assert_eq!(table(&text, None).unwrap(), rows, "{text}");
    }
    let named = format!(r#"{{"a":{{"stock":[{units},{units}]}},"b":[{{"c":1}}]}}"#);
    assert_eq!(table(&named, Some("a.stock")).unwrap(), rows);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// Whatever comes: a table or a problem, never a panic; and a table has one width.
    #[test]
    fn any_text_is_a_table_or_a_problem(text in "[<{\\[][<>/=\"'&;#x{}\\[\\],:.a1!?\\- \n]{0,120}", unit in proptest::option::of("[a.]{1,3}")) {
        let form = form(text.as_bytes());
        prop_assert!(form != Form::Table);
        if let Ok(bytes) = flat(text.as_bytes(), unit.as_deref()) {
            let mut table = csv::Reader::from_reader(bytes.as_slice());
            for row in table.byte_records() {
                prop_assert!(row.is_ok());
            }
        }
    }

    /// Sound elements come out as they went in, whatever text is in them.
    #[test]
    fn text_survives_the_way_through_xml(texts in proptest::collection::vec("[ -~é\n]{1,40}", 1..6)) {
        let escaped = |text: &str| text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        let units: String = texts.iter().map(|text| format!("<u><v>x{}x</v></u>", escaped(text))).collect();
        let bytes = flat(format!("<all>{units}</all>").as_bytes(), None).unwrap();
        let mut table = csv::Reader::from_reader(bytes.as_slice());
        let back: Vec<String> = table.records().map(|row| row.unwrap()[0].to_owned()).collect();
        let sent: Vec<String> = texts.iter().map(|text| format!("x{text}x")).collect();
        prop_assert_eq!(back, sent);
    }
}

#[test]
fn one_unit_cannot_fill_the_memory() {
    let huge = "x".repeat(LARGEST_UNIT + 1);
    for text in [
        format!("<all><u><v>1</v></u><u><v>{huge}</v></u></all>"),
        format!("[{{\"v\":1}},{{\"v\":\"{huge}\"}}]"),
        format!("{{\"v\":1}}\n{{\"v\":\"{huge}\"}}\n"),
    ] {
        let refused = table(&text, None).unwrap_err().to_string();
        assert!(
            refused.contains("row 2") && refused.contains("of one unit"),
            "{refused}"
        );
    }
}

#[test]
fn paths_and_values_of_a_unit_are_bounded_and_pages_of_a_list_follow_each_other() {
    let (name, many) = ("A".repeat(300), "1,".repeat(MOST_VALUES));
    for (text, word) in [
        (format!("<r><u><{name}>1</{name}></u></r>"), "path of 300"),
        (format!("[{{\"{name}\":1}}]"), "path of 300"),
        (format!("[{{\"a\":[{many}1]}}]"), "more than 10000 values"),
        (
            format!("<r><u>{}</u></r>", "<b>1</b>".repeat(MOST_VALUES + 1)),
            "more than 10000",
        ),
        ("{\"l\":[{\"a\":1}]}\n{\"a\":2}".to_owned(), "behind a list"),
    ] {
        let refused = table(&text, None).unwrap_err().to_string();
        assert!(refused.contains(word), "{refused}");
    }
    let pages = "{\"l\":[{\"a\":1}]}\n{\"l\":[{\"a\":2},{\"a\":3}]}";
    assert_eq!(table(pages, None).unwrap(), "a\n1\n2\n3\n");
}

#[test]
fn broken_json_is_refused_with_its_row() {
    for text in ["[{\"a\":1},{\"a\":]", "{\"a\":1}\n{\"a\":", "[{\"a\":1}] x"] {
        let refused = table(text, None).unwrap_err();
        assert_eq!(refused.rule(), "file_unreadable", "{text}: {refused}");
    }
    let deep = "[".repeat(100_000);
    assert!(table(&deep, None).is_err());
}
