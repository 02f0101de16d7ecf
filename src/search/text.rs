//! Folding text to terms: `F-150`, `f150` and `F 150` find each other, and so do `4x4` and `4WD`.

use rustc_hash::FxHashMap;
use std::sync::LazyLock;

/// Spelling to the word it stands for.
static SYNONYMS: LazyLock<FxHashMap<&str, &str>> = LazyLock::new(|| {
    include_str!("synonyms.tsv")
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once('\t'))
        .collect()
});

/// Adds the terms of a text: each word, the parts of a word that mixes letters and digits, and each
/// two neighbours glued. Not sorted.
pub(crate) fn terms(text: &str, into: &mut Vec<String>) {
    let words = words(text);
    for pair in words.windows(2) {
        into.push(format!("{}{}", pair[0], pair[1]));
    }
    for word in &words {
        if let Some(place) = word.find(|c: char| c.is_ascii_digit()).filter(|p| *p > 0) {
            let (letters, digits) = word.split_at(place);
            into.extend([letters.to_owned(), digits.to_owned()]);
        }
    }
    into.extend(words);
}

/// A number plate of a thing (stock number, VIN, serial): one term, punctuation dropped.
pub(crate) fn whole(text: &str) -> String {
    text.chars()
        .filter(|c| c.is_alphanumeric())
        .flat_map(char::to_lowercase)
        .collect()
}

/// What a query asks for: every word must match.
pub(crate) fn words(text: &str) -> Vec<String> {
    text.split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(|word| {
            let word = word.to_lowercase();
            SYNONYMS
                .get(word.as_str())
                .map_or(word, |meant| (*meant).to_owned())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finds(document: &str, query: &str) -> bool {
        let mut found = Vec::new();
        terms(document, &mut found);
        words(query).iter().all(|word| found.contains(word))
    }

    #[test]
    fn a_hyphen_does_not_hide_a_truck() {
        for document in ["F-150 Lariat", "F150 Lariat", "f 150 LARIAT"] {
            for query in ["f150", "F-150 lariat", "f 150", "lariat"] {
                assert!(finds(document, query), "{query} in {document}");
            }
            assert!(!finds(document, "f250"), "{document}");
        }
    }

    #[test]
    fn people_and_dealers_use_other_words_for_the_same() {
        assert!(finds("Chevrolet Silverado 4WD", "chevy 4x4"));
        assert!(finds("CHEVY Silverado 4x4", "chevrolet 4wd"));
        assert!(finds("Truck", "pickup"));
        assert!(!finds("Chevrolet", "ford"));
    }
}
