//! What a provider may be: as the command line and the API ask for one, judged before anything of it is kept.

use crate::App;
use crate::providers::{KNOWN_VIN, ProviderProblem, order};
use crate::sources::origin;
use domain::file_name;
use partners::history::Selectors;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use stores::{Provider, ProviderKind};

/// A provider as it shall be. What is left out is as for a new one, but for the secret, which stays while the host is
/// the same.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ProviderOrder {
    /// `vin`, `history`, `valuation` or `upload`.
    pub kind: String,
    /// With `{vin}` for a history, `{digest}` for an upload; `s3:PREFIX` uploads to our own storage.
    pub url: String,
    /// A valuation's `CLIENT:SECRET`; what others are shown as a bearer.
    pub secret: Option<SecretString>,
    pub refresh_days: Option<i32>,
    pub at_once: Option<i32>,
    pub disabled: bool,
    /// Of a history: how its page is read.
    pub selectors: Option<Selectors>,
    /// Of a valuation.
    pub token_url: String,
    pub region: String,
    /// Of an upload to our own storage: where the world sees it, as `https://photos.example.com`.
    pub shown_at: String,
    /// And how wide its smaller copies are, in pixels.
    pub sizes: Vec<u32>,
}

/// Its digest stands there; `s3:` is our own storage.
pub(crate) const OWN_STORAGE: &str = "s3:";
/// Where the stockroom keeps what is its own.
const OWN_FOLDERS: [&str; 4] = ["raw", "feeds", "history", "archive"];
const MOST_SIZES: usize = 8;
const WIDTHS: std::ops::RangeInclusive<u32> = 16..=4096;

/// Everything that can be said of it before it is asked.
pub(crate) fn judged(
    app: &App,
    kind: ProviderKind,
    wanted: &ProviderOrder,
    known: Option<&Provider>,
) -> Result<(), ProviderProblem> {
    let web =
        |name: &str, url: &str| match url.starts_with("https://") || url.starts_with("http://") {
            true => Ok(()),
            false => Err(order(format!(
                "{name}: {url:?} does not begin with https://"
            ))),
        };
    for (name, url) in [("url", &wanted.url), ("token_url", &wanted.token_url)] {
        let host = origin(url);
        if host.contains('@') {
            let problem = "a login does not stand in an address: it would be in every error; it is the secret";
            return Err(order(format!("{name}: {problem}")));
        }
    }
    match kind {
        ProviderKind::Upload if wanted.url.starts_with(OWN_STORAGE) => {}
        _ => {
            web("url", &wanted.url)?;
            may_be_asked(app, "url", &wanted.url)?;
        }
    }
    if !wanted.token_url.is_empty() {
        may_be_asked(app, "token_url", &wanted.token_url)?;
    }
    if [
        &wanted.url,
        &wanted.token_url,
        &wanted.region,
        &wanted.shown_at,
    ]
    .iter()
    .any(|text| text.contains(char::is_control))
    {
        return Err(order(
            "url, token_url, region and shown_at are one line each, of characters that can be seen",
        ));
    }
    secret_judged(kind, &wanted.url, wanted.secret.as_ref())?;
    if kind != ProviderKind::Valuation && !(wanted.token_url.is_empty() && wanted.region.is_empty())
    {
        return Err(order("token_url and region are of a valuation"));
    }
    let open = |url: &str| url.starts_with("http://") && !app.fetcher.is_ours(url);
    if wanted.secret.is_some() && (open(&wanted.url) || open(&wanted.token_url)) {
        return Err(order("a secret goes over https:// only"));
    }
    let own = kind == ProviderKind::Upload && wanted.url.starts_with(OWN_STORAGE);
    let shown = !wanted.shown_at.is_empty() || !wanted.sizes.is_empty();
    if shown && !own {
        return Err(order(
            "shown_at and sizes are of uploads to our own storage",
        ));
    }
    if !wanted.shown_at.is_empty() {
        let why = |why: String| order(format!("shown_at: {why}"));
        partners::fetch::may_be_shown(&wanted.shown_at).map_err(why)?;
        if wanted.shown_at.contains(['?', '#']) {
            return Err(order("shown_at: a digest is put behind it: no ? and no #"));
        }
    }
    if wanted.sizes.len() > MOST_SIZES || !wanted.sizes.iter().all(|width| WIDTHS.contains(width)) {
        let (from, to) = (WIDTHS.start(), WIDTHS.end());
        return Err(order(format!(
            "sizes: at most {MOST_SIZES}, each {from} to {to} pixels wide"
        )));
    }
    match kind {
        ProviderKind::History => {
            if !wanted.url.contains("{vin}") {
                return Err(order("url: a history's has {vin} in it"));
            }
            let selectors = wanted.selectors.as_ref();
            let selectors = selectors.ok_or_else(|| order("a history needs its selectors"))?;
            selectors.judged().map_err(order)?;
        }
        ProviderKind::Valuation => web("token_url", &wanted.token_url)?,
        // One that is there already may be disabled, wherever its photos lie.
        ProviderKind::Upload if known.is_some_and(|known| known.url == wanted.url) => {}
        ProviderKind::Upload if wanted.url.starts_with(OWN_STORAGE) => {
            folder_judged(&wanted.url[OWN_STORAGE.len()..])?;
        }
        ProviderKind::Upload
            if !wanted.url.starts_with(OWN_STORAGE) && !wanted.url.contains("{digest}") =>
        {
            return Err(order("url: an upload's has {digest} in it"));
        }
        ProviderKind::Upload | ProviderKind::Vin => {}
    }
    Ok(())
}

/// Where uploads may lie in our own storage: not where something else does.
fn folder_judged(folder: &str) -> Result<(), ProviderProblem> {
    let plain = |part: &str| !part.is_empty() && file_name::is_plain(part);
    let folder = folder.strip_suffix('/').unwrap_or(folder);
    if folder.len() > 200 || !folder.split('/').all(plain) {
        return Err(order(format!(
            "url: {folder:?} is no folder in our own storage, as s3:shown/large is"
        )));
    }
    let first = folder.split('/').next().unwrap_or_default();
    match OWN_FOLDERS.contains(&first) {
        true => Err(order(format!("url: {first} is a folder of ours already"))),
        false => Ok(()),
    }
}

/// A secret that could not be sent is refused, and so is one that nobody would be shown.
fn secret_judged(
    kind: ProviderKind,
    url: &str,
    secret: Option<&SecretString>,
) -> Result<(), ProviderProblem> {
    let Some(secret) = secret.map(ExposeSecret::expose_secret) else {
        return Ok(());
    };
    if kind == ProviderKind::Upload && url.starts_with(OWN_STORAGE) {
        return Err(order("secret: our own storage asks for none"));
    }
    let sendable = |byte: u8| (0x20..0x7f).contains(&byte);
    let halves = secret.split_once(':');
    match kind {
        ProviderKind::Valuation
            if !halves.is_some_and(|(id, key)| !id.is_empty() && !key.is_empty()) =>
        {
            Err(order("secret: a valuation's is CLIENT:SECRET"))
        }
        ProviderKind::Valuation => Ok(()),
        // RFC 9110, 5.5: what a header may have in it.
        _ if !secret.bytes().all(sendable) => Err(order(
            "secret: only letters, digits and signs of ASCII can be sent in a header, and no end of a line",
        )),
        _ => Ok(()),
    }
}

/// What would be refused at every call is refused now.
fn may_be_asked(app: &App, name: &str, url: &str) -> Result<(), ProviderProblem> {
    let url = url.replace("{vin}", KNOWN_VIN).replace("{digest}", "probe");
    let judged = app.fetcher.may_ask(&url);
    judged.map_err(|error| order(format!("{name}: {}", error.message)))
}
