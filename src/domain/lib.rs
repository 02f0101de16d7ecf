//! Values and rules of the trade: VINs, money, odometers, listings, filters.
//!
//! No I/O, no clock, no environment. Everything here is a value that can be built in a test
//! without a server, and every other floor may name it.

pub mod another_unit;
pub mod currency;
pub mod dealer;
pub mod details;
pub mod digest;
pub mod draft;
pub mod field;
pub mod file_name;
pub mod filter;
pub mod listing;
pub mod merge;
pub mod money;
mod money_in;
pub mod odometer;
pub mod parents;
pub mod provenance;
pub mod spreadsheet;
pub mod thousands;
pub mod title;
pub mod vin;

pub use currency::{Currency, UnknownCurrency};
pub use dealer::Dealer;
pub use details::Details;
pub use digest::Digest;
pub use draft::ListingDraft;
pub use field::{Field, FieldType, Value};
pub use filter::Filter;
pub use listing::{Kind, Listing, Status};
pub use money::Money;
pub use odometer::{Distance, Odometer};
pub use provenance::{Origin, Provenance, Source};
pub use thousands::{Marks, parted};
pub use vin::{Vin, VinError};
