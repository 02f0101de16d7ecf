-- A rooftop's units on the lot, parents left out. $1 dealer. Plan: the unique index's range of the dealer.
SELECT id, dealer_id, kind, status, stock_number, vin, serial, year, make, model, "trim", body, category,
    fuel, drivetrain, transmission, engine, cylinders, displacement_cc, doors, exterior_color, exterior_base_color,
    interior_color, interior_base_color, condition, title_brand, currency, price_cents, msrp_cents, price_to_cents, odometer_km, hours, units, owners, accidents, market_cents, reported_title_brand, title,
    description, link, date_in_stock, parent_stock_number, image_urls, options, provenance, version
FROM listings WHERE dealer_id = $1 AND kind <> 'parent' AND status IN ('available', 'pending')
ORDER BY stock_number
