//! The photos of a listing: what each URL led to, and where else the picture stands.

use crate::Api;
use crate::auth::Key;
use crate::problem::Problem;
use poem_openapi::param::Path;
use poem_openapi::payload::Json;
use poem_openapi::{Object, OpenApi};
use stores::Scope;

pub(crate) struct Photos {
    pub(crate) api: Api,
}

#[derive(Object)]
struct PhotoView {
    /// Counted from 0, as the dealer has them.
    place: i32,
    /// Of the photo, once it is fetched: what `/photos/{id}/similar` takes.
    photo: Option<i64>,
    url: String,
    /// `waiting`, `fetched`, `gone`, `refused` or `failed`.
    state: String,
    /// Why there is no photo.
    problem: Option<String>,
    /// BLAKE3 of the bytes.
    digest: Option<String>,
    /// 64 bits in hexadecimal, as Python's imagehash prints them.
    phash: Option<String>,
    dhash: Option<String>,
    width: Option<i32>,
    height: Option<i32>,
    /// The picture only says that a photo is coming.
    placeholder: bool,
    /// The first that is there and is no placeholder: what stands for the unit.
    hero: bool,
    /// Other listings that show the same bytes.
    shown_by: i64,
    /// Other photos that look alike.
    alike: i64,
    /// Where upload providers show it.
    uploads: Vec<ShownAtView>,
}

#[derive(Object)]
struct ShownAtView {
    provider: String,
    /// A key of our own storage where its provider has no `shown_at`.
    url: String,
    /// Smaller copies, narrowest first.
    sizes: Vec<SizeView>,
}

#[derive(Object)]
struct SizeView {
    /// In pixels.
    width: i32,
    url: String,
}

impl From<stores::ShownAt> for ShownAtView {
    fn from(shown: stores::ShownAt) -> Self {
        let size = |size: stores::Size| SizeView {
            width: size.width,
            url: size.url,
        };
        Self {
            provider: shown.provider,
            url: shown.url,
            sizes: shown.sizes.into_iter().map(size).collect(),
        }
    }
}

/// A photo that looks like another.
#[derive(Object)]
struct SimilarView {
    photo: i64,
    /// BLAKE3 of the bytes.
    digest: String,
    /// Bits that differ, of 64.
    phash_apart: i32,
    dhash_apart: i32,
    /// Both hashes agree that it is the same picture.
    confirmed: bool,
    width: i32,
    height: i32,
    url: Option<String>,
    /// Those that show it, at most 100.
    listings: Vec<i64>,
}

#[OpenApi]
impl Photos {
    /// Photos of the stock that look like this one, most alike first; at most 200.
    #[oai(
        path = "/photos/:id/similar",
        method = "get",
        operation_id = "list_similar_photos"
    )]
    async fn list_similar_photos(
        &self,
        key: Key,
        id: Path<i64>,
    ) -> Result<Json<Vec<SimilarView>>, Problem> {
        key.require(&self.api, Scope::Read).await?;
        let mut conn = self.api.app.pool.acquire().await?;
        let photos = stores::Photos::similar(&mut conn, id.0, 200).await?;
        let view = |photo: stores::SimilarPhoto| SimilarView {
            photo: photo.id,
            digest: photo.digest,
            phash_apart: photo.phash,
            dhash_apart: photo.dhash,
            confirmed: photo.confirmed,
            width: photo.width,
            height: photo.height,
            url: photo.url,
            listings: photo.listings,
        };
        Ok(Json(photos.into_iter().map(view).collect()))
    }

    #[oai(
        path = "/listings/:id/photos",
        method = "get",
        operation_id = "list_photos"
    )]
    async fn list_photos(&self, key: Key, id: Path<i64>) -> Result<Json<Vec<PhotoView>>, Problem> {
        key.require(&self.api, Scope::Read).await?;
        let mut conn = self.api.app.pool.acquire().await?;
        stores::Listings::get(&mut conn, id.0).await?;
        let photos = stores::Photos::of_listing(&mut conn, id.0).await?;
        Ok(Json(
            photos
                .into_iter()
                .map(|photo| PhotoView {
                    place: photo.place,
                    photo: photo.id,
                    url: photo.url,
                    state: photo.state,
                    problem: photo.problem,
                    digest: photo.digest,
                    phash: photo.phash,
                    dhash: photo.dhash,
                    width: photo.width,
                    height: photo.height,
                    placeholder: photo.placeholder,
                    hero: photo.hero,
                    shown_by: photo.shown_by,
                    alike: photo.alike,
                    uploads: photo.uploads.into_iter().map(Into::into).collect(),
                })
                .collect(),
        ))
    }
}
