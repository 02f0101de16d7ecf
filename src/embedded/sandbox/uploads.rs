//! Takes photos in: `PUT /photos/{digest}`, the bytes as body, the key of a bearer. 201 the first time, 200 when it
//! has the photo already; the answer says where it is shown.

use super::{Asked, Reply, failed, held, json};
use hyper::header::AUTHORIZATION;
use hyper::{Method, StatusCode};
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Mutex;

const KEY: &str = "Bearer sandbox";

#[derive(Debug, Default)]
pub(super) struct Shelf(Mutex<BTreeMap<String, u32>>);

impl Shelf {
    pub(super) fn all(&self) -> Vec<(String, u32)> {
        let held = held(&self.0);
        held.iter()
            .map(|(digest, sent)| (digest.clone(), *sent))
            .collect()
    }

    pub(super) fn answer(&self, asked: &Asked) -> Reply {
        let digest = asked.path.strip_prefix("/photos/").unwrap_or_default();
        if asked.method != Method::PUT || digest.is_empty() || digest.contains('/') {
            return failed(StatusCode::NOT_FOUND);
        }
        if asked.header(AUTHORIZATION) != KEY {
            return failed(StatusCode::UNAUTHORIZED);
        }
        if asked.body.is_empty() {
            return failed(StatusCode::BAD_REQUEST);
        }
        let mut held = held(&self.0);
        let sent = held.entry(digest.to_owned()).or_default();
        *sent += 1;
        let status = match *sent {
            1 => StatusCode::CREATED,
            _ => StatusCode::OK,
        };
        json(
            status,
            &json!({"url": format!("https://cdn.example.com/photos/{digest}")}),
        )
    }
}
