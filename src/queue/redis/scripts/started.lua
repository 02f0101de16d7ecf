-- Mark attempts as begun. KEYS 1 run, 2 begun. ARGV id and token of each. Answers the ids it took in.
local out = {}
for i = 1, #ARGV, 2 do
    if redis.call('HGET', KEYS[1], ARGV[i]) == ARGV[i + 1] and redis.call('HSET', KEYS[2], ARGV[i], ARGV[i + 1]) == 1 then
        out[#out + 1] = tonumber(ARGV[i])
    end
end
return out
