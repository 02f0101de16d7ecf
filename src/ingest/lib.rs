//! File bytes in, listing drafts and rejects out. Pure: no database, no network, no clock.
//!
//! Every row of a file ends as exactly one of: a draft, a lost row with its reasons, or a
//! duplicate. A value that cannot be read costs the value, not the row; a row without identity
//! costs the row, never the file; a file that is not a table at all is refused whole, by name.

mod cells;
mod currency;
mod fill;
mod flat;
mod identity;
mod mapping;
mod plan;
mod reader;
mod reject;
mod rooftop;
mod shape;
mod sniff;
mod spreadsheet;
mod suggest;
mod table;
mod template;
mod text;
mod units;
mod unpack;
mod values;
pub mod words;

pub use mapping::{BUILT_IN, Column, Holds, Mapping, MappingError};
pub use reader::{ParsedRow, Reader};
pub use reject::Reject;
pub use sniff::FileProblem;
pub use suggest::{Suggestion, suggest};
pub use table::Table;
pub use text::Text;
pub use units::Units;
