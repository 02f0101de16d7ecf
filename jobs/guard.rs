//! When a file must not be applied without an operator: it cannot be read, has no rows, breaks off, or would take too much off the
//! lot. Grace does not let one by: it counts what the file lacks, whenever that would leave.

use crate::App;
use crate::survey::Survey;
use futures::TryStreamExt;
use ingest::Holds;
use queue::JobError;
use std::collections::HashMap;
use stores::{Files, Listings, SourceFile, SourceRow, SyncPolicy};

/// The rule that a file is held by when it would remove too many.
const GUARD: &str = "guard";
/// Stock this small may change wholly without an operator.
const GUARD_FROM_UNITS: u64 = 5;

/// Why the file must not be applied without an operator, if so: the rule, and words for it.
pub(crate) async fn guard(
    app: &App,
    file: &SourceFile,
    source: &SourceRow,
    survey: &Survey,
    holds: Holds,
) -> Result<Option<(&'static str, String)>, JobError> {
    if file.next_row > 0 {
        return Ok(None);
    }
    if !survey.loadable && survey.rows > 0 {
        let reason = format!("none of its {} rows can be loaded", survey.rows);
        return Ok(Some(("none_loadable", reason)));
    }
    let mut conn = app.pool.acquire().await?;
    // Whoever released it was shown this, and not what else it was held for.
    if file.released_by.is_some() && !Files::held_for_another(&mut conn, file.id, GUARD).await? {
        return Ok(None);
    }
    if survey.rows == 0 {
        let reason = match (holds, source.terms.policy) {
            (Holds::Reports, _) | (_, SyncPolicy::UpdateOnly) => "it has no rows",
            _ => "it has no rows: released, it removes every unit that its source brought",
        };
        return Ok(Some((GUARD, reason.to_owned())));
    }
    if holds == Holds::Reports || source.terms.policy == SyncPolicy::UpdateOnly {
        return Ok(None);
    }
    // Of the whole source, and of each rooftop by itself: one that is missing is few of many.
    let mut lots: HashMap<String, (u64, u64)> = HashMap::new();
    let mut units = Listings::on_the_lot_of(&mut conn, (source.dealer_id, source.id));
    while let Some((rooftop, number)) = units.try_next().await? {
        let key = match source.dealer_id {
            Some(_) => "",
            None => &rooftop,
        };
        let there = survey.units.contains(key, &number) || survey.unsure.contains("", &number);
        for lot in ["", key].iter().take(1 + usize::from(!key.is_empty())) {
            let (units, gone) = lots.entry((*lot).to_owned()).or_default();
            *units += 1;
            *gone += u64::from(!there);
        }
    }
    drop(units);
    // A short last line without an end is a cut, unless the source's files always have one: a line that adds up.
    let lacks_some = lots.get("").is_some_and(|(_, gone)| *gone > 0);
    if survey.breaks_off && lacks_some && !Files::ends_short(&mut conn, source.id, file.id).await? {
        let reason = format!(
            "its last row, {}, breaks off before its last cell, and units of the lot are not in it: it was not written to its end",
            survey.rows
        );
        return Ok(Some((GUARD, reason)));
    }
    let allowed = u64::try_from(source.max_removed_percent).unwrap_or(0);
    let mut lots: Vec<(String, (u64, u64))> = lots.into_iter().collect();
    lots.sort();
    let too_many = lots
        .into_iter()
        .find(|(_, (units, gone))| *units >= GUARD_FROM_UNITS && gone * 100 > units * allowed);
    Ok(too_many.map(|(rooftop, (units, gone))| {
        let whose = match rooftop.as_str() {
            "" => String::new(),
            key => format!(" of {key}"),
        };
        let grace = source.terms.grace;
        let does = match grace.files > 0 || grace.hours > 0 {
            true => "lacks",
            false => "would remove",
        };
        let reason = format!(
            "with its {} rows it {does} {gone} of {units} units{whose}, more than {allowed} %",
            survey.rows
        );
        (GUARD, reason)
    }))
}
