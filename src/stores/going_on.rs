//! Units that go on under another number or at another rooftop.

use crate::error::Res;
use crate::listings::{Bringing, Listings};
use domain::{Listing, ListingDraft};
use sqlx::PgConnection;
use std::collections::{BTreeMap, HashMap};

/// Takes from `new` what is a known unit under another number or at another rooftop, moves the unit there and notes
/// whence it came.
pub(crate) async fn going_on<'a>(
    conn: &mut PgConnection,
    bringing: &Bringing<'_>,
    new: &mut Vec<(i64, &'a ListingDraft)>,
) -> Res<Vec<(Listing, &'a ListingDraft)>> {
    // A VIN that was typed wrong is no identity.
    let vin = |draft: &ListingDraft| {
        draft
            .vin
            .as_ref()
            .filter(|vin| vin.check_digit_ok())
            .map(ToString::to_string)
    };
    let asked: Vec<(i32, &(i64, &ListingDraft))> = (0i32..)
        .zip(new.iter())
        .filter(|(_, (_, draft))| vin(draft).is_some() || draft.serial.is_some())
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
    let found = sqlx::query_file!(
        "queries/same_units.sql",
        &asked.iter().map(|(place, _)| *place).collect::<Vec<_>>(),
        &asked
            .iter()
            .map(|(_, (dealer, _))| *dealer)
            .collect::<Vec<_>>(),
        &text(&|d| Some(d.kind.as_str().to_owned())) as &[Option<String>],
        &text(&vin) as &[Option<String>],
        &text(&|d| d.serial.clone()) as &[Option<String>],
        &text(&|d| d.details.make.clone()) as &[Option<String>]
    )
    .fetch_all(&mut *conn)
    .await?;
    let mut candidates: BTreeMap<i32, Vec<(i64, i64, String)>> = BTreeMap::new();
    for row in found {
        if !(bringing.named)(row.dealer_id, &row.stock_number) {
            let unit = (row.id, row.dealer_id, row.stock_number);
            candidates.entry(row.place).or_default().push(unit);
        }
    }
    // Two that it may be are none; nor can two drafts be the same one.
    let mut taken = HashMap::new();
    for (place, units) in &candidates {
        if let [(id, ..)] = units.as_slice() {
            taken.entry(*id).or_insert_with(Vec::new).push(*place);
        }
    }
    let one: HashMap<i64, i32> = taken
        .into_iter()
        .filter_map(|(id, places)| <[i32; 1]>::try_from(places).ok().map(|[place]| (id, place)))
        .collect();
    if one.is_empty() {
        return Ok(Vec::new());
    }
    let ids: Vec<i64> = one.keys().copied().collect();
    Listings::lock(conn, &ids).await?;
    let mut moved = Vec::new();
    for mut listing in Listings::by_ids(conn, &ids).await? {
        let Some((dealer_id, draft)) = one
            .get(&listing.id)
            .and_then(|place| new.get(usize::try_from(*place).ok()?).copied())
        else {
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
        listing.dealer_id = dealer_id;
        listing.stock_number.clone_from(&draft.stock_number);
        moved.push((listing, draft));
    }
    new.retain(|(dealer_id, draft)| {
        !moved
            .iter()
            .any(|(l, d)| l.dealer_id == *dealer_id && d.stock_number == draft.stock_number)
    });
    Ok(moved)
}
