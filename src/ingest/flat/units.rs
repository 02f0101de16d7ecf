//! What is a unit in XML or JSON that no mapping says it of.

use quick_xml::events::Event;
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// Wrappers within wrappers are looked into so far.
const DEEPEST: usize = 4;

/// As much of an element as the beginning of a file shows.
#[derive(Default)]
struct Element {
    name: String,
    within: Vec<Element>,
}

impl Element {
    fn is_leaf(&self) -> bool {
        self.within.is_empty()
    }

    /// It has values of its own, of two names at least.
    fn is_unit(&self) -> bool {
        let leaves = self.within.iter().filter(|within| within.is_leaf());
        leaves.map(|leaf| &leaf.name).collect::<BTreeSet<_>>().len() > 1
    }
}

/// The name of the elements that are units, where it is not all children of the root: they stand in a wrapper, or
/// beside what is said of the file.
pub(super) fn element(head: &[u8]) -> Option<String> {
    let root = tree(head)?;
    let mut level: Vec<&Element> = root.within.iter().collect();
    for depth in 0..DEEPEST {
        let branches: Vec<&Element> = level.iter().copied().filter(|e| !e.is_leaf()).collect();
        let names: BTreeSet<&str> = branches.iter().map(|e| e.name.as_str()).collect();
        let repeated = branches.len() > 1 && names.len() == 1;
        if repeated || branches.iter().any(|branch| branch.is_unit()) {
            let all_of_the_root = depth == 0 && branches.len() == level.len();
            let only = names.first().filter(|_| names.len() == 1);
            return only
                .filter(|_| !all_of_the_root)
                .map(|name| (*name).to_owned());
        }
        level = branches.iter().flat_map(|branch| &branch.within).collect();
    }
    None
}

fn tree(head: &[u8]) -> Option<Element> {
    let mut reader = quick_xml::Reader::from_reader(head);
    reader.config_mut().expand_empty_elements = true;
    let mut open = vec![Element::default()];
    // The beginning of a file ends anywhere: what was read until then counts.
    while let Ok(event) = reader.read_event() {
        match event {
            Event::Start(element) => open.push(Element {
                name: super::local_name(&element),
                within: Vec::new(),
            }),
            Event::End(_) => close(&mut open),
            Event::Eof => break,
            _ => {}
        }
        if open.len() > super::DEEPEST {
            return None;
        }
    }
    while open.len() > 1 {
        close(&mut open);
    }
    open.pop()?.within.into_iter().next()
}

fn close(open: &mut Vec<Element>) {
    if open.len() > 1
        && let Some(done) = open.pop()
        && let Some(above) = open.last_mut()
    {
        above.within.push(done);
    }
}

/// The list of units in an object, or in an object within it: the only one of objects, if there is nothing else. Where the
/// object is all that is in its file, also if they say more of themselves than what stands around them does. A unit has such
/// lists too, of photos or of options, and stands among others.
pub(super) fn list(value: &Value, single: bool) -> Option<&Vec<Value>> {
    within(value.as_object()?, single, 0, 0)
}

fn within(
    object: &Map<String, Value>,
    single: bool,
    around: usize,
    depth: usize,
) -> Option<&Vec<Value>> {
    let around = around + object.values().filter(|value| is_plain(value)).count();
    let mut lists = object
        .values()
        .filter_map(Value::as_array)
        .filter(|list| list.iter().all(Value::is_object) && !list.is_empty());
    if let Some(only) = lists.next() {
        let widest = only.iter().filter_map(Value::as_object).take(100);
        let widest = widest.map(|unit| unit.values().filter(|value| is_plain(value)).count());
        let says_more = single && widest.max().unwrap_or_default() > around;
        let alone =
            depth == 0 && (object.len() <= 3 || object.values().all(|value| !value.is_string()));
        return (lists.next().is_none() && (alone || says_more)).then_some(only);
    }
    let mut objects = object.values().filter_map(Value::as_object);
    let only = objects.next().filter(|_| objects.next().is_none())?;
    (single && depth < DEEPEST).then(|| within(only, single, around, depth + 1))?
}

fn is_plain(value: &Value) -> bool {
    matches!(value, Value::String(_) | Value::Number(_) | Value::Bool(_))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(xml: &str) -> Option<String> {
        element(xml.as_bytes())
    }

    #[test]
    fn units_stand_in_wrappers_or_beside_what_is_said_of_the_file() {
        let car = "<car><stock>1</stock><make>Ford</make><photos><photo><url>u</url><n>1</n></photo><photo><url>v</url><n>2</n></photo></photos></car>";
        assert_eq!(of(&format!("<lot>{car}{car}</lot>")), None);
        assert_eq!(of(&format!("<lot>{car}</lot>")), None);
        let found = Some("car".to_owned());
        assert_eq!(
            of(&format!("<x><made>today</made><cars>{car}{car}</cars></x>")),
            found
        );
        assert_eq!(of(&format!("<x><cars>{car}</cars></x>")), found);
        assert_eq!(of(&format!("<x><made>today</made>{car}{car}</x>")), found);
        // Cut off in the midst, as the beginning of a file is.
        assert_eq!(of(&format!("<x><cars>{car}{}", &car[..30])), found);
        // Cars and trucks are all units.
        let truck = car.replace("car>", "truck>");
        assert_eq!(of(&format!("<lot>{car}{truck}</lot>")), None);
        assert_eq!(of("<lot>"), None);
        assert_eq!(of("no xml"), None);
    }

    #[test]
    fn the_list_of_units_says_more_than_what_stands_around_it() {
        let units = |json: &str| {
            let value: Value = serde_json::from_str(json).unwrap();
            list(&value, true).map(Vec::len)
        };
        let two = r#"[{"stock": "1", "vin": "a", "make": "b", "price": 2}, {"stock": "2"}]"#;
        let around = format!(r#"{{"status": "ok", "count": "2", "page": 1, "cars": {two}}}"#);
        assert_eq!(units(&around), Some(2));
        assert_eq!(units(&format!(r#"{{"data": {{"cars": {two}}}}}"#)), Some(2));
        assert_eq!(units(&format!(r#"{{"cars": {two}}}"#)), Some(2));
        let unit = r#"{"stock": "1", "vin": "a", "make": "b", "year": 2, "photos": [{"url": "u", "n": 1}]}"#;
        assert_eq!(units(unit), None);
        let unit = r#"{"stock": "1", "vin": "a", "media": {"photos": [{"url": "u", "n": 1}]}}"#;
        assert_eq!(units(unit), None);
        // One of many, a line each: its photos say more than it does, and are none.
        let unit = r#"{"stock": "1", "vin": "a", "price": 3, "photos": [{"u": 1, "n": 1, "w": 1, "h": 1}]}"#;
        let value: Value = serde_json::from_str(unit).unwrap();
        assert_eq!(list(&value, false), None);
    }
}
