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
    /// Counted from 0; the first is the hero.
    place: i32,
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
    /// Other listings that show the same bytes.
    shown_by: i64,
    /// Other photos that look alike.
    alike: i64,
}

#[OpenApi]
impl Photos {
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
                    url: photo.url,
                    state: photo.state,
                    problem: photo.problem,
                    digest: photo.digest,
                    phash: photo.phash,
                    dhash: photo.dhash,
                    width: photo.width,
                    height: photo.height,
                    placeholder: photo.placeholder,
                    shown_by: photo.shown_by,
                    alike: photo.alike,
                })
                .collect(),
        ))
    }
}
