//! A vehicle's report as a web page: `GET /report/{vin}`; 404 for a VIN that nobody knows (one that ends in `0000`). The same of
//! many as a badge file, for a drop.
//!
//! What it says follows from the VIN, so that a test can tell it beforehand: see [`Told`].

use super::{Asked, Reply, failed, reply, rolled};
use hyper::StatusCode;
use std::fmt::Write;

/// What the page of a VIN says.
struct Told {
    owners: u64,
    accidents: u64,
    brand: &'static str,
    /// Date, miles, what was done.
    services: Vec<(String, u64, &'static str)>,
}

impl Told {
    fn of(vin: &str) -> Self {
        let roll = |what: &str, sides: u64| rolled(&format!("{vin} {what}")) % sides;
        let brand = match roll("brand", 25) {
            0 => "Salvage",
            1 => "Rebuilt",
            _ => "Clean",
        };
        let works = [
            "Oil and filter changed",
            "Tires rotated",
            "State inspection passed",
        ];
        let count = 1 + roll("services", 5);
        let services = (0..count).map(|n| {
            let year = 2019 + n;
            let month = 1 + roll(&format!("month {n}"), 12);
            let work = works[usize::try_from(roll(&format!("work {n}"), 3)).unwrap_or(0)];
            (
                format!("{month:02}/15/{year}"),
                9_500 * (n + 1) + roll("miles", 2_000),
                work,
            )
        });
        Self {
            owners: 1 + roll("owners", 4),
            accidents: roll("accidents", 3),
            brand,
            services: services.collect(),
        }
    }
}

pub(super) fn answer(asked: &Asked, redesigned: bool) -> Reply {
    let Some(vin) = asked.path.strip_prefix("/report/") else {
        return failed(StatusCode::NOT_FOUND);
    };
    if vin.len() != 17 || vin.ends_with("0000") {
        return reply(
            StatusCode::NOT_FOUND,
            "text/html",
            "<!DOCTYPE html><html><body><h1>No report for this VIN</h1></body></html>",
        );
    }
    let told = Told::of(vin);
    let page = match redesigned {
        false => page(vin, &told),
        true => redesign(vin, &told),
    };
    reply(StatusCode::OK, "text/html; charset=utf-8", page)
}

/// The same of many vehicles as a badge file.
pub(super) fn badge_file(vins: &[String]) -> String {
    let mut file = String::from("VIN,Owners,Accidents,Title Brand,Report URL\n");
    for vin in vins.iter().filter(|vin| !vin.ends_with("0000")) {
        let told = Told::of(vin);
        let _ = writeln!(
            file,
            "{vin},{},{},{},http://history.test/report/{vin}",
            told.owners, told.accidents, told.brand
        );
    }
    file
}

fn page(vin: &str, told: &Told) -> String {
    let mut rows = String::new();
    for (date, miles, work) in &told.services {
        let miles = thousands(*miles);
        let _ = write!(
            rows,
            "<tr><td class=\"date\">{date}</td><td class=\"odo\">{miles} mi</td><td class=\"what\">{work}</td></tr>"
        );
    }
    let accidents = match told.accidents {
        0 => "No accidents or damage reported".to_owned(),
        1 => "1 accident reported".to_owned(),
        n => format!("{n} accidents reported"),
    };
    let s = if told.owners == 1 { "" } else { "s" };
    format!(
        "<!DOCTYPE html><html><head><title>Report for {vin}</title></head><body>\
         <main id=\"report\" data-vin=\"{vin}\"><h1>Vehicle history</h1>\
         <ul class=\"summary\"><li class=\"owners\">{} previous owner{s}</li><li class=\"accidents\">{accidents}</li>\
         <li class=\"brand\">Title: {}</li></ul>\
         <table id=\"records\"><tbody>{rows}</tbody></table></main></body></html>",
        told.owners, told.brand
    )
}

/// The same facts after somebody thought of a better page: no selector of before finds its place.
fn redesign(vin: &str, told: &Told) -> String {
    format!(
        "<!DOCTYPE html><html><head><title>{vin}</title></head><body><div class=\"app\" data-car=\"{vin}\">\
         <section class=\"card\"><b>{}</b> owners</section><section class=\"card\"><b>{}</b> incidents</section>\
         <section class=\"card\">{}</section></div></body></html>",
        told.owners, told.accidents, told.brand
    )
}

fn thousands(number: u64) -> String {
    match number {
        0..1_000 => number.to_string(),
        _ => format!("{},{:03}", number / 1_000, number % 1_000),
    }
}
