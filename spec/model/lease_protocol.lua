-- lease_protocol.lua - the transitions of the protocol by which workers share the shards of a
-- consumer (doc/leases.md). The decisions are those of the library (consumer/balance.lua).
--
-- A read of the file, with the decision that follows, is one transition, and a transaction is
-- another one. So other workers can act between a decision and its transaction.
--
-- Time: the lease of a worker can expire in any state (`stop`). A stopped process makes no
-- transition for a while; when it makes the next one, it has continued.

local balance = require "tidetable.consumer.balance"
local states = require "spec.model.lease_states"

local Model, NONE, GONE, REMOVED = states.Model, states.NONE, states.GONE, states.REMOVED
local copy_with, copy_list, violation = states.copy_with, states.copy_list, states.violation
local with_worker, with_file, with_row = states.with_worker, states.with_file, states.with_row
local memory_of, row_with = states.memory_of, states.row_with

-- Workers --------------------------------------------------------------------

local function is_alive(state, owner)
  return owner > 0 and state[owner].is_fresh
end

--- Returns a function like Worker:has_rival: true if another worker that is alive owns the row.
local function has_rival(state, i)
  return function(row) return row.owner ~= i and is_alive(state, row.owner) end
end

--- Ends a worker: its slot is released, and its identity is not used again.
local function end_worker(state, i)
  local rows = {}
  for j, row in ipairs(state.file.rows) do
    rows[j] = row.owner == i and copy_with(row, { owner = GONE }) or row
  end
  local after = with_worker(state, i, { at = "out", is_fresh = false })
  after.file = copy_with(state.file, { rows = rows })
  return after
end

local function idle(worker)
  return { at = "idle", is_fresh = worker.is_fresh }
end

--- Worker:lose. A range that the worker gives up is given up by a later transition.
local function lose(worker, gives_up)
  if gives_up then
    return { at = "leaving", is_fresh = worker.is_fresh, held = gives_up, next = "idle" }
  end
  return idle(worker)
end

--- A worker that owns these ranges and has no records.
local function own(active, held)
  return { at = "own", is_fresh = true, active = active, held = held }
end

local function decided(worker, action, what)
  return copy_with(worker, { at = "decided", action = action, what = what or REMOVED,
    is_fresh = true })
end

--- Worker:join, up to the decision.
function Model.look(_, state, i)
  local file, worker = state.file, state[i]
  if file.is_deleted then return end_worker(state, i) end
  worker = copy_with(worker, { is_fresh = true })
  if not file.is_paused then
    local seen = with_worker(state, i, worker)
    local row = balance.find_free(file.rows, has_rival(seen, i))
    if row then worker = decided(worker, "join", memory_of(row)) end
  end
  return with_worker(state, i, worker)
end

--- Returns a row that the worker owns but does not remember (ranges.give_up_unknown).
local function find_unknown(file, i, worker)
  for _, row in ipairs(file.rows) do
    if row.owner == i and row ~= row_with(file, worker.active)
        and not (worker.held and row == row_with(file, worker.held)) then
      return row
    end
  end
end

function Model:can_unite(active, held)
  return self.rules.unites_any_position or balance.unite(active, held) ~= nil
end

--- Worker:verify and ranges.balance, up to the decision.
function Model:verify(state, i)
  local file, worker = state.file, state[i]
  if file.is_deleted then return end_worker(state, i) end
  local row, mine = row_with(file, worker.active)
  if not row then
    return with_worker(state, i, lose(worker, worker.held))
  elseif file.is_paused then
    return with_worker(state, i, { at = "leaving", is_fresh = worker.is_fresh,
      active = worker.active, held = worker.held, next = "idle" })
  end
  worker = copy_with(worker, { is_fresh = true })
  local seen = with_worker(state, i, worker)
  local unknown = not self.rules.keeps_unknown and find_unknown(file, i, worker)
  if unknown then
    worker = decided(worker, "give_up", memory_of(unknown))
  elseif worker.held then
    if not worker.to and self:can_unite(worker.active, worker.held) then
      worker = decided(worker, "unite")
    end
  elseif file.shards > 1 and (not worker.to or row.attempts > 0) then
    local rival, owners, live = has_rival(seen, i), {}, 0
    for j, each in ipairs(file.rows) do
      owners[j] = (j == mine or rival(each)) and each.owner
    end
    for _, each in ipairs(seen) do live = live + (each.is_fresh and 1 or 0) end
    local action, what, keeps_right = balance.decide(file.rows, owners, mine, live,
      worker.to ~= nil)
    if action == "divide" then
      worker = decided(worker, "divide", { at = what, keeps_right = keeps_right })
    elseif action == "take" and not self.rules.nobody_takes then
      worker = decided(worker, "take", memory_of(what))
    end
  end
  return with_worker(state, i, worker)
end

local actions = {}

--- consume_join.
function Model:join_row(state, i, seen)
  local file = state.file
  local row, j = row_with(file, seen)
  local epoch = seen.epoch + 1
  if self.rules.join_ignores_epoch then row, j = balance.find(file.rows, seen.first) end
  if not row then return nil end
  row = copy_with(row, { owner = i, epoch = self.rules.join_keeps_epoch and row.epoch or epoch })
  return row, with_row(file, j, row)
end

function actions.join(self, state, i, worker)
  local row, file = self:join_row(state, i, worker.what)
  if not row then return with_worker(state, i, idle(worker)) end
  return self:store(with_worker(state, i, own(memory_of(row))), file, "join")
end

function actions.take(self, state, i, worker)
  local row, file = self:join_row(state, i, worker.what)
  if not row then
    return with_worker(state, i, copy_with(worker, { at = "own", action = REMOVED,
      what = REMOVED }))
  end
  local active, held = worker.active, memory_of(row)
  if balance.order(active, held) == held then active, held = held, active end
  local after = own(active, held)
  if self:can_unite(active, held) then after = decided(after, "unite") end
  return self:store(with_worker(state, i, after), file, "take")
end

--- consume_leave, of a range that the worker does not know.
function actions.give_up(self, state, i, worker)
  local row, j = row_with(state.file, worker.what)
  local after = with_worker(state, i, copy_with(worker, { at = "own", action = REMOVED,
    what = REMOVED }))
  if not row then return after end
  return self:store(after, with_row(state.file, j, copy_with(row, { owner = NONE })), "leave")
end

--- consume_split.
function actions.divide(self, state, i, worker)
  local file, what = state.file, worker.what
  local row, j = row_with(file, worker.active)
  if not row or what.at <= row.first or what.at > row.last then
    return with_worker(state, i, lose(worker))
  end
  local epoch = row.epoch + (self.rules.divide_keeps_epoch and 0 or 1)
  local left = copy_with(row, { last = what.at - 1, epoch = epoch })
  local right = copy_with(row, { first = what.at, epoch = epoch })
  local mine, other = left, right
  if what.keeps_right then mine, other = right, left end
  other.owner = NONE
  return self:store(with_worker(state, i, own(memory_of(mine))),
    with_row(file, j, left, right), "divide")
end

--- consume_merge.
function actions.unite(self, state, i, worker)
  local file = state.file
  local first, second = balance.unite(worker.active, worker.held)
  if not first then
    first, second = worker.active, worker.held
    if second.first < first.first then first, second = second, first end
  end
  local left, j = row_with(file, first)
  local right = row_with(file, second)
  if not left or not right or left.last + 1 ~= right.first or left.owner ~= right.owner
      or left.position ~= right.position and not self.rules.unites_any_position then
    return with_worker(state, i, lose(worker))
  end
  local epoch = math.max(left.epoch, right.epoch)
  if self.rules.unite_epoch_of_left then epoch = left.epoch end
  local row = copy_with(left, { last = right.last, epoch = epoch + 1,
    attempts = math.max(left.attempts, right.attempts) })
  file = with_row(file, j, row)
  table.remove(file.rows, j + 1)
  return self:store(with_worker(state, i, own(memory_of(row))), file, "unite")
end

--- consume_leave, of one range. If `fails` is true, the transaction failed (BUSY).
function Model:leave(state, i, fails)
  local worker = state[i]
  local memory = worker.active or worker.held
  local row, j = row_with(state.file, memory)
  local rest = worker.active and worker.held
  local after = rest and copy_with(worker, { active = REMOVED }) or idle(worker)
  local next_state
  if row and not fails and not state.file.is_deleted then
    next_state = self:store(with_worker(state, i, after),
      with_row(state.file, j, copy_with(row, { owner = NONE })), "leave")
  else
    next_state = with_worker(state, i, after)
  end
  if not rest and worker.next == "out" then return end_worker(next_state, i) end
  return next_state
end

-- Batches --------------------------------------------------------------------

--- Returns the records that a worker reads for its next batch: those of its range after its
--- position and, while it has two ranges, not after the position of the other one.
function Model:readable(state, worker)
  local found, active = {}, worker.active
  local limit = state.file.head
  if worker.held and not self.rules.reads_beyond_held then
    limit = math.min(limit, worker.held.position)
  end
  for record = active.position + 1, limit do
    local shard = self:shard_of((record - 1) % self.keys, state.file)
    if active.first <= shard and shard <= active.last then found[#found + 1] = record end
  end
  return found
end

--- Begins a batch of the records up to `to`; after a failed attempt, of the same records.
local function begin(state, i, to)
  return with_worker(state, i, copy_with(state[i], { at = "handler", to = to, is_fresh = true }))
end

--- Counts the records of a batch as handled, each in its order.
function Model:handle(file, worker, to)
  local done, active = copy_list(file.done), worker.active
  for record = active.position + 1, to do
    local key = (record - 1) % self.keys
    local shard = self:shard_of(key, file)
    if active.first <= shard and shard <= active.last then
      if done[key + 1] ~= (record - 1) // self.keys then
        violation("record %d of key %d is handled after %d records", record, key, done[key + 1])
      end
      done[key + 1] = done[key + 1] + 1
    end
  end
  return done
end

--- consume_advance: to the end of the batch or, without a batch, to the position of the held range.
function Model:advance(state, i)
  local worker, file = state[i], state.file
  local to = worker.to or worker.held.position
  local row, j = row_with(file, worker.active)
  if not row and self.rules.commit_ignores_epoch then
    row, j = balance.find(file.rows, worker.active.first)
  end
  if file.is_deleted then return end_worker(state, i) end
  if not row or row.position ~= worker.active.position then
    return with_worker(state, i, lose(copy_with(worker, { is_fresh = true }), worker.held))
  end
  if row.owner ~= i or row.epoch ~= worker.active.epoch then
    violation("worker %d commits for shard %d in the epoch of another owner", i, row.first)
  end
  local done = worker.to and self:handle(file, worker, to) or file.done
  local changed = copy_with(with_row(file, j, copy_with(row, { position = to,
    attempts = worker.to and 0 or row.attempts })), { done = done })
  local active = copy_with(worker.active, { position = to })
  return self:store(with_worker(state, i, own(active, worker.held)), changed, "commit")
end

--- consume_fail: the worker keeps the records.
function Model:fail(state, i)
  local worker = state[i]
  if state.file.is_deleted then return end_worker(state, i) end
  local row, j = row_with(state.file, worker.active)
  if not row then
    return with_worker(state, i, lose(copy_with(worker, { is_fresh = true }), worker.held))
  end
  return self:store(with_worker(state, i, copy_with(worker, { at = "own", is_fresh = true })),
    with_row(state.file, j, copy_with(row, { attempts = 1 })), "fail")
end

-- Commands -------------------------------------------------------------------

--- range_unite: makes all shards one range, without an owner if there were several.
local function unite_all(file)
  local rows = file.rows
  if #rows == 1 then return copy_with(rows[1], {}) end
  local epoch, position = 0, math.maxinteger
  for _, row in ipairs(rows) do
    epoch, position = math.max(epoch, row.epoch), math.min(position, row.position)
  end
  return { first = 0, last = rows[#rows].last, epoch = epoch + 1, owner = NONE,
    position = position, attempts = rows[1].attempts }
end

--- consume_move.
function Model:seek(state, to)
  local row, done = unite_all(state.file), {}
  row.attempts, row.position = 0, to
  row.epoch = row.epoch + (self.rules.seek_keeps_epoch and 0 or 1)
  for key = 0, self.keys - 1 do
    done[key + 1] = (to - key + self.keys - 1) // self.keys
  end
  return self:store(state, copy_with(state.file, { rows = { row }, done = done }), "seek")
end

--- consume_reshard. Returns nil if it is refused.
function Model:reshard(state, shards)
  local file, rows = state.file, {}
  if shards % file.shards == 0 then
    local factor, epoch = shards // file.shards, 0
    for _, row in ipairs(file.rows) do epoch = math.max(epoch, row.epoch) end
    for j, row in ipairs(file.rows) do
      rows[j] = { first = row.first * factor, last = (row.last + 1) * factor - 1, owner = NONE,
        epoch = self.rules.reshard_keeps_epoch and row.epoch or epoch + 1,
        position = row.position, attempts = row.attempts }
    end
  else
    for _, row in ipairs(file.rows) do
      if row.position ~= file.rows[1].position then return nil end
    end
    local row = unite_all(file)
    row.last, row.owner, row.epoch = shards - 1, NONE, row.epoch + 1
    rows[1] = row
  end
  return self:store(state, copy_with(file, { rows = rows, shards = shards }), "reshard")
end

local function delete(state)
  local rows = {}
  for j, row in ipairs(state.file.rows) do rows[j] = copy_with(row, { owner = NONE }) end
  return with_file(state, copy_with(state.file, { rows = rows, is_deleted = true }))
end

-- Transitions ----------------------------------------------------------------

--- Counts a transition whose number is limited.
local function spend(state, kind)
  local left = copy_with(state.file.left, { [kind] = state.file.left[kind] - 1 })
  local names, values = {}, {}
  for name in pairs(left) do names[#names + 1] = name end
  table.sort(names)
  for j, name in ipairs(names) do values[j] = left[name] end
  return with_file(state, copy_with(state.file, { left = left,
    left_code = table.concat(values, ",") }))
end

--- Calls emit(name, state) for each transition that a worker itself can make.
function Model:worker_transitions(state, i, emit)
  local worker = state[i]
  local at = worker.at
  if at == "idle" then
    emit("look", self:look(state, i))
  elseif at == "decided" then
    emit(worker.action, self:act(state, i))
  elseif at == "leaving" then
    emit("leave", self:leave(state, i))
    if state.file.left.busy > 0 then
      emit("leave: BUSY", self:leave(spend(state, "busy"), i, true))
    end
  elseif at == "handler" then
    emit("commit", self:advance(state, i))
    if state.file.left.fails > 0 then emit("fail", self:fail(spend(state, "fails"), i)) end
  elseif at == "own" then
    emit("verify", self:verify(state, i))
    local readable = not worker.to and self:readable(state, worker) or {}
    if worker.to then
      emit("begin", begin(state, i, worker.to))
    elseif #readable > 0 then
      emit("begin", begin(state, i, readable[1]))
      if #readable > 1 then emit("begin", begin(state, i, readable[#readable])) end
    elseif worker.held and worker.held.position > worker.active.position then
      emit("reach", self:advance(state, i))
    end
  end
end

--- The transaction that a worker has decided on.
function Model:act(state, i)
  if state.file.is_deleted then return end_worker(state, i) end
  return actions[state[i].action](self, state, i, state[i])
end

--- Calls emit for each event that ends, stops or starts a worker.
local function events(state, i, emit)
  local worker, left = state[i], state.file.left
  if worker.at == "out" then
    if left.starts > 0 then
      emit("start", with_worker(spend(state, "starts"), i, { at = "idle", is_fresh = false }))
    end
    return
  end
  if worker.is_fresh and left.stops > 0 then
    emit("stop", with_worker(spend(state, "stops"), i, copy_with(worker, { is_fresh = false })))
  end
  if left.kills > 0 then emit("kill", end_worker(spend(state, "kills"), i)) end
  if left.leaves > 0 and (worker.at == "own" or worker.at == "idle") then
    local after = spend(state, "leaves")
    emit("close", worker.at == "idle" and end_worker(after, i) or with_worker(after, i, {
      at = "leaving", is_fresh = worker.is_fresh, active = worker.active, held = worker.held,
      next = "out" }))
  end
end

--- Calls emit for each command, and each put.
function Model:commands(state, emit)
  local file = state.file
  if file.head < self.records then
    emit("put", with_file(state, copy_with(file, { head = file.head + 1 })))
  end
  if file.is_deleted then return end
  if file.is_paused then
    emit("resume", with_file(state, copy_with(file, { is_paused = false })))
    local after = file.left.reshards > 0 and self:reshard(spend(state, "reshards"),
      file.shards == self.keys and self.keys // 2 or self.keys)
    if after then emit("reshard", after) end
  elseif file.left.pauses > 0 then
    local after = spend(state, "pauses")
    emit("pause", with_file(after, copy_with(after.file, { is_paused = true })))
  end
  if file.left.seeks > 0 then
    emit("seek to 0", self:seek(spend(state, "seeks"), 0))
    emit("seek to " .. file.head, self:seek(spend(state, "seeks"), file.head))
  end
  if file.left.deletes > 0 then emit("delete", delete(spend(state, "deletes"))) end
end

--- Calls emit(name, state) for each transition, and checks the invariants of each new state.
function Model:transitions(state, emit)
  local prefix
  local function checked(name, after)
    self:check(after)
    emit(prefix .. name, after)
  end
  for i in ipairs(state) do
    prefix = "worker " .. i .. ": "
    self:worker_transitions(state, i, checked)
    events(state, i, checked)
  end
  prefix = ""
  self:commands(state, checked)
end

return { Model = Model, begin = begin, is_alive = is_alive, end_worker = end_worker }
