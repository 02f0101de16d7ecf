ALTER TABLE price_history DROP COLUMN currency;
ALTER TABLE listings DROP COLUMN currency;
