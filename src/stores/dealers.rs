//! Rooftops.

use crate::error::Res;
use domain::Dealer;
use sqlx::PgConnection;

pub struct Dealers;

impl Dealers {
    /// Makes or updates the dealer with this key; returns its id.
    pub async fn put(conn: &mut PgConnection, dealer: &Dealer) -> Res<i64> {
        Ok(sqlx::query_scalar!(
            "INSERT INTO dealers (key, name, street, city, state, postal_code, country, time_zone, store_code)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
             ON CONFLICT (key) DO UPDATE SET name = $2, street = $3, city = $4, state = $5, postal_code = $6,
                country = $7, time_zone = $8, store_code = $9
             RETURNING id",
            dealer.key,
            dealer.name,
            dealer.street,
            dealer.city,
            dealer.state,
            dealer.postal_code,
            dealer.country,
            dealer.time_zone,
            dealer.store_code
        )
        .fetch_one(conn)
        .await?)
    }

    pub async fn list(conn: &mut PgConnection) -> Res<Vec<Dealer>> {
        Ok(sqlx::query_as!(
            Dealer,
            "SELECT id, key, name, street, city, state, postal_code, country, time_zone, store_code
             FROM dealers ORDER BY key"
        )
        .fetch_all(conn)
        .await?)
    }

    pub async fn find(conn: &mut PgConnection, key: &str) -> Res<Option<Dealer>> {
        Ok(sqlx::query_as!(
            Dealer,
            "SELECT id, key, name, street, city, state, postal_code, country, time_zone, store_code
             FROM dealers WHERE key = $1",
            key
        )
        .fetch_optional(conn)
        .await?)
    }
}
