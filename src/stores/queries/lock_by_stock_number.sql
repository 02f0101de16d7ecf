-- Listings by rooftop and stock number (two arrays), locked in order of id so that two loads never
-- deadlock. Plan: probes of the unique index (dealer_id, stock_number).
SELECT id, dealer_id, kind, status, stock_number, vin, serial, year, make, model, "trim", body, category,
    fuel, drivetrain, transmission, engine, cylinders, displacement_cc, doors, exterior_color, exterior_base_color,
    interior_color, interior_base_color, condition, title_brand, currency, price_cents, msrp_cents, price_to_cents, odometer_km, hours, units, owners, accidents, market_cents, reported_title_brand, title,
    description, link, date_in_stock, parent_stock_number, image_urls, options, provenance, version
FROM listings JOIN unnest($1::bigint[], $2::text[]) k(rooftop, number)
    ON dealer_id = k.rooftop AND stock_number = k.number
ORDER BY id FOR UPDATE OF listings
