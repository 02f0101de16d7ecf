//! Make or change a source: what the command line and the API ask for, checked in one place.

use crate::App;
use crate::mappings::{self, MappingProblem};
pub use crate::source_order::{SourceOrder, after_load_word, settle_word};
use crate::source_order::{Wanted, terms};
use domain::file_name;
use ingest::Mapping;
use partners::{PartnerError, sftp};
use secrecy::ExposeSecret;
use stores::{
    Audit, Dealers, Listings, NewSource, OwnMappings, PgConnection, Schedules, Sightings,
    SourceKind, SourceRow, Sources, StoreError,
};

/// What came of it.
#[derive(Clone, Debug)]
pub struct SourcePut {
    /// Of SFTP.
    pub host_key: String,
    pub schedule: String,
    pub cron: String,
    pub time_zone: String,
}

#[derive(Debug, thiserror::Error)]
pub enum SourceProblem {
    /// What was asked for cannot be.
    #[error("{0}")]
    Order(String),
    #[error(transparent)]
    Mapping(#[from] MappingProblem),
    #[error(transparent)]
    Host(#[from] PartnerError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Sql(#[from] stores::SqlError),
    /// It cannot be done as things stand.
    #[error("{0}")]
    Conflict(String),
    #[error(transparent)]
    Queue(#[from] queue::EngineError),
    #[error(transparent)]
    Arguments(#[from] serde_json::Error),
}

pub(crate) fn order(problem: impl Into<String>) -> SourceProblem {
    SourceProblem::Order(problem.into())
}

const NIGHTLY: &str = "0 2 * * *";
const MORNING: &str = "0 7 * * *";

pub async fn put(
    app: &App,
    key: &str,
    wanted: SourceOrder,
    who: &str,
) -> Result<SourcePut, SourceProblem> {
    if !file_name::is_safe(key) {
        return Err(order(format!(
            "{key:?} is no key: letters, digits and dashes"
        )));
    }
    let known = Sources::find(&mut *app.pool.acquire().await?, key).await?;
    let seen = known.clone();
    let wanted = Wanted::of(wanted, known.as_ref())?;
    let (kind, folder) = (wanted.kind, wanted.folder.clone());
    let mut terms = terms(&wanted)?;
    // What was given to one host is not shown to another.
    let same = known.filter(|known| {
        known.kind == kind
            && known.host == wanted.host
            && known.port == i32::from(wanted.port)
            && origin(&known.url) == origin(&wanted.url)
    });
    let moved = same
        .as_ref()
        .is_none_or(|same| same.url != wanted.url || same.folder != folder);
    let known = same;
    reachable(app, &wanted, known.as_ref())?;
    if let (None, None, Some(known)) = (&wanted.password, &wanted.private_key, &known) {
        // The secret that stays is what it was.
        terms.login = known.terms.login;
    }
    let host_key = match (kind, &wanted.host_key, &known) {
        (SourceKind::Sftp, Some(told), _) if told.starts_with("SHA256:") => told.clone(),
        (SourceKind::Sftp, Some(told), _) => {
            return Err(order(format!(
                "host_key: {told:?} does not begin with SHA256:"
            )));
        }
        (SourceKind::Sftp, None, Some(known)) => known.host_key.clone(),
        (SourceKind::Sftp, None, _) => {
            let (host, port) = (wanted.host.clone(), wanted.port);
            tokio::task::spawn_blocking(move || sftp::host_key(&host, port))
                .await
                .map_err(|ended| order(ended.to_string()))??
        }
        _ => String::new(),
    };
    let max_removed_percent = wanted.max_removed_percent;
    if !(0..=100).contains(&max_removed_percent) {
        return Err(order(format!(
            "max_removed_percent: {max_removed_percent} is not between 0 and 100"
        )));
    }
    let mut tx = app.pool.begin().await?;
    if !as_it_was(seen.as_ref(), Sources::lock(&mut tx, key).await?.as_ref()) {
        let why = format!("source {key} was changed by somebody else meanwhile: try again");
        return Err(SourceProblem::Conflict(why));
    }
    OwnMappings::lock(&mut tx, &wanted.mapping).await?;
    let (mapping, _) = mappings::find(&mut tx, &wanted.mapping).await?;
    let (dealer_id, zone) = whose(&mut tx, key, &wanted, &mapping).await?;
    let secret = wanted.password.as_ref().or(wanted.private_key.as_ref());
    let secret = match (secret, &known) {
        (None, Some(known)) => known.secret(),
        (secret, _) => {
            let secret = secret.map_or("", ExposeSecret::expose_secret);
            app.sealer
                .seal(&SourceRow::purpose(key), secret)
                .map_err(|error| order(error.to_string()))?
        }
    };
    let reports = !terms.report_folder.is_empty();
    let source = NewSource {
        key: key.to_owned(),
        kind,
        dealer_id,
        create_dealers: wanted.create_dealers,
        max_removed_percent,
        host: wanted.host,
        port: wanted.port,
        username: wanted.username,
        secret,
        host_key: host_key.clone(),
        folder,
        pattern: wanted.pattern,
        mapping: wanted.mapping,
        url: wanted.url,
        terms,
    };
    Sources::put(&mut tx, &source).await?;
    if moved {
        Sightings::forget(&mut tx, key).await?;
    }
    let args = serde_json::json!({ "source": key });
    let schedule = format!("pull-{key}");
    Schedules::ensure(&mut tx, &schedule, NIGHTLY, &zone, "pull_source", &args).await?;
    if reports {
        let report = format!("report-{key}");
        Schedules::ensure(&mut tx, &report, MORNING, &zone, "export_report", &args).await?;
    }
    let made = Schedules::find(&mut tx, &schedule).await?;
    let mut made = made.ok_or_else(|| order(format!("there is no schedule {schedule}")))?;
    // The source was there before: only what is said anew changes.
    if let Some(cron) = wanted.cron {
        made.cron = cron;
    }
    crate::loops::check_schedule(&made).map_err(|error| order(error.to_string()))?;
    Schedules::edit(&mut tx, &made).await?;
    Audit::note(&mut tx, who, "put", &format!("source {key}")).await?;
    tx.commit().await?;
    Ok(SourcePut {
        host_key,
        schedule,
        cron: made.cron,
        time_zone: made.time_zone,
    })
}

/// Whose units the files hold, and the time zone of who sends them. Units stay with their dealer: a source does not
/// take another's while it has some on the lot.
async fn whose(
    tx: &mut PgConnection,
    key: &str,
    wanted: &Wanted,
    mapping: &Mapping,
) -> Result<(Option<i64>, String), SourceProblem> {
    let named = (wanted.dealer.as_str(), mapping.dealer.is_some());
    let (dealer_id, zone) = match named {
        ("", false) => {
            return Err(order(format!(
                "dealer: mapping {:?} has no column that names the rooftop, so the source needs one",
                mapping.name
            )));
        }
        ("", true) if !wanted.report_folder.is_empty() => {
            let why = "report_folder: a report is of one dealer, and this source of many";
            return Err(order(why));
        }
        ("", true) => {
            let zone = wanted.time_zone.as_deref().unwrap_or("UTC");
            (None, zone.to_owned())
        }
        _ if wanted.time_zone.is_some() || wanted.create_dealers => {
            let why = "time_zone and create_dealers are of sources without a dealer";
            return Err(order(why));
        }
        (dealer, _) => {
            let found = Dealers::find(tx, dealer).await?;
            let found = found.ok_or_else(|| order(format!("there is no dealer {dealer:?}")))?;
            (Some(found.id), found.time_zone)
        }
    };
    let known = Sources::find(tx, key).await?;
    if let Some(known) = known.filter(|known| known.dealer_id != dealer_id) {
        if !Sources::lock_for_load(tx, known.id).await? {
            let why = format!("a file of {key} is being loaded, try again");
            return Err(SourceProblem::Conflict(why));
        }
        if Listings::any_of_source(tx, known.id).await? {
            let owner = known.dealer.unwrap_or_else(|| "many dealers".to_owned());
            return Err(order(format!(
                "dealer: {key} has units of {owner} on the lot, and keeps them; another dealer's files want a source of their own"
            )));
        }
    }
    Ok((dealer_id, zone))
}

/// What an order leaves out stays as it is; but for what files do to it, that is as it was read.
fn as_it_was(seen: Option<&SourceRow>, now: Option<&SourceRow>) -> bool {
    let said = |source: &SourceRow| SourceRow {
        paused: false,
        last_file_at: None,
        last_file_state: None,
        ..source.clone()
    };
    seen.map(said) == now.map(said)
}

/// Scheme, host and port.
pub(crate) fn origin(url: &str) -> String {
    let end = url
        .match_indices('/')
        .nth(2)
        .map_or(url.len(), |(at, _)| at);
    url[..end].to_ascii_lowercase()
}

/// Everything its kind needs is said.
fn reachable(app: &App, wanted: &Wanted, known: Option<&SourceRow>) -> Result<(), SourceProblem> {
    let secrets = [&wanted.password, &wanted.private_key];
    let secrets = secrets.into_iter().flatten();
    if secrets.clone().count() > 1 {
        return Err(order("a password or a private key, not both"));
    }
    if secrets
        .clone()
        .any(|secret| secret.expose_secret().trim().is_empty())
    {
        return Err(order("the password or private key is blank"));
    }
    match wanted.kind {
        SourceKind::Sftp if wanted.host.is_empty() || wanted.username.is_empty() => {
            Err(order("an sftp source needs a host and a username"))
        }
        SourceKind::Sftp if secrets.clone().count() == 0 && known.is_none() => Err(order(
            "an sftp source needs a password or a private key, said anew when its host changes",
        )),
        SourceKind::Folder if !wanted.folder.starts_with('/') => {
            Err(order("a folder source needs its folder, from the root"))
        }
        SourceKind::Https
            if !wanted.url.starts_with("https://") && !wanted.url.starts_with("http://") =>
        {
            Err(order(
                "an https source needs a url that begins with https://",
            ))
        }
        SourceKind::Https
            if let Err(error) = app.fetcher.may_ask(&wanted.url)
                && !origin(&wanted.url).contains('@') =>
        {
            Err(order(format!("url: {}", error.message)))
        }
        SourceKind::Https if origin(&wanted.url).contains('@') => Err(order(
            "a url without a login in it: that is username and password",
        )),
        SourceKind::Https
            if !wanted.username.is_empty()
                && wanted.url.starts_with("http://")
                && !app.fetcher.is_ours(&wanted.url) =>
        {
            Err(order("a login goes over https:// only"))
        }
        SourceKind::Https
            if !wanted.username.is_empty() && secrets.clone().count() == 0 && known.is_none() =>
        {
            Err(order(
                "a username needs its password, said anew when the address changes",
            ))
        }
        _ => Ok(()),
    }
}
