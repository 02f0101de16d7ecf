//! Ask a partner whose break is over whether it is back, when nobody else would.
//!
//! Starts: the watch (`loops/watch.rs`), once a break has run out. Reads: `sources`, `photo_urls`,
//! `providers`.
//! Writes: the partner's breaker, through the gate that every call goes through.
//! Twice: the gate lets one probe through at a time; a second finds the breaker as the first left it.

use crate::providers::{KNOWN_VIN, ProviderProblem, ask_one};
use crate::{App, drop};
use partners::{ErrorKind, PartnerError};
use queue::{BreakerState, Job, JobContext, JobError, Outcome, Partner, Policy, Priority, Unique};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use stores::{Photos, Providers, Sources};

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ProbePartner {
    /// As breakers know it: `sftp bayview`, `host HOST:PORT`, `photos HOST`, `webhook`.
    pub partner: String,
}

#[derive(Debug, Serialize)]
struct Report {
    asked: bool,
    answer: String,
}

impl Job for ProbePartner {
    type App = App;
    const NAME: &'static str = "probe_partner";
    // No partner of its own: a lane that waits for the probe would keep the probe waiting.
    const POLICY: Policy = Policy {
        priority: Priority::High,
        timeout: Duration::from_secs(120),
        retention: Duration::from_secs(24 * 3600),
        // A probe that cannot even be made is not tried at every look.
        unique: Unique::Within(Duration::from_secs(20)),
        ..Policy::DEFAULT
    };

    fn key(&self) -> Option<String> {
        Some(self.partner.clone())
    }

    async fn run(self, app: &App, _: &JobContext) -> Result<Outcome, JobError> {
        let mut conn = app.pool.acquire().await?;
        let Some(partner) = Partner::find(&mut conn, &self.partner).await? else {
            let why = format!("there is no partner {:?}", self.partner);
            return Err(JobError::reject_because(why));
        };
        drop(conn);
        if partner.state != BreakerState::Open {
            let state = partner.state.as_str();
            return said(false, format!("its breaker is {state}"));
        }
        // Closed, as far as this process may still believe: then the call would be no probe, and the breaker stay open.
        app.partners.look_again(&self.partner);
        match knock(app, &self.partner).await? {
            None => {
                let mut conn = app.pool.acquire().await?;
                // Should it be called again after all, its first failures open it again.
                Partner::let_be(&mut conn, &self.partner, Self::NAME).await?;
                said(false, "nothing calls it any more: closed".to_owned())
            }
            Some(Ok(())) => said(true, "it answers".to_owned()),
            Some(Err(error)) => said(error.kind != ErrorKind::Shut, error.to_string()),
        }
    }
}

/// What we would ask it anyway, at its smallest. `None` when there is nothing left to ask.
async fn knock(app: &App, partner: &str) -> Result<Option<Result<(), PartnerError>>, JobError> {
    let (kind, whose) = partner.split_once(' ').unwrap_or((partner, ""));
    let mut conn = app.pool.acquire().await?;
    match kind {
        "sftp" => {
            let source = Sources::find(&mut conn, whose).await?;
            drop(conn);
            match source {
                Some(source) => Ok(Some(drop::knock(app, &source).await?)),
                None => Ok(None),
            }
        }
        "host" => {
            let sources = Sources::list(&mut conn).await?;
            std::mem::drop(conn);
            // One of them that is shut for itself does not get as far as the host.
            let mut answer = None;
            for source in sources {
                if drop::host_partner(&source).as_deref() != Some(partner) {
                    continue;
                }
                let knocked = drop::knock(app, &source).await?;
                let shut = matches!(&knocked, Err(error) if error.kind == ErrorKind::Shut);
                answer = Some(knocked);
                if !shut {
                    break;
                }
            }
            Ok(answer)
        }
        "photos" => {
            let url = Photos::url_at(&mut conn, whose).await?;
            drop(conn);
            match url {
                Some(url) => Ok(Some(app.fetcher.get(&url).await.map(|_| ()))),
                None => Ok(None),
            }
        }
        _ => {
            let provider = Providers::find(&mut conn, whose).await?;
            drop(conn);
            let provider =
                provider.filter(|provider| provider.enabled && provider.partner() == partner);
            let Some(provider) = provider else {
                return Ok(None);
            };
            match ask_one(app, &provider, KNOWN_VIN).await {
                Ok(_) => Ok(Some(Ok(()))),
                Err(ProviderProblem::Partner(error)) => Ok(Some(Err(error))),
                Err(problem) => Err(JobError::reject(&problem)),
            }
        }
    }
}

fn said(asked: bool, answer: String) -> Result<Outcome, JobError> {
    let report = Report { asked, answer };
    Ok(Outcome::Done(serde_json::to_value(report)?))
}
