//! The unified shape: one envelope for vehicles, equipment and parents.

mod control;
mod dealers;
pub(crate) mod envelope;
mod feeds;
mod jobs;
mod listings;
mod mappings;
mod operate;
mod photos;
mod provenance;
mod providers;
mod reports;
mod search;
mod sources;
mod vins;

pub(crate) use provenance::{Word, words};

use crate::Api;
use poem_openapi::OpenApiService;

type Apis = (
    listings::Listings,
    photos::Photos,
    search::Search,
    jobs::Jobs,
    feeds::Feeds,
    sources::Sources,
    control::Control,
    operate::Operate,
    provenance::Words,
    dealers::Dealers,
    reports::Reports,
    vins::Vins,
    providers::Providers,
    mappings::Mappings,
);

pub(crate) fn service(api: &Api) -> OpenApiService<Apis, ()> {
    let apis = (
        listings::Listings { api: api.clone() },
        photos::Photos { api: api.clone() },
        search::Search { api: api.clone() },
        jobs::Jobs { api: api.clone() },
        feeds::Feeds { api: api.clone() },
        sources::Sources { api: api.clone() },
        control::Control { api: api.clone() },
        operate::Operate { api: api.clone() },
        provenance::Words { api: api.clone() },
        dealers::Dealers { api: api.clone() },
        reports::Reports { api: api.clone() },
        vins::Vins { api: api.clone() },
        providers::Providers { api: api.clone() },
        mappings::Mappings { api: api.clone() },
    );
    OpenApiService::new(apis, "Forecourt", "2").server("/v2")
}
