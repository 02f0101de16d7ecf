-- What real files need: files of many rooftops, files handed in by an operator, and the plain colour
-- beside the maker's name for it.

-- `upload` sources are fed by `forecourt load`; without a dealer, each row names its own.
ALTER TABLE sources ALTER dealer_id DROP NOT NULL;
ALTER TABLE sources ADD COLUMN kind text NOT NULL DEFAULT 'sftp';
ALTER TABLE sources ADD COLUMN create_dealers boolean NOT NULL DEFAULT false;

ALTER TABLE listings ADD COLUMN exterior_base_color text;
ALTER TABLE listings ADD COLUMN interior_base_color text;
-- How many a parent stands for.
ALTER TABLE listings ADD COLUMN units bigint;
