// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/* Runs a script: closures, tables, strings, sorting, errors, coroutines. */
#include <stdio.h>

#include "lauxlib.h"
#include "lualib.h"

static const char script[] =
	"local function fib(n) if n < 2 then return n end return fib(n - 1) + fib(n - 2) end\n"
	"local function queens(n)\n"
	"  local found, at = 0, {}\n"
	"  local function place(row)\n"
	"    if row > n then found = found + 1 return end\n"
	"    for c = 1, n do\n"
	"      local free = true\n"
	"      for r = 1, row - 1 do\n"
	"        local d = at[r] - c\n"
	"        if d == 0 or d == row - r or d == r - row then free = false break end\n"
	"      end\n"
	"      if free then at[row] = c place(row + 1) end\n"
	"    end\n"
	"  end\n"
	"  place(1)\n"
	"  return found\n"
	"end\n"
	"local function words()\n"
	"  local text, count = {}, {}\n"
	"  for i = 1, 2000 do text[i] = string.format('w%d', i * 7919 % 101) end\n"
	"  for w in table.concat(text, ' '):gmatch('%a%d+') do count[w] = (count[w] or 0) + 1 end\n"
	"  local keys = {}\n"
	"  for k in pairs(count) do keys[#keys + 1] = k end\n"
	"  table.sort(keys, function(a, b) return count[a] > count[b] or\n"
	"    count[a] == count[b] and a < b end)\n"
	"  return table.concat(keys, ','):upper():gsub('W1', '<%0>'):rep(2):len()\n"
	"end\n"
	"local Account = {}\n"
	"Account.__index = Account\n"
	"function Account.new(b) return setmetatable({ balance = b }, Account) end\n"
	"function Account:draw(n)\n"
	"  if n > self.balance then error('no funds') end\n"
	"  self.balance = self.balance - n\n"
	"end\n"
	"local function accounts()\n"
	"  local failed, sum = 0, 0\n"
	"  for i = 1, 3000 do\n"
	"    local a = Account.new(i % 50)\n"
	"    if not pcall(a.draw, a, i % 70) then failed = failed + 1 end\n"
	"    sum = sum + a.balance\n"
	"  end\n"
	"  return failed + sum\n"
	"end\n"
	"local function generated()\n"
	"  local gen = coroutine.wrap(function() for i = 1, 3000 do coroutine.yield(i) end end)\n"
	"  local sum = 0\n"
	"  for _ = 1, 3000 do sum = sum + gen() end\n"
	"  for i = 1, 100 do sum = sum + load('local x = ' .. i .. ' return x * x')() end\n"
	"  return sum\n"
	"end\n"
	"return string.format('%d %d %d %d %d', fib(20), queens(6), words(), accounts(), generated())\n";

int main(void)
{
	lua_State *L = luaL_newstate();

	if (!L)
		return 1;
	luaL_openlibs(L);
	for (int i = 0; i < 5; i++) {
		if (luaL_dostring(L, script)) {
			fprintf(stderr, "%s\n", lua_tostring(L, -1));
			return 1;
		}
		puts(lua_tostring(L, -1));
		lua_pop(L, 1);
	}
	lua_close(L);
	return 0;
}
