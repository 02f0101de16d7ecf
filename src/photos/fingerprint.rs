//! The hashes.

use crate::decode::{Format, Limits, Luma, PhotoError, decode};
use crate::resize::resize;
use image::metadata::Orientation;
use std::fmt;
use std::str::FromStr;

/// 64 bits, the first (top left) highest: printed as `imagehash` prints it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Hash(pub u64);

impl Hash {
    /// Bits that differ.
    pub fn distance(self, other: Self) -> u32 {
        (self.0 ^ other.0).count_ones()
    }

    /// Of a dhash: that of the photo flipped left to right, but where neighbours are equal. Each row is read the other way
    /// round, and what was darker than its neighbour is lighter than it.
    pub fn flipped(self) -> Self {
        let rows = self.0.to_be_bytes();
        Self(u64::from_be_bytes(rows.map(|row| !row.reverse_bits())))
    }

    fn of(bits: impl Iterator<Item = bool>) -> Self {
        Self(bits.fold(0, |hash, bit| hash << 1 | u64::from(bit)))
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl FromStr for Hash {
    type Err = std::num::ParseIntError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        u64::from_str_radix(text, 16).map(Self)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fingerprint {
    pub format: Format,
    /// Pixels, as stored.
    pub width: u32,
    pub height: u32,
    pub phash: Hash,
    pub dhash: Hash,
    /// The phash after the EXIF orientation; the same as `phash` when there is none.
    pub upright: Hash,
    /// The phash of the photo flipped left to right.
    pub mirrored: Hash,
}

/// Both hashes of a photo, or why it has none. CPU for its whole length: milliseconds per megapixel.
pub fn fingerprint(bytes: &[u8], limits: Limits) -> Result<Fingerprint, PhotoError> {
    let decoded = decode(bytes, limits)?;
    let luma = &decoded.luma;
    let small = resize(luma, 32, 32);
    let phash = phash(&small);
    Ok(Fingerprint {
        format: decoded.format,
        width: decoded.width,
        height: decoded.height,
        phash,
        dhash: dhash(&resize(luma, 9, 8)),
        upright: match decoded.orientation {
            Orientation::NoTransforms => phash,
            orientation => self::phash(&turned(&small, orientation)),
        },
        mirrored: self::phash(&turned(&small, Orientation::FlipHorizontal)),
    })
}

const SIDE: usize = 32;
const LOW: usize = 8;

/// The signs of the 8 x 8 lowest frequencies against their median, the constant part included.
fn phash(small: &Luma) -> Hash {
    let mut pixels = [[0f64; SIDE]; SIDE];
    for (row, line) in pixels.iter_mut().zip(small.pixels.chunks_exact(SIDE)) {
        for (cell, pixel) in row.iter_mut().zip(line) {
            *cell = f64::from(*pixel);
        }
    }
    let waves = waves();
    // DCT-II down each column, then along each row; only the low frequencies are needed.
    let mut down = [[0f64; SIDE]; LOW];
    for (wave, out) in waves.iter().zip(&mut down) {
        for (column, cell) in out.iter_mut().enumerate() {
            *cell = (0..SIDE).map(|row| wave[row] * pixels[row][column]).sum();
        }
    }
    let mut low = [0f64; LOW * LOW];
    for (place, cell) in low.iter_mut().enumerate() {
        let (row, wave) = (&down[place / LOW], &waves[place % LOW]);
        *cell = row.iter().zip(wave).map(|(pixel, wave)| pixel * wave).sum();
    }
    let mut sorted = low;
    sorted.sort_by(f64::total_cmp);
    let median = f64::midpoint(sorted[LOW * LOW / 2 - 1], sorted[LOW * LOW / 2]);
    Hash::of(low.iter().map(|value| *value > median))
}

/// `2 cos(π k (2n + 1) / 64)`: the first eight basis vectors of the unnormalised DCT-II.
fn waves() -> [[f64; SIDE]; LOW] {
    let angle = std::f64::consts::PI / (2 * SIDE) as f64;
    let mut waves = [[0f64; SIDE]; LOW];
    for (k, wave) in waves.iter_mut().enumerate() {
        for (n, value) in wave.iter_mut().enumerate() {
            *value = 2.0 * (angle * (k * (2 * n + 1)) as f64).cos();
        }
    }
    waves
}

/// Is each pixel brighter than the one before it, row by row.
fn dhash(small: &Luma) -> Hash {
    let rows = small.pixels.chunks_exact(small.width);
    Hash::of(rows.flat_map(|row| row.windows(2).map(|pair| pair[1] > pair[0])))
}

/// A square picture, turned as EXIF says.
fn turned(small: &Luma, orientation: Orientation) -> Luma {
    let side = small.width;
    let last = side - 1;
    let from = |x: usize, y: usize| match orientation {
        Orientation::NoTransforms => (x, y),
        Orientation::FlipHorizontal => (last - x, y),
        Orientation::Rotate180 => (last - x, last - y),
        Orientation::FlipVertical => (x, last - y),
        Orientation::Rotate90 => (y, last - x),
        Orientation::Rotate270 => (last - y, x),
        Orientation::Rotate90FlipH => (y, x),
        Orientation::Rotate270FlipH => (last - y, last - x),
    };
    let pixels = (0..side * side)
        .map(|place| {
            let (x, y) = from(place % side, place / side);
            small.pixels[y * side + x]
        })
        .collect();
    Luma {
        width: side,
        height: side,
        pixels,
    }
}
