//! What an operator does to a source by hand: pull it, pause it, let a held file through, load the newest once more. The
//! command line, the API and the console all do it here, and each is in the audit.

use crate::sources::{SourceProblem, order};
use crate::{App, DecodeVins, LoadFile, PullSource};
use domain::{Details, Field, Listing, Value};
use queue::{Engine, Enqueue, Enqueued, Job, Runs};
use stores::{
    Audit, FileState, Files, Overrides, PgConnection, SourceKind, SourceRow, Sources, StoreError,
};

/// Who does it, and by what: `api key`, `console`, `command line`.
#[derive(Clone, Copy, Debug)]
pub struct Hand<'a> {
    pub who: &'a str,
    pub by: &'a str,
}

impl Hand<'_> {
    async fn enqueue(
        self,
        app: &App,
        tx: &mut PgConnection,
        job: &impl Job,
        subject: &str,
    ) -> Result<Enqueued, SourceProblem> {
        let run = Runs::begin(tx, &format!("{} {}", self.by, self.who), subject).await?;
        let order = Enqueue::of(job)?.run(Some(run));
        let mut enqueued = app.engine.enqueue(tx, &[order]).await?;
        let nothing = || SourceProblem::Conflict("nothing was enqueued".to_owned());
        enqueued.pop().ok_or_else(nothing)
    }
}

async fn find(tx: &mut PgConnection, key: &str) -> Result<SourceRow, SourceProblem> {
    let source = Sources::find(tx, key).await?;
    let missing = || StoreError::NotFound {
        what: "source",
        key: key.to_owned(),
    };
    Ok(source.ok_or_else(missing)?)
}

/// Looks for new files now.
pub async fn pull(app: &App, key: &str, hand: Hand<'_>) -> Result<Enqueued, SourceProblem> {
    let mut tx = app.pool.begin().await?;
    let source = find(&mut tx, key).await?;
    let conflict = |why: String| Err(SourceProblem::Conflict(why));
    if source.kind == SourceKind::Upload {
        return conflict(format!("source {key} takes files from `forecourt load`"));
    }
    if source.paused {
        return conflict(format!("source {key} is paused"));
    }
    let pull = PullSource {
        source: source.key.clone(),
    };
    let subject = format!("source {key}");
    let enqueued = hand.enqueue(app, &mut tx, &pull, &subject).await?;
    Audit::note(&mut tx, hand.who, "pull", &subject).await?;
    tx.commit().await?;
    Ok(enqueued)
}

/// Whether the source is looked into at all; what lies in its drop meanwhile waits there.
pub async fn pause(app: &App, key: &str, paused: bool, who: &str) -> Result<(), SourceProblem> {
    let mut tx = app.pool.begin().await?;
    find(&mut tx, key).await?;
    Sources::set_paused(&mut tx, key, paused).await?;
    let word = if paused { "pause" } else { "resume" };
    Audit::note(&mut tx, who, word, &format!("source {key}")).await?;
    tx.commit().await?;
    Ok(())
}

/// Lets a held file through, over what it was held for.
pub async fn release(app: &App, file: i64, hand: Hand<'_>) -> Result<Enqueued, SourceProblem> {
    let mut tx = app.pool.begin().await?;
    let known = Files::get(&mut tx, file).await?;
    if !Files::release(&mut tx, file, hand.who).await? {
        let state = known.state.as_str();
        let why = format!("file {file} is {state}, not held");
        return Err(SourceProblem::Conflict(why));
    }
    let subject = format!("file {}", known.name);
    let load = LoadFile { file };
    let enqueued = hand.enqueue(app, &mut tx, &load, &subject).await?;
    if enqueued.existing {
        // The job that held it has not ended yet; it would not look again.
        let why = "its load is just ending, try again".to_owned();
        return Err(SourceProblem::Conflict(why));
    }
    Audit::note(&mut tx, hand.who, "release", &subject).await?;
    tx.commit().await?;
    Ok(enqueued)
}

/// Loads the source's newest file once more, as after its mapping was mended; one that is held is judged again. The id of its entry in
/// the ledger, a new one of a file that was loaded.
pub async fn reload(app: &App, key: &str, hand: Hand<'_>) -> Result<i64, SourceProblem> {
    let mut tx = app.pool.begin().await?;
    let source = find(&mut tx, key).await?;
    let conflict = |why: String| Err(SourceProblem::Conflict(why));
    let Some(newest) = Files::list(&mut tx, Some(source.id), 1).await?.pop() else {
        return conflict(format!("source {key} has had no file yet"));
    };
    if newest.state == FileState::Fetched {
        return conflict(format!("its newest file, {}, is not loaded yet", newest.id));
    }
    if newest.object_key.is_empty() {
        return conflict(format!("the raw copy of {} is no longer kept", newest.name));
    }
    Files::hold_raw(&mut tx, &newest.object_key).await?;
    let file = match newest.state {
        FileState::Held => {
            Files::look_again(&mut tx, newest.id).await?;
            newest.id
        }
        _ => Files::record_again(&mut tx, newest.id).await?,
    };
    let subject = format!("file {}", newest.name);
    let load = LoadFile { file };
    if hand.enqueue(app, &mut tx, &load, &subject).await?.existing {
        // The job that held it has not ended yet; it would not look again.
        return conflict("its load is just ending, try again".to_owned());
    }
    Audit::note(&mut tx, hand.who, "reload", &format!("source {key}")).await?;
    tx.commit().await?;
    Ok(file)
}

/// A field that an operator may put right. Identity is the dealer's: what tells units apart is never overridden.
pub fn field(name: &str) -> Result<Field, SourceProblem> {
    let field = Field::parse(name).map_err(|error| order(error.to_string()))?;
    if !Details::FIELDS.contains(&field) {
        return Err(order(format!(
            "{name} tells units apart: it is the dealer's to say"
        )));
    }
    Ok(field)
}

/// An operator's word on a field of a unit. Where it and the VIN disagree is looked at again.
pub async fn put_right(
    app: &App,
    listing: i64,
    field: Field,
    value: Value<'_>,
    who: &str,
) -> Result<Listing, SourceProblem> {
    field.judged(&value).map_err(order)?;
    let mut tx = app.pool.begin().await?;
    let after = Overrides::put(&mut tx, listing, field, value, who).await?;
    compared(app, &mut tx, listing).await?;
    tx.commit().await?;
    Ok(after)
}

/// The dealer's newest word stands again. `None` when nobody had overridden the field.
pub async fn let_go(
    app: &App,
    listing: i64,
    field: Field,
    who: &str,
) -> Result<Option<Listing>, SourceProblem> {
    let mut tx = app.pool.begin().await?;
    let after = Overrides::release(&mut tx, listing, field, who).await?;
    if after.is_some() {
        compared(app, &mut tx, listing).await?;
    }
    tx.commit().await?;
    Ok(after)
}

async fn compared(app: &App, tx: &mut PgConnection, listing: i64) -> Result<(), SourceProblem> {
    let listings = vec![listing];
    let order = Enqueue::of(&DecodeVins { listings })?;
    app.engine.enqueue(tx, &[order]).await?;
    Ok(())
}
