-- Put jobs in their lanes. A job that is here already is left alone, so a push may be repeated.
-- KEYS 1 body, 2 tries, 3 unique, 4.. lanes. ARGV 1 wake channel, 2 queues to wake (by comma), then per job:
-- id, body, delay in ms, index of its lane, tries, unique key ('' for none).
-- Answers per job the id that has its key: its own, or another's.
local T = redis.call('TIME')
local now = T[1] * 1000 + math.floor(T[2] / 1000)
local out, lanes = {}, {}
for i = 3, #ARGV, 6 do
    local id, body, key = ARGV[i], ARGV[i + 1], ARGV[i + 5]
    local held = key ~= '' and redis.call('HGET', KEYS[3], key)
    if held and held ~= id then
        out[#out + 1] = tonumber(held)
    else
        if redis.call('HSETNX', KEYS[1], id, body) == 1 then
            if key ~= '' then redis.call('HSET', KEYS[3], key, id) end
            if ARGV[i + 4] ~= '' then redis.call('HSET', KEYS[2], id, ARGV[i + 4]) end
            local lane = KEYS[3 + ARGV[i + 3]]
            local due = lanes[lane] or {}
            lanes[lane] = due
            due[#due + 1] = now + ARGV[i + 2]
            due[#due + 1] = id
        end
        out[#out + 1] = tonumber(id)
    end
end
for lane, due in pairs(lanes) do
    for i = 1, #due, 1000 do redis.call('ZADD', lane, unpack(due, i, math.min(i + 999, #due))) end
end
for queue in string.gmatch(ARGV[2], '[^,]+') do redis.call('PUBLISH', ARGV[1], queue) end
return out
