-- SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
-- For run.sh: much of Lua 5.4, and all of its output the same each time. No addresses,
-- no clock, no order of pairs() is printed.

local total, lines = 0, 0

local function section(name)
  print("== " .. name)
end

-- A sum over all that is printed, so that a lost line shows twice.
local function out(...)
  local parts = table.pack(...)
  for i = 1, parts.n do
    parts[i] = tostring(parts[i])
  end
  local line = table.concat(parts, " ")
  for i = 1, #line do
    total = (total * 31 + line:byte(i)) % 4294967291
  end
  lines = lines + 1
  print(line)
end

local function sorted_keys(t)
  local keys = {}
  for k in pairs(t) do
    keys[#keys + 1] = k
  end
  table.sort(keys, function(a, b)
    if type(a) == type(b) then
      return a < b
    end
    return type(a) < type(b)
  end)
  return keys
end

-- A generator that is the same everywhere.
local function random_source(seed)
  local state = seed
  return function(n)
    state = (state * 1103515245 + 12345) % 2147483648
    return n and (state // 65536) % n + 1 or state
  end
end

section "integers and floats"
do
  out(7 // 2, -7 // 2, 7 // -2, -7 // -2)
  out(7 % 3, -7 % 3, 7 % -3, -7 % -3)
  out(7.5 // 2, -7.5 // 2, 7.5 % 2, -7.5 % 2)
  out(1 / 2, 3 / 1, 2 ^ 10, 2 ^ -1, 10 // 3.0)
  out(math.maxinteger, math.mininteger, math.maxinteger + 1 == math.mininteger)
  out(math.type(1), math.type(1.0), math.type("1"), math.tointeger(3.0), math.tointeger(3.5))
  out(1e15, 1e16, 1e100, 0.1, 1 / 3, -0.0, 100 // 1e300)
  out(1 / 0, -1 / 0, 0x10, 0xff, 0x.8p1, 0xA.8)
  out(1 < 1.5, 1 == 1.0, math.ult(1, -1), 5 // 0.0, -5 // 0.0)
  out("10" + 5, "0x10" + 0, "3" * "4", 10 .. 20)
  out(3 & 5, 3 | 5, 3 ~ 5, ~0, 1 << 62, 1 << 63, 1 << 64, -1 >> 60, 2.0 | 1)
  out(math.floor(3.7), math.ceil(3.2), math.floor(-3.7), math.fmod(-7, 3), math.abs(-4))
  out(math.max(3, 9, 2), math.min(3, 9, 2), math.sqrt(144), math.pi)
  out(tonumber("  12  "), tonumber("1e2"), tonumber("abc"), tonumber("zz", 36), tonumber("7", 8))
  out(tonumber("0x1p4"), tonumber(""), tonumber("1 2"), tonumber("8", 8))
  local sum, product = 0, 1
  for i = 1, 20 do
    sum = sum + i * i
    product = product * i
  end
  out(sum, product)
  local steps = {}
  for x = 1.0, 2.0, 0.25 do
    steps[#steps + 1] = x
  end
  out(table.concat(steps, ","))
  for i = 10, 1, -4 do
    steps[#steps + 1] = i
  end
  out(#steps, steps[#steps])
  local n = 0
  for _ = math.maxinteger - 2, math.maxinteger do
    n = n + 1
  end
  out("overflow of a loop", n)
end

section "strings"
do
  local s = "The quick brown fox"
  out(#s, s:upper(), s:lower(), s:reverse())
  out(s:sub(5, 9), s:sub(-3), s:sub(2, -2), s:sub(0), s:sub(10, 5) == "")
  out(("ab"):rep(5, "-"), ("x"):rep(0) == "", ("x"):byte(), string.char(72, 105))
  out(s:find("quick"), s:find("o", 14, true), s:find("zebra"))
  out(s:match("(%a+) (%a+)"), s:match("^%u%l+"), s:match("()fox()"))
  out(s:gsub("o", "0"), (s:gsub("%w+", string.len)))
  out((s:gsub("(%w+) (%w+)", "%2 %1")), (s:gsub("%s", "%%")))
  out(("hello world"):gsub("o", { o = "<>" }), ("abc"):gsub("%w", "%0%0"))
  out(("key = value"):match("^(%w+)%s*=%s*(%w+)$"))
  out(("  trim  "):match("^%s*(.-)%s*$") .. "|")
  out(("f(a(b)c)d"):match("%b()"), ("THE (quick) fox"):find("%((%a+)%)"))
  out(("x=1, y=2, z=3"):gsub("(%w)=(%w)", "%2=%1"))
  out(("%d"):format(3), ("%5.2f|%-8s|%08.3f|%+d"):format(3.14159, "ab", 2.5, 7))
  out(("%x %X %#x %o %c %e %g %g"):format(255, 255, 255, 8, 65, 12345.678, 1e20, 0.0001))
  out(("%q"):format('a "quoted"\nline\0end'), ("%s %s"):format(nil, true))
  out(("%i %u"):format(42, 42), ("%a"):format(1.0), ("%.3s|%10.4s|"):format("abcdef", "abcdef"))
  out(("%-5d|%5d|%05d|% d"):format(42, 42, 42, 42), ("%.0f"):format(0.5), ("%%"):format())
  out(#("\u{48}\u{20AC}\x41\65\z
         end"), "\065\10\\" == "A\n\\")
  local words = {}
  for w in ("one two  three,four"):gmatch("%a+") do
    words[#words + 1] = w
  end
  out(#words, table.concat(words, "/"))
  for k, v in ("a=1;b=22;c=333"):gmatch("(%w)=(%d+)") do
    out("pair", k, v)
  end
  out(("frontier THE (quick)"):gsub("%f[%a]%a+", function(w) return w:sub(1, 1):upper() .. w:sub(2) end))
  out("a" < "b", "a" < "B", "" < "a", "Z" < "a", "abc" < "abd", "abc" < "ab")
  local t = {}
  for i = 1, 300 do
    t[#t + 1] = ("%d:%s"):format(i, ("#"):rep(i % 7))
  end
  local joined = table.concat(t, ",")
  out(#joined, joined:sub(1, 30), joined:sub(-20))
  out(select(2, joined:gsub("#", "")))
  out(pcall(string.rep, "x", -1), pcall(string.format, "%d", 1.5))
  out(pcall(string.format, "%y", 1))
end

section "utf8"
do
  local s = "aé€𐍈z"
  out(#s, utf8.len(s), utf8.codepoint(s, 1, -1))
  for p, c in utf8.codes(s) do
    out(p, ("U+%04X"):format(c))
  end
  out(utf8.char(72, 228, 8364, 66376), utf8.offset(s, 3), utf8.offset(s, -1))
  out(utf8.len("\xff"), utf8.len("abc\xE4"))
  local n = 0
  for _ in s:gmatch(utf8.charpattern) do
    n = n + 1
  end
  out(n)
end

section "packing"
do
  local p = string.pack("<i4 >I2 z s1 d", -2, 513, "zero", "len", 1.5)
  out(#p, p:byte(1, 6))
  out(string.unpack("<i4 >I2 z s1 d", p))
  out(string.packsize("i4 i8 !8 d"), pcall(string.pack, "i1", 200))
  for size = 1, 8 do
    local v = 127
    out(size, string.unpack("<i" .. size, string.pack("<i" .. size, -v)))
  end
end

section "tables"
do
  local t = { 10, 20, 30, nil, 50, n = 5, [100] = "far", ["a b"] = 1 }
  out(#{ 1, 2, 3 }, t[5], t.n, t[100], t["a b"], t.missing)
  table.insert(t, 1, 5)
  out(t[1], t[2], t[3])
  out(table.remove(t, 1), t[1], table.remove({}), #t >= 3)
  out(table.concat({ 1, 2, 3, 4 }, "-", 2, 3), table.unpack({ 1, 2, 3 }, 2))
  local m = table.move({ 1, 2, 3, 4, 5 }, 2, 5, 1)
  out(table.concat(m, " "))
  out(select("#", table.unpack({}, 1, 4)), select(-1, 1, 2, 3), select("#"))
  local packed = table.pack(nil, 2, nil)
  out(packed.n, packed[2])
  local nested = {}
  for i = 1, 20 do
    nested[i] = {}
    for j = 1, 20 do
      nested[i][j] = i * j
    end
  end
  local diagonal = 0
  for i = 1, 20 do
    diagonal = diagonal + nested[i][i]
  end
  out(diagonal, next({}), rawlen({ 1, 2 }), rawget(nested, 21), rawequal(nested, nested))
  local removed = {}
  for i = 1, 1000 do
    removed["k" .. i] = i
  end
  for i = 1, 1000, 2 do
    removed["k" .. i] = nil
  end
  local left, sum = 0, 0
  for _, v in pairs(removed) do
    left = left + 1
    sum = sum + v
  end
  out(left, sum)
  local mixed = { "x", "y", z = 1, [2.0] = "two", [3.5] = "half" }
  for _, k in ipairs(sorted_keys(mixed)) do
    out(math.type(k) or type(k), k, mixed[k])
  end
  out(pcall(next, {}, "nokey"))
  out(pcall(function() local q = {} q[nil] = 1 end))
  out(pcall(function() local q = {} q[0 / 0] = 1 end))
end

section "sorting"
do
  local random = random_source(42)
  local function is_sorted(t, less)
    for i = 2, #t do
      if less(t[i], t[i - 1]) then
        return false
      end
    end
    return true
  end
  local function numbers(n)
    local t = {}
    for i = 1, n do
      t[i] = random(100000)
    end
    return t
  end
  local function less(a, b)
    return a < b
  end
  local a = numbers(3000)
  table.sort(a)
  out(is_sorted(a, less), a[1] <= a[2], a[1], a[#a])
  table.sort(a, function(x, y) return x > y end)
  out(is_sorted(a, function(x, y) return x > y end), a[1])

  local function quicksort(t, lo, hi)
    while lo < hi do
      local pivot, i, j = t[(lo + hi) // 2], lo, hi
      repeat
        while t[i] < pivot do i = i + 1 end
        while t[j] > pivot do j = j - 1 end
        if i <= j then
          t[i], t[j] = t[j], t[i]
          i, j = i + 1, j - 1
        end
      until i > j
      if j - lo < hi - i then
        quicksort(t, lo, j)
        lo = i
      else
        quicksort(t, i, hi)
        hi = j
      end
    end
  end
  local b = numbers(2000)
  quicksort(b, 1, #b)
  out(is_sorted(b, less), b[1000])

  local function mergesort(t)
    if #t <= 1 then
      return t
    end
    local left, right, merged = {}, {}, {}
    for i, v in ipairs(t) do
      if i <= #t // 2 then
        left[#left + 1] = v
      else
        right[#right + 1] = v
      end
    end
    left, right = mergesort(left), mergesort(right)
    local i, j = 1, 1
    while i <= #left or j <= #right do
      if j > #right or (i <= #left and left[i] <= right[j]) then
        merged[#merged + 1] = left[i]
        i = i + 1
      else
        merged[#merged + 1] = right[j]
        j = j + 1
      end
    end
    return merged
  end
  local c = mergesort(numbers(1500))
  out(#c, is_sorted(c, less), c[750])

  local people = {}
  for i = 1, 50 do
    people[i] = { name = "p" .. random(20), age = random(5) + 20, id = i }
  end
  table.sort(people, function(x, y)
    if x.age ~= y.age then
      return x.age < y.age
    end
    if x.name ~= y.name then
      return x.name < y.name
    end
    return x.id < y.id
  end)
  for i = 1, 50, 7 do
    out(people[i].name, people[i].age, people[i].id)
  end
  out(pcall(table.sort, { 3, "x", 1 }))
  out(pcall(table.sort, { 1, 2, 3 }, function() error("in a comparison") end))
  out(pcall(table.sort, { 1, 2, 3, 4, 5, 6, 7, 8, 9 }, function() return true end))
end

section "closures"
do
  local function counter()
    local n = 0
    return function(by)
      n = n + (by or 1)
      return n
    end, function()
      return n
    end
  end
  local inc, get = counter()
  local other = counter()
  for i = 1, 10 do
    inc(i)
  end
  out(get(), other(), other(), inc(-5))
  local fs = {}
  for i = 1, 5 do
    local j = i * 10
    fs[i] = function()
      j = j + 1
      return i + j
    end
  end
  out(fs[1](), fs[1](), fs[5](), fs[3]())
  local function compose(...)
    local all = { ... }
    return function(x)
      for i = #all, 1, -1 do
        x = all[i](x)
      end
      return x
    end
  end
  local function add(n) return function(x) return x + n end end
  local function times(n) return function(x) return x * n end end
  out(compose(add(1), times(2), add(3))(10))
  local function fix(f)
    return (function(x) return x(x) end)(function(x)
      return f(function(...) return x(x)(...) end)
    end)
  end
  out(fix(function(self)
    return function(n)
      return n < 2 and 1 or n * self(n - 1)
    end
  end)(15))
  local memo = setmetatable({}, { __mode = "k" })
  local function fib(n)
    if n < 2 then
      return n
    end
    memo[n] = memo[n] or fib(n - 1) + fib(n - 2)
    return memo[n]
  end
  out(fib(80))
  local function varargs(...)
    local a, b = ...
    local n = select("#", ...)
    return n, a, b, (select(n, ...))
  end
  out(varargs(1, nil, 3), varargs("x"))
  local function tail(n, acc)
    if n == 0 then
      return acc
    end
    return tail(n - 1, acc + n)
  end
  out(tail(100000, 0))
end

section "metatables"
do
  local Vector = {}
  Vector.__index = Vector
  local function vector(x, y)
    return setmetatable({ x = x, y = y }, Vector)
  end
  Vector.__add = function(a, b) return vector(a.x + b.x, a.y + b.y) end
  Vector.__sub = function(a, b) return vector(a.x - b.x, a.y - b.y) end
  Vector.__mul = function(a, b)
    if type(a) == "number" then
      return vector(a * b.x, a * b.y)
    elseif type(b) == "number" then
      return vector(a.x * b, a.y * b)
    end
    return a.x * b.x + a.y * b.y
  end
  Vector.__unm = function(a) return vector(-a.x, -a.y) end
  Vector.__eq = function(a, b) return a.x == b.x and a.y == b.y end
  Vector.__lt = function(a, b) return a * a < b * b end
  Vector.__le = function(a, b) return a * a <= b * b end
  Vector.__tostring = function(a) return ("(%g, %g)"):format(a.x, a.y) end
  Vector.__len = function() return 2 end
  Vector.__call = function(a, k) return a[k] end
  Vector.__concat = function(a, b) return tostring(a) .. "~" .. tostring(b) end
  Vector.__idiv = function(a, n) return vector(a.x // n, a.y // n) end
  Vector.__mod = function(a, n) return vector(a.x % n, a.y % n) end
  Vector.__band = function(a, b) return a.x & b.x end
  Vector.__shl = function(a, n) return vector(a.x << n, a.y << n) end
  Vector.__bnot = function(a) return vector(~a.x, ~a.y) end
  function Vector:length()
    return math.sqrt(self * self)
  end
  local a, b = vector(3, 4), vector(1, 2)
  out(a + b, a - b, a * b, a * 2, 2 * a, -a, a:length(), #a)
  out(a == vector(3, 4), a ~= b, a < b, a <= b, b < a, a("x"), a .. b, a .. "s")
  out(a // 2, a % 2, a & b, a << 2, ~b)
  out(pcall(function() return a / b end))
  local log = {}
  local proxy = setmetatable({}, {
    __index = function(_, k)
      log[#log + 1] = "get " .. tostring(k)
      return k == "deep" and { 1 } or nil
    end,
    __newindex = function(t, k, v)
      log[#log + 1] = "set " .. k
      rawset(t, k, v)
    end,
    __pairs = function(t)
      return function(_, k)
        k = (k or 0) + 1
        if k <= 3 then
          return k, k * k
        end
      end, t, nil
    end,
  })
  proxy.a = 1
  proxy.a = 2
  local _ = proxy.b, proxy.deep
  for k, v in pairs(proxy) do
    log[#log + 1] = k .. "^2=" .. v
  end
  out(table.concat(log, "; "))
  local Animal = {}
  Animal.__index = Animal
  function Animal.new(name, sound)
    return setmetatable({ name = name, sound = sound }, Animal)
  end
  function Animal:speak()
    return self.name .. " says " .. self.sound
  end
  local Dog = setmetatable({}, { __index = Animal })
  Dog.__index = Dog
  function Dog.new(name)
    local self = Animal.new(name, "woof")
    self.tricks = {}
    return setmetatable(self, Dog)
  end
  function Dog:learn(trick)
    self.tricks[#self.tricks + 1] = trick
    return self
  end
  function Dog:show()
    return self:speak() .. " and can " .. table.concat(self.tricks, ", ")
  end
  out(Dog.new("Rex"):learn("sit"):learn("roll"):show())
  local chain = {}
  for i = 1, 50 do
    chain = setmetatable({ ["level" .. i] = i }, { __index = chain })
  end
  out(chain.level1, chain.level25, chain.level50, chain.level51)
  local default = setmetatable({}, { __index = function(t, k)
    local v = k * 2
    t[k] = v
    return v
  end })
  out(default[21], rawget(default, 21), rawget(default, 22))
  out(getmetatable("").__index == string, getmetatable(setmetatable({}, { __metatable = "locked" })))
  out(pcall(setmetatable, setmetatable({}, { __metatable = 1 }), {}))
  out(tostring(setmetatable({}, { __name = "My.Type" })):match("^My.Type: ") ~= nil)
end

section "coroutines"
do
  local function range(n)
    return coroutine.wrap(function()
      for i = 1, n do
        coroutine.yield(i)
      end
    end)
  end
  local sum = 0
  for i in range(100) do
    sum = sum + i
  end
  out(sum)
  local co = coroutine.create(function(a, b)
    out("started", a, b, coroutine.isyieldable())
    local c = coroutine.yield(a + b)
    out("got", c)
    local d, e = coroutine.yield(c * 2)
    out("got", d, e)
    return "done", d + e
  end)
  out(coroutine.status(co), coroutine.resume(co, 1, 2))
  out(coroutine.resume(co, 10))
  out(coroutine.status(co), coroutine.resume(co, 3, 4))
  out(coroutine.status(co), coroutine.resume(co))
  local failing = coroutine.create(function()
    coroutine.yield(1)
    error({ code = 7 })
  end)
  coroutine.resume(failing)
  local ok, e = coroutine.resume(failing)
  out(ok, type(e), e.code, coroutine.status(failing))
  -- Producers, filters and consumers.
  local function producer(n)
    return coroutine.create(function()
      for i = 1, n do
        coroutine.yield("item " .. i)
      end
      return nil
    end)
  end
  local function filter(source, keep)
    return coroutine.create(function()
      while true do
        local _, item = coroutine.resume(source)
        if not item then
          return nil
        end
        if keep(item) then
          coroutine.yield(item:upper())
        end
      end
    end)
  end
  local line = filter(producer(20), function(s) return s:match("%d+") % 4 == 0 end)
  while true do
    local _, item = coroutine.resume(line)
    if not item then
      break
    end
    out(item)
  end
  -- All permutations, by recursion inside a coroutine.
  local function permutations(t)
    return coroutine.wrap(function()
      local function permute(n)
        if n <= 1 then
          coroutine.yield(t)
          return
        end
        for i = 1, n do
          t[n], t[i] = t[i], t[n]
          permute(n - 1)
          t[n], t[i] = t[i], t[n]
        end
      end
      permute(#t)
    end)
  end
  local n, last = 0, nil
  for p in permutations({ 1, 2, 3, 4, 5, 6 }) do
    n = n + 1
    last = table.concat(p)
  end
  out(n, last)
  -- A scheduler: each of a hundred yields as often as its number.
  local tasks, finished, turns = {}, {}, 0
  for i = 1, 100 do
    tasks[i] = coroutine.create(function()
      local acc = 0
      for k = 1, i do
        acc = acc + k
        coroutine.yield()
      end
      return acc
    end)
  end
  while #tasks > 0 do
    for i = #tasks, 1, -1 do
      local _, result = coroutine.resume(tasks[i])
      turns = turns + 1
      if coroutine.status(tasks[i]) == "dead" then
        finished[#finished + 1] = result
        table.remove(tasks, i)
      end
    end
  end
  out(#finished, finished[1], finished[100], turns)
  -- Coroutines in coroutines, as deep as C calls go.
  local function nest(depth)
    if depth == 0 then
      return "bottom"
    end
    return coroutine.wrap(function()
      return nest(depth - 1) .. depth % 10
    end)()
  end
  out(nest(50))
  out(pcall(nest, 250))
  -- Yields across pcall, metamethods, iterators and sort.
  local across = coroutine.wrap(function()
    local _, m = pcall(function()
      coroutine.yield("in pcall")
      error("after a yield", 0)
    end)
    coroutine.yield(m)
    local t = setmetatable({}, { __add = function() return coroutine.yield("in __add") end })
    coroutine.yield("sum " .. t + 1)
    for v in function(_, k) return coroutine.yield("in iterator") end do
      coroutine.yield("value " .. v)
    end
    out(pcall(table.sort, { 2, 1 }, function() return coroutine.yield() end))
    return "end"
  end)
  out(across())
  out(across())
  out(across())
  out(across(41))
  out(across())
  out(across("v"))
  out(across())
  out(across(nil))
  local closing = coroutine.create(function()
    local guard <close> = setmetatable({}, { __close = function() out("closed") end })
    coroutine.yield()
  end)
  coroutine.resume(closing)
  out(coroutine.close(closing), coroutine.status(closing))
  out(coroutine.running() ~= nil, select(2, coroutine.running()))
  out(pcall(coroutine.wrap(function() error("wrapped", 0) end)))
  local self_resume
  self_resume = coroutine.create(function() return coroutine.resume(self_resume) end)
  out(coroutine.resume(self_resume))
end

section "errors"
do
  out(pcall(error, "plain"), pcall(error, "level 0", 0), pcall(error))
  out(pcall(error, { 1 }) == false, select(2, pcall(error, nil)))
  out(pcall(function() local x = nil; return x.field end))
  out(pcall(function() return 1 + {} end))
  out(pcall(function() return #5 end))
  out(pcall(function() return {} < {} end))
  out(pcall(function() return 1 < "2" end))
  out(pcall(function() undefined_function() end))
  out(pcall(function() return ("x")() end))
  out(pcall(function() return 1 // 0 end))
  out(pcall(function() return 1 % 0 end))
  out(pcall(function() return 1.5 | 1 end))
  out(pcall(function() return "a" | 1 end))
  out(pcall(string.rep))
  out(pcall(setmetatable, 1, {}))
  out(pcall(ipairs))
  out(assert(1, "unused"), pcall(assert, false, "asserted"), pcall(assert, nil))
  out(select("#", pcall(assert)))
  local function thrower(n)
    if n == 0 then
      error({ depth = "bottom" })
    end
    thrower(n - 1)
    return n
  end
  local ok, e = pcall(thrower, 100)
  out(ok, e.depth)
  out(xpcall(function() error("handled", 0) end, function(m) return "<" .. m .. ">" end))
  out(xpcall(function(a, b) return a + b end, print, 3, 4))
  local trace = select(2, xpcall(function() error("traced") end, debug.traceback))
  out(trace:match("traced"), trace:match("stack traceback") ~= nil)
  out(xpcall(function() error("x") end, function() error("in the handler") end))
  -- Protected calls inside protected calls, each of which fails.
  local function ladder(n)
    if n == 0 then
      error("0", 0)
    end
    local _, m = pcall(ladder, n - 1)
    error(m .. "," .. n, 0)
  end
  out(pcall(ladder, 60))
  -- An error a turn: what is left behind has to be left well.
  local failures = 0
  for i = 1, 3000 do
    local good = pcall(function()
      local t = {}
      for k = 1, i % 10 do
        t[k] = k
      end
      if i % 3 == 0 then
        error("third")
      end
      return #t
    end)
    failures = failures + (good and 0 or 1)
  end
  out(failures)
  -- Too deep for C, too deep for Lua, and going on after both.
  local function deep_c(s)
    return (s:gsub(".", deep_c))
  end
  local ok_c, e_c = pcall(deep_c, "x")
  out(ok_c, e_c:match("C stack overflow") or e_c)
  -- With many arguments, for each call is many entry checks.
  local depth, wide = 0, {}
  for i = 1, 100 do
    wide[i] = i
  end
  local function deep_lua(...)
    depth = depth + 1
    return 1 + deep_lua(...)
  end
  local ok_lua, e_lua = pcall(deep_lua, table.unpack(wide))
  out(ok_lua, e_lua:match("stack overflow"), depth > 1000)
  local function down(n)
    return n == 0 and 0 or 1 + down(n - 1)
  end
  out(down(15000), down(100))
  local parts = {}
  for i = 1, 150 do
    parts[i] = "("
  end
  out(#table.concat(parts), (load("return " .. ("("):rep(100) .. "1" .. (")"):rep(100)))())
  local f, m = load("return " .. ("("):rep(1000) .. "1" .. (")"):rep(1000))
  out(f, m:match("overflow") or m)
  out(load("x ="), load("for"), load("goto nowhere"), load("break"))
  out(load("local x <const> = 1; x = 2"))
  out(load("return 'unfinished"))
end

section "to be closed"
do
  local log = {}
  local function guard(name)
    return setmetatable({}, { __close = function(_, e)
      log[#log + 1] = name .. (e and "!" or "")
    end })
  end
  do
    local a <close> = guard("a")
    local b <close> = guard("b")
    local c <const> = 5
    log[#log + 1] = "body" .. c
  end
  pcall(function()
    local x <close> = guard("x")
    local y <close> = guard("y")
    error("leave")
  end)
  for i = 1, 3 do
    local g <close> = guard("loop" .. i)
    if i == 2 then
      goto continue
    end
    log[#log + 1] = "i" .. i
    ::continue::
  end
  local function early()
    local g <close> = guard("early")
    return "returned"
  end
  log[#log + 1] = early()
  out(table.concat(log, " "))
end

section "goto"
do
  local found
  for i = 1, 100 do
    for j = 1, 100 do
      if i * j == 2491 then
        found = i .. "*" .. j
        goto done
      end
    end
  end
  ::done::
  out(found)
  local i, odd = 0, 0
  ::top::
  i = i + 1
  if i % 2 == 0 then
    goto skip
  end
  odd = odd + i
  ::skip::
  if i < 50 then
    goto top
  end
  out(i, odd)
  -- A machine of states.
  local input, at, tokens = "ab12 c3 ;x", 1, {}
  local start
  ::blank::
  if at > #input then goto finish end
  if input:sub(at, at):match("%a") then start = at goto word end
  if input:sub(at, at):match("%d") then start = at goto number end
  at = at + 1
  goto blank
  ::word::
  at = at + 1
  if input:sub(at, at):match("%a") then goto word end
  tokens[#tokens + 1] = "W" .. input:sub(start, at - 1)
  goto blank
  ::number::
  at = at + 1
  if input:sub(at, at):match("%d") then goto number end
  tokens[#tokens + 1] = "N" .. input:sub(start, at - 1)
  goto blank
  ::finish::
  out(table.concat(tokens, " "))
end

section "garbage"
do
  local finalized, weak = 0, setmetatable({}, { __mode = "v" })
  local ephemeral = setmetatable({}, { __mode = "k" })
  for i = 1, 500 do
    local object = setmetatable({ i }, { __gc = function() finalized = finalized + 1 end })
    weak[i] = object
    ephemeral[object] = { object }
  end
  collectgarbage()
  collectgarbage()
  local alive = 0
  for _ in pairs(weak) do
    alive = alive + 1
  end
  out(finalized, alive, next(ephemeral))
  for _, mode in ipairs { "incremental", "generational", "incremental" } do
    collectgarbage(mode)
    local list
    for i = 1, 20000 do
      list = { next = list, value = i }
      if i % 1000 == 0 then
        list = nil
      end
    end
    local strings = {}
    for i = 1, 5000 do
      strings[i % 100 + 1] = "string number " .. i .. ("."):rep(i % 50)
    end
    out(mode, #strings, #strings[1])
  end
  collectgarbage("stop")
  local before = collectgarbage("count")
  local junk = {}
  for i = 1, 1000 do
    junk[i] = { i, {} }
  end
  out(collectgarbage("count") > before, collectgarbage("isrunning"))
  junk = nil
  collectgarbage("restart")
  collectgarbage()
  out(collectgarbage("isrunning"), collectgarbage("step", 100) ~= nil)
  local resurrected
  do
    local phoenix = setmetatable({ name = "phoenix" }, { __gc = function(o) resurrected = o end })
    phoenix = nil
  end
  collectgarbage()
  collectgarbage()
  out(resurrected and resurrected.name)
  setmetatable({}, { __gc = function() error("in a finalizer") end })
  collectgarbage()
  out("after a failing finalizer")
end

section "chunks"
do
  local env = { y = 5 }
  local f = load("x = y * 2; return x", "chunk", "t", env)
  out(f(), env.x, x)
  local dumped = load(string.dump(function(a, b) return a * b + 1 end))
  out(dumped(6, 7))
  local pieces, i = { "return ", "1 ", "+ ", "41" }, 0
  out(load(function()
    i = i + 1
    return pieces[i]
  end)())
  out(pcall(load, "return 1", "chunk", "q"), load("\27Lua", "binary", "t"))
  local generated = {}
  for k = 1, 200 do
    generated[k] = ("local v%d = %d; s = s + v%d"):format(k % 150, k, k % 150)
  end
  local chunk = load("local s = 0 do " .. table.concat(generated, " end do ") .. " end return s")
  out(chunk())
  local _ENV = { out = out, z = 3 }
  z = z + 1
  out(z, _ENV.z)
end

section "JSON"
do
  local encode
  local escapes = { ['"'] = '\\"', ["\\"] = "\\\\", ["\n"] = "\\n", ["\t"] = "\\t" }
  function encode(v)
    local kind = type(v)
    if kind == "string" then
      return '"' .. v:gsub('["\\\n\t]', escapes) .. '"'
    elseif kind ~= "table" then
      return tostring(v)
    elseif #v > 0 then
      local items = {}
      for i, item in ipairs(v) do
        items[i] = encode(item)
      end
      return "[" .. table.concat(items, ",") .. "]"
    end
    local items = {}
    for _, k in ipairs(sorted_keys(v)) do
      items[#items + 1] = encode(k) .. ":" .. encode(v[k])
    end
    return "{" .. table.concat(items, ",") .. "}"
  end
  local function decode(s)
    local at = 1
    local value
    local function fail(what)
      error(("%s at %d"):format(what, at), 0)
    end
    local function skip()
      at = s:match("^%s*()", at)
    end
    local function expect(c)
      skip()
      if s:sub(at, at) ~= c then
        fail("expected " .. c)
      end
      at = at + 1
    end
    local function text()
      expect '"'
      local parts = {}
      while true do
        local plain, stop = s:match('^([^"\\]*)()', at)
        parts[#parts + 1] = plain
        at = stop
        local c = s:sub(at, at)
        if c == '"' then
          at = at + 1
          return table.concat(parts)
        elseif c == "" then
          fail("unfinished string")
        end
        local e = s:sub(at + 1, at + 1)
        parts[#parts + 1] = ({ n = "\n", t = "\t" })[e] or e
        at = at + 2
      end
    end
    local function list(close, read)
      local t = {}
      at = at + 1
      skip()
      if s:sub(at, at) == close then
        at = at + 1
        return t
      end
      while true do
        read(t)
        skip()
        local c = s:sub(at, at)
        at = at + 1
        if c == close then
          return t
        elseif c ~= "," then
          at = at - 1
          fail("expected , or " .. close)
        end
      end
    end
    function value()
      skip()
      local c = s:sub(at, at)
      if c == "{" then
        return list("}", function(t)
          skip()
          local k = text()
          expect ":"
          t[k] = value()
        end)
      elseif c == "[" then
        return list("]", function(t) t[#t + 1] = value() end)
      elseif c == '"' then
        return text()
      end
      local word = s:match("^[%w.+-]+", at)
      if not word then
        fail("no value")
      end
      at = at + #word
      if word == "true" or word == "false" then
        return word == "true"
      end
      return tonumber(word) or fail("bad word " .. word)
    end
    local v = value()
    skip()
    if at <= #s then
      fail("rest")
    end
    return v
  end
  local document = { name = "test", list = { 1, 2.5, true, "x\"y\n" }, deep = { a = { b = { c = { 3 } } } } }
  local s = encode(document)
  out(s)
  out(encode(decode(s)) == s, decode("[1, [2, [3, [4]]]]")[2][2][2][1])
  for _, bad in ipairs { "[1,", "{\"a\" 1}", "[1 2]", "\"open", "[tru]", "1 2", "" } do
    out(pcall(decode, bad))
  end
  local deep = ("["):rep(180) .. "7" .. ("]"):rep(180)
  local v, n = decode(deep), 0
  while type(v) == "table" do
    v, n = v[1], n + 1
  end
  out(v, n)
  local big = {}
  for i = 1, 300 do
    big[i] = { id = i, tags = { "t" .. i % 3, "u" .. i % 5 }, value = i / 4 }
  end
  local round = encode(decode(encode(big)))
  out(#round, round == encode(big))
end

section "an interpreter"
do
  local function parse(source)
    local tokens = {}
    for t in source:gmatch("[%d.]+|[%a_]+|[-+*/^()=,<>?:;]") do
      tokens[#tokens + 1] = t
    end
    for number, name, sign in source:gmatch("([%d.]*)([%a_]*)([-+*/^()=,<>?:;]?)") do
      for _, t in ipairs { number, name, sign } do
        if t ~= "" then
          tokens[#tokens + 1] = t
        end
      end
    end
    local at = 1
    local expression
    local function accept(t)
      if tokens[at] == t then
        at = at + 1
        return true
      end
    end
    local function primary()
      local t = tokens[at]
      at = at + 1
      if t == "(" then
        local e = expression(0)
        if not accept(")") then
          error("missing )", 0)
        end
        return e
      elseif t == "-" then
        return { "neg", expression(5) }
      elseif t and tonumber(t) then
        return { "number", tonumber(t) }
      elseif t and t:match("^[%a_]+$") then
        if accept("(") then
          local call = { "call", t }
          if not accept(")") then
            repeat
              call[#call + 1] = expression(0)
            until not accept(",")
            accept(")")
          end
          return call
        end
        return { "name", t }
      end
      error("unexpected " .. tostring(t), 0)
    end
    local power = { ["<"] = 2, [">"] = 2, ["+"] = 3, ["-"] = 3, ["*"] = 4, ["/"] = 4, ["^"] = 6 }
    function expression(least)
      local left = primary()
      while power[tokens[at]] and power[tokens[at]] > least do
        local op = tokens[at]
        at = at + 1
        left = { op, left, expression(op == "^" and power[op] - 1 or power[op]) }
      end
      if least == 0 and accept("?") then
        local yes = expression(0)
        accept(":")
        left = { "?", left, yes, expression(0) }
      end
      return left
    end
    local e = expression(0)
    if tokens[at] then
      error("rest: " .. tokens[at], 0)
    end
    return e
  end
  local run
  local operators = {
    number = function(_, e) return e[2] end,
    name = function(env, e) return env[e[2]] or error("no " .. e[2], 0) end,
    neg = function(env, e) return -run(env, e[2]) end,
    ["+"] = function(env, e) return run(env, e[2]) + run(env, e[3]) end,
    ["-"] = function(env, e) return run(env, e[2]) - run(env, e[3]) end,
    ["*"] = function(env, e) return run(env, e[2]) * run(env, e[3]) end,
    ["/"] = function(env, e) return run(env, e[2]) / run(env, e[3]) end,
    ["^"] = function(env, e) return run(env, e[2]) ^ run(env, e[3]) end,
    ["<"] = function(env, e) return run(env, e[2]) < run(env, e[3]) end,
    [">"] = function(env, e) return run(env, e[2]) > run(env, e[3]) end,
    ["?"] = function(env, e) return run(env, run(env, e[2]) and e[3] or e[4]) end,
    call = function(env, e)
      local args = {}
      for i = 3, #e do
        args[#args + 1] = run(env, e[i])
      end
      return env[e[2]](table.unpack(args))
    end,
  }
  function run(env, e)
    return operators[e[1]](env, e)
  end
  local env = { x = 3, y = 4, sqrt = math.sqrt, max = math.max }
  local bodies = {
    fact = "n < 2 ? 1 : n * fact(n - 1)",
    fib = "n < 2 ? n : fib(n - 1) + fib(n - 2)",
    sum = "n < 1 ? 0 : n + sum(n - 1)",
  }
  for name, body in pairs(bodies) do
    local tree = parse(body)
    env[name] = function(n)
      return run(setmetatable({ n = n }, { __index = env }), tree)
    end
  end
  for _, source in ipairs {
    "1 + 2 * 3", "(1 + 2) * 3", "2 ^ 3 ^ 2", "-2 ^ 2", "10 - 4 - 3", "sqrt(x * x + y * y)",
    "max(1, x, y, 2)", "x > y ? 1 : 2", "fact(12)", "fib(15)", "sum(10)", "1 +", "(1", "z + 1",
    "1 2",
  } do
    out(source, pcall(function() return run(env, parse(source)) end))
  end
end

section "puzzles"
do
  local function queens(n)
    local count, columns, first = 0, {}, nil
    local function place(row)
      if row > n then
        count = count + 1
        first = first or table.concat(columns, ",")
        return
      end
      for c = 1, n do
        local free = true
        for r = 1, row - 1 do
          if columns[r] == c or math.abs(columns[r] - c) == row - r then
            free = false
            break
          end
        end
        if free then
          columns[row] = c
          place(row + 1)
          columns[row] = nil
        end
      end
    end
    place(1)
    return count, first
  end
  out(queens(5), queens(7))
  local moves = 0
  local pegs = { {}, {}, {} }
  for d = 10, 1, -1 do
    table.insert(pegs[1], d)
  end
  local function hanoi(n, from, to, via)
    if n == 0 then
      return
    end
    hanoi(n - 1, from, via, to)
    table.insert(pegs[to], table.remove(pegs[from]))
    moves = moves + 1
    hanoi(n - 1, via, to, from)
  end
  hanoi(10, 1, 3, 2)
  out(moves, #pegs[1], #pegs[2], table.concat(pegs[3], " "))
  local function ackermann(m, n)
    if m == 0 then
      return n + 1
    elseif n == 0 then
      return ackermann(m - 1, 1)
    end
    return ackermann(m - 1, ackermann(m, n - 1))
  end
  out(ackermann(2, 9), ackermann(3, 4))
  local board, size = {}, 16
  for y = 1, size do
    board[y] = {}
    for x = 1, size do
      board[y][x] = 0
    end
  end
  for _, p in ipairs { { 2, 1 }, { 3, 2 }, { 1, 3 }, { 2, 3 }, { 3, 3 } } do
    board[p[2]][p[1]] = 1
  end
  local function step(b)
    local new = {}
    for y = 1, size do
      new[y] = {}
      for x = 1, size do
        local n = 0
        for dy = -1, 1 do
          for dx = -1, 1 do
            if dx ~= 0 or dy ~= 0 then
              n = n + b[(y + dy - 1) % size + 1][(x + dx - 1) % size + 1]
            end
          end
        end
        new[y][x] = (n == 3 or (n == 2 and b[y][x] == 1)) and 1 or 0
      end
    end
    return new
  end
  for _ = 1, 24 do
    board = step(board)
  end
  for y = 6, 10 do
    out(table.concat(board[y]))
  end
end

section "numbers that are long"
do
  local function multiply(a, n)
    local carry = 0
    for i = 1, #a do
      local v = a[i] * n + carry
      a[i] = v % 10000000
      carry = v // 10000000
    end
    while carry > 0 do
      a[#a + 1] = carry % 10000000
      carry = carry // 10000000
    end
  end
  local function text(a)
    local parts = { tostring(a[#a]) }
    for i = #a - 1, 1, -1 do
      parts[#parts + 1] = ("%07d"):format(a[i])
    end
    return table.concat(parts)
  end
  local f = { 1 }
  for i = 2, 100 do
    multiply(f, i)
  end
  out(text(f))
  local p = { 1 }
  for _ = 1, 300 do
    multiply(p, 2)
  end
  out(text(p))
  local sieve, primes = {}, {}
  for i = 2, 2000 do
    if not sieve[i] then
      primes[#primes + 1] = i
      for j = i * i, 2000, i do
        sieve[j] = true
      end
    end
  end
  out(#primes, primes[#primes], primes[100])
  local function collatz(n)
    local steps = 0
    while n ~= 1 do
      n = n % 2 == 0 and n // 2 or 3 * n + 1
      steps = steps + 1
    end
    return steps
  end
  local best, at = 0, 0
  for i = 1, 3000 do
    local c = collatz(i)
    if c > best then
      best, at = c, i
    end
  end
  out(at, best)
  local pi, k = 0.0, 0
  while k < 20000 do
    pi = pi + (k % 2 == 0 and 4 or -4) / (2 * k + 1)
    k = k + 1
  end
  out(("%.8f"):format(pi))
  local rows = {}
  for y = -1.2, 1.2, 0.2 do
    local row = {}
    for x = -2.0, 0.6, 0.1 do
      local a, b, n = 0.0, 0.0, 0
      while n < 30 and a * a + b * b < 4 do
        a, b = a * a - b * b + x, 2 * a * b + y
        n = n + 1
      end
      row[#row + 1] = (" .:-=+*#%@"):sub(n // 4 + 1, n // 4 + 1)
    end
    rows[#rows + 1] = table.concat(row)
  end
  for i = 1, #rows, 2 do
    out("|" .. rows[i])
  end
end

section "structures"
do
  local Heap = {}
  Heap.__index = Heap
  function Heap.new(less)
    return setmetatable({ n = 0, less = less }, Heap)
  end
  function Heap:push(v)
    self.n = self.n + 1
    local i = self.n
    while i > 1 and self.less(v, self[i // 2]) do
      self[i] = self[i // 2]
      i = i // 2
    end
    self[i] = v
  end
  function Heap:pop()
    local top, last = self[1], self[self.n]
    self[self.n] = nil
    self.n = self.n - 1
    local i = 1
    while 2 * i <= self.n do
      local c = 2 * i
      if c < self.n and self.less(self[c + 1], self[c]) then
        c = c + 1
      end
      if not self.less(self[c], last) then
        break
      end
      self[i] = self[c]
      i = c
    end
    if self.n > 0 then
      self[i] = last
    end
    return top
  end
  local random = random_source(7)
  local h = Heap.new(function(a, b) return a < b end)
  for _ = 1, 500 do
    h:push(random(10000))
  end
  local previous, ordered = -1, true
  while h.n > 0 do
    local v = h:pop()
    ordered = ordered and previous <= v
    previous = v
  end
  out(ordered, previous)
  -- Shortest ways on a grid.
  local side, cost = 20, {}
  for i = 1, side * side do
    cost[i] = random(9)
  end
  local distance, queue = { [1] = cost[1] }, Heap.new(function(a, b)
    return a.d < b.d or (a.d == b.d and a.at < b.at)
  end)
  queue:push { d = cost[1], at = 1 }
  local visited = 0
  while queue.n > 0 do
    local node = queue:pop()
    if node.d == distance[node.at] then
      visited = visited + 1
      local x, y = (node.at - 1) % side, (node.at - 1) // side
      for _, step in ipairs { { 1, 0 }, { -1, 0 }, { 0, 1 }, { 0, -1 } } do
        local nx, ny = x + step[1], y + step[2]
        if nx >= 0 and nx < side and ny >= 0 and ny < side then
          local to = ny * side + nx + 1
          local d = node.d + cost[to]
          if not distance[to] or d < distance[to] then
            distance[to] = d
            queue:push { d = d, at = to }
          end
        end
      end
    end
  end
  out(visited, distance[side * side])
  -- A tree that balances itself by priorities.
  local function insert(node, key)
    if not node then
      return { key = key, priority = random() }
    end
    local side_of = key < node.key and "left" or "right"
    node[side_of] = insert(node[side_of], key)
    local child = node[side_of]
    if child.priority > node.priority then
      local other = side_of == "left" and "right" or "left"
      node[side_of], child[other] = child[other], node
      return child
    end
    return node
  end
  local root
  for _ = 1, 400 do
    root = insert(root, random(100000))
  end
  local count, deepest, last = 0, 0, -1
  local in_order = true
  local function walk(node, depth)
    if node then
      walk(node.left, depth + 1)
      count = count + 1
      in_order = in_order and node.key >= last
      last = node.key
      deepest = math.max(deepest, depth)
      walk(node.right, depth + 1)
    end
  end
  walk(root, 1)
  out(count, in_order, deepest < 40)
  -- Text that is broken into lines, and packed.
  local words = {}
  for i = 1, 60 do
    words[i] = ("word"):rep(random(2)) .. random(99)
  end
  local row, width = {}, 0
  for _, w in ipairs(words) do
    if width + #w + 1 > 60 then
      out(table.concat(row, " "))
      row, width = {}, 0
    end
    row[#row + 1] = w
    width = width + #w + 1
  end
  out(table.concat(row, " "))
  local function compress(s)
    local dictionary, size, w, codes = {}, 256, "", {}
    for i = 0, 255 do
      dictionary[string.char(i)] = i
    end
    for c in s:gmatch(".") do
      if dictionary[w .. c] then
        w = w .. c
      else
        codes[#codes + 1] = dictionary[w]
        dictionary[w .. c] = size
        size = size + 1
        w = c
      end
    end
    codes[#codes + 1] = dictionary[w]
    return codes
  end
  local function expand(codes)
    local dictionary, size = {}, 256
    for i = 0, 255 do
      dictionary[i] = string.char(i)
    end
    local w = dictionary[codes[1]]
    local parts = { w }
    for i = 2, #codes do
      local entry = dictionary[codes[i]] or w .. w:sub(1, 1)
      parts[#parts + 1] = entry
      dictionary[size] = w .. entry:sub(1, 1)
      size = size + 1
      w = entry
    end
    return table.concat(parts)
  end
  local long = table.concat(words, " "):rep(10)
  local codes = compress(long)
  out(#long, #codes, expand(codes) == long)
end

section "a machine"
do
  local function brainf(program, input)
    local jumps, stack = {}, {}
    for i = 1, #program do
      local c = program:sub(i, i)
      if c == "[" then
        stack[#stack + 1] = i
      elseif c == "]" then
        local j = table.remove(stack) or error("unbalanced ]", 0)
        jumps[i], jumps[j] = j, i
      end
    end
    if #stack > 0 then
      error("unbalanced [", 0)
    end
    local tape, at, pc, read, written = setmetatable({}, { __index = function() return 0 end }), 0, 1, 1, {}
    local actions = {
      [">"] = function() at = at + 1 end,
      ["<"] = function() at = at - 1 end,
      ["+"] = function() tape[at] = (tape[at] + 1) % 256 end,
      ["-"] = function() tape[at] = (tape[at] - 1) % 256 end,
      ["."] = function() written[#written + 1] = string.char(tape[at]) end,
      [","] = function()
        tape[at] = input:byte(read) or 0
        read = read + 1
      end,
      ["["] = function() if tape[at] == 0 then pc = jumps[pc] end end,
      ["]"] = function() if tape[at] ~= 0 then pc = jumps[pc] end end,
    }
    while pc <= #program do
      local action = actions[program:sub(pc, pc)]
      if action then
        action()
      end
      pc = pc + 1
    end
    return table.concat(written)
  end
  out(brainf("++++++++[>++++[>++>+++>+++>+<<<<-]>+>+>->>+[<]<-]>>.>---.+++++++..+++.", ""))
  out(brainf(",[.,]", "echo"), pcall(brainf, "[", ""), pcall(brainf, "]", ""))
end

section "the end"
print(lines, total)
