//! What follows from a descriptor, kept: a dealer group's night has thousands of VINs that differ in their serial number alone.
//!
//! A VIN is recalled only where its serial number provably says nothing: its check digit is right, its last five
//! characters are digits, its maker is none of the small ones that positions 12 to 14 name, and no pattern of its
//! maker's reads beyond position 11. The patterns are asked when the data are opened.

use domain::{Details, Vin};
use std::collections::{HashMap, HashSet};
use std::sync::{PoisonError, RwLock};
use ultravin::Db;

/// Positions 1 to 8, 10 and 11.
pub(crate) type Descriptor = [u8; 10];

/// Some 60 MB; all is forgotten when it is full.
const MOST: usize = 65_536;

pub(crate) struct Memo {
    /// Makers (WMI) that have a pattern which reads the serial number.
    by_serial: HashSet<[u8; 3]>,
    kept: RwLock<HashMap<Descriptor, Details>>,
}

impl Memo {
    pub(crate) fn of(db: &Db) -> Self {
        let schemas: HashSet<i32> = db
            .patterns()
            .iter()
            .filter(|pattern| reads_the_serial(db.s(pattern.keys.to_native())))
            .map(|pattern| pattern.vinschemaid.to_native())
            .collect();
        let of_wmi = |id: i32| {
            let links = db.wmi_vinschema_for(id);
            links
                .iter()
                .any(|link| schemas.contains(&link.vinschemaid.to_native()))
        };
        let by_serial = db
            .wmis()
            .iter()
            .filter(|wmi| of_wmi(wmi.id.to_native()))
            .filter_map(|wmi| db.s(wmi.wmi.to_native()).as_bytes().first_chunk().copied())
            .collect();
        Self {
            by_serial,
            kept: RwLock::default(),
        }
    }

    /// What the VIN's facts follow from; `None` when its serial number may have a say.
    pub(crate) fn descriptor(&self, vin: &Vin) -> Option<Descriptor> {
        let bytes: &[u8; 17] = vin.as_str().as_bytes().first_chunk()?;
        let wmi: &[u8; 3] = bytes.first_chunk()?;
        let plain = wmi[2] != b'9'
            && bytes[12..].iter().all(u8::is_ascii_digit)
            && !self.by_serial.contains(wmi)
            && vin.check_digit_ok();
        let mut descriptor = [0; 10];
        descriptor[..8].copy_from_slice(&bytes[..8]);
        descriptor[8..].copy_from_slice(&bytes[9..11]);
        plain.then_some(descriptor)
    }

    pub(crate) fn recall(&self, descriptor: Descriptor) -> Option<Details> {
        let kept = self.kept.read().unwrap_or_else(PoisonError::into_inner);
        kept.get(&descriptor).cloned()
    }

    pub(crate) fn keep(&self, descriptor: Descriptor, facts: &Details) {
        let mut kept = self.kept.write().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= MOST {
            kept.clear();
        }
        kept.insert(descriptor, facts.clone());
    }
}

/// Whether a pattern's key (`*****|*A`: positions 4 to 8, a bar, positions 10 to 17; brackets hold the choices of one position)
/// wants anything of positions 12 to 17.
fn reads_the_serial(keys: &str) -> bool {
    let Some((_, behind)) = keys.split_once('|') else {
        return false;
    };
    let (mut position, mut inside) = (9, false);
    for c in behind.chars() {
        match c {
            '[' => inside = true,
            ']' => inside = false,
            _ if inside => continue,
            _ => {}
        }
        // A bracket counts where it closes.
        if !inside {
            position += 1;
            if position > 11 && !matches!(c, '*' | '_') {
                return true;
            }
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::reads_the_serial;

    #[test]
    fn patterns_say_which_positions_they_want() {
        for (keys, reads) in [
            ("CM8", false),
            ("CM826|*A", false),
            ("*****|[AB]", false),
            ("*****|*[A-C]", false),
            ("*****|**1", true),
            ("*****|*[A-C][0-4]", true),
            ("*****|*****", false),
            ("*****|**#", true),
        ] {
            assert_eq!(reads_the_serial(keys), reads, "{keys}");
        }
    }
}
