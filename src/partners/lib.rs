//! Everything outside that we call: dealers' SFTP drops, photo hosts, decoders, histories, valuations, uploads and
//! object storage.
//!
//! Third-party connections are opened here and nowhere else. Every error has a kind that the
//! caller decides on; none carries a credential.

mod error;
pub mod fetch;
mod folder;
pub mod gate;
pub mod history;
pub mod objects;
pub mod sftp;
pub mod upload;
pub mod valuation;
pub mod vpic;
mod way;
mod webhook;

pub use error::{ErrorKind, PartnerError};
pub use fetch::{
    Ask, Content, Download, FetchSettings, Fetched, Fetcher, Login, Method, Validators,
};
pub use gate::{Gate, Leave, OpenGate, Shut};
pub use objects::{ObjectSettings, Objects};
pub use sftp::{Arrived, RemoteFile, SftpLogin, SftpSettings};
pub use way::{Opened, Way};
pub use webhook::Webhook;
