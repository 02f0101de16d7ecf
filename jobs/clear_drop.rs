//! Move or delete a file in a source's drop, once it is loaded.
//!
//! Starts: `load_file`, for sources whose terms say so. Reads: the file's ledger row, the source's drop.
//! Writes: the drop.
//! Twice: a file that is gone, or that is another by now, is left alone.

use crate::gates::judged;
use crate::{App, drop};
use queue::{Job, JobContext, JobError, Outcome, Policy, QueueName};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use stores::{Files, Sources};

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ClearDrop {
    pub file: i64,
    /// The key of the file's source.
    pub source: String,
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
        Some(self.file.to_string())
    }

    fn partner(&self) -> Option<String> {
        Some(drop::partner_of(&self.source))
    }

    async fn run(self, app: &App, _: &JobContext) -> Result<Outcome, JobError> {
        let mut conn = app.pool.acquire().await?;
        let file = Files::get(&mut conn, self.file).await?;
        let source = Sources::get(&mut conn, file.source_id).await?;
        std::mem::drop(conn);
        let did = drop::clear(app, &source, &file).await?.map_err(judged)?;
        Ok(Outcome::Done(serde_json::json!({ "did": did })))
    }
}
