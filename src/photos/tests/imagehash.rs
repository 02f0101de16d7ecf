//! Against what Python's `imagehash` says, recorded in the tables beside this file.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use photos::{Hash, Limits, fingerprint};
use std::path::Path;

struct Recorded {
    file: String,
    phash: Hash,
    dhash: Hash,
}

fn table(text: &str) -> Vec<Recorded> {
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| {
            let cells: Vec<&str> = line.split('\t').collect();
            Recorded {
                file: cells[0].to_owned(),
                phash: cells[1].parse().unwrap(),
                dhash: cells[2].parse().unwrap(),
            }
        })
        .collect()
}

/// Bits off, by file: (file, phash, dhash).
fn distances(folder: &Path, table: &[Recorded]) -> Vec<(String, u32, u32)> {
    let mut found: Vec<(String, u32, u32)> = table
        .iter()
        .map(|recorded| {
            let bytes = std::fs::read(folder.join(&recorded.file)).unwrap();
            let ours = fingerprint(&bytes, Limits::DEFAULT).unwrap();
            let phash = ours.phash.distance(recorded.phash);
            let dhash = ours.dhash.distance(recorded.dhash);
            (recorded.file.clone(), phash, dhash)
        })
        .collect();
    found.sort();
    found
}

#[test]
fn photos_of_every_format_hash_as_imagehash_does() {
    let found = distances(Path::new("tests/made"), &table(include_str!("made.tsv")));
    assert_eq!(found.len(), 9);
    for (file, phash, dhash) in &found {
        // Lossless formats leave nothing to a decoder's rounding.
        let allowed = u32::from(file.ends_with(".jpg") || file.ends_with(".webp")) * 2;
        assert!(
            *phash <= allowed && *dhash <= allowed,
            "{file}: {phash} {dhash}"
        );
    }
    let exact = found.iter().filter(|(_, p, d)| p + d == 0).count();
    assert!(exact >= 7, "{found:?}");
}

#[test]
fn real_photos_hash_as_imagehash_does() {
    let folder = Path::new("../../../shared/data/photos");
    if !folder.is_dir() {
        eprintln!("skipped: the photos for local testing are not here");
        return;
    }
    let found = distances(folder, &table(include_str!("shared.tsv")));
    for (file, phash, dhash) in &found {
        eprintln!("{file}: {phash} {dhash}");
        assert!(*phash <= 2, "{file}: phash is {phash} bits off");
        assert!(*dhash <= 2, "{file}: dhash is {dhash} bits off");
    }
}

#[test]
fn a_turned_photo_keeps_its_stored_hash_and_has_an_upright_one() {
    let of = |file: &str| {
        let bytes = std::fs::read(Path::new("tests/made").join(file)).unwrap();
        fingerprint(&bytes, Limits::DEFAULT).unwrap()
    };
    let (base, turned) = (of("base.jpg"), of("turned.jpg"));
    assert_eq!(base.phash, turned.phash);
    assert_eq!(base.upright, base.phash);
    // imagehash over Pillow's exif_transpose and mirror.
    let upright: Hash = "f07b8b18cb433c4e".parse().unwrap();
    let mirrored: Hash = "fd479778262838c6".parse().unwrap();
    assert!(turned.upright.distance(upright) <= 4, "{}", turned.upright);
    assert!(base.mirrored.distance(mirrored) <= 4, "{}", base.mirrored);
}

#[test]
fn a_photo_flipped_left_to_right_is_found_by_both_hashes() {
    for file in ["base.jpg", "progressive.jpg", "odd_444.jpg"] {
        let path = Path::new("tests/made").join(file);
        let bytes = std::fs::read(path).unwrap();
        let print = fingerprint(&bytes, Limits::DEFAULT).unwrap();
        let flipped = image::load_from_memory(&bytes).unwrap().fliph();
        let mut png = std::io::Cursor::new(Vec::new());
        flipped.write_to(&mut png, image::ImageFormat::Png).unwrap();
        let other = fingerprint(png.get_ref(), Limits::DEFAULT).unwrap();
        let phash = other.phash.distance(print.mirrored);
        let dhash = other.dhash.distance(print.dhash.flipped());
        assert!(phash <= 4 && dhash <= 4, "{file}: {phash} {dhash}");
        assert!(
            other.phash.distance(print.phash) > 10,
            "{file} is no mirror image of itself"
        );
    }
}
