//! The stock.

use crate::copy::Rows;
use crate::error::{Res, StoreError};
use crate::filter_sql;
use crate::going_on::going_on;
use crate::listing_row::{COLUMNS, ListingRow, record};
use crate::sources::Grace;
use domain::another_unit;
use domain::merge::{self, Blanks};
use domain::{Field, Filter, Kind, Listing, ListingDraft, Origin, Source, Status};
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use sqlx::{Execute, PgConnection, Postgres, QueryBuilder};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// What one slice did. The ids are those whose VIN should be looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UpsertCounts {
    pub created: i64,
    pub updated: i64,
    pub unchanged: i64,
    pub touched: Vec<i64>,
    /// Rows of units that nobody has, where only known ones may change.
    pub unknown: Vec<u64>,
}

/// How a file's rows become stock.
pub struct Bringing<'a> {
    pub file: i64,
    pub source: i64,
    pub blanks: Blanks,
    /// Fields that the file has no column for: their values stand.
    pub silent: &'a [Field],
    /// Units that nobody has are made; and they are this file's from now on, so that one without them retires them.
    pub whole_stock: bool,
    /// A file that was handed in by hand does not take a unit on the lot from the drop that brings it every night: else that
    /// would neither guard nor retire it any more.
    pub by_hand: bool,
    /// Whether the file has a unit of this rooftop (id and key) and number too, sold or not: then nothing else goes on
    /// under its name.
    pub named: &'a (dyn Fn(i64, &str, &str) -> bool + Sync),
    /// There are units that new ones could have been before: see [`Listings::any_before`].
    pub before: bool,
    /// What rows of new units come to, by row, as far as that was put together ahead.
    pub begun: &'a Mutex<HashMap<u64, Listing>>,
}

#[derive(Clone, Debug, Default)]
pub struct ListingFilter {
    pub kind: Option<Kind>,
    pub dealer: Option<String>,
    pub vin: Option<String>,
    pub stock_number: Option<String>,
}

pub struct Listings;

const SENT_AT_ONCE: usize = 128;
const WRITTEN_AT_ONCE: usize = 400;

impl Listings {
    /// Brings one dealer's listings up to what the drafts say: rows, change log and price history
    /// in the caller's transaction. Drafts of one slice have different stock numbers.
    pub async fn upsert(
        conn: &mut PgConnection,
        dealer_id: i64,
        file_id: Option<i64>,
        drafts: &[ListingDraft],
    ) -> Res<UpsertCounts> {
        let drafts: Vec<(i64, &ListingDraft)> =
            drafts.iter().map(|draft| (dealer_id, draft)).collect();
        Self::upsert_of_many(conn, file_id, &drafts).await
    }

    /// The same for drafts of many rooftops, each with its dealer's id.
    pub async fn upsert_of_many(
        conn: &mut PgConnection,
        file_id: Option<i64>,
        drafts: &[(i64, &ListingDraft)],
    ) -> Res<UpsertCounts> {
        let origin = |draft: &ListingDraft| said_by(file_id, draft);
        Self::bring_up_to(conn, file_id, None, drafts, origin).await
    }

    /// The same for rows of a file. A unit that turns up under a new number, or at another rooftop of its group after it
    /// left the first, goes on with its history.
    pub async fn load(
        conn: &mut PgConnection,
        bringing: &Bringing<'_>,
        drafts: &[(i64, &ListingDraft)],
    ) -> Res<UpsertCounts> {
        let origin = |draft: &ListingDraft| said_by(Some(bringing.file), draft);
        let owner = bringing.whole_stock.then_some(bringing.file);
        Self::bring_up_to(conn, owner, Some(bringing), drafts, origin).await
    }

    /// The same, with who says so.
    pub(crate) async fn bring_up_to(
        conn: &mut PgConnection,
        file_id: Option<i64>,
        bringing: Option<&Bringing<'_>>,
        drafts: &[(i64, &ListingDraft)],
        origin: impl Fn(&ListingDraft) -> Origin,
    ) -> Res<UpsertCounts> {
        let mut known: HashMap<(i64, String), Listing> = HashMap::new();
        // Where nothing can be known, nobody is asked: a unit made meanwhile is found by the unique index, and the
        // next attempt asks.
        if bringing.is_none_or(|bringing| bringing.before) {
            let rooftops: Vec<i64> = drafts.iter().map(|(dealer, _)| *dealer).collect();
            let stock_numbers: Vec<String> = drafts
                .iter()
                .map(|(_, draft)| draft.stock_number.clone())
                .collect();
            known = sqlx::query_file_as!(
                ListingRow,
                "queries/lock_by_stock_number.sql",
                &rooftops,
                &stock_numbers
            )
            .fetch_all(&mut *conn)
            .await?
            .into_iter()
            .map(|row| ((row.dealer_id, row.stock_number.clone()), row.into()))
            .collect();
        }
        let blanks = bringing.map_or(Blanks::Clear, |bringing| bringing.blanks);
        // A client who says nothing of where a unit stands leaves it there.
        let silent = bringing.map_or(&[Field::Status][..], |bringing| bringing.silent);
        let (mut new, mut changed, mut seen) = (Vec::new(), Vec::new(), Vec::new());
        let mut anew = Vec::new();
        // A drop's, whoever hands them in.
        let (by_hand, mut theirs) = (bringing.is_some_and(|b| b.by_hand), Vec::new());
        let mut counts = UpsertCounts::default();
        for &(dealer_id, draft) in drafts {
            match known.remove(&(dealer_id, draft.stock_number.clone())) {
                None => new.push((dealer_id, draft)),
                Some(listing) if another_unit::is_nobodys(&listing, draft, blanks) => {
                    counts.unknown.push(draft.row);
                }
                Some(mut listing) => {
                    seen.push(listing.id);
                    if by_hand && Self::on_the_lot(&listing) {
                        theirs.push(listing.id);
                    }
                    if another_unit::is_another(&listing, draft, blanks) {
                        anew.push(listing.id);
                    }
                    if merge::apply_with(&mut listing, draft, &origin(draft), blanks, silent) {
                        changed.push(listing);
                    }
                }
            }
        }
        if let Some(bringing) = bringing {
            let before = match bringing.before && bringing.whole_stock {
                true => going_on(conn, bringing, &seen, &mut new).await?,
                false => Vec::new(),
            };
            for (mut listing, draft) in before {
                seen.push(listing.id);
                merge::apply_with(&mut listing, draft, &origin(draft), blanks, silent);
                changed.push(listing);
            }
            if !bringing.whole_stock {
                let unknown = new.drain(..).map(|(_, draft)| draft.row);
                counts.unknown.extend(unknown);
            }
        }
        let mut begun = HashMap::new();
        if let Some(bringing) = bringing {
            let ahead = bringing.begun.lock();
            begun = std::mem::take(&mut *ahead.unwrap_or_else(PoisonError::into_inner));
        }
        let fresh: Vec<Listing> = new
            .into_iter()
            .map(|(dealer_id, draft)| match begun.remove(&draft.row) {
                Some(begun) => Listing { dealer_id, ..begun },
                None => merge::begin(dealer_id, draft, &origin(draft)),
            })
            .collect();
        counts.created = len(&fresh);
        counts.updated = len(&changed);
        counts.unchanged = len(&seen) - counts.updated;
        counts.touched = Self::insert(conn, &fresh, file_id).await?;
        counts
            .touched
            .extend(changed.iter().map(|listing| listing.id));
        Self::write(conn, &changed, file_id, &anew).await?;
        if let Some(file) = file_id {
            sqlx::query!(
                "UPDATE listings l SET file_id = $2 WHERE id = ANY($1) AND NOT (id = ANY($3) AND EXISTS (
                    SELECT 1 FROM source_files f JOIN sources s ON s.id = f.source_id
                    WHERE f.id = l.file_id AND s.kind <> 'upload'))",
                &seen,
                file,
                &theirs
            )
            .execute(conn)
            .await?;
        }
        Ok(counts)
    }

    async fn insert(
        conn: &mut PgConnection,
        fresh: &[Listing],
        file_id: Option<i64>,
    ) -> Res<Vec<i64>> {
        if fresh.is_empty() {
            return Ok(Vec::new());
        }
        let ids = sqlx::query_scalar!(
            r#"SELECT nextval(s.name) AS "id!"
               FROM (SELECT pg_get_serial_sequence('listings', 'id')::regclass AS name OFFSET 0) s,
                    generate_series(1, $1::bigint)"#,
            len(fresh)
        )
        .fetch_all(&mut *conn)
        .await?;
        let mut into = conn.copy_in_raw(Rows::COPY).await?;
        let mut rows = Rows::begun();
        // A few at a time: the server takes them in while the next are put together.
        for (place, (id, listing)) in ids.iter().zip(fresh).enumerate() {
            rows.push(*id, file_id, listing);
            if place % SENT_AT_ONCE == SENT_AT_ONCE - 1 {
                into.send(rows.taken()).await?;
            }
        }
        into.send(rows.ended()).await?;
        into.finish().await?;
        let of = |f: fn(&Listing) -> i64| fresh.iter().map(f).collect::<Vec<_>>();
        let kinds: Vec<String> = fresh.iter().map(|l| l.kind.as_str().to_owned()).collect();
        let prices: Vec<Option<i64>> = fresh.iter().map(|l| l.details.price_cents).collect();
        let currencies: Vec<Option<String>> =
            fresh.iter().map(|l| l.details.currency.clone()).collect();
        sqlx::query_file!(
            "queries/log_new_listings.sql",
            &ids,
            &of(|l| l.dealer_id),
            &kinds,
            &prices as &[Option<i64>],
            file_id,
            &currencies as &[Option<String>]
        )
        .execute(conn)
        .await?;
        Ok(ids)
    }

    /// Writes listings as they stand now, with a change row each and, where it moved, the price.
    pub async fn update(
        conn: &mut PgConnection,
        changed: &[Listing],
        file_id: Option<i64>,
    ) -> Res<()> {
        Self::write(conn, changed, file_id, &[]).await
    }

    /// The same, of which some are another unit from now on, and begin anew.
    async fn write(
        conn: &mut PgConnection,
        changed: &[Listing],
        file_id: Option<i64>,
        anew: &[i64],
    ) -> Res<()> {
        // A jsonb value has 256 MB at most, and a listing may have half a megabyte.
        for slice in changed.chunks(WRITTEN_AT_ONCE) {
            let records = serde_json::Value::Array(slice.iter().map(record).collect());
            sqlx::query_file!("queries/update_listings.sql", records, file_id, anew)
                .execute(&mut *conn)
                .await?;
        }
        Ok(())
    }

    /// Retires what this source brought once and its newest file no longer has, once its grace is over, at most
    /// `limit`; returns how many.
    pub async fn retire_missing(
        conn: &mut PgConnection,
        (dealer_id, source_id): (Option<i64>, i64),
        file_id: i64,
        grace: Grace,
        limit: i64,
    ) -> Res<i64> {
        let ids = sqlx::query_file_scalar!(
            "queries/retire_missing.sql",
            source_id,
            file_id,
            limit,
            grace.files,
            grace.hours,
            dealer_id
        )
        .fetch_all(conn)
        .await?;
        Ok(len(&ids))
    }

    pub async fn by_ids(conn: &mut PgConnection, ids: &[i64]) -> Res<Vec<Listing>> {
        Ok(
            sqlx::query_file_as!(ListingRow, "queries/listings_by_id.sql", ids)
                .fetch_all(conn)
                .await?
                .into_iter()
                .map(Into::into)
                .collect(),
        )
    }

    /// The unit that has a number at a rooftop, wherever it stands; a number is the same whatever the case of its letters.
    pub async fn at(
        conn: &mut PgConnection,
        dealer: &str,
        stock_number: &str,
    ) -> Res<Option<Listing>> {
        let spelt = [
            stock_number.to_owned(),
            stock_number.to_uppercase(),
            stock_number.to_lowercase(),
        ];
        let ids = sqlx::query_scalar!(
            "SELECT l.id FROM dealers d JOIN listings l ON l.dealer_id = d.id AND l.stock_number = ANY($2)
             WHERE d.key = $1 ORDER BY l.stock_number <> $3, l.id LIMIT 1",
            dealer,
            &spelt,
            stock_number
        );
        let ids = ids.fetch_all(&mut *conn).await?;
        Ok(Self::by_ids(conn, &ids).await?.pop())
    }

    pub async fn get(conn: &mut PgConnection, id: i64) -> Res<Listing> {
        let not_found = || StoreError::NotFound {
            what: "listing",
            key: id.to_string(),
        };
        Self::by_ids(conn, &[id]).await?.pop().ok_or_else(not_found)
    }

    /// The ids of listings, locked until the transaction ends, in order (so that two never
    /// deadlock).
    pub async fn lock(conn: &mut PgConnection, ids: &[i64]) -> Res<()> {
        sqlx::query!(
            "SELECT id FROM listings WHERE id = ANY($1) ORDER BY id FOR UPDATE",
            ids
        )
        .fetch_all(conn)
        .await?;
        Ok(())
    }

    /// A page above an id, in order of id; removed units are left out.
    pub async fn list(
        conn: &mut PgConnection,
        filter: &ListingFilter,
        after: i64,
        limit: i64,
    ) -> Res<Vec<Listing>> {
        Ok(sqlx::query_file_as!(
            ListingRow,
            "queries/list_listings.sql",
            filter.kind.map(Kind::as_str),
            filter.dealer,
            filter.vin,
            filter.stock_number,
            after,
            limit
        )
        .fetch_all(conn)
        .await?
        .into_iter()
        .map(Into::into)
        .collect())
    }

    /// Every listing the filter selects, one at a time from one snapshot, by rooftop and stock number:
    /// an order that does not depend on which file happened to be loaded first. Without provenance: who
    /// streams wants values, and it is half of a row.
    pub fn stream<'c>(conn: &'c mut PgConnection, filter: &Filter) -> BoxStream<'c, Res<Listing>> {
        let mut sql = QueryBuilder::<Postgres>::new("SELECT ");
        sql.push(COLUMNS.replace("l.provenance", "'{}'::jsonb AS provenance"))
            .push(" FROM listings l JOIN dealers d ON d.id = l.dealer_id WHERE ");
        filter_sql::push(filter, &mut sql);
        sql.push(" ORDER BY l.dealer_id, l.stock_number");
        // The builder must not outlive this call, the stream does: take out what it built.
        let arguments = sql.build().take_arguments();
        let query = match arguments {
            Ok(arguments) => sqlx::query_as_with::<_, ListingRow, _>(
                sql.into_sql(),
                arguments.unwrap_or_default(),
            ),
            Err(error) => {
                let error = StoreError::Sql(sqlx::Error::Encode(error));
                return futures::stream::once(std::future::ready(Err(error))).boxed();
            }
        };
        query
            .fetch(conn)
            .map_ok(Into::into)
            .map_err(StoreError::from)
            .boxed()
    }

    /// On the lot, by kind: vehicles, equipment, parents.
    pub async fn counts(conn: &mut PgConnection) -> Res<(i64, i64, i64)> {
        let row = sqlx::query!(
            r#"SELECT count(*) FILTER (WHERE kind = 'vehicle') AS "vehicles!",
                      count(*) FILTER (WHERE kind = 'equipment') AS "equipment!",
                      count(*) FILTER (WHERE kind = 'parent') AS "parents!"
               FROM listings WHERE status IN ('available', 'pending')"#
        )
        .fetch_one(conn)
        .await?;
        Ok((row.vehicles, row.equipment, row.parents))
    }

    /// Whether a listing is on the lot, for search.
    pub fn on_the_lot(listing: &Listing) -> bool {
        matches!(listing.status, Status::Available | Status::Pending)
    }

    /// Prices over time, oldest first.
    pub async fn prices(conn: &mut PgConnection, id: i64) -> Res<Vec<Price>> {
        let rows = sqlx::query!(
            r#"SELECT at, price_cents, coalesce(currency, 'USD') AS "currency!" FROM price_history
             WHERE listing_id = $1 ORDER BY at"#,
            id
        );
        let rows = rows.fetch_all(conn).await?;
        let price = rows.into_iter().map(|row| Price {
            at: crate::stamp(row.at),
            cents: row.price_cents,
            currency: row.currency,
        });
        Ok(price.collect())
    }
}

/// What a unit was offered for from then on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Price {
    pub at: jiff::Timestamp,
    /// `None` where it had no price any more.
    pub cents: Option<i64>,
    pub currency: String,
}

/// Who says what a file's row says.
pub fn said_by(file: Option<i64>, draft: &ListingDraft) -> Origin {
    Origin {
        source: match file {
            Some(_) => Source::File,
            None => Source::Api,
        },
        file,
        row: file.map(|_| draft.row),
        original: None,
        by: None,
        over: None,
        under: None,
    }
}

fn len<T>(items: &[T]) -> i64 {
    i64::try_from(items.len()).unwrap_or(i64::MAX)
}
