//! One unit: whose word each field is, what it cost and where it stood, what its VIN and partners say, its photos, and why feeds
//! leave it out; an operator puts a field right here.

use super::form::Form;
use super::page::{Page, at, csrf, money, pill};
use super::session::Session;
use super::{Answer, Res, Trouble};
use crate::Api;
use crate::v2::{Word, words};
use domain::Listing;
use jobs::by_hand;
use maud::{Markup, html};
use stores::{
    Dealers, Feeds, Histories, KnownReport, KnownValuation, ListingPhoto, Listings, Move,
    Overrides, PgConnection, Photos, Price, Reports, StoreError, Valuations,
};

/// A text this long is cut.
const LONGEST: usize = 300;
/// Contradictions of one unit; there are fewer fields.
const MOST: i64 = 50;

pub(super) async fn page(api: &Api, session: &Session, id: i64) -> Res<Page> {
    let mut conn = api.app.pool.acquire().await?;
    let unit = match Listings::get(&mut conn, id).await {
        Err(StoreError::NotFound { .. }) => return Err(Trouble::NotFound(format!("unit {id}"))),
        found => found?,
    };
    let dealers = Dealers::list(&mut conn).await?;
    let dealer = dealers
        .into_iter()
        .find(|dealer| dealer.id == unit.dealer_id);
    let dealer = dealer.map(|dealer| dealer.key).unwrap_or_default();
    let words = words(&mut conn, &unit).await;
    let mut against = Overrides::contradictions(&mut conn, None, (id, ""), MOST).await?;
    against.retain(|against| against.listing_id == id);
    let vins: Vec<String> = unit.vin.iter().map(ToString::to_string).collect();
    let reports = Histories::of(&mut conn, &vins).await?;
    let worths = Valuations::of(&mut conn, &vins).await?;
    let prices = Listings::prices(&mut conn, id).await?;
    let moves = Reports::moves(&mut conn, id).await?;
    let photos = Photos::of_listing(&mut conn, id).await?;
    let left_out = left_out(&mut conn, id).await?;
    let details = &unit.details;
    let body = html! {
        h1 { (unit.stock_number) " " (pill(unit.status.as_str())) }
        p { (title(&unit)) " · of " (dealer) @if let Some(vin) = &unit.vin { " · VIN " code { (vin) } } @if let Some(serial) = &unit.serial { " · serial " code { (serial) } } }
        p { b { (money(details.price_cents, Some(details.currency().code()))) }
            @if let Some(market) = details.market_cents { " · units like it are offered for " (money(Some(market), None)) } }
        @if !against.is_empty() {
            h2 { "Said otherwise" }
            table {
                thead { tr { th { "Field" } th { "Listed" } th { "Otherwise" } th { "By its" } } }
                tbody { @for one in &against { tr { td { (one.field) } td { (one.listing_value) } td { (one.vin_value) } td { (one.source()) } } } }
            }
        }
        @if !left_out.is_empty() {
            h2 { "Left out of feeds" }
            table {
                thead { tr { th { "Feed" } th { "Why, at its last run" } } }
                tbody { @for (feed, reasons) in &left_out { tr { td { (feed) } td { (reasons.join(", ").replace('_', " ")) } } } }
            }
            p class="dim" { "As it is now: " code { "forecourt feeds explain FEED --dealer " (dealer) " --stock-number " (unit.stock_number) } }
        }
        h2 { "Whose word each field is" }
        (word_table(session, id, &words))
        @if session.operates() { (put_right(session, id)) }
        (past(&prices, &moves))
        (told(&reports, &worths))
        (photo_table(&photos))
    };
    Ok(Page::new(unit.stock_number.clone(), "/console/stock", body))
}

fn title(unit: &Listing) -> String {
    let details = &unit.details;
    let year = details.year.map(|year| year.to_string());
    let words = [&year, &details.make, &details.model, &details.trim];
    let words: Vec<&str> = words.into_iter().flatten().map(String::as_str).collect();
    match words.is_empty() {
        true => details.title.clone().unwrap_or_default(),
        false => words.join(" "),
    }
}

/// Feeds whose last run had a reason not to publish it.
async fn left_out(conn: &mut PgConnection, id: i64) -> Res<Vec<(String, Vec<String>)>> {
    let mut found = Vec::new();
    for feed in Feeds::list(conn).await? {
        if let Some(run) = feed.latest_run_id {
            let left = Feeds::exclusions_of(conn, run, &[id]).await?;
            found.extend(
                left.into_iter()
                    .map(|left| (feed.key.clone(), left.reasons)),
            );
        }
    }
    Ok(found)
}

fn short(text: &str) -> String {
    let mut letters = text.chars();
    let mut short: String = letters.by_ref().take(LONGEST).collect();
    if letters.next().is_some() {
        short.push('…');
    }
    short
}

fn word_table(session: &Session, id: i64, words: &[Word]) -> Markup {
    html! {
        table {
            thead { tr { th { "Field" } th { "Value" } th { "Said by" } th { "Where" } th { "As it was written" } th { "Over" } @if session.operates() { th { "Do" } } } }
            tbody {
                @for word in words {
                    tr {
                        td { (word.field) }
                        td class="said" { (short(word.value.as_deref().unwrap_or_default())) }
                        td { (word.source) @if let Some(by) = &word.by { " " (by) } }
                        td {
                            @if let Some(file) = word.file {
                                a href={ "/console/files/" (file) } { (word.file_name.as_deref().unwrap_or("file")) }
                                @if let Some(row) = word.row { " row " (row) }
                            }
                        }
                        td { (short(word.original.as_deref().unwrap_or_default())) }
                        td { (short(word.over.as_deref().unwrap_or_default())) }
                        @if session.operates() {
                            td {
                                @if word.source == "operator" {
                                    form method="post" action={ "/console/units/" (id) } class="inline" {
                                        (csrf(session))
                                        input type="hidden" name="field" value=(word.field);
                                        button name="action" value="release" { "Release" }
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn put_right(session: &Session, id: i64) -> Markup {
    html! {
        form method="post" action={ "/console/units/" (id) } class="deeds" {
            (csrf(session))
            label { "Put right "
                select name="field" { @for field in domain::Details::FIELDS { option value=(field.name()) { (field.name()) } } }
            } " "
            label { "to " input type="text" name="value"; } " "
            button name="action" value="override" { "Put right" }
            p class="dim" { "It stands over every file until it is released. Money in hundredths, distances in kilometres, lists by commas." }
        }
    }
}

fn past(prices: &[Price], moves: &[Move]) -> Markup {
    html! {
        @if !prices.is_empty() {
            h2 { "Its prices" }
            table {
                thead { tr { th { "From" } th { "Price" } } }
                tbody { @for price in prices.iter().rev() { tr { td { (at(price.at)) } td { (money(price.cents, Some(&price.currency))) } } } }
            }
        }
        @if !moves.is_empty() {
            h2 { "Whence it came" }
            table {
                thead { tr { th { "When" } th { "From dealer" } th { "Stock number there" } } }
                tbody { @for moved in moves { tr { td { (at(moved.at)) } td { (moved.dealer) } td { (moved.stock_number) } } } }
            }
        }
    }
}

fn told(reports: &[KnownReport], worths: &[KnownValuation]) -> Markup {
    let number = |number: Option<i32>| number.map_or("–".to_owned(), |number| number.to_string());
    let average = |cents: &Option<Vec<i64>>| {
        money(cents.as_ref().and_then(|cents| cents.get(1)).copied(), None)
    };
    html! {
        @if !reports.is_empty() {
            h2 { "Its past, as reported" }
            table {
                thead { tr { th { "By" } th { "State" } th { "Owners" } th { "Accidents" } th { "Title" } th { "Asked" } th { "Trouble" } } }
                tbody {
                    @for known in reports {
                        @let report = &known.report;
                        tr {
                            td { (report.provider) } td { (pill(report.state.as_str())) }
                            td class="n" { (number(report.owners)) } td class="n" { (number(report.accidents)) }
                            td { (report.title_brand.as_deref().unwrap_or("–")) } td { (at(known.fetched_at)) }
                            td { (report.problem.as_deref().unwrap_or_default()) }
                        }
                    }
                }
            }
        }
        @if !worths.is_empty() {
            h2 { "Its worth" }
            table {
                thead { tr { th { "By" } th { "Thousand miles" } th { "Region" } th { "Wholesale" } th { "Retail" } th { "Day" } } }
                tbody {
                    @for known in worths {
                        @let worth = &known.valuation;
                        tr {
                            td { (worth.provider) } td class="n" { (worth.odometer_bucket) } td { (worth.region) }
                            td class="n" { (average(&worth.wholesale_cents)) } td class="n" { (average(&worth.retail_cents)) } td { (known.day) }
                        }
                    }
                }
            }
        }
    }
}

fn photo_table(photos: &[ListingPhoto]) -> Markup {
    html! {
        @if !photos.is_empty() {
            h2 { "Its photos" }
            table {
                thead { tr { th { "Place" } th { "State" } th { "Address" } th { "Size" } th { "Shown by others" } th { "Alike" } th { "Trouble" } } }
                tbody {
                    @for photo in photos {
                        tr {
                            td class="n" { (photo.place + 1) }
                            td { (pill(&photo.state)) @if photo.hero { " " (pill("hero")) } @if photo.placeholder { " " (pill("placeholder")) } }
                            td class="said" { (photo.url) }
                            td { @if let (Some(width), Some(height)) = (photo.width, photo.height) { (width) " × " (height) } }
                            td class="n" { (photo.shown_by) } td class="n" { (photo.alike) }
                            td { (photo.problem.as_deref().unwrap_or_default()) }
                        }
                    }
                }
            }
        }
    }
}

pub(super) async fn act(api: &Api, session: &Session, id: i64, form: &Form) -> Res<Answer> {
    let field = by_hand::field(form.need("field")?)?;
    let name = field.name();
    let (app, who) = (&api.app, session.name.as_str());
    let said = match form.need("action")? {
        "override" => {
            let value = field.read(form.need("value")?).map_err(Trouble::Invalid)?;
            by_hand::put_right(app, id, field, value, who).await?;
            format!("{name} is as you say until it is released.")
        }
        "release" => match by_hand::let_go(app, id, field, who).await? {
            Some(_) => format!("{name} is the dealer's to say again."),
            None => return Err(Trouble::Invalid(format!("nobody has put {name} right"))),
        },
        word => return Err(Trouble::Invalid(format!("no action is called {word:?}"))),
    };
    Ok(Answer::See(format!("/console/units/{id}"), said))
}
