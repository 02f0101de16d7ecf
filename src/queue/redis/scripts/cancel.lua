-- Take a waiting job out of its lane. KEYS 1 run, 2 body, 3 tries, 4 ended, 5 ended_at.
-- ARGV 1 prefix of the lanes' keys, 2 id, 3 how it ended. Answers a word, then tries and body when it was taken.
local T = redis.call('TIME')
local now = T[1] * 1000 + math.floor(T[2] / 1000)
local id = ARGV[2]
local body = redis.call('HGET', KEYS[2], id)
if not body or redis.call('HEXISTS', KEYS[4], id) == 1 then return { 'none' } end
if redis.call('HGET', KEYS[1], id) then return { 'running' } end
local tries = redis.call('HGET', KEYS[3], id) or ''
local job = cjson.decode(body)
redis.call('ZREM', ARGV[1] .. job.l .. ':' .. job.p, id)
redis.call('ZREM', ARGV[1] .. job.l .. ':' .. (-1 - job.p), id)
redis.call('HSET', KEYS[4], id, '0|' .. ARGV[3])
redis.call('ZADD', KEYS[5], now, id)
return { 'taken', tries, body }
