-- Give waiting jobs another time or priority. KEYS 1 run, 2 body, 3 ended. ARGV 1 prefix of the lanes' keys, then per job:
-- id, delay in ms ('' keeps the time), priority ('' keeps it). Answers the ids that were waiting.
local T = redis.call('TIME')
local now = T[1] * 1000 + math.floor(T[2] / 1000)
local out = {}
for i = 2, #ARGV, 3 do
    local id, delay, level = ARGV[i], ARGV[i + 1], ARGV[i + 2]
    local text = redis.call('HGET', KEYS[2], id)
    if text and redis.call('HEXISTS', KEYS[3], id) == 0 and not redis.call('HGET', KEYS[1], id) then
        local job = cjson.decode(text)
        local calm, rescued = ARGV[1] .. job.l .. ':' .. job.p, ARGV[1] .. job.l .. ':' .. (-1 - job.p)
        local at, alone = redis.call('ZSCORE', calm, id), false
        if not at then at, alone = redis.call('ZSCORE', rescued, id), true end
        if at then
            redis.call('ZREM', alone and rescued or calm, id)
            local to = job.p
            if level ~= '' then
                to = tonumber(level)
                -- The one field, in place: decoding and encoding again would change the arguments' text.
                text = string.gsub(text, '"p":%-?%d+,"l":' .. job.l, '"p":' .. to .. ',"l":' .. job.l, 1)
                redis.call('HSET', KEYS[2], id, text)
            end
            if delay ~= '' then at = now + delay end
            redis.call('ZADD', ARGV[1] .. job.l .. ':' .. (alone and (-1 - to) or to), at, id)
            out[#out + 1] = tonumber(id)
        end
    end
end
return out
