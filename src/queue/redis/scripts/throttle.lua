-- Take one token. KEYS 1 bucket. ARGV 1 tokens a second, 2 most it holds. Answers the seconds to wait, as text.
local T = redis.call('TIME')
local now = T[1] + T[2] / 1e6
local held = redis.call('HMGET', KEYS[1], 'tokens', 'at')
local rate, most = tonumber(ARGV[1]), tonumber(ARGV[2])
local tokens = held[1] and math.min(most, held[1] + rate * math.max(0, now - held[2])) or most
tokens = math.max(-3600 * rate, tokens - 1)
redis.call('HSET', KEYS[1], 'tokens', tokens, 'at', string.format('%.6f', now))
redis.call('EXPIRE', KEYS[1], 3700 + math.ceil(most / rate))
return string.format('%.6f', math.max(0, -tokens / rate))
