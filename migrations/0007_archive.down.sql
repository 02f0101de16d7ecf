DROP INDEX listings_off_the_lot;
DROP TABLE archived_listings;
DROP TABLE archives;
