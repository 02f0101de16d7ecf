//! What nobody needs any more after its retention: raw files and what was refused of them, photos that no unit shows, reports
//! on vehicles that are no unit.

use crate::gates::judged;
use crate::{App, raw};
use queue::JobError;
use stores::{Files, Histories, PgConnection, Photos};

/// A file that was replaced by newer ones, and a photo whose units all left, are kept this long.
const DAYS: i32 = 90;
/// Of one short transaction.
const SLICE: i64 = 500;

/// Raw copies and rejects of files that are no source's newest. The ledger's rows stay. How many.
pub(crate) async fn files(app: &App) -> Result<u64, JobError> {
    let mut forgotten = 0;
    loop {
        let mut tx = app.pool.begin().await?;
        let gone = Files::forget(&mut tx, DAYS, SLICE).await?;
        for object in &gone.objects {
            raw(app, &mut tx, object).await?;
        }
        tx.commit().await?;
        forgotten += gone.files;
        if gone.files < SLICE.unsigned_abs() {
            return Ok(forgotten);
        }
    }
}

/// Before the commit: an object that cannot be deleted is tried again, one without a row never would be.
async fn raw(app: &App, tx: &mut PgConnection, object: &str) -> Result<(), JobError> {
    Files::hold_raw(tx, object).await?;
    // A pull may have found it there since.
    if !Files::raw_is_named(tx, object).await? {
        app.objects.delete(object).await.map_err(judged)?;
    }
    Ok(())
}

/// Fingerprints that no listing has shown for so long. How many.
pub(crate) async fn photos(app: &App) -> Result<u64, JobError> {
    let mut forgotten = 0;
    loop {
        let mut tx = app.pool.begin().await?;
        let gone = Photos::forget(&mut tx, DAYS, SLICE).await?;
        for object in &gone.objects {
            app.objects.delete(object).await.map_err(judged)?;
        }
        tx.commit().await?;
        forgotten += gone.files;
        if gone.files == 0 {
            return Ok(forgotten);
        }
    }
}

/// What providers said of vehicles that are no listing any more, and the pages it stood on. How much.
pub(crate) async fn reports(app: &App) -> Result<u64, JobError> {
    let mut forgotten = 0;
    loop {
        let mut tx = app.pool.begin().await?;
        let gone = Histories::forget(&mut tx, DAYS, SLICE).await?;
        for object in &gone.objects {
            // A badge file's reports name the file.
            match raw::is_raw(object) {
                true => raw(app, &mut tx, object).await?,
                false => app.objects.delete(object).await.map_err(judged)?,
            }
        }
        tx.commit().await?;
        forgotten += gone.files;
        if gone.files == 0 {
            return Ok(forgotten);
        }
    }
}
