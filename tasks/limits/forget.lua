-- Give back the places of workers that are no more. Returns how many there were.
--
-- KEYS  gate, calls of the provider; calls of its models
-- ARGV  'these' or 'others', lease (ms), age (ms), workers
--       these: calls of the workers named; others: calls of all the others, if they have been out for `age`

local named = {}
for i = 4, #ARGV do
    named[ARGV[i]] = true
end
local gate, these = KEYS[1], ARGV[1] == 'these'
local youngest = clock() + tonumber(ARGV[2]) - tonumber(ARGV[3])

local function is_over(call, given_up_at)
    local holder = string.match(call, '^(.*)/')
    if these then
        return named[holder]
    end
    return not named[holder] and given_up_at <= youngest
end

local freed = 0
local calls = redis.call('ZRANGE', KEYS[2], 0, -1, 'WITHSCORES')
local probe = redis.call('HGET', gate, 'probe')
for i = 1, #calls, 2 do
    if is_over(calls[i], tonumber(calls[i + 1])) then
        freed = freed + 1
        for k = 2, #KEYS do
            redis.call('ZREM', KEYS[k], calls[i])
        end
        if calls[i] == probe then
            redis.call('HDEL', gate, 'probe', 'probe_until')
        end
    end
end
return freed
