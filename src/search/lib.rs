//! Faceted search over the stock, in memory. Pure: documents in, answers out.
//!
//! Immutable segments behind `Arc`: a large base, and a small delta that takes writes. One writer
//! publishes a snapshot by atomic swap; readers never wait. Counts are exact and equal the
//! results: a property test holds every answer against brute force.

mod bits;
mod document;
mod index;
mod query;
mod segment;
mod text;

pub use document::{Document, Facet, Number};
pub use index::{Change, Index, Snapshot};
pub use query::{Answer, Cursor, FacetCount, Query, QueryError, Range, Sort, SortKey};
