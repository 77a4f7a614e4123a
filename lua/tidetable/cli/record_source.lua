-- record_source.lua - splits JSON text of any size into records, in bounded memory.
--
--   {"id":1}                      a record is an object on a line,
--   {"id":2} {"id":3}             one of several on a line, or on several lines,
--   [{"id":4},{"id":5}]           an element of an array,
--   {"Items":[{"id":{"N":"6"}}],"Count":1}   or an item in an answer of Scan or Query,
--                                 which only the typed form has
--
-- The end of a record is found by counting brackets outside of strings; then the text of
-- the record is decoded. A line that is a whole object, as in JSON lines, is decoded without
-- this search. A record without an end is cut before the line at which the next record begins,
-- so that a damaged line is one invalid record.

local display = require "tidetable.cli.display"
local line_reader = require "tidetable.cli.line_reader"

local byte, find, match, sub = string.byte, string.find, string.match, string.sub

local record_source = {}

---@class tidetable.cli.Record
---@field number integer   of the record in the input, from 1
---@field line integer     line, column and byte at which it begins, from 1; the column in bytes
---@field column integer
---@field byte integer
---@field text string|nil  nil: too long
---@field bytes string|nil item bytes, if the text was encoded without a tree; tree is nil then
---@field tree any         decoded text; nil if it is invalid or was not decoded
---@field bare boolean|nil   item of an answer, without {"Item":...} around it
---@field fault tidetable.cli.Fault|nil  why the record is invalid
---@field is_end boolean|nil    the rest of the input cannot be divided into records
---@field answer table|nil      end of an answer: its members, except the items
---@field count integer|nil     number of items that the answer had

---@class tidetable.cli.Fault
---@field reason string
---@field line integer
---@field column integer|nil  in characters of the line where the record began
---@field byte integer

---@class tidetable.cli.RecordSource
---@field input tidetable.cli.LineReader
---@field number integer    number of the last record
---@field private inside table[]  the values that contain the position, the outermost first
local Source = {}
Source.__index = Source

--- Names of members of an answer. Each can be the first member, because jq -S sorts them.
local ANSWER_NAMES = {
  Items = true, Count = true, ScannedCount = true, ConsumedCapacity = true, NextToken = true,
  LastEvaluatedKey = true, ResponseMetadata = true, ["$metadata"] = true,
}

local OBJECT, OBJECT_END, ARRAY, ARRAY_END, COMMA, QUOTE, NEWLINE, BACKSLASH =
  byte("{}[],\"\n\\", 1, -1)

--- Creates a source. `decode` parses a text and returns value, err, code, as json_text.decode does.
--- `encode` returns the item bytes of a text; nil if the text is invalid, so that `decode`
--- describes the defect.
---@param input tidetable.cli.LineReader
---@param decode fun(text: string): any, table|nil, string|nil
---@param has_answers boolean  answers are recognized
---@param encode (fun(text: string, bare: boolean): string|nil)|nil  nil: everything is decoded
---@return tidetable.cli.RecordSource
function record_source.new(input, decode, has_answers, encode)
  return setmetatable({
    input = input, decode = decode, has_answers = has_answers,
    encode = encode or false, is_bare = false,
    number = 0,
    piece = "", at = 1, base = 0, line = 1, line_start = 0, newline = 1,
    inside = { { kind = "text" } },
  }, Source)
end

-- Position -------------------------------------------------------------------
--
-- piece[at] is the next byte, and byte base + at of the input. `newline` is the position of the
-- first line end at or after `at`, #piece + 1 if there is none. Column 1 is byte line_start + 1.

--- Appends the next piece of the input to the rest of this one. Returns false at the end.
function Source:fill()
  local more = self.input:read()
  if not more then
    return false
  end
  self.base = self.base + self.at - 1
  self.piece, self.at = sub(self.piece, self.at) .. more, 1
  self.newline = find(self.piece, "\n", 1, true) or #self.piece + 1
  return true
end

--- Moves to a position of the piece and counts lines.
function Source:advance(to)
  while self.newline < to do
    self.line, self.line_start = self.line + 1, self.base + self.newline
    self.newline = find(self.piece, "\n", self.newline + 1, true) or #self.piece + 1
  end
  self.at = to
end

--- Moves to the next byte that is not blank and returns it; nil at the end.
function Source:skip_blank()
  repeat
    local at = find(self.piece, "[^ \t\r\n]", self.at)
    self:advance(at or #self.piece + 1)
    if at then
      return byte(self.piece, at)
    end
  until not self:fill()
end

--- Number of bytes before the position.
---@return integer
function Source:offset()
  return self.base + self.at - 1
end

-- Text of a value ------------------------------------------------------------

--- Text of a value that may extend over several pieces.
local Text = {}
Text.__index = Text

local function new_text()
  return setmetatable({ size = 0 }, Text)
end

function Text:add(part)
  self.size = self.size + #part
  if self.size > line_reader.MAX then
    for i = #self, 1, -1 do
      self[i] = nil
    end
  else
    self[#self + 1] = part
  end
end

--- Returns the text; nil if it is too long.
function Text:get()
  return self.size <= line_reader.MAX and table.concat(self) or nil
end

--- Returns the text without blanks at its end.
function Text:get_cut()
  local text = self:get()
  local last = text and #text or 0
  while last > 0 and byte(text, last) <= 32 do
    last = last - 1
  end
  return text and sub(text, 1, last)
end

--- Adds the bytes before a position to the text and moves there.
function Source:take_to(text, to)
  text:add(sub(self.piece, self.at, to - 1))
  self:advance(to)
end

--- Adds the rest of the piece and reads the next one. Returns the position that corresponds to
--- `at`; nil at the end.
function Source:take_piece(text, at)
  local past = at - #self.piece
  self:take_to(text, #self.piece + 1)
  return self:fill() and math.max(past, 1) or nil
end

--- Adds everything up to one of the bytes of a pattern.
function Source:take_until(text, pattern)
  local at = find(self.piece, pattern, self.at)
  while not at and self:take_piece(text, #self.piece) do
    at = find(self.piece, pattern)
  end
  if at then
    self:take_to(text, at)
  end
end

--- Returns true if a record continues in a line that begins with byte b, after a line whose last
--- byte is `last`. If in_lines is false, a line begins another record only if JSON does not allow b
--- after `last`.
local function continues(b, last, in_lines)
  local letter = string.char(b)
  if find(letter, '[ \t\r\n%]},:"]') then
    return true
  elseif in_lines then
    return false
  elseif b == OBJECT or b == ARRAY then
    return find(last, "[%[,:]") ~= nil
  end
  return find(letter, "[%-%dtfn]") ~= nil
end

--- Handles a line end at `at` in a record. Returns true if the record continues after it, and the
--- position to search from.
function Source:next_line(text, at)
  local last = match(sub(self.piece, math.max(self.at, at - 100), at - 1), "(%S)%s*$") or ""
  at = at + 1
  if at > #self.piece then
    self:take_to(text, at)
    if not self:fill() then
      return false, at
    end
    at = 1
  end
  return continues(byte(self.piece, at), last, self.in_lines), at
end

local IN_STRING, OUTSIDE = '["\\\n]', '[%[%]{}"\n]'

--- Reads an object, an array or a string from `at`. Returns its text, and false if the text was cut
--- before its end.
function Source:scan()
  local text, at, depth, pattern = new_text(), self.at, 0, OUTSIDE
  while at do
    local found = find(self.piece, pattern, at)
    local b = found and byte(self.piece, found)
    if not found then
      at = self:take_piece(text, math.max(at, #self.piece + 1))
    elseif b == NEWLINE then
      local is_continued
      if pattern == IN_STRING then
        self:take_to(text, found)
        return text:get_cut(), false
      end
      is_continued, at = self:next_line(text, found)
      if not is_continued then
        self:take_to(text, math.min(at, #self.piece + 1))
        return text:get_cut(), false
      end
    elseif b == BACKSLASH then
      at = found + 2
    else
      if b == QUOTE then
        pattern = pattern == OUTSIDE and IN_STRING or OUTSIDE
      else
        depth = depth + ((b == OBJECT or b == ARRAY) and 1 or -1)
      end
      at = found + 1
      if depth <= 0 and pattern == OUTSIDE then
        self:take_to(text, at)
        return text:get(), true
      end
    end
  end
  return text:get_cut(), false
end

-- Records --------------------------------------------------------------------

function Source:new_record()
  self.number = self.number + 1
  return {
    number = self.number, line = self.line, column = self.base + self.at - self.line_start,
    byte = self.base + self.at,
  }
end

--- Returns the byte of a text, from 0, at a line and a column in characters, both from 1.
local function byte_at(text, line, column)
  local first = 1
  for _ = 2, line do
    first = (find(text, "\n", first, true) or #text) + 1
  end
  local ok, at = pcall(utf8.offset, text, column, first)
  return (ok and at or first) - 1
end

--- Returns the fault for an error of `decode`.
local function fault_of(record, err)
  return {
    reason = err.reason, line = record.line + err.line - 1,
    column = err.line == 1 and record.column + err.column - 1 or err.column,
    byte = record.byte + byte_at(record.text, err.line, err.column),
  }
end

--- Decodes the text of a record.
function Source:decode_record(record, text)
  record.text = text
  if not text then
    record.fault = { reason = "record of more than 64 MiB", line = record.line, byte = record.byte }
    return record
  end
  local tree, err, code = self.decode(text)
  if code then
    record.fault = fault_of(record, err)
  end
  record.tree = tree
  return record
end

--- Returns a record that ends the input, because it cannot be divided any further.
function Source:end_input(reason, ...)
  local place = { line = self.line, column = self.base + self.at - self.line_start,
    byte = self.base + self.at }
  return { number = self.number + 1, is_end = true, line = place.line, byte = place.byte,
    fault = { reason = reason:format(...), line = place.line, column = place.column,
      byte = place.byte } }
end

function Source:next_character_text()
  local letter = match(self.piece, "^" .. utf8.charpattern, self.at)
  return letter and letter ~= "" and "'" .. display.safe(letter) .. "'" or "the end"
end

--- Reads an object that extends to the end of its line; in an array a comma may follow. Returns nil
--- for any other line, which scan then reads.
function Source:whole_line(is_element)
  if self.newline > #self.piece or self.scanned_line == self.line then
    return nil
  end
  local last = self.newline - 1
  local b = byte(self.piece, last)
  while b == 13 or b == 32 or b == 9 or b == COMMA and is_element do
    is_element = is_element and b ~= COMMA
    last = last - 1
    b = byte(self.piece, last)
  end
  if b ~= OBJECT_END or last <= self.at or last - self.at >= line_reader.MAX then
    return nil
  end
  local text = sub(self.piece, self.at, last)
  local bytes, tree = self.encode and self.encode(text, self.is_bare), nil
  if not bytes then
    local _, code
    tree, _, code = self.decode(text)
    if code then
      self.scanned_line = self.line
      return nil
    end
  end
  local record = self:new_record()
  record.text, record.bytes, record.tree = text, bytes, tree
  self.in_lines = true
  self:advance(last + 1)
  return record
end

--- Reads the next piece if the line end after the position is not in this piece, but may be near.
function Source:fill_line()
  if self.newline > #self.piece and #self.piece - self.at < line_reader.PIECE then
    self:fill()
  end
end

--- Decodes the text of a record, unless it is skipped.
function Source:complete(record, text, skips)
  if skips then
    record.text = text
    return record
  end
  record.bytes = text and self.encode and self.encode(text, self.is_bare)
  if record.bytes then
    record.text = text
    return record
  end
  return self:decode_record(record, text)
end

--- Returns the text of a record. If text that is not a record follows on the same line, the rest of
--- the line is included.
function Source:with_rest_of_line(text)
  local after
  repeat
    after = match(self.piece, "^[ \t\r]*([^ \t\r])", self.at)
  until after or not self:fill()
  if not after or find(after, "[%[{\n]") then
    return text
  end
  local whole = new_text()
  whole:add(text or "")
  self:take_until(whole, "\n")
  return whole:get()
end

--- Reads the object or the array at the position as a record. Returns also false if it was cut.
function Source:read_record(skips, is_element)
  self:fill_line()
  local record = not skips and self:whole_line(is_element)
  if record then
    return record, true
  end
  record = self:new_record()
  local text, is_whole = self:scan()
  if is_whole and not is_element then
    text = self:with_rest_of_line(text)
  end
  if is_whole then
    self.in_lines = self.line == record.line
  end
  return self:complete(record, text, skips), is_whole
end

--- Reads a value that is not an object as a record, which is invalid.
function Source:read_other(skips, pattern)
  local record, text = self:new_record(), new_text()
  if byte(self.piece, self.at) == QUOTE then
    text:add((self:scan()) or "")
  end
  self:take_until(text, pattern)
  return self:complete(record, text:get(), skips)
end

--- Returns true if the object at the position is an answer, according to its first name.
function Source:is_answer()
  while self.has_answers do
    local name = match(self.piece, '^{%s*"([%a$]+)"%s*:', self.at)
    if name then
      return ANSWER_NAMES[name] ~= nil
    end
    local may_continue = find(self.piece, "^{%s*$", self.at)
      or find(self.piece, '^{%s*"[%a$]*$', self.at)
      or find(self.piece, '^{%s*"[%a$]+"%s*$', self.at)
    if not may_continue or not self:fill() then
      return false
    end
  end
  return false
end

function Source:enter(kind, outer)
  self.inside[#self.inside + 1] = { kind = kind, line = self.line, outer = outer, state = "first",
    members = {}, count = 0 }
  self:advance(self.at + 1)
end

function Source:leave()
  self.inside[#self.inside] = nil
  self:advance(self.at + 1)
end

-- Arrays and answers ---------------------------------------------------------

--- steps[kind] reads the next part of a container of this kind, whose first byte is b. Returns a
--- record; false if the part is not a record; nil at the end.
local steps = {}

function steps.text(self, _, b, skips)
  if b == nil then
    return nil
  elseif b == ARRAY then
    self:enter "array"
  elseif b ~= OBJECT then
    return self:read_other(skips, "\n")
  elseif self:is_answer() then
    self:enter "answer"
  else
    self.is_bare = false
    return (self:read_record(skips, false))
  end
  return false
end

--- Handles a comma between members and the end of an array or an object. Returns nil if a member
--- begins at the position, otherwise the result of the step.
function Source:read_separator(container, b, closing)
  if b == nil then
    return self:end_input("missing end of the %s that begins on line %d: the input is incomplete",
      container.kind, container.line)
  elseif b == closing and container.state ~= "comma" then
    return false
  elseif b == COMMA and (container.state == "after" or container.state == "cut") then
    container.state = "comma"
    self:advance(self.at + 1)
    return false
  elseif container.state == "after" then
    return self:end_input("expected ',' or '%s', got %s", string.char(closing),
      self:next_character_text())
  elseif b == closing or b == COMMA then
    return self:end_input("expected a value, got %s", self:next_character_text())
  end
end

--- Reads an element. After an element that was cut, the next may follow without a comma.
function Source:read_element(array, b, skips)
  local record, is_whole
  self.is_bare = array.outer ~= nil
  if b == OBJECT or b == ARRAY then
    record, is_whole = self:read_record(skips, true)
  else
    record, is_whole = self:read_other(skips, "[,%]\n]"), true
  end
  array.state = is_whole and "after" or "cut"
  if array.outer then
    array.outer.count = array.outer.count + 1
    record.bare = true
  end
  return record
end

function steps.array(self, array, b, skips)
  local done = self:read_separator(array, b, ARRAY_END)
  if done == false and b == ARRAY_END then
    self:leave()
  elseif done == nil and b == OBJECT and not array.outer and self:is_answer() then
    array.state = "after"
    self:enter "answer"
    return false
  elseif done == nil then
    return self:read_element(array, b, skips)
  end
  return done
end

--- Reads the name of a member and the colon after it. Returns nil if there is none.
function Source:member_name()
  while true do
    local name, after = match(self.piece, '^"([^"\\\n]*)"%s*:()', self.at)
    if name then
      self:advance(after)
      return name
    elseif #self.piece - self.at > 1000 or not self:fill() then
      return nil
    end
  end
end

--- Reads the value of a member of an answer that is not "Items".
function Source:member_value(b)
  local record = { line = self.line, column = self.base + self.at - self.line_start,
    byte = self.base + self.at }
  local text
  if b == OBJECT or b == ARRAY or b == QUOTE then
    text = self:scan()
  else
    local word = new_text()
    self:take_until(word, "[,%]}%s]")
    text = word:get()
  end
  return self:decode_record(record, text)
end

function steps.answer(self, answer, b)
  local done = self:read_separator(answer, b, OBJECT_END)
  if done == false and b == OBJECT_END then
    self:leave()
    return { answer = answer.members, count = answer.count, line = answer.line,
      number = self.number }
  elseif done ~= nil then
    return done
  end
  local name = self:member_name()
  if not name or answer.members[name] ~= nil then
    return self:end_input(name and "duplicate name %q" or "expected a name in double quotes", name)
  end
  answer.state, b = "after", self:skip_blank()
  if name == "Items" and b == ARRAY then
    answer.members.Items = true
    self:enter("array", answer)
    return false
  end
  local value = self:member_value(b)
  if value.fault then
    return self:end_input("%s: %s", name, value.fault.reason)
  end
  answer.members[name] = value.tree
  return false
end

--- Skips the byte order mark at the beginning of the input, if there is one.
function Source:start()
  self.started = true
  repeat
    local may_be_mark = self.piece == line_reader.MARK:sub(1, #self.piece)
  until #self.piece >= #line_reader.MARK or not may_be_mark or not self:fill()
  if sub(self.piece, 1, #line_reader.MARK) == line_reader.MARK then
    self:advance(#line_reader.MARK + 1)
    self.line_start = #line_reader.MARK
  end
end

--- Returns the next record; nil at the end. A record with `is_end` is the last.
---@param skips boolean|nil  the record is not decoded, and is valid only if it is well-formed
---@return tidetable.cli.Record|nil
function Source:next(skips)
  local record
  repeat
    if not self.started then
      self:start()
    end
    local b = self:skip_blank()
    local container = self.inside[#self.inside]
    record = steps[container.kind](self, container, b, skips)
  until record ~= false
  return record
end

return record_source
