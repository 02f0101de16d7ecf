//! Rooftops.

use crate::Api;
use crate::auth::Key;
use crate::problem::Problem;
use domain::Dealer;
use poem_openapi::param::Path;
use poem_openapi::payload::Json;
use poem_openapi::{Object, OpenApi};
use stores::Scope;

pub(crate) struct Dealers {
    pub(crate) api: Api,
}

#[derive(Object)]
#[oai(rename_all = "snake_case")]
struct Rooftop {
    #[oai(default)]
    name: String,
    #[oai(default)]
    street: String,
    #[oai(default)]
    city: String,
    /// Two letters.
    #[oai(default)]
    state: String,
    #[oai(default)]
    postal_code: String,
    /// ISO 3166-1 alpha-2; US unless told.
    country: Option<String>,
    /// IANA time zone, in which its nights are counted; UTC unless told.
    time_zone: Option<String>,
    /// What marketplaces call it.
    #[oai(default)]
    store_code: String,
    /// Rooftops of one group hand units on to each other.
    #[oai(default)]
    group_name: String,
}

#[derive(Object)]
struct DealerView {
    key: String,
    #[oai(flatten)]
    rooftop: Rooftop,
}

impl From<Dealer> for DealerView {
    fn from(dealer: Dealer) -> Self {
        Self {
            key: dealer.key,
            rooftop: Rooftop {
                name: dealer.name,
                street: dealer.street,
                city: dealer.city,
                state: dealer.state,
                postal_code: dealer.postal_code,
                country: Some(dealer.country),
                time_zone: Some(dealer.time_zone),
                store_code: dealer.store_code,
                group_name: dealer.group_name,
            },
        }
    }
}

#[OpenApi]
impl Dealers {
    /// By key.
    #[oai(path = "/dealers", method = "get", operation_id = "list_dealers")]
    async fn list_dealers(&self, key: Key) -> Result<Json<Vec<DealerView>>, Problem> {
        key.require(&self.api, Scope::Read).await?;
        let dealers = stores::Dealers::list(&mut *self.api.app.pool.acquire().await?).await?;
        Ok(Json(dealers.into_iter().map(Into::into).collect()))
    }

    /// Makes a rooftop, or changes it to what is given.
    #[oai(path = "/dealers/:dealer", method = "put", operation_id = "put_dealer")]
    async fn put_dealer(
        &self,
        key: Key,
        dealer: Path<String>,
        rooftop: Json<Rooftop>,
    ) -> Result<Json<DealerView>, Problem> {
        let who = key.require(&self.api, Scope::Admin).await?;
        let rooftop = rooftop.0;
        let dealer = Dealer {
            id: 0,
            key: dealer.0,
            name: rooftop.name,
            street: rooftop.street,
            city: rooftop.city,
            state: rooftop.state,
            postal_code: rooftop.postal_code,
            country: rooftop.country.unwrap_or_else(|| "US".to_owned()),
            time_zone: rooftop.time_zone.unwrap_or_else(|| "UTC".to_owned()),
            store_code: rooftop.store_code,
            group_name: rooftop.group_name,
        };
        jobs::dealers::put(&self.api.app, &dealer, &who.name).await?;
        Ok(Json(dealer.into()))
    }
}
