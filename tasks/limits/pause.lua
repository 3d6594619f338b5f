-- Leave a provider alone for a while; a longer pause stands.
--
-- KEYS  gate
-- ARGV  ms

local paused_until = clock() + math.min(tonumber(ARGV[1]), GATE_KEPT)
if paused_until > tonumber(redis.call('HGET', KEYS[1], 'paused_until') or 0) then
    redis.call('HSET', KEYS[1], 'paused_until', paused_until)
    redis.call('PEXPIRE', KEYS[1], GATE_KEPT)
end
