-- Write listings as they stand now, with a change row each and the price where it moved. $1 an array
-- of objects keyed by column, $2 the file that said so.
WITH before AS (
    SELECT l.id, l.price_cents, l.currency FROM listings l
    JOIN jsonb_populate_recordset(NULL::listings, $1::jsonb) r ON r.id = l.id
),
put AS (
    UPDATE listings l SET dealer_id = r.dealer_id, stock_number = r.stock_number, kind = r.kind, vin = r.vin, serial = r.serial, year = r.year, make = r.make, model = r.model, "trim"
        = r."trim", body = r.body, category = r.category, fuel = r.fuel, drivetrain = r.drivetrain,
        transmission = r.transmission, engine = r.engine, cylinders = r.cylinders, displacement_cc =
        r.displacement_cc, doors = r.doors, exterior_color = r.exterior_color, exterior_base_color = r.exterior_base_color, interior_color =
        r.interior_color, interior_base_color = r.interior_base_color, condition = r.condition, title_brand = r.title_brand, currency = r.currency, price_cents =
        r.price_cents, msrp_cents = r.msrp_cents, price_to_cents = r.price_to_cents, odometer_km = r.odometer_km, hours = r.hours, units = r.units,
        owners = r.owners, accidents = r.accidents, market_cents = r.market_cents, reported_title_brand = r.reported_title_brand,
        title = r.title, description = r.description, link = r.link, date_in_stock =
        r.date_in_stock, parent_stock_number = r.parent_stock_number, provenance = r.provenance,
        status = r.status, image_urls = coalesce(r.image_urls, '{}'), options = coalesce(r.options, '{}'),
        version = l.version + 1, updated_at = now(),
        -- A number that comes back as another unit begins anew.
        created_at = CASE WHEN l.status NOT IN ('available', 'pending') AND r.status IN ('available', 'pending')
                               AND (l.vin IS NOT NULL AND l.vin IS DISTINCT FROM r.vin
                                    OR l.serial IS NOT NULL AND l.serial IS DISTINCT FROM r.serial
                                    OR l.vin IS NULL AND r.vin IS NULL AND l.serial IS NULL AND r.serial IS NULL
                                       AND coalesce((l.make <> r.make)::int, 0) + coalesce((l.model <> r.model)::int, 0)
                                         + coalesce((l.year <> r.year)::int, 0) > 1) THEN now() ELSE l.created_at END,
        left_at = CASE WHEN r.status IN ('available', 'pending') THEN NULL
                       WHEN l.status IN ('available', 'pending') THEN now() ELSE coalesce(l.left_at, l.updated_at) END
    FROM jsonb_populate_recordset(NULL::listings, $1::jsonb) r
    WHERE l.id = r.id
    RETURNING l.id, l.dealer_id, l.kind, l.version, l.price_cents, l.currency
),
logged AS (
    INSERT INTO changes (listing_id, dealer_id, kind, what, version)
    SELECT id, dealer_id, kind, 'updated', version FROM put
)
INSERT INTO price_history (listing_id, price_cents, currency, file_id)
SELECT put.id, put.price_cents, put.currency, $2::bigint FROM put JOIN before ON before.id = put.id
WHERE put.price_cents IS DISTINCT FROM before.price_cents
   OR put.price_cents IS NOT NULL AND coalesce(put.currency, 'USD') <> coalesce(before.currency, 'USD')
