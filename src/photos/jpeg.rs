//! The skeleton of a JPEG (ITU-T T.81, annex B), walked before any of it is decoded: size, scans, and
//! whether it ends. Decoders fill what is missing with grey and say nothing.

mod bits;
mod eighth;
mod huffman;

pub(crate) use eighth::eighth;

use crate::decode::{Limits, PhotoError};
use image::metadata::Orientation;

const SOI: u8 = 0xd8;
const EOI: u8 = 0xd9;
const SOS: u8 = 0xda;
const DQT: u8 = 0xdb;
const DHT: u8 = 0xc4;
const DRI: u8 = 0xdd;
const APP1: u8 = 0xe1;
const APP14: u8 = 0xee;
/// Stand alone, without a length.
const RST: std::ops::RangeInclusive<u8> = 0xd0..=0xd7;
/// Start of frame, all codings but DHT (c4), JPG (c8) and DAC (cc).
const SOF: [u8; 13] = [
    0xc0, 0xc1, 0xc2, 0xc3, 0xc5, 0xc6, 0xc7, 0xc9, 0xca, 0xcb, 0xcd, 0xce, 0xcf,
];
/// Of those, the ones whose codes are of whole bits.
const HUFFMAN: [u8; 3] = [0xc0, 0xc1, 0xc2];
/// A photo with more segments than this is made to cost, not to be seen; an ICC profile has at most 255.
const MOST_SEGMENTS: usize = 4_096;

/// One marker segment; behind a start of scan come its entropy-coded data, restart markers included.
pub(crate) struct Segment<'a> {
    marker: u8,
    body: &'a [u8],
    data: &'a [u8],
}

/// The segments up to the end of the image, judged by the limits.
pub(crate) fn skeleton(bytes: &[u8], limits: Limits) -> Result<Vec<Segment<'_>>, PhotoError> {
    let cut = |what: &str| PhotoError::Truncated {
        what: what.to_owned(),
    };
    let mut segments = Vec::new();
    let (mut at, mut scans, mut sized) = (2, 0, false);
    let (mut blocks, mut bits) = (0, 0);
    loop {
        let marker =
            next_marker(bytes, &mut at).ok_or_else(|| cut("it has no end-of-image marker"))?;
        if marker == EOI {
            break;
        }
        if marker == SOI || RST.contains(&marker) {
            continue;
        }
        let length = match bytes.get(at..at + 2) {
            Some(&[high, low]) => usize::from(u16::from_be_bytes([high, low])),
            _ => return Err(cut("it ends inside a segment")),
        };
        let body = bytes
            .get(at + 2..at + length.max(2))
            .ok_or_else(|| cut("it ends inside a segment"))?;
        at += length.max(2);
        if SOF.contains(&marker)
            && let &[_, h1, h2, w1, w2, ..] = body
        {
            within(
                u16::from_be_bytes([w1, w2]),
                u16::from_be_bytes([h1, h2]),
                limits,
            )?;
            sized = true;
            if HUFFMAN.contains(&marker) {
                blocks = usize::from(u16::from_be_bytes([h1, h2])).div_ceil(8)
                    * usize::from(u16::from_be_bytes([w1, w2])).div_ceil(8);
            }
        }
        let mut data: &[u8] = &[];
        if marker == SOS {
            scans += 1;
            if scans > limits.scans {
                return Err(PhotoError::TooManyScans {
                    scans,
                    limit: limits.scans,
                });
            }
            let end = scan_end(bytes, at);
            data = &bytes[at..end];
            bits += data.len() * 8;
            at = end;
        }
        if segments.len() == MOST_SEGMENTS {
            return Err(PhotoError::Damaged {
                problem: format!("it has more than {MOST_SEGMENTS} segments"),
            });
        }
        segments.push(Segment { marker, body, data });
    }
    if scans == 0 || !sized {
        return Err(PhotoError::Damaged {
            problem: "it has no picture in it".to_owned(),
        });
    }
    if bits < blocks {
        return Err(cut(&format!(
            "its data have {bits} bits, and each of its {blocks} blocks takes one or more"
        )));
    }
    Ok(segments)
}

fn within(width: u16, height: u16, limits: Limits) -> Result<(), PhotoError> {
    let (width, height) = (u32::from(width), u32::from(height));
    if u64::from(width) * u64::from(height) > limits.pixels {
        return Err(PhotoError::TooManyPixels {
            width,
            height,
            limit: limits.pixels,
        });
    }
    Ok(())
}

/// The next marker at or behind `at`, which then stands behind it. What is no marker is passed over.
fn next_marker(bytes: &[u8], at: &mut usize) -> Option<u8> {
    loop {
        let place = *at + memchr::memchr(0xff, bytes.get(*at..)?)?;
        let mut next = place;
        while *bytes.get(next)? == 0xff {
            next += 1;
        }
        *at = next + 1;
        // A stuffed zero is no marker.
        if bytes[next] != 0 {
            return Some(bytes[next]);
        }
    }
}

/// Where a scan's data end: at the next marker that is no restart.
fn scan_end(bytes: &[u8], mut at: usize) -> usize {
    while let Some(place) = bytes.get(at..).and_then(|rest| memchr::memchr(0xff, rest)) {
        at += place;
        match bytes.get(at + 1) {
            Some(0xff) => at += 1,
            Some(next) if *next == 0 || RST.contains(next) => at += 2,
            Some(_) => return at,
            None => break,
        }
    }
    bytes.len()
}

/// How the photo is to be turned, as its first EXIF segment says.
pub(crate) fn orientation(segments: &[Segment<'_>]) -> Orientation {
    let mut exif = segments.iter().filter(|segment| segment.marker == APP1);
    exif.find_map(|segment| segment.body.strip_prefix(b"Exif\0\0"))
        .and_then(Orientation::from_exif_chunk)
        .unwrap_or(Orientation::NoTransforms)
}

#[cfg(test)]
mod tests {
    use super::{eighth, skeleton};
    use crate::decode::Limits;
    use std::path::Path;

    /// Fowler, Noll and Vo's hash, the form 1a.
    fn fnv(bytes: &[u8]) -> u64 {
        bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
        })
    }

    /// Photos that were looked at.
    fn as_recorded(folder: &Path, table: &str) -> usize {
        let mut seen = 0;
        for line in table.lines().filter(|line| !line.starts_with('#')) {
            let cells: Vec<&str> = line.split('\t').collect();
            let [file, width, height, pixels] = cells[..] else {
                panic!("{line}");
            };
            let bytes = std::fs::read(folder.join(file)).unwrap();
            let segments = skeleton(&bytes, Limits::DEFAULT).unwrap();
            let found = match eighth(&segments) {
                Some(luma) => format!("{} {} {:016x}", luma.width, luma.height, fnv(&luma.pixels)),
                None => "declined".to_owned(),
            };
            let recorded = match pixels {
                "-" => "declined".to_owned(),
                _ => format!("{width} {height} {pixels}"),
            };
            assert_eq!(found, recorded, "{file}");
            seen += 1;
        }
        seen
    }

    #[test]
    fn every_kind_of_photo_at_an_eighth_is_libjpegs_to_the_bit() {
        let table = include_str!("tests/eighth/made.tsv");
        assert_eq!(as_recorded(Path::new("tests/eighth"), table), 17);
    }

    #[test]
    fn real_photos_at_an_eighth_are_libjpegs_to_the_bit() {
        let folder = Path::new("../../../shared/data/photos");
        if !folder.is_dir() {
            eprintln!("skipped: the photos for local testing are not here");
            return;
        }
        let table = include_str!("tests/eighth/shared.tsv");
        assert!(as_recorded(folder, table) > 30);
    }

    /// Where a photo's data end early, the whole decoder is asked; nothing is made up.
    #[test]
    fn a_photo_whose_data_end_early_is_declined() {
        for file in ["420.jpg", "progressive.jpg", "refined.jpg", "restarts.jpg"] {
            let mut bytes = std::fs::read(Path::new("tests/eighth").join(file)).unwrap();
            assert!(eighth(&skeleton(&bytes, Limits::DEFAULT).unwrap()).is_some());
            let scan = bytes
                .windows(2)
                .position(|pair| pair == [0xff, 0xda])
                .unwrap();
            bytes.truncate(scan + 200);
            bytes.extend([0xff, 0xd9]);
            let cut = eighth(&skeleton(&bytes, Limits::DEFAULT).unwrap());
            assert_eq!(cut, None, "{file}");
        }
    }
}
