//! `domain::filter` in SQL. Every value is bound, every column comes from our own table of
//! fields, and a test of a blank is false, as in memory.

use domain::filter::{Op, Test};
use domain::{Field, FieldType, Filter};
use sqlx::{Postgres, QueryBuilder};

/// Appends the filter as one boolean expression over `l` (listings) and `d` (dealers).
pub(crate) fn push(filter: &Filter, sql: &mut QueryBuilder<Postgres>) {
    match filter {
        Filter::All(parts) => push_joined(parts, " AND ", "true", sql),
        Filter::Any(parts) => push_joined(parts, " OR ", "false", sql),
        Filter::Not(part) => {
            sql.push("NOT ");
            push(part, sql);
        }
        Filter::Test(test) => {
            sql.push("coalesce(");
            push_test(test, sql);
            sql.push(", false)");
        }
    }
}

fn push_joined(parts: &[Filter], joint: &str, empty: &str, sql: &mut QueryBuilder<Postgres>) {
    sql.push("(");
    if parts.is_empty() {
        sql.push(empty);
    }
    for (place, part) in parts.iter().enumerate() {
        if place > 0 {
            sql.push(joint);
        }
        push(part, sql);
    }
    sql.push(")");
}

fn column(field: Field) -> &'static str {
    match field {
        Field::Dealer => "d.key",
        Field::Trim => "l.\"trim\"",
        Field::Kind => "l.kind",
        Field::Status => "l.status",
        Field::StockNumber => "l.stock_number",
        Field::Vin => "l.vin",
        Field::Serial => "l.serial",
        Field::Year => "l.year",
        Field::Make => "l.make",
        Field::Model => "l.model",
        Field::Body => "l.body",
        Field::Category => "l.category",
        Field::Fuel => "l.fuel",
        Field::Drivetrain => "l.drivetrain",
        Field::Transmission => "l.transmission",
        Field::Engine => "l.engine",
        Field::Cylinders => "l.cylinders",
        Field::DisplacementCc => "l.displacement_cc",
        Field::Doors => "l.doors",
        Field::ExteriorColor => "l.exterior_color",
        Field::ExteriorBaseColor => "l.exterior_base_color",
        Field::InteriorBaseColor => "l.interior_base_color",
        Field::Units => "l.units",
        Field::InteriorColor => "l.interior_color",
        Field::Condition => "l.condition",
        Field::TitleBrand => "l.title_brand",
        Field::ReportedTitleBrand => "l.reported_title_brand",
        Field::Owners => "l.owners",
        Field::Accidents => "l.accidents",
        Field::MarketCents => "l.market_cents",
        Field::PriceCents => "l.price_cents",
        Field::MsrpCents => "l.msrp_cents",
        Field::PriceToCents => "l.price_to_cents",
        Field::Currency => "coalesce(l.currency, 'USD')",
        Field::OdometerKm => "l.odometer_km",
        Field::Hours => "l.hours",
        Field::Title => "l.title",
        Field::Description => "l.description",
        Field::Link => "l.link",
        Field::DateInStock => "l.date_in_stock",
        Field::ParentStockNumber => "l.parent_stock_number",
        Field::ImageUrls => "l.image_urls",
        Field::Options => "l.options",
    }
}

/// ASCII case is folded in the C collation on both sides, as in memory: no locale may differ.
fn push_test(test: &Test, sql: &mut QueryBuilder<Postgres>) {
    let column = column(test.field);
    let list = test.field.field_type() == FieldType::List;
    match &test.op {
        Op::Present(wanted) => {
            let blank = if list {
                format!("cardinality({column}) = 0")
            } else {
                format!("{column} IS NULL")
            };
            sql.push(if *wanted {
                format!("NOT ({blank})")
            } else {
                blank
            });
        }
        Op::Is(value) => {
            sql.push(format!("lower({column} COLLATE \"C\") = "))
                .push_bind(value.to_ascii_lowercase());
        }
        Op::In(values) => {
            let values: Vec<String> = values
                .iter()
                .map(|value| value.to_ascii_lowercase())
                .collect();
            sql.push(format!("lower({column} COLLATE \"C\") = ANY("))
                .push_bind(values)
                .push(")");
        }
        Op::Contains(part) if list => {
            sql.push("EXISTS (SELECT 1 FROM unnest(")
                .push(column)
                .push(") item WHERE lower(item COLLATE \"C\") = ")
                .push_bind(part.to_ascii_lowercase())
                .push(")");
        }
        Op::Contains(part) => {
            sql.push("strpos(lower(")
                .push(column)
                .push(" COLLATE \"C\"), ")
                .push_bind(part.to_ascii_lowercase())
                .push(") > 0");
        }
        Op::AtLeast(bound) => {
            sql.push(column).push(" >= ").push_bind(*bound);
        }
        Op::AtMost(bound) => {
            sql.push(column).push(" <= ").push_bind(*bound);
        }
    }
}
