//! What vehicles bring at auction, after the shape of Manheim's MMR: a token for a client's id and secret
//! (`POST /oauth2/token.oauth2`, RFC 6749, 4.4), then `POST /valuations/vins` with a list of requests, at most a hundred.
//! Tokens end after two minutes; a quota of requests a minute, when one is set, is answered 429.

use super::{Asked, Reply, failed, held, json, rolled};
use hyper::header::{AUTHORIZATION, RETRY_AFTER};
use hyper::{Method, StatusCode};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// What the sandbox's one client shows: `client:secret`, in Base64.
const CLIENT: &str = "Basic Zm9yZWNvdXJ0OnNhbmRib3g=";
const TOKEN_LIVES: Duration = Duration::from_secs(120);
const MOST: usize = 100;

#[derive(Debug, Default)]
pub(super) struct Tokens {
    given: Mutex<HashMap<String, Instant>>,
    /// When this minute began, and what was asked in it.
    minute: Mutex<Option<(Instant, u32)>>,
}

pub(super) fn answer(asked: &Asked, tokens: &Tokens, quota: Option<u32>) -> Reply {
    match (&asked.method, asked.path.as_str()) {
        (&Method::POST, "/oauth2/token.oauth2") => token(asked, tokens),
        (&Method::POST, "/valuations/vins") => {
            let shown = asked.header(AUTHORIZATION);
            let shown = shown.strip_prefix("Bearer ").unwrap_or_default();
            let good = held(&tokens.given)
                .get(shown)
                .is_some_and(|given| given.elapsed() < TOKEN_LIVES);
            if !good {
                return json(
                    StatusCode::UNAUTHORIZED,
                    &json!({"message": "token expired or unknown"}),
                );
            }
            if let Some(wait) = tokens.spent(quota) {
                let mut reply = json(
                    StatusCode::TOO_MANY_REQUESTS,
                    &json!({"message": "quota exceeded"}),
                );
                reply
                    .headers_mut()
                    .insert(RETRY_AFTER, wait.as_secs().max(1).into());
                return reply;
            }
            valuations(asked)
        }
        _ => failed(StatusCode::NOT_FOUND),
    }
}

impl Tokens {
    /// How long until the quota is whole again, when it is spent.
    fn spent(&self, quota: Option<u32>) -> Option<Duration> {
        let quota = quota?;
        let minute = Duration::from_secs(60);
        let mut held = held(&self.minute);
        let (begun, asked) = held
            .filter(|(begun, _)| begun.elapsed() < minute)
            .unwrap_or((Instant::now(), 0));
        *held = Some((begun, asked + 1));
        (asked >= quota).then(|| minute.saturating_sub(begun.elapsed()))
    }
}

fn token(asked: &Asked, tokens: &Tokens) -> Reply {
    let body = String::from_utf8_lossy(&asked.body);
    if asked.header(AUTHORIZATION) != CLIENT || !body.contains("grant_type=client_credentials") {
        return json(
            StatusCode::UNAUTHORIZED,
            &json!({"error": "invalid_client"}),
        );
    }
    let mut given = held(&tokens.given);
    let token = format!("{:016x}", rolled(&format!("token {}", given.len())));
    given.insert(token.clone(), Instant::now());
    json(
        StatusCode::OK,
        &json!({"access_token": token, "token_type": "Bearer", "expires_in": TOKEN_LIVES.as_secs()}),
    )
}

fn valuations(asked: &Asked) -> Reply {
    let requests: Option<Vec<Value>> = serde_json::from_slice::<Value>(&asked.body)
        .ok()
        .and_then(|body| body.get("requests")?.as_array().cloned());
    let Some(requests) = requests.filter(|requests| requests.len() <= MOST) else {
        return json(
            StatusCode::BAD_REQUEST,
            &json!({"message": "requests: a list of at most 100"}),
        );
    };
    let items: Vec<Value> = requests.iter().map(valued).collect();
    json(
        StatusCode::OK,
        &json!({"count": items.len(), "items": items}),
    )
}

/// In whole dollars, as MMR has them; no item for a VIN that was never sold.
fn valued(request: &Value) -> Value {
    let vin = request["vin"].as_str().unwrap_or_default();
    let miles = request["odometer"].as_u64().unwrap_or(0);
    if vin.len() != 17 || vin.ends_with("0000") {
        return json!({"vin": vin, "error": "no transactions"});
    }
    let new = 14_000 + rolled(vin) % 30_000;
    let average = new - (new * miles.min(150_000) / 250_000);
    json!({
        "vin": vin, "currency": "USD", "odometerUnits": "MILES", "odometer": miles, "region": request["region"],
        "sampleSize": 5 + rolled(vin) % 90,
        "adjustedPricing": {"wholesale": {"below": average * 88 / 100, "average": average, "above": average * 111 / 100},
                            "retail": {"below": average * 101 / 100, "average": average * 114 / 100, "above": average * 127 / 100}},
    })
}
