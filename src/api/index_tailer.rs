//! Keeps the search index of this process current: a snapshot at boot, then the change log.

use domain::filter::Op;
use domain::{Field, Filter, Kind, Status};
use futures::TryStreamExt;
use search::{Change, Document, Index};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use stores::{Changes, Dealers, Listings, PgPool, StoreError};
use tokio_util::sync::CancellationToken;

#[derive(Default)]
pub struct IndexTailer {
    pub index: Index,
    ready: AtomicBool,
}

const EVERY: Duration = Duration::from_millis(100);
const SLICE: i64 = 2_000;

impl IndexTailer {
    /// Until then search answers 503, never wrong counts.
    pub fn ready(&self) -> bool {
        self.ready.load(Ordering::Acquire)
    }

    /// Loads, then follows, until told to stop; a lost database is tried again.
    pub async fn run(&self, pool: PgPool, stop: CancellationToken) {
        let mut failing = false;
        while !stop.is_cancelled() {
            let step = if self.ready() {
                self.follow(&pool).await
            } else {
                self.load(&pool).await
            };
            match step {
                Ok(true) => continue,
                Ok(false) => failing = false,
                Err(error) if !failing => {
                    failing = true;
                    tracing::error!(%error, cause = ?std::error::Error::source(&error), "the search index cannot follow");
                }
                Err(_) => {}
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(EVERY) => {}
            }
        }
    }

    /// The position is read before the rows: what changes in between is applied again, which is
    /// harmless.
    pub async fn load(&self, pool: &PgPool) -> Result<bool, StoreError> {
        let mut conn = stores::begin_long_read(pool).await?;
        let position = Changes::position(&mut conn).await?;
        let dealers = dealers(&mut conn).await?;
        let words = [Status::Available, Status::Pending].map(|status| status.as_str().to_owned());
        let on_the_lot = Filter::test(Field::Status, Op::In(words.to_vec()));
        let mut listings = Listings::stream(&mut conn, &on_the_lot);
        let mut documents = Vec::new();
        while let Some(listing) = listings.try_next().await? {
            if Listings::on_the_lot(&listing) {
                documents.push(Document::of(
                    &listing,
                    dealers.get(&listing.dealer_id).map_or("", String::as_str),
                ));
            }
        }
        self.index.load(documents, position);
        self.ready.store(true, Ordering::Release);
        Ok(false)
    }

    /// One slice of the change log; `true` when there may be more.
    pub async fn follow(&self, pool: &PgPool) -> Result<bool, StoreError> {
        let from = self.index.snapshot().position;
        let mut conn = pool.acquire().await?;
        let changes = Changes::after(&mut conn, from, SLICE).await?;
        let Some(last) = changes.last().map(|change| change.position) else {
            return Ok(false);
        };
        let mut ids: Vec<i64> = changes.iter().map(|change| change.listing_id).collect();
        ids.sort_unstable();
        ids.dedup();
        let dealers = dealers(&mut conn).await?;
        let mut gone: HashMap<i64, ()> = ids.iter().map(|id| (*id, ())).collect();
        let mut apply = Vec::with_capacity(ids.len());
        // The row as it stands now may be newer than the change: the later change changes nothing.
        for listing in Listings::by_ids(&mut conn, &ids).await? {
            if Listings::on_the_lot(&listing) {
                gone.remove(&listing.id);
                let dealer = dealers.get(&listing.dealer_id).map_or("", String::as_str);
                apply.push(Change::Put(Document::of(&listing, dealer)));
            }
        }
        apply.extend(gone.into_keys().map(Change::Remove));
        self.index.apply(apply, last);
        Ok(true)
    }
}

async fn dealers(conn: &mut stores::PgConnection) -> Result<HashMap<i64, String>, StoreError> {
    Ok(Dealers::list(conn)
        .await?
        .into_iter()
        .map(|dealer| (dealer.id, dealer.key))
        .collect())
}

/// The path segment of a search: `vehicles`, `equipment`, `parents`.
pub(crate) fn kind_of(segment: &str) -> Option<Kind> {
    match segment {
        "vehicles" => Some(Kind::Vehicle),
        "equipment" => Some(Kind::Equipment),
        "parents" => Some(Kind::Parent),
        _ => None,
    }
}
