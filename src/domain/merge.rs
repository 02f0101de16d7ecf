//! Whose value stands when a file, a client or the VIN says something new about a listing.
//!
//! - an operator's value stands until it is released, and what the dealer says meanwhile is kept under it; it goes when its
//!   number becomes another unit's (`another_unit.rs`);
//! - what a unit's money is in: `money_in.rs`;
//! - a file or client sets what it says; what it leaves blank it clears, if it had set it; where its word could not be read,
//!   what it said before stands;
//! - a row that says another VIN or serial, or leaves them blank and says two others of make, model and model year, is of another
//!   unit: nothing that was said of the first stands for it;
//! - a VIN only fills blanks;
//! - what partners report of a unit's history and worth, a file does not say: only an operator puts it right.
//!
//! Every field that changes hands says who set it, and over what.

use crate::another_unit::{is_another, is_replaced, names_another, off_the_lot};
use crate::money_in::{self, MONEY};
use crate::{
    Details, Field, FieldType, Kind, Listing, ListingDraft, Origin, Provenance, Source, Status,
    Value,
};

/// A listing that a draft begins.
pub fn begin(dealer_id: i64, draft: &ListingDraft, origin: &Origin) -> Listing {
    let mut listing = Listing {
        id: 0,
        dealer_id,
        kind: draft.kind,
        status: Status::Available,
        stock_number: draft.stock_number.clone(),
        vin: None,
        serial: None,
        details: Details::default(),
        provenance: Provenance::default(),
        version: 1,
    };
    apply(&mut listing, draft, origin);
    listing
}

/// What a blank in a file means for what stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Blanks {
    /// The source's own value is cleared.
    #[default]
    Clear,
    /// The value stands.
    Keep,
    /// The value stands, and the unit where it is: nothing comes back to the lot.
    KeepAll,
}

/// Brings a listing up to what the draft says. `true` when anything a reader can see changed.
pub fn apply(listing: &mut Listing, draft: &ListingDraft, origin: &Origin) -> bool {
    apply_with(listing, draft, origin, Blanks::Clear, &[])
}

/// The same, with what its blanks mean, and the fields that its file has no column for: of those it says nothing.
pub fn apply_with(
    listing: &mut Listing,
    draft: &ListingDraft,
    origin: &Origin,
    blanks: Blanks,
    silent: &[Field],
) -> bool {
    // A parent is never a dealer's unit, nor the other way round.
    if (draft.kind == Kind::Parent) != (listing.kind == Kind::Parent) {
        return false;
    }
    let mut changed = false;
    if draft.kind != listing.kind && listing.kind != Kind::Parent {
        listing.kind = draft.kind;
        changed = true;
    }
    // What the file says nothing of was said of another unit.
    let renamed = blanks != Blanks::KeepAll && names_another(listing, draft);
    let replaced = is_replaced(listing, draft) || renamed;
    let another = is_another(listing, draft, blanks);
    let says_nothing_of = |field: Field| {
        draft.status.is_none() && !silent.contains(&field) && !draft.unread.contains(&field)
    };
    let status = match (blanks, listing.status) {
        _ if another => draft.status.unwrap_or(Status::Available),
        // Who only updates does not bring back what the dealer's own file lacks.
        (Blanks::KeepAll, now) if off_the_lot(now) => now,
        (Blanks::KeepAll, now) => draft.status.unwrap_or(now),
        // A word sold it; another, that nobody knows, does not bring it back.
        (_, Status::Sold) if draft.unread.contains(&Field::Status) && !replaced => Status::Sold,
        // Its file has a word for it, and none in this row: it is for sale.
        (Blanks::Clear, Status::Pending) if says_nothing_of(Field::Status) => Status::Available,
        (_, now) => stands(now, draft.status),
    };
    if status != listing.status {
        listing.status = status;
        changed = true;
    }
    let (silent, unread, blanks) = match replaced {
        true => (&[][..], &[][..], Blanks::Clear),
        false => (silent, draft.unread.as_slice(), blanks),
    };
    if another {
        forget_overrides(listing);
        forget_vehicle(listing);
        // What its row does not say was the other's.
        if draft.vin.is_none() && listing.vin.take().is_some() {
            listing.provenance.forget(Field::Vin);
        }
        if draft.serial.is_none() && listing.serial.take().is_some() {
            listing.provenance.forget(Field::Serial);
        }
        changed = true;
    }
    if draft.vin.is_some() && draft.vin != listing.vin {
        let over = listing.vin.as_ref().map(ToString::to_string);
        listing.provenance.set(
            Field::Vin,
            Origin {
                over,
                ..origin.clone()
            },
        );
        if listing.vin.is_some() {
            forget_vehicle(listing);
        }
        listing.vin.clone_from(&draft.vin);
        changed = true;
    }
    if draft.serial.is_some() && draft.serial != listing.serial {
        let over = listing.serial.clone();
        listing.provenance.set(
            Field::Serial,
            Origin {
                over,
                ..origin.clone()
            },
        );
        listing.serial.clone_from(&draft.serial);
        changed = true;
    }
    let unsaid = draft.unread.contains(&Field::Currency)
        && (silent.contains(&Field::Currency) || blanks != Blanks::Clear);
    let money = money_in::in_currency(listing, draft, origin, unsaid);
    changed |= money.changed;
    for &field in Details::FIELDS {
        if field.is_reported() {
            continue;
        }
        let original = draft.originals.get(&field).map(String::as_str);
        let said = draft.details.get(field);
        let blank = !silent.contains(&field) && !unread.contains(&field);
        if field == Field::Currency {
            continue;
        }
        if MONEY.contains(&field) && money.voids(listing, field, said.is_some()) {
            changed |= money_in::void(listing, field);
            continue;
        }
        if said.is_some() || blanks == Blanks::Clear && blank {
            changed |= set(listing, field, said, original, origin);
        }
    }
    changed
}

/// Another VIN is another vehicle: what the old one was decoded to, and what others said of it, goes. Whose word stands by
/// itself, a file's or an operator's, stays.
fn forget_vehicle(listing: &mut Listing) {
    for &field in Details::FIELDS {
        let holder = listing.provenance.get(field).map(|origin| origin.source);
        if matches!(
            holder,
            Some(Source::Vin | Source::History | Source::Valuation)
        ) {
            let _ = listing.details.set(field, None);
            listing.provenance.forget(field);
        }
    }
}

/// What an operator said, he said of the unit before.
fn forget_overrides(listing: &mut Listing) {
    for &field in Details::FIELDS {
        let holder = listing.provenance.get(field).map(|origin| origin.source);
        if holder == Some(Source::Operator) {
            let _ = listing.details.set(field, None);
            listing.provenance.forget(field);
        }
    }
}

/// Where a unit stands that is in a file again: where the row says; without a word of it, what had left the lot is
/// back on it.
fn stands(now: Status, said: Option<Status>) -> Status {
    match (said, now) {
        (Some(said), _) => said,
        (None, now) if off_the_lot(now) => Status::Available,
        (None, now) => now,
    }
}

/// Fills one blank field from the VIN. `false` when the field has a value.
pub fn fill(listing: &mut Listing, field: Field, value: Value<'_>) -> bool {
    if listing.details.get(field).is_some() || !listing.details.set(field, Some(value)) {
        return false;
    }
    let origin = Origin::of(Source::Vin);
    listing.provenance.set(field, origin);
    true
}

/// What a VIN was said to be, and nobody says any more, is blank again: who said it is gone, or knows better. How many fields.
pub fn take_back(listing: &mut Listing, sayers: &[&Details]) -> usize {
    let mut taken = 0;
    for &field in Details::FIELDS {
        let holder = listing.provenance.get(field).map(|origin| origin.source);
        let value = listing.details.get(field);
        let said = sayers.iter().any(|facts| facts.get(field) == value);
        if holder == Some(Source::Vin) && value.is_some() && !said {
            let _ = listing.details.set(field, None);
            listing.provenance.forget(field);
            taken += 1;
        }
    }
    taken
}

/// A partner's newest word on a field that is theirs; `None` when it has none any more. `false` when nothing changed.
pub fn report(
    listing: &mut Listing,
    field: Field,
    said: Option<Value<'_>>,
    source: Source,
) -> bool {
    let origin = Origin::of(source);
    field.is_reported() && set(listing, field, said, None, &origin)
}

pub(crate) fn set(
    listing: &mut Listing,
    field: Field,
    said: Option<Value<'_>>,
    original: Option<&str>,
    origin: &Origin,
) -> bool {
    let holder = listing.provenance.get(field).map(|o| o.source);
    if holder == Some(Source::Operator) && origin.source != Source::Operator {
        return kept_under(listing, field, said, origin.source);
    }
    let before = listing.details.get(field);
    if before == said {
        return reworded(listing, field, original, origin);
    }
    // A blank clears only what the same kind of source had set.
    if said.is_none() && holder != Some(origin.source) {
        return false;
    }
    let over = before.map(|value| value.to_string());
    let cleared = said.is_none();
    if !listing.details.set(field, said) {
        return false;
    }
    if cleared {
        listing.provenance.0.remove(&field);
    } else {
        listing.provenance.set(
            field,
            Origin {
                over,
                original: original.map(ToOwned::to_owned),
                ..origin.clone()
            },
        );
    }
    true
}

/// What the dealer says under an operator's value, for when that is released.
pub(crate) fn kept_under(
    listing: &mut Listing,
    field: Field,
    said: Option<Value<'_>>,
    whose: Source,
) -> bool {
    let Some(held) = listing.provenance.0.get_mut(&field) else {
        return false;
    };
    // Who says no more what he said under it has no word to come back; another's he does not take.
    if said.is_none() {
        let withdrawn = held.under == Some(whose) && held.over.is_some();
        if withdrawn {
            (held.over, held.under) = (None, None);
        }
        return withdrawn;
    }
    let said = said.map(|said| kept_word(&said));
    let news = held.over != said;
    (held.over, held.under) = (said, Some(whose));
    news
}

/// An operator's word, over whatever stands there. `false` when the field cannot have such a value.
pub fn put_right(listing: &mut Listing, field: Field, value: Value<'_>, who: &str) -> bool {
    if !said_by_hand(listing, field, value, who) {
        return false;
    }
    if MONEY.contains(&field) {
        money_in::pin(listing, who);
    }
    true
}

/// One field, without what hangs on it.
pub(crate) fn said_by_hand(
    listing: &mut Listing,
    field: Field,
    value: Value<'_>,
    who: &str,
) -> bool {
    let held = listing.provenance.get(field);
    let (over, under) = match held {
        // The dealer's word stays the one under it, however often it is put right.
        Some(held) if held.source == Source::Operator => (held.over.clone(), held.under),
        held => {
            let word = listing.details.get(field).map(|value| kept_word(&value));
            (word, held.map(|held| held.source))
        }
    };
    if !listing.details.set(field, Some(value)) {
        return false;
    }
    let origin = Origin {
        source: Source::Operator,
        file: None,
        row: None,
        original: None,
        by: Some(who.to_owned()),
        over,
        under,
    };
    listing.provenance.set(field, origin);
    true
}

/// A word that may stand again: of a list its JSON, since a text does not say where an item ends.
fn kept_word(value: &Value<'_>) -> String {
    match value {
        Value::List(items) => serde_json::json!(items).to_string(),
        other => other.to_string(),
    }
}

/// Takes an operator's word back: the dealer's newest stands again. `false` when no operator had a word on the field.
pub fn release(listing: &mut Listing, field: Field) -> bool {
    if field == Field::Currency && money_in::is_pinned(listing) {
        return false;
    }
    if !let_go(listing, field) {
        return false;
    }
    if MONEY.contains(&field) && money_in::is_loose(listing) {
        let_go(listing, Field::Currency);
    }
    true
}

fn let_go(listing: &mut Listing, field: Field) -> bool {
    let held = listing.provenance.get(field);
    let Some(held) = held.filter(|held| held.source == Source::Operator) else {
        return false;
    };
    let (over, under) = (held.over.clone(), held.under);
    let value = over.and_then(|text| match field.field_type() {
        FieldType::Text => Some(Value::Text(text.into())),
        FieldType::Number => text.parse().ok().map(Value::Number),
        FieldType::Date => text.parse().ok().map(Value::Date),
        // As it was kept by earlier versions it has no ends of items, and is blank until the next file.
        FieldType::List => {
            let items: Option<Vec<String>> = serde_json::from_str(&text).ok();
            items.map(|items| Value::List(items.into()))
        }
    });
    let blank = value.is_none();
    if !listing.details.set(field, value) {
        return false;
    }
    listing.provenance.0.remove(&field);
    if !blank {
        let origin = Origin::of(under.unwrap_or(Source::File));
        listing.provenance.set(field, origin);
    }
    true
}

/// The same value in other words of the same source: only the words are kept anew.
fn reworded(listing: &mut Listing, field: Field, original: Option<&str>, origin: &Origin) -> bool {
    let Some(held) = listing.provenance.0.get_mut(&field) else {
        return false;
    };
    if held.source != origin.source || held.original.as_deref() == original {
        return false;
    }
    held.original = original.map(ToOwned::to_owned);
    (held.file, held.row) = (origin.file, origin.row);
    true
}

#[cfg(test)]
mod tests;
