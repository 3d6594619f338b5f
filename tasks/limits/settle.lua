-- A call has ended: free its place, correct its tokens, tell the breaker. A second time, or for a call that this Redis
-- does not know (wiped, or given up), it does nothing.
--
-- KEYS  gate, calls, tpm of the provider; calls, tpm of the model
-- ARGV  id, bin (its number), tokens to add (below 0: to give back), outcome ('succeeded', 'failed', ''),
--       failures that open the breaker, its cooldown, its longest cooldown (ms)

local gate, id, bin, more = KEYS[1], ARGV[1], ARGV[2], tonumber(ARGV[3])
local now = clock()

if redis.call('ZREM', KEYS[2], id) == 0 then
    return 0
end
redis.call('ZREM', KEYS[4], id)

-- A bin that is gone has left the window.
local function correct(key)
    if more ~= 0 and redis.call('HEXISTS', key, bin) == 1 then
        redis.call('HINCRBY', key, bin, more)
        redis.call('HINCRBY', key, 'used', more)
    end
end

local function open(cooldown)
    redis.call('HSET', gate, 'open_until', now + cooldown, 'cooldown', cooldown)
    redis.call('HDEL', gate, 'failures', 'probe', 'probe_until')
end

-- While the breaker is not closed only the probe counts as a failure: those that went out before it opened are stale.
local function failed(is_probe)
    if is_probe then
        local cooldown = tonumber(redis.call('HGET', gate, 'cooldown') or ARGV[6])
        open(math.min(2 * cooldown, tonumber(ARGV[7])))
    elseif redis.call('HEXISTS', gate, 'open_until') == 0 then
        if redis.call('HINCRBY', gate, 'failures', 1) >= tonumber(ARGV[5]) then
            open(tonumber(ARGV[6]))
        end
    end
    redis.call('PEXPIRE', gate, GATE_KEPT)
end

correct(KEYS[3])
correct(KEYS[5])
local is_probe = redis.call('HGET', gate, 'probe') == id
if ARGV[4] == 'succeeded' then
    redis.call('HDEL', gate, 'failures', 'open_until', 'cooldown', 'probe', 'probe_until')
elseif ARGV[4] == 'failed' then
    failed(is_probe)
elseif is_probe then
    redis.call('HDEL', gate, 'probe', 'probe_until')
end
return 1
