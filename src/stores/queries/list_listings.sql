-- A page of listings above an id. $1 kind, $2 dealer key, $3 vin, $4 stock number (NULL for any), $5 id,
-- $6 rows. Plan: the primary key upwards, or a probe of listings_vin.
SELECT l.id, l.dealer_id, l.kind, l.status, l.stock_number, l.vin, l.serial, l.year, l.make, l.model,
    l."trim", l.body, l.category, l.fuel, l.drivetrain, l.transmission, l.engine, l.cylinders,
    l.displacement_cc, l.doors, l.exterior_color, l.exterior_base_color, l.interior_color, l.interior_base_color, l.condition, l.title_brand,
    l.currency, l.price_cents, l.msrp_cents, l.price_to_cents, l.odometer_km, l.hours, l.units, l.owners, l.accidents, l.market_cents, l.reported_title_brand, l.title, l.description, l.link,
    l.date_in_stock, l.parent_stock_number, l.image_urls, l.options, l.provenance, l.version
FROM listings l JOIN dealers d ON d.id = l.dealer_id
WHERE l.id > $5 AND l.status IN ('available', 'pending')
  AND ($1::text IS NULL OR l.kind = $1) AND ($2::text IS NULL OR d.key = $2)
  AND ($3::text IS NULL OR l.vin = $3) AND ($4::text IS NULL OR l.stock_number = $4)
ORDER BY l.id LIMIT $6
