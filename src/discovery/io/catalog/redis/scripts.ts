import { hash } from "node:crypto";

/** A script as it is sent, and the name by which a server that has it can be told to run it. */
export interface Script {
  readonly source: string;
  readonly sha1: string;
}

/**
 * One write of a shard, atomic: compares the position held with the expected one and writes log, records
 * and head. Returns 1 when it is stored, else what is held instead (an empty string for nothing).
 *
 * KEYS: head, records, log. ARGV: kind, expected position, new position, head, how much of it a log entry
 * repeats, what the entry has in place of the rest, length of the log, number of changed records, their
 * keys and bytes, keys of removed records.
 *
 * What may fail for lack of memory comes first: Redis undoes nothing of a script that fails half-way.
 */
export const writeScript: Script = script(`
local kind, expected, position = ARGV[1], ARGV[2], ARGV[3]
local held = redis.pcall('GET', KEYS[1])
if type(held) ~= 'string' then held = '' end
local line = string.match(held, '^(isthmus1 %d+ %d+ [^%s]+)\\n%d+%-%d+\\n') or ''
if line == '' then held = '' end
if kind == 'delta' and line == position then return 1 end
if line ~= expected then return held end
if kind == 'beat' then
  if line == '' then return 1 end
  local cursor = string.match(held, '^[^\\n]*\\n([^\\n]*)\\n')
  redis.call('SET', KEYS[1], position .. '\\n' .. cursor .. '\\n' .. ARGV[4])
  return 1
end
local first, pairs = 9, tonumber(ARGV[8])
local middle = first + 2 * pairs
local signed = string.sub(ARGV[4], 1, tonumber(ARGV[5])) .. ARGV[6]
local stream = redis.call('TYPE', KEYS[3]).ok
if stream ~= 'stream' and stream ~= 'none' then redis.call('DEL', KEYS[3]) end
local hash = redis.call('TYPE', KEYS[2]).ok
if kind == 'delta' and hash ~= 'hash' and hash ~= 'none' then
  return redis.error_reply('WRONGTYPE ' .. KEYS[2] .. ' is no hash')
end
local id
if kind == 'whole' then
  id = redis.call('XADD', KEYS[3], 'MAXLEN', '~', ARGV[7], '*', 't', kind, 'h', signed)
  redis.call('DEL', KEYS[2])
else
  local parts = {}
  for at = first, #ARGV do
    parts[#parts + 1] = struct.pack('>I4', #ARGV[at])
    parts[#parts + 1] = ARGV[at]
  end
  id = redis.call('XADD', KEYS[3], 'MAXLEN', '~', ARGV[7], '*',
    't', kind, 'h', signed, 'n', ARGV[8], 'c', table.concat(parts))
end
for at = first, middle - 1, 2000 do
  redis.call('HSET', KEYS[2], unpack(ARGV, at, math.min(at + 1999, middle - 1)))
end
for at = middle, #ARGV, 2000 do
  redis.call('HDEL', KEYS[2], unpack(ARGV, at, math.min(at + 1999, #ARGV)))
end
redis.call('SET', KEYS[1], position .. '\\n' .. id .. '\\n' .. ARGV[4])
return 1
`);

/**
 * Head and records of one moment. KEYS: head, records. ARGV: most bytes, most records. Null when there is
 * no head. Sizes are looked at here, where a refusal costs the reader one line.
 */
export const snapshotScript: Script = script(`
local head = redis.pcall('GET', KEYS[1])
if type(head) ~= 'string' then return false end
local size, most = #head, tonumber(ARGV[1])
if redis.call('TYPE', KEYS[2]).ok ~= 'hash' then return {head, {}} end
if redis.call('HLEN', KEYS[2]) > tonumber(ARGV[2]) then
  return redis.error_reply('TOOLARGE ' .. KEYS[2])
end
local records = redis.call('HGETALL', KEYS[2])
for at = 1, #records do size = size + #records[at] end
if size > most then return redis.error_reply('TOOLARGE ' .. KEYS[2]) end
return {head, records}
`);

/**
 * Heads of many members, each cut, in one reply. KEYS: heads. ARGV: most bytes of one, then for each the
 * signature of the one that the caller knows, or nothing. Each is 1 when that one stands there still, null
 * where there is none. One script: a command for each of them was most of what an idle agent did.
 */
export const headsScript: Script = script(`
local last, heads = tonumber(ARGV[1]) - 1, {}
for at = 1, #KEYS do
  local head, known = redis.pcall('GETRANGE', KEYS[at], 0, last), ARGV[at + 1]
  if type(head) ~= 'string' or head == '' then heads[at] = false
  elseif known ~= '' and string.find(head, known, 1, true) then heads[at] = 1
  else heads[at] = head end
end
return heads
`);

/**
 * Which charters are newer. KEYS: charters. ARGV: the number above which one is, how much of a charter's
 * string holds its number. Returns places among the keys, each followed by the start of the string.
 */
export const newerChartersScript: Script = script(`
local above, last, newer = tonumber(ARGV[1]), tonumber(ARGV[2]) - 1, {}
for at = 1, #KEYS do
  local start = redis.pcall('GETRANGE', KEYS[at], 0, last)
  local digits = type(start) == 'string' and string.match(start, '^(%d+)\\n')
  if digits and tonumber(digits) > above then
    newer[#newer + 1] = at
    newer[#newer + 1] = start
  end
end
return newer
`);

function script(source: string): Script {
  const text = source.trim();
  return { source: text, sha1: hash("sha1", text, "hex") };
}
