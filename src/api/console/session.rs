//! Coming in with an API key. The cookie is sealed under the master key; the API key behind it is looked up on
//! every request, so that a revoked one is out at once.

use super::form::Form;
use super::{LARGEST_FORM, Res, Trouble, html, page, redirect};
use crate::Api;
use maud::html as markup;
use poem::http::{StatusCode, header};
use poem::{Request, Response};
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use stores::{Keys, Scope, Sealed};

const COOKIE: &str = "fc_console";
const PURPOSE: &str = "console session";
/// A working day.
const LASTS_SECONDS: i64 = 12 * 3600;

#[derive(Clone, Debug)]
pub(crate) struct Session {
    pub(super) name: String,
    pub(super) scope: Scope,
    /// Forms carry it back: another site cannot know it.
    pub(super) csrf: String,
}

#[derive(Serialize, Deserialize)]
struct Ticket {
    key: i64,
    csrf: String,
    until: i64,
}

impl Session {
    pub(super) fn operates(&self) -> bool {
        self.scope >= Scope::Operate
    }

    /// An operator, from a page of ours.
    pub(super) fn may_act(&self, form: &Form) -> Res<()> {
        if !self.operates() {
            return Err(Trouble::Forbidden);
        }
        match form.get("csrf") {
            Some(token) if token == self.csrf => Ok(()),
            _ => Err(Trouble::Stale),
        }
    }
}

/// Whoever came in, if the ticket holds and the key does still.
pub(super) async fn of(api: &Api, request: &Request) -> Res<Option<Session>> {
    let Some(ticket) = ticket(api, request) else {
        return Ok(None);
    };
    let mut conn = api.app.pool.acquire().await?;
    let now = stores::now(&mut conn).await?.as_second();
    if ticket.until < now {
        return Ok(None);
    }
    let key = Keys::get(&mut conn, ticket.key).await?;
    Ok(key
        .filter(|key| key.scope >= Scope::Read)
        .map(|key| Session {
            name: key.name,
            scope: key.scope,
            csrf: ticket.csrf,
        }))
}

fn ticket(api: &Api, request: &Request) -> Option<Ticket> {
    let cookies = request.headers().get(header::COOKIE)?.to_str().ok()?;
    let value = cookies
        .split(';')
        .find_map(|cookie| cookie.trim().strip_prefix(COOKIE)?.strip_prefix('='))?;
    let (key_id, bytes) = value.split_once('.')?;
    let sealed = Sealed {
        bytes: unhex(bytes)?,
        key_id: key_id.to_owned(),
    };
    let text = api.app.sealer.open(PURPOSE, &sealed).ok()?;
    serde_json::from_str(text.expose_secret()).ok()
}

pub(super) async fn login(api: &Api, request: &mut Request) -> Response {
    let form = match Form::read(request, LARGEST_FORM).await {
        Ok(form) => form,
        Err(trouble) => return html(trouble.status(), login_page(Some(&trouble.to_string()))),
    };
    match admit(api, form.get("key").unwrap_or_default()).await {
        Ok(Some(cookie)) => {
            let mut response = redirect("/console/");
            if let Ok(cookie) = cookie.parse() {
                response.headers_mut().insert(header::SET_COOKIE, cookie);
            }
            response
        }
        Ok(None) => {
            let words = "no such key, or it may not look: it needs scope read or operate";
            html(StatusCode::UNAUTHORIZED, login_page(Some(words)))
        }
        Err(trouble) => {
            tracing::error!(error = %trouble, "nobody can come in");
            html(trouble.status(), login_page(Some(&trouble.to_string())))
        }
    }
}

async fn admit(api: &Api, key: &str) -> Res<Option<String>> {
    let mut conn = api.app.pool.acquire().await?;
    let found = Keys::find(&mut conn, key).await?;
    let Some(found) = found.filter(|key| key.scope >= Scope::Read) else {
        return Ok(None);
    };
    let ticket = Ticket {
        key: found.id,
        csrf: Keys::token()?,
        until: stores::now(&mut conn).await?.as_second() + LASTS_SECONDS,
    };
    let sealed = api
        .app
        .sealer
        .seal(PURPOSE, &serde_json::to_string(&ticket)?)?;
    Ok(Some(format!(
        "{COOKIE}={}.{}; Path=/console; HttpOnly; SameSite=Strict; Max-Age={LASTS_SECONDS}",
        sealed.key_id,
        hex(&sealed.bytes)
    )))
}

pub(super) fn logout() -> Response {
    let mut response = redirect("/console/login");
    let gone = format!("{COOKIE}=; Path=/console; HttpOnly; SameSite=Strict; Max-Age=0");
    if let Ok(gone) = gone.parse() {
        response.headers_mut().insert(header::SET_COOKIE, gone);
    }
    response
}

pub(super) fn login_page(problem: Option<&str>) -> String {
    let body = markup! {
        main class="login" {
            h1 { "Forecourt" }
            p class="dim" { "The stockroom's operations console." }
            @if let Some(problem) = problem { p class="note bad" role="alert" { (problem) } }
            form method="post" action="/console/login" {
                label for="key" { "API key" }
                input id="key" name="key" type="password" autocomplete="current-password" required autofocus;
                button class="primary" { "Come in" }
            }
            p class="dim" { "A key with scope " code { "read" } " looks, one with " code { "operate" } " acts: "
                code { "forecourt keys create NAME --scope operate" } }
        }
    };
    page::document("Come in", &body)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let bytes = text.as_bytes();
    if !bytes.len().is_multiple_of(2) || bytes.len() > 2_048 {
        return None;
    }
    bytes
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
        .collect()
}
