//! The jobs: what Forecourt does, one file each, named after what it does to what.
//!
//! The only floor where stores meet partners. A job never calls another, it enqueues it; the wall
//! clock comes from the job's context; every job says in its header what starts it, what it reads
//! and writes, and why running it twice is harmless.

pub mod act_on_jobs;
pub mod app;
pub mod archive_listings;
mod badges;
mod batch;
pub mod build_feed;
pub mod by_hand;
pub mod clear_drop;
mod columns_gone;
mod columns_unread;
pub mod dealers;
pub mod decode_vins;
pub mod deliver_alert;
mod drop;
mod enrichment;
pub mod export_report;
mod fates;
mod forget;
pub mod gates;
mod guard;
pub mod hash_photos;
pub mod load_file;
pub mod loops;
pub mod mappings;
pub mod probe_partner;
mod provider_order;
pub mod providers;
pub mod prune_history;
pub mod pull_source;
pub mod raw;
pub mod rebuild_parents;
pub mod refresh_history;
pub mod refresh_valuations;
pub mod refresh_vins;
mod reported;
pub mod restore_listings;
mod retire;
pub mod revisit_photos;
mod shelf;
mod slices;
mod source_order;
pub mod sources;
mod spelling;
mod survey;
#[cfg(feature = "testing")]
pub mod testing;
mod turns;
pub mod unknown_words;
pub mod upkeep;
pub mod upload_photos;

pub use act_on_jobs::ActOnJobs;
pub use app::App;
pub use archive_listings::ArchiveListings;
pub use build_feed::BuildFeed;
pub use clear_drop::{ClearDrop, LiesAgain};
pub use decode_vins::DecodeVins;
pub use deliver_alert::DeliverAlert;
pub use export_report::ExportReport;
pub use hash_photos::HashPhotos;
pub use load_file::LoadFile;
pub use probe_partner::ProbePartner;
pub use prune_history::PruneHistory;
pub use pull_source::PullSource;
pub use rebuild_parents::RebuildParents;
pub use refresh_history::RefreshHistory;
pub use refresh_valuations::RefreshValuations;
pub use refresh_vins::RefreshVins;
pub use restore_listings::RestoreListings;
pub use revisit_photos::RevisitPhotos;
pub use upload_photos::UploadPhotos;

use queue::{Catalogue, Enqueue};

/// Every job there is. Workers, commands, the API and tests iterate it.
pub fn catalogue() -> Catalogue<App> {
    Catalogue::default()
        .with::<ActOnJobs>()
        .with::<PullSource>()
        .with::<LoadFile>()
        .with::<ClearDrop>()
        .with::<ExportReport>()
        .with::<DecodeVins>()
        .with::<HashPhotos>()
        .with::<RevisitPhotos>()
        .with::<RefreshVins>()
        .with::<RefreshHistory>()
        .with::<RefreshValuations>()
        .with::<UploadPhotos>()
        .with::<RebuildParents>()
        .with::<BuildFeed>()
        .with::<ArchiveListings>()
        .with::<RestoreListings>()
        .with::<DeliverAlert>()
        .with::<ProbePartner>()
        .with::<PruneHistory>()
        .guarded(|app, partner| app.partners.refused(partner))
        .opened_by(|app| Some(&app.args))
}

/// Listings one `decode_vins` takes on.
const VINS_PER_JOB: usize = 500;
/// Listings whose photos one `hash_photos` takes on.
const PHOTOS_PER_JOB: usize = 50;

/// What listings that are new or changed want done to them, whoever brought them.
pub fn of_new_listings(
    touched: &[i64],
    run_id: Option<i64>,
) -> Result<Vec<Enqueue>, serde_json::Error> {
    let decode = touched.chunks(VINS_PER_JOB).map(|ids| {
        let listings = ids.to_vec();
        Ok(Enqueue::of(&DecodeVins { listings })?.run(run_id))
    });
    let hash = touched
        .chunks(PHOTOS_PER_JOB)
        .map(|ids| Ok(Enqueue::of(&HashPhotos::of(ids))?.run(run_id)));
    decode.chain(hash).collect()
}
