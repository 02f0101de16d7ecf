-- Jobs whose end the history has, found again in an older copy of this store: forget them.
-- KEYS 1 run, 2 body, 3 tries, 4 ended, 5 ended_at, 6 begun, 7 claims, 8 left, 9 open. ARGV 1 prefix of the lanes'
-- keys, then ids.
for i = 2, #ARGV do
    local id = ARGV[i]
    local body = redis.call('HGET', KEYS[2], id)
    if body then
        local job = cjson.decode(body)
        redis.call('ZREM', ARGV[1] .. job.l .. ':' .. job.p, id)
        redis.call('ZREM', ARGV[1] .. job.l .. ':' .. (-1 - job.p), id)
    end
    -- One that runs there holds a place in its limits.
    local token = redis.call('HGET', KEYS[1], id)
    local claim = token and redis.call('HGET', KEYS[7], token)
    if claim then
        local queue, partner = string.match(claim, '^[^\n]*\n[^\n]*\n([^\n]*)\n([^\n]*)\n')
        redis.call('HINCRBY', KEYS[9], 'q:' .. queue, -1)
        if partner ~= '' then redis.call('HINCRBY', KEYS[9], 'p:' .. partner, -1) end
        redis.call('HINCRBY', KEYS[8], token, -1)
    end
    for _, key in ipairs({ KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[6] }) do redis.call('HDEL', key, id) end
    redis.call('ZREM', KEYS[5], id)
end
return #ARGV - 1
