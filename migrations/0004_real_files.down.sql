ALTER TABLE listings DROP COLUMN units;
ALTER TABLE listings DROP COLUMN interior_base_color;
ALTER TABLE listings DROP COLUMN exterior_base_color;
ALTER TABLE sources DROP COLUMN create_dealers;
ALTER TABLE sources DROP COLUMN kind;
DELETE FROM sources WHERE dealer_id IS NULL;
ALTER TABLE sources ALTER dealer_id SET NOT NULL;
