//! Move or delete a file in a source's drop, once it is loaded.
//!
//! Starts: `load_file`, for sources whose terms say so; `pull_source`, for one that lies there once more.
//! Reads: the file's ledger row, the source's drop.
//! Writes: the drop.
//! Twice: a file that is gone, or that is another by now, is left alone.

use crate::gates::judged;
use crate::{App, drop, turns};
use partners::RemoteFile;
use queue::{Job, JobContext, JobError, Outcome, Policy, QueueName};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use stores::{Files, Sources};

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ClearDrop {
    pub file: i64,
    /// The key of the file's source.
    pub source: String,
    /// The same bytes, which lie there once more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub again: Option<LiesAgain>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LiesAgain {
    pub name: String,
    /// Seconds since 1970, as the drop says.
    pub modified: Option<i64>,
}

impl Job for ClearDrop {
    type App = App;
    const NAME: &'static str = "clear_drop";
    const POLICY: Policy = Policy {
        queue: QueueName::Sftp,
        timeout: Duration::from_secs(5 * 60),
        ..Policy::DEFAULT
    };

    fn key(&self) -> Option<String> {
        Some(match &self.again {
            None => self.file.to_string(),
            Some(again) => format!("{} {} {:?}", self.file, again.name, again.modified),
        })
    }

    fn partner(&self) -> Option<String> {
        Some(drop::partner_of(&self.source))
    }

    async fn run(self, app: &App, cx: &JobContext) -> Result<Outcome, JobError> {
        let mut conn = app.pool.acquire().await?;
        let file = Files::get(&mut conn, self.file).await?;
        let source = Sources::get(&mut conn, file.source_id).await?;
        std::mem::drop(conn);
        let again = self.again.unwrap_or(LiesAgain {
            modified: file.modified_at.map(|at| at.as_second()),
            name: file.name,
        });
        let there = RemoteFile {
            name: again.name,
            bytes: file.bytes.unsigned_abs(),
            modified: again.modified,
        };
        let place = drop::place(app, &source, cx, Self::POLICY.timeout).await?;
        let did = drop::clear(app, &source, there).await;
        turns::release(app, &place).await;
        let did = did?.map_err(judged)?;
        Ok(Outcome::Done(serde_json::json!({ "did": did })))
    }
}
