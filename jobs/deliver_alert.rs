//! Tell an alert to the operators' webhook.
//!
//! Starts: the watch (`loops/watch.rs`), for each alert nobody was told of. Reads: `alerts`. Writes:
//! `alerts.delivered_at`.
//! Twice: an alert that was delivered is not sent again; a crash between the two sends it under the same
//! `Idempotency-Key`.

use crate::App;
use crate::gates::judged;
use queue::{Job, JobContext, JobError, Outcome, Policy, Priority, QueueName, Unique};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use stores::{Alert, Alerts};

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DeliverAlert {
    pub alert: i64,
}

#[derive(Debug, Serialize)]
struct Report {
    sent: bool,
    why: &'static str,
}

impl Job for DeliverAlert {
    type App = App;
    const NAME: &'static str = "deliver_alert";
    const POLICY: Policy = Policy {
        queue: QueueName::Upkeep,
        priority: Priority::High,
        timeout: Duration::from_secs(30),
        // A webhook that refuses it is not asked again at every look.
        unique: Unique::Within(Duration::from_secs(15 * 60)),
        ..Policy::DEFAULT
    };

    fn key(&self) -> Option<String> {
        Some(self.alert.to_string())
    }

    fn partner(&self) -> Option<String> {
        Some("webhook".to_owned())
    }

    async fn run(self, app: &App, _: &JobContext) -> Result<Outcome, JobError> {
        let mut conn = app.pool.acquire().await?;
        let Some(alert) = Alerts::find(&mut conn, self.alert).await? else {
            return Err(JobError::reject_because(format!(
                "there is no alert {}",
                self.alert
            )));
        };
        drop(conn);
        let report = deliver(app, &alert).await?;
        Ok(Outcome::Done(serde_json::to_value(report)?))
    }
}

async fn deliver(app: &App, alert: &Alert) -> Result<Report, JobError> {
    if alert.delivered_at.is_some() {
        return Ok(Report {
            sent: false,
            why: "it was delivered before",
        });
    }
    let Some(webhook) = &app.webhook else {
        return Ok(Report {
            sent: false,
            why: "no webhook is set (FORECOURT_ALERT_WEBHOOK)",
        });
    };
    let key = format!("forecourt-alert-{}", alert.id);
    webhook.post(&key, &body(alert)?).await.map_err(judged)?;
    Alerts::delivered(&mut *app.pool.acquire().await?, alert.id).await?;
    Ok(Report {
        sent: true,
        why: "the webhook took it",
    })
}

/// `text` is what chat services show; the rest is for programs.
fn body(alert: &Alert) -> Result<String, serde_json::Error> {
    serde_json::to_string(&serde_json::json!({
        "text": format!("[{}] {} {}: {}", alert.severity, alert.what, alert.subject, alert.message),
        "id": alert.id,
        "what": alert.what,
        "severity": alert.severity,
        "subject": alert.subject,
        "message": alert.message,
        "since": alert.since,
    }))
}
