-- Lua: tables and metatables, closures, strings and patterns, coroutines, floats. lua5.4 work.lua ROUNDS
local Vector = {}
Vector.__index = Vector
Vector.__add = function(a, b) return setmetatable({x = a.x + b.x, y = a.y + b.y}, Vector) end
function Vector:length() return (self.x * self.x + self.y * self.y) ^ 0.5 end

local function queens(n)
    local columns, up, down, found = {}, {}, {}, 0
    local function place(row)
        if row > n then found = found + 1 return end
        for c = 1, n do
            if not columns[c] and not up[row + c] and not down[row - c + n] then
                columns[c], up[row + c], down[row - c + n] = true, true, true
                place(row + 1)
                columns[c], up[row + c], down[row - c + n] = nil, nil, nil
            end
        end
    end
    place(1)
    return found
end

local function text(k)
    local parts, count = {}, {}
    for i = 1, 600 do parts[i] = ("word%d=%d"):format(i * k % 97, i) end
    local joined = table.concat(parts, ";")
    for name, value in joined:gmatch("(%w+)=(%d+)") do count[name] = (count[name] or 0) + tonumber(value) end
    local keys = {}
    for name in pairs(count) do keys[#keys + 1] = name end
    table.sort(keys)
    return #joined:gsub("%d%d", "<%0>") + count[keys[k % #keys + 1]] + #joined:rep(3):upper():reverse()
end

local function walk(n)
    local make = coroutine.wrap(function() for i = 1, n do coroutine.yield(i) end end)
    local at = setmetatable({x = 0, y = 0}, Vector)
    for i in make do if i then at = at + {x = i % 7 - 3, y = i % 5 - 2} if i == n then break end end end
    return at:length()
end

local total = 0
for r = 1, tonumber(arg[1]) do
    total = total + queens(6) + text(r) + walk(2000)
    local sum = 0
    for i = 1, 20000 do sum = (sum * 31 + (i ~ r)) & 0xffffff end
    total = total + sum % 1000 + math.floor(math.sin(r) * 100)
end
print(string.format("%.6f", total))
