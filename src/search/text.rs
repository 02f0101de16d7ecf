//! Folding text to terms: `F-150`, `f150` and `F 150` find each other.

/// Adds the terms of a text: each word, and each two neighbours glued, so that `f150` finds
/// `F-150`. Not sorted.
pub(crate) fn terms(text: &str, into: &mut Vec<String>) {
    let words = words(text);
    for pair in words.windows(2) {
        into.push(format!("{}{}", pair[0], pair[1]));
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
        .map(str::to_lowercase)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hyphen_does_not_hide_a_truck() {
        let mut found = Vec::new();
        terms("F-150 Lariat", &mut found);
        for word in ["f150", "f", "150", "lariat"] {
            assert!(found.contains(&word.to_owned()), "{word}");
        }
    }
}
