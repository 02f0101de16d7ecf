-- Extend leases that are still held. KEYS 1 leases. ARGV 1 lease in ms, then tokens. Answers how many.
local T = redis.call('TIME')
local now = T[1] * 1000 + math.floor(T[2] / 1000)
local held = 0
for i = 2, #ARGV do
    if redis.call('ZSCORE', KEYS[1], ARGV[i]) then
        redis.call('ZADD', KEYS[1], 'XX', now + ARGV[1], ARGV[i])
        held = held + 1
    end
end
return held
