ALTER TABLE feeds DROP COLUMN due_at;
DROP TABLE parent_dirty;
DROP TABLE parent_members;
DELETE FROM listings WHERE kind = 'parent';
