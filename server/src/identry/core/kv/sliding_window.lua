-- An exact sliding window in one sorted set: one member per allowed hit, its score the time in microseconds.
--   KEYS[1] the window · ARGV[1] limit · ARGV[2] window in µs · ARGV[3] anything unique · ARGV[4] now in µs, or '' for
--   the server's own clock (so that workers whose clocks differ share one).
-- Returns {allowed 0|1, remaining, µs to wait}. Needs Redis 6 or any Valkey (scripts replicate their effects).
local limit, window = tonumber(ARGV[1]), tonumber(ARGV[2])
local now = tonumber(ARGV[4])
if not now then
  local time = redis.call('TIME')
  now = tonumber(time[1]) * 1000000 + tonumber(time[2])
end
-- Lua prints a double of this size as 1.7e+15, and loses digits: format it.
local function exact(number) return string.format('%.0f', number) end

-- A hit exactly `window` old still counts; one more than a window ahead was left by a clock since set back.
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', '(' .. exact(now - window))
redis.call('ZREMRANGEBYSCORE', KEYS[1], '(' .. exact(now + window), '+inf')
local count = redis.call('ZCARD', KEYS[1])
if count >= limit then
  if redis.call('ZSCORE', KEYS[1], ARGV[3]) then return {1, 0, 0} end -- this very hit: its answer was lost on the way
  local freed = redis.call('ZRANGE', KEYS[1], count - limit, count - limit, 'WITHSCORES')
  return {0, 0, math.min(window, tonumber(freed[2]) + window - now) + 1}
end
redis.call('ZADD', KEYS[1], exact(now), ARGV[3])
redis.call('PEXPIRE', KEYS[1], math.ceil(window / 1000) + 1000)
return {1, limit - count - 1, 0}
