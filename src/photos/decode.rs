//! Photo bytes to luma, refused before decoding when they are too much or not a photo.

use crate::jpeg;
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader};
use std::io::Cursor;

/// What a photo may be. A photo past a limit is refused by its header, before memory is spent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    pub bytes: usize,
    pub pixels: u64,
    /// Of either side: a picture one pixel wide costs as much to scale as a square one is large.
    pub side: u32,
    /// Of a progressive JPEG; each scan costs a pass over the whole photo.
    pub scans: usize,
    /// No limit, but the measure of how closely to look: a JPEG is read at an eighth of its size when its shorter side
    /// then still has so many pixels.
    pub side_of_an_eighth: u32,
}

impl Limits {
    pub const DEFAULT: Self = Self {
        bytes: 64 * 1024 * 1024,
        pixels: 100_000_000,
        side: 65_535,
        scans: 20,
        // Three for each pixel that the hashes are made of.
        side_of_an_eighth: 96,
    };
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Jpeg,
    Png,
    WebP,
    Gif,
}

impl Format {
    /// By the first bytes; names and content types are only claims.
    pub fn of(bytes: &[u8]) -> Option<Self> {
        match bytes {
            [0xff, 0xd8, 0xff, ..] => Some(Self::Jpeg),
            [0x89, b'P', b'N', b'G', 0x0d, 0x0a, 0x1a, 0x0a, ..] => Some(Self::Png),
            [
                b'R',
                b'I',
                b'F',
                b'F',
                _,
                _,
                _,
                _,
                b'W',
                b'E',
                b'B',
                b'P',
                ..,
            ] => Some(Self::WebP),
            [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Some(Self::Gif),
            _ => None,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Jpeg => "jpeg",
            Self::Png => "png",
            Self::WebP => "webp",
            Self::Gif => "gif",
        }
    }

    fn of_image(self) -> ImageFormat {
        match self {
            Self::Jpeg => ImageFormat::Jpeg,
            Self::Png => ImageFormat::Png,
            Self::WebP => ImageFormat::WebP,
            Self::Gif => ImageFormat::Gif,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PhotoError {
    #[error("{bytes} bytes, a photo may have {limit}")]
    TooLarge { bytes: usize, limit: usize },
    #[error("{width} x {height} pixels, a photo may have {limit}, and 65535 a side")]
    TooManyPixels { width: u32, height: u32, limit: u64 },
    #[error("{scans} scans, a photo may have {limit}")]
    TooManyScans { scans: usize, limit: usize },
    #[error("the bytes are {found}, not a JPEG, PNG, WebP or GIF photo")]
    WrongMagic { found: &'static str },
    #[error("the photo is cut off: {what}")]
    Truncated { what: String },
    #[error("the photo cannot be decoded: {problem}")]
    Damaged { problem: String },
}

impl PhotoError {
    /// The rule's stable name.
    pub fn rule(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "photo_too_large",
            Self::TooManyPixels { .. } => "photo_too_many_pixels",
            Self::TooManyScans { .. } => "photo_too_many_scans",
            Self::WrongMagic { .. } => "photo_wrong_magic",
            Self::Truncated { .. } => "photo_truncated",
            Self::Damaged { .. } => "photo_damaged",
        }
    }
}

/// Red, green, blue and alpha.
const BYTES_OF_A_PIXEL: u64 = 4;

/// One byte a pixel, row by row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Luma {
    pub(crate) width: usize,
    pub(crate) height: usize,
    pub(crate) pixels: Vec<u8>,
}

pub(crate) struct Decoded {
    pub(crate) format: Format,
    /// Pixels, as stored; `luma` may have fewer.
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) luma: Luma,
    pub(crate) orientation: Orientation,
}

/// A photo that is judged, and not decoded yet.
struct Judged<'a> {
    format: Format,
    segments: Option<Vec<jpeg::Segment<'a>>>,
    decoder: Box<dyn ImageDecoder + 'a>,
    width: u32,
    height: u32,
    orientation: Orientation,
}

pub(crate) fn decode(bytes: &[u8], limits: Limits) -> Result<Decoded, PhotoError> {
    let photo = judged(bytes, limits)?;
    let (width, height) = (photo.width, photo.height);
    let at_an_eighth = photo
        .segments
        .filter(|_| width.min(height) / 8 >= limits.side_of_an_eighth.max(1))
        .and_then(|segments| jpeg::eighth(&segments));
    let luma = match at_an_eighth {
        Some(luma) => luma,
        None => luma(&DynamicImage::from_decoder(photo.decoder).map_err(damaged)?),
    };
    Ok(Decoded {
        format: photo.format,
        width,
        height,
        luma,
        orientation: photo.orientation,
    })
}

/// All of it, in colour, as it is meant to be seen.
pub(crate) fn upright(bytes: &[u8], limits: Limits) -> Result<DynamicImage, PhotoError> {
    let photo = judged(bytes, limits)?;
    let mut image = DynamicImage::from_decoder(photo.decoder).map_err(damaged)?;
    image.apply_orientation(photo.orientation);
    Ok(image)
}

fn judged(bytes: &[u8], limits: Limits) -> Result<Judged<'_>, PhotoError> {
    if bytes.len() > limits.bytes {
        return Err(PhotoError::TooLarge {
            bytes: bytes.len(),
            limit: limits.bytes,
        });
    }
    let format = Format::of(bytes).ok_or_else(|| PhotoError::WrongMagic {
        found: described(bytes),
    })?;
    let segments = match format {
        Format::Jpeg => Some(jpeg::skeleton(bytes, limits)?),
        _ => None,
    };
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format.of_image());
    // The size is judged below, with words of our own; this bounds what a decoder may allocate.
    let mut allowed = image::Limits::default();
    allowed.max_alloc = Some(limits.pixels.saturating_mul(2 * BYTES_OF_A_PIXEL));
    reader.limits(allowed);
    let mut decoder = reader.into_decoder().map_err(damaged)?;
    let (width, height) = decoder.dimensions();
    // A pixel of two bytes a channel counts for two.
    let wide = u64::from(decoder.color_type().bytes_per_pixel()) > BYTES_OF_A_PIXEL;
    let limit = if wide {
        limits.pixels / 2
    } else {
        limits.pixels
    };
    if width.max(height) > limits.side || u64::from(width) * u64::from(height) > limit {
        return Err(PhotoError::TooManyPixels {
            width,
            height,
            limit,
        });
    }
    let orientation = match &segments {
        Some(segments) => jpeg::orientation(segments),
        None => decoder.orientation().unwrap_or(Orientation::NoTransforms),
    };
    Ok(Judged {
        format,
        segments,
        decoder: Box::new(decoder),
        width,
        height,
        orientation,
    })
}

fn damaged(error: image::ImageError) -> PhotoError {
    let problem = error.to_string();
    let cut = match &error {
        image::ImageError::IoError(error) => error.kind() == std::io::ErrorKind::UnexpectedEof,
        _ => problem.contains("unexpected end") || problem.contains("Unexpected EOF"),
    };
    if cut {
        PhotoError::Truncated { what: problem }
    } else {
        PhotoError::Damaged { problem }
    }
}

/// As Pillow's `convert("L")`: ITU-R 601 luma in 16-bit fixed point, rounded; alpha is dropped.
fn luma(image: &DynamicImage) -> Luma {
    let (width, height) = (image.width() as usize, image.height() as usize);
    let pixels = match image {
        DynamicImage::ImageLuma8(gray) => gray.as_raw().clone(),
        DynamicImage::ImageLumaA8(gray) => gray.pixels().map(|pixel| pixel.0[0]).collect(),
        DynamicImage::ImageRgb8(rgb) => rgb.pixels().map(|pixel| gray(pixel.0)).collect(),
        DynamicImage::ImageRgba8(rgba) => {
            let opaque = |pixel: &image::Rgba<u8>| gray([pixel.0[0], pixel.0[1], pixel.0[2]]);
            rgba.pixels().map(opaque).collect()
        }
        // Two bytes a channel: not as a whole, that would be a picture more in memory.
        DynamicImage::ImageLuma16(wide) => wide.pixels().map(|pixel| narrow(pixel.0[0])).collect(),
        DynamicImage::ImageLumaA16(wide) => wide.pixels().map(|pixel| narrow(pixel.0[0])).collect(),
        DynamicImage::ImageRgb16(wide) => wide
            .pixels()
            .map(|pixel| gray(pixel.0.map(narrow)))
            .collect(),
        DynamicImage::ImageRgba16(wide) => wide
            .pixels()
            .map(|pixel| gray([pixel.0[0], pixel.0[1], pixel.0[2]].map(narrow)))
            .collect(),
        other => other
            .to_rgba8()
            .pixels()
            .map(|pixel| gray([pixel.0[0], pixel.0[1], pixel.0[2]]))
            .collect(),
    };
    Luma {
        width,
        height,
        pixels,
    }
}

/// To the nearest.
#[expect(clippy::cast_possible_truncation, reason = "65535 becomes 255")]
fn narrow(channel: u16) -> u8 {
    ((u32::from(channel) + 128) / 257) as u8
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "the weights add up to 2^16"
)]
fn gray([r, g, b]: [u8; 3]) -> u8 {
    ((u32::from(r) * 19_595 + u32::from(g) * 38_470 + u32::from(b) * 7_471 + 0x8000) >> 16) as u8
}

/// What people send in place of photos.
fn described(bytes: &[u8]) -> &'static str {
    let start = bytes
        .iter()
        .position(|byte| !byte.is_ascii_whitespace())
        .unwrap_or(bytes.len());
    match &bytes[start..] {
        [] => "empty",
        [b'<', ..] => "a web page or XML",
        [b'{' | b'[', ..] => "JSON",
        [b'%', b'P', b'D', b'F', ..] => "a PDF",
        [b'P', b'K', 3, 4, ..] => "a zip archive",
        [b'B', b'M', ..] => "a BMP",
        [_, _, _, _, b'f', b't', b'y', b'p', ..] => "HEIC, AVIF or a film",
        _ => "something else",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{ImageBuffer, LumaA, Pixel, Rgb, Rgba};

    /// Every sixteen bits there are, and more than one a channel.
    fn wide<P: Pixel<Subpixel = u16>>(of: impl Fn(u16) -> P) -> ImageBuffer<P, Vec<u16>> {
        ImageBuffer::from_fn(256, 256, |x, y| {
            of(u16::try_from(y * 256 + x).unwrap_or(u16::MAX))
        })
    }

    #[test]
    fn two_bytes_a_channel_become_what_the_library_makes_of_them() {
        for image in [
            DynamicImage::ImageLuma16(wide(|v| image::Luma([v]))),
            DynamicImage::ImageLumaA16(wide(|v| LumaA([v, 7]))),
            DynamicImage::ImageRgb16(wide(|v| Rgb([v, v.rotate_left(5), !v]))),
            DynamicImage::ImageRgba16(wide(|v| Rgba([v, v.rotate_left(5), !v, 9]))),
        ] {
            let narrow = DynamicImage::ImageRgba8(image.to_rgba8());
            assert_eq!(luma(&image), luma(&narrow), "{:?}", image.color());
        }
    }
}
