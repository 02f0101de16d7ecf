//! Title brands: what a state's title says of a vehicle's past, and when that contradicts the dealer.

use crate::Details;

const CLEAN: &str = "Clean";
/// Words of dealers and of history reports, in lower case without `title`, and ours: the brands of NMVTIS, in one word each.
const WORDS: &[(&str, &str)] = &[
    ("clean", CLEAN),
    ("clear", CLEAN),
    ("none", CLEAN),
    ("no", CLEAN),
    ("n", CLEAN),
    ("false", CLEAN),
    ("0", CLEAN),
    ("normal", CLEAN),
    ("good", CLEAN),
    ("standard", CLEAN),
    ("original", CLEAN),
    ("unbranded", CLEAN),
    ("not branded", CLEAN),
    ("no brand", CLEAN),
    ("no brands", CLEAN),
    ("none reported", CLEAN),
    ("no issues", CLEAN),
    ("no problems", CLEAN),
    ("no problems reported", CLEAN),
    ("no issues reported", CLEAN),
    ("salvage", "Salvage"),
    ("salvaged", "Salvage"),
    ("rebuilt", "Rebuilt"),
    ("reconstructed", "Rebuilt"),
    ("rebuilt salvage", "Rebuilt"),
    ("prior salvage", "Rebuilt"),
    ("flood", "Flood"),
    ("flood damage", "Flood"),
    ("water damage", "Flood"),
    ("hail", "Hail"),
    ("hail damage", "Hail"),
    ("fire", "Fire"),
    ("fire damage", "Fire"),
    ("lemon", "Lemon"),
    ("lemon law", "Lemon"),
    ("lemon law buyback", "Lemon"),
    ("manufacturer buyback", "Lemon"),
    ("buyback", "Lemon"),
    ("junk", "Junk"),
    ("scrap", "Junk"),
    ("non repairable", "Junk"),
    ("nonrepairable", "Junk"),
    ("certificate of destruction", "Junk"),
    ("total loss", "Total Loss"),
    ("theft", "Theft"),
    ("theft recovery", "Theft"),
    ("not actual mileage", "Not Actual Mileage"),
    ("tmu", "Not Actual Mileage"),
    ("true mileage unknown", "Not Actual Mileage"),
    ("odometer rollback", "Not Actual Mileage"),
    ("branded", "Branded"),
    ("yes", "Branded"),
    ("y", "Branded"),
    ("true", "Branded"),
    ("1", "Branded"),
];

/// Our word for what somebody calls a title; `None` for words that nobody has taught us.
pub fn named(said: &str) -> Option<&'static str> {
    let folded = said.to_lowercase();
    let bare: Vec<&str> = folded
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !matches!(*word, "" | "title" | "titles" | "status" | "vehicle"))
        .collect();
    let bare = bare.join(" ");
    let known = WORDS.iter().find(|(word, _)| *word == bare);
    known.map(|(_, ours)| *ours)
}

/// Anything but a clean title: salvage, rebuilt, flood, lemon … A word that we do not know is one: better a unit kept back
/// than one offered as clean that is not.
pub fn branded(brand: Option<&str>) -> bool {
    brand.is_some_and(|brand| match named(brand) {
        Some(ours) => ours != CLEAN,
        None => !brand.trim().is_empty(),
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
    fn clean_has_many_words_and_what_is_unknown_is_branded() {
        for clean in [
            "Clean Title",
            "clear",
            "None",
            "No",
            " n ",
            "Title: Clean",
            "Not-Branded",
        ] {
            assert_eq!(named(clean), Some("Clean"), "{clean}");
            assert!(!branded(Some(clean)), "{clean}");
        }
        assert_eq!(named("REBUILT SALVAGE TITLE"), Some("Rebuilt"));
        assert_eq!(named("Warranty return"), None);
        assert!(branded(Some("Warranty return")) && branded(Some("Yes")));
        assert!(!branded(None) && !branded(Some(" ")));
    }

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
