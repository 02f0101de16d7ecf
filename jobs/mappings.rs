//! Mappings of one's own: what may be put under which name, and what taking one back means. The command line, the API and
//! the console all do it here; every version is kept.

use crate::App;
use ingest::{BUILT_IN, Holds, Mapping, MappingError};
use stores::{Audit, OwnMapping, OwnMappings, PgConnection, Sources, StoreError};

#[derive(Debug, thiserror::Error)]
pub enum MappingProblem {
    /// What was asked for cannot be.
    #[error("{0}")]
    Order(String),
    #[error(transparent)]
    Mapping(#[from] MappingError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Sql(#[from] stores::SqlError),
}

/// A name stands in URLs and file names.
const LONGEST_NAME: usize = 64;
/// Of its text; the longest that ships has three.
const LONGEST_TEXT: usize = 1 << 20;

/// Names of those that ship.
pub fn built_in() -> impl Iterator<Item = &'static str> {
    BUILT_IN.iter().map(|(name, _)| *name)
}

/// The newest of one's own, or one that ships.
pub async fn find(
    conn: &mut PgConnection,
    name: &str,
) -> Result<(Mapping, Option<OwnMapping>), MappingProblem> {
    let own = OwnMappings::newest(conn, name).await?;
    let mapping = match &own {
        Some(own) => Mapping::parse(&own.name, &own.yaml)?,
        None => Mapping::built_in(name)?,
    };
    Ok((mapping, own))
}

/// The text of a version of one's own, or of one that ships, which has no versions.
pub async fn text(
    conn: &mut PgConnection,
    name: &str,
    version: Option<i32>,
) -> Result<String, MappingProblem> {
    if let Some(own) = OwnMappings::find(conn, name, version).await? {
        return Ok(own.yaml);
    }
    let shipped = BUILT_IN.iter().find(|(known, _)| *known == name);
    match (shipped, version) {
        (Some((_, text)), None) => Ok((*text).to_owned()),
        (Some(_), Some(_)) => Err(order(format!("{name} is built in, it has no versions"))),
        (None, Some(version)) => Err(StoreError::NotFound {
            what: "mapping",
            key: format!("{name}, version {version}"),
        }
        .into()),
        (None, None) => Err(StoreError::NotFound {
            what: "mapping",
            key: name.to_owned(),
        }
        .into()),
    }
}

/// A new version, by which the sources that name it read their next file; its number. Nothing new is none.
pub async fn put(app: &App, name: &str, text: &str, who: &str) -> Result<i32, MappingProblem> {
    let mut tx = app.pool.begin().await?;
    let version = keep(&mut tx, name, text, who, "put").await?;
    tx.commit().await?;
    Ok(version)
}

/// What an older version says, as a new one.
pub async fn revert(app: &App, name: &str, version: i32, who: &str) -> Result<i32, MappingProblem> {
    let mut tx = app.pool.begin().await?;
    let text = text(&mut tx, name, Some(version)).await?;
    let action = format!("revert to version {version}");
    let version = keep(&mut tx, name, &text, who, &action).await?;
    tx.commit().await?;
    Ok(version)
}

async fn keep(
    tx: &mut PgConnection,
    name: &str,
    text: &str,
    who: &str,
    action: &str,
) -> Result<i32, MappingProblem> {
    let sound = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
    if name.is_empty() || name.len() > LONGEST_NAME || !name.chars().all(sound) {
        return Err(order(format!(
            "a mapping's name has 1 to {LONGEST_NAME} of a-z, 0-9, - and _, {name:?} has not"
        )));
    }
    if BUILT_IN.iter().any(|(known, _)| *known == name) {
        return Err(order(format!("{name} is built in: call yours otherwise")));
    }
    if text.len() > LONGEST_TEXT || text.contains('\0') {
        return Err(order(format!(
            "mapping {name}: at most {LONGEST_TEXT} bytes, and no NUL"
        )));
    }
    let mapping = Mapping::parse(name, text)?;
    OwnMappings::lock(tx, name).await?;
    let before = OwnMappings::newest(tx, name).await?;
    // One that cannot be read any more may be mended to whatever it was.
    let held = before.and_then(|own| Mapping::parse(name, &own.yaml).ok());
    for source in Sources::list(tx).await? {
        if source.mapping != name {
            continue;
        }
        let key = &source.key;
        let of_units = mapping.holds == Holds::Units;
        if of_units && source.dealer.is_none() && mapping.dealer.is_none() {
            return Err(order(format!(
                "dealer: source {key} has no dealer, its rows name theirs: it needs a column that says whose they are"
            )));
        }
        if held
            .as_ref()
            .is_some_and(|held| held.holds != mapping.holds)
        {
            let what = match mapping.holds {
                Holds::Units => "reports",
                Holds::Reports => "units",
            };
            return Err(order(format!("holds: source {key} reads {what} by it")));
        }
    }
    let version = OwnMappings::put(tx, name, text, who).await?;
    let subject = format!("mapping {name}, version {version}");
    Audit::note(tx, who, action, &subject).await?;
    Ok(version)
}

fn order(why: impl Into<String>) -> MappingProblem {
    MappingProblem::Order(why.into())
}
