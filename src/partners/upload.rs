//! Photos out to a service that shows them: `PUT` under the digest of their bytes, so that sending one twice is sending it once.

use crate::{Ask, Content, ErrorKind, Fetcher, Method, PartnerError};
use reqwest::Url;
use secrecy::SecretString;
use serde::Deserialize;

#[derive(Deserialize)]
struct Taken {
    url: String,
}

const LONGEST_URL: usize = 2_048;

/// Where the photo is shown from now on. `url` has its digest in it already.
pub async fn put(
    fetcher: &Fetcher,
    partner: &str,
    url: &str,
    authorization: Option<&SecretString>,
    content_type: &str,
    photo: Vec<u8>,
) -> Result<String, PartnerError> {
    let ask = Ask {
        method: Method::Put,
        url,
        authorization,
        content_type,
        body: photo,
        wanted: Content::Json,
    };
    let fetched = fetcher.ask(partner, &ask).await?;
    let corrupt = |message: String| PartnerError::new(ErrorKind::Corrupt, "upload", url, message);
    let taken: Taken = serde_json::from_slice(&fetched.bytes)
        .map_err(|error| corrupt(format!("its answer: {error}")))?;
    // As the standard writes it: nothing in it that a feed or a database could not keep.
    let secure = |shown: &Url| shown.scheme() == "https" && shown.as_str().len() <= LONGEST_URL;
    match crate::fetch::may_be_shown(&taken.url) {
        Ok(shown) if secure(&shown) => Ok(String::from(shown)),
        Ok(_) => Err(corrupt(
            "it does not say where the photo is shown".to_owned(),
        )),
        Err(why) => Err(corrupt(format!(
            "it does not say where the photo is shown: {why}"
        ))),
    }
}
