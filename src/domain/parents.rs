//! Which units belong together under a parent.
//!
//! - A prime unit with its attachments: units that name another's stock number as their parent's, at
//!   the same rooftop. An attachment of an attachment belongs to the prime unit at the top.
//! - New units that are the same but for their numbers: one parent for two or more.
//!
//! A unit belongs to one parent at most; being an attachment goes first. A unit that names itself, or
//! one whose chain of parents comes back to it, has no parent: it stands alone and is told.

use crate::{Details, Field, Kind, Listing, ListingDraft, Value};
use std::collections::{BTreeMap, HashMap};

/// Stock numbers that begin so are parents': no dealer's unit may have one.
pub const PREFIX: &str = "parent:";

pub fn reserved(stock_number: &str) -> bool {
    let start = stock_number.trim_start().get(..PREFIX.len());
    start.is_some_and(|start| start.eq_ignore_ascii_case(PREFIX))
}

/// A parent and the units it stands for, the prime one first.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    pub parent: ListingDraft,
    pub members: Vec<i64>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Groups {
    pub groups: Vec<Group>,
    /// Stock numbers of units whose parent leads back to themselves.
    pub circular: Vec<String>,
}

/// Parents of parents: deeper is a mistake in the data.
const DEEPEST: usize = 16;
/// A parent for fewer new units than this says nothing.
const SAME_FROM: usize = 2;
/// What must be the same for new units to be one offer.
const SAME: [Field; 10] = [
    Field::Year,
    Field::Make,
    Field::Model,
    Field::Trim,
    Field::Body,
    Field::Category,
    Field::Engine,
    Field::Drivetrain,
    Field::Transmission,
    Field::Fuel,
];

/// The parents of one rooftop's units on the lot, in a stable order. Parents among the units are
/// passed over.
pub fn group(units: &[Listing]) -> Groups {
    let mut units: Vec<&Listing> = units.iter().filter(|u| u.kind != Kind::Parent).collect();
    units.sort_by(|a, b| a.stock_number.cmp(&b.stock_number));
    let by_number: HashMap<&str, &Listing> = units
        .iter()
        .map(|unit| (unit.stock_number.as_str(), *unit))
        .collect();
    let mut found = Groups::default();
    let mut attached: BTreeMap<&str, Vec<&Listing>> = BTreeMap::new();
    for unit in &units {
        match prime_of(unit, &by_number) {
            Prime::Of(prime) => attached.entry(&prime.stock_number).or_default().push(unit),
            Prime::Circular => found.circular.push(unit.stock_number.clone()),
            Prime::Itself => {}
        }
    }
    let taken: std::collections::HashSet<i64> = attached
        .iter()
        .flat_map(|(prime, parts)| parts.iter().chain(by_number.get(prime)).map(|u| u.id))
        .collect();
    for (number, parts) in &attached {
        if let Some(prime) = by_number.get(number) {
            let members: Vec<&Listing> =
                [*prime].into_iter().chain(parts.iter().copied()).collect();
            found
                .groups
                .push(of(format!("{PREFIX}prime {number}"), &members));
        }
    }
    let mut same: BTreeMap<String, Vec<&Listing>> = BTreeMap::new();
    for unit in units.iter().filter(|unit| !taken.contains(&unit.id)) {
        if let Some(key) = offer(unit) {
            same.entry(key).or_default().push(unit);
        }
    }
    let offers = same
        .into_iter()
        .filter(|(_, units)| units.len() >= SAME_FROM);
    found
        .groups
        .extend(offers.map(|(key, units)| of(format!("{PREFIX}new {key}"), &units)));
    found
}

enum Prime<'a> {
    Itself,
    Of(&'a Listing),
    Circular,
}

/// Up the chain of parents to its top. A parent that is not on the lot leaves the unit on its own.
fn prime_of<'a>(unit: &Listing, by_number: &HashMap<&str, &'a Listing>) -> Prime<'a> {
    let mut at = unit;
    let mut top = None;
    for _ in 0..DEEPEST {
        let parent = at.details.parent_stock_number.as_deref();
        let Some(parent) = parent.and_then(|number| by_number.get(number).copied()) else {
            return top.map_or(Prime::Itself, Prime::Of);
        };
        if parent.id == unit.id {
            return Prime::Circular;
        }
        top = Some(parent);
        at = parent;
    }
    Prime::Circular
}

/// What a new unit is an offer of; `None` for used ones and those nobody can name.
fn offer(unit: &Listing) -> Option<String> {
    let details = &unit.details;
    let new = details.condition.as_deref()?.eq_ignore_ascii_case("new");
    if !new || details.make.is_none() || details.model.is_none() {
        return None;
    }
    let mut words: Vec<String> = SAME
        .iter()
        .map(|field| details.get(*field).map(|v| v.to_string().to_lowercase()))
        .map(Option::unwrap_or_default)
        .collect();
    // Offers in two currencies are two; dollars are not named, and what was named before them keeps its name.
    words.extend(details.currency.clone().filter(|code| code != "USD"));
    // A digest: the words of ten fields may be longer than an index takes.
    let digest = blake3::hash(words.join("\u{1f}").as_bytes()).to_hex();
    Some(digest[..24].to_owned())
}

/// The prime unit's values where it has them, the lowest and the highest price, and how many units there are.
fn of(stock_number: String, members: &[&Listing]) -> Group {
    let mut details = Details::default();
    let told = [
        &SAME[..],
        &[
            Field::Condition,
            Field::Title,
            Field::Description,
            Field::ImageUrls,
            Field::Hours,
        ],
    ];
    for &field in told.into_iter().flatten() {
        let value = members.iter().find_map(|unit| unit.details.get(field));
        // The field is read from the same kind of table, so its type fits.
        let _ = details.set(field, value);
    }
    // Of the first that has a price; what is in another currency cannot be compared.
    let priced = members.iter().find(|u| u.details.price_cents.is_some());
    let currency = priced.or(members.first()).map(|u| u.details.currency());
    details.set_currency(currency.unwrap_or_default());
    let alike = |u: &&&Listing| Some(u.details.currency()) == currency;
    let prices = || {
        members
            .iter()
            .filter(alike)
            .filter_map(|u| u.details.price_cents)
    };
    details.price_cents = prices().min();
    details.price_to_cents = prices().max();
    details.msrp_cents = members
        .iter()
        .filter(alike)
        .filter_map(|u| u.details.msrp_cents)
        .min();
    let units = i64::try_from(members.len()).unwrap_or(i64::MAX);
    let _ = details.set(Field::Units, Some(Value::Number(units)));
    Group {
        parent: ListingDraft {
            kind: Kind::Parent,
            stock_number,
            vin: None,
            serial: None,
            status: None,
            details,
            originals: BTreeMap::new(),
            unread: Vec::new(),
            row: 0,
        },
        members: members.iter().map(|unit| unit.id).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Provenance, Status};

    fn unit(id: i64, number: &str, parent: Option<&str>, price: i64) -> Listing {
        Listing {
            id,
            dealer_id: 1,
            kind: Kind::Equipment,
            status: Status::Available,
            stock_number: number.into(),
            vin: None,
            serial: None,
            details: Details {
                make: Some("Deere".into()),
                model: Some("310".into()),
                price_cents: Some(price),
                condition: Some("Used".into()),
                parent_stock_number: parent.map(Into::into),
                ..Details::default()
            },
            provenance: Provenance::default(),
            version: 1,
        }
    }

    #[test]
    fn attachments_follow_the_prime_unit_at_the_top() {
        let units = [
            unit(3, "C", Some("B"), 50),
            unit(1, "A", None, 900),
            unit(2, "B", Some("A"), 100),
            unit(4, "D", Some("gone"), 1),
        ];
        let found = group(&units);
        assert_eq!(found.groups.len(), 1);
        let group = &found.groups[0];
        assert_eq!(group.parent.stock_number, "parent:prime A");
        assert_eq!(group.members, [1, 2, 3]);
        let details = &group.parent.details;
        assert_eq!(
            (details.units, details.price_cents, details.price_to_cents),
            (Some(3), Some(50), Some(900))
        );
        assert!(found.circular.is_empty());
    }

    #[test]
    fn prices_in_two_currencies_are_not_compared() {
        let mut dear = unit(2, "B", Some("A"), 5);
        dear.details.set_currency(crate::Currency::CAD);
        let found = group(&[unit(1, "A", None, 900), dear, unit(3, "C", Some("A"), 70)]);
        let details = &found.groups[0].parent.details;
        assert_eq!(
            (details.price_cents, details.price_to_cents, details.units),
            (Some(70), Some(900), Some(3))
        );
        assert_eq!(details.currency(), crate::Currency::USD);
    }

    #[test]
    fn a_parent_that_points_to_itself_stands_alone_and_is_told() {
        let units = [
            unit(1, "A", Some("A"), 1),
            unit(2, "B", Some("C"), 1),
            unit(3, "C", Some("B"), 1),
            unit(4, "D", Some("B"), 1),
        ];
        let found = group(&units);
        assert!(found.groups.is_empty(), "{:?}", found.groups);
        assert_eq!(found.circular, ["A", "B", "C", "D"]);
    }

    #[test]
    fn the_same_new_units_are_one_offer() {
        let new = |id, price| {
            let mut unit = unit(id, &format!("N{id}"), None, price);
            unit.details.condition = Some("New".into());
            unit
        };
        let mut other = new(4, 10);
        other.details.model = Some("410".into());
        let units = [new(1, 300), new(2, 200), other, unit(3, "U", None, 5)];
        let found = group(&units);
        assert_eq!(found.groups.len(), 1);
        assert_eq!(found.groups[0].members, [1, 2]);
        assert_eq!(found.groups[0].parent.details.price_cents, Some(200));
        assert_eq!(group(&units), found);
    }
}
