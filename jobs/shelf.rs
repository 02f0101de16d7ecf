//! The hashes of every photo, in this process's memory, read from the database as they appear.

use photos::{Hash, Near, Shelf};
use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use stores::{PgPool, Photos, StoreError};

/// A photo with a lower id may be committed after one with a higher: so far back is looked again.
const LATE: i64 = 10_000;

#[derive(Debug, Default)]
pub(crate) struct PhotoShelf {
    seen: Mutex<Seen>,
    /// One reads at a time: two would both put what is new on the shelf.
    reading: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct Seen {
    shelf: Shelf,
    newest: i64,
    /// Ids within `LATE` of the newest.
    recent: BTreeSet<i64>,
}

impl PhotoShelf {
    fn lock(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) async fn refresh(&self, pool: &PgPool) -> Result<(), StoreError> {
        let _turn = self.reading.lock().await;
        let from = self.lock().newest - LATE;
        let photos = Photos::hashes_after(&mut *pool.acquire().await?, from).await?;
        let mut seen = self.lock();
        for photo in photos {
            if seen.recent.insert(photo.id) {
                let (phash, dhash) = (Hash(photo.phash), Hash(photo.dhash));
                seen.shelf.push(photo.id, phash, dhash);
                seen.newest = seen.newest.max(photo.id);
            }
        }
        let keep_from = seen.newest - LATE;
        seen.recent = seen.recent.split_off(&keep_from);
        Ok(())
    }

    pub(crate) fn near(&self, phash: u64, dhash: u64) -> Vec<Near> {
        self.lock().shelf.near(Hash(phash), Hash(dhash))
    }
}
