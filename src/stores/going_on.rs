//! Units that go on under another number or at another rooftop.

use crate::error::Res;
use crate::listings::{Bringing, Listings};
use domain::{Listing, ListingDraft};
use sqlx::PgConnection;
use std::collections::{BTreeMap, HashMap};

/// What a draft may be: its place among the new ones, and the unit as it was found.
struct Found {
    place: i32,
    id: i64,
    dealer_id: i64,
    dealer: String,
    stock_number: String,
    version: i64,
}

/// Units that moved, each with the draft it is, and where it was.
type Moved<'a> = Vec<(Listing, &'a ListingDraft, (i64, String))>;

/// Takes from `new` what is a known unit under another number or at another rooftop, moves the unit there and notes
/// whence it came.
pub(crate) async fn going_on<'a>(
    conn: &mut PgConnection,
    bringing: &Bringing<'_>,
    seen: &[i64],
    new: &mut Vec<(i64, &'a ListingDraft)>,
) -> Res<Vec<(Listing, &'a ListingDraft)>> {
    let found = same_units(conn, bringing, new).await?;
    let mut moved = take(conn, bringing, seen, new, found).await?;
    let found = attached(conn, bringing, new, &moved).await?;
    // As the database has them, those that moved are still where they were.
    let mut seen = seen.to_vec();
    seen.extend(moved.iter().map(|(listing, ..)| listing.id));
    moved.extend(take(conn, bringing, &seen, new, found).await?);
    Ok(moved
        .into_iter()
        .map(|(listing, draft, _)| (listing, draft))
        .collect())
}

// A VIN that was typed wrong is no identity.
fn vin(draft: &ListingDraft) -> Option<String> {
    let vin = draft.vin.as_ref().filter(|vin| vin.identifies());
    vin.map(ToString::to_string)
}

fn serial(draft: &ListingDraft) -> Option<String> {
    draft.serial.clone().filter(|serial| tells(serial))
}

/// By VIN or serial.
async fn same_units(
    conn: &mut PgConnection,
    bringing: &Bringing<'_>,
    new: &[(i64, &ListingDraft)],
) -> Res<Vec<Found>> {
    let asked: Vec<(i32, &(i64, &ListingDraft))> = (0i32..)
        .zip(new.iter())
        .filter(|(_, (_, draft))| vin(draft).is_some() || serial(draft).is_some())
        .collect();
    if asked.is_empty() {
        return Ok(Vec::new());
    }
    let text = |f: &dyn Fn(&ListingDraft) -> Option<String>| {
        asked
            .iter()
            .map(|(_, (_, draft))| f(draft))
            .collect::<Vec<_>>()
    };
    Ok(sqlx::query_file_as!(
        Found,
        "queries/same_units.sql",
        &asked.iter().map(|(place, _)| *place).collect::<Vec<_>>(),
        &asked
            .iter()
            .map(|(_, (dealer, _))| *dealer)
            .collect::<Vec<_>>(),
        &text(&|d| Some(d.kind.as_str().to_owned())) as &[Option<String>],
        &text(&vin) as &[Option<String>],
        &text(&serial) as &[Option<String>],
        &text(&|d| d.details.make.clone()) as &[Option<String>],
        &text(&|d| d.details.model.clone()) as &[Option<String>],
        bringing.source
    )
    .fetch_all(conn)
    .await?)
}

/// What has neither goes with its prime unit, under its own number.
async fn attached(
    conn: &mut PgConnection,
    bringing: &Bringing<'_>,
    new: &[(i64, &ListingDraft)],
    moved: &Moved<'_>,
) -> Res<Vec<Found>> {
    let (mut places, mut dealers, mut kinds) = (Vec::new(), Vec::new(), Vec::new());
    let (mut numbers, mut primes) = (Vec::new(), Vec::new());
    for (place, (dealer_id, draft)) in (0i32..).zip(new) {
        if let (None, None, Some(prime)) = (
            vin(draft),
            serial(draft),
            &draft.details.parent_stock_number,
        ) {
            places.push(place);
            dealers.push(*dealer_id);
            kinds.push(draft.kind.as_str().to_owned());
            numbers.push(draft.stock_number.clone());
            primes.push(prime.clone());
        }
    }
    if places.is_empty() {
        return Ok(Vec::new());
    }
    Ok(sqlx::query_file_as!(
        Found,
        "queries/attached_units.sql",
        &places,
        &dealers,
        &kinds,
        &numbers,
        &primes,
        &moved.iter().map(|(l, ..)| l.dealer_id).collect::<Vec<_>>(),
        &moved
            .iter()
            .map(|(l, ..)| l.stock_number.clone())
            .collect::<Vec<_>>(),
        &moved
            .iter()
            .map(|(.., (dealer, _))| *dealer)
            .collect::<Vec<_>>(),
        &moved
            .iter()
            .map(|(.., (_, number))| number.clone())
            .collect::<Vec<_>>(),
        bringing.source
    )
    .fetch_all(conn)
    .await?)
}

/// Moves what was found, where there is no doubt.
async fn take<'a>(
    conn: &mut PgConnection,
    bringing: &Bringing<'_>,
    seen: &[i64],
    new: &mut Vec<(i64, &'a ListingDraft)>,
    found: Vec<Found>,
) -> Res<Moved<'a>> {
    let mut candidates: BTreeMap<i32, Vec<(i64, i64)>> = BTreeMap::new();
    for row in found {
        let named = (bringing.named)(row.dealer_id, &row.dealer, &row.stock_number);
        if !named && !seen.contains(&row.id) {
            let units = candidates.entry(row.place).or_default();
            units.push((row.id, row.version));
        }
    }
    // Two that it may be are none; nor can two drafts be the same one.
    let mut taken: HashMap<i64, Vec<(i32, i64)>> = HashMap::new();
    for (place, units) in &candidates {
        if let [(id, version)] = units.as_slice() {
            taken.entry(*id).or_default().push((*place, *version));
        }
    }
    let one: HashMap<i64, (i32, i64)> = taken
        .into_iter()
        .filter_map(|(id, places)| Some((id, <[_; 1]>::try_from(places).ok()?[0])))
        .collect();
    if one.is_empty() {
        return Ok(Vec::new());
    }
    let ids: Vec<i64> = one.keys().copied().collect();
    Listings::lock(conn, &ids).await?;
    let mut moved = Vec::new();
    for mut listing in Listings::by_ids(conn, &ids).await? {
        let Some((place, version)) = one.get(&listing.id).copied() else {
            continue;
        };
        let draft = usize::try_from(place).ok().and_then(|place| new.get(place));
        // Another load may have been first, since it was found: then it is not what it was.
        let (Some(&(dealer_id, draft)), true) = (draft, listing.version == version) else {
            continue;
        };
        sqlx::query!(
            "INSERT INTO listing_moves (listing_id, from_dealer_id, from_stock_number, file_id) VALUES ($1, $2, $3, $4)
             ON CONFLICT DO NOTHING",
            listing.id,
            listing.dealer_id,
            listing.stock_number,
            bringing.file
        )
        .execute(&mut *conn)
        .await?;
        let was = (listing.dealer_id, listing.stock_number.clone());
        listing.dealer_id = dealer_id;
        listing.stock_number.clone_from(&draft.stock_number);
        moved.push((listing, draft, was));
    }
    new.retain(|(dealer_id, draft)| {
        !moved
            .iter()
            .any(|(l, d, _)| l.dealer_id == *dealer_id && d.stock_number == draft.stock_number)
    });
    Ok(moved)
}

/// Whether a serial can tell machines apart: `N/A`, `TBD` and `0` are none.
fn tells(serial: &str) -> bool {
    serial.chars().filter(|c| c.is_alphanumeric()).count() >= 5
        && serial.chars().any(|c| c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_serial_tells_nothing() {
        for none in ["N/A", "TBD", "0", "-----", "UNKNOWN", "1234"] {
            assert!(!tells(none), "{none}");
        }
        assert!(tells("1FF310SLVDE236") && tells("10-4832"));
    }
}
