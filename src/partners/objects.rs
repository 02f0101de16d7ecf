//! Object storage by the S3 protocol: raw files in, feeds out.
//!
//! Keys are ours and checked; an object is written once and never changed, except `latest`
//! copies, whose one writer is decided in PostgreSQL.

use crate::{ErrorKind, PartnerError};
use aws_sdk_s3::Client;
use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use secrecy::{ExposeSecret, SecretString};
use std::fmt::Debug;
use std::time::Duration;

#[derive(Clone, Debug)]
pub struct ObjectSettings {
    /// `None` for AWS itself.
    pub endpoint: Option<String>,
    pub region: String,
    pub bucket: String,
    pub access_key: String,
    pub secret_key: SecretString,
}

#[derive(Clone, Debug)]
pub struct Objects {
    client: Client,
    bucket: String,
}

/// S3's smallest part but the last.
const PART_BYTES: usize = 8 * 1024 * 1024;
/// An object we read whole may be this large.
const LARGEST_READ: i64 = 1024 * 1024 * 1024;

impl Objects {
    pub fn new(settings: &ObjectSettings) -> Self {
        let credentials = Credentials::new(
            settings.access_key.clone(),
            settings.secret_key.expose_secret(),
            None,
            None,
            "forecourt",
        );
        let timeouts = aws_sdk_s3::config::timeout::TimeoutConfig::builder()
            .connect_timeout(Duration::from_secs(5))
            .operation_attempt_timeout(Duration::from_secs(60))
            .build();
        let mut config = aws_sdk_s3::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(settings.region.clone()))
            .credentials_provider(credentials)
            .timeout_config(timeouts)
            .force_path_style(settings.endpoint.is_some());
        if let Some(endpoint) = &settings.endpoint {
            config = config.endpoint_url(endpoint);
        }
        Self {
            client: Client::from_conf(config.build()),
            bucket: settings.bucket.clone(),
        }
    }

    pub async fn put(
        &self,
        key: &str,
        bytes: Vec<u8>,
        content_type: &str,
    ) -> Result<(), PartnerError> {
        check_key(key)?;
        self.client
            .put_object()
            .bucket(&self.bucket)
            .key(key)
            .content_type(content_type)
            .body(ByteStream::from(bytes))
            .send()
            .await
            .map_err(|error| failed("put object", key, &error))?;
        Ok(())
    }

    pub async fn get(&self, key: &str) -> Result<Vec<u8>, PartnerError> {
        let chunks = self.chunks(key).await?;
        if chunks.length.is_some_and(|length| length > LARGEST_READ) {
            let message = format!("larger than {LARGEST_READ} bytes");
            return Err(PartnerError::new(
                ErrorKind::Corrupt,
                "get object",
                key,
                message,
            ));
        }
        let body = chunks.body.collect().await.map_err(|error| {
            PartnerError::new(ErrorKind::Unavailable, "get object", key, error.to_string())
        })?;
        Ok(body.into_bytes().to_vec())
    }

    /// An object of any size, a piece at a time.
    pub async fn chunks(&self, key: &str) -> Result<Chunks, PartnerError> {
        check_key(key)?;
        let object = self
            .client
            .get_object()
            .bucket(&self.bucket)
            .key(key)
            .send()
            .await
            .map_err(|error| failed("get object", key, &error))?;
        Ok(Chunks {
            key: key.to_owned(),
            length: object.content_length(),
            body: object.body,
        })
    }

    pub async fn exists(&self, key: &str) -> Result<bool, PartnerError> {
        check_key(key)?;
        match self
            .client
            .head_object()
            .bucket(&self.bucket)
            .key(key)
            .send()
            .await
        {
            Ok(_) => Ok(true),
            Err(error) => match failed("head object", key, &error) {
                error if error.kind == ErrorKind::NotFound => Ok(false),
                error => Err(error),
            },
        }
    }

    /// One that is not there is as good as deleted.
    pub async fn delete(&self, key: &str) -> Result<(), PartnerError> {
        check_key(key)?;
        self.client
            .delete_object()
            .bucket(&self.bucket)
            .key(key)
            .send()
            .await
            .map(drop)
            .or_else(|error| match failed("delete object", key, &error) {
                gone if gone.kind == ErrorKind::NotFound => Ok(()),
                other => Err(other),
            })
    }

    /// Copies within the bucket, on the server.
    pub async fn copy(&self, from: &str, to: &str) -> Result<(), PartnerError> {
        check_key(from)?;
        check_key(to)?;
        self.client
            .copy_object()
            .bucket(&self.bucket)
            .copy_source(format!("{}/{from}", self.bucket))
            .key(to)
            .send()
            .await
            .map_err(|error| failed("copy object to", to, &error))?;
        Ok(())
    }

    /// The bucket answers.
    pub async fn check(&self) -> Result<(), PartnerError> {
        self.client
            .head_bucket()
            .bucket(&self.bucket)
            .send()
            .await
            .map_err(|error| failed("head bucket", &self.bucket, &error))?;
        Ok(())
    }

    /// An upload of unknown size: parts leave as they fill, memory stays flat.
    pub fn upload(&self, key: &str, content_type: &str) -> Result<Upload, PartnerError> {
        check_key(key)?;
        Ok(Upload {
            objects: self.clone(),
            key: key.to_owned(),
            content_type: content_type.to_owned(),
            buffer: Vec::new(),
            started: None,
            parts: Vec::new(),
        })
    }
}

pub struct Chunks {
    key: String,
    length: Option<i64>,
    body: ByteStream,
}

impl Chunks {
    /// `None` at the end; an object that ends early is an error.
    pub async fn next(&mut self) -> Result<Option<impl AsRef<[u8]> + use<>>, PartnerError> {
        self.body.try_next().await.map_err(|error| {
            let message = error.to_string();
            PartnerError::new(ErrorKind::Unavailable, "get object", &self.key, message)
        })
    }
}

pub struct Upload {
    objects: Objects,
    key: String,
    content_type: String,
    buffer: Vec<u8>,
    /// Set once the first part has left.
    started: Option<String>,
    parts: Vec<CompletedPart>,
}

impl Upload {
    pub async fn write(&mut self, bytes: &[u8]) -> Result<(), PartnerError> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= PART_BYTES {
            self.send_part().await?;
        }
        Ok(())
    }

    /// The object appears whole, or not at all.
    pub async fn finish(mut self) -> Result<(), PartnerError> {
        if self.started.is_none() {
            let bytes = std::mem::take(&mut self.buffer);
            return self.objects.put(&self.key, bytes, &self.content_type).await;
        }
        if !self.buffer.is_empty() {
            self.send_part().await?;
        }
        let parts = CompletedMultipartUpload::builder()
            .set_parts(Some(self.parts))
            .build();
        self.objects
            .client
            .complete_multipart_upload()
            .bucket(&self.objects.bucket)
            .key(&self.key)
            .upload_id(self.started.unwrap_or_default())
            .multipart_upload(parts)
            .send()
            .await
            .map_err(|error| failed("finish upload", &self.key, &error))?;
        Ok(())
    }

    /// Leaves nothing behind.
    pub async fn abandon(self) -> Result<(), PartnerError> {
        if let Some(id) = self.started {
            self.objects
                .client
                .abort_multipart_upload()
                .bucket(&self.objects.bucket)
                .key(&self.key)
                .upload_id(id)
                .send()
                .await
                .map_err(|error| failed("abandon upload", &self.key, &error))?;
        }
        Ok(())
    }

    async fn send_part(&mut self) -> Result<(), PartnerError> {
        let id = match &self.started {
            Some(id) => id.clone(),
            None => {
                let begun = self
                    .objects
                    .client
                    .create_multipart_upload()
                    .bucket(&self.objects.bucket)
                    .key(&self.key)
                    .content_type(&self.content_type)
                    .send()
                    .await
                    .map_err(|error| failed("begin upload", &self.key, &error))?;
                let id = begun.upload_id().unwrap_or_default().to_owned();
                self.started = Some(id.clone());
                id
            }
        };
        let number = i32::try_from(self.parts.len() + 1).unwrap_or(i32::MAX);
        let sent = self
            .objects
            .client
            .upload_part()
            .bucket(&self.objects.bucket)
            .key(&self.key)
            .upload_id(id)
            .part_number(number)
            .body(ByteStream::from(std::mem::take(&mut self.buffer)))
            .send()
            .await
            .map_err(|error| failed("upload part of", &self.key, &error))?;
        self.parts.push(
            CompletedPart::builder()
                .part_number(number)
                .set_e_tag(sent.e_tag().map(ToOwned::to_owned))
                .build(),
        );
        Ok(())
    }
}

/// Lower-case words between single slashes: nothing a server could read as a path trick.
fn check_key(key: &str) -> Result<(), PartnerError> {
    let word_ok = |word: &str| {
        !word.is_empty()
            && !word.starts_with('.')
            && word
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_.".contains(&b))
    };
    if key.len() <= 512 && key.split('/').all(word_ok) {
        Ok(())
    } else {
        Err(PartnerError::new(
            ErrorKind::Refused,
            "use object key",
            key,
            "not a safe key",
        ))
    }
}

fn failed<E: ProvideErrorMetadata + Debug, R: Debug>(
    operation: &'static str,
    key: &str,
    error: &SdkError<E, R>,
) -> PartnerError
where
    SdkError<E, R>: ProvideErrorMetadata,
{
    let code = error.code().unwrap_or_default();
    let kind = match (error, code) {
        (SdkError::TimeoutError(_), _) => ErrorKind::TimedOut,
        (_, "NoSuchKey" | "NotFound" | "NoSuchBucket") => ErrorKind::NotFound,
        (_, "AccessDenied" | "InvalidAccessKeyId" | "SignatureDoesNotMatch") => ErrorKind::Denied,
        (_, "SlowDown" | "TooManyRequests") => ErrorKind::Throttled,
        (SdkError::ResponseError(_), _) => ErrorKind::Corrupt,
        _ => ErrorKind::Unavailable,
    };
    let words = match error {
        SdkError::ServiceError(_) => format!("{code} {}", error.message().unwrap_or_default()),
        other => format!("{other:?}").chars().take(300).collect(),
    };
    PartnerError::new(kind, operation, key, words.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_climb_or_hide_are_refused() {
        for key in ["raw/ab12", "feeds/google-vehicle-ads/7.tsv"] {
            assert!(check_key(key).is_ok(), "{key}");
        }
        for key in ["", "/a", "a//b", "a/../b", "a/.b", "A/b", "a b", "a/b/"] {
            assert_eq!(
                check_key(key).unwrap_err().kind,
                ErrorKind::Refused,
                "{key:?}"
            );
        }
    }
}
