//! Photos by content, the URLs that lead to them, and which of them look alike.

use crate::error::Res;
use crate::forgotten::Forgotten;
use sqlx::PgConnection;
use std::collections::HashMap;

/// A hashed photo. Hashes are 64 bits, kept as PostgreSQL's signed integer of the same bits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewPhoto {
    pub digest: String,
    pub bytes: i64,
    pub format: &'static str,
    pub width: i32,
    pub height: i32,
    pub phash: u64,
    pub dhash: u64,
    pub upright: u64,
    pub mirrored: u64,
}

/// What a URL led to.
#[derive(Clone, Debug)]
pub enum UrlOutcome {
    /// With what its host said of it.
    Fetched(NewPhoto, PhotoTold),
    /// It leads to the photo that it led to before.
    Same,
    /// The host says there is none, or none for us: 404, 410, 401, 403.
    Gone(String),
    /// It is no photo we take; `rule` says which rule it breaks.
    Refused { rule: String, problem: String },
    /// The host could not be reached or failed; it is tried again later.
    Failed(String),
}

/// A host's own words for one body: `ETag` and `Last-Modified`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PhotoTold {
    pub etag: Option<String>,
    pub modified: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PhotoHashes {
    pub id: i64,
    pub phash: u64,
    pub dhash: u64,
    /// The phash of the photo flipped left to right.
    pub mirrored: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PhotoPair {
    pub photo_id: i64,
    pub other_id: i64,
    pub phash: i32,
    pub dhash: i32,
    pub confirmed: bool,
}

/// A photo that a provider took.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PhotoUpload {
    pub digest: String,
    pub url: String,
    /// Smaller copies: how wide, and where.
    pub sizes: Vec<(i32, String)>,
    /// Of our own storage, to be deleted with the photo.
    pub objects: Vec<String>,
}

pub struct Photos;

/// Units that show one picture before it is taken for a placeholder, and how many different models they are.
const PLACEHOLDER_UNITS: i64 = 10;
const PLACEHOLDER_MODELS: i64 = 6;

impl Photos {
    /// Which of these URLs need no fetch: within a week they led to a photo, or to something that was refused.
    pub async fn settled(conn: &mut PgConnection, urls: &[String]) -> Res<Vec<String>> {
        Ok(sqlx::query_scalar!(
            "SELECT u.url FROM photo_urls u WHERE u.key = ANY($1) AND u.state IN ('fetched', 'refused')
                AND coalesce(u.asked_at, u.fetched_at) > now() - interval '7 days'",
            &keys(urls)
        )
        .fetch_all(conn)
        .await?)
    }

    /// Units on the lot whose photos' turn it is in this night of so many.
    pub async fn to_revisit(conn: &mut PgConnection, night: i64, nights: i64) -> Res<Vec<i64>> {
        Ok(sqlx::query_scalar!(
            "SELECT id FROM listings
             WHERE status IN ('available', 'pending') AND image_urls <> '{}' AND id % $2 = $1 % $2
             ORDER BY id",
            night,
            nights
        )
        .fetch_all(conn)
        .await?)
    }

    /// What the hosts of these said when they gave their photos out.
    pub async fn told(conn: &mut PgConnection, urls: &[String]) -> Res<HashMap<String, PhotoTold>> {
        Ok(sqlx::query!(
            "SELECT url, etag, modified FROM photo_urls
             WHERE key = ANY($1) AND state = 'fetched' AND (etag IS NOT NULL OR modified IS NOT NULL)",
            &keys(urls)
        )
        .fetch_all(conn)
        .await?
        .into_iter()
        .map(|row| {
            let told = PhotoTold {
                etag: row.etag,
                modified: row.modified,
            };
            (row.url, told)
        })
        .collect())
    }

    /// Pictures that stand for photos to come, found by how often they are shown: by so many units of so many different
    /// models, as no photo of a vehicle is. Of the photos that these URLs lead to; how many are new.
    pub async fn learn_placeholders(conn: &mut PgConnection, urls: &[String]) -> Res<u64> {
        let done = sqlx::query_file!(
            "queries/learn_placeholders.sql",
            &keys(urls),
            PLACEHOLDER_UNITS,
            PLACEHOLDER_MODELS
        );
        Ok(done.execute(conn).await?.rows_affected())
    }

    /// It is a photo after all, however often it is shown.
    pub async fn deny_placeholder(conn: &mut PgConnection, digest: &str, by: &str) -> Res<()> {
        sqlx::query!(
            "INSERT INTO placeholders (digest, added_by, denied) VALUES ($1, $2, true)
             ON CONFLICT (digest) DO UPDATE SET denied = true, added_by = $2, added_at = now()",
            digest,
            by
        )
        .execute(conn)
        .await?;
        Ok(())
    }

    /// Says which photos a listing shows, in order.
    pub async fn place(conn: &mut PgConnection, listings: &[(i64, &[String])]) -> Res<()> {
        let ids: Vec<i64> = listings.iter().map(|(id, _)| *id).collect();
        sqlx::query!(
            "DELETE FROM listing_photos WHERE listing_id = ANY($1)",
            &ids
        )
        .execute(&mut *conn)
        .await?;
        let (mut of, mut places, mut urls) = (Vec::new(), Vec::new(), Vec::new());
        for (id, list) in listings {
            for (place, url) in (0i32..).zip(list.iter()) {
                of.push(*id);
                places.push(place);
                urls.push(url.clone());
            }
        }
        sqlx::query!(
            "INSERT INTO listing_photos (listing_id, place, url_key)
             SELECT * FROM unnest($1::bigint[], $2::int[], $3::bytea[])",
            &of,
            &places,
            &keys(&urls)
        )
        .execute(conn)
        .await?;
        Ok(())
    }

    /// Keeps what URLs led to. The same bytes by another URL are the photo that is there already.
    pub async fn keep(conn: &mut PgConnection, outcomes: &[(String, UrlOutcome)]) -> Res<()> {
        let mut fresh: Vec<&NewPhoto> = outcomes
            .iter()
            .filter_map(|(_, outcome)| match outcome {
                UrlOutcome::Fetched(photo, _) => Some(photo),
                _ => None,
            })
            .collect();
        // In one order everywhere, so that two jobs never wait for each other's rows in a circle.
        fresh.sort_by(|a, b| a.digest.cmp(&b.digest));
        fresh.dedup_by(|a, b| a.digest == b.digest);
        let ids = Self::insert(conn, &fresh).await?;
        let same = |outcome: &UrlOutcome| matches!(outcome, UrlOutcome::Same);
        let unchanged: Vec<String> = outcomes
            .iter()
            .filter(|(_, outcome)| same(outcome))
            .map(|(url, _)| url.clone())
            .collect();
        // In one order everywhere: two jobs may have some addresses in common.
        let all: Vec<String> = outcomes.iter().map(|(url, _)| url.clone()).collect();
        sqlx::query!(
            "SELECT key FROM photo_urls WHERE key = ANY($1) ORDER BY key FOR NO KEY UPDATE",
            &keys(&all)
        )
        .fetch_all(&mut *conn)
        .await?;
        sqlx::query!(
            "UPDATE photo_urls SET asked_at = now() WHERE key = ANY($1)",
            &keys(&unchanged)
        )
        .execute(&mut *conn)
        .await?;
        let mut sorted: Vec<&(String, UrlOutcome)> = outcomes
            .iter()
            .filter(|(_, outcome)| !same(outcome))
            .collect();
        sorted.sort_by(|a, b| a.0.cmp(&b.0));
        let mut rows = UrlRows::default();
        for (url, outcome) in sorted {
            rows.push(url, outcome, &ids);
        }
        sqlx::query!(
            "INSERT INTO photo_urls (key, url, state, photo_id, rule, problem, etag, modified)
             SELECT * FROM unnest($1::bytea[], $2::text[], $3::text[], $4::bigint[], $5::text[], $6::text[], $7::text[], $8::text[])
             ON CONFLICT (key) DO UPDATE SET state = excluded.state, photo_id = excluded.photo_id,
                rule = excluded.rule, problem = excluded.problem, fetched_at = now(), asked_at = NULL,
                etag = excluded.etag, modified = excluded.modified,
                tries = CASE WHEN excluded.state = 'failed' THEN photo_urls.tries + 1 ELSE 1 END
             -- What was fetched stands, until its host says that it is no more: a burst's 403 or a page for an hour do not.
             WHERE photo_urls.state <> 'fetched' OR excluded.state = 'fetched'
                OR excluded.state = 'gone' AND excluded.problem ~ '^status (404|410)'
                AND coalesce(photo_urls.asked_at, photo_urls.fetched_at) < now() - interval '7 days'",
            &keys(&rows.urls),
            &rows.urls,
            &rows.states,
            &rows.photos as &[Option<i64>],
            &rows.rules as &[Option<String>],
            &rows.problems as &[Option<String>],
            &rows.etags as &[Option<String>],
            &rows.modified as &[Option<String>]
        )
        .execute(conn)
        .await?;
        Ok(())
    }

    async fn insert(conn: &mut PgConnection, photos: &[&NewPhoto]) -> Res<HashMap<String, i64>> {
        let of = |f: fn(&NewPhoto) -> i64| photos.iter().map(|p| f(p)).collect::<Vec<i64>>();
        let digests: Vec<String> = photos.iter().map(|photo| photo.digest.clone()).collect();
        let formats: Vec<String> = photos.iter().map(|photo| photo.format.to_owned()).collect();
        sqlx::query!(
            "INSERT INTO photos (digest, bytes, format, width, height, phash, dhash, upright, mirrored)
             SELECT * FROM unnest($1::text[], $2::bigint[], $3::text[], $4::int[], $5::int[], $6::bigint[],
                $7::bigint[], $8::bigint[], $9::bigint[])
             ON CONFLICT (digest) DO NOTHING",
            &digests,
            &of(|p| p.bytes),
            &formats,
            &photos.iter().map(|p| p.width).collect::<Vec<i32>>(),
            &photos.iter().map(|p| p.height).collect::<Vec<i32>>(),
            &of(|p| p.phash.cast_signed()),
            &of(|p| p.dhash.cast_signed()),
            &of(|p| p.upright.cast_signed()),
            &of(|p| p.mirrored.cast_signed())
        )
        .execute(&mut *conn)
        .await?;
        let rows = sqlx::query!(
            "SELECT digest, id FROM photos WHERE digest = ANY($1)",
            &digests
        )
        .fetch_all(conn)
        .await?;
        Ok(rows.into_iter().map(|row| (row.digest, row.id)).collect())
    }

    /// Hashes of the photos above an id, in order: what a flat scan has not seen yet.
    pub async fn hashes_after(conn: &mut PgConnection, id: i64) -> Res<Vec<PhotoHashes>> {
        Ok(sqlx::query!(
            "SELECT id, phash, dhash, mirrored FROM photos WHERE id > $1 ORDER BY id",
            id
        )
        .fetch_all(conn)
        .await?
        .into_iter()
        .map(|row| PhotoHashes {
            id: row.id,
            phash: row.phash.cast_unsigned(),
            dhash: row.dhash.cast_unsigned(),
            mirrored: row.mirrored.cast_unsigned(),
        })
        .collect())
    }

    /// Photos nobody compared with the others yet, oldest first.
    pub async fn uncompared(conn: &mut PgConnection, limit: i64) -> Res<Vec<PhotoHashes>> {
        Ok(sqlx::query!(
            "SELECT id, phash, dhash, mirrored FROM photos WHERE compared_at IS NULL ORDER BY id LIMIT $1",
            limit
        )
        .fetch_all(conn)
        .await?
        .into_iter()
        .map(|row| PhotoHashes {
            id: row.id,
            phash: row.phash.cast_unsigned(),
            dhash: row.dhash.cast_unsigned(),
            mirrored: row.mirrored.cast_unsigned(),
        })
        .collect())
    }

    /// Keeps pairs and that these photos are compared, in one transaction.
    pub async fn compared(conn: &mut PgConnection, ids: &[i64], pairs: &[PhotoPair]) -> Res<()> {
        sqlx::query!(
            "INSERT INTO photo_pairs (photo_id, other_id, phash, dhash, confirmed)
             SELECT u.* FROM unnest($1::bigint[], $2::bigint[], $3::int[], $4::int[], $5::bool[])
                AS u(photo_id, other_id, phash, dhash, confirmed)
             JOIN photos p ON p.id = u.other_id -- it may be forgotten since it was put on a shelf
             ON CONFLICT DO NOTHING",
            &pairs.iter().map(|p| p.photo_id).collect::<Vec<_>>(),
            &pairs.iter().map(|p| p.other_id).collect::<Vec<_>>(),
            &pairs.iter().map(|p| p.phash).collect::<Vec<_>>(),
            &pairs.iter().map(|p| p.dhash).collect::<Vec<_>>(),
            &pairs.iter().map(|p| p.confirmed).collect::<Vec<_>>()
        )
        .execute(&mut *conn)
        .await?;
        sqlx::query!(
            "UPDATE photos SET compared_at = now() WHERE id = ANY($1)",
            ids
        )
        .execute(conn)
        .await?;
        Ok(())
    }

    /// URLs that led to a photo, newest first, and its format.
    pub async fn where_is(conn: &mut PgConnection, digest: &str) -> Res<Vec<(String, String)>> {
        Ok(sqlx::query!(
            "SELECT u.url, p.format FROM photos p JOIN photo_urls u ON u.photo_id = p.id AND u.state = 'fetched'
             WHERE p.digest = $1 ORDER BY u.fetched_at DESC LIMIT 3",
            digest
        )
        .fetch_all(conn)
        .await?
        .into_iter()
        .map(|row| (row.url, row.format))
        .collect())
    }

    /// Keeps where photos are shown.
    pub async fn uploaded(
        conn: &mut PgConnection,
        provider: &str,
        uploads: &[PhotoUpload],
    ) -> Res<()> {
        for upload in uploads {
            let (widths, urls): (Vec<i32>, Vec<String>) = upload.sizes.iter().cloned().unzip();
            sqlx::query!(
                "INSERT INTO photo_uploads (photo_id, provider, url, widths, size_urls, objects)
                 SELECT p.id, $1, $3, $4, $5, $6 FROM photos p WHERE p.digest = $2
                 ON CONFLICT (photo_id, provider) DO UPDATE SET url = $3, widths = $4, size_urls = $5,
                    objects = ARRAY(SELECT DISTINCT unnest(photo_uploads.objects || $6))",
                provider,
                upload.digest,
                upload.url,
                &widths,
                &urls,
                &upload.objects
            )
            .execute(&mut *conn)
            .await?;
        }
        // Of a provider that was removed, and is there again.
        let objects: Vec<String> = uploads.iter().flat_map(|u| u.objects.clone()).collect();
        sqlx::query!("DELETE FROM left_objects WHERE key = ANY($1)", &objects)
            .execute(conn)
            .await?;
        Ok(())
    }

    /// A URL of a host that we know of, whatever its port; one that was answered well before, if there is one.
    pub async fn url_at(conn: &mut PgConnection, host: &str) -> Res<Option<String>> {
        Ok(sqlx::query_scalar!(
            "SELECT url FROM photo_urls WHERE substring(lower(url) from '^https?://([^/:?#]+)') = $1
             ORDER BY state = 'fetched' DESC, fetched_at DESC LIMIT 1",
            host
        )
        .fetch_optional(conn)
        .await?)
    }

    /// Forgets URLs that no listing has shown for so many days, and photos that only they led to; how many URLs, and the
    /// objects that showed the photos, which are the caller's to delete.
    pub async fn forget(conn: &mut PgConnection, days: i32, limit: i64) -> Res<Forgotten> {
        let row = sqlx::query_file!("queries/forget_photos.sql", days, limit)
            .fetch_one(conn)
            .await?;
        Ok(Forgotten {
            files: row.urls.unsigned_abs(),
            objects: row.objects,
        })
    }

    /// A picture that stands for a missing photo, by its content digest.
    pub async fn add_placeholder(conn: &mut PgConnection, digest: &str, by: &str) -> Res<()> {
        sqlx::query!(
            "INSERT INTO placeholders (digest, added_by) VALUES ($1, $2)
             ON CONFLICT (digest) DO UPDATE SET denied = false, added_by = $2, added_at = now() WHERE placeholders.denied",
            digest,
            by
        )
        .execute(conn)
        .await?;
        Ok(())
    }
}

#[derive(Default)]
struct UrlRows {
    urls: Vec<String>,
    states: Vec<String>,
    photos: Vec<Option<i64>>,
    rules: Vec<Option<String>>,
    problems: Vec<Option<String>>,
    etags: Vec<Option<String>>,
    modified: Vec<Option<String>>,
}

impl UrlRows {
    fn push(&mut self, url: &str, outcome: &UrlOutcome, ids: &HashMap<String, i64>) {
        let mut told = PhotoTold::default();
        let (state, photo, rule, problem) = match outcome {
            UrlOutcome::Fetched(photo, said) => {
                told = said.clone();
                ("fetched", ids.get(&photo.digest).copied(), None, None)
            }
            UrlOutcome::Same => return,
            UrlOutcome::Gone(problem) => ("gone", None, None, Some(problem)),
            UrlOutcome::Refused { rule, problem } => {
                ("refused", None, Some(rule.clone()), Some(problem))
            }
            UrlOutcome::Failed(problem) => ("failed", None, None, Some(problem)),
        };
        self.etags.push(told.etag);
        self.modified.push(told.modified);
        self.urls.push(url.to_owned());
        self.states.push(state.to_owned());
        self.photos.push(photo);
        self.rules.push(rule);
        self.problems
            .push(problem.map(|problem| problem.replace('\0', "")));
    }
}

pub(crate) fn keys(urls: &[String]) -> Vec<Vec<u8>> {
    urls.iter()
        .map(|url| blake3::hash(url.as_bytes()).as_bytes()[..16].to_vec())
        .collect()
}
