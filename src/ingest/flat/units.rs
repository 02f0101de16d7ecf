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

    /// How many values it says of itself, also in groups, each once; not what it only wraps, and not what is of its lists.
    fn says<'a>(&'a self, lists: &BTreeSet<&'a str>) -> usize {
        let names: BTreeSet<&str> = self.within.iter().map(|e| e.name.as_str()).collect();
        let wraps = names.len() == 1 && self.within.iter().all(|within| !within.is_leaf());
        if wraps {
            return 0;
        }
        let mut paths = BTreeSet::new();
        self.paths("", lists, &mut paths);
        paths.len()
    }

    fn paths(&self, above: &str, lists: &BTreeSet<&str>, paths: &mut BTreeSet<String>) {
        for within in &self.within {
            let path = format!("{above}.{}", within.name);
            if within.is_leaf() {
                paths.insert(path);
            } else if !lists.contains(within.name.as_str()) {
                within.paths(&path, lists, paths);
            }
        }
    }

    /// Names of what stands more than once in one place.
    fn lists<'a>(&'a self, lists: &mut BTreeSet<&'a str>) {
        let mut names = BTreeSet::new();
        for within in &self.within {
            if !within.is_leaf() && !names.insert(&within.name) {
                lists.insert(&within.name);
            }
            within.lists(lists);
        }
    }
}

/// The name of the elements that are units, where it is not all children of the root: they stand in wrappers, by rooftop, or
/// beside what is said of the file. Of all that is nested they say most of themselves.
pub(super) fn element(head: &[u8]) -> Option<String> {
    let root = tree(head)?;
    let mut lists = BTreeSet::new();
    root.lists(&mut lists);
    let mut level: Vec<&Element> = root.within.iter().collect();
    let mut found: (usize, Option<String>) = (0, None);
    for depth in 0..DEEPEST {
        let branches: Vec<&Element> = level.iter().copied().filter(|e| !e.is_leaf()).collect();
        let says = branches.iter().map(|branch| branch.says(&lists)).max();
        let says = says.unwrap_or_default();
        if says > found.0 {
            let names: BTreeSet<&str> = branches.iter().map(|e| e.name.as_str()).collect();
            let all_of_the_root = depth == 0 && branches.len() == level.len();
            let only = names
                .first()
                .filter(|_| names.len() == 1 && !all_of_the_root);
            found = (says, only.map(|name| (*name).to_owned()));
        }
        level = branches.iter().flat_map(|branch| &branch.within).collect();
    }
    found.1
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

/// The units in an object: the only list of objects in it or in an object within it, if there is nothing else. Where the
/// object is all that is in its file, also if they say more of themselves than what stands around them does, and then those
/// of the lists within them that say more again: units by rooftop. A unit has such lists too, of photos or of options, and
/// stands among others.
pub(super) fn list(value: &Value, single: bool) -> Option<Vec<&Value>> {
    let mut units: Vec<&Value> = within(value.as_object()?, single, 0, 0)?.iter().collect();
    let deeper = if single { DEEPEST } else { 0 };
    for _ in 0..deeper {
        let lists = units
            .iter()
            .filter_map(|unit| unit.as_object())
            .filter_map(|unit| {
                let mut lists = unit.values().filter_map(objects);
                lists.next().filter(|_| lists.next().is_none())
            });
        let inner: Vec<&Value> = lists.flatten().collect();
        if widest(inner.iter().copied()) <= widest(units.iter().copied()) {
            break;
        }
        units = inner;
    }
    Some(units)
}

/// What stands at the end of a path of keys, through lists as through objects.
pub(super) fn at<'a>(value: &'a Value, path: &str) -> Option<Vec<&'a Value>> {
    let mut found = vec![value];
    for key in path.split('.') {
        let below = found.into_iter().filter_map(|value| value.get(key));
        found = below
            .flat_map(|value| match value {
                Value::Array(items) => items.iter().collect(),
                other => vec![other],
            })
            .collect();
    }
    (!found.is_empty()).then_some(found)
}

fn objects(value: &Value) -> Option<&Vec<Value>> {
    let list = value.as_array()?;
    (!list.is_empty() && list.iter().all(Value::is_object)).then_some(list)
}

/// Values of the unit that has most, also in groups, of the first hundred.
fn widest<'a>(units: impl Iterator<Item = &'a Value>) -> usize {
    fn says(value: &Value) -> usize {
        match value {
            Value::Object(group) => group.values().map(says).sum(),
            other => usize::from(is_plain(other)),
        }
    }
    units.take(100).map(says).max().unwrap_or_default()
}

fn within(
    object: &Map<String, Value>,
    single: bool,
    around: usize,
    depth: usize,
) -> Option<&Vec<Value>> {
    let around = around + object.values().filter(|value| is_plain(value)).count();
    let mut lists = object.values().filter_map(objects);
    if let Some(only) = lists.next() {
        let says_more = single && widest(only.iter()) > around;
        let alone =
            depth == 0 && (object.len() <= 3 || object.values().all(|value| !value.is_string()));
        return (lists.next().is_none() && (alone || says_more)).then_some(only);
    }
    let mut inner = object.values().filter_map(Value::as_object);
    let only = inner.next().filter(|_| inner.next().is_none())?;
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
        // What it says in groups is its own, and says more than its photos do.
        let grouped = "<car><id><stock>1</stock><vin>v</vin></id><price><now>2</now></price><photos><photo><u>u</u><n>1</n></photo><photo><u>v</u><n>2</n></photo></photos></car>";
        assert_eq!(of(&format!("<lot>{grouped}{grouped}</lot>")), None);
        let part = "<car><stock>1</stock><details><make>a</make><model>b</model></details></car>";
        assert_eq!(of(&format!("<lot>{part}{part}</lot>")), None);
        // By rooftop, whatever is said of that.
        let found = Some("car".to_owned());
        for dealer in ["<dealer id=\"L1\">", "<dealer><name>Bay</name>"] {
            let lot = format!("{dealer}<cars>{car}{car}</cars></dealer>");
            assert_eq!(of(&format!("<x><made>today</made>{lot}{lot}</x>")), found);
        }
        assert_eq!(of("<lot>"), None);
        assert_eq!(of("no xml"), None);
    }

    #[test]
    fn the_list_of_units_says_more_than_what_stands_around_it() {
        let units = |json: &str| {
            let value: Value = serde_json::from_str(json).unwrap();
            list(&value, true).map(|units| units.len())
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
        let lots = format!(
            r#"{{"result": {{"lots": [{{"id": "L1", "items": {two}}}, {{"id": "L2", "items": {two}}}]}}}}"#
        );
        assert_eq!(units(&lots), Some(4));
        let value: Value = serde_json::from_str(&lots).unwrap();
        assert_eq!(at(&value, "result.lots.items").unwrap().len(), 4);
        assert_eq!(at(&value, "result.items"), None);
        let grouped = r#"{"cars": [{"id": {"stock": "1", "vin": "a"}, "price": {"now": 2}, "photos": [{"u": "u", "n": 1}]}]}"#;
        let value: Value = serde_json::from_str(grouped).unwrap();
        let found = list(&value, true).unwrap();
        assert!(found.len() == 1 && found[0].get("id").is_some());
        // One of many, a line each: its photos say more than it does, and are none.
        let unit = r#"{"stock": "1", "vin": "a", "price": 3, "photos": [{"u": 1, "n": 1, "w": 1, "h": 1}]}"#;
        let value: Value = serde_json::from_str(unit).unwrap();
        assert_eq!(list(&value, false), None);
    }
}
