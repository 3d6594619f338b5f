-- May one call go out now? Pause, breaker, concurrency, rpm and tpm of its provider and its model, all or nothing.
--
-- KEYS  gate, calls, rpm, tpm of the provider; calls, rpm, tpm of the model
-- ARGV  id, tokens, lease, window, bin; concurrency, rpm, tpm of the provider; the same of the model (0: no limit)
--       lease, window and bin are ms
-- Returns {1, moment} or {0, wait, reason}; ms, and a wait of 0 where nobody can tell how long it will be.
--
-- gate   a hash: paused_until; failures (in a row); open_until, cooldown, probe and probe_until of the breaker
-- calls  a sorted set of the calls under way, by the moment at which they are given up
-- rpm, tpm  hashes: number of a bin -> requests or tokens admitted in it; used, the sum of the bins from first on

local id, tokens, lease = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local window, width = tonumber(ARGV[4]), tonumber(ARGV[5])
local now = clock()
local reason, wait

-- A client whose line breaks asks again without knowing that it was admitted.
local taken = redis.call('ZSCORE', KEYS[2], id)
if taken then
    return {1, tonumber(taken) - lease}
end

local function refuse(why, ms)
    if not reason or ms > wait then
        reason, wait = why, ms
    end
end

local function check_gate(key)
    local gate = redis.call('HMGET', key, 'paused_until', 'open_until', 'probe_until')
    local paused_until, open_until, probe_until = tonumber(gate[1] or 0), tonumber(gate[2] or 0), tonumber(gate[3] or 0)
    if paused_until > now then
        refuse('paused', paused_until - now)
    end
    if open_until > now then
        refuse('breaker', open_until - now)
    elseif probe_until > now then
        refuse('breaker', 0)
    end
    return open_until > 0
end

local function check_calls(key, limit)
    redis.call('ZREMRANGEBYSCORE', key, '-inf', now)
    if limit > 0 and redis.call('ZCARD', key) >= limit then
        refuse('concurrency', 0)
    end
end

-- A bin counts as long as any moment of it is inside the window: never too little, too much by one bin at the most.
local current, oldest = math.floor(now / width), math.floor((now - window) / width)

-- What a window holds, and its first bin; bins that have left it are taken off the sum.
local function look(key)
    local head = redis.call('HMGET', key, 'used', 'first')
    local used, first = tonumber(head[1] or 0), tonumber(head[2] or oldest)
    if first >= oldest and first <= current then
        return used, first
    end
    -- All bins are out, or the clock was set back by more than a window.
    if oldest - first > current - oldest + 1 or first > current then
        redis.call('DEL', key)
        return 0, oldest
    end
    local gone = {}
    for bin = first, oldest - 1 do
        local amount = redis.call('HGET', key, bin)
        if amount then
            used = used - amount
            gone[#gone + 1] = bin
        end
    end
    -- First what fails when Redis is out of memory; then nothing has changed.
    redis.call('HSET', key, 'used', used, 'first', oldest)
    if #gone > 0 then
        redis.call('HDEL', key, unpack(gone))
    end
    return used, oldest
end

-- A call larger than the limit fits into an empty window; else it would wait for ever.
local function fits(used, amount, limit)
    return used <= 0 or used + amount <= limit
end

local function check_window(key, why, limit, amount)
    if limit == 0 then
        return
    end
    local used, bin = look(key)
    if fits(used, amount, limit) then
        return
    end
    while bin < current do
        used = used - (redis.call('HGET', key, bin) or 0)
        if fits(used, amount, limit) then
            break
        end
        bin = bin + 1
    end
    refuse(why, (bin + 1) * width + window - now)
end

local function count(key, limit, amount)
    if limit > 0 then
        redis.call('HINCRBY', key, current, amount)
        redis.call('HINCRBY', key, 'used', amount)
        redis.call('HSETNX', key, 'first', oldest)
        redis.call('PEXPIRE', key, window + 2 * width)
    end
end

local function hold(key)
    redis.call('ZADD', key, now + lease, id)
    redis.call('PEXPIRE', key, lease)
end

local limits = {}
for i = 1, 6 do
    limits[i] = tonumber(ARGV[5 + i])
end

local probing = check_gate(KEYS[1])
check_calls(KEYS[2], limits[1])
check_window(KEYS[3], 'rpm', limits[2], 1)
check_window(KEYS[4], 'tpm', limits[3], tokens)
check_calls(KEYS[5], limits[4])
check_window(KEYS[6], 'rpm', limits[5], 1)
check_window(KEYS[7], 'tpm', limits[6], tokens)
if reason then
    return {0, wait, reason}
end

if probing then
    redis.call('HSET', KEYS[1], 'probe', id, 'probe_until', now + math.min(lease, LONGEST_PROBE))
end
hold(KEYS[2])
count(KEYS[3], limits[2], 1)
count(KEYS[4], limits[3], tokens)
if limits[4] > 0 then
    hold(KEYS[5])
end
count(KEYS[6], limits[5], 1)
count(KEYS[7], limits[6], tokens)
return {1, now}
