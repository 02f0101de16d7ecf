//! The error codes of NHTSA's decoder, in words (<https://vpic.nhtsa.dot.gov/api/>, `ErrorCode`). A VIN may have
//! several.

/// What a code says about a VIN; a code that nobody knows is told as such.
pub fn words(code: i32) -> &'static str {
    match code {
        0 => "decoded clean; the check digit is right",
        1 => "the check digit (position 9) is wrong",
        2 => "one position was wrong and is corrected",
        3 => "one position is wrong; the suggested vin has what is most likely meant",
        4 => "one position is wrong, and several characters would be right there",
        5 => "several positions are wrong",
        6 => "the vin is not complete",
        7 => "its maker is not registered for sale in the USA",
        8 => "no detailed data of this vehicle",
        9 => "a glider kit: a truck without its engine and gearbox",
        10 => "an off-road vehicle",
        11 => "the model year does not fit; what is decoded may be another's",
        12 => "the model year may be wrong",
        14 => "not every character could be explained",
        400 => "characters that no vin has",
        _ => "a code that is not known here",
    }
}

/// With one of these what was decoded may be another vehicle's.
pub const DOUBTFUL: [i32; 8] = [1, 2, 3, 4, 5, 6, 11, 400];

/// Whether that is so, so that nothing is filled from it; nobody's word that it is clean is none.
pub fn doubtful(codes: &[i32]) -> bool {
    codes.is_empty() || codes.iter().any(|code| DOUBTFUL.contains(code))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_of_vpic_has_words_and_no_other() {
        for code in (0..=12).chain([14, 400]) {
            assert_ne!(words(code), words(-1), "{code}");
        }
        assert_eq!(words(13), words(-1));
        assert!(doubtful(&[1, 14]) && !doubtful(&[0]) && !doubtful(&[7, 14]));
        assert!(doubtful(&[]));
    }
}
