//! The offline decoder: `ultravin`, a port of NHTSA's own procedure, over the committed vPIC file.

use crate::memo::Memo;
use crate::words;
use domain::{Details, Vin};
use serde::{Deserialize, Serialize};
use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use ultravin::{Db, FlatResult};

/// vPIC of October 2026 in ultravin's format, zstd with a 27-bit window (see NOTICE).
const PACKED: &[u8] = include_bytes!("data/vpic-2026-10.rkyv.zst");
/// BLAKE3 of the unpacked file.
const DIGEST: &str = "00af69721361c08ee3187c98a4a10a03d5a629f35178cac96490bc97fd7614d0";
const UNPACKED_BYTES: u64 = 84_124_480;
const WINDOW_LOG: u32 = 27;
/// Goes into `vin_decodes.decoder`, so that a newer file decodes again, and so do newer rules of ours (the last number).
pub(crate) const VERSION: &str = "vpic-2026-10/ultravin-3.0.2/2";

#[derive(Debug, thiserror::Error)]
pub enum DecoderError {
    #[error("cannot {operation} the vin data at {path}")]
    Io {
        operation: &'static str,
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("the unpacked vin data has digest {found}, not {DIGEST}: the binary is damaged")]
    Digest { found: String },
    #[error("the vin data cannot be opened: {0}")]
    Open(String),
}

/// Facts a VIN encodes, in the words listings use; each may be absent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Decoded {
    pub vin: String,
    pub decoder: String,
    /// vPIC error codes; `[0]` is clean; see [`errors::words`](crate::errors::words).
    pub errors: Vec<i32>,
    pub check_digit_ok: bool,
    /// What vPIC believes was meant, when one position is wrong.
    pub suggested: Option<String>,
    pub facts: Details,
}

impl Decoded {
    pub fn clean(&self) -> bool {
        self.errors.iter().all(|code| *code == 0)
    }
}

pub struct Decoder {
    db: Db,
    memo: Memo,
}

impl Decoder {
    /// Unpacks the data into `cache` unless it is there already, and verifies it.
    pub fn open(cache: &Path) -> Result<Self, DecoderError> {
        let path = cache.join(format!("vpic-{}.rkyv", &DIGEST[..16]));
        if !intact(&path) {
            unpack(cache, &path)?;
        }
        let db = Db::open(&path).map_err(DecoderError::Open)?;
        let memo = Memo::of(&db);
        Ok(Self { db, memo })
    }

    pub fn version() -> &'static str {
        VERSION
    }

    pub fn decode(&self, vin: &Vin) -> Decoded {
        decoded(self.db.decode(vin.as_str(), None).into())
    }

    /// The same of many: what follows from a descriptor is decoded once in a process.
    pub fn decode_all(&self, vins: &[Vin]) -> Vec<Decoded> {
        vins.iter().map(|vin| self.decode_or_recall(vin)).collect()
    }

    fn decode_or_recall(&self, vin: &Vin) -> Decoded {
        let Some(descriptor) = self.memo.descriptor(vin) else {
            return self.decode(vin);
        };
        if let Some(facts) = self.memo.recall(descriptor) {
            return Decoded {
                vin: vin.as_str().to_owned(),
                decoder: VERSION.to_owned(),
                errors: vec![0],
                check_digit_ok: true,
                suggested: None,
                facts,
            };
        }
        let decoded = self.decode(vin);
        if decoded.errors == [0] {
            self.memo.keep(descriptor, &decoded.facts);
        }
        decoded
    }
}

fn intact(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|meta| meta.len() == UNPACKED_BYTES)
        && fs::read(path).is_ok_and(|bytes| blake3::hash(&bytes).to_hex().as_str() == DIGEST)
}

/// Written aside and renamed, so that a kill leaves either nothing or the whole file.
fn unpack(cache: &Path, path: &Path) -> Result<(), DecoderError> {
    let io = |operation, path: &Path| {
        let path = path.to_owned();
        move |source| DecoderError::Io {
            operation,
            path,
            source,
        }
    };
    fs::create_dir_all(cache).map_err(io("make a folder for", cache))?;
    let mut decoder = zstd::Decoder::new(PACKED).map_err(io("unpack", path))?;
    decoder
        .window_log_max(WINDOW_LOG)
        .map_err(io("unpack", path))?;
    let mut bytes = Vec::with_capacity(usize::try_from(UNPACKED_BYTES).unwrap_or_default());
    decoder
        .take(UNPACKED_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(io("unpack", path))?;
    let found = blake3::hash(&bytes).to_hex();
    if found.as_str() != DIGEST {
        return Err(DecoderError::Digest {
            found: found.to_string(),
        });
    }
    let part = cache.join(format!("vpic-{}.part", std::process::id()));
    let mut file = fs::File::create(&part).map_err(io("write", &part))?;
    file.write_all(&bytes)
        .and_then(|()| file.sync_all())
        .map_err(io("write", &part))?;
    fs::rename(&part, path).map_err(io("keep", path))
}

fn decoded(flat: FlatResult<'_>) -> Decoded {
    let text = |name: &str| {
        flat.attributes
            .iter()
            .find(|(variable, _)| *variable == name)
            .map(|(_, value)| match value {
                ultravin::FlatValue::One(text) => text.trim().to_owned(),
                ultravin::FlatValue::Many(texts) => texts.join("/"),
            })
            .filter(|text| !text.is_empty() && text != "Not Applicable")
    };
    let number = |name: &str| {
        text(name)
            .and_then(|text| text.parse::<f64>().ok())
            .and_then(whole)
    };
    let facts = Details {
        year: flat.model_year.map(i64::from),
        make: text("Make").map(|make| words::make(&make)),
        model: text("Model"),
        trim: text("Trim"),
        body: text("Body Class").and_then(|body| words::body(&body)),
        fuel: words::fuel(
            text("Fuel Type - Primary").as_deref(),
            text("Electrification Level").as_deref(),
        ),
        drivetrain: text("Drive Type").and_then(|drive| words::drivetrain(&drive)),
        transmission: text("Transmission Style").and_then(|style| words::transmission(&style)),
        cylinders: number("Engine Number of Cylinders"),
        displacement_cc: number("Displacement (CC)"),
        doors: number("Doors"),
        ..Details::default()
    };
    let suggested = Some(flat.corrected_vin.clone())
        .filter(|vin| !vin.is_empty() && !vin.contains('!') && *vin != flat.vin);
    Decoded {
        vin: flat.vin,
        decoder: VERSION.to_owned(),
        errors: flat.error_codes,
        check_digit_ok: flat.check_digit_valid,
        suggested,
        facts,
    }
}

#[expect(clippy::cast_possible_truncation, reason = "bounded just before")]
pub(crate) fn whole(value: f64) -> Option<i64> {
    (0.0..1e9).contains(&value).then(|| value.round() as i64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::OnceLock;

    fn decoder() -> &'static Decoder {
        static DECODER: OnceLock<Decoder> = OnceLock::new();
        DECODER.get_or_init(|| {
            Decoder::open(&std::env::temp_dir().join("forecourt-vin-test")).unwrap()
        })
    }

    #[test]
    fn known_vins_decode_to_what_nhtsa_says() {
        let accord = decoder().decode(&Vin::parse("1HGCM82633A004352").unwrap());
        assert!(accord.clean(), "{accord:?}");
        assert_eq!(accord.facts.make.as_deref(), Some("Honda"));
        assert_eq!(accord.facts.model.as_deref(), Some("Accord"));
        assert_eq!(accord.facts.year, Some(2003));
        assert_eq!(accord.facts.cylinders, Some(6));
        let kona = decoder().decode(&Vin::parse("KM8K2CAB4PU001140").unwrap());
        assert_eq!(kona.facts.make.as_deref(), Some("Hyundai"));
        assert_eq!(kona.facts.year, Some(2023));
        assert_eq!(kona.facts.body.as_deref(), Some("SUV"));
    }

    #[test]
    fn a_wrong_check_digit_is_said_and_decoded_all_the_same() {
        let decoded = decoder().decode(&Vin::parse("1HGCM82643A004352").unwrap());
        assert!(!decoded.clean() && !decoded.check_digit_ok);
        assert_eq!(decoded.facts.make.as_deref(), Some("Honda"));
    }

    /// A thousand of any kind, and every behaviour that the data can show, each with serial numbers of our own: from the memo as without it.
    #[test]
    fn what_is_recalled_is_what_would_be_decoded() {
        let (db, now) = (&decoder().db, ultravin::now_micros());
        let any = ultravin::generate::Filter {
            invalid_rate: Some(0.0),
            ..Default::default()
        };
        let mut bases = ultravin::generate::generate(db, 1_000, 7, &any, now, 2026);
        bases.extend(db.cover());
        let mut vins = Vec::new();
        for (n, vin) in bases.iter().enumerate() {
            for serial in ["00001", "54321", "99999"] {
                let Some(start) = vin.get(..12).filter(|_| vin.len() == 17) else {
                    continue;
                };
                let Ok(vin) = Vin::parse(&format!("{start}{serial}")) else {
                    continue;
                };
                let mut sound = vin.as_str().to_owned();
                // Every seventh keeps its wrong check digit.
                if n % 7 != 0 {
                    sound.replace_range(8..9, &vin.expected_check_digit().to_string());
                }
                vins.push(Vin::parse(&sound).unwrap());
            }
        }
        let remembered = decoder().decode_all(&vins);
        let recalled = |vin: &Vin| {
            let descriptor = decoder().memo.descriptor(vin);
            descriptor.is_some_and(|descriptor| decoder().memo.recall(descriptor).is_some())
        };
        assert!(vins.iter().filter(|vin| recalled(vin)).count() > vins.len() / 10);
        for (vin, remembered) in vins.iter().zip(remembered) {
            assert_eq!(decoder().decode(vin), remembered, "{vin}");
        }
    }

    #[test]
    fn a_damaged_cache_is_unpacked_again() {
        let cache =
            std::env::temp_dir().join(format!("forecourt-vin-damaged-{}", std::process::id()));
        fs::create_dir_all(&cache).unwrap();
        fs::write(
            cache.join(format!("vpic-{}.rkyv", &DIGEST[..16])),
            b"not the file",
        )
        .unwrap();
        assert!(Decoder::open(&cache).is_ok());
        fs::remove_dir_all(&cache).unwrap();
    }
}
