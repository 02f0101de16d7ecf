//! Send photos to a service that shows them, or to our own storage, once each by the digest of their bytes.
//!
//! Starts: `hash_photos`, for pictures it has not seen before; itself, while more is due; its schedule, for what is missing.
//! Reads: `enrichment_due`, `photos`, the photo's host. Writes: the provider, `photo_uploads`.
//! Twice: the digest is the name it is sent under, so the second is the first.

use crate::App;
use crate::batch::{Batch, each};
use crate::enrichment::{self, Asking, refresh};
use crate::provider_order::OWN_STORAGE;
use crate::providers::{bearer, settings};
use partners::{ErrorKind, PartnerError, upload};
use photos::{Derived, Limits, derived};
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
        Ok(each(self.provider, due, |_| false, one).await)
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
    let places = Photos::where_is(&mut conn, &digest).await.map_err(ours)?;
    drop(conn);
    let (mut photo, mut passing) = (None, None);
    for (url, format) in places {
        match app.fetcher.get(&url).await {
            // Else it is another picture by now, fetched and hashed as any.
            Ok(fetched) if blake3::hash(&fetched.bytes).to_hex().as_str() == digest => {
                photo = Some((fetched, format));
                break;
            }
            Err(error) if error.passing() => passing = Some(error),
            Ok(_) | Err(_) => {}
        }
    }
    let (mut fetched, format) = match (photo, passing) {
        (Some(photo), _) => photo,
        // The photo's host is down, not the provider.
        (None, Some(error)) => {
            return Err(PartnerError {
                kind: ErrorKind::Corrupt,
                ..error
            });
        }
        (None, None) => return Ok(None),
    };
    // The rest of it stays: a large one holds its place until it is sent.
    let photo = std::mem::take(&mut fetched.bytes);
    let content_type = format!("image/{format}");
    if let Some(prefix) = provider.url.strip_prefix(OWN_STORAGE) {
        let to = format!("{}/{digest}", prefix.trim_matches('/'));
        return own_storage(app, provider, digest, &to, photo, &format)
            .await
            .map(Some);
    }
    let to = provider.url.replace("{digest}", &digest);
    let partner = provider.partner();
    let url = upload::put(&app.fetcher, &partner, &to, shown, &content_type, photo).await?;
    Ok(Some(PhotoUpload {
        digest,
        url,
        sizes: Vec::new(),
        objects: Vec::new(),
    }))
}

/// The photo as it came, and its smaller copies beside it.
async fn own_storage(
    app: &App,
    provider: &Provider,
    digest: String,
    to: &str,
    photo: Vec<u8>,
    format: &str,
) -> Result<PhotoUpload, PartnerError> {
    let settings = settings(provider);
    let base = settings.shown_at.trim_end_matches('/').to_owned();
    let address = |key: &str| match base.as_str() {
        "" => key.to_owned(),
        base => format!("{base}/{key}"),
    };
    let copies = match settings.sizes.is_empty() {
        true => Vec::new(),
        false => copies(app, &digest, photo.clone(), settings.sizes).await?,
    };
    let key = format!("{to}.{format}");
    let content_type = format!("image/{format}");
    app.objects.put(&key, photo, &content_type).await?;
    let (url, mut sizes, mut objects) = (address(&key), Vec::new(), vec![key]);
    for copy in copies {
        let key = format!("{to}-{}.jpeg", copy.width);
        app.objects.put(&key, copy.jpeg, "image/jpeg").await?;
        let width = i32::try_from(copy.width).unwrap_or(i32::MAX);
        sizes.push((width, address(&key)));
        objects.push(key);
    }
    Ok(PhotoUpload {
        digest,
        url,
        sizes,
        objects,
    })
}

/// On a blocking thread, no more at once than there are cores.
async fn copies(
    app: &App,
    digest: &str,
    photo: Vec<u8>,
    widths: Vec<u32>,
) -> Result<Vec<Derived>, PartnerError> {
    let corrupt = |message: String| PartnerError {
        kind: ErrorKind::Corrupt,
        operation: "derive",
        target: digest.to_owned(),
        message,
        retry_after: None,
    };
    let _turn = app
        .hashing
        .acquire()
        .await
        .map_err(|e| corrupt(e.to_string()))?;
    let made = tokio::task::spawn_blocking(move || derived(&photo, &widths, Limits::DEFAULT));
    let made = made.await.map_err(|ended| corrupt(ended.to_string()))?;
    // A fingerprint asks less of a photo than a copy does: it is shown as it came then.
    Ok(made.unwrap_or_else(|error| {
        tracing::info!(%error, digest, "no smaller copies of this photo");
        Vec::new()
    }))
}
