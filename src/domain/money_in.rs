//! What a unit's money is in, when somebody says an amount of it.
//!
//! - whoever says a price says what it is in: dollars, where nothing is written;
//! - amounts of a unit are in one currency: where that changes, what is not said anew goes, for it would be taken for the new one's;
//! - an operator's amount keeps its currency until it is released; what a file says in another is kept under it, and its other
//!   amounts do not stand meanwhile;
//! - an operator's word on the currency alone says what the file's amounts are in.

use crate::merge::{kept_under, said_by_hand, set};
use crate::{Field, Listing, ListingDraft, Origin, Source, Value};

/// What is in a unit's currency, and a file may say.
pub(crate) const MONEY: [Field; 2] = [Field::PriceCents, Field::MsrpCents];
/// Beside a currency that is an operator's because an amount of his is in it.
const PINNED: &str = "with the amount";

pub(crate) struct Money {
    pub(crate) changed: bool,
    /// It was in another.
    moved: bool,
    /// The draft's amounts are in another than an operator's.
    foreign: bool,
}

impl Money {
    /// Whether what stands in the field may stand no more, whatever the draft says of it.
    pub(crate) fn voids(&self, listing: &Listing, field: Field, said: bool) -> bool {
        !held(listing, field) && (self.foreign || self.moved && !said)
    }
}

/// The unit's money is from now on in what the draft says. `unsaid`: it leaves that out, and means what it was in.
pub(crate) fn in_currency(
    listing: &mut Listing,
    draft: &ListingDraft,
    origin: &Origin,
    unsaid: bool,
) -> Money {
    let mut money = Money {
        changed: false,
        moved: false,
        foreign: false,
    };
    let has = |details: &crate::Details| MONEY.iter().any(|field| details.get(*field).is_some());
    if !has(&draft.details) || unsaid && has(&listing.details) {
        return money;
    }
    let (said, now) = (draft.details.currency(), listing.details.currency());
    let word = || Some(Value::Text(said.code().into()));
    if any_held(listing) {
        if said != now {
            money.foreign = true;
            // An amount that was put right before its currency was kept with it.
            pin(listing, "");
        }
        if held(listing, Field::Currency) {
            money.changed = kept_under(listing, Field::Currency, word(), origin.source);
        }
    } else if held(listing, Field::Currency) {
        money.changed = kept_under(listing, Field::Currency, word(), origin.source);
    } else if said != now {
        money.moved = true;
        money.changed = set(listing, Field::Currency, word(), None, origin);
    }
    money
}

/// The field is blank, whoever had filled it.
pub(crate) fn void(listing: &mut Listing, field: Field) -> bool {
    listing.provenance.forget(field);
    let stood = listing.details.get(field).is_some();
    stood && listing.details.set(field, None)
}

/// An operator's amount is in what the unit's money is in now.
pub(crate) fn pin(listing: &mut Listing, who: &str) {
    if held(listing, Field::Currency) {
        return;
    }
    let now = listing.details.currency();
    if said_by_hand(
        listing,
        Field::Currency,
        Value::Text(now.code().into()),
        who,
    ) && let Some(origin) = listing.provenance.0.get_mut(&Field::Currency)
    {
        origin.original = Some(PINNED.to_owned());
    }
}

/// Its currency is an operator's because an amount is.
pub(crate) fn is_pinned(listing: &Listing) -> bool {
    any_held(listing) && held(listing, Field::Currency)
}

/// Its currency was kept for an amount that is nobody's any more.
pub(crate) fn is_loose(listing: &Listing) -> bool {
    let origin = listing.provenance.get(Field::Currency);
    let kept = origin.is_some_and(|origin| origin.original.as_deref() == Some(PINNED));
    kept && !any_held(listing)
}

fn any_held(listing: &Listing) -> bool {
    MONEY.iter().any(|field| held(listing, *field))
}

fn held(listing: &Listing, field: Field) -> bool {
    let origin = listing.provenance.get(field);
    origin.is_some_and(|origin| origin.source == Source::Operator)
}

#[cfg(test)]
mod tests {
    use crate::merge::{Blanks, apply, apply_with, begin, put_right, release};
    use crate::{Currency, Details, Field, Kind, Listing, ListingDraft, Origin, Source, Value};

    const USD: Currency = Currency::USD;
    const CAD: Currency = Currency::CAD;

    fn by(source: Source) -> Origin {
        Origin::of(source)
    }

    fn said(price: Option<i64>, msrp: Option<i64>, currency: Currency) -> ListingDraft {
        let mut details = Details {
            price_cents: price,
            msrp_cents: msrp,
            ..Details::default()
        };
        details.set_currency(currency);
        ListingDraft {
            kind: Kind::Vehicle,
            stock_number: "1".into(),
            vin: None,
            serial: None,
            status: None,
            details,
            originals: [].into(),
            unread: Vec::new(),
            row: 1,
        }
    }

    fn money(listing: &Listing) -> (Option<i64>, Option<i64>, Currency) {
        let details = &listing.details;
        (details.price_cents, details.msrp_cents, details.currency())
    }

    #[test]
    fn whoever_says_a_price_says_what_it_is_in() {
        let file = by(Source::File);
        let keep = |listing: &mut Listing, draft: &ListingDraft| {
            apply_with(listing, draft, &by(Source::File), Blanks::Keep, &[])
        };
        let mut listing = begin(1, &said(Some(100), None, CAD), &file);
        // No price, no word on the one that stands.
        assert!(!keep(&mut listing, &said(None, None, USD)));
        assert_eq!(money(&listing), (Some(100), None, CAD));
        // Dollars, which nobody writes down, take another currency's place under every policy, whoever said that one.
        let euros = said(Some(100), None, Currency::EUR);
        assert!(apply(&mut listing, &euros, &by(Source::Api)));
        assert!(keep(&mut listing, &said(Some(100), None, USD)));
        assert_eq!(money(&listing), (Some(100), None, USD));
        assert!(!apply(&mut listing, &said(Some(100), None, USD), &file));
        let origin = listing.provenance.get(Field::Currency).unwrap();
        assert_eq!(origin.over.as_deref(), Some("EUR"));
    }

    #[test]
    fn an_amount_that_is_not_said_anew_does_not_stand_in_another_currency() {
        let mut listing = begin(1, &said(Some(100), Some(120), USD), &by(Source::File));
        let mut draft = said(None, Some(130), CAD);
        draft.unread.push(Field::PriceCents);
        assert!(apply(&mut listing, &draft, &by(Source::File)));
        assert_eq!(money(&listing), (None, Some(130), CAD));
        let price = said(Some(90), None, Currency::EUR);
        let silent = [Field::MsrpCents];
        let file = by(Source::File);
        assert!(apply_with(
            &mut listing,
            &price,
            &file,
            Blanks::Clear,
            &silent
        ));
        assert_eq!(money(&listing), (Some(90), None, Currency::EUR));
    }

    #[test]
    fn what_leaves_its_currency_out_means_the_one_before_where_a_blank_says_nothing() {
        let euros = said(Some(100), Some(120), Currency::EUR);
        let mut listing = begin(1, &euros, &by(Source::File));
        let mut draft = said(Some(90), None, USD);
        draft.unread.push(Field::Currency);
        let file = by(Source::File);
        assert!(apply_with(&mut listing, &draft, &file, Blanks::Keep, &[]));
        assert_eq!(money(&listing), (Some(90), Some(120), Currency::EUR));
        // The column is gone.
        let gone = [Field::Currency];
        assert!(apply_with(
            &mut listing,
            &draft,
            &file,
            Blanks::Clear,
            &gone
        ));
        assert_eq!(money(&listing), (Some(90), None, Currency::EUR));
        // A blank in a column that is there says: what is usual.
        assert!(apply_with(&mut listing, &draft, &file, Blanks::Clear, &[]));
        assert_eq!(money(&listing), (Some(90), None, USD));
    }

    #[test]
    fn an_operators_amount_keeps_its_currency_until_it_is_released() {
        let mut listing = begin(1, &said(Some(100), Some(120), USD), &by(Source::File));
        assert!(put_right(
            &mut listing,
            Field::PriceCents,
            Value::Number(80),
            "ann"
        ));
        assert!(apply(
            &mut listing,
            &said(Some(110), Some(130), CAD),
            &by(Source::File)
        ));
        assert_eq!(money(&listing), (Some(80), None, USD));
        assert!(
            !release(&mut listing, Field::Currency),
            "its amount is in it"
        );
        assert!(release(&mut listing, Field::PriceCents));
        assert_eq!(money(&listing), (Some(110), None, CAD));
        assert!(apply(
            &mut listing,
            &said(Some(110), Some(130), CAD),
            &by(Source::File)
        ));
        assert_eq!(money(&listing), (Some(110), Some(130), CAD));
    }

    #[test]
    fn an_operator_says_what_the_files_amounts_are_in() {
        let mut listing = begin(1, &said(Some(100), None, USD), &by(Source::File));
        let word = Value::Text("CAD".into());
        assert!(put_right(&mut listing, Field::Currency, word, "ann"));
        assert!(apply(
            &mut listing,
            &said(Some(90), None, USD),
            &by(Source::File)
        ));
        assert_eq!(money(&listing), (Some(90), None, CAD));
        assert!(release(&mut listing, Field::Currency));
        assert_eq!(money(&listing), (Some(90), None, USD));
    }
}
