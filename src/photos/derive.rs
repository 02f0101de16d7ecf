//! Smaller copies of a photo, for pages that show many: turned upright, without the metadata that cameras write (the place, too).

use crate::decode::{Limits, PhotoError, upright};
use image::codecs::jpeg::JpegEncoder;
use image::imageops::FilterType;

/// Of a JPEG, from 1 to 100: where photos of vehicles still show no blocks.
const QUALITY: u8 = 82;

/// One copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Derived {
    pub width: u32,
    pub jpeg: Vec<u8>,
}

/// JPEGs of these widths in pixels; of one that the photo has not itself, there is none.
pub fn derived(bytes: &[u8], widths: &[u32], limits: Limits) -> Result<Vec<Derived>, PhotoError> {
    let photo = upright(bytes, limits)?;
    let mut copies = Vec::new();
    for width in widths
        .iter()
        .copied()
        .filter(|width| *width < photo.width())
    {
        let (across, down) = (u64::from(photo.width()), u64::from(photo.height()));
        let height = (down * u64::from(width) + across / 2) / across;
        let height = u32::try_from(height.max(1)).unwrap_or(u32::MAX);
        // Twice as wide by averages first: the slow filter then sees few pixels.
        let near = match photo.width() / 2 > width {
            true => &photo.thumbnail_exact(width * 2, height * 2),
            false => &photo,
        };
        let copy = near.resize_exact(width, height, FilterType::Lanczos3);
        let copy = copy.to_rgb8();
        let mut jpeg = Vec::new();
        let encoder = JpegEncoder::new_with_quality(&mut jpeg, QUALITY);
        let written = copy.write_with_encoder(encoder);
        written.map_err(|error| PhotoError::Damaged {
            problem: error.to_string(),
        })?;
        copies.push(Derived { width, jpeg });
    }
    Ok(copies)
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{DynamicImage, ImageFormat, RgbImage};
    use std::io::Cursor;

    fn photo(width: u32, height: u32, format: ImageFormat) -> Vec<u8> {
        let pixels = RgbImage::from_fn(width, height, |x, y| {
            image::Rgb([x, y, 90].map(|c| u8::try_from(c % 256).unwrap_or(0)))
        });
        let mut bytes = Cursor::new(Vec::new());
        DynamicImage::from(pixels)
            .write_to(&mut bytes, format)
            .unwrap();
        bytes.into_inner()
    }

    #[test]
    fn copies_are_narrower_and_as_tall_as_the_photo_asks() {
        for format in [ImageFormat::Jpeg, ImageFormat::Png] {
            let bytes = photo(900, 600, format);
            let copies = derived(&bytes, &[320, 640, 1_024], Limits::DEFAULT).unwrap();
            let sizes: Vec<(u32, u32)> = copies
                .iter()
                .map(|copy| {
                    let read = image::load_from_memory_with_format(&copy.jpeg, ImageFormat::Jpeg);
                    let read = read.unwrap();
                    (read.width(), read.height())
                })
                .collect();
            assert_eq!(sizes, [(320, 213), (640, 427)], "{format:?}");
            assert!(copies[0].jpeg.len() < copies[1].jpeg.len());
        }
    }

    #[test]
    fn what_is_no_photo_has_no_copy() {
        let refused = derived(b"<html>", &[320], Limits::DEFAULT).unwrap_err();
        assert_eq!(refused.rule(), "photo_wrong_magic");
        let bytes = photo(900, 600, ImageFormat::Jpeg);
        let half = &bytes[..bytes.len() / 2];
        assert!(derived(half, &[320], Limits::DEFAULT).is_err());
    }
}
