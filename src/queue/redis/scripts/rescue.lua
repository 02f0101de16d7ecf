-- One claim whose lease ran out: its jobs go back, each to be claimed alone, or are buried.
-- KEYS 1 home, 2 leases, 3 claims, 4 run, 5 begun, 6 tries, 7 body, 8 left, 9 open, 10 ended, 11 ended_at.
-- ARGV 1 run id of this server, 2 prefix of the lanes' keys, 3 rescues allowed.
-- Answers nothing, or the worker, then per job: id, begun, buried, tries, body, how it ended.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return redis.error_reply('STRAY this redis has not been given the jobs') end
local T = redis.call('TIME')
local now = T[1] * 1000 + math.floor(T[2] / 1000)
local token = redis.call('ZRANGE', KEYS[2], '-inf', '(' .. now, 'BYSCORE', 'LIMIT', 0, 1)[1]
if not token then return {} end
redis.call('ZREM', KEYS[2], token)
redis.call('HDEL', KEYS[8], token)
local claim = redis.call('HGET', KEYS[3], token)
redis.call('HDEL', KEYS[3], token)
if not claim then return {} end
local worker, queue, partner, batch, list = string.match(claim, '^([^\n]*)\n[^\n]*\n([^\n]*)\n([^\n]*)\n(%d+)\n(.*)$')
local alone, out, lost = batch == '1', { worker }, 0
for id in string.gmatch(list, '%d+') do
    local body = redis.call('HGET', KEYS[7], id)
    if body and redis.call('HGET', KEYS[4], id) == token then
        lost = lost + 1
        local job = cjson.decode(body)
        local a, s, r = string.match(redis.call('HGET', KEYS[6], id) or '0,0,0,0,', '^(%d+),(%d+),(%d+)')
        local begun = redis.call('HGET', KEYS[5], id) == token
        if begun then a = a + 1 end
        if alone then r = r + 1 end
        -- No token: what the lost worker still says must not count.
        local tries = table.concat({ a, s, r, 1, '' }, ',')
        local buried = tonumber(r) > tonumber(ARGV[3]) or (begun and tonumber(a) >= job.m)
        redis.call('HDEL', KEYS[4], id)
        redis.call('HDEL', KEYS[5], id)
        redis.call('HSET', KEYS[6], id, tries)
        local how = ''
        if buried then
            local why = tonumber(r) > tonumber(ARGV[3]) and 'and it was alone each time' or 'and its attempts are used'
            how = cjson.encode({ code = 2, ran_us = 0, worker = worker, counted = true, error = cjson.encode({
                class = 'rescue', message = 'worker ' .. worker .. ' vanished while running it, ' .. why }) })
            redis.call('HSET', KEYS[10], id, '0|' .. how)
            redis.call('ZADD', KEYS[11], now, id)
        else
            redis.call('ZADD', ARGV[2] .. job.l .. ':' .. (-1 - job.p), now, id)
        end
        local n = #out
        out[n + 1], out[n + 2], out[n + 3] = id, begun and '1' or '0', buried and '1' or '0'
        out[n + 4], out[n + 5], out[n + 6] = tries, body, how
    end
end
if lost > 0 then
    redis.call('HINCRBY', KEYS[9], 'q:' .. queue, -lost)
    if partner ~= '' then redis.call('HINCRBY', KEYS[9], 'p:' .. partner, -lost) end
end
return out
