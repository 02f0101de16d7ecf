//! A stock number is the same whatever the case of its letters: what a file spells otherwise than the lot is written as the lot
//! has it.

use crate::survey::Survey;
use futures::TryStreamExt;
use ingest::ParsedRow;
use queue::JobError;
use std::collections::HashMap;
use stores::{Listings, PgConnection, SourceRow};

/// How the lot spells the numbers of its units, by rooftop (blank where the source has one) and capitals: those of which
/// the file or the lot has one with small letters.
#[derive(Default)]
pub(crate) struct Spelling(HashMap<(String, String), Vec<String>>);

impl Spelling {
    pub(crate) async fn of(
        conn: &mut PgConnection,
        source: &SourceRow,
        survey: &Survey,
    ) -> Result<Self, JobError> {
        let mut spelt: HashMap<_, Vec<String>> = HashMap::new();
        let whose = (source.dealer_id, source.id);
        let mut units = Listings::numbers_of(conn, whose, survey.small.is_empty());
        while let Some((rooftop, number)) = units.try_next().await? {
            let rooftop = match source.dealer_id {
                Some(_) => String::new(),
                None => rooftop,
            };
            let small = number.bytes().any(|b| b.is_ascii_lowercase());
            if small || survey.small.contains(&rooftop, &number) {
                let unit = (rooftop, number.to_ascii_uppercase());
                spelt.entry(unit).or_default().push(number);
            }
        }
        Ok(Self(spelt))
    }

    pub(crate) fn as_on_the_lot(&self, rows: &mut [ParsedRow]) {
        if self.0.is_empty() {
            return;
        }
        for row in rows {
            let rooftop = row.dealer.as_ref().map_or("", |dealer| dealer.key.as_str());
            let of_draft = row.draft.iter_mut().flat_map(|draft| {
                let prime = draft.details.parent_stock_number.as_mut();
                std::iter::once(&mut draft.stock_number).chain(prime)
            });
            for number in of_draft
                .chain(&mut row.stock_number)
                .chain(&mut row.perhaps)
            {
                let unit = (rooftop.to_owned(), number.to_ascii_uppercase());
                // Where the lot has both, each is what it is.
                let spelt = self.0.get(&unit).filter(|spelt| !spelt.contains(number));
                if let Some(first) = spelt.and_then(|spelt| spelt.first()) {
                    number.clone_from(first);
                }
            }
        }
    }
}
