//! Listings in, feed bytes and diagnostics out. Pure: no database, no storage, no clock.
//!
//! A feed is data: a filter, checks every unit must pass, and columns. Each unit ends as exactly
//! one of: a row, or an exclusion with every reason why (the trade calls this preflight).

mod column;
mod definition;
mod photos;
mod preflight;
mod render;
mod spec;

pub use definition::{
    BUILT_IN, Check, Column, Definition, DefinitionError, Format, Guard, Source, Style,
};
pub use photos::{Flaw, Flaws};
pub use render::{Feed, Unit};
pub use spec::{Problem, Spec, Validation};
