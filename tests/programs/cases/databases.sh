# sqlite3's shell: transactions, WAL, FTS5, JSON, window functions, backup, two processes and their locks; and Lua 5.4.
# image: userland
# package: sqlite3 lua5.4
exec 2>&1
cd /tmp || exit
sqlite3 a.db <<'S'
.bail on
PRAGMA journal_mode = WAL;
CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT COLLATE NOCASE UNIQUE, v REAL CHECK (v >= 0), j TEXT);
WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 1000) INSERT INTO t SELECT i, printf('n%04d', i), i * 1.5, json_object('k', i % 7, 'a', json_array(i, i + 1)) FROM c;
CREATE INDEX byv ON t (v);
CREATE VIEW big AS SELECT * FROM t WHERE v > 1400;
CREATE TRIGGER tr AFTER DELETE ON t BEGIN INSERT INTO log VALUES (old.id); END;
CREATE TABLE log (id);
BEGIN; DELETE FROM t WHERE id < 10; SAVEPOINT s; DELETE FROM t; SELECT count(*) FROM t; ROLLBACK TO s; COMMIT;
SELECT count(*), total(v), max(name) FROM t; SELECT count(*) FROM log; SELECT * FROM big WHERE id > 995;
EXPLAIN QUERY PLAN SELECT * FROM t WHERE v BETWEEN 3 AND 9;
SELECT json_extract(j, '$.a[1]'), json_extract(j, '$.k') AS k FROM t WHERE k = 3 LIMIT 3;
SELECT value, type FROM json_each('[1, "x", null, {"a": 2}]'); SELECT json_group_array(id) FROM t WHERE id BETWEEN 20 AND 24; SELECT json_set('{"a":1}', '$.b', json('[2]')) -> '$.b';
SELECT id, sum(v) OVER (ORDER BY id ROWS 2 PRECEDING), rank() OVER (ORDER BY id DESC), lag(name) OVER w FROM t WHERE id < 15 WINDOW w AS (ORDER BY id);
INSERT INTO t (name, v) VALUES ('N0011', 3) ON CONFLICT (name) DO UPDATE SET v = excluded.v RETURNING id, v;
CREATE VIRTUAL TABLE f USING fts5(title, body, tokenize = 'porter'); INSERT INTO f VALUES ('First', 'running quickly over hills'), ('Second', 'he runs slowly'), ('Third', 'nothing');
SELECT title, highlight(f, 1, '[', ']'), round(bm25(f), 3) FROM f WHERE f MATCH 'run' ORDER BY rank; SELECT title FROM f WHERE f MATCH 'body : slow* NOT hills';
CREATE VIRTUAL TABLE r USING rtree(id, x0, x1); INSERT INTO r VALUES (1, 0, 5), (2, 4, 9); SELECT id FROM r WHERE x1 > 5;
.mode box
SELECT id, name FROM t LIMIT 2;
.mode json
SELECT id, name, v FROM t LIMIT 2;
.mode csv
.headers on
.output out.csv
SELECT * FROM t WHERE id < 30;
.output
.mode list
.headers off
.import --csv out.csv imported
SELECT count(*), avg(id) FROM imported;
.backup b.db
.schema t
.tables
.indexes t
.dump log
.save c.db
PRAGMA integrity_check; PRAGMA page_count; PRAGMA wal_checkpoint(TRUNCATE); VACUUM; PRAGMA freelist_count; SELECT hex(zeroblob(3)), typeof(1.0), quote('it''s'), date('2024-02-29', '+1 year'), strftime('%j', '2024-12-31'), unicode('é'), instr('hello', 'l'), upper('é'), sqrt(2), 7 / 2, 7 % 4, 1e400, -0.0, 9223372036854775807 + 1, NULL IS NULL, 'a' || 1;
SELECT bad FROM t;
SELECT 'not reached';
S
echo $?; sqlite3 b.db 'SELECT count(*) FROM t; INSERT INTO t(id) VALUES (50)'; echo $?; sqlite3 -readonly b.db 'DELETE FROM t'; echo $?; sqlite3 c.db .dump | sha256sum; sqlite3 :memory: '.read /dev/stdin' <<<'SELECT sqlite_version() > 3;'; sqlite3 -separator '|' -header -cmd '.nullvalue NULL' a.db 'SELECT id, j FROM t WHERE j IS NULL OR id = 11'; sqlite3 nofile/x 'SELECT 1'; echo $?; echo garbage garbage garbage >g.db; sqlite3 g.db .tables; echo $?; sqlite3 a.db '.recover' | grep -c INSERT; sqlite3 a.db '.sha3sum' '.dbinfo' | grep -E '^(database page size|number of tables|schema size)|^[0-9a-f]{32}'
mkfifo go; (echo 'BEGIN IMMEDIATE; INSERT INTO log VALUES (-1);'; cat go; echo 'COMMIT;') | sqlite3 a.db & sleep 0.5; sqlite3 a.db 'SELECT count(*) FROM log; INSERT INTO log VALUES (-2)'; echo $?; (sleep 0.3; : >go) & sqlite3 a.db '.timeout 5000' 'INSERT INTO log VALUES (-3); SELECT count(*) FROM log'; wait; for m in DELETE TRUNCATE PERSIST MEMORY; do sqlite3 m.db "PRAGMA journal_mode=$m; CREATE TABLE IF NOT EXISTS x (a); BEGIN EXCLUSIVE; INSERT INTO x VALUES ('$m'); COMMIT; SELECT group_concat(a) FROM x;"; done
sqlite3 m.db 'CREATE TABLE n (a)'; for i in 1 2 3 4; do (for j in $(seq 15); do sqlite3 -cmd '.timeout 20000' m.db "INSERT INTO n VALUES ($i * 100 + $j)" >/dev/null; done) & done; wait; sqlite3 m.db 'SELECT count(*), sum(a), count(DISTINCT a) FROM n'; { (echo 'BEGIN; INSERT INTO n VALUES (1);'; sleep 0.3; echo '.shell kill -9 $PPID') | sqlite3 m.db >/dev/null; } 2>/dev/null; sqlite3 m.db 'SELECT count(*) FROM n; PRAGMA integrity_check'; sqlite3 :memory: -cmd '.timer off' 'WITH RECURSIVE x(a, b) AS (SELECT 1, 1 UNION ALL SELECT a + 1, (b * 1103515245 + 12345) % 2147483648 FROM x LIMIT 200000) SELECT sum(b), min(b) FROM x'
cat >l.lua <<'L'
local t = setmetatable({}, {__index = function(_, k) return k .. "!" end, __call = function(_, a) return a * 2 end, __close = function() print "closed" end, __gc = function() end, __tostring = function() return "T" end})
print(t.x, t(4), tostring(t), #"é", utf8.len "é", 7 // 2, 7 / 2, -7 % 3, 2 ^ 10, 1 << 62, 5 & 3, 10 // 0.0, math.type(3), math.maxinteger + 1 == math.mininteger, 0x7fp3, 1e15, 2^53)
do local c <close> = t end
local co = coroutine.wrap(function(a) for i = 1, 3 do a = coroutine.yield(a + i) end return "end" end); print(co(1), co(10), co(100), co())
print(pcall(error, {code = 1}), select("#", nil, nil), pcall(function() local x = nil; return x.y end)); print(xpcall(function() error("e", 2) end, function(m) return "H:" .. m end))
print(("hello world"):gsub("o", "0"), ("k=v, a=b"):gsub("(%w+)=(%w+)", "%2=%1"), ("abc"):find("b", 1, true), ("%d+"):rep(2, "-"), ("x"):byte(), string.format("%5.2f|%-5s|%q|%x|%a", 3.14159, "ab", "a\nb", 255, 0.5)); for k, v in string.gmatch("a=1,b=2", "(%w+)=(%w+)") do io.write(k, v, ";") end print()
local s = {}; for i = 1, 1000 do s[i] = (i * 7919) % 1009 end table.sort(s); print(s[1], s[500], #s, table.concat(s, ",", 1, 5), table.unpack({1, 2, 3}, 2)); print(string.pack("<i4z", 7, "ab"):byte(1, -1)); print(string.unpack(">I2", "\1\2"))
local f = assert(io.open("/tmp/lf", "w")); f:write("one\n", 2, "\n"); f:close(); for l in io.lines("/tmp/lf") do io.write("[", l, "]") end print(io.open("/nofile")); f = io.popen("echo popen; exit 3"); print(f:read "a", f:close()); print(os.execute("exit 4")); print(os.getenv "HOME", os.time {year = 2000, month = 1, day = 1, hour = 0}, os.date("!%F %T", 1e9), os.rename("/tmp/lf", "/tmp/lg"), os.remove("/tmp/lf"))
print(load("return 1 +")); print(load("return ...")(5)); goto done; print "skipped" ::done:: print(require "string" == string, #arg, arg[1], debug.getinfo(1, "S").short_src, collectgarbage("count") > 0); local w = setmetatable({}, {__mode = "k"}); w[{}] = 1; collectgarbage(); print(next(w)); local n = 0; for i = 1, 3e6 do n = n + i % 7 end print(n); error "last"
L
lua5.4 l.lua arg; echo $?; luac5.4 -o l.luac l.lua && lua5.4 l.luac 2>/dev/null | md5sum; lua5.4 -e 'print(1)' -i </dev/null; echo 'x = 5 return x' | lua5.4 -; lua5.4 -l nosuch; echo $?; luac5.4 -l -p - <<<'return 1' | grep -c RETURN
