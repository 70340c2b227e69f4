# PostgreSQL: initdb, pg_ctl, psql, transactions side by side, COPY, indexes, VACUUM, pgbench; what a restart, a crash and kill -9 leave.
# image: userland
# package: postgresql-15
# native: -r
# options: --memory 2G
bin=/usr/lib/postgresql/15/bin
export PGDATA=/tmp/pg PGHOST=/tmp/run PGDATABASE=work PGUSER=postgres LC_ALL=C.UTF-8
mkdir /tmp/run && chown postgres: /tmp/run
as() { runuser -u postgres -- "$@"; }
query() { as $bin/psql -X -q -A -t -v ON_ERROR_STOP=1 -v VERBOSITY=terse "$@"; }
step() { echo "== $*"; }

step initdb
as $bin/initdb --auth=trust --no-sync -E UTF8 >/tmp/initdb 2>/tmp/initdb.err; echo "status $?"; grep -E '^(creating|Success|running|syncing|fixing)' /tmp/initdb
cat >>$PGDATA/postgresql.conf <<'END'
listen_addresses = ''
unix_socket_directories = '/tmp/run'
shared_buffers = 16MB
log_line_prefix = ''
log_checkpoints = off
END
start() { as $bin/pg_ctl -w -s -l /tmp/run/log start; echo "start $?"; }
stop() { as $bin/pg_ctl -w -s -m "$1" stop; echo "stop $1 $?"; }
start
as $bin/createdb work; echo "createdb $?"
as $bin/pg_isready; query -c 'show server_version_num' | cut -c1-2

step tables
query <<'END'
create table person(id serial primary key, name text not null unique, born date, score numeric(10,2) check (score >= 0));
insert into person(name, born, score) select 'p' || n, date '2000-01-01' + n, n * 1.25 from generate_series(1, 2000) n;
create index by_score on person using btree (score);
create index by_name on person using hash (name);
create table document(id int primary key, body jsonb, words tsvector);
insert into document select n, jsonb_build_object('n', n, 'tags', jsonb_build_array('a' || n % 7, 'b')), to_tsvector('english', 'running dogs ' || n) from generate_series(1, 300) n;
create index on document using gin (body);
create index on document using gin (words);
analyze;
select count(*), sum(score), min(born), max(name) from person;
select count(*) from document where body @> '{"tags": ["a3"]}';
select count(*) from document where words @@ to_tsquery('english', 'dog & run');
set enable_seqscan = off;
explain (costs off) select name from person where score between 10 and 20;
select name, rank() over (order by score desc) from person order by 2 limit 3;
with recursive f(a, b) as (select 0::numeric, 1::numeric union all select b, a + b from f where b < 1000) select string_agg(a::text, ',') from f;
END
query -c "insert into person(name, score) values('p1', 1)"; echo "status $?"
query -c "insert into person(name, score) values('bad', -1)"; echo "status $?"

step functions
query <<'END'
create function fib(n int) returns bigint language plpgsql as $$ begin return case when n < 2 then n else fib(n - 1) + fib(n - 2) end; end $$;
select fib(15);
create function touched() returns trigger language plpgsql as $$ begin new.name = upper(new.name); return new; end $$;
create trigger t before insert on person for each row execute function touched();
insert into person(name, score) values('small', 3) returning name;
begin; savepoint a; delete from person; rollback to a; select count(*) from person; commit;
prepare q(int) as select name from person where id = $1; execute q(42);
END

query -c "listen news" -c "notify news, 'hello'" | sed 's/PID [0-9]*/PID N/'

step COPY
query -c "copy (select * from person order by id limit 500) to stdout with csv header" >/tmp/people.csv; md5sum </tmp/people.csv
query -c "create table copied(like person)" -c "\\copy copied from /tmp/people.csv csv header" -c "select count(*), md5(string_agg(name, ',' order by id)) from copied"
as $bin/pg_dump -t copied --data-only | grep -c '^[0-9]'

step 'side by side'
query -c "create table account(id int primary key, amount int)" -c "insert into account select n, 100 from generate_series(1, 10) n"
for job in 1 2 3 4 5 6; do
    for n in $(seq 10); do
        echo "begin; update account set amount = amount - 1 where id = $job; update account set amount = amount + 1 where id = 10; commit;"
    done | query &
done
wait
query -c "select sum(amount), (select amount from account where id = 10) from account"
(echo "begin; select pg_advisory_lock(1); select 1 from account where id = 1 for update; select pg_sleep(1.5); commit;" | query >/dev/null) &
sleep 0.5
query -c "select id from account where id = 1 for update nowait"; echo "nowait $?"
query -c "set lock_timeout = '200ms'; update account set amount = 0 where id = 1"; echo "timeout $?"
query -c "select count(*) from pg_stat_activity where wait_event = 'PgSleep'"
wait
query -c "update account set amount = 5 where id = 1 returning amount"
query -c "set statement_timeout = '100ms'; select pg_sleep(10)"; echo "statement $?"

step VACUUM
query -c "delete from person where id % 2 = 0" -c "vacuum (full, analyze) person" -c "vacuum account" -c "reindex table person" -c checkpoint -c "select count(*), sum(score) from person"

step parallel
query <<'END'
set min_parallel_table_scan_size = 0; set parallel_setup_cost = 0; set parallel_tuple_cost = 0; set max_parallel_workers_per_gather = 2;
create table big as select n, n % 97 as k from generate_series(1, 60000) n;
analyze big;
explain (costs off) select count(*) from big where k = 5;
select count(*), sum(n) from big where k = 5;
set work_mem = '64kB';
select count(*) from (select * from big order by k, n offset 1000) x;
END

step restart
stop fast; start
query -c "select count(*), sum(score) from person"
query -c "create table kept as select generate_series(1, 1000) n"
stop immediate; start
query -c "select count(*), sum(n) from kept"
query -c "insert into kept select generate_series(1001, 1500)"
kill -9 $(head -1 $PGDATA/postmaster.pid)
while pgrep -x postgres >/dev/null; do sleep 0.1; done
start
query -c "select count(*), sum(n) from kept"
kill -9 $(query -c "select pid from pg_stat_activity where backend_type = 'checkpointer'")
for n in $(seq 50); do sleep 0.2; as $bin/pg_isready -q && break; done
query -c "select count(*), sum(n) from kept"
grep -oE 'database system was (shut down|interrupted|not properly shut down)' /tmp/run/log | uniq

step pgbench
as $bin/pgbench -q -i -s 1 work >/dev/null 2>&1; echo "init $?"
as $bin/pgbench -n -c 4 -j 2 -t 25 work 2>&1 | grep -E 'processed|failed'
query -c "select count(*), sum(delta) = (select sum(abalance) from pgbench_accounts) from pgbench_history"
stop smart
ls $PGDATA/postmaster.pid
