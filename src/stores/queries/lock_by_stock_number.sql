-- The dealer's listings with these stock numbers, locked in order of id so that two loads never
-- deadlock. Plan: probes of the unique index (dealer_id, stock_number).
SELECT id, dealer_id, kind, status, stock_number, vin, serial, year, make, model, "trim", body, category,
    fuel, drivetrain, transmission, engine, cylinders, displacement_cc, doors, exterior_color,
    interior_color, condition, title_brand, price_cents, msrp_cents, odometer_km, hours, title,
    description, link, date_in_stock, parent_stock_number, image_urls, options, provenance, version
FROM listings WHERE dealer_id = $1 AND stock_number = ANY($2)
ORDER BY id FOR UPDATE
