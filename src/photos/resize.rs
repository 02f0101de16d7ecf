//! Pillow's Lanczos, exactly: two passes of fixed-point filters with a rounded byte in between. A
//! hash is the sign of small differences, so almost the same picture is not enough.
//!
//! After Pillow's `Resample.c` (`precompute_coeffs`, `normalize_coeffs_8bpc`): filters reach three
//! source pixels times the scale, weights are kept with 22 bits.

use crate::decode::Luma;
use std::f64::consts::PI;

const BITS: u32 = 22;
const REACH: f64 = 3.0;

/// The source pixels one target pixel is made of, from `first` on.
struct Tap {
    first: usize,
    weights: Vec<i32>,
}

fn lanczos(x: f64) -> f64 {
    let sinc = |x: f64| {
        if x == 0.0 {
            1.0
        } else {
            (x * PI).sin() / (x * PI)
        }
    };
    if (-REACH..REACH).contains(&x) {
        sinc(x) * sinc(x / REACH)
    } else {
        0.0
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "places within a photo's side"
)]
fn taps(from: usize, to: usize) -> Vec<Tap> {
    let scale = from as f64 / to as f64;
    let filter_scale = scale.max(1.0);
    let support = REACH * filter_scale;
    (0..to)
        .map(|place| {
            let center = (place as f64 + 0.5) * scale;
            let first = (center - support + 0.5).max(0.0) as usize;
            let end = ((center + support + 0.5) as usize).min(from);
            let exact: Vec<f64> = (first..end)
                .map(|source| lanczos((source as f64 - center + 0.5) / filter_scale))
                .collect();
            let sum: f64 = exact.iter().sum();
            let weights = exact
                .iter()
                .map(|weight| {
                    let scaled = weight / sum * f64::from(1u32 << BITS);
                    (if scaled < 0.0 {
                        scaled - 0.5
                    } else {
                        scaled + 0.5
                    }) as i32
                })
                .collect();
            Tap { first, weights }
        })
        .collect()
}

/// Weights add up to one and reach below zero by less than a half of that: a sum has room in 32 bits, as in Pillow.
fn byte(sum: i32) -> u8 {
    let rounded = (sum + (1 << (BITS - 1))) >> BITS;
    u8::try_from(rounded.max(0)).unwrap_or(u8::MAX)
}

/// Across first, then down; a side that has its size already is left alone, as Pillow does.
pub(crate) fn resize(luma: &Luma, width: usize, height: usize) -> Luma {
    let across = if luma.width == width {
        luma.pixels.clone()
    } else {
        let taps = taps(luma.width, width);
        let mut pixels = Vec::with_capacity(width * luma.height);
        for row in luma.pixels.chunks_exact(luma.width) {
            for tap in &taps {
                let source = &row[tap.first..tap.first + tap.weights.len()];
                let sum = source.iter().zip(&tap.weights);
                pixels.push(byte(sum.map(|(p, w)| i32::from(*p) * w).sum()));
            }
        }
        pixels
    };
    if luma.height == height {
        return Luma {
            width,
            height,
            pixels: across,
        };
    }
    let mut pixels = Vec::with_capacity(width * height);
    for tap in taps(luma.height, height) {
        for column in 0..width {
            let sum = tap.weights.iter().enumerate();
            let sum = sum.map(|(n, w)| i32::from(across[(tap.first + n) * width + column]) * w);
            pixels.push(byte(sum.sum()));
        }
    }
    Luma {
        width,
        height,
        pixels,
    }
}
