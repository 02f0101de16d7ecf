-- Answers by their provider: a list of providers counts them, and a provider's batch asks whether it ever told anything.
CREATE INDEX history_reports_provider ON history_reports (provider, state);
DROP INDEX history_reports_drift;
-- Pages of histories that newer ones have replaced, and whatever a removed provider has left, until the objects are deleted.
CREATE TABLE left_objects (
    key     text PRIMARY KEY,
    since   timestamptz NOT NULL DEFAULT now()
);
