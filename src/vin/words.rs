//! vPIC's words in the words listings use.

/// `HONDA` -> `Honda`, `BMW` stays.
pub(crate) fn make(text: &str) -> String {
    const AS_WRITTEN: &[&str] = &[
        "BMW", "GMC", "MINI", "INFINITI", "RAM", "FIAT", "HUMMER", "MG", "BYD", "SRT",
    ];
    if AS_WRITTEN.contains(&text) {
        return text.to_owned();
    }
    let mut first = true;
    text.chars()
        .map(|c| {
            let letter = if first {
                c.to_ascii_uppercase()
            } else {
                c.to_ascii_lowercase()
            };
            first = !c.is_ascii_alphabetic();
            letter
        })
        .collect()
}

type Table = &'static [(&'static str, &'static str)];

/// First entry whose key the text contains; order matters.
fn first(table: Table, text: &str) -> Option<String> {
    let lower = text.to_ascii_lowercase();
    table
        .iter()
        .find(|(key, _)| lower.contains(key))
        .map(|(_, word)| (*word).to_owned())
}

pub(crate) fn body(text: &str) -> Option<String> {
    const BODIES: Table = &[
        ("crossover", "SUV"),
        ("sport utility vehicle", "SUV"),
        ("pickup", "Truck"),
        ("minivan", "Minivan"),
        ("cargo van", "Van"),
        ("van", "Van"),
        ("sedan", "Sedan"),
        ("coupe", "Coupe"),
        ("convertible", "Convertible"),
        ("hatchback", "Hatchback"),
        ("wagon", "Wagon"),
        ("roadster", "Convertible"),
    ];
    first(BODIES, text)
}

/// One word for what vPIC says in two: the first fuel, and how far the drive is electric. A mild hybrid, whose motor
/// only helps its engine, is sold by its fuel; so is what may also burn ethanol (of 175 such listings, 9 said so).
pub(crate) fn fuel(primary: Option<&str>, electrification: Option<&str>) -> Option<String> {
    const FUELS: Table = &[
        ("gasoline", "Gasoline"),
        ("diesel", "Diesel"),
        ("electric", "Electric"),
        ("flexible", "Flex Fuel"),
        ("ethanol", "Flex Fuel"),
        ("hydrogen", "Hydrogen"),
        ("fuel cell", "Hydrogen"),
        ("natural gas", "Natural Gas"),
        ("propane", "Propane"),
    ];
    const DRIVES: Table = &[
        ("phev", "Plug-In Hybrid"),
        ("strong hev", "Hybrid"),
        ("level unknown", "Hybrid"),
    ];
    let electric = electrification.and_then(|level| first(DRIVES, level));
    electric.or_else(|| first(FUELS, primary?))
}

pub(crate) fn drivetrain(text: &str) -> Option<String> {
    const DRIVES: Table = &[
        ("4wd", "4WD"),
        ("awd", "AWD"),
        ("fwd", "FWD"),
        ("rwd", "RWD"),
        ("4x4", "4WD"),
        ("4x2", "RWD"),
    ];
    first(DRIVES, text)
}

pub(crate) fn transmission(text: &str) -> Option<String> {
    const STYLES: Table = &[
        ("manual", "Manual"),
        ("continuously variable", "CVT"),
        ("cvt", "CVT"),
        ("automatic", "Automatic"),
        ("dual-clutch", "Automatic"),
    ];
    first(STYLES, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn makes_are_written_as_their_makers_do() {
        assert_eq!(make("HONDA"), "Honda");
        assert_eq!(make("LAND ROVER"), "Land Rover");
        assert_eq!(make("MERCEDES-BENZ"), "Mercedes-Benz");
        assert_eq!(make("BMW"), "BMW");
    }

    #[test]
    fn long_class_names_become_one_word() {
        assert_eq!(
            body("Sport Utility Vehicle (SUV)/Multi-Purpose Vehicle (MPV)").as_deref(),
            Some("SUV")
        );
        assert_eq!(drivetrain("4WD/4-Wheel Drive/4x4").as_deref(), Some("4WD"));
    }

    #[test]
    fn two_words_of_fuel_become_one() {
        let said = |primary, level| fuel(Some(primary), Some(level)).unwrap();
        assert_eq!(said("Compressed Hydrogen/Hydrogen", ""), "Hydrogen");
        let level = |level| said("Gasoline", level);
        assert_eq!(
            level("PHEV (Plug-in Hybrid Electric Vehicle)"),
            "Plug-In Hybrid"
        );
        assert_eq!(level("Strong HEV (Hybrid Electric Vehicle)"), "Hybrid");
        assert_eq!(level("Mild HEV (Hybrid Electric Vehicle)"), "Gasoline");
        assert_eq!(
            said("Electric", "BEV (Battery Electric Vehicle)"),
            "Electric"
        );
        assert_eq!(fuel(None, Some("Mild HEV (Hybrid Electric Vehicle)")), None);
    }
}
