//! Photos that look alike: a flat scan of XOR and popcount, fast to ten million.

use crate::Hash;

/// Bits of phash, and of dhash, up to which two photos may be the same picture.
pub const PHASH_NEAR: u32 = 10;
pub const DHASH_NEAR: u32 = 8;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Near {
    pub id: i64,
    pub phash: u32,
    pub dhash: u32,
}

impl Near {
    /// Both hashes say so; one alone needs another reason, such as the same VIN.
    pub fn confirmed(self) -> bool {
        self.phash <= PHASH_NEAR && self.dhash <= DHASH_NEAR
    }

    /// Each photo once, as near as it was found, the nearest first.
    pub fn best(mut found: Vec<Self>) -> Vec<Self> {
        let apart = |near: &Self| near.phash + near.dhash;
        found.sort_by_key(|near| (near.id, apart(near)));
        found.dedup_by_key(|near| near.id);
        found.sort_by_key(|near| (apart(near), near.id));
        found
    }
}

/// Hashes side by side, in the order they came.
#[derive(Debug, Default)]
pub struct Shelf {
    ids: Vec<i64>,
    hashes: Vec<(Hash, Hash)>,
}

impl Shelf {
    pub fn push(&mut self, id: i64, phash: Hash, dhash: Hash) {
        self.ids.push(id);
        self.hashes.push((phash, dhash));
    }

    pub fn len(&self) -> usize {
        self.ids.len()
    }

    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// Photos near by either hash, in the order they came.
    pub fn near(&self, phash: Hash, dhash: Hash) -> Vec<Near> {
        let with = |(place, (p, d)): (usize, &(Hash, Hash))| {
            let near = Near {
                id: self.ids[place],
                phash: p.distance(phash),
                dhash: d.distance(dhash),
            };
            (near.phash <= PHASH_NEAR || near.dhash <= DHASH_NEAR).then_some(near)
        };
        self.hashes.iter().enumerate().filter_map(with).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn either_hash_finds_and_both_confirm() {
        let mut shelf = Shelf::default();
        shelf.push(1, Hash(0), Hash(0));
        shelf.push(2, Hash(u64::MAX), Hash(0b11));
        shelf.push(3, Hash(u64::MAX), Hash(u64::MAX));
        let found = shelf.near(Hash(0b1), Hash(0b1));
        assert_eq!(found.iter().map(|near| near.id).collect::<Vec<_>>(), [1, 2]);
        assert!(found[0].confirmed() && !found[1].confirmed());
    }

    #[test]
    fn a_photo_that_was_found_twice_is_told_once_as_near_as_it_is() {
        let near = |id, phash, dhash| Near { id, phash, dhash };
        let found = vec![near(1, 9, 9), near(2, 1, 1), near(1, 0, 0), near(2, 5, 5)];
        assert_eq!(Near::best(found), [near(1, 0, 0), near(2, 1, 1)]);
    }
}
