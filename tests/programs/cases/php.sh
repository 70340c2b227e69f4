# PHP: the language, its extensions, streams, processes with pcntl and proc_open, sockets, System V IPC, phar, FFI, opcache; the built-in web server with curl.
# image: userland
# package: php8.2-cli curl
cd /tmp && mkdir p && cd p || exit
run() { echo "== ${*: -1}"; timeout 60 php "$@"; local status=$?; [ $status = 0 ] || echo "status $status"; }
cat >language.php <<'END'
<?php declare(strict_types=1);
function show(...$x) { echo implode(' ', array_map(fn($v) => json_encode($v, JSON_UNESCAPED_UNICODE | JSON_PARTIAL_OUTPUT_ON_ERROR), $x)), "\n"; }
show(PHP_MAJOR_VERSION, PHP_INT_MAX + 1, 0.1 + 0.2, intdiv(7, 2), 7 % -3, fdiv(1, 3), 10 ** 20, "10" == "1e1", 0 == "a", null ?? 'd', 5 <=> 3, PHP_OS, PHP_SAPI, 1_000, 0b11, round(2.5), number_format(1234567.891, 2));
show(array_map(null, [1, 2], ['a', 'b']), array_filter(range(1, 6), fn($x) => $x % 2), array_column([['a' => 1], ['a' => 2]], 'a'), array_unique([1, '1', 2]), compact('argc'), [...[1], ...['k' => 2]], array_sum([1.5, 2]), str_pad('x', 5, '-', STR_PAD_BOTH), ucwords('a b'), wordwrap('aaa bbb ccc', 7), similar_text('World', 'Word'), levenshtein('kitten', 'sitting'), soundex('x'), metaphone('Thompson'));
enum Suit: string { case A = 'a'; case B = 'b'; const C = self::A; function up() { return strtoupper($this->value); } }
readonly class P { function __construct(public int $x, protected ?array $l = null) {} function __get($n) { return "magic $n"; } static function make(...$a): static { return new static(...$a); } }
trait T { private $n = 0; function more() { return ++$this->n; } } $o = new class { use T; function __invoke($x) { return $x * 2; } };
show(Suit::from('b')->up(), Suit::tryFrom('z'), Suit::C->name, P::make(x: 5)->x, $o->more() + $o->more(), array_map($o, [1, 2]), match (true) { $o instanceof Countable => 1, default => 2 });
try { $p = new P(1); $p->x = 2; } catch (Error $e) { show($e->getMessage()); } try { strlen(5); } catch (TypeError $e) { show(substr($e->getMessage(), 0, 40)); } try { 1 % 0; } catch (DivisionByZeroError $e) { show($e::class); } finally { echo "finally\n"; }
function gen() { try { $x = yield 1; echo "got $x\n"; yield from [2, 3]; return 4; } finally { echo "closed\n"; } } $g = gen(); show($g->current(), $g->send('sent'), $g->current(), $g->next(), $g->current(), $g->next(), $g->getReturn());
$f = new Fiber(function ($a) { $b = Fiber::suspend($a * 2); echo "resumed $b\n"; return 'done'; }); show($f->start(21)); $f->resume('x'); show($f->getReturn());
show(preg_match_all('/(?<w>\w)(\d)/u', 'é1 b2', $m), $m['w'], preg_replace_callback('/\d+/', fn($m) => (string)($m[0] * 2), 'a1b22'), preg_split('/[,;]/', 'a,b;c'), sprintf('%05.1f|%-6s|%x|%b|%e', 3.14159, 'ab', 255, 5, 12345.678), sscanf('12 apples', '%d %s'), unpack('nx/Cy', "\x01\x02\x03"), bin2hex(pack('Nvd', 1, 2, 1.5)));
show(md5('x'), hash('sha256', 'x'), hash('xxh3', 'x'), crc32('x'), base64_encode(hex2bin('ff00')), password_verify('p', password_hash('p', PASSWORD_BCRYPT, ['cost' => 4])), strlen(random_bytes(9)), hash_hmac('sha1', 'a', 'k'), hash_pbkdf2('sha256', 'p', 's', 100, 16));
show(serialize([1, 'a' => [true, null, 1.5]]), unserialize('a:1:{i:0;s:1:"x";}'), json_decode('{"a":{"b":[1,2.0]}}', true), var_export([1 => null], true), date('Y-m-d H:i:s', 86400 * 365), (new DateTimeImmutable('2024-02-29', new DateTimeZone('Europe/Berlin')))->modify('+1 year')->format(DATE_ATOM), date_diff(date_create('2024-01-01'), date_create('2024-03-01'))->days, checkdate(2, 30, 2024));
mt_srand(42); show(mt_rand(), mt_rand(1, 6), (new Random\Randomizer(new Random\Engine\Xoshiro256StarStar(1)))->getInt(1, 1000000));
$h = new SplPriorityQueue; foreach ([3, 1, 2] as $x) $h->insert("v$x", $x); show($h->extract(), (new SplFixedArray(3))->getSize(), iterator_to_array(new LimitIterator(new ArrayIterator(range(1, 9)), 2, 3), false), (string)(new ReflectionFunction('gen'))->getNumberOfParameters(), (new WeakMap)->count());
$a = 0; for ($i = 0; $i < 5000000; $i++) { $a = ($a * 31 + $i) & 0xffffffff; } show($a); function fib($n) { return $n < 2 ? $n : fib($n - 1) + fib($n - 2); } show(fib(24)); $s = ''; for ($i = 0; $i < 200000; $i++) $s .= chr($i % 256); show(md5($s), strrev('abc'), count(array_flip(range(0, 99999))));
$x = []; for ($i = 0; $i < 300000; $i++) $x[] = "k$i"; sort($x); show($x[12345], count($x)); usort($x, fn($a, $b) => strlen($a) <=> strlen($b) ?: strcmp($b, $a)); show($x[0]); unset($x); $c = new stdClass; $c->c = $c; unset($c); show(gc_collect_cycles() > 0, memory_get_peak_usage() > 1e6);
ob_start(); echo 'buffered'; show(strtoupper(ob_get_clean()), iconv('UTF-8', 'ISO-8859-1', 'é') === "\xe9", ctype_alpha('ab'), token_name(token_get_all('<?php 1;')[0][0]), filter_var('a@b.cd', FILTER_VALIDATE_EMAIL), parse_url('http://u@h:8/p?q#f'), http_build_query(['a' => [1, 2]]), htmlspecialchars('<a href="x">'), strip_tags('<b>x</b>'), strtotime('1 January 2024 UTC'), cal_days_in_month(CAL_GREGORIAN, 2, 2024), easter_days(2024));
set_error_handler(function ($n, $s) { echo "handler: $s\n"; return true; }); echo $undefined; register_shutdown_function(fn() => print("shutdown\n")); throw new LogicException('end');
END
run -d display_errors=stdout -d log_errors=0 language.php
cat >system.php <<'END'
<?php
function show(...$x) { echo json_encode($x), "\n"; }
pcntl_async_signals(true); pcntl_signal(SIGUSR1, fn($s) => print("signal $s\n")); posix_kill(posix_getpid(), SIGUSR1);
$pids = []; for ($i = 1; $i <= 3; $i++) { $pid = pcntl_fork(); if (!$pid) { usleep(1000 * (4 - $i)); exit($i); } $pids[] = $pid; } foreach ($pids as $p) { pcntl_waitpid($p, $st); show(pcntl_wifexited($st), pcntl_wexitstatus($st)); }
$pid = pcntl_fork(); if (!$pid) { sleep(60); } posix_kill($pid, SIGTERM); pcntl_waitpid($pid, $st); show(pcntl_wtermsig($st)); pcntl_alarm(1); pcntl_signal(SIGALRM, fn() => print("alarm\n")); show(sleep(5) >= 3);
$p = proc_open(['tr', 'a-z', 'A-Z'], [['pipe', 'r'], ['pipe', 'w'], ['file', '/dev/null', 'w']], $pipes, '/usr', ['A' => '1']); fwrite($pipes[0], "process\n"); fclose($pipes[0]); show(stream_get_contents($pipes[1]), proc_close($p));
show(exec('echo a; echo b; exit 3', $out, $code), $out, $code, shell_exec('echo $((6*7))'), `id -u`, escapeshellarg("it's")); system('echo system'); passthru('printf "\001" | wc -c');
$sem = sem_get(1); $shm = shm_attach(2, 10000); shm_put_var($shm, 1, 0); $pids = []; for ($i = 0; $i < 4; $i++) { if (!($pids[] = pcntl_fork())) { for ($j = 0; $j < 50; $j++) { sem_acquire($sem); shm_put_var($shm, 1, shm_get_var($shm, 1) + 1); sem_release($sem); } exit(0); } } foreach ($pids as $p) pcntl_waitpid($p, $st); show(shm_get_var($shm, 1)); shm_remove($shm); sem_remove($sem);
$q = msg_get_queue(3); if (!pcntl_fork()) { msg_send($q, 5, ['from' => 'child']); exit; } msg_receive($q, 5, $type, 1000, $m); pcntl_wait($st); show($type, $m); msg_remove_queue($q); $b = shmop_open(4, 'c', 0600, 100); shmop_write($b, 'block', 10); show(shmop_read($b, 10, 5)); shmop_delete($b);
$s = stream_socket_server('tcp://127.0.0.1:0', $e, $es); $name = stream_socket_get_name($s, false); if (!pcntl_fork()) { for ($i = 0; $i < 3; $i++) { $c = stream_socket_accept($s); fwrite($c, strrev(trim(fgets($c))) . "\n"); fclose($c); } exit; } for ($i = 0; $i < 3; $i++) { $c = stream_socket_client("tcp://$name"); fwrite($c, "client $i\n"); show(fgets($c)); fclose($c); } pcntl_wait($st);
socket_create_pair(AF_UNIX, SOCK_STREAM, 0, $pair); socket_write($pair[0], 'pair'); $r = [$pair[1]]; $w = $x = null; show(socket_select($r, $w, $x, 1), socket_read($pair[1], 9)); [$a, $b] = stream_socket_pair(STREAM_PF_UNIX, STREAM_SOCK_STREAM, 0); stream_set_blocking($a, false); show(fread($a, 5), @stream_socket_client('tcp://127.0.0.1:9', $e, $es), $e);
mkdir('d/e', 0755, true); file_put_contents('d/f', "line 1\nline 2\n"); file_put_contents('d/f', "line 3\n", FILE_APPEND | LOCK_EX); show(file('d/f', FILE_IGNORE_NEW_LINES), filesize('d/f'), scandir('d'), is_dir('d/e'), realpath('d/../d/f'), glob('d/*'), pathinfo('/a/b.c.d'), decoct(fileperms('d') & 0777)); $f = fopen('d/f', 'r+'); flock($f, LOCK_EX); fseek($f, 5); fwrite($f, 'X'); ftruncate($f, 8); rewind($f); show(fgets($f), ftell($f), fstat($f)['size']); symlink('f', 'd/l'); rename('d/f', 'd/g'); show(readlink('d/l'), file_exists('d/l'), @unlink('d/nope'), error_get_last()['message']);
$z = fopen('php://temp', 'w+'); fwrite($z, 'memory'); rewind($z); show(stream_get_contents($z), file_get_contents('data:text/plain;base64,eA=='), finfo_file(finfo_open(FILEINFO_MIME_TYPE), '/usr/bin/bash'), function_exists('gzencode') ? strlen(gzdecode(gzencode(str_repeat('z', 1000)))) : 0); stream_filter_append($o = fopen('rot', 'w'), 'string.rot13'); fwrite($o, 'hello'); fclose($o); show(file_get_contents('rot'));
$ffi = FFI::cdef('int abs(int); typedef struct { int a; double b; } s; void qsort(void *, size_t, size_t, int (*)(const int *, const int *));'); $s = $ffi->new('s'); $s->b = 1.5; $v = $ffi->new('int[4]'); foreach ([4, 1, 3, 2] as $i => $x) $v[$i] = $x; $ffi->qsort($v, 4, 4, fn($a, $b) => $a[0] - $b[0]); show($ffi->abs(-7), $s->b, FFI::sizeof($s), [$v[0], $v[3]]);
show(posix_getuid(), posix_getpwuid(0)['name'], posix_uname()['nodename'], gethostbyname('localhost'), getenv('HOME'), sys_get_temp_dir(), is_array(getrusage()), usleep(1000), hrtime(true) > 0, php_ini_loaded_file(), posix_isatty(1)); fprintf(STDERR, "err %s\n", PHP_EOL === "\n"); exit(7);
END
run -d ffi.enable=1 system.php
php -m | grep -vE '^\[|^$' | tr '\n' ' '; echo
cat >lib.php <<'END'
<?php return fn() => "from the phar";
END
php -d phar.readonly=0 -r '$p = new Phar("a.phar"); $p["lib.php"] = file_get_contents("lib.php"); $p->setStub("<?php Phar::mapPhar(); \$f = require \"phar://\" . __FILE__ . \"/lib.php\"; echo \$f(), PHP_EOL; __HALT_COMPILER();"); echo count($p), PHP_EOL;'; php a.phar
echo '<?= 6 * 7 ?> text' | php; echo 'a,b' | php -R 'echo strtoupper($argn), "\n";'; php -r 'syntax error' 2>&1 | head -2; php -l language.php; printf 'echo 1 + 1;\n' | php -a | tail -1
php -d opcache.enable_cli=1 -d opcache.jit=tracing -d opcache.jit_buffer_size=8M -r 'function f($n) { return $n < 2 ? $n : f($n - 1) + f($n - 2); } echo f(22), " ", opcache_get_status()["jit"]["on"] ? "jit" : "no jit", "\n";'
php -d opcache.enable_cli=1 -d opcache.file_cache=/tmp/p -r 'echo opcache_get_status()["opcache_enabled"], "\n";'
php -d memory_limit=8M -r '$a = str_repeat("x", 1e8);' 2>&1 | grep -o 'Allowed memory size of [0-9]*' | head -1; php -d max_execution_time=1 -r 'set_time_limit(1); for (;;);' 2>&1 | grep -o 'Maximum execution time of [0-9]*' | head -1
echo '== web server'
mkdir www && echo '<?php header("X-Test: yes"); setcookie("c", "v"); session_save_path("/tmp/p"); session_start(); $_SESSION["n"] = ($_SESSION["n"] ?? 0) + 1; echo json_encode([$_GET, $_POST, $_SESSION["n"], $_SERVER["REQUEST_METHOD"], array_map(fn($f) => [$f["name"], $f["size"]], $_FILES), strlen(file_get_contents("php://input"))]), "\n";' >www/index.php; seq 5000 >www/n.txt
PHP_CLI_SERVER_WORKERS=3 php -S 127.0.0.1:8040 -t www >log 2>&1 & server=$!
for n in $(seq 100); do curl -s -o /dev/null http://127.0.0.1:8040/n.txt && break; sleep 0.05; done
get() { curl -sS --max-time 20 "$@"; }
get http://127.0.0.1:8040/?a=1; get -b jar -c jar http://127.0.0.1:8040/; get -b jar -c jar http://127.0.0.1:8040/; get -d 'x=1&y[]=2' http://127.0.0.1:8040/p; get -F f=@language.php -F g=@www/n.txt\;filename=n http://127.0.0.1:8040/; get --data-binary @www/n.txt -H 'Content-Type: x' http://127.0.0.1:8040/
get http://127.0.0.1:8040/n.txt | md5sum; get -I http://127.0.0.1:8040/ | tr -d '\r' | grep -E '^(HTTP|X-Test|Set-Cookie: c=)'; get -o /dev/null -w '%{http_code}\n' http://127.0.0.1:8040/none.txt
for n in $(seq 20); do get "http://127.0.0.1:8040/?n=$n" & done | sort -V | md5sum; php -r 'echo md5(file_get_contents("http://127.0.0.1:8040/n.txt")), " ", $http_response_header[0], "\n";'
pkill -P $server; kill $server; wait $server 2>/dev/null; while pgrep -x php >/dev/null; do sleep 0.05; done; get http://127.0.0.1:8040/ 2>/dev/null; echo "after: $?"
