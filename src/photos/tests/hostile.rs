//! Photos that are none, too much, or cut: refused by name, and never a panic.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use photos::{Limits, PhotoError, fingerprint};
use proptest::prelude::*;
use std::path::Path;

fn made(file: &str) -> Vec<u8> {
    let folder = Path::new("tests/made");
    std::fs::read(folder.join(file)).unwrap()
}

fn refused(bytes: &[u8]) -> PhotoError {
    fingerprint(bytes, Limits::DEFAULT).unwrap_err()
}

/// A PNG whose header promises so many pixels; its checksum is true.
/// Red, green and blue of so many bits.
fn bomb(width: u32, height: u32, depth: u8) -> Vec<u8> {
    let mut header = b"IHDR".to_vec();
    header.extend(width.to_be_bytes());
    header.extend(height.to_be_bytes());
    header.extend([depth, 2, 0, 0, 0]);
    let mut png = b"\x89PNG\r\n\x1a\n\0\0\0\x0d".to_vec();
    png.extend(&header);
    png.extend(crc(&header).to_be_bytes());
    // An empty data chunk: the header is what is judged.
    png.extend(b"\0\0\0\0IDAT\x35\xaf\x06\x1e");
    png
}

/// CRC-32 of a PNG chunk (ISO 3309).
fn crc(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            crc >> 1 ^ (0xedb8_8320 & (crc & 1).wrapping_neg())
        })
    })
}

#[test]
fn a_photo_bomb_is_refused_by_its_header() {
    let error = refused(&bomb(60_000, 60_000, 8));
    assert_eq!(error.rule(), "photo_too_many_pixels", "{error}");
    assert!(error.to_string().contains("60000 x 60000"));

    // Few pixels in all, but a side whose scaling alone would cost gigabytes.
    for (width, height) in [(100_000_000, 1), (1, 100_000_000)] {
        assert_eq!(
            refused(&bomb(width, height, 8)).rule(),
            "photo_too_many_pixels"
        );
    }

    // Two bytes a channel are twice the memory.
    assert_ne!(
        refused(&bomb(8_000, 8_000, 8)).rule(),
        "photo_too_many_pixels"
    );
    let wide = refused(&bomb(8_000, 8_000, 16));
    assert!(wide.to_string().contains("may have 50000000"), "{wide}");

    let mut jpeg = made("base.jpg");
    let frame = jpeg
        .windows(2)
        .position(|pair| pair == [0xff, 0xc0])
        .unwrap();
    jpeg[frame + 5..frame + 9].copy_from_slice(&[0xff, 0xff, 0xff, 0xff]);
    assert_eq!(refused(&jpeg).rule(), "photo_too_many_pixels");

    let small = Limits {
        bytes: 1_000,
        ..Limits::DEFAULT
    };
    let error = fingerprint(&made("base.jpg"), small).unwrap_err();
    assert_eq!(error.rule(), "photo_too_large");
}

/// A few kilobytes that promise ninety megapixels would cost seconds of grey.
#[test]
fn a_photo_that_promises_more_than_its_data_hold_is_refused() {
    let mut jpeg = made("base.jpg");
    let frame = jpeg
        .windows(2)
        .position(|pair| pair == [0xff, 0xc0])
        .unwrap();
    // 9,500 pixels a side.
    jpeg[frame + 5..frame + 9].copy_from_slice(&[0x25, 0x1c, 0x25, 0x1c]);
    let error = refused(&jpeg);
    assert_eq!(error.rule(), "photo_truncated", "{error}");
    assert!(error.to_string().contains("blocks"), "{error}");
}

#[test]
fn a_progressive_photo_of_endless_scans_is_refused() {
    let few = Limits {
        scans: 3,
        ..Limits::DEFAULT
    };
    assert!(fingerprint(&made("progressive.jpg"), Limits::DEFAULT).is_ok());
    let error = fingerprint(&made("progressive.jpg"), few).unwrap_err();
    assert_eq!(error.rule(), "photo_too_many_scans");
}

#[test]
fn a_truncated_photo_says_so() {
    for file in ["base.jpg", "progressive.jpg", "small.png", "palette.gif"] {
        let whole = made(file);
        let error = refused(&whole[..whole.len() * 2 / 3]);
        let rule = error.rule();
        assert!(
            ["photo_truncated", "photo_damaged"].contains(&rule),
            "{file}: {error}"
        );
    }
    let whole = made("base.jpg");
    for cut in [5, 30, 200, whole.len() - 1] {
        let error = refused(&whole[..cut]);
        assert_eq!(error.rule(), "photo_truncated", "{cut}: {error}");
    }
}

#[test]
fn what_is_no_photo_is_named() {
    for (bytes, found) in [
        (&b"<!DOCTYPE html><html>404"[..], "a web page or XML"),
        (b"{\"error\":\"gone\"}", "JSON"),
        (b"%PDF-1.7", "a PDF"),
        (b"", "empty"),
        (b"hello there", "something else"),
    ] {
        assert_eq!(refused(bytes), PhotoError::WrongMagic { found });
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    /// Any damage to a real photo: an answer or a refusal.
    #[test]
    fn damaged_photos_are_survived(
        file in prop::sample::select(vec!["base.jpg", "odd_444.jpg", "progressive.jpg", "gray.jpg", "small.png", "lossy.webp", "palette.gif",
            "../eighth/restarts.jpg", "../eighth/refined.jpg", "../eighth/411.jpg", "../eighth/apart.jpg", "../eighth/arithmetic.jpg"]),
        holes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12),
        keep in 0.05f64..1.0,
        side_of_an_eighth in prop::sample::select(vec![1, 96]),
    ) {
        let mut bytes = made(file);
        for (place, byte) in holes {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "a share of a length")]
        bytes.truncate((bytes.len() as f64 * keep) as usize);
        let limits = Limits { pixels: 4_000_000, side_of_an_eighth, ..Limits::DEFAULT };
        let _ = fingerprint(&bytes, limits);
    }
}
