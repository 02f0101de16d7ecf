-- The history has these jobs: forget them. KEYS 1 ended, 2 ended_at, 3 body, 4 tries, 5 unique.
-- ARGV per job: id, unique key ('' for none).
local ids = {}
for i = 1, #ARGV, 2 do
    ids[#ids + 1] = ARGV[i]
    if ARGV[i + 1] ~= '' and redis.call('HGET', KEYS[5], ARGV[i + 1]) == ARGV[i] then
        redis.call('HDEL', KEYS[5], ARGV[i + 1])
    end
end
redis.call('HDEL', KEYS[1], unpack(ids))
redis.call('ZREM', KEYS[2], unpack(ids))
redis.call('HDEL', KEYS[3], unpack(ids))
redis.call('HDEL', KEYS[4], unpack(ids))
return #ids
