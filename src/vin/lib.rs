//! What a VIN says: the offline decoder over NHTSA's vPIC data, and the comparison with what the
//! dealer says.
//!
//! Pure but for one thing: the data file is unpacked once into a cache folder and verified by
//! its digest. The decoder never overrules a dealer; `compare` only tells where they differ.

mod api;
mod compare;
mod decoder;
pub mod errors;
mod memo;
mod suggest;
mod trim;
mod words;

pub use api::{facts_of_api, may_be_of};
pub use compare::{Contradiction, agree, blanks_filled, contradictions};
pub use decoder::{Decoded, Decoder, DecoderError};
pub use suggest::suggestions;
pub use trim::split_trim;
