-- Take one token, unless the wait for it would be too long. KEYS 1 bucket. ARGV 1 tokens a second, 2 most it holds, 3 the
-- longest wait in seconds. Answers whether it was taken, and the seconds to wait, as text. Who is sent away does not
-- lengthen the line.
local T = redis.call('TIME')
local now = T[1] + T[2] / 1e6
local held = redis.call('HMGET', KEYS[1], 'tokens', 'at')
local rate, most = tonumber(ARGV[1]), tonumber(ARGV[2])
local tokens = held[1] and math.min(most, held[1] + rate * math.max(0, now - held[2])) or most
tokens = tokens - 1
local wait = string.format('%.6f', math.max(0, -tokens / rate))
if -tokens > ARGV[3] * rate then return { '0', wait } end
redis.call('HSET', KEYS[1], 'tokens', tokens, 'at', string.format('%.6f', now))
redis.call('EXPIRE', KEYS[1], 3700 + math.ceil(most / rate))
return { '1', wait }
