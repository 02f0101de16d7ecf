-- Write listings as they stand now, with a change row each and the price where it moved. $1 an array
-- of objects keyed by column, $2 the file that said so, $3 those that are another unit from now on. They begin anew, and so does
-- a unit that comes back after a month off the lot; the stay that ended is kept.
WITH before AS (
    SELECT l.id, l.dealer_id, l.stock_number, l.vin, l.serial, l.status, l.created_at, l.left_at, l.date_in_stock, l.price_cents, l.currency,
        coalesce(l.title, concat_ws(' ', l.year, l.make, l.model, l."trim")) AS title,
        l.id = ANY($3::bigint[]) OR l.status NOT IN ('available', 'pending') AND r.status IN ('available', 'pending')
            AND l.left_at < now() - interval '30 days' AS anew
    FROM listings l JOIN jsonb_populate_recordset(NULL::listings, $1::jsonb) r ON r.id = l.id
),
ended AS (
    INSERT INTO listing_pasts (listing_id, dealer_id, stock_number, vin, serial, title, status, first_seen, left_at, days,
        first_price_cents, first_currency, price_cents, currency)
    SELECT b.id, b.dealer_id, b.stock_number, b.vin, b.serial, b.title,
        CASE WHEN b.status IN ('available', 'pending') THEN 'replaced' ELSE b.status END, b.created_at, coalesce(b.left_at, now()),
        greatest(coalesce(b.left_at, now())::date - coalesce(b.date_in_stock, b.created_at::date), 0),
        p.price_cents, CASE WHEN p.at IS NOT NULL THEN coalesce(p.currency, 'USD') END, b.price_cents, b.currency
    FROM before b
    LEFT JOIN LATERAL (SELECT q.at, q.price_cents, q.currency FROM price_history q
                       WHERE q.listing_id = b.id AND q.at >= b.created_at ORDER BY q.at LIMIT 1) p ON true
    WHERE b.anew
    ON CONFLICT DO NOTHING
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
        created_at = CASE WHEN b.anew THEN now() ELSE l.created_at END,
        left_at = CASE WHEN r.status IN ('available', 'pending') THEN NULL WHEN b.anew THEN now()
                       WHEN l.status IN ('available', 'pending') THEN now() ELSE coalesce(l.left_at, l.updated_at) END
    FROM jsonb_populate_recordset(NULL::listings, $1::jsonb) r JOIN before b ON b.id = r.id
    WHERE l.id = r.id
    RETURNING l.id, l.dealer_id, l.kind, l.version, l.price_cents, l.currency
),
logged AS (
    INSERT INTO changes (listing_id, dealer_id, kind, what, version)
    SELECT id, dealer_id, kind, 'updated', version FROM put
)
INSERT INTO price_history (listing_id, price_cents, currency, file_id)
SELECT put.id, put.price_cents, put.currency, $2::bigint FROM put JOIN before ON before.id = put.id
WHERE put.price_cents IS DISTINCT FROM before.price_cents OR before.anew AND put.price_cents IS NOT NULL
   OR put.price_cents IS NOT NULL AND coalesce(put.currency, 'USD') <> coalesce(before.currency, 'USD')
