//! Ask the decoder's API about VINs that the offline data do not decode clean, fifty a call.
//!
//! Starts: `decode_vins`; itself, while more is due; its schedule, for what is old.
//! Reads: `enrichment_due`, the provider. Writes: `vin_decodes.api`, blank fields of `listings`.
//! Twice: what was answered is due no more, and a filled field is not blank any more.

use crate::App;
use crate::batch::{Batch, narrowed};
use crate::enrichment::{self, Asking, refresh};
use crate::providers::bearer;
use domain::{Details, Listing, merge};
use partners::vpic::{self, Answer, MOST_VINS};
use queue::{Job, JobContext, JobError, Outcome, Policy, QueueName, Unique};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::time::Duration;
use stores::{Due, Histories, Listings, PgConnection, Provider, ProviderKind, Vins};
use vin::{blanks_filled, errors, facts_of_api, may_be_of};

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RefreshVins {
    pub provider: String,
}

impl Job for RefreshVins {
    type App = App;
    const NAME: &'static str = "refresh_vins";
    const POLICY: Policy = Policy {
        queue: QueueName::Lookups,
        timeout: Duration::from_secs(10 * 60),
        unique: Unique::WhileQueued,
        ..Policy::DEFAULT
    };

    fn key(&self) -> Option<String> {
        Some(self.provider.clone())
    }

    fn partner(&self) -> Option<String> {
        Some(Provider::partner_of(ProviderKind::Vin, &self.provider))
    }

    async fn run(self, app: &App, cx: &JobContext) -> Result<Outcome, JobError> {
        let provider = match enrichment::find(app, &self.provider, ProviderKind::Vin).await? {
            Ok(provider) => provider,
            Err(end) => return Ok(end),
        };
        let asking = Decodes {
            app,
            provider: &provider,
        };
        let size = i64::try_from(MOST_VINS).unwrap_or(1);
        refresh(app, cx, &provider, size, &asking).await
    }
}

struct Decodes<'a> {
    app: &'a App,
    provider: &'a Provider,
}

impl Asking for Decodes<'_> {
    type Answer = Answer;

    async fn ask(&self, due: Vec<Due>) -> Result<Batch<Answer>, JobError> {
        let due = narrowed(due, vpic::MOST_VINS);
        let vins: Vec<String> = due.iter().map(|due| due.subject.clone()).collect();
        let (partner, url) = (self.provider.partner(), &self.provider.url);
        let shown = bearer(self.app, self.provider)?;
        let fetcher = &self.app.fetcher;
        let answers = vpic::decode(fetcher, &partner, url, shown.as_ref(), &vins).await;
        Ok(Batch::of_many(due, answers, |answer: &Answer| &answer.vin))
    }

    async fn keep(&self, tx: &mut PgConnection, answers: &[Answer]) -> Result<(), JobError> {
        keep(tx, &self.provider.name, answers).await
    }

    async fn nothing(&self, tx: &mut PgConnection, vins: &[String]) -> Result<(), JobError> {
        // What it said before stands.
        Ok(Vins::asked_in_vain(tx, &self.provider.name, vins).await?)
    }
}

/// Keeps what the API says, and fills with it what is blank still: a dealer's word and the offline decoder's stand.
async fn keep(tx: &mut PgConnection, by: &str, answers: &[Answer]) -> Result<(), JobError> {
    let mut sorted: Vec<&Answer> = answers.iter().collect();
    sorted.sort_by(|a, b| a.vin.cmp(&b.vin));
    let vins: Vec<String> = sorted.iter().map(|answer| answer.vin.clone()).collect();
    let codes: Vec<String> = sorted
        .iter()
        .map(|answer| {
            let codes: Vec<String> = answer.errors.iter().map(ToString::to_string).collect();
            codes.join(",")
        })
        .collect();
    let values = sorted
        .iter()
        .map(|answer| serde_json::to_value(&answer.values))
        .collect::<Result<Vec<_>, _>>()?;
    Vins::keep_api(tx, by, &vins, &codes, &values).await?;
    let facts: HashMap<&str, Details> = sorted
        .iter()
        // What may be another vehicle's fills nothing.
        .filter(|answer| !errors::doubtful(&answer.errors))
        .map(|answer| (answer.vin.as_str(), facts_of_api(&answer.values)))
        .collect();
    let offline = Vins::facts(tx, &vins).await?;
    let ids = Histories::units(tx, &vins).await?;
    Listings::lock(tx, &ids).await?;
    let changed: Vec<Listing> = Listings::by_ids(tx, &ids)
        .await?
        .into_iter()
        .filter_map(|mut listing| {
            let vin = listing.vin.as_ref()?.as_str();
            let facts = facts.get(vin)?;
            let known = offline.get(vin).cloned().unwrap_or_default();
            may_be_of(&listing, facts, &known).then_some(())?;
            let filled = blanks_filled(&listing.details.clone(), facts)
                .into_iter()
                .filter(|(field, value)| merge::fill(&mut listing, *field, value.clone()))
                .count();
            (filled > 0).then_some(listing)
        })
        .collect();
    Listings::update(tx, &changed, None).await?;
    Ok(())
}
