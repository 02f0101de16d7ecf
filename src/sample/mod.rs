//! Three invented dealers with dirty files, made from a seed: the demo's night and the tests' data.
//!
//! The VINs are real (facts nobody owns), so that decoding them shows something; dealers, prices
//! and everything else are invented. The same seed and size give the same bytes.

use domain::{Dealer, Vin};
use std::fmt::Write as _;
use std::io;

/// Real VINs, one of a kind each, with true check digits.
const VINS: &str = include_str!("vins.txt");

pub(crate) struct SampleDealer {
    pub(crate) dealer: Dealer,
    pub(crate) mapping: &'static str,
    /// Names and bytes, in the order they are dropped.
    pub(crate) files: Vec<(&'static str, Vec<u8>)>,
}

/// `listings` units over the dealers; the seed moves prices and the places of dirty rows, never
/// the stock numbers.
pub(crate) fn dealers(seed: u64, listings: usize) -> Vec<SampleDealer> {
    let (equipment, small) = (listings / 4, listings / 10);
    vec![
        SampleDealer {
            dealer: dealer("bayview-motors", "Bayview Motors", "Fresno", "CA", "BAY01"),
            mapping: "homenet",
            files: vec![(
                "bayview.csv",
                vehicles(seed, listings - equipment - small).into_bytes(),
            )],
        },
        SampleDealer {
            dealer: dealer(
                "ironridge",
                "Iron Ridge Equipment",
                "Billings",
                "MT",
                "IRN01",
            ),
            mapping: "equipment",
            files: vec![("ironridge.csv", machines(seed, equipment).into_bytes())],
        },
        // Two files in one night: the second knows which units are sold.
        SampleDealer {
            dealer: dealer("hillside-auto", "Hillside Auto", "Boise", "ID", "HIL01"),
            mapping: "vehicles",
            files: vec![
                ("hillside-1.csv", generic(seed, small, 0).into_bytes()),
                (
                    "hillside-2.csv",
                    generic(seed, small, small / 10).into_bytes(),
                ),
            ],
        },
    ]
}

/// Those of the first dealer's vehicles.
pub(crate) fn vins(listings: usize) -> Vec<String> {
    let count = listings - listings / 4 - listings / 10;
    (0..count).map(|n| vin(n).to_string()).collect()
}

fn dealer(key: &str, name: &str, city: &str, state: &str, store_code: &str) -> Dealer {
    Dealer {
        id: 0,
        key: key.to_owned(),
        name: name.to_owned(),
        street: "100 Sample Road".to_owned(),
        city: city.to_owned(),
        state: state.to_owned(),
        postal_code: "00000".to_owned(),
        country: "US".to_owned(),
        time_zone: if state == "CA" {
            "America/Los_Angeles"
        } else {
            "America/Denver"
        }
        .to_owned(),
        store_code: store_code.to_owned(),
        group_name: String::new(),
    }
}

/// SplitMix64: the same everywhere, and enough for sample data.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % sides.max(1)
    }

    fn pick<'a>(&mut self, of: &[&'a str]) -> &'a str {
        let place = usize::try_from(self.roll(of.len() as u64)).unwrap_or(0);
        of.get(place).copied().unwrap_or_default()
    }
}

const COLORS: &[&str] = &["Black", "White", "Silver", "Red", "Blue", "Gray"];
const DRIVES: &[&str] = &[
    "FWD",
    "Front-Wheel Drive",
    "AWD",
    "4x4",
    "Four-Wheel Drive",
    "RWD",
    "",
];

pub(crate) fn vehicles(seed: u64, count: usize) -> String {
    let mut text = Vec::new();
    // Memory takes whatever is written to it.
    let _ = write_vehicles(seed, count, &mut text);
    String::from_utf8_lossy(&text).into_owned()
}

/// A row at a time, however many.
pub(crate) fn write_vehicles(seed: u64, count: usize, into: &mut impl io::Write) -> io::Result<()> {
    let mut dice = Dice(seed);
    into.write_all(
        b"Type,Stock,VIN,Year,Make,Model,Trim,Body,ExteriorColor,Transmission,Miles,Selling Price,MSRP,Drivetrain,DateInStock,Options,ImageList\n",
    )?;
    for n in 0..count {
        let vin = vin(n);
        let new = dice.roll(6) == 0;
        let price = 8_000 + dice.roll(52_000);
        let miles = if new {
            dice.roll(40)
        } else {
            4_000 + dice.roll(140_000)
        };
        let photos: Vec<String> = (0..dice.roll(4)).map(|p| photo("bay", n, p)).collect();
        let mut row = Row {
            stock: format!("B{n:05}"),
            vin: vin.to_string(),
            year: vin
                .model_years()
                .first()
                .map(ToString::to_string)
                .unwrap_or_default(),
            price: format!("\"${},{:03} \"", price / 1_000, price % 1_000),
            miles: format!("\"{},{:03}\"", miles / 1_000, miles % 1_000),
        };
        let again = spoil(&mut row, &mut dice);
        let line = format!(
            "{},{},{},{},,,,,{},{},{},{},{},{},2026-{:02}-{:02},\"Sunroof,Heated Seats\",\"{}\"\n",
            if new { "New" } else { "Used" },
            row.stock,
            row.vin,
            row.year,
            dice.pick(COLORS),
            dice.pick(&["Automatic", "Manual", ""]),
            row.miles,
            row.price,
            if new {
                (price + 1_500).to_string()
            } else {
                String::new()
            },
            dice.pick(DRIVES),
            1 + dice.roll(10),
            1 + dice.roll(28),
            photos.join(","),
        );
        // Make, model and the rest are left to the VIN, but for some a dealer fills in.
        into.write_all(line.as_bytes())?;
        if again {
            into.write_all(line.as_bytes())?;
        }
    }
    into.flush()
}

/// The p-th photo of the n-th unit, now and then as dealers have them: a stock photo, the placeholder,
/// a copy of the neighbour's, one that is gone, or no photo at all.
fn photo(folder: &str, n: usize, p: u64) -> String {
    let host = "http://photos.example.com";
    match (n * 7 + usize::try_from(p).unwrap_or(0) * 3) % 40 {
        1 => format!("{host}/coming-soon.jpg"),
        2 => format!("{host}/stock/{}.jpg", n % 5),
        3 if n > 0 => format!("{host}/small/{folder}/{}/0.jpg", n - 1),
        4 => format!("{host}/missing/{n}.jpg"),
        5 => format!("{host}/page/{n}.jpg"),
        6 => format!("{host}/cut/{n}.jpg"),
        7 => format!("{host}/moved/{folder}/{n}/{p}.jpg"),
        8 => format!("{host}/inside/{n}.jpg"),
        _ => format!("{host}/{folder}/{n}/{p}.jpg"),
    }
}

/// A small dealer's spreadsheet: other header names, words of its own; the first `sold` are gone.
fn generic(seed: u64, count: usize, sold: usize) -> String {
    let mut dice = Dice(seed ^ 0x417);
    let mut text = String::from(
        "Stock Number|VIN Number|Condition|Mileage|Price|Color|Drive Type|Fuel|Photos|On Lot Since\n",
    );
    for n in 0..count {
        let line = format!(
            "H{n:04}|{}|{}|{}|${}|{}|{}|{}|{}|2026-10-{:02}\n",
            vin(5_000 + n),
            dice.pick(&["pre-owned", "Used", "Certified Pre-Owned"]),
            9_000 + dice.roll(90_000),
            7_000 + dice.roll(30_000),
            dice.pick(&["Shadow Black", "Oxford White", "Ruby Red Metallic"]),
            dice.pick(&["4x4", "Front Wheel Drive", "xDrive", "–"]),
            dice.pick(&["Gas", "E85 Flex Fuel", ""]),
            photo("hill", n, 0),
            1 + dice.roll(28),
        );
        if n >= sold {
            text.push_str(&line);
        }
    }
    text
}

struct Row {
    stock: String,
    vin: String,
    year: String,
    price: String,
    miles: String,
}

/// What dealers really send, one row in twelve. `true` to send the row twice.
fn spoil(row: &mut Row, dice: &mut Dice) -> bool {
    match dice.roll(72) {
        0 => row.vin.replace_range(9..10, "O"),
        1 => row.price = "Not Priced".to_owned(),
        2 => row.year = "1000".to_owned(),
        3 => row.stock.clear(),
        4 => row.miles = "low".to_owned(),
        5 => return true,
        // A wrong year, which the VIN contradicts.
        6 => row.year = "1999".to_owned(),
        _ => {}
    }
    false
}

/// The n-th VIN: real ones first; beyond them, the same descriptors with other serial numbers and
/// the check digit made true.
fn vin(n: usize) -> Vin {
    let known: Vec<&str> = VINS.lines().collect();
    let base = known[n % known.len()];
    let round = n / known.len();
    let text = if round == 0 {
        base.to_owned()
    } else {
        format!("{}{:06}", &base[..11], round * 7 + n % 7)
    };
    let checked = |text: &str| {
        Vin::parse(text).unwrap_or_else(|_| unreachable!("{text} is made of a real vin"))
    };
    let vin = checked(&text);
    if round == 0 {
        return vin;
    }
    let digit = vin.expected_check_digit();
    checked(&format!("{}{digit}{}", &text[..8], &text[9..]))
}

const MACHINES: &[(&str, &str, &str)] = &[
    ("Caterpillar", "320D", "Track Excavators"),
    ("Caterpillar", "D6T", "Track Type Tractors"),
    ("John Deere", "310SL", "Backhoe Loaders"),
    ("Komatsu", "WA320", "Wheel Loader"),
    ("Bobcat", "S650", "Skid Steer Loaders"),
];

fn machines(seed: u64, count: usize) -> String {
    let mut dice = Dice(seed ^ 0x5eed);
    let mut text = String::from(
        "Stock Number|Machine Serial Number|Year|Make|Model|Category|New/Used|Machine Hours|Price|Parent Stock Number|Description|Photos\n",
    );
    for n in 0..count {
        let place = usize::try_from(dice.roll(MACHINES.len() as u64)).unwrap_or(0);
        let (make, model, category) = MACHINES[place];
        let year = if dice.roll(15) == 0 {
            1000
        } else {
            2004 + dice.roll(20)
        };
        let hours = if dice.roll(20) == 0 {
            "unknown".to_owned()
        } else {
            (100 + dice.roll(9_000)).to_string()
        };
        let stock = if dice.roll(60) == 0 {
            String::new()
        } else {
            format!("E{n:05}")
        };
        let parent = if n > 0 && dice.roll(6) == 0 {
            format!("E{:05}", n - 1)
        } else {
            String::new()
        };
        let _ = writeln!(
            text,
            "{stock}|{make:.3}{:07}|{year}|{make}|{model}|{category}|Used|{hours}|${}|{parent}|One owner, field ready|{}",
            1_000_000 + n * 37,
            9_000 + dice.roll(200_000),
            photo("iron", n, 0),
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_bytes() {
        let (a, b) = (dealers(7, 400), dealers(7, 400));
        assert!(a.iter().zip(&b).all(|(a, b)| a.files == b.files));
        assert_ne!(dealers(8, 400)[0].files, a[0].files);
    }

    #[test]
    fn every_vin_is_sound_and_stands_once() {
        let vins: Vec<Vin> = (0..900).map(vin).collect();
        assert!(vins.iter().all(Vin::check_digit_ok));
        let distinct: std::collections::HashSet<&Vin> = vins.iter().collect();
        assert_eq!(distinct.len(), vins.len());
    }
}
