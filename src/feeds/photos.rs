//! Which of a unit's photos go out, and in what order: the dealer's, without what is no photo of the unit.
//!
//! A placeholder ("photo coming soon") never goes out: marketplaces refuse it, and one counts it as a photo otherwise.
//! An address that leads to no photo stays back as long as the unit shows another. Were all of a unit's addresses lost,
//! they go out as the dealer gave them: a host that answers a marketplace may refuse us.
//!
//! A feed may show photos from an upload provider: those that it has go out at its address, whatever became of the dealer's.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

/// What speaks against an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    Placeholder,
    /// Its host has no photo there, or something else.
    Lost,
}

/// The addresses something speaks against: few of all, remembered by their hash.
#[derive(Debug, Default)]
pub struct Flaws {
    hasher: RandomState,
    known: HashMap<u64, Flaw>,
}

impl Flaws {
    pub fn add(&mut self, url: &str, flaw: Flaw) {
        self.known.insert(self.hasher.hash_one(url), flaw);
    }

    /// Leaves what goes out, the first of them the unit's hero; how many placeholders stayed back. `shown` is where an upload
    /// provider shows what an address led to.
    pub fn leave_out(&self, urls: &mut Vec<String>, shown: &HashMap<String, String>) -> usize {
        if self.known.is_empty() && shown.is_empty() {
            return 0;
        }
        let flaw = |url: &String| self.known.get(&self.hasher.hash_one(url)).copied();
        let before = urls.len();
        urls.retain(|url| flaw(url) != Some(Flaw::Placeholder));
        let placeholders = before - urls.len();
        let fit = |url: &String| shown.contains_key(url) || flaw(url).is_none();
        if urls.iter().any(fit) {
            urls.retain(fit);
        }
        for url in urls {
            if let Some(at) = shown.get(url) {
                url.clone_from(at);
            }
        }
        placeholders
    }
}

#[cfg(test)]
mod tests {
    use super::{Flaw, Flaws};
    use std::collections::HashMap;

    fn left(urls: &[&str]) -> (Vec<String>, usize) {
        let mut flaws = Flaws::default();
        flaws.add("soon", Flaw::Placeholder);
        flaws.add("lost", Flaw::Lost);
        flaws.add("lost too", Flaw::Lost);
        let mut urls: Vec<String> = urls.iter().map(|url| (*url).to_owned()).collect();
        let placeholders = flaws.leave_out(&mut urls, &HashMap::new());
        (urls, placeholders)
    }

    #[test]
    fn what_a_provider_shows_goes_out_at_its_address_though_the_dealers_is_lost() {
        let mut flaws = Flaws::default();
        flaws.add("lost", Flaw::Lost);
        flaws.add("soon", Flaw::Placeholder);
        let shown = |url: &str| (url.to_owned(), format!("ours/{url}"));
        let shown: HashMap<String, String> = ["lost", "b", "soon"].map(shown).into();
        let mut urls = ["a", "lost", "soon", "b"].map(str::to_owned).to_vec();
        assert_eq!(flaws.leave_out(&mut urls, &shown), 1);
        assert_eq!(urls, ["a", "ours/lost", "ours/b"]);
    }

    #[test]
    fn the_dealers_order_stands_without_what_is_no_photo() {
        let (urls, placeholders) = left(&["soon", "lost", "b", "a", "lost too"]);
        assert_eq!((urls, placeholders), (vec!["b".into(), "a".into()], 1));
    }

    #[test]
    fn lost_addresses_go_out_when_there_is_no_other() {
        let (urls, _) = left(&["lost", "soon", "lost too"]);
        assert_eq!(urls, ["lost", "lost too"]);
    }

    #[test]
    fn a_placeholder_alone_is_no_photo() {
        assert_eq!(left(&["soon"]), (vec![], 1));
    }
}
