//! Which units a file names, in eight bytes each.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};

/// Rooftops (blank where the source has one) and stock numbers. Two units are taken for one once in some ten million
/// files of a million rows; the hash is keyed, so nobody can make such a file.
#[derive(Debug, Default)]
pub struct Units {
    hasher: RandomState,
    seen: HashSet<u64>,
}

impl Units {
    /// `false` when it was named before.
    pub fn insert(&mut self, rooftop: &str, stock_number: &str) -> bool {
        self.seen
            .insert(self.hasher.hash_one((rooftop, stock_number)))
    }

    pub fn remove(&mut self, rooftop: &str, stock_number: &str) -> bool {
        self.seen
            .remove(&self.hasher.hash_one((rooftop, stock_number)))
    }

    pub fn is_empty(&self) -> bool {
        self.seen.is_empty()
    }

    pub fn contains(&self, rooftop: &str, stock_number: &str) -> bool {
        self.seen
            .contains(&self.hasher.hash_one((rooftop, stock_number)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_is_its_rooftop_and_its_number() {
        let mut units = Units::default();
        assert!(units.insert("a", "bc") && units.insert("ab", "c") && !units.insert("a", "bc"));
        assert!(units.contains("ab", "c") && !units.contains("", "abc"));
        assert!(units.remove("ab", "c") && !units.contains("ab", "c") && !units.is_empty());
    }
}
