//! Make or change a rooftop: what the command line and the API ask for, checked in one place.

use crate::App;
use domain::Dealer;
use jiff::tz::TimeZone;
use stores::{Audit, Dealers, StoreError};

#[derive(Debug, thiserror::Error)]
pub enum DealerProblem {
    /// What was asked for cannot be.
    #[error("{0}")]
    Order(String),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Sql(#[from] stores::SqlError),
}

/// Its id.
pub async fn put(app: &App, dealer: &Dealer, who: &str) -> Result<i64, DealerProblem> {
    check(dealer).map_err(DealerProblem::Order)?;
    let mut tx = app.pool.begin().await?;
    let id = Dealers::put(&mut tx, dealer).await?;
    Audit::note(&mut tx, who, "put", &format!("dealer {}", dealer.key)).await?;
    tx.commit().await?;
    Ok(id)
}

fn check(dealer: &Dealer) -> Result<(), String> {
    if !Dealer::is_key(&dealer.key) {
        let (most, key) = (Dealer::LONGEST_KEY, &dealer.key);
        return Err(format!(
            "a dealer's key has 1 to {most} of a-z, 0-9, - and _, {key:?} has not"
        ));
    }
    if dealer.country.len() != 2 || !dealer.country.chars().all(|c| c.is_ascii_uppercase()) {
        return Err(format!(
            "country: {:?} is not two capital letters (ISO 3166-1)",
            dealer.country
        ));
    }
    TimeZone::get(&dealer.time_zone).map_err(|error| format!("time_zone: {error}"))?;
    let texts = [
        ("name", &dealer.name),
        ("street", &dealer.street),
        ("city", &dealer.city),
        ("state", &dealer.state),
        ("postal_code", &dealer.postal_code),
        ("store_code", &dealer.store_code),
        ("group_name", &dealer.group_name),
    ];
    for (name, text) in texts {
        if text.len() > 200 || text.contains('\0') {
            return Err(format!("{name}: at most 200 bytes, and no NUL"));
        }
    }
    Ok(())
}
