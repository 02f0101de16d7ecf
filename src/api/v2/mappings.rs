//! Mappings: how files are read; one's own are put, and every version is kept.

use crate::Api;
use crate::auth::Key;
use crate::problem::Problem;
use ::jobs::mappings;
use poem_openapi::param::{Path, Query};
use poem_openapi::payload::Json;
use poem_openapi::{Object, OpenApi};
use stores::{OwnMapping, OwnMappings, Scope};

pub(crate) struct Mappings {
    pub(crate) api: Api,
}

#[derive(Object)]
struct MappingView {
    name: String,
    /// The newest; absent of one that is built in.
    version: Option<i32>,
    put_by: Option<String>,
    put_at: Option<String>,
    /// Sources whose files are read by it.
    sources: Vec<String>,
}

#[derive(Object)]
struct MappingVersion {
    version: i32,
    put_by: String,
    put_at: String,
}

impl From<OwnMapping> for MappingVersion {
    fn from(own: OwnMapping) -> Self {
        Self {
            version: own.version,
            put_by: own.put_by,
            put_at: own.put_at.to_string(),
        }
    }
}

#[derive(Object)]
struct MappingText {
    name: String,
    /// YAML, as `docs/mappings.md` says.
    yaml: String,
}

#[derive(Object)]
struct NewMapping {
    /// YAML, as `docs/mappings.md` says.
    yaml: String,
}

#[derive(Object)]
struct Revert {
    /// That shall be the newest once more.
    version: i32,
}

#[derive(Object)]
struct MappingPut {
    name: String,
    /// By which the sources that name it read their next file.
    version: i32,
}

#[OpenApi]
impl Mappings {
    /// Those that are built in, and one's own.
    #[oai(path = "/mappings", method = "get", operation_id = "list_mappings")]
    async fn list_mappings(&self, key: Key) -> Result<Json<Vec<MappingView>>, Problem> {
        key.require(&self.api, Scope::Read).await?;
        let mut conn = self.api.app.pool.acquire().await?;
        let own = OwnMappings::list(&mut conn).await?;
        let sources = stores::Sources::list(&mut conn).await?;
        let of = |name: &str| {
            let named = sources.iter().filter(|source| source.mapping == name);
            named.map(|source| source.key.clone()).collect()
        };
        let shipped = mappings::built_in().map(|name| MappingView {
            name: name.to_owned(),
            version: None,
            put_by: None,
            put_at: None,
            sources: of(name),
        });
        let own = own.into_iter().map(|own| MappingView {
            sources: of(&own.name),
            name: own.name,
            version: Some(own.version),
            put_by: Some(own.put_by),
            put_at: Some(own.put_at.to_string()),
        });
        Ok(Json(shipped.chain(own).collect()))
    }

    /// What it says; the newest version of one's own unless one is told.
    #[oai(
        path = "/mappings/:mapping",
        method = "get",
        operation_id = "get_mapping"
    )]
    async fn get_mapping(
        &self,
        key: Key,
        mapping: Path<String>,
        version: Query<Option<i32>>,
    ) -> Result<Json<MappingText>, Problem> {
        key.require(&self.api, Scope::Read).await?;
        let mut conn = self.api.app.pool.acquire().await?;
        let yaml = mappings::text(&mut conn, &mapping.0, version.0).await?;
        Ok(Json(MappingText {
            name: mapping.0,
            yaml,
        }))
    }

    /// Versions of one's own, newest first; none of one that is built in.
    #[oai(
        path = "/mappings/:mapping/versions",
        method = "get",
        operation_id = "list_mapping_versions"
    )]
    async fn list_mapping_versions(
        &self,
        key: Key,
        mapping: Path<String>,
    ) -> Result<Json<Vec<MappingVersion>>, Problem> {
        key.require(&self.api, Scope::Read).await?;
        let mut conn = self.api.app.pool.acquire().await?;
        mappings::text(&mut conn, &mapping.0, None).await?;
        let versions = OwnMappings::versions(&mut conn, &mapping.0).await?;
        Ok(Json(versions.into_iter().map(Into::into).collect()))
    }

    /// A new version of one's own; what says nothing new is none. A mapping by which a source could not read its files is
    /// refused.
    #[oai(
        path = "/mappings/:mapping",
        method = "put",
        operation_id = "put_mapping"
    )]
    async fn put_mapping(
        &self,
        key: Key,
        mapping: Path<String>,
        wanted: Json<NewMapping>,
    ) -> Result<Json<MappingPut>, Problem> {
        let who = key.require(&self.api, Scope::Admin).await?;
        let app = &self.api.app;
        let version = mappings::put(app, &mapping.0, &wanted.0.yaml, &who.name).await?;
        Ok(Json(MappingPut {
            name: mapping.0,
            version,
        }))
    }

    /// Puts what an older version says once more, as the newest.
    #[oai(
        path = "/mappings/:mapping/reverts",
        method = "post",
        operation_id = "revert_mapping"
    )]
    async fn revert_mapping(
        &self,
        key: Key,
        mapping: Path<String>,
        wanted: Json<Revert>,
    ) -> Result<Json<MappingPut>, Problem> {
        let who = key.require(&self.api, Scope::Admin).await?;
        let app = &self.api.app;
        let version = mappings::revert(app, &mapping.0, wanted.0.version, &who.name).await?;
        Ok(Json(MappingPut {
            name: mapping.0,
            version,
        }))
    }
}
