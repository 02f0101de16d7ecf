//! When a dealer's row is of another unit than the one that has its number: numbers are used again, and VINs mistyped.

use crate::merge::Blanks;
use crate::{Field, Listing, ListingDraft, Source, Status};

/// Whether the row is of another unit than the one that has its number, which begins anew: no operator's word, price or day of the
/// one before is its own. A number is used again once its unit has left; on the lot another VIN or serial is a slip put right, unless
/// two of the dealer's make, model and model year are others too. Who only updates knows no units of its own, and makes none.
pub fn is_another(listing: &Listing, draft: &ListingDraft, blanks: Blanks) -> bool {
    let gone = off_the_lot(listing.status);
    let replaced = is_replaced(listing, draft) && (gone || two_others(listing, draft));
    blanks != Blanks::KeepAll && (replaced || names_another(listing, draft))
}

/// Whether a row of one who only updates is of a unit that nobody has: another has its number.
pub fn is_nobodys(listing: &Listing, draft: &ListingDraft, blanks: Blanks) -> bool {
    blanks == Blanks::KeepAll && is_replaced(listing, draft) && two_others(listing, draft)
}

/// It has another VIN than the unit with its number, or another serial where no VIN says that it is the same.
pub(crate) fn is_replaced(listing: &Listing, draft: &ListingDraft) -> bool {
    if draft.vin.is_some() && draft.vin == listing.vin {
        return false;
    }
    let vins = listing.vin.as_ref().zip(draft.vin.as_ref());
    let serials = listing.serial.as_ref().zip(draft.serial.as_ref());
    vins.is_some_and(|(known, said)| known != said)
        || serials.is_some_and(|(known, said)| known != said)
}

/// Whether a row that leaves blank what identified the unit with its number is of another one: two of the dealer's make, model and
/// model year were others. Of a VIN or serial for which its file has no column the row says nothing.
pub(crate) fn names_another(listing: &Listing, draft: &ListingDraft) -> bool {
    let blank = |field: Field| !draft.unread.contains(&field);
    let identified = listing.vin.is_some() && blank(Field::Vin)
        || listing.serial.is_some() && blank(Field::Serial);
    let nameless = draft.vin.is_none() && draft.serial.is_none();
    // Nothing tells a unit without them from another but what it is: while it is on the lot it may be put right.
    let left = listing.vin.is_none() && listing.serial.is_none() && off_the_lot(listing.status);
    (identified || left) && nameless && two_others(listing, draft)
}

fn two_others(listing: &Listing, draft: &ListingDraft) -> bool {
    let others = [Field::Make, Field::Model, Field::Year].into_iter();
    let others = others.filter(|field| {
        let words = (draft.details.get(*field), dealers_word(listing, *field));
        matches!(words, (Some(said), Some(stands)) if folded(&said.to_string()) != folded(&stands))
    });
    others.count() > 1
}

/// What only the VIN filled is no word of the dealer's; what an operator has said stands over his, which is kept.
fn dealers_word(listing: &Listing, field: Field) -> Option<String> {
    let of_dealer = |source| matches!(source, Source::File | Source::Api);
    let held = listing.provenance.get(field)?;
    match held.source {
        Source::Operator => held
            .under
            .filter(|under| of_dealer(*under))
            .and(held.over.clone()),
        source if of_dealer(source) => Some(listing.details.get(field)?.to_string()),
        _ => None,
    }
}

/// `F-150` and `f150` are one.
fn folded(text: &str) -> String {
    let letters = text.chars().filter(|c| c.is_alphanumeric());
    letters.flat_map(char::to_lowercase).collect()
}

pub(crate) fn off_the_lot(status: Status) -> bool {
    matches!(status, Status::Removed | Status::Sold | Status::Archived)
}
