-- What a unit's money is in (ISO 4217). NULL is US dollars, which nearly all of it is: nothing is rewritten.
ALTER TABLE listings ADD COLUMN currency text;
ALTER TABLE price_history ADD COLUMN currency text;
