//! Everything outside that we call: dealers' SFTP drops, photo hosts and object storage.
//!
//! Third-party connections are opened here and nowhere else. Every error has a kind that the
//! caller decides on; none carries a credential.

mod error;
pub mod fetch;
mod folder;
pub mod gate;
pub mod objects;
pub mod sftp;
mod way;
mod webhook;

pub use error::{ErrorKind, PartnerError};
pub use fetch::{Download, FetchSettings, Fetched, Fetcher, Login};
pub use gate::{Gate, Leave, OpenGate, Shut};
pub use objects::{ObjectSettings, Objects};
pub use sftp::{Arrived, RemoteFile, SftpLogin, SftpSettings};
pub use way::{Opened, Way};
pub use webhook::Webhook;
