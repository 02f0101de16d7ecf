//! Where the VIN's model ends in a listing's model, the trim begins.

/// `F-150 Lariat` and the VIN's `F-150` -> `F-150` and `Lariat`. Punctuation, blanks and case do not
/// matter, and neither does a `-Class` or ` Series` that makers add to their families. `None` when the
/// listing's text does not begin with the VIN's model as whole words, or ends with it.
pub fn split_trim<'a>(listed: &'a str, vin_model: &str) -> Option<(&'a str, &'a str)> {
    let family = ["-class", " class", " series"].iter().find_map(|suffix| {
        let end = vin_model.len().checked_sub(suffix.len())?;
        let tail = vin_model.get(end..)?;
        tail.eq_ignore_ascii_case(suffix).then(|| &vin_model[..end])
    });
    split_at(listed, vin_model).or_else(|| split_at(listed, family?))
}

fn split_at<'a>(listed: &'a str, model: &str) -> Option<(&'a str, &'a str)> {
    let mut wanted = model
        .chars()
        .filter(|c| c.is_alphanumeric())
        .flat_map(char::to_lowercase)
        .peekable();
    wanted.peek()?;
    for (place, c) in listed.char_indices() {
        if wanted.peek().is_none() {
            // Whole words only: `Golf` must not cut `Golfer`.
            let rest = &listed[place..];
            let trim = rest.trim();
            let ends = rest.starts_with(char::is_whitespace);
            return (ends && !trim.is_empty()).then(|| (listed[..place].trim(), trim));
        }
        if c.is_alphanumeric() && !c.to_lowercase().all(|c| wanted.next() == Some(c)) {
            return None;
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_trim_begins_where_the_model_ends() {
        assert_eq!(
            split_trim("F-150 Lariat", "F-150"),
            Some(("F-150", "Lariat"))
        );
        assert_eq!(
            split_trim("F150 XL Super", "F-150"),
            Some(("F150", "XL Super"))
        );
        assert_eq!(
            split_trim("330 i xDrive", "330i"),
            Some(("330 i", "xDrive"))
        );
        assert_eq!(
            split_trim("GLE 350 4MATIC", "GLE-Class"),
            Some(("GLE", "350 4MATIC"))
        );
        assert_eq!(split_trim("Sienna SE", "Sienna"), Some(("Sienna", "SE")));
    }

    #[test]
    fn what_does_not_fit_stays_whole() {
        assert_eq!(split_trim("Sienna", "Sienna"), None);
        assert_eq!(split_trim("Golfer S", "Golf"), None);
        assert_eq!(split_trim("Model 3 Long Range", "Model S"), None);
        assert_eq!(split_trim("Civic EX", ""), None);
    }
}
