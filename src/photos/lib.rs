//! Photo bytes in, fingerprints out. Pure: no network, no database, no clock; CPU only, so callers run
//! it on a blocking thread.
//!
//! The hashes are those of Python's `imagehash` (phash and dhash, 64 bits, the first pixel's bit
//! highest), so that fingerprints made elsewhere can be compared with ours. They are of the photo as
//! it is stored; `upright` is after the EXIF orientation, and `mirrored` finds flipped copies.

mod decode;
mod derive;
mod fingerprint;
mod jpeg;
mod near;
mod resize;

pub use decode::{Format, Limits, PhotoError};
pub use derive::{Derived, derived};
pub use fingerprint::{Fingerprint, Hash, fingerprint};
pub use near::{DHASH_NEAR, Near, PHASH_NEAR, Shelf};
