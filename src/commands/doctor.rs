//! `doctor`: what is wrong now, and the command that mends it. Exit code 1 when something is.

use anyhow::Result;
use queue::{Gate, JobFilter, JobState, Jobs, Overview, gate};
use serde::Serialize;
use std::path::Path;
use std::process::ExitCode;
use stores::Alerts;

#[derive(Debug, clap::Args)]
pub(super) struct Doctor {
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Serialize)]
struct Ailment {
    severity: &'static str,
    what: String,
    mend: String,
}

impl Doctor {
    pub(super) async fn run(self, data_dir: &Path) -> Result<ExitCode> {
        let platform = super::connect(data_dir).await?;
        let found = look(&platform.app).await?;
        for ailment in &found {
            if self.json {
                println!("{}", serde_json::to_string(ailment)?);
            } else {
                println!(
                    "{:<9} {}\n          {}",
                    ailment.severity, ailment.what, ailment.mend
                );
            }
        }
        if found.is_empty() && !self.json {
            println!("nothing is wrong");
        }
        Ok(ExitCode::from(u8::from(!found.is_empty())))
    }
}

async fn look(app: &jobs::App) -> Result<Vec<Ailment>> {
    let mut found = Vec::new();
    let mut conn = app.pool.acquire().await?;
    for alert in Alerts::open(&mut conn).await? {
        let mend = match alert.what.as_str() {
            "breaker_open" => format!("forecourt partners probe {:?}", alert.subject),
            "queue_unworked" => "forecourt work".to_owned(),
            "missed_ticks" => format!("forecourt schedules ticks {}", alert.subject),
            "feed_stale" | "feed_held" => format!("forecourt feeds runs {}", alert.subject),
            "file_held" => format!("forecourt sources files {}", alert.subject),
            "history_drift" | "history_unknown" | "worth_unknown" | "provider_failing" => {
                format!("forecourt providers test {}", alert.subject)
            }
            "bad_vins" => "forecourt vin VIN".to_owned(),
            "values_unread" | "column_gone" => {
                format!(
                    "forecourt sources files {}, then sources rejects FILE",
                    alert.subject
                )
            }
            _ => format!("forecourt sources files {}", alert.subject),
        };
        found.push(Ailment {
            severity: if alert.severity == "critical" {
                "critical"
            } else {
                "warning"
            },
            what: format!("{} {}: {}", alert.what, alert.subject, alert.message),
            mend,
        });
    }
    for queue in Overview::queues(&mut conn).await? {
        if queue.workers == 0 && queue.ready > 0 {
            found.push(Ailment {
                severity: "critical",
                what: format!(
                    "queue {}: {} jobs are ready and no worker serves it",
                    queue.queue, queue.ready
                ),
                mend: "forecourt work".to_owned(),
            });
        }
    }
    let lanes = app.engine.lanes(None).await?;
    for lane in lanes {
        if let (Gate::Blocked { reason, .. }, Some(_)) = (gate(&lane, lane.as_of), &lane.paused_by)
        {
            found.push(Ailment {
                severity: "warning",
                what: reason,
                mend: format!("forecourt queues resume {}", lane.queue),
            });
        }
    }
    let dead = JobFilter {
        state: Some(JobState::Dead),
        ..JobFilter::default()
    };
    for job in Jobs::list(&mut conn, &dead, None, 5).await? {
        let why = job
            .error
            .as_ref()
            .and_then(|error| error["message"].as_str());
        found.push(Ailment {
            severity: "warning",
            what: format!(
                "job {} {} is dead: {}",
                job.id,
                job.kind,
                why.unwrap_or("no reason given")
            ),
            mend: format!("forecourt jobs retry {}", job.id),
        });
    }
    found.dedup_by(|a, b| a.what == b.what);
    Ok(found)
}
