//! A rooftop: one place where stock stands.

use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Dealer {
    pub id: i64,
    /// Short name used in files, URLs and commands: `bayview-motors`.
    pub key: String,
    pub name: String,
    pub street: String,
    pub city: String,
    /// Two-letter state or province.
    pub state: String,
    pub postal_code: String,
    /// ISO 3166-1 alpha-2.
    pub country: String,
    /// IANA time zone; nightly clocks run on the dealer's night.
    pub time_zone: String,
    /// Rooftops of one group hand units on to each other; blank for none.
    pub group_name: String,
    /// The code marketplaces know the rooftop by.
    pub store_code: String,
}

impl Dealer {
    /// A key stands in URLs, commands and file names.
    pub const LONGEST_KEY: usize = 64;

    /// Small letters, digits, dashes and underscores.
    pub fn is_key(text: &str) -> bool {
        let sound = |c: char| matches!(c, 'a'..='z' | '0'..='9' | '-' | '_');
        (1..=Self::LONGEST_KEY).contains(&text.len()) && text.chars().all(sound)
    }
}
