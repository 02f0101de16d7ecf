//! May this listing be published on this channel? Every reason why not, by name.

use crate::definition::Check;
use crate::render::Unit;
use domain::{Currency, Status, title};

/// The reasons this check gives against a listing; `vin_seen` says an earlier row has its VIN.
pub(crate) fn reason(check: Check, unit: &Unit<'_>, vin_seen: bool) -> Option<&'static str> {
    let listing = unit.listing;
    let details = &listing.details;
    let condition = details.condition.as_deref().unwrap_or_default();
    match check {
        Check::Vin => match &listing.vin {
            None => Some("vin_missing"),
            Some(vin) if !vin.check_digit_ok() => Some("vin_check_digit"),
            Some(_) => None,
        },
        Check::UniqueVin => vin_seen.then_some("vin_duplicate"),
        Check::Price => details
            .price_cents
            .is_none_or(|cents| cents <= 0)
            .then_some("price_missing"),
        Check::Photo if !details.image_urls.is_empty() => None,
        Check::Photo if unit.placeholders > 0 => Some("photo_placeholder"),
        Check::Photo => Some("photo_missing"),
        Check::CleanTitle => (!title::clean(details)).then_some("title_branded"),
        Check::Available => match listing.status {
            Status::Available => None,
            Status::Pending => Some("status_pending"),
            Status::Sold => Some("status_sold"),
            Status::Removed | Status::Archived => Some("status_removed"),
        },
        Check::OdometerIfUsed => (!condition.eq_ignore_ascii_case("new")
            && details.odometer_km.is_none())
        .then_some("odometer_missing"),
        Check::MsrpIfNew => (condition.eq_ignore_ascii_case("new") && details.msrp_cents.is_none())
            .then_some("msrp_missing"),
        Check::Currency => Currency::of_country(&unit.dealer.country)
            .is_some_and(|usual| details.price_cents.is_some() && usual != details.currency())
            .then_some("currency_foreign"),
    }
}
