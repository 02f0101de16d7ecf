//! The jobs: what Forecourt does, one file each, named after what it does to what.
//!
//! The only floor where stores meet partners. A job never calls another, it enqueues it; the wall
//! clock comes from the job's context; every job says in its header what starts it, what it reads
//! and writes, and why running it twice is harmless.

pub mod app;
pub mod build_feed;
pub mod decode_vins;
pub mod load_file;
pub mod loops;
pub mod prune_history;
pub mod pull_source;
#[cfg(feature = "testing")]
pub mod testing;

pub use app::App;
pub use build_feed::BuildFeed;
pub use decode_vins::DecodeVins;
pub use load_file::LoadFile;
pub use prune_history::PruneHistory;
pub use pull_source::PullSource;

use queue::Catalogue;

/// Every job there is. Workers, commands, the API and tests iterate it.
pub fn catalogue() -> Catalogue<App> {
    Catalogue::default()
        .with::<PullSource>()
        .with::<LoadFile>()
        .with::<DecodeVins>()
        .with::<BuildFeed>()
        .with::<PruneHistory>()
}
