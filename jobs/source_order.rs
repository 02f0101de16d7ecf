//! What may be asked of a source, over what it is already, and the terms that make of it.

use crate::sources::{SourceProblem, order};
use secrecy::SecretString;
use serde::Deserialize;
use stores::{
    AfterLoad, Attachments, Grace, Login, MOST_REMOVED_PERCENT, Settle, SourceKind, SourceRow,
    SyncPolicy, Terms,
};

/// A source as it shall be. What is left out stays as it is; of a new one it is what stands with each.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SourceOrder {
    /// Whose units its files hold; blank, or nothing, where each row names its own rooftop.
    pub dealer: Option<String>,
    /// Rooftops that its rows name, and nobody knows yet, are made.
    pub create_dealers: Option<bool>,
    /// How its files are read.
    pub mapping: Option<String>,
    /// `sftp` unless told, `folder` or `https`.
    pub kind: Option<String>,
    pub host: Option<String>,
    /// 22 unless told.
    pub port: Option<u16>,
    pub username: Option<String>,
    pub password: Option<SecretString>,
    /// In OpenSSH's or PEM form, without a passphrase.
    pub private_key: Option<SecretString>,
    /// `SHA256:…`; without it the key that the host shows now is pinned.
    pub host_key: Option<String>,
    /// `/` unless told.
    pub folder: Option<String>,
    /// `*.csv` unless told.
    pub pattern: Option<String>,
    /// Of an https source.
    pub url: Option<String>,
    /// `twice` unless told, `at_once` or `marker:ENDING`.
    pub settle: Option<String>,
    /// `leave` unless told, `delete` or `move:FOLDER`.
    pub after_load: Option<String>,
    /// `overwrite` unless told, `merge` or `update_only`.
    pub policy: Option<String>,
    pub grace_files: Option<i32>,
    pub grace_hours: Option<i32>,
    /// `keep` unless told, or `with_prime`.
    pub attachments: Option<String>,
    /// Where its reports go on the drop; blank for nowhere.
    pub report_folder: Option<String>,
    /// A file that would take more of the source's units off the lot is held; 30 unless told.
    pub max_removed_percent: Option<i32>,
    /// When it is pulled, in the dealer's time zone.
    pub cron: Option<String>,
    /// Where it is of no one dealer; UTC unless told.
    pub time_zone: Option<String>,
}

/// The same with every gap filled.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    pub(crate) dealer: String,
    pub(crate) create_dealers: bool,
    pub(crate) mapping: String,
    pub(crate) kind: SourceKind,
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) username: String,
    pub(crate) password: Option<SecretString>,
    pub(crate) private_key: Option<SecretString>,
    pub(crate) host_key: Option<String>,
    /// Blank where a folder source does not name it.
    pub(crate) folder: String,
    pub(crate) pattern: String,
    pub(crate) url: String,
    pub(crate) settle: String,
    pub(crate) after_load: String,
    pub(crate) policy: String,
    pub(crate) grace_files: i32,
    pub(crate) grace_hours: i32,
    pub(crate) attachments: String,
    pub(crate) report_folder: String,
    pub(crate) max_removed_percent: i32,
    pub(crate) cron: Option<String>,
    pub(crate) time_zone: Option<String>,
}

impl Wanted {
    pub(crate) fn of(said: SourceOrder, known: Option<&SourceRow>) -> Result<Self, SourceProblem> {
        let kind = match said.kind.as_deref() {
            None => match known.map(|known| known.kind) {
                Some(kind @ (SourceKind::Folder | SourceKind::Https)) => kind,
                Some(SourceKind::Sftp | SourceKind::Upload) | None => SourceKind::Sftp,
            },
            Some("sftp") => SourceKind::Sftp,
            Some("folder") => SourceKind::Folder,
            Some("https") => SourceKind::Https,
            Some(other) => {
                return Err(order(format!(
                    "kind: {other:?} is not sftp, folder or https"
                )));
            }
        };
        let mapping = said.mapping.or(known.map(|known| known.mapping.clone()));
        let mapping = mapping.ok_or_else(|| order("mapping: a new source needs one"))?;
        let terms = known.map(|known| &known.terms);
        // Of another kind of drop nothing of the old one's place is meant.
        let there = known.filter(|known| known.kind == kind);
        let text = |said: Option<String>, of: fn(&SourceRow) -> &String, new: &str| {
            said.or(there.map(|known| of(known).clone()))
                .unwrap_or_else(|| new.to_owned())
        };
        let dealer = said.dealer.or(known.and_then(|known| known.dealer.clone()));
        let dealer = dealer.unwrap_or_default();
        let create_dealers = said.create_dealers.unwrap_or_else(|| {
            dealer.is_empty() && known.is_some_and(|known| known.create_dealers)
        });
        Ok(Self {
            create_dealers,
            mapping,
            host: text(said.host, |known| &known.host, ""),
            port: match (said.port, there) {
                (Some(port), _) => port,
                (None, Some(known)) => u16::try_from(known.port).unwrap_or(22),
                (None, None) => 22,
            },
            username: text(said.username, |known| &known.username, ""),
            password: said.password,
            private_key: said.private_key,
            host_key: said.host_key,
            folder: match (kind, said.folder, there) {
                (SourceKind::Folder, None, None) => String::new(),
                (_, folder, _) => text(folder, |known| &known.folder, "/"),
            },
            pattern: text(said.pattern, |known| &known.pattern, "*.csv"),
            url: text(said.url, |known| &known.url, ""),
            settle: said
                .settle
                .or(terms.map(settle_word))
                .unwrap_or_else(|| "twice".to_owned()),
            after_load: match (said.after_load, there) {
                (Some(said), _) => said,
                (None, Some(known)) => after_load_word(&known.terms),
                (None, None) => "leave".to_owned(),
            },
            policy: said
                .policy
                .or(terms.map(|terms| terms.policy.as_str().to_owned()))
                .unwrap_or_else(|| "overwrite".to_owned()),
            grace_files: said
                .grace_files
                .or(terms.map(|terms| terms.grace.files))
                .unwrap_or(0),
            grace_hours: said
                .grace_hours
                .or(terms.map(|terms| terms.grace.hours))
                .unwrap_or(0),
            attachments: said
                .attachments
                .or(terms.map(|terms| terms.attachments.as_str().to_owned()))
                .unwrap_or_else(|| "keep".to_owned()),
            report_folder: text(said.report_folder, |known| &known.terms.report_folder, ""),
            max_removed_percent: said
                .max_removed_percent
                .or(known.map(|known| known.max_removed_percent))
                .unwrap_or(MOST_REMOVED_PERCENT),
            cron: said.cron,
            time_zone: said.time_zone,
            kind,
            dealer,
        })
    }
}

/// As `settle` of an order says it.
pub fn settle_word(terms: &Terms) -> String {
    match &terms.settle {
        Settle::AtOnce => "at_once".to_owned(),
        Settle::Twice => "twice".to_owned(),
        Settle::Marker(ending) => format!("marker:{ending}"),
    }
}

/// As `after_load` of an order says it.
pub fn after_load_word(terms: &Terms) -> String {
    match &terms.after_load {
        AfterLoad::Leave => "leave".to_owned(),
        AfterLoad::Delete => "delete".to_owned(),
        AfterLoad::Move(folder) => format!("move:{folder}"),
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

/// What a source is pulled and loaded by.
pub(crate) fn terms(wanted: &Wanted) -> Result<Terms, SourceProblem> {
    let (kind, folder) = (wanted.kind, wanted.folder.as_str());
    let settle = wanted.settle.as_str();
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
    let after = wanted.after_load.as_str();
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
    let policy = wanted.policy.as_str();
    let policy = SyncPolicy::parse(policy).ok_or_else(|| {
        order(format!(
            "policy: {policy:?} is not overwrite, merge or update_only"
        ))
    })?;
    let attachments = match wanted.attachments.as_str() {
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
    let rooted = |folder: &str| folder.is_empty() || folder.starts_with('/');
    if let AfterLoad::Move(to) = &after_load
        && !rooted(to)
    {
        return Err(order(format!(
            "after_load: {to:?} is no folder from the root"
        )));
    }
    if !rooted(&wanted.report_folder) {
        let folder = &wanted.report_folder;
        return Err(order(format!(
            "report_folder: {folder:?} is no folder from the root"
        )));
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
