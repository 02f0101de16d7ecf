//! Make or change a source: what the command line and the API ask for, checked in one place.

use crate::App;
use ingest::Mapping;
use partners::{PartnerError, sftp};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use stores::{
    AfterLoad, Attachments, Audit, Dealers, Grace, Listings, Login, MOST_REMOVED_PERCENT,
    NewSource, OwnMappings, PgConnection, Schedules, Settle, Sightings, SourceKind, SourceRow,
    Sources, StoreError, SyncPolicy, Terms,
};

/// A source as it shall be. What is left out is as for a new one, but for secrets and the host key, which stay.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SourceOrder {
    /// Whose units its files hold; blank where each row names its own rooftop.
    pub dealer: String,
    /// Rooftops that its rows name, and nobody knows yet, are made.
    pub create_dealers: bool,
    /// How its files are read.
    pub mapping: String,
    /// `sftp`, `folder` or `https`.
    pub kind: Option<String>,
    pub host: String,
    pub port: Option<u16>,
    pub username: String,
    pub password: Option<SecretString>,
    /// In OpenSSH's or PEM form, without a passphrase.
    pub private_key: Option<SecretString>,
    /// `SHA256:…`; without it the key that the host shows now is pinned.
    pub host_key: Option<String>,
    pub folder: Option<String>,
    pub pattern: Option<String>,
    /// Of an https source.
    pub url: String,
    /// `twice`, `at_once` or `marker:ENDING`.
    pub settle: Option<String>,
    /// `leave`, `delete` or `move:FOLDER`.
    pub after_load: Option<String>,
    /// `overwrite`, `merge` or `update_only`.
    pub policy: Option<String>,
    pub grace_files: i32,
    pub grace_hours: i32,
    /// `keep` or `with_prime`.
    pub attachments: Option<String>,
    /// Where its reports go on the drop.
    pub report_folder: String,
    /// A file that would take more of the source's units off the lot is held; 30 unless told.
    pub max_removed_percent: Option<i32>,
    /// When it is pulled, in the dealer's time zone.
    pub cron: Option<String>,
    /// Where it is of no one dealer; UTC unless told.
    pub time_zone: Option<String>,
}

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

fn order(problem: impl Into<String>) -> SourceProblem {
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
    if !sftp::safe_name(key) {
        return Err(order(format!(
            "{key:?} is no key: letters, digits and dashes"
        )));
    }
    let kind = match wanted.kind.as_deref().unwrap_or("sftp") {
        "sftp" => SourceKind::Sftp,
        "folder" => SourceKind::Folder,
        "https" => SourceKind::Https,
        other => {
            return Err(order(format!(
                "kind: {other:?} is not sftp, folder or https"
            )));
        }
    };
    let folder = wanted.folder.clone().unwrap_or_else(|| "/".to_owned());
    let mut terms = terms(&wanted, kind, &folder)?;
    let known = Sources::find(&mut *app.pool.acquire().await?, key).await?;
    // What was given to one host is not shown to another.
    let same = known.filter(|known| {
        known.kind == kind
            && known.host == wanted.host
            && known.port == i32::from(wanted.port.unwrap_or(22))
            && origin(&known.url) == origin(&wanted.url)
    });
    let moved = same
        .as_ref()
        .is_none_or(|same| same.url != wanted.url || same.folder != folder);
    let known = same;
    reachable(app, &wanted, kind, &folder, known.as_ref())?;
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
            let (host, port) = (wanted.host.clone(), wanted.port.unwrap_or(22));
            tokio::task::spawn_blocking(move || sftp::host_key(&host, port))
                .await
                .map_err(|ended| order(ended.to_string()))??
        }
        _ => String::new(),
    };
    let max_removed_percent = wanted.max_removed_percent.unwrap_or(MOST_REMOVED_PERCENT);
    if !(0..=100).contains(&max_removed_percent) {
        return Err(order(format!(
            "max_removed_percent: {max_removed_percent} is not between 0 and 100"
        )));
    }
    let mut tx = app.pool.begin().await?;
    let mapping = match OwnMappings::newest(&mut tx, &wanted.mapping).await? {
        Some(own) => Mapping::parse(&own.name, &own.yaml),
        None => Mapping::built_in(&wanted.mapping),
    };
    let mapping = mapping.map_err(|error| order(error.to_string()))?;
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
        port: wanted.port.unwrap_or(22),
        username: wanted.username,
        secret,
        host_key: host_key.clone(),
        folder,
        pattern: wanted.pattern.unwrap_or_else(|| "*.csv".to_owned()),
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
    wanted: &SourceOrder,
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

/// Scheme, host and port.
pub(crate) fn origin(url: &str) -> String {
    let end = url
        .match_indices('/')
        .nth(2)
        .map_or(url.len(), |(at, _)| at);
    url[..end].to_ascii_lowercase()
}

/// Everything its kind needs is said.
fn reachable(
    app: &App,
    wanted: &SourceOrder,
    kind: SourceKind,
    folder: &str,
    known: Option<&SourceRow>,
) -> Result<(), SourceProblem> {
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
    match kind {
        SourceKind::Sftp if wanted.host.is_empty() || wanted.username.is_empty() => {
            Err(order("an sftp source needs a host and a username"))
        }
        SourceKind::Sftp if secrets.clone().count() == 0 && known.is_none() => Err(order(
            "an sftp source needs a password or a private key, said anew when its host changes",
        )),
        SourceKind::Folder if wanted.folder.is_none() || !folder.starts_with('/') => {
            Err(order("a folder source needs its folder, from the root"))
        }
        SourceKind::Https
            if !wanted.url.starts_with("https://") && !wanted.url.starts_with("http://") =>
        {
            Err(order(
                "an https source needs a url that begins with https://",
            ))
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

/// However either is written: `/in`, `/in/`, `//in/.`.
fn same_folder(one: &str, other: &str) -> bool {
    let parts = |folder| {
        let parts = std::path::Path::new(folder).components();
        parts.filter(|part| {
            !matches!(
                part,
                std::path::Component::CurDir | std::path::Component::RootDir
            )
        })
    };
    parts(one).eq(parts(other))
}

fn terms(wanted: &SourceOrder, kind: SourceKind, folder: &str) -> Result<Terms, SourceProblem> {
    let settle = wanted.settle.as_deref().unwrap_or("twice");
    let settle = match settle.split_once(':') {
        None if settle == "twice" => Settle::Twice,
        None if settle == "at_once" => Settle::AtOnce,
        Some(("marker", ending)) if !ending.is_empty() => Settle::Marker(ending.to_owned()),
        _ => {
            return Err(order(format!(
                "settle: {settle:?} is not twice, at_once or marker:ENDING"
            )));
        }
    };
    let after = wanted.after_load.as_deref().unwrap_or("leave");
    let after_load = match after.split_once(':') {
        None if after == "leave" => AfterLoad::Leave,
        None if after == "delete" => AfterLoad::Delete,
        Some(("move", other)) if !other.is_empty() && !same_folder(other, folder) => {
            AfterLoad::Move(other.to_owned())
        }
        _ => {
            return Err(order(format!(
                "after_load: {after:?} is not leave, delete or move:FOLDER, another than {folder}"
            )));
        }
    };
    let policy = wanted.policy.as_deref().unwrap_or("overwrite");
    let policy = SyncPolicy::parse(policy).ok_or_else(|| {
        order(format!(
            "policy: {policy:?} is not overwrite, merge or update_only"
        ))
    })?;
    let attachments = match wanted.attachments.as_deref().unwrap_or("keep") {
        "keep" => Attachments::Keep,
        "with_prime" => Attachments::WithPrime,
        other => {
            return Err(order(format!(
                "attachments: {other:?} is not keep or with_prime"
            )));
        }
    };
    let grace = Grace {
        files: wanted.grace_files,
        hours: wanted.grace_hours,
    };
    if !(0..=100).contains(&grace.files) || !(0..=8760).contains(&grace.hours) {
        return Err(order("grace: 0 to 100 files, 0 to 8760 hours"));
    }
    if kind == SourceKind::Https && after_load != AfterLoad::Leave {
        return Err(order(
            "after_load: nothing at a web address can be moved or deleted",
        ));
    }
    if kind == SourceKind::Https && !wanted.report_folder.is_empty() {
        return Err(order("report_folder: a web address takes no reports"));
    }
    Ok(Terms {
        login: match wanted.private_key {
            Some(_) => Login::Key,
            None => Login::Password,
        },
        settle,
        after_load,
        policy,
        grace,
        attachments,
        report_folder: wanted.report_folder.clone(),
    })
}
