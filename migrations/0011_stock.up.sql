-- How a source's files become stock: what its blanks and gaps mean, how long a unit that is gone is waited for,
-- what becomes of attachments without their prime unit; sources that are folders or web addresses; reports to dealers.

ALTER TABLE sources
    ADD CONSTRAINT sources_policy CHECK (policy IN ('overwrite', 'merge', 'update_only')),
    -- a unit that is missing leaves the lot once more files than this lacked it ...
    ADD COLUMN grace_files int NOT NULL DEFAULT 0 CHECK (grace_files BETWEEN 0 AND 100),
    -- ... and the first of them is older than this
    ADD COLUMN grace_hours int NOT NULL DEFAULT 0 CHECK (grace_hours BETWEEN 0 AND 8760),
    -- keep, or with_prime: an attachment whose prime unit is not in the file is not for sale either
    ADD COLUMN attachments text NOT NULL DEFAULT 'keep' CHECK (attachments IN ('keep', 'with_prime')),
    -- where its reports go on the drop; blank for none
    ADD COLUMN report_folder text NOT NULL DEFAULT '',
    -- of an https source
    ADD COLUMN url text NOT NULL DEFAULT '';

-- Units that went on under another number or at another rooftop: their history went with them.
CREATE TABLE listing_moves (
    listing_id        bigint NOT NULL REFERENCES listings ON DELETE CASCADE,
    at                timestamptz NOT NULL DEFAULT now(),
    from_dealer_id    bigint NOT NULL,
    from_stock_number text NOT NULL,
    file_id           bigint,
    PRIMARY KEY (listing_id, at)
);

-- What a day's reports ask for.
CREATE INDEX price_history_at ON price_history USING brin (at) WITH (pages_per_range = 16, autosummarize = on);

-- A price belongs to a listing of the same transaction: checking that again costs a load a tenth of its time, and
-- locks every new row. The one statement that deletes listings deletes their prices.
ALTER TABLE price_history DROP CONSTRAINT price_history_listing_id_fkey;

-- The highest price of a parent's units; its price is the lowest.
ALTER TABLE listings ADD COLUMN price_to_cents bigint;

-- Whether a raw copy is still named.
CREATE INDEX source_files_object ON source_files (object_key) WHERE object_key <> '';
