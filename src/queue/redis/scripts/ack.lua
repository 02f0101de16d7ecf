-- Judge acknowledgements by their tokens. What ended waits in `ended` until the history has it; what goes on
-- returns to its lane. Sent again it judges the same.
-- KEYS 1 run, 2 left, 3 leases, 4 claims, 5 open, 6 ended, 7 ended_at, 8 begun, 9 tries, 10 body.
-- ARGV 1 prefix of the lanes' keys (they share the hash tag), then per acknowledgement: id, token, code
-- (0 done, 1 retry, 2 dead, 3 cancelled, 4 snooze, 5 hand back), delay in ms, how it ended.
-- tries = attempts, snoozes, rescues, quarantined, last token. Answers per acknowledgement: accepted, tries, body.
local T = redis.call('TIME')
local now = T[1] * 1000 + math.floor(T[2] / 1000)
local ids = {}
for i = 2, #ARGV, 5 do ids[#ids + 1] = ARGV[i] end
local run = redis.call('HMGET', KEYS[1], unpack(ids))
local tries = redis.call('HMGET', KEYS[9], unpack(ids))
local bodies = redis.call('HMGET', KEYS[10], unpack(ids))
local out, gone, ended, at, spent = {}, {}, {}, {}, {}
for x, id in ipairs(ids) do
    local i = x * 5 - 3
    local token, code = ARGV[i + 1], ARGV[i + 2]
    local ends = code == '0' or code == '2' or code == '3'
    local verdict = '0'
    if run[x] == token and bodies[x] then
        verdict = '1'
        gone[#gone + 1] = id
        spent[token] = (spent[token] or 0) + 1
        if ends then
            ended[#ended + 1] = id
            ended[#ended + 1] = token .. '|' .. ARGV[i + 4]
            at[#at + 1] = now
            at[#at + 1] = id
        else
            local a, s, r, q = string.match(tries[x] or '0,0,0,0,', '^(%d+),(%d+),(%d+),(%d),')
            if code == '1' then a = a + 1 elseif code == '4' then s = s + 1 end
            tries[x] = table.concat({ a, s, r, q, token }, ',')
            redis.call('HSET', KEYS[9], id, tries[x])
            local job = cjson.decode(bodies[x])
            local level = q == '1' and -1 - job.p or job.p
            redis.call('ZADD', ARGV[1] .. job.l .. ':' .. level, now + ARGV[i + 3], id)
        end
        run[x] = false
    elseif bodies[x] then
        local last = ends and redis.call('HGET', KEYS[6], id) or tries[x] or ''
        if ends and last and string.sub(last, 1, #token + 1) == token .. '|' then verdict = '1' end
        if not ends and string.sub(last, -#token - 1) == ',' .. token then verdict = '1' end
    end
    local n = #out
    out[n + 1], out[n + 2] = verdict, tries[x] or ''
    out[n + 3] = (verdict == '1') and bodies[x] or ''
end
if #gone > 0 then
    redis.call('HDEL', KEYS[1], unpack(gone))
    redis.call('HDEL', KEYS[8], unpack(gone))
end
if #ended > 0 then
    redis.call('HSET', KEYS[6], unpack(ended))
    redis.call('ZADD', KEYS[7], unpack(at))
end
for token, count in pairs(spent) do
    local claim = redis.call('HGET', KEYS[4], token)
    if claim then
        local queue, partner = string.match(claim, '^[^\n]*\n[^\n]*\n([^\n]*)\n([^\n]*)\n')
        redis.call('HINCRBY', KEYS[5], 'q:' .. queue, -count)
        if partner ~= '' then redis.call('HINCRBY', KEYS[5], 'p:' .. partner, -count) end
    end
    if redis.call('HINCRBY', KEYS[2], token, -count) <= 0 then
        redis.call('HDEL', KEYS[2], token)
        redis.call('ZREM', KEYS[3], token)
        redis.call('HDEL', KEYS[4], token)
    end
end
return out
