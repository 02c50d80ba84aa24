-- The pace that all processes keep together; each call is one step that nobody sees half done.
--
-- A bucket is paced by the generic cell rate algorithm in its virtual-scheduling form (ITU-T I.371,
-- annex A): `free` is when the next message would be exactly on time, and messages may be early by
-- the slack. All times are this server's own, in seconds, so clocks of other hosts do not matter.
-- A time further ahead than any that is written here comes from before this clock was set back,
-- and counts for nothing. Every key expires as soon as it means nothing any more.
-- BURST, AGAIN and NEAR are set in front of this text by pace.py, which says what they mean.

local DEBT = 60  -- s: how long issues wait at most for notices, which do not ask
local FAR = 3600 -- s: longer nobody is put off, so that a pace that was raised is felt
local HELD = 60  -- s: a holder that has said nothing for so long is dead
local WAITS = 15 -- s: one that got nothing, and has not asked again, has gone elsewhere

local time = redis.call('TIME')
local now = time[1] + time[2] / 1e6

local function ahead(kept, most)
  local at = tonumber(kept or now)
  return (at > now and at <= now + most) and at or now
end

local function open_bucket(key, per_second)
  local interval = 1 / per_second
  local kept = redis.call('HMGET', key, 'free', 'near', 'far')
  return {
    key = key,
    interval = interval,
    slack = math.max(0, BURST - interval) + 1e-5, -- rounded up
    size = math.max(1, math.floor(BURST / interval)),
    free = ahead(kept[1], DEBT + interval),
    near = ahead(kept[2], NEAR + interval), -- the next slot to be foretold, if it is soon,
    far = ahead(kept[3], FAR + interval),   -- or if it is not; neither grants anything
  }
end

local function keep(bucket)
  local function text(at) return string.format('%.6f', at) end
  redis.call('HSET', bucket.key,
    'free', text(bucket.free), 'near', text(bucket.near), 'far', text(bucket.far))
  local ends = math.max(bucket.free, bucket.near, bucket.far)
  redis.call('PEXPIRE', bucket.key, math.ceil((ends - now) * 1000) + 1000)
end

local function wait(bucket) return math.max(0, bucket.free - bucket.slack - now) end

local function use(bucket, count) bucket.free = bucket.free + count * bucket.interval end

-- When one that may not go now is to ask again: each at a time of its own.
local function foretell(bucket)
  local first = now + math.max(AGAIN, wait(bucket))
  local soon = math.max(first, bucket.near)
  if soon <= now + NEAR then
    bucket.near = soon + bucket.interval
    return soon - now
  end
  local slot = math.max(soon, bucket.far)
  if slot > now + FAR then slot = math.min(soon, now + FAR) end
  bucket.far = slot + bucket.interval
  return slot - now
end

-- Who lives, and what each has and wants.
local function holders(key)
  local found = {}
  local flat = redis.call('HGETALL', key)
  for i = 1, #flat, 2 do
    local has, wants, ends = string.match(flat[i + 1], '^(%d+) (%d+) (%d+%.%d+)$')
    if ahead(ends, HELD) > now then
      found[flat[i]] = { has = tonumber(has), wants = tonumber(wants) }
    else
      redis.call('HDEL', key, flat[i])
    end
  end
  return found
end

local function hold(key, holder, has, wants)
  if has == 0 and wants == 0 then
    redis.call('HDEL', key, holder)
    return
  end
  local ends = now + (has > 0 and HELD or WAITS)
  redis.call('HSET', key, holder, string.format('%d %d %.6f', has, wants, ends))
  redis.call('PEXPIRE', key, HELD * 1000)
end

-- What a holder itself says that it has counts, for it knows what we may not have heard.
local function open_wire(key, holder, at_once, mine)
  local others = holders(key)
  others[holder] = nil
  local room = at_once - mine
  for _, each in pairs(others) do room = room - each.has end
  return { key = key, mine = mine, room = room }
end

local function microseconds(seconds) return math.ceil(seconds * 1e6) end

local commands = {}

-- general: paces of KEYS[1...]; limits: of each domain its pace, the number at once (0: any) and
-- how many of them the holder has, with two keys each, bucket and wire; asked: the domain of each
-- message, 0 if it is free.
-- Returns how long everything is closed, then the delays of those before the first that met that.
function commands.admit(request)
  local general, buckets, wires = {}, {}, {}
  for i, per_second in ipairs(request.general) do
    general[i] = open_bucket(KEYS[i], per_second)
  end
  for i, limit in ipairs(request.limits) do
    local at = #general + 2 * i
    buckets[i] = open_bucket(KEYS[at - 1], limit[1])
    if limit[2] > 0 then wires[i] = open_wire(KEYS[at], request.holder, limit[2], limit[3]) end
  end

  local answer = { 0 }
  for i, domain in ipairs(request.asked) do
    for _, each in ipairs(general) do
      if wait(each) > 0 then -- ask again when half of what may go at a stroke may go
        local count = math.min(#request.asked - i + 1, math.ceil(each.size / 2))
        local open_in = wait(each) + (count - 1) * each.interval
        answer[1] = math.max(answer[1], microseconds(open_in))
      end
    end
    if answer[1] > 0 then break end
    local bucket, wire = buckets[domain], wires[domain]
    if bucket and (wait(bucket) > 0 or wire and wire.room <= 0) then
      answer[#answer + 1] = microseconds(foretell(bucket))
    else
      for _, each in ipairs(general) do use(each, 1) end
      if bucket then use(bucket, 1) end
      if wire then wire.mine, wire.room = wire.mine + 1, wire.room - 1 end
      answer[#answer + 1] = 0
    end
  end

  for _, each in ipairs(general) do keep(each) end
  for _, each in ipairs(buckets) do keep(each) end
  for _, each in pairs(wires) do hold(each.key, request.holder, each.mine, 0) end
  return answer
end

-- left: how many of each domain, KEYS[1...] their wires, the holder still has on the wire.
function commands.done(request)
  for i, left in ipairs(request.left) do hold(KEYS[i], request.holder, left, 0) end
  return {}
end

function commands.take(request)
  for i, per_second in ipairs(request.general) do
    local bucket = open_bucket(KEYS[i], per_second)
    use(bucket, request.count)
    bucket.free = math.min(bucket.free, now + math.max(DEBT, bucket.interval))
    keep(bucket)
  end
  return {}
end

-- Never more than `most` are granted in all. One that has more than its fair share keeps, when it
-- asks again, only what the others leave of it.
function commands.connections(request)
  local others = holders(KEYS[1])
  others[request.holder] = nil
  local number, held, claimed = 1, 0, 0
  for _ in pairs(others) do number = number + 1 end
  local fair = math.max(1, math.floor(request.most / number))
  for _, each in pairs(others) do
    held = held + each.has
    claimed = claimed + math.max(each.has, math.min(each.wants, fair))
  end
  local granted = math.min(
    request.wanted, request.most - held, math.max(fair, request.most - claimed))
  granted = math.max(0, granted)
  hold(KEYS[1], request.holder, granted, request.wanted)
  return { granted }
end

function commands.release(request)
  redis.call('HDEL', KEYS[1], request.holder)
  return {}
end

return commands[ARGV[1]](cjson.decode(ARGV[2]))
