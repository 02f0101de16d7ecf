//! Photos as people ask about them: a listing's, those alike, those that are not there.

use crate::Photos;
use crate::error::{Res, StoreError};
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use std::collections::HashMap;

/// A photo's address that leads to none.
#[derive(Clone, Debug, Serialize)]
pub struct LostPhoto {
    pub listing: i64,
    pub dealer: String,
    pub stock_number: String,
    pub vin: Option<String>,
    /// Counted from 0.
    pub place: i32,
    pub url: String,
    /// `gone`, `refused` or `failed`.
    pub state: String,
    pub rule: Option<String>,
    pub problem: Option<String>,
    pub tries: i32,
    pub fetched_at: jiff::Timestamp,
}

/// An address that leads to no photo of a unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnfitPhoto {
    pub url: String,
    /// A picture that stands for one to come; else nothing is there.
    pub placeholder: bool,
}

/// One photo of a listing, as people ask about it.
#[derive(Clone, Debug, Serialize)]
pub struct ListingPhoto {
    pub place: i32,
    /// Of the photo, once it is fetched.
    pub id: Option<i64>,
    pub url: String,
    /// `fetched`, `gone`, `refused` or `failed`; `waiting` before the first try.
    pub state: String,
    pub problem: Option<String>,
    pub digest: Option<String>,
    pub phash: Option<String>,
    pub dhash: Option<String>,
    pub width: Option<i32>,
    pub height: Option<i32>,
    pub placeholder: bool,
    /// The first that is there and is no placeholder: what stands for the unit.
    pub hero: bool,
    /// Other listings that show the same bytes.
    pub shown_by: i64,
    /// Other photos that look alike.
    pub alike: i64,
    pub uploads: Vec<ShownAt>,
}

/// Where a provider shows a photo.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShownAt {
    pub provider: String,
    pub url: String,
    /// Smaller copies, narrowest first.
    pub sizes: Vec<Size>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Size {
    /// In pixels.
    pub width: i32,
    pub url: String,
}

/// A photo that looks like another.
#[derive(Clone, Debug, Serialize)]
pub struct SimilarPhoto {
    pub id: i64,
    pub digest: String,
    /// Bits that differ, of 64.
    pub phash: i32,
    pub dhash: i32,
    /// Both hashes agree that it is the same picture.
    pub confirmed: bool,
    pub width: i32,
    pub height: i32,
    pub url: Option<String>,
    /// Those that show it.
    pub listings: Vec<i64>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PhotoCounts {
    pub hashed: i64,
    /// Photos of listings on the lot that another of them shows too, by bytes or by look.
    pub duplicates: i64,
    /// Places in listings where a placeholder stands.
    pub placeholders: i64,
    pub problems: i64,
}

impl Photos {
    pub async fn of_listing(conn: &mut PgConnection, listing_id: i64) -> Res<Vec<ListingPhoto>> {
        let mut photos: Vec<ListingPhoto> =
            sqlx::query_file!("queries/listing_photos.sql", listing_id)
                .fetch_all(conn)
                .await?
                .into_iter()
                .map(|row| ListingPhoto {
                    place: row.place,
                    id: row.id,
                    url: row.url,
                    state: row.state,
                    problem: row.problem,
                    digest: row.digest,
                    phash: row.phash.map(hex),
                    dhash: row.dhash.map(hex),
                    width: row.width,
                    height: row.height,
                    placeholder: row.placeholder,
                    hero: false,
                    shown_by: row.shown_by,
                    alike: row.alike,
                    uploads: row.uploads.0,
                })
                .collect();
        let mut shown = photos.iter_mut();
        if let Some(hero) = shown.find(|photo| photo.state == "fetched" && !photo.placeholder) {
            hero.hero = true;
        }
        Ok(photos)
    }

    /// Where a provider shows the photos that these addresses lead to, by address.
    pub async fn shown_at(
        conn: &mut PgConnection,
        provider: &str,
        urls: &[String],
    ) -> Res<HashMap<String, String>> {
        let rows = sqlx::query!(
            "SELECT u.url, s.url AS shown FROM photo_urls u JOIN photo_uploads s ON s.photo_id = u.photo_id
             WHERE u.key = ANY($1) AND s.provider = $2 AND s.url ~ '^https?://'",
            &crate::photos::keys(urls),
            provider
        )
        .fetch_all(conn)
        .await?;
        Ok(rows.into_iter().map(|row| (row.url, row.shown)).collect())
    }

    /// What no feed should show: of these listings, or of all.
    pub async fn unfit(conn: &mut PgConnection, listings: Option<&[i64]>) -> Res<Vec<UnfitPhoto>> {
        Ok(
            sqlx::query_file_as!(UnfitPhoto, "queries/unfit_photos.sql", listings)
                .fetch_all(conn)
                .await?,
        )
    }

    /// Photos that look like this one, most alike first.
    pub async fn similar(conn: &mut PgConnection, id: i64, limit: i64) -> Res<Vec<SimilarPhoto>> {
        let known = sqlx::query_scalar!("SELECT id FROM photos WHERE id = $1", id)
            .fetch_optional(&mut *conn)
            .await?;
        known.ok_or_else(|| StoreError::NotFound {
            what: "photo",
            key: id.to_string(),
        })?;
        Ok(
            sqlx::query_file_as!(SimilarPhoto, "queries/similar_photos.sql", id, limit)
                .fetch_all(conn)
                .await?,
        )
    }

    /// Listings that show a photo, each with the URL it uses.
    pub async fn shown_by(conn: &mut PgConnection, photo_id: i64) -> Res<Vec<(i64, String)>> {
        Ok(sqlx::query!(
            "SELECT lp.listing_id, u.url FROM photo_urls u JOIN listing_photos lp ON lp.url_key = u.key
             WHERE u.photo_id = $1 ORDER BY lp.listing_id LIMIT 100",
            photo_id
        )
        .fetch_all(conn)
        .await?
        .into_iter()
        .map(|row| (row.listing_id, row.url))
        .collect())
    }

    pub async fn counts(conn: &mut PgConnection) -> Res<PhotoCounts> {
        Ok(
            sqlx::query_file_as!(PhotoCounts, "queries/photo_counts.sql")
                .fetch_one(conn)
                .await?,
        )
    }

    /// Addresses whose host failed; they are asked again.
    pub async fn failed(conn: &mut PgConnection) -> Res<i64> {
        let count = sqlx::query_scalar!(
            r#"SELECT count(*) AS "count!" FROM photo_urls WHERE state = 'failed'"#
        );
        Ok(count.fetch_one(conn).await?)
    }

    /// Addresses of units on the lot that lead to no photo, most recently tried first.
    pub async fn lost(
        conn: &mut PgConnection,
        dealer: Option<&str>,
        limit: i64,
    ) -> Res<Vec<LostPhoto>> {
        Ok(sqlx::query_file!("queries/lost_photos.sql", dealer, limit)
            .fetch_all(conn)
            .await?
            .into_iter()
            .map(|row| LostPhoto {
                listing: row.listing,
                dealer: row.dealer,
                stock_number: row.stock_number,
                vin: row.vin,
                place: row.place,
                url: row.url,
                state: row.state,
                rule: row.rule,
                problem: row.problem,
                tries: row.tries,
                fetched_at: crate::stamp(row.fetched_at),
            })
            .collect())
    }
}

fn hex(hash: i64) -> String {
    format!("{:016x}", hash.cast_unsigned())
}
