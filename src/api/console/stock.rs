//! The stock: a unit by its numbers, and what of the whole lot somebody should look at.

use super::form::Form;
use super::page::{Page, at, maybe_at, money, pill, unit_link};
use super::{Res, Trouble};
use crate::Api;
use jobs::unknown_words;
use maud::{Markup, html};
use stores::{Overrides, PgConnection, Photos, Reports, Stay};

/// Rows of one list.
const SHOWN: i64 = 200;
/// Prices fell within so many days, by at least so many per cent.
const DROPS: (i32, i32) = (7, 1);

/// What can be looked at: its address, its name, and where all of it is.
const LISTS: [(&str, &str, &str); 6] = [
    ("aging", "Age of the stock", "forecourt reports aging"),
    (
        "drops",
        "Prices that fell",
        "forecourt reports drops --limit 100000",
    ),
    (
        "contradictions",
        "Where a VIN or a history says otherwise",
        "forecourt listings contradictions --limit 100000",
    ),
    (
        "unknown",
        "Words nobody knows",
        "forecourt listings unknown",
    ),
    (
        "doubles",
        "The same unit twice",
        "forecourt reports doubles --limit 100000",
    ),
    (
        "photos",
        "Photos that are not there",
        "forecourt reports photos --limit 100000",
    ),
];

pub(super) async fn find(api: &Api, query: &Form) -> Res<Page> {
    let number = query.get("number").unwrap_or_default();
    let mut conn = api.app.pool.acquire().await?;
    let stays = match number {
        "" => Vec::new(),
        number => Reports::stays(&mut conn, number).await?,
    };
    let body = html! {
        h1 { "Stock" }
        form method="get" action="/console/stock" class="deeds" {
            label { "Stock number, VIN or serial " input type="text" name="number" value=(number); } " "
            button class="primary" { "Find" }
        }
        @if !number.is_empty() { (found(&stays)) }
        h2 { "The whole lot" }
        ul {
            @for (what, name, _) in LISTS { li { a href={ "/console/stock/" (what) } { (name) } } }
        }
    };
    Ok(Page::new("Stock", "/console/stock", body))
}

fn found(stays: &[Stay]) -> Markup {
    html! {
        h2 { "Where it stands, and stood" }
        table {
            thead { tr { th { "Unit" } th { "Dealer" } th { "State" } th { "First seen" } th { "Last changed" } th { "Days" } th { "First price" } th { "Price" } } }
            tbody {
                @for stay in stays {
                    tr {
                        td {
                            @match stay.archive {
                                Some(archive) => { (stay.stock_number) " " span class="dim" { "in archive " (archive) } }
                                None if stay.past => { (stay.stock_number) " " span class="dim" { "an earlier stay" } }
                                None => (unit_link(stay.listing, &stay.stock_number)),
                            }
                        }
                        td { (stay.dealer) }
                        td { (pill(&stay.status)) }
                        td { (maybe_at(stay.first_seen)) }
                        td { (maybe_at(stay.last_changed)) }
                        td class="n" { @if let Some(days) = stay.days { (days) } }
                        td class="n" { (money(stay.first_price_cents, stay.first_currency.as_deref())) }
                        td class="n" { (money(stay.price_cents, stay.currency.as_deref())) }
                    }
                }
            }
        }
        @if stays.is_empty() { p class="dim" { "No unit has, or had, this number." } }
    }
}

pub(super) async fn list(api: &Api, what: &str, query: &Form) -> Res<Page> {
    let known = LISTS.iter().find(|(known, _, _)| *known == what);
    let (what, name, command) = known.ok_or_else(|| Trouble::NotFound(format!("list {what:?}")))?;
    let dealer = query.get("dealer");
    let mut conn = api.app.pool.acquire().await?;
    let (head, rows) = match *what {
        "aging" => aging(&mut conn, dealer).await?,
        "drops" => drops(&mut conn, dealer).await?,
        "contradictions" => contradictions(&mut conn, dealer).await?,
        "unknown" => unknown(&mut conn, dealer).await?,
        "doubles" => doubles(&mut conn, dealer).await?,
        _ => photos(&mut conn, dealer).await?,
    };
    let body = html! {
        h1 { (name) }
        form method="get" class="deeds" {
            label { "Dealer's key " input type="text" name="dealer" value=[dealer]; } " "
            button { "Only his" }
        }
        table {
            thead { tr { @for cell in head { th { (cell) } } } }
            tbody { @for row in &rows { (row) } }
        }
        @if rows.is_empty() { p class="dim" { "Nothing." } }
        p class="dim" { "At most " (SHOWN) " are shown; all of them: " code { (command) } }
    };
    Ok(Page::new(*name, "/console/stock", body))
}

type Table = (&'static [&'static str], Vec<Markup>);

async fn aging(conn: &mut PgConnection, dealer: Option<&str>) -> Res<Table> {
    let rows = Reports::aging(conn, dealer).await?;
    let shown = usize::try_from(SHOWN).unwrap_or(usize::MAX);
    let row = |row: stores::Aging| {
        let counts = [
            row.units,
            row.median_days,
            row.average_days,
            row.to_30,
            row.to_60,
            row.to_90,
            row.older,
        ];
        html! { tr { td { (row.dealer) } @for count in counts { td class="n" { (count) } } } }
    };
    let head = &[
        "Dealer",
        "Units",
        "Median days",
        "Average",
        "To 30 days",
        "To 60",
        "To 90",
        "Older",
    ];
    Ok((head, rows.into_iter().take(shown).map(row).collect()))
}

async fn drops(conn: &mut PgConnection, dealer: Option<&str>) -> Res<Table> {
    let rows = Reports::price_drops(conn, dealer, DROPS.0, DROPS.1, SHOWN).await?;
    let row = |row: stores::PriceDrop| {
        html! { tr {
            td { (at(row.at)) } td { (unit_link(row.listing, &row.stock_number)) } td { (row.dealer) } td { (row.title) }
            td class="n" { (money(Some(row.before_cents), Some(&row.currency))) }
            td class="n" { (money(Some(row.price_cents), Some(&row.currency))) }
        } }
    };
    let head = &["When", "Unit", "Dealer", "What", "Before", "Now"];
    Ok((head, rows.into_iter().map(row).collect()))
}

async fn contradictions(conn: &mut PgConnection, dealer: Option<&str>) -> Res<Table> {
    let rows = Overrides::contradictions(conn, dealer, (0, ""), SHOWN).await?;
    let row = |row: stores::Contradiction| {
        html! { tr {
            td { (unit_link(row.listing_id, &row.stock_number)) } td { (row.dealer) } td { (row.vin.as_deref().unwrap_or_default()) }
            td { (row.field) } td { (row.listing_value) } td { (row.vin_value) " " span class="dim" { "by its " (row.source()) } }
        } }
    };
    let head = &["Unit", "Dealer", "VIN", "Field", "Listed", "Otherwise"];
    Ok((head, rows.into_iter().map(row).collect()))
}

async fn unknown(conn: &mut PgConnection, dealer: Option<&str>) -> Res<Table> {
    let rows = unknown_words::of_stock(conn, dealer).await?;
    let shown = usize::try_from(SHOWN).unwrap_or(usize::MAX);
    let row = |row: stores::FieldValue| {
        html! { tr {
            td { (row.field) } td { (row.value) } td class="n" { (row.units) } td class="n" { (row.dealers) } td { (row.stock_number) }
        } }
    };
    let head = &["Field", "Word", "Units", "Dealers", "One of them"];
    Ok((head, rows.into_iter().take(shown).map(row).collect()))
}

async fn doubles(conn: &mut PgConnection, dealer: Option<&str>) -> Res<Table> {
    let rows = Reports::doubles(conn, dealer, SHOWN).await?;
    let row = |row: stores::Double| {
        let units = row.listings.iter().zip(&row.rooftops);
        html! { tr { td { (row.number) } td { @for (id, rooftop) in units { (unit_link(*id, rooftop)) br; } } } }
    };
    let head = &["VIN or serial", "Units"];
    Ok((head, rows.into_iter().map(row).collect()))
}

async fn photos(conn: &mut PgConnection, dealer: Option<&str>) -> Res<Table> {
    let rows = Photos::lost(conn, dealer, SHOWN).await?;
    let row = |row: stores::LostPhoto| {
        html! { tr {
            td { (unit_link(row.listing, &row.stock_number)) } td { (row.dealer) } td class="n" { (row.place + 1) } td { (pill(&row.state)) }
            td { (row.url) } td { (row.problem.unwrap_or_default()) } td class="n" { (row.tries) } td { (at(row.fetched_at)) }
        } }
    };
    let head = &[
        "Unit", "Dealer", "Photo", "State", "Address", "Why", "Tries", "Tried",
    ];
    Ok((head, rows.into_iter().map(row).collect()))
}
