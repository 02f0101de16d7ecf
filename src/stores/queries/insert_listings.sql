-- Insert listings with their change row and first price. $1 an array of objects keyed by column, $2 file.
-- One parameter instead of forty arrays; PostgreSQL itself types the columns.
WITH put AS (
    INSERT INTO listings (dealer_id, kind, stock_number, vin, serial, year, make, model, "trim", body, category, fuel,
    drivetrain, transmission, engine, cylinders, displacement_cc, doors, exterior_color, exterior_base_color,
    interior_color, interior_base_color, condition, title_brand, price_cents, msrp_cents, odometer_km, hours, units, title,
    description, link, date_in_stock, parent_stock_number, provenance,
        status, image_urls, options, file_id)
    SELECT dealer_id, kind, stock_number, vin, serial, year, make, model, "trim", body, category, fuel,
    drivetrain, transmission, engine, cylinders, displacement_cc, doors, exterior_color, exterior_base_color,
    interior_color, interior_base_color, condition, title_brand, price_cents, msrp_cents, odometer_km, hours, units, title,
    description, link, date_in_stock, parent_stock_number, provenance,
        status, coalesce(image_urls, '{}'), coalesce(options, '{}'), $2::bigint
    FROM jsonb_populate_recordset(NULL::listings, $1::jsonb)
    RETURNING id, dealer_id, kind, version, price_cents
),
logged AS (
    INSERT INTO changes (listing_id, dealer_id, kind, what, version)
    SELECT id, dealer_id, kind, 'created', version FROM put
),
priced AS (
    INSERT INTO price_history (listing_id, price_cents, file_id)
    SELECT id, price_cents, $2::bigint FROM put WHERE price_cents IS NOT NULL
)
SELECT id AS "id!" FROM put
