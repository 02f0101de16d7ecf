//! Load one dealer's file into the stock: every row is loaded, rejected or a duplicate.
//!
//! Starts: `pull_source`, `forecourt load`, or an operator who releases a held file.
//! Reads: object `raw/{digest}`, the source's mapping. Writes: `listings` with price history and
//! changes (or `history_reports`, where the rows are a provider's), `source_rejects`, the file's counts. Then: `decode_vins`
//! and `hash_photos` for what is new or changed, `clear_drop` where the source's terms ask for it.
//! Twice: slices count once (`source_files.next_row`), and the same row changes nothing.

use crate::fates::{Fates, fates, unit_unknown};
use crate::guard::guard;
use crate::mappings::{self, MappingProblem};
use crate::slices::{MOST_REJECTS, Slice, advance, parse};
use crate::spelling::Spelling;
use crate::survey::{Survey, survey};
use crate::{
    App, ClearDrop, LiesAgain, badges, columns_gone, columns_unread, of_new_listings, raw, retire,
};
use domain::merge::Blanks;
use domain::{Dealer, Field, ListingDraft};
use ingest::{Holds, Mapping, ParsedRow, Table};
use queue::{Engine, Enqueue, Job, JobContext, JobError, Jobs, Outcome, Policy, QueueName};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;
use stores::{
    AfterLoad, Alerts, Attachments, Bringing, Dealers, FileOrder, FileState, Files, Listings,
    OwnMappings, PgConnection, RejectRow, Sightings, SourceFile, SourceKind, SourceRow, Sources,
    SyncPolicy, Vins,
};
use tokio::sync::mpsc;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LoadFile {
    pub file: i64,
}

impl Job for LoadFile {
    type App = App;
    const NAME: &'static str = "load_file";
    const POLICY: Policy = Policy {
        queue: QueueName::Ingest,
        timeout: Duration::from_secs(60 * 60),
        ..Policy::DEFAULT
    };

    fn key(&self) -> Option<String> {
        Some(self.file.to_string())
    }

    async fn run(self, app: &App, cx: &JobContext) -> Result<Outcome, JobError> {
        let (file, source) = find(app, self.file).await?;
        if file.state != FileState::Fetched {
            return Ok(Outcome::Done(serde_json::json!({ "already": file.state })));
        }
        // Held to the end of the job; another load of this source waits its turn.
        let mut turn = app.pool.begin().await?;
        if !Sources::lock_for_load(&mut turn, source.id).await? {
            return Ok(wait_for_turn(&source));
        }
        let done = self.in_turn(app, cx, &mut turn).await;
        // Given up now, not when the pool comes round to it: the next file waits for it.
        turn.rollback().await?;
        done
    }
}

impl LoadFile {
    async fn in_turn(
        &self,
        app: &App,
        cx: &JobContext,
        turn: &mut PgConnection,
    ) -> Result<Outcome, JobError> {
        let (file, source) = find(app, self.file).await?;
        match Files::order(turn, source.id, file.id).await? {
            FileOrder::OlderWaiting(older) => return wait_for(app, older, &source).await,
            FileOrder::NewerLoaded => {
                let reason = "a newer file of this source is loaded already";
                return hold(app, &file, &source, "file_superseded", reason).await;
            }
            FileOrder::LaterLoaded if file.released_by.is_none() => {
                let reason = "a file of this source that was written later is loaded already";
                return hold(app, &file, &source, "file_superseded", reason).await;
            }
            FileOrder::LaterLoaded => {}
            FileOrder::Next => {}
        }
        let mapping = mapping(app, &source, self.file).await?;
        let text = raw::open(app, &file).await?;
        let with_prime = source.terms.attachments == Attachments::WithPrime;
        let (mut survey, table) = match survey(text, mapping.clone(), with_prime).await? {
            Ok(surveyed) => surveyed,
            Err(problem) => {
                return hold(app, &file, &source, problem.rule(), &problem.to_string()).await;
            }
        };
        if let Some((rule, reason)) = guard(app, &file, &source, &survey, mapping.holds).await? {
            return hold(app, &file, &source, rule, &reason).await;
        }
        match mapping.holds {
            Holds::Units => {
                let gone = columns_gone::tell(app, &file, &source, &survey.columns).await?;
                // Files that never said what their money is in are not silent of it: the rooftop's country says.
                let silent = |field: &Field| *field != Field::Currency || gone.contains(field);
                survey.columns.absent.retain(silent);
                load(app, cx, &file, &source, survey, table, mapping).await?;
                retire::missing(app, &source, file.id).await?;
            }
            Holds::Reports => {
                badges::load(app, cx, &file, &source, survey.rows, table, mapping).await?;
            }
        }
        finish(app, cx, &file, &source).await
    }
}

/// The source's mapping as it is now; one of the operator's own is noted with the file by its version. A source of
/// one rooftop needs no column that names it, and its money is what the rooftop's country has.
async fn mapping(app: &App, source: &SourceRow, file: i64) -> Result<Mapping, JobError> {
    let mut conn = app.pool.acquire().await?;
    let found = mappings::find(&mut conn, &source.mapping).await;
    let (mut mapping, own) = found.map_err(|problem| match problem {
        MappingProblem::Mapping(error) => JobError::reject(&error),
        other => other.into(),
    })?;
    OwnMappings::used(&mut conn, file, own.map(|own| own.version)).await?;
    if let Some(dealer) = &source.dealer {
        mapping.dealer = None;
        let dealer = Dealers::find(&mut conn, dealer).await?;
        mapping.homes.country = dealer.map(|dealer| dealer.country).unwrap_or_default();
    } else {
        let dealers = Dealers::list(&mut conn).await?.into_iter();
        mapping.homes.by_rooftop = dealers.map(|d| (d.key, d.country)).collect();
    }
    Ok(mapping)
}

async fn find(app: &App, id: i64) -> Result<(SourceFile, SourceRow), JobError> {
    let mut conn = app.pool.acquire().await?;
    let file = Files::get(&mut conn, id).await?;
    let source = Sources::get(&mut conn, file.source_id).await?;
    Ok((file, source))
}

/// An older file goes first, unless its load died: then it is held, for an operator to see, and no
/// longer in the way.
async fn wait_for(app: &App, older: i64, source: &SourceRow) -> Result<Outcome, JobError> {
    let mut conn = app.pool.acquire().await?;
    let args = serde_json::to_value(LoadFile { file: older })?;
    if !Jobs::is_underway(&mut conn, LoadFile::NAME, &args).await? {
        let file = Files::get(&mut conn, older).await?;
        let reason = "its load ended without an end: see its dead load_file job";
        hold(app, &file, source, "load_died", reason).await?;
    }
    Ok(wait_for_turn(source))
}

fn wait_for_turn(source: &SourceRow) -> Outcome {
    Outcome::Snooze {
        after: Duration::from_secs(2),
        reason: format!("another file of {} is being loaded", source.key),
    }
}

async fn hold(
    app: &App,
    file: &SourceFile,
    source: &SourceRow,
    rule: &str,
    reason: &str,
) -> Result<Outcome, JobError> {
    let mut tx = app.pool.begin().await?;
    Files::hold(&mut tx, file.id, reason).await?;
    let reject = RejectRow {
        row: 0,
        stock_number: String::new(),
        column: String::new(),
        value: file.name.clone(),
        rule: rule.to_owned(),
        message: reason.to_owned(),
        row_lost: false,
    };
    Files::reject(&mut tx, file.id, &[reject]).await?;
    let message = format!("{} is held: {reason}", file.name);
    Alerts::raise(&mut tx, "file_held", "critical", &source.key, &message).await?;
    tx.commit().await?;
    Ok(Outcome::Done(
        serde_json::json!({ "held": reason, "rule": rule }),
    ))
}

/// Parses on a blocking thread, a slice ahead of the database.
async fn load(
    app: &App,
    cx: &JobContext,
    file: &SourceFile,
    source: &SourceRow,
    survey: Survey,
    table: Table,
    mapping: Mapping,
) -> Result<(), JobError> {
    let (sender, mut slices) = mpsc::channel(1);
    let begin = u64::try_from(file.next_row).unwrap_or(0);
    let decoder = match mapping.split_trim {
        true => Some(app.decoder().await?),
        false => None,
    };
    let mut conn = app.pool.acquire().await?;
    let before = Listings::any_before(&mut conn, source.dealer_id, file.id).await?;
    let spelling = match before {
        true => Spelling::of(&mut conn, source, &survey).await?,
        false => Spelling::default(),
    };
    drop(conn);
    // Where every unit is new, what it comes to is put together on the parser's thread, beside the database's work.
    let ahead = (!before).then_some(file.id);
    let parsing = tokio::task::spawn_blocking(move || {
        parse(table, &mapping, begin, decoder.as_deref(), ahead, &sender)
    });
    let (mut next_row, mut told) = (file.next_row, 0);
    while let Some(mut slice) = slices.recv().await {
        spelling.as_on_the_lot(&mut slice.rows);
        next_row = write(
            app,
            cx,
            file,
            source,
            (&survey, before),
            &mut told,
            next_row,
            slice,
        )
        .await?;
        cx.progress(
            u64::try_from(next_row).unwrap_or(0),
            Some(survey.rows),
            "rows",
        );
    }
    parsing.await??;
    Ok(())
}

/// One slice in one transaction; the row to go on from.
async fn write(
    app: &App,
    cx: &JobContext,
    file: &SourceFile,
    source: &SourceRow,
    (survey, before): (&Survey, bool),
    told: &mut usize,
    from: i64,
    slice: Slice,
) -> Result<i64, JobError> {
    let Slice { rows, begun, .. } = slice;
    let to = rows
        .last()
        .map_or(from, |row| i64::try_from(row.row).unwrap_or(from));
    let mut tx = app.pool.begin().await?;
    let rooftops = rooftops(&mut tx, source, &rows).await?;
    let Fates {
        drafts,
        mut rejects,
        mut counts,
        values_refused,
        lost,
        unsure,
    } = fates(rows, source, survey, &rooftops);
    if before && !(lost.is_empty() && unsure.is_empty()) {
        // Together with the slice's own, in one order: else two loads could wait for each other.
        let mut all = lost.clone();
        all.extend(drafts.iter().map(|(id, d)| (*id, d.stock_number.clone())));
        Listings::lock_units(&mut tx, &all, (source.id, &unsure)).await?;
    }
    let borrowed: Vec<(i64, &ListingDraft)> = drafts.iter().map(|(id, d)| (*id, d)).collect();
    let bringing = Bringing {
        file: file.id,
        source: source.id,
        blanks: match source.terms.policy {
            SyncPolicy::Overwrite => Blanks::Clear,
            SyncPolicy::Merge => Blanks::Keep,
            SyncPolicy::UpdateOnly => Blanks::KeepAll,
        },
        silent: &survey.columns.silent(),
        whole_stock: source.terms.policy != SyncPolicy::UpdateOnly,
        by_hand: source.kind == SourceKind::Upload,
        before,
        begun: &Mutex::new(begun),
        named: &|dealer, key, number| {
            let rooftop = match source.dealer_id {
                Some(own) if own != dealer => return false,
                Some(_) => "",
                None => key,
            };
            let all = [&survey.units, &survey.off, &survey.unprimed];
            all.iter().any(|named| named.contains(rooftop, number))
        },
    };
    let done = Listings::load(&mut tx, &bringing, &borrowed).await?;
    if bringing.whole_stock {
        let anywhere = (source.id, unsure.as_slice());
        Listings::still_there(&mut tx, file.id, bringing.by_hand, &lost, anywhere).await?;
    }
    counts.rejected += i64::try_from(done.unknown.len()).unwrap_or(0);
    rejects.extend(done.unknown.iter().map(|row| unit_unknown(*row)));
    counts.created = done.created;
    counts.updated = done.updated;
    counts.unchanged = done.unchanged;
    rejects.truncate(MOST_REJECTS.saturating_sub(*told));
    *told += rejects.len();
    Files::reject(&mut tx, file.id, &rejects).await?;
    advance(&mut tx, file.id, from, to, &counts, values_refused).await?;
    let orders = of_new_listings(&done.touched, cx.run_id)?;
    app.engine.enqueue(&mut tx, &orders).await?;
    tx.commit().await?;
    Ok(to)
}

/// Ids of the rooftops that rows name, made when the source may make them.
async fn rooftops(
    tx: &mut PgConnection,
    source: &SourceRow,
    rows: &[ParsedRow],
) -> Result<HashMap<String, i64>, JobError> {
    let named = |row: &&ParsedRow| row.dealer.is_some();
    if source.dealer_id.is_some() || !rows.iter().any(|row| named(&row)) {
        return Ok(HashMap::new());
    }
    if source.create_dealers {
        // What a row that cannot be read names is perhaps no rooftop.
        let sound = rows.iter().filter(|row| row.draft.is_some());
        let sound: Vec<&Dealer> = sound.filter_map(|row| row.dealer.as_ref()).collect();
        Dealers::ensure(tx, &sound).await?;
    }
    let keys = rows.iter().filter_map(|row| row.dealer.as_ref());
    let keys: Vec<String> = keys.map(|dealer| dealer.key.clone()).collect();
    Ok(Dealers::ids(tx, &keys).await?)
}

/// Closes the file, and has it cleared from the drop where the source's terms ask for it.
async fn finish(
    app: &App,
    cx: &JobContext,
    file: &SourceFile,
    source: &SourceRow,
) -> Result<Outcome, JobError> {
    let mut tx = app.pool.begin().await?;
    Files::loaded(&mut tx, file.id).await?;
    columns_unread::tell(&mut tx, file, source).await?;
    Alerts::resolve(&mut tx, "file_held", &source.key).await?;
    Vins::settle_bad(&mut tx, source.dealer_id).await?;
    let drop = matches!(source.kind, SourceKind::Sftp | SourceKind::Folder);
    if drop && source.terms.after_load != AfterLoad::Leave {
        let clear = ClearDrop {
            file: file.id,
            source: source.key.clone(),
            again: None,
        };
        let mut orders = vec![Enqueue::of(&clear)?.run(cx.run_id)];
        // The same bytes may lie there once more by now.
        for (name, modified) in Sightings::of(&mut tx, file.id).await? {
            let again = Some(LiesAgain {
                name,
                modified: Some(modified.as_second()),
            });
            let clear = ClearDrop {
                again,
                ..clear.clone()
            };
            orders.push(Enqueue::of(&clear)?.run(cx.run_id));
        }
        app.engine.enqueue(&mut tx, &orders).await?;
    }
    tx.commit().await?;
    let loaded = Files::get(&mut *app.pool.acquire().await?, file.id).await?;
    Ok(Outcome::Done(serde_json::to_value(loaded.counts)?))
}
