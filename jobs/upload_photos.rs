//! Send photos to a service that shows them, or to our own storage, once each by the digest of their bytes.
//!
//! Starts: `hash_photos`, for pictures it has not seen before; itself, while more is due; its schedule, for what is missing.
//! Reads: `enrichment_due`, `photos`, the photo's host. Writes: the provider, `photo_uploads`.
//! Twice: the digest is the name it is sent under, so the second is the first.

use crate::App;
use crate::batch::{Batch, each};
use crate::enrichment::{self, Asking, refresh};
use crate::providers::{OWN_STORAGE, bearer};
use partners::{ErrorKind, PartnerError, upload};
use queue::{Job, JobContext, JobError, Outcome, Policy, Priority, QueueName, Unique};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use stores::{Due, PgConnection, PhotoUpload, Photos, Provider, ProviderKind};

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct UploadPhotos {
    pub provider: String,
}

const BATCH: i64 = 50;

impl Job for UploadPhotos {
    type App = App;
    const NAME: &'static str = "upload_photos";
    const POLICY: Policy = Policy {
        queue: QueueName::Photos,
        priority: Priority::Low,
        timeout: Duration::from_secs(10 * 60),
        unique: Unique::WhileQueued,
        ..Policy::DEFAULT
    };

    fn key(&self) -> Option<String> {
        Some(self.provider.clone())
    }

    fn partner(&self) -> Option<String> {
        Some(Provider::partner_of(ProviderKind::Upload, &self.provider))
    }

    async fn run(self, app: &App, cx: &JobContext) -> Result<Outcome, JobError> {
        let provider = match enrichment::find(app, &self.provider, ProviderKind::Upload).await? {
            Ok(provider) => provider,
            Err(end) => return Ok(end),
        };
        let asking = Uploads {
            app,
            provider: &provider,
            shown: bearer(app, &provider)?,
        };
        refresh(app, cx, &provider, BATCH, &asking).await
    }
}

struct Uploads<'a> {
    app: &'a App,
    provider: &'a Provider,
    shown: Option<SecretString>,
}

impl Asking for Uploads<'_> {
    type Answer = PhotoUpload;

    async fn ask(&self, due: Vec<Due>) -> Result<Batch<PhotoUpload>, JobError> {
        let one = |digest| one(self.app, self.provider, self.shown.as_ref(), digest);
        Ok(each(self.provider, due, one).await)
    }

    async fn keep(&self, tx: &mut PgConnection, uploads: &[PhotoUpload]) -> Result<(), JobError> {
        Photos::uploaded(tx, &self.provider.name, uploads).await?;
        Ok(())
    }
}

/// One photo; `None` when it is nowhere to be had any more.
async fn one(
    app: &App,
    provider: &Provider,
    shown: Option<&SecretString>,
    digest: String,
) -> Result<Option<PhotoUpload>, PartnerError> {
    let ours = |error: stores::StoreError| PartnerError {
        kind: ErrorKind::Unavailable,
        operation: "look for",
        target: digest.clone(),
        message: error.to_string(),
        retry_after: None,
    };
    let mut conn = app.pool.acquire().await.map_err(|e| ours(e.into()))?;
    let Some((url, format)) = Photos::where_is(&mut conn, &digest).await.map_err(ours)? else {
        return Ok(None);
    };
    drop(conn);
    let photo = match app.fetcher.get(&url).await {
        Ok(fetched) => fetched.bytes,
        Err(error) if error.passing() => {
            // The photo's host is down, not the provider.
            return Err(PartnerError {
                kind: ErrorKind::Corrupt,
                ..error
            });
        }
        Err(_) => return Ok(None),
    };
    if blake3::hash(&photo).to_hex().as_str() != digest {
        // Another picture by now; it is fetched and hashed as any.
        return Ok(None);
    }
    let content_type = format!("image/{format}");
    let url = match provider.url.strip_prefix(OWN_STORAGE) {
        Some(prefix) => {
            let key = format!("{}/{digest}.{format}", prefix.trim_matches('/'));
            app.objects.put(&key, photo, &content_type).await?;
            key
        }
        None => {
            let to = provider.url.replace("{digest}", &digest);
            let partner = provider.partner();
            upload::put(&app.fetcher, &partner, &to, shown, &content_type, photo).await?
        }
    };
    Ok(Some(PhotoUpload { digest, url }))
}
