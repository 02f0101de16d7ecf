//! The photo host: pictures painted from their path, and every way a real host misbehaves.
//!
//! - `/{folder}/{name}.jpg`: a picture of its own; the same path always has the same bytes;
//! - `/stock/{name}.jpg`: the same, wherever it is used (dealers share stock photos);
//! - `/small/{folder}/{name}.jpg`: the picture of `/{folder}/{name}.jpg`, coded harder (a near duplicate);
//! - `/flipped/{folder}/{name}.jpg`: the same picture, turned left to right;
//! - `/coming-soon.jpg`: the placeholder;
//! - `/missing/…`: 404; `/busy/…`: 503; `/page/…`: a web page that claims to be a JPEG; `/cut/…`: a JPEG cut off;
//!   `/bomb/…`: a PNG of 60,000 x 60,000; `/inside/…`: a redirect to a private address; `/round/…`: a redirect to itself;
//!   `/moved/{rest}`: a redirect to `/{rest}`;
//! - `/files/{name}`: what [`Sandbox::serve`](super::Sandbox::serve) put there, as web servers give out files.
//!
//! A picture's `ETag` is its digest: who asks with it has it already.

use super::{Asked, Reply, failed, held, reply};
use hyper::StatusCode;
use hyper::header::{
    AUTHORIZATION, ETAG, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED, LOCATION,
};
use image::codecs::jpeg::JpegEncoder;
use std::collections::HashMap;
use std::sync::Mutex;

/// A file that is given out.
#[derive(Clone, Debug, Default)]
pub struct Served {
    pub bytes: Vec<u8>,
    /// As HTTP writes dates; who asks with it has the file already.
    pub modified: String,
    /// What a request must bring in `Authorization`; nothing when blank.
    pub authorization: String,
}

#[derive(Debug, Default)]
pub(super) struct Files(Mutex<HashMap<String, Served>>);

impl Files {
    pub(super) fn put(&self, name: &str, file: Served) {
        held(&self.0).insert(name.to_owned(), file);
    }

    fn give(&self, name: &str, asked: &Asked) -> Reply {
        let files = held(&self.0);
        let Some(file) = files.get(name) else {
            return reply(StatusCode::NOT_FOUND, "text/plain", "no such file");
        };
        if !file.authorization.is_empty() && asked.header(AUTHORIZATION) != file.authorization {
            return reply(StatusCode::UNAUTHORIZED, "text/plain", "who are you?");
        }
        let had = !file.modified.is_empty() && asked.header(IF_MODIFIED_SINCE) == file.modified;
        let mut response = match had {
            true => reply(StatusCode::NOT_MODIFIED, "text/csv", ""),
            false => reply(StatusCode::OK, "text/csv", file.bytes.clone()),
        };
        if let Ok(modified) = file.modified.parse() {
            response.headers_mut().insert(LAST_MODIFIED, modified);
        }
        response
    }
}

const WIDTH: u32 = 240;
const HEIGHT: u32 = 180;
const QUALITY: u8 = 85;
const QUALITY_OF_COPIES: u8 = 60;

/// The bytes of the picture that says a photo is coming.
pub(super) fn placeholder() -> Vec<u8> {
    let image = image::RgbImage::from_fn(WIDTH, HEIGHT, |x, y| {
        let word = (70..110).contains(&y) && x / 20 % 2 == 0;
        image::Rgb(if word { [90; 3] } else { [225; 3] })
    });
    jpeg(&image, QUALITY)
}

pub(super) fn answer(asked: &Asked, files: &Files) -> Reply {
    let path = asked.path.as_str();
    if let Some(name) = path.strip_prefix("/files/") {
        return files.give(name, asked);
    }
    let photo = |bytes: Vec<u8>| {
        let tag = format!("\"{:016x}\"", fnv(&bytes));
        let mut response = match asked.header(IF_NONE_MATCH) == tag {
            true => reply(StatusCode::NOT_MODIFIED, "image/jpeg", ""),
            false => reply(StatusCode::OK, "image/jpeg", bytes),
        };
        if let Ok(tag) = tag.parse() {
            response.headers_mut().insert(ETAG, tag);
        }
        response
    };
    let (folder, rest) = path
        .trim_start_matches('/')
        .split_once('/')
        .unwrap_or(("", path));
    match folder {
        "missing" => failed(StatusCode::NOT_FOUND),
        "busy" => failed(StatusCode::SERVICE_UNAVAILABLE),
        "page" => {
            photo(b"<!DOCTYPE html><html><body>Log in to see this photo</body></html>".to_vec())
        }
        "cut" => {
            let mut whole = jpeg(&painted(path), QUALITY);
            whole.truncate(whole.len() / 2);
            photo(whole)
        }
        "bomb" => photo(bomb()),
        "inside" => moved("http://169.254.169.254/latest/meta-data/"),
        "round" => moved(path),
        "moved" => moved(&format!("/{rest}")),
        "small" => photo(jpeg(&painted(&format!("/{rest}")), QUALITY_OF_COPIES)),
        "flipped" => {
            let picture = painted(&format!("/{rest}"));
            let flipped = image::imageops::flip_horizontal(&picture);
            photo(jpeg(&flipped, QUALITY))
        }
        _ if path == "/coming-soon.jpg" => photo(placeholder()),
        _ => photo(jpeg(&painted(path), QUALITY)),
    }
}

fn fnv(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

fn moved(to: &str) -> Reply {
    let mut response = reply(StatusCode::FOUND, "text/plain", "");
    if let Ok(to) = to.parse() {
        response.headers_mut().insert(LOCATION, to);
    }
    response
}

/// A unit on a lot, more or less: what differs from path to path are large shapes, as in photos.
fn painted(path: &str) -> image::RgbImage {
    let mut state = fnv(path.as_bytes());
    let mut roll = |sides: u32| {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        u32::try_from((z ^ (z >> 31)) % u64::from(sides)).unwrap_or(0)
    };
    let shapes: Vec<[u32; 7]> = (0..14)
        .map(|_| {
            let (w, h) = (30 + roll(120), 20 + roll(100));
            [
                roll(WIDTH),
                roll(HEIGHT),
                w,
                h,
                roll(256),
                roll(256),
                roll(256),
            ]
        })
        .collect();
    image::RgbImage::from_fn(WIDTH, HEIGHT, |x, y| {
        let inside = |[sx, sy, w, h, ..]: &&[u32; 7]| {
            (*sx..sx + w).contains(&x) && (*sy..sy + h).contains(&y)
        };
        let [r, g, b] = match shapes.iter().rev().find(inside) {
            Some([_, _, _, _, r, g, b]) => [*r, *g, *b],
            None => [200 - y / 2, 210 - y / 2, 90 + x / 4],
        };
        image::Rgb([r, g, b].map(|c| u8::try_from(c.min(255)).unwrap_or(u8::MAX)))
    })
}

fn jpeg(image: &image::RgbImage, quality: u8) -> Vec<u8> {
    let mut bytes = Vec::new();
    // Writing to memory does not fail.
    let _ = JpegEncoder::new_with_quality(&mut bytes, quality).encode_image(image);
    bytes
}

/// Sixty thousand pixels a side in a hundred bytes.
fn bomb() -> Vec<u8> {
    let mut png = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR".to_vec();
    png.extend(60_000u32.to_be_bytes());
    png.extend(60_000u32.to_be_bytes());
    // Depth, colour, compression, filter, interlace; then the checksum of this very header.
    png.extend([8, 2, 0, 0, 0, 0x0f, 0xb0, 0xe2, 0x15]);
    png.extend(b"\0\0\0\0IDAT\x35\xaf\x06\x1e");
    png
}
