//! A photo host for the demo and the tests: pictures painted from their path, and every way a real
//! host misbehaves.
//!
//! - `/{folder}/{name}.jpg`: a picture of its own; the same path always has the same bytes;
//! - `/stock/{name}.jpg`: the same, wherever it is used (dealers share stock photos);
//! - `/small/{folder}/{name}.jpg`: the picture of `/{folder}/{name}.jpg`, coded harder (a near duplicate);
//! - `/coming-soon.jpg`: the placeholder;
//! - `/missing/…`: 404; `/busy/…`: 503; `/page/…`: a web page that claims to be a JPEG; `/cut/…`: a JPEG cut off;
//!   `/bomb/…`: a PNG of 60,000 x 60,000; `/inside/…`: a redirect to a private address; `/round/…`: a redirect to itself;
//!   `/moved/{rest}`: a redirect to `/{rest}`;
//! - `/files/{name}`: what [`PhotoHost::serve`] put there, as web servers give out files.

use crate::{EmbeddedError, io};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, IF_MODIFIED_SINCE, LAST_MODIFIED, LOCATION};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use image::codecs::jpeg::JpegEncoder;
use std::collections::HashMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// Dropping it stops listening.
#[derive(Debug)]
pub struct PhotoHost {
    pub address: SocketAddr,
    requests: Arc<AtomicU64>,
    files: Arc<Mutex<HashMap<String, Served>>>,
    accepting: JoinHandle<()>,
}

/// A file that is given out.
#[derive(Clone, Debug, Default)]
pub struct Served {
    pub bytes: Vec<u8>,
    /// As HTTP writes dates; who asks with it has the file already.
    pub modified: String,
    /// What a request must bring in `Authorization`; nothing when blank.
    pub authorization: String,
}

const WIDTH: u32 = 240;
const HEIGHT: u32 = 180;
const QUALITY: u8 = 85;
const QUALITY_OF_COPIES: u8 = 60;

impl PhotoHost {
    /// `port` 0 is any free one.
    pub async fn start(port: u16) -> Result<Self, EmbeddedError> {
        let listener = TcpListener::bind(("127.0.0.1", port))
            .await
            .map_err(io("listen for photos", format!("127.0.0.1:{port}")))?;
        let address = listener
            .local_addr()
            .map_err(io("listen for photos", "address"))?;
        let requests = Arc::new(AtomicU64::new(0));
        let counter = requests.clone();
        let files: Arc<Mutex<HashMap<String, Served>>> = Arc::default();
        let given = files.clone();
        let accepting = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            loop {
                let Ok((stream, _)) = listener.accept().await else {
                    continue;
                };
                let (counter, given) = (counter.clone(), given.clone());
                while connections.try_join_next().is_some() {}
                connections.spawn(async move {
                    let service = service_fn(move |request: Request<Incoming>| {
                        counter.fetch_add(1, Ordering::Relaxed);
                        let path = request.uri().path();
                        let answered = match path.strip_prefix("/files/") {
                            Some(name) => give(&given, name, &request),
                            None => answer(path),
                        };
                        async move { Ok::<_, Infallible>(answered) }
                    });
                    let _ = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        });
        Ok(Self {
            address,
            requests,
            files,
            accepting,
        })
    }

    /// Gives a file out from now on, instead of any of its name.
    pub fn serve(&self, name: &str, file: Served) {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        files.insert(name.to_owned(), file);
    }

    /// Answered since the start.
    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    /// The bytes of the picture that says a photo is coming.
    pub fn placeholder() -> Vec<u8> {
        let image = image::RgbImage::from_fn(WIDTH, HEIGHT, |x, y| {
            let word = (70..110).contains(&y) && x / 20 % 2 == 0;
            image::Rgb(if word { [90; 3] } else { [225; 3] })
        });
        jpeg(&image, QUALITY)
    }
}

impl Drop for PhotoHost {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

fn give(
    files: &Mutex<HashMap<String, Served>>,
    name: &str,
    request: &Request<Incoming>,
) -> Response<Full<Bytes>> {
    let files = files.lock().unwrap_or_else(PoisonError::into_inner);
    let header = |name| {
        request
            .headers()
            .get(name)
            .and_then(|value| value.to_str().ok())
    };
    let Some(file) = files.get(name) else {
        return reply(
            StatusCode::NOT_FOUND,
            "text/plain",
            b"no such file".to_vec(),
        );
    };
    let asked = header(AUTHORIZATION).unwrap_or_default();
    if !file.authorization.is_empty() && asked != file.authorization {
        return reply(
            StatusCode::UNAUTHORIZED,
            "text/plain",
            b"who are you?".to_vec(),
        );
    }
    let mut response = match header(IF_MODIFIED_SINCE) == Some(&file.modified) {
        true => reply(StatusCode::NOT_MODIFIED, "text/csv", Vec::new()),
        false => reply(StatusCode::OK, "text/csv", file.bytes.clone()),
    };
    if let Ok(modified) = file.modified.parse() {
        response.headers_mut().insert(LAST_MODIFIED, modified);
    }
    response
}

fn answer(path: &str) -> Response<Full<Bytes>> {
    let photo = |bytes: Vec<u8>| reply(StatusCode::OK, "image/jpeg", bytes);
    let (folder, rest) = path
        .trim_start_matches('/')
        .split_once('/')
        .unwrap_or(("", path));
    match folder {
        "missing" => reply(
            StatusCode::NOT_FOUND,
            "text/plain",
            b"no such photo".to_vec(),
        ),
        "busy" => reply(
            StatusCode::SERVICE_UNAVAILABLE,
            "text/plain",
            b"busy".to_vec(),
        ),
        "page" => {
            photo(b"<!DOCTYPE html><html><body>Log in to see this photo</body></html>".to_vec())
        }
        "cut" => {
            let mut whole = picture(path, QUALITY);
            whole.truncate(whole.len() / 2);
            photo(whole)
        }
        "bomb" => photo(bomb()),
        "inside" => moved("http://169.254.169.254/latest/meta-data/"),
        "round" => moved(path),
        "moved" => moved(&format!("/{rest}")),
        "small" => photo(picture(&format!("/{rest}"), QUALITY_OF_COPIES)),
        _ if path == "/coming-soon.jpg" => photo(PhotoHost::placeholder()),
        _ => photo(picture(path, QUALITY)),
    }
}

fn reply(status: StatusCode, kind: &'static str, bytes: Vec<u8>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(bytes)));
    *response.status_mut() = status;
    let kind = hyper::header::HeaderValue::from_static(kind);
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

fn moved(to: &str) -> Response<Full<Bytes>> {
    let mut response = reply(StatusCode::FOUND, "text/plain", Vec::new());
    if let Ok(to) = to.parse() {
        response.headers_mut().insert(LOCATION, to);
    }
    response
}

/// A unit on a lot, more or less: what differs from path to path are large shapes, as in photos.
fn picture(path: &str, quality: u8) -> Vec<u8> {
    let mut state = path.bytes().fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
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
    let image = image::RgbImage::from_fn(WIDTH, HEIGHT, |x, y| {
        let inside = |[sx, sy, w, h, ..]: &&[u32; 7]| {
            (*sx..sx + w).contains(&x) && (*sy..sy + h).contains(&y)
        };
        let [r, g, b] = match shapes.iter().rev().find(inside) {
            Some([_, _, _, _, r, g, b]) => [*r, *g, *b],
            None => [200 - y / 2, 210 - y / 2, 90 + x / 4],
        };
        image::Rgb([r, g, b].map(|c| u8::try_from(c.min(255)).unwrap_or(u8::MAX)))
    });
    jpeg(&image, quality)
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
