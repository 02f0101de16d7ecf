//! The skeleton of a JPEG (ITU-T T.81, annex B), walked before any of it is decoded: size, scans, and
//! whether it ends. Decoders fill what is missing with grey and say nothing.

use crate::decode::{Limits, PhotoError};

const SOI: u8 = 0xd8;
const EOI: u8 = 0xd9;
const SOS: u8 = 0xda;
/// Stand alone, without a length.
const RST: std::ops::RangeInclusive<u8> = 0xd0..=0xd7;
/// Start of frame, all codings but DHT (c4), JPG (c8) and DAC (cc).
const SOF: [u8; 13] = [
    0xc0, 0xc1, 0xc2, 0xc3, 0xc5, 0xc6, 0xc7, 0xc9, 0xca, 0xcb, 0xcd, 0xce, 0xcf,
];

pub(crate) fn check(bytes: &[u8], limits: Limits) -> Result<(), PhotoError> {
    let cut = |what: &str| PhotoError::Truncated {
        what: what.to_owned(),
    };
    let (mut at, mut scans, mut sized) = (2, 0, false);
    loop {
        let marker = next_marker(bytes, &mut at, scans > 0)
            .ok_or_else(|| cut("it has no end-of-image marker"))?;
        match marker {
            EOI => break,
            SOI => continue,
            _ if RST.contains(&marker) => continue,
            _ => {}
        }
        let length = match bytes.get(at..at + 2) {
            Some(&[high, low]) => usize::from(u16::from_be_bytes([high, low])),
            _ => return Err(cut("it ends inside a segment")),
        };
        let body = bytes
            .get(at + 2..at + length.max(2))
            .ok_or_else(|| cut("it ends inside a segment"))?;
        if SOF.contains(&marker)
            && let &[_, h1, h2, w1, w2, ..] = body
        {
            let (width, height) = (u16::from_be_bytes([w1, w2]), u16::from_be_bytes([h1, h2]));
            let (width, height) = (u32::from(width), u32::from(height));
            if u64::from(width) * u64::from(height) > limits.pixels {
                return Err(PhotoError::TooManyPixels {
                    width,
                    height,
                    limit: limits.pixels,
                });
            }
            sized = true;
        }
        if marker == SOS {
            scans += 1;
            if scans > limits.scans {
                return Err(PhotoError::TooManyScans {
                    scans,
                    limit: limits.scans,
                });
            }
        }
        at += length.max(2);
    }
    if scans == 0 || !sized {
        return Err(PhotoError::Damaged {
            problem: "it has no picture in it".to_owned(),
        });
    }
    Ok(())
}

/// The next marker at or behind `at`, which then stands behind it. Between scans entropy-coded data
/// is passed over; a stuffed zero is no marker.
fn next_marker(bytes: &[u8], at: &mut usize, inside: bool) -> Option<u8> {
    loop {
        let place = match inside {
            true => *at + bytes.get(*at..)?.iter().position(|byte| *byte == 0xff)?,
            false => *at,
        };
        let mut next = place;
        while *bytes.get(next)? == 0xff {
            next += 1;
        }
        let marker = bytes[next];
        *at = next + 1;
        if next > place && marker != 0 {
            return Some(marker);
        }
        if !inside {
            // Not at a marker where one must be: let the search find the next.
            *at = place + 1;
            *at += bytes.get(*at..)?.iter().position(|byte| *byte == 0xff)?;
        }
    }
}
