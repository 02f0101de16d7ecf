//! Tell a dealer what became of his files: one CSV a day beside his drop.
//!
//! Starts: cron, for sources with a report folder; or `POST /v2/jobs`.
//! Reads: the source's files of the last day and what was refused of them, contradictions, doubtful VINs with what was perhaps
//! meant, photos that are not there, what the newest run of each feed left out. Writes: `forecourt-{source}-{day}.csv` on the source's drop.
//! Twice: the day's report is written again, whole.

use crate::gates::judged;
use crate::{App, drop};
use domain::spreadsheet;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use queue::{Job, JobContext, JobError, Outcome, Policy, QueueName};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;
use stores::{
    Dealers, Feeds, FileState, Files, Overrides, Photos, SourceFile, SourceRow, Sources, Vins,
};
use vin::Decoder;

fn report_name(source: &str, day: &str) -> String {
    format!("forecourt-{source}-{day}.csv")
}

/// Whether a file of a drop is a report of ours on this source: it is never taken for stock. What a dealer calls so is another.
pub(crate) fn is_report(source: &str, name: &str) -> bool {
    let day = name.len().checked_sub("2026-11-27.csv".len());
    let day = day.and_then(|from| name.get(from..from + "2026-11-27".len()));
    day.is_some_and(|day| {
        day.parse::<jiff::civil::Date>().is_ok() && name == report_name(source, day)
    })
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ExportReport {
    /// The source's key.
    pub source: String,
}

const COLUMNS: [&str; 9] = [
    "what",
    "file",
    "row",
    "stock_number",
    "vin",
    "column",
    "value",
    "rule",
    "message",
];
/// Files of this long before the first report are told; each after it goes on where the one before ended.
const A_DAY: Duration = Duration::from_secs(24 * 3600);
/// Files that are looked at; a drop with more a day is told its newest.
const MOST_FILES: i64 = 500;
/// Beyond this refused rows are counted, not told.
const LARGEST: usize = 32 * 1024 * 1024;
/// Contradictions told; and as many doubtful VINs and missing photos.
const MOST_TOLD: i64 = 10_000;

#[derive(Debug, Default, Serialize)]
struct Report {
    name: String,
    files: usize,
    held: usize,
    rejected: usize,
    contradictions: usize,
    doubtful_vins: usize,
    lost_photos: usize,
    excluded: usize,
    bytes: usize,
}

impl Job for ExportReport {
    type App = App;
    const NAME: &'static str = "export_report";
    const POLICY: Policy = Policy {
        queue: QueueName::Sftp,
        timeout: Duration::from_secs(10 * 60),
        ..Policy::DEFAULT
    };

    fn key(&self) -> Option<String> {
        Some(self.source.clone())
    }

    fn partner(&self) -> Option<String> {
        Some(drop::partner_of(&self.source))
    }

    async fn run(self, app: &App, cx: &JobContext) -> Result<Outcome, JobError> {
        let mut conn = app.pool.acquire().await?;
        let source = Sources::find(&mut conn, &self.source).await?;
        let source = source.ok_or_else(|| {
            JobError::reject_because(format!("there is no source {:?}", self.source))
        })?;
        std::mem::drop(conn);
        if source.terms.report_folder.is_empty() {
            let reason = format!("source {} has no report folder", source.key);
            return Ok(Outcome::Cancelled { reason });
        }
        // Of now, however long it takes to write and bring: what is loaded meanwhile is the next one's.
        let at = cx.now();
        let (mut report, text, since) = written(app, at, &source).await?;
        report.bytes = text.len();
        let way = drop::way(app, &source)?;
        let place = drop::place(app, &source, cx, Self::POLICY.timeout).await?;
        let put = drop::put(app, &way, &source, &report.name, text.into_bytes()).await;
        crate::turns::release(app, &place).await;
        put.map_err(judged)?;
        let mut conn = app.pool.acquire().await?;
        Sources::reported(&mut conn, source.id, since, at).await?;
        Ok(Outcome::Done(serde_json::to_value(report)?))
    }
}

async fn written(
    app: &App,
    now: Timestamp,
    source: &SourceRow,
) -> Result<(Report, String, Timestamp), JobError> {
    let decoder = app.decoder().await?;
    let mut conn = app.pool.acquire().await?;
    let dealer = match &source.dealer {
        Some(key) => Dealers::find(&mut conn, key).await?,
        None => None,
    };
    let dealer = dealer.ok_or_else(|| {
        JobError::reject_because(format!("source {} is of no one dealer", source.key))
    })?;
    let zone = TimeZone::get(&dealer.time_zone).unwrap_or(TimeZone::UTC);
    let day = now.to_zoned(zone.clone()).date();
    let mut report = Report {
        name: report_name(&source.key, &day.to_string()),
        ..Report::default()
    };
    let since = match Sources::report_of(&mut conn, source.id).await? {
        // The day's own, once more.
        Some((at, since)) if at.to_zoned(zone).date() == day => since,
        Some((at, _)) => at,
        None => now.checked_sub(A_DAY).unwrap_or(now),
    };
    let mut text = spreadsheet::line(COLUMNS);
    let to_tell = Files::moved_since(&mut conn, source.id, since).await?;
    let files = Files::list(&mut conn, Some(source.id), MOST_FILES).await?;
    for file in files.iter().rev().filter(|file| to_tell.contains(&file.id)) {
        report.files += 1;
        report.held += usize::from(file.state == FileState::Held);
        text += &told(file);
        for reject in Files::rejects(&mut conn, file.id).await? {
            report.rejected += 1;
            if text.len() > LARGEST {
                continue;
            }
            let (what, row) = (
                if reject.row_lost {
                    "row refused"
                } else {
                    "value refused"
                },
                reject.row.to_string(),
            );
            let message = match reject.column.as_str() {
                "vin" => with_suggestions(&decoder, reject.value.clone(), reject.message).await?,
                _ => reject.message,
            };
            let cells = [
                what,
                &file.name,
                &row,
                &reject.stock_number,
                "",
                &reject.column,
                &reject.value,
            ];
            text += &spreadsheet::line(
                cells
                    .into_iter()
                    .chain([reject.rule.as_str(), message.as_str()]),
            );
        }
    }
    let found = Overrides::contradictions(&mut conn, Some(&dealer.key), (0, ""), MOST_TOLD);
    for row in found.await? {
        report.contradictions += 1;
        let rule = format!("{}_contradicts", row.source());
        let message = format!("its {} says {}", row.source(), row.vin_value);
        text += &spreadsheet::line([
            "contradiction",
            "",
            "",
            &row.stock_number,
            row.vin.as_deref().unwrap_or_default(),
            &row.field,
            &row.listing_value,
            &rule,
            &message,
        ]);
    }
    let doubtful = vin::errors::DOUBTFUL;
    for unit in Vins::doubtful(&mut conn, &dealer.key, &doubtful, MOST_TOLD).await? {
        let codes: Vec<i32> = unit
            .errors
            .split(',')
            .filter_map(|code| code.parse().ok())
            .collect();
        report.doubtful_vins += 1;
        let words: Vec<&str> = codes.iter().map(|code| vin::errors::words(*code)).collect();
        let message = with_suggestions(&decoder, unit.vin.clone(), words.join("; ")).await?;
        let rule = "vin_doubtful";
        let (number, vin) = (&unit.stock_number, &unit.vin);
        text += &spreadsheet::line([
            "vin doubtful",
            "",
            "",
            number,
            vin,
            "vin",
            vin,
            rule,
            &message,
        ]);
    }
    for photo in Photos::lost(&mut conn, Some(&dealer.key), MOST_TOLD).await? {
        report.lost_photos += 1;
        let rule = photo
            .rule
            .unwrap_or_else(|| format!("photo_{}", photo.state));
        text += &spreadsheet::line([
            "photo missing",
            "",
            "",
            &photo.stock_number,
            photo.vin.as_deref().unwrap_or_default(),
            "image_urls",
            &photo.url,
            &rule,
            photo.problem.as_deref().unwrap_or_default(),
        ]);
    }
    for unit in Feeds::left_out_of(&mut conn, dealer.id).await? {
        report.excluded += 1;
        let reasons = unit.reasons.join(", ");
        let (number, vin) = (&unit.stock_number, &unit.vin);
        text += &spreadsheet::line([
            "excluded", "", "", number, vin, "", "", &reasons, &unit.feed,
        ]);
    }
    Ok((report, text, since))
}

/// Decoding what was perhaps meant keeps a core busy: not one that others wait for.
async fn with_suggestions(
    decoder: &Arc<Decoder>,
    vin: String,
    message: String,
) -> Result<String, JobError> {
    let decoder = decoder.clone();
    let meant = tokio::task::spawn_blocking(move || vin::suggestions(&decoder, &vin)).await?;
    Ok(match meant.is_empty() {
        true => message,
        false => format!("{message}; perhaps {}", meant.join(" or ")),
    })
}

fn told(file: &SourceFile) -> String {
    let c = file.counts;
    let message = match &file.held_reason {
        Some(reason) if file.state == FileState::Held => reason.clone(),
        _ => format!(
            "{} rows: {} new, {} changed, {} the same, {} refused, {} twice; {} units gone",
            c.rows, c.created, c.updated, c.unchanged, c.rejected, c.duplicates, c.removed
        ),
    };
    let what = format!("file {}", file.state.as_str());
    spreadsheet::line([&what, &file.name, "", "", "", "", "", "", &message])
}
