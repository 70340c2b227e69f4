# redis-server with redis-cli: data types, scripts, transactions, publish and subscribe, expiry, replication, RDB and AOF across restarts.
# image: userland
# package: redis-server
# native: -r
dir=/tmp/redis socket=/tmp/redis/s
mkdir $dir && chown redis: $dir
cli() { redis-cli -s $socket "$@"; }
step() { echo "== $*"; }
serve() { runuser -u redis -- redis-server --port 0 --unixsocket $socket --dir $dir --daemonize yes --pidfile $dir/pid --logfile $dir/log "$@"; ready $socket; }
ready() { for n in $(seq 100); do [ "$(redis-cli -s $1 ping 2>/dev/null)" = PONG ] && return; sleep 0.1; done; echo "no $1"; }
gone() { while [ -S ${1-$socket} ]; do sleep 0.05; done; }

step types
serve --appendonly yes --save ''
cli <<'END'
set a 1
incr a
incrbyfloat a 0.5
append a x
getrange a 0 1
setbit bits 100 1
bitcount bits
set once 1 nx
set once 2 nx
mset k1 v1 k2 v2
mget k1 k2 none
rpush l a b c d
lpush l z
lrange l 0 -1
lmove l l left right
linsert l before c y
lrange l 0 -1
hset h f1 1 f2 two
hincrby h f1 41
hgetall h
sadd s1 a b c
sadd s2 b c d
sinterstore s3 s1 s2
sismember s3 c
scard s1
zadd z 1 one 3 three 2 two
zrangebyscore z 2 +inf withscores
zincrby z 10 one
zrevrank z one
pfadd hll a b c a
pfcount hll
geoadd g 13.361389 38.115556 Palermo 15.087269 37.502669 Catania
geodist g Palermo Catania km
xadd st 1-1 f v
xadd st 1-2 f w
xlen st
xrange st - +
xgroup create st grp 0
xreadgroup group grp me count 1 streams st >
xpending st grp
xack st grp 1-1
type st
object encoding a
lpush a 1
nosuch
END

step expiry
cli set e 1 px 50; cli ttl a; sleep 0.3; cli exists e; cli set e 2 ex 100; cli ttl e

step scripts
cli eval "local n = 0; for i = 1, tonumber(ARGV[1]) do n = n + i end; redis.call('set', KEYS[1], n); return {n, redis.call('get', KEYS[1]), cjson.encode({x = {1, 2}}), #struct.pack('>I4', 7)}" 1 sum 1000
sha=$(cli script load "return redis.call('incr', KEYS[1])"); echo $sha; cli evalsha $sha 1 counter; cli evalsha $sha 1 counter
cli eval "return redis.error_reply('MY mistake')" 0; cli eval "return nothere.x" 0 | cut -c1-40
cli function load "#!lua name=lib
redis.register_function('twice', function(keys, args) return args[1] * 2 end)"; cli fcall twice 0 21

step transactions
printf 'multi\nset m 1\nincr m\nexec\nmulti\nset m 5\ndiscard\nget m\nwatch m\nmulti\nincr s1\nexec\n' | cli
for n in 1 2 3 4 5; do (for i in $(seq 20); do echo 'incr together'; done | cli >/dev/null) & done; wait $(jobs -p); cli get together
(seq 1 5000 | sed 's/.*/set pipe:& value&/' | cli --pipe) | tail -1; cli dbsize

step 'publish and subscribe'
(timeout 20 redis-cli -s $socket --csv subscribe news | head -3 >$dir/heard) & sub=$!
while [ "$(cli publish news hello)" = 0 ]; do sleep 0.1; done
cli publish news again >/dev/null; wait $sub; cat $dir/heard
(cli blpop queue 20 >$dir/popped) & pop=$!; while [ "$(cli client list | grep -c blpop)" = 0 ]; do sleep 0.05; done; cli rpush queue job; wait $pop; cat $dir/popped

step 'append-only file'
cli bgrewriteaof; while cli info persistence | grep -q 'aof_rewrite_in_progress:1\|aof_rewrite_scheduled:1'; do sleep 0.05; done
cli set after rewrite; cli debug sleep 0 2>&1 | cut -c1-20
kill -9 $(cat $dir/pid); while kill -0 $(cat $dir/pid) 2>/dev/null; do sleep 0.05; done; rm -f $socket
serve --appendonly yes --save ''
cli dbsize; cli get after; cli get pipe:4999; cli fcall twice 0 4; cli zrange z 0 -1
redis-check-aof $dir/appendonlydir/*.manifest | tail -1
cli shutdown; gone

step 'RDB file'
serve --appendonly no
cli set saved 1; for n in $(seq 300); do echo "rpush big $n"; done | cli | tail -1
cli bgsave; while cli info persistence | grep -q 'rdb_bgsave_in_progress:1'; do sleep 0.05; done; cli info persistence | grep rdb_last_bgsave_status
cli set saved 2; cli save; cli shutdown nosave; gone
redis-check-rdb $dir/dump.rdb | tail -2 | cut -c1-40
serve --appendonly no
cli get saved; cli llen big

step replica
mkdir $dir/2
redis-server --port 0 --unixsocket $dir/s2 --dir $dir/2 --daemonize yes --logfile $dir/log2 --save '' >/dev/null; ready $dir/s2
chmod 777 $dir/2; runuser -u redis -- redis-server --port 7001 --bind 127.0.0.1 --dir $dir/2 --unixsocket $dir/s3 --daemonize yes --logfile $dir/log3 --save ''; ready $dir/s3
redis-cli -p 7001 set from tcp
redis-cli -s $dir/s2 replicaof 127.0.0.1 7001
for n in $(seq 100); do redis-cli -s $dir/s2 get from | grep -q tcp && break; sleep 0.1; done; redis-cli -s $dir/s2 get from; redis-cli -s $dir/s2 set x 1; redis-cli -s $dir/s2 role | head -1
redis-cli -p 7001 wait 1 5000
redis-cli -p 7001 shutdown; redis-cli -s $dir/s2 shutdown

step benchmark
redis-benchmark -s $socket -q -n 2000 -c 10 -P 4 -t set,get,lpush,zadd 2>&1 | tr '\r' '\n' | grep 'requests per' | sed 's/:.*//'
cli config get maxmemory-policy; cli config set maxmemory 2mb; cli config set maxmemory-policy allkeys-lru
for n in $(seq 60); do echo "set fat:$n $(printf '%050000d' $n)"; done | cli | sort | uniq -c
[ "$(cli dbsize)" -lt 370 ] && echo evicted
cli flushall; cli memory doctor | cut -c1-20
cli shutdown nosave; gone
grep -c 'Background saving terminated with success\|Background AOF rewrite finished' $dir/log
