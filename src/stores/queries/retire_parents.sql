-- Retire a rooftop's parents but those kept. $1 dealer, $2 stock numbers kept. Plan: the unique index's range
-- of the dealer.
WITH gone AS (
    UPDATE listings SET status = 'removed', version = version + 1, updated_at = now(), left_at = now()
    WHERE dealer_id = $1 AND kind = 'parent' AND status IN ('available', 'pending') AND stock_number <> ALL($2)
    RETURNING id, dealer_id, kind, version
)
INSERT INTO changes (listing_id, dealer_id, kind, what, version)
SELECT id, dealer_id, kind, 'removed', version FROM gone
