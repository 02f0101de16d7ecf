//! Which units a file names, in eight bytes each.

use std::collections::HashSet;
use std::hash::{BuildHasher, Hash, Hasher, RandomState};

/// Rooftops (blank where the source has one) and stock numbers, whatever the case of their letters. Two units are taken for one once in some ten million
/// files of a million rows; the hash is keyed, so nobody can make such a file.
#[derive(Debug, Default)]
pub struct Units {
    hasher: RandomState,
    seen: HashSet<u64>,
}

impl Units {
    /// `false` when it was named before.
    pub fn insert(&mut self, rooftop: &str, stock_number: &str) -> bool {
        self.seen.insert(self.hash(rooftop, stock_number))
    }

    pub fn remove(&mut self, rooftop: &str, stock_number: &str) -> bool {
        self.seen.remove(&self.hash(rooftop, stock_number))
    }

    pub fn is_empty(&self) -> bool {
        self.seen.is_empty()
    }

    pub fn contains(&self, rooftop: &str, stock_number: &str) -> bool {
        self.seen.contains(&self.hash(rooftop, stock_number))
    }

    fn hash(&self, rooftop: &str, stock_number: &str) -> u64 {
        let mut hasher = self.hasher.build_hasher();
        rooftop.hash(&mut hasher);
        for byte in stock_number.bytes() {
            hasher.write_u8(byte.to_ascii_uppercase());
        }
        hasher.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_is_its_rooftop_and_its_number() {
        let mut units = Units::default();
        assert!(units.insert("a", "bc") && units.insert("ab", "c") && !units.insert("a", "bc"));
        assert!(units.contains("ab", "C") && units.contains("a", "Bc"));
        assert!(units.contains("ab", "c") && !units.contains("", "abc"));
        assert!(units.remove("ab", "c") && !units.contains("ab", "c") && !units.is_empty());
    }
}
