//! What a mistyped VIN was perhaps meant to be: one character that looks like another, or two that changed places.
//! Only what has a right check digit and decodes clean is suggested; where there is more than a few, nothing is.

use crate::Decoder;
use domain::Vin;

/// Letters that no VIN has, and what they are taken for (49 CFR 565.15).
const NEVER: [(char, char); 3] = [('I', '1'), ('O', '0'), ('Q', '0')];
const LOOK_ALIKE: [(char, char); 9] = [
    ('S', '5'),
    ('B', '8'),
    ('Z', '2'),
    ('G', '6'),
    ('D', '0'),
    ('L', '1'),
    ('U', 'V'),
    ('7', '1'),
    ('A', '4'),
];
const MOST: usize = 3;

pub fn suggestions(decoder: &Decoder, text: &str) -> Vec<String> {
    let typed: Vec<char> = text.trim().to_ascii_uppercase().chars().collect();
    let plain: String = typed
        .iter()
        .map(|c| {
            NEVER
                .iter()
                .find(|(never, _)| never == c)
                .map_or(*c, |(_, meant)| *meant)
        })
        .collect();
    let Ok(vin) = Vin::parse(&plain) else {
        return Vec::new();
    };
    if vin.check_digit_ok() {
        let was = typed.iter().collect::<String>() == plain;
        return if was { Vec::new() } else { vec![plain] };
    }
    let mut found: Vec<String> = near(&plain)
        .into_iter()
        .filter_map(|text| Vin::parse(&text).ok())
        .filter(|vin| vin.check_digit_ok() && decoder.decode(vin).clean())
        .map(|vin| vin.as_str().to_owned())
        .collect();
    found.sort();
    found.dedup();
    if found.len() > MOST {
        Vec::new()
    } else {
        found
    }
}

fn near(plain: &str) -> Vec<String> {
    let chars: Vec<char> = plain.chars().collect();
    let mut near = Vec::new();
    for place in 0..chars.len() {
        for (a, b) in LOOK_ALIKE {
            let other = match chars[place] {
                c if c == a => b,
                c if c == b => a,
                _ => continue,
            };
            let mut changed = chars.clone();
            changed[place] = other;
            near.push(changed.into_iter().collect());
        }
        if place + 1 < chars.len() && chars[place] != chars[place + 1] {
            let mut changed = chars.clone();
            changed.swap(place, place + 1);
            near.push(changed.into_iter().collect());
        }
    }
    near
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_one_character_is_put_right() {
        let decoder = Decoder::open(&std::env::temp_dir().join("forecourt-vin-test")).unwrap();
        let right = "1HGCM82633A004352";
        for typed in [
            "1HGCM82633AOO4352", // letters for digits
            "IHGCM82633A004352",
            "1HGCMB2633A004352", // B for 8
            "1HGCM82633A004532", // two that changed places
        ] {
            let found = suggestions(&decoder, typed);
            assert!(found.iter().any(|vin| vin == right), "{typed}: {found:?}");
        }
        assert!(suggestions(&decoder, right).is_empty());
        assert!(suggestions(&decoder, "1HGCM8263").is_empty());
    }
}
