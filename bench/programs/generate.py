# Writes an input of a benchmark to standard output, the same bytes whenever: generate.py text|bytes|source|sql SIZE
#
# text: SIZE KiB of English-like lines; bytes: SIZE KiB that do not compress; source: a C file of SIZE functions; sql: a script for
# sqlite3 that inserts SIZE rows.
import itertools, random, sys
kind, size = sys.argv[1], int(sys.argv[2])
random.seed(20)
def words(n):
    syllables = ["ta", "lo", "mi", "ren", "sol", "que", "ar", "then", "o", "vi", "stra", "ne", "pur", "ing", "ed", "ca"]
    return ["".join(random.choices(syllables, k=1 + i % 4)) for i in range(n)]
def text():
    known, left = words(4000), size * 1024
    weights = list(itertools.accumulate(1 / (i + 3) for i in range(len(known))))
    while left > 0:
        line = " ".join(random.choices(known, cum_weights=weights, k=11)) + ", %d.\n" % random.randrange(100000)
        sys.stdout.write(line[:left])
        left -= len(line)
def some_bytes():
    for _ in range(size): sys.stdout.buffer.write(random.randbytes(1024))
FUNCTION = """
static int f{i}(struct item *items, int n, unsigned key)
{{
    int i, j, sum = {a};
    for (i = 0; i < n; i++) {{
        struct item *it = &items[(i * {b} + {c}) % n];
        switch ((it->kind + key) % 5) {{
        case 0: sum += it->value * {a}; break;
        case 1: it->value ^= (int)(key >> {d}); break;
        case 2: sum -= f{back}(items, n / 2, key / 3); break;
        case 3: it->name[i % sizeof it->name] = (char)(sum + '{letter}'); break;
        default: it->weight = it->weight * {a}.5 + sum / (it->weight + 1); break;
        }}
        for (j = 0; j < 8; j++) it->count[j] += it->count[(j + {d}) & 7] * (unsigned)j + key;
        if (it->weight > {c} && strlen(it->name) > {d}) sum = sum % {prime} + (int)it->weight;
    }}
    while (sum > {prime}) sum = sum / 2 - (sum & {b});
    return sum;
}}
"""
def source():
    print("#include <stdio.h>\n#include <string.h>\n\nstruct item {\n    int kind, value;\n    unsigned count[8];\n"
          "    char name[24];\n    double weight;\n};\n\nstatic int f0(struct item *items, int n, unsigned key) { return items[key % (unsigned)n].kind; }")
    for i in range(1, size):
        print(FUNCTION.format(i=i, a=random.randrange(2, 99), b=random.randrange(3, 64), c=random.randrange(1, 50), d=random.randrange(1, 8),
                              back=random.randrange(max(0, i - 9), i), letter=random.choice("abcdxyz"), prime=random.choice([1009, 2003, 7919])))
    print("\nint main(void)\n{\n    static struct item items[16];\n    int sum = 0;")
    for i in range(0, size, 7): print(f"    sum += f{i}(items, 3, {i}u);")
    print('    printf("%d\\n", sum);\n    return 0;\n}')
SQL = """create table person(id integer primary key, name text, city integer, age integer, note text);
create table city(id integer primary key, name text unique);
create table bill(id integer primary key, person integer references person, cents integer, day integer);
begin;
with recursive n(i) as (select 1 union all select i + 1 from n where i < 500) insert into city select i, 'city' || i from n;
with recursive n(i) as (select 1 union all select i + 1 from n where i < {n})
insert into person select i, printf('name%06d', i * 7919 % {n}), i * 31 % 500 + 1, i * 17 % 90, hex(i * i) || ' note ' || (i % 13) from n;
with recursive n(i) as (select 1 union all select i + 1 from n where i < {n} * 3)
insert into bill select i, i * 7 % {n} + 1, i * 97 % 10000, i % 365 from n;
commit;
create index person_name on person(name);
create index bill_person on bill(person, day);
select c.name, count(*), avg(p.age), max(p.name) from person p join city c on c.id = p.city group by c.id order by 3 desc, 1 limit 5;
select p.city, sum(b.cents) total from person p join bill b on b.person = p.id where b.day between 50 and 200 group by 1 order by total desc limit 5;
select count(*), sum(length(note)) from person where note like '%note 7%' or name glob 'name0*5';
select day, sum(cents) over (order by day) from (select day, sum(cents) cents from bill group by day) limit 5 offset 100;
update person set note = upper(note) || substr(name, 3), age = age + 1 where id % 3 = 0;
delete from bill where cents % 7 = 0;
select count(distinct name), sum(age), (select sum(cents * day) from bill) from person;
select p.name from person p where exists (select 1 from bill b where b.person = p.id and b.cents > 9990) order by p.name desc limit 3;
"""
{"text": text, "bytes": some_bytes, "source": source, "sql": lambda: print(SQL.format(n=size))}[kind]()
