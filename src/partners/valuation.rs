//! What vehicles are worth, by a service after the shape of Manheim's MMR: a token for a client's id and secret (RFC 6749,
//! 4.4), then many vehicles a call, in whole US dollars.

use crate::{Ask, Content, ErrorKind, Fetcher, Method, PartnerError};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Mutex;

/// What the service takes at once.
pub const MOST_VEHICLES: usize = 100;
/// A token is asked for anew this long before it ends.
const EARLY: Duration = Duration::from_secs(15);

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Vehicle {
    pub vin: String,
    /// In miles.
    pub odometer: i64,
    pub region: String,
}

/// What is said of one vehicle; no worth is a word too: it was never sold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    pub vin: String,
    pub worth: Option<Worth>,
}

/// In whole dollars: below the average, the average, above it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Worth {
    pub wholesale: [i64; 3],
    pub retail: [i64; 3],
    /// Sales that it is drawn from.
    pub sales: i64,
}

/// The tokens that are held, one a service; shared by a process.
#[derive(Clone, Debug, Default)]
pub struct Tokens(Arc<Mutex<std::collections::HashMap<String, Held>>>);

/// Locked while it is asked for, so that who waits for it does not ask too; and nobody else does.
type Held = Arc<Mutex<Option<(SecretString, Instant)>>>;

/// A service and what it is shown.
pub struct Service<'a> {
    /// As breakers know it.
    pub partner: &'a str,
    pub token_url: &'a str,
    pub url: &'a str,
    /// `CLIENT:SECRET`.
    pub client: &'a SecretString,
}

#[derive(Deserialize)]
struct Token {
    access_token: SecretString,
    expires_in: u64,
}

#[derive(Deserialize)]
struct Answer {
    items: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    vin: String,
    /// Why it says nothing of this one, this time.
    #[serde(default)]
    error: Option<serde_json::Value>,
    currency: Option<String>,
    odometer: Option<i64>,
    #[serde(rename = "odometerUnits")]
    odometer_units: Option<String>,
    region: Option<String>,
    #[serde(rename = "adjustedPricing")]
    pricing: Option<Pricing>,
    #[serde(rename = "sampleSize", default)]
    sales: i64,
}

#[derive(Deserialize)]
struct Pricing {
    wholesale: Band,
    retail: Band,
}

#[derive(Deserialize)]
struct Band {
    below: i64,
    average: i64,
    above: i64,
}

impl Item {
    /// It answers what was asked: dollars, at that many miles, in that region; what it does not repeat is as it was asked.
    fn answers(&self, asked: &Vehicle) -> bool {
        let word = |said: &Option<String>, wanted: &[&str]| {
            let said = said.as_deref().map(str::trim);
            said.is_none_or(|said| wanted.iter().any(|one| said.eq_ignore_ascii_case(one)))
        };
        word(&self.currency, &["USD"])
            && word(&self.odometer_units, &["MILES", "MILE", "MI"])
            && word(&self.region, &[&asked.region])
            && self.odometer.is_none_or(|miles| miles == asked.odometer)
    }
}

impl Band {
    fn sound(&self) -> Option<[i64; 3]> {
        let sound = 0 < self.below && self.below <= self.average && self.average <= self.above;
        (sound && self.above < 100_000_000).then_some([self.below, self.average, self.above])
    }
}

impl Service<'_> {
    /// At most a hundred. Of whom nothing is said, or nothing that can be, is not in the answer.
    pub async fn worth(
        &self,
        fetcher: &Fetcher,
        tokens: &Tokens,
        vehicles: &[Vehicle],
    ) -> Result<Vec<Said>, PartnerError> {
        let asked = self.asked(fetcher, tokens, vehicles).await;
        match asked {
            // Ended, or taken back, before its time: once more with a new one.
            Err(error) if error.kind == ErrorKind::Denied => {
                *self.held(tokens).await.lock().await = None;
                self.asked(fetcher, tokens, vehicles).await
            }
            asked => asked,
        }
    }

    async fn asked(
        &self,
        fetcher: &Fetcher,
        tokens: &Tokens,
        vehicles: &[Vehicle],
    ) -> Result<Vec<Said>, PartnerError> {
        let token = self.token(fetcher, tokens).await?;
        let ask = Ask {
            method: Method::Post,
            url: self.url,
            authorization: Some(&token),
            content_type: "application/json",
            body: serde_json::json!({ "requests": vehicles })
                .to_string()
                .into_bytes(),
            wanted: Content::Json,
        };
        let fetched = fetcher.ask(self.partner, &ask).await?;
        let answer: Answer = self.read(&fetched.bytes)?;
        told(answer, vehicles, self.url)
    }

    /// Whose a token is: another address or another login is shown a token of its own.
    fn holder(&self) -> String {
        let mut client = std::hash::DefaultHasher::new();
        self.client.expose_secret().hash(&mut client);
        let client = client.finish();
        format!("{} {} {} {client}", self.partner, self.token_url, self.url)
    }

    async fn held(&self, tokens: &Tokens) -> Held {
        let mut all = tokens.0.lock().await;
        Arc::clone(all.entry(self.holder()).or_default())
    }

    /// One that is held, or a new one; who waits for it does not ask too.
    pub async fn token(
        &self,
        fetcher: &Fetcher,
        tokens: &Tokens,
    ) -> Result<SecretString, PartnerError> {
        let held = self.held(tokens).await;
        let mut held = held.lock().await;
        if let Some((token, ends)) = held.as_ref()
            && *ends > Instant::now()
        {
            return Ok(token.clone());
        }
        let client = STANDARD.encode(self.client.expose_secret());
        let shown = SecretString::from(format!("Basic {client}"));
        let ask = Ask {
            method: Method::Post,
            url: self.token_url,
            authorization: Some(&shown),
            content_type: "application/x-www-form-urlencoded",
            body: b"grant_type=client_credentials".to_vec(),
            wanted: Content::Json,
        };
        let fetched = fetcher.ask(self.partner, &ask).await?;
        let token: Token = self.read(&fetched.bytes)?;
        // RFC 6750, 2.1: what cannot be shown in a header is no token.
        let sendable = |byte: u8| (0x21..0x7f).contains(&byte);
        if !token.access_token.expose_secret().bytes().all(sendable) {
            let message = "its token has characters that no header can have".to_owned();
            return Err(PartnerError::new(
                ErrorKind::Corrupt,
                "read",
                self.token_url,
                message,
            ));
        }
        let lives = Duration::from_secs(token.expires_in).saturating_sub(EARLY);
        let shown = SecretString::from(format!("Bearer {}", token.access_token.expose_secret()));
        let ends = Instant::now() + lives.min(Duration::from_secs(24 * 3600));
        *held = Some((shown.clone(), ends));
        Ok(shown)
    }

    fn read<T: serde::de::DeserializeOwned>(&self, bytes: &[u8]) -> Result<T, PartnerError> {
        // The words of the parser name a place, never the text: there may be a token in it.
        serde_json::from_slice(bytes).map_err(|error| {
            let message = format!(
                "line {} column {}: not what was asked for",
                error.line(),
                error.column()
            );
            PartnerError::new(ErrorKind::Corrupt, "read", self.url, message)
        })
    }
}

/// What an answer says of whom it was asked about.
fn told(answer: Answer, vehicles: &[Vehicle], url: &str) -> Result<Vec<Said>, PartnerError> {
    let no_answer = |item: &Item| item.error.is_some() && item.pricing.is_none();
    if let Some(first) = answer.items.first()
        && answer.items.iter().all(no_answer)
    {
        let why: String = first.error.iter().map(ToString::to_string).collect();
        let why: String = why.chars().take(200).collect();
        let message = format!("an error for each vehicle: {why}");
        return Err(PartnerError::new(ErrorKind::Corrupt, "read", url, message));
    }
    // Who names a vehicle twice is taken at his first word: one answer must not cost the others theirs.
    let mut named = HashSet::new();
    let said = answer.items.into_iter().filter_map(|item| {
        let vin = item.vin.trim().to_ascii_uppercase();
        let asked = vehicles.iter().find(|vehicle| vehicle.vin == vin)?;
        if no_answer(&item) || !item.answers(asked) {
            return None;
        }
        let worth = match item.pricing {
            Some(pricing) => Some(Worth {
                wholesale: pricing.wholesale.sound()?,
                retail: pricing.retail.sound()?,
                sales: item.sales.max(0),
            }),
            None => None,
        };
        named.insert(vin.clone()).then_some(Said { vin, worth })
    });
    Ok(said.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(vin: &str) -> Vehicle {
        Vehicle {
            vin: vin.to_owned(),
            odometer: 30_000,
            region: "NE".to_owned(),
        }
    }

    fn answered(items: serde_json::Value) -> Result<Vec<Said>, PartnerError> {
        let answer = serde_json::from_value(serde_json::json!({ "items": items })).unwrap();
        told(answer, &[asked("V1"), asked("V2")], "https://worth.test")
    }

    fn item(vin: &str, more: serde_json::Value) -> serde_json::Value {
        let band = serde_json::json!({ "below": 1, "average": 2, "above": 3 });
        let mut item = serde_json::json!({
            "vin": vin, "adjustedPricing": { "wholesale": band, "retail": band }, "sampleSize": 7,
        });
        for (key, value) in more.as_object().unwrap() {
            item[key] = value.clone();
        }
        item
    }

    #[test]
    fn an_answer_to_another_question_is_none() {
        let plain = item("v1", serde_json::json!({}));
        let said = answered(serde_json::json!([
            plain,
            item("V9", serde_json::json!({}))
        ]));
        let vins: Vec<String> = said.unwrap().into_iter().map(|said| said.vin).collect();
        assert_eq!(vins, ["V1"]);
        let right = serde_json::json!({ "currency": "usd", "odometer": 30_000, "odometerUnits": "MILES", "region": "NE" });
        assert_eq!(
            answered(serde_json::json!([item("V1", right)]))
                .unwrap()
                .len(),
            1
        );
        for wrong in [
            serde_json::json!({ "currency": "CAD" }),
            serde_json::json!({ "odometer": 1 }),
            serde_json::json!({ "odometerUnits": "KILOMETERS" }),
            serde_json::json!({ "region": "NW" }),
        ] {
            let said = answered(serde_json::json!([item("V1", wrong.clone())]));
            assert_eq!(said.unwrap(), [], "{wrong}");
        }
    }

    #[test]
    fn an_error_for_each_vehicle_is_an_error_and_no_word_on_any() {
        let error = |vin: &str| serde_json::json!({ "vin": vin, "error": "internal error" });
        let all = answered(serde_json::json!([error("V1"), error("V2")])).unwrap_err();
        assert!(all.message.contains("internal error"), "{all}");
        let one = serde_json::json!([error("V1"), item("V2", serde_json::json!({}))]);
        let vins: Vec<String> = answered(one).unwrap().into_iter().map(|s| s.vin).collect();
        assert_eq!(vins, ["V2"], "the other is left out, and asked again");
        let nothing = answered(serde_json::json!([{ "vin": "V1" }])).unwrap();
        assert_eq!(nothing[0].worth, None, "never sold is a word too");
    }
}
