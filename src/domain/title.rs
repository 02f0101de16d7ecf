//! Title brands: what a state's title says of a vehicle's past, and when that contradicts the dealer.

use crate::Details;

/// Anything but a clean title: salvage, rebuilt, flood, lemon … `None` and `Clean` are not branded.
pub fn branded(brand: Option<&str>) -> bool {
    brand.is_some_and(|brand| {
        let brand = brand.trim();
        !brand.is_empty() && !brand.eq_ignore_ascii_case("clean")
    })
}

/// Whether a unit may be offered as one with a clean title: neither the dealer nor a history report says otherwise.
pub fn clean(details: &Details) -> bool {
    !branded(details.title_brand.as_deref()) && !branded(details.reported_title_brand.as_deref())
}

/// The dealer's word and the report's, when the one says clean (or nothing) and the other does not.
pub fn contradiction(details: &Details) -> Option<(String, String)> {
    let reported = details.reported_title_brand.as_deref()?;
    let said = details.title_brand.as_deref();
    (branded(said) != branded(Some(reported)))
        .then(|| (said.unwrap_or_default().to_owned(), reported.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_overrules_a_clean_title_and_is_told() {
        let unit = |said: Option<&str>, reported: Option<&str>| Details {
            title_brand: said.map(Into::into),
            reported_title_brand: reported.map(Into::into),
            ..Details::default()
        };
        assert!(clean(&unit(None, None)) && clean(&unit(Some("clean"), Some("Clean"))));
        assert!(!clean(&unit(Some("Clean"), Some("Salvage"))));
        assert!(!clean(&unit(Some("Rebuilt"), Some("Clean"))));
        assert_eq!(contradiction(&unit(Some("Salvage"), Some("Rebuilt"))), None);
        assert_eq!(contradiction(&unit(None, Some("Clean"))), None);
        let told = contradiction(&unit(None, Some("Salvage")));
        assert_eq!(told, Some((String::new(), "Salvage".to_owned())));
    }
}
