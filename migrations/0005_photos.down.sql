DROP TABLE placeholders;
DROP TABLE photo_pairs;
DROP TABLE listing_photos;
DROP TABLE photo_urls;
DROP TABLE photos;
