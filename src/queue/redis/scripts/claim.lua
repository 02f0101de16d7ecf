-- Claim due jobs. Writes nothing to a job: who holds it stands in `run`, the lease in the token's record.
-- KEYS 1 home, 2 body, 3 tries, 4 run, 5 leases, 6 claims, 7 left, 8 open, 9.. lanes.
-- ARGV 1 run id of this server, 2 worker, 3 lease in ms, 4 max, 5 queue, 6 fair share, 7 count of limits, then
-- scope and most of each limit, then per place to look: index of the lane's key, lane, token, most, ms a job
-- must have been due, partner, 1 when it is the quarantine.
-- Answers the time, then per job: id, token, lane, alone, tries, body.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return redis.error_reply('STRAY this redis has not been given the jobs') end
local T = redis.call('TIME')
local now = T[1] * 1000 + math.floor(T[2] / 1000)
local max, queue, share = tonumber(ARGV[4]), ARGV[5], tonumber(ARGV[6])
local room, first = {}, 8
for _ = 1, tonumber(ARGV[7]) do
    room[ARGV[first]] = ARGV[first + 1] - (redis.call('HGET', KEYS[8], ARGV[first]) or 0)
    first = first + 2
end
local out, held, total = { tostring(now) }, {}, 0
local function look(i, most)
    local partner = ARGV[i + 5]
    local q, p = 'q:' .. queue, 'p:' .. partner
    most = math.min(most, max - total, room[q] or max, room[p] or max)
    if most <= 0 then return 0 end
    local lane = KEYS[8 + ARGV[i]]
    local ids = redis.call('ZRANGE', lane, '-inf', now - ARGV[i + 4], 'BYSCORE', 'LIMIT', 0, most)
    if #ids == 0 then return 0 end
    redis.call('ZREMRANGEBYRANK', lane, 0, #ids - 1)
    local bodies = redis.call('HMGET', KEYS[2], unpack(ids))
    local tries = redis.call('HMGET', KEYS[3], unpack(ids))
    local token = ARGV[i + 2]
    local mine = held[token] or { lane = ARGV[i + 1], partner = partner, ids = {} }
    held[token] = mine
    local taken = 0
    for x, id in ipairs(ids) do
        if bodies[x] then
            taken = taken + 1
            mine.ids[#mine.ids + 1] = id
            local n = #out
            out[n + 1], out[n + 2], out[n + 3], out[n + 4] = id, token, ARGV[i + 1], ARGV[i + 6]
            out[n + 5], out[n + 6] = tries[x] or '', bodies[x]
        end
    end
    total = total + taken
    if room[q] then room[q] = room[q] - taken end
    if room[p] then room[p] = room[p] - taken end
    return taken
end
local more = false
for i = first, #ARGV, 7 do
    if ARGV[i + 6] == '1' then
        if look(i, 1) > 0 then break end
    else
        local most = math.min(tonumber(ARGV[i + 3]), share)
        if look(i, most) == most then more = true end
    end
end
if more and total < max then
    for i = first, #ARGV, 7 do
        if ARGV[i + 6] == '0' and ARGV[i + 4] == '0' then look(i, max) end
    end
end
for token, mine in pairs(held) do
    local count = #mine.ids
    if count > 0 then
        local run = {}
        for _, id in ipairs(mine.ids) do run[#run + 1] = id; run[#run + 1] = token end
        redis.call('HSET', KEYS[4], unpack(run))
        redis.call('ZADD', KEYS[5], now + ARGV[3], token)
        redis.call('HSET', KEYS[6], token, table.concat({ ARGV[2], mine.lane, queue, mine.partner, total,
            table.concat(mine.ids, ',') }, '\n'))
        redis.call('HSET', KEYS[7], token, count)
        redis.call('HINCRBY', KEYS[8], 'q:' .. queue, count)
        if mine.partner ~= '' then redis.call('HINCRBY', KEYS[8], 'p:' .. mine.partner, count) end
    end
end
return out
