# Node.js: http, net, tls, worker_threads, child_process, cluster, streams, crypto, zlib, files and fs.watch, timers, async hooks, modules.
# image: userland
# package: nodejs openssl
# options: --memory 2G
cd /tmp && mkdir n && cd n || exit
openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -days 30 -subj /CN=localhost -addext subjectAltName=DNS:localhost 2>/dev/null
export NODE_EXTRA_CA_CERTS= NODE_NO_WARNINGS=1
run() { echo "== $1"; timeout 60 node "$@"; local status=$?; [ $status = 0 ] || echo "status $status"; }

cat >language.js <<'END'
const { EventEmitter, once, on } = require('events'), util = require('util'), vm = require('vm'), assert = require('assert');
console.log(util.inspect({ a: [1, , 3], m: new Map([[{}, new Set([1n])]]), s: Symbol('x'), d: new Date(0), r: /x/g, f() {}, get g() { return 1 }, e: new RangeError('no').message, t: new Uint8Array(3) }, { depth: 4 }));
console.log([3, 1, 2].sort(), 0.1 + 0.2, 2n ** 100n, [..."añ😀"].length, 'ß'.toUpperCase(), 'é'.normalize('NFD').length, new Intl.NumberFormat('de-DE').format(1234567.891), new Date(1e12).toISOString(), (1234.5).toLocaleString('en-US'), parseFloat('1e-320'), Math.hypot(3, 4), Math.fround(5.05));
console.log(vm.runInNewContext('a + 1', { a: 41 }), new Function('a', 'b', 'return a * b')(6, 7), structuredClone({ a: new Date(5) }).a.getTime(), JSON.stringify({ a: [undefined, NaN], b: 1n === 1n }));
let a = 0; for (let i = 0; i < 3e7; i++) a = (a * 31 + i) | 0; console.log(a);
const f = new Float64Array(1e5).map((_, i) => Math.sin(i)); console.log(f.reduce((x, y) => x + y, 0).toFixed(9));
class A { #p = 1; static s = new A(); get p() { return this.#p } *[Symbol.iterator]() { yield 1; yield* [2, 3] } } console.log([...new A()], A.s.p);
function fib(n) { return n < 2 ? n : fib(n - 1) + fib(n - 2) } console.log(fib(25));
try { (function deep() { deep() })() } catch (e) { console.log(e instanceof RangeError, e.message) }
try { null.x } catch (e) { console.log(e.message) }
const junk = []; for (let i = 0; i < 300; i++) { junk[i % 10] = new Array(20000).fill(i).map(x => ({ x })) } console.log(junk.length);
process.on('exit', code => console.log('exit', code)); process.on('uncaughtException', e => console.log('uncaught', e.message));
new Promise((_, no) => no(new Error('unhandled'))).catch(e => console.log(e.message));
setTimeout(() => { throw new Error('late') }, 400);
(async () => { const e = new EventEmitter(); setTimeout(() => e.emit('x', 1, 2), 1); console.log(await once(e, 'x')); for await (const x of (async function* () { yield 1; await null; yield 2 })()) console.log(x); assert.rejects(Promise.reject(new TypeError('t'))); console.log(await Promise.allSettled([Promise.resolve(1), Promise.reject(2)]), await Promise.any([new Promise(() => {}), 3])); })();
END
run language.js

cat >order.js <<'END'
const hooks = require('async_hooks'), { performance } = require('perf_hooks'), timers = require('timers/promises');
const seen = new Set(), storage = new hooks.AsyncLocalStorage(), start = performance.now();
hooks.createHook({ init(id, type) { seen.add(type) } }).enable();
setTimeout(() => console.log('timeout 0'), 0); setImmediate(() => console.log('immediate'));
process.nextTick(() => console.log('tick')); Promise.resolve().then(() => console.log('microtask')); queueMicrotask(() => console.log('queued')); console.log('first');
let n = 0; const i = setInterval(() => { if (++n == 3) { clearInterval(i); console.log('interval', n) } }, 40);
storage.run({ id: 7 }, () => setTimeout(async () => { await timers.setTimeout(5); console.log(storage.getStore(), performance.now() - start >= 10) }, 5));
const controller = new AbortController(); timers.setTimeout(9999, 0, { signal: controller.signal }).catch(e => console.log(e.name)); setTimeout(() => controller.abort(), 80);
const t = setTimeout(() => console.log('never'), 99999); t.unref();
setTimeout(() => console.log([...seen].filter(x => ['Timeout', 'PROMISE', 'TickObject', 'Immediate'].includes(x)).sort()), 200);
process.on('SIGUSR2', s => { console.log(s); process.exitCode = 3 }); setTimeout(() => process.kill(process.pid, 'SIGUSR2'), 260); setTimeout(() => {}, 350);
END
run order.js

cat >web.js <<'END'
const http = require('http'), https = require('https'), http2 = require('http2'), net = require('net'), dgram = require('dgram'), dns = require('dns'), fs = require('fs'), zlib = require('zlib'), { pipeline } = require('stream/promises'), { once } = require('events');
const get = (lib, options, body) => new Promise((yes, no) => { const q = lib.request(options, async r => { let s = ''; for await (const c of r) s += c; yes([r.statusCode, r.headers['content-type'], s.length, s.slice(0, 40)]) }); q.on('error', e => yes(e.code)); q.end(body) });
const listen = s => new Promise(yes => s.listen(0, '127.0.0.1', () => yes(s.address().port)));
(async () => {
    const server = http.createServer(async (q, r) => {
        if (q.url == '/big') return pipeline(fs.createReadStream('/usr/bin/bash'), zlib.createGzip(), r.writeHead(200, { 'content-type': 'x/gzip' }));
        if (q.url == '/slow') return setTimeout(() => r.end('slow'), 50);
        let n = 0; for await (const c of q) n += c.length; r.setHeader('content-type', 'text/plain'); r.end(`${q.method} ${q.url} ${n}\n`.repeat(3));
    });
    const port = await listen(server), o = path => ({ host: '127.0.0.1', port, path, agent });
    const agent = new http.Agent({ keepAlive: true, maxSockets: 3 });
    console.log(await get(http, o('/a')), await get(http, { ...o('/post'), method: 'POST' }, 'x'.repeat(100000)));
    console.log((await Promise.all(Array.from({ length: 40 }, (_, i) => get(http, o('/' + i))))).filter(x => x[0] == 200).length, Object.values(agent.freeSockets)[0].length);
    const big = await new Promise(yes => http.get(o('/big'), r => { const h = require('crypto').createHash('sha1'), g = r.pipe(zlib.createGunzip()); g.on('data', c => h.update(c)).on('end', () => yes(h.digest('hex'))) }));
    console.log(big == require('crypto').createHash('sha1').update(fs.readFileSync('/usr/bin/bash')).digest('hex'));
    const late = http.get({ ...o('/slow'), agent: false, timeout: 10 }); late.on('timeout', () => late.destroy()); console.log(await once(late, 'error').then(([e]) => e.code));
    agent.destroy(); await new Promise(yes => server.close(yes)); console.log(await get(http, { host: '127.0.0.1', port, path: '/' }));
    const tls = { key: fs.readFileSync('key.pem'), cert: fs.readFileSync('cert.pem') }, secure = https.createServer(tls, (q, r) => r.end(q.socket.getProtocol()));
    const sport = await listen(secure); console.log(await get(https, { host: 'localhost', family: 4, port: sport, ca: tls.cert }), await get(https, { host: 'localhost', family: 4, port: sport })); secure.close();
    const h2 = http2.createSecureServer(tls); h2.on('stream', (s, h) => { s.respond({ ':status': 200 }); s.end('h2 ' + h[':path']) });
    const client = http2.connect(`https://localhost:${await listen(h2)}`, { ca: tls.cert, lookup: (h, o, f) => f(null, '127.0.0.1', 4) }); console.log(await Promise.all([1, 2, 3].map(async n => { const s = client.request({ ':path': '/' + n }); let d = ''; for await (const c of s) d += c; return d }))); client.close(); h2.close();
    const echo = net.createServer(s => s.pipe(s)); echo.listen('/tmp/n/sock'); await once(echo, 'listening'); const c = net.connect('/tmp/n/sock'); c.end('through a unix socket'); for await (const d of c) console.log(String(d)); echo.close();
    const u = dgram.createSocket('udp4'); u.bind(0, '127.0.0.1'); await once(u, 'listening'); u.send('datagram', u.address().port, '127.0.0.1'); console.log(String((await once(u, 'message'))[0])); u.close();
    console.log(await dns.promises.lookup('localhost', { family: 4 }), net.isIPv6('::1'), new URL('http://ü.de/a b?c#d').href, Object.fromEntries(new URLSearchParams('a=1&b=%20')));
})();
END
run web.js

cat >threads.js <<'END'
const { Worker, isMainThread, parentPort, workerData, MessageChannel, threadId, receiveMessageOnPort } = require('worker_threads'), { once } = require('events');
if (!isMainThread) {
    if (workerData.die) throw new TypeError('in a worker');
    if (workerData.forever) for (;;);
    const cells = new Int32Array(workerData.shared); for (let i = 0; i < 20000; i++) Atomics.add(cells, 0, 1);
    Atomics.add(cells, 1, 1); Atomics.notify(cells, 1);
    parentPort.once('message', ({ port, array }) => { port.postMessage({ sum: array.reduce((a, b) => a + b), map: new Map([[1, threadId > 0]]) }); port.close() });
} else (async () => {
    const shared = new SharedArrayBuffer(16), cells = new Int32Array(shared), workers = Array.from({ length: 4 }, () => new Worker(__filename, { workerData: { shared } }));
    for (let n; (n = Atomics.load(cells, 1)) < 4;) Atomics.wait(cells, 1, n, 50);
    console.log(cells[0], cells[1], Atomics.wait(cells, 2, 0, 20));
    for (const w of workers) { const { port1, port2 } = new MessageChannel(), array = new Float64Array(1000).fill(0.5), exit = once(w, 'exit'); w.postMessage({ port: port2, array }, [port2, array.buffer]); console.log((await once(port1, 'message'))[0], array.length, (await exit)[0]) }
    const bad = new Worker(__filename, { workerData: { die: true } }); console.log((await once(bad, 'error'))[0].message);
    const stuck = new Worker(__filename, { workerData: { forever: true } }); await once(stuck, 'online'); console.log(await stuck.terminate());
    const text = new Worker('require("worker_threads").parentPort.postMessage(process.argv[2])', { eval: true, argv: ['argument'], resourceLimits: { maxOldGenerationSizeMb: 64 } }); console.log((await once(text, 'message'))[0]);
})();
END
run threads.js

cat >processes.js <<'END'
const cp = require('child_process'), cluster = require('cluster'), http = require('http'), { once } = require('events'), util = require('util'), exec = util.promisify(cp.exec);
if (process.argv[2] == 'child') { process.on('message', m => { process.send({ got: m, connected: process.connected }); if (m == 'end') process.disconnect() }); return }
if (cluster.isWorker) { http.createServer((q, r) => { if (q.url == '/die') process.exit(7); r.end('worker ' + (cluster.worker.id > 0)) }).listen(8020, '127.0.0.1'); return }
(async () => {
    console.log(await exec('echo out; echo err >&2'), cp.execFileSync('tr', ['a-z', 'A-Z'], { input: 'sync' }) + '', cp.spawnSync('sh', ['-c', 'kill -9 $$']).signal);
    await exec('exit 3').catch(e => console.log(e.code)); await exec('sleep 9', { timeout: 50 }).catch(e => console.log(e.killed, e.signal)); cp.spawn('/nonexistent').on('error', e => console.log(e.code));
    const cat = cp.spawn('cat'); cat.stdin.end('x'.repeat(300000)); let n = 0; for await (const c of cat.stdout) n += c.length; console.log(n);
    const child = cp.fork(__filename, ['child']); for (const m of [{ a: [1] }, 'end']) { child.send(m); console.log((await once(child, 'message'))[0]) } console.log(await once(child, 'exit'));
    const fds = cp.spawn('sh', ['-c', 'echo three >&3'], { stdio: ['ignore', 'inherit', 'inherit', 'pipe'] }); console.log(String((await once(fds.stdio[3], 'data'))[0]));
    cluster.setupPrimary({ serialization: 'json' }); const ws = [cluster.fork(), cluster.fork()]; await Promise.all(ws.map(w => once(w, 'listening')));
    const get = path => new Promise(yes => http.get({ host: '127.0.0.1', port: 8020, path, agent: false }, r => r.on('data', d => yes(String(d)))).on('error', e => yes(e.code)));
    console.log(await Promise.all(Array.from({ length: 6 }, () => get('/')))); const gone = once(cluster, 'exit'); console.log(await get('/die'), (await gone)[1], await get('/'));
    cluster.disconnect(() => console.log('all gone', Object.keys(cluster.workers)));
})();
END
run processes.js

cat >files.js <<'END'
const fs = require('fs'), p = fs.promises, path = require('path'), { once } = require('events'), stream = require('stream'), crypto = require('crypto'), zlib = require('zlib'), util = require('util'), readline = require('readline'), { setTimeout: wait } = require('timers/promises');
(async () => {
    await p.mkdir('d/e/f', { recursive: true }); const seen = [], w = fs.watch('d', (type, name) => seen.push(type + ' ' + name));
    await p.writeFile('d/a', 'line 1\nline 2\n'); await wait(30); await p.appendFile('d/a', 'x'.repeat(100000)); await wait(30); await p.rename('d/a', 'd/b'); await wait(30); await p.unlink('d/b'); await wait(50); w.close(); console.log([...new Set(seen)]);
    const h = await p.open('d/h', 'w+'); await h.write('hello', 10); console.log((await h.stat()).size, (await h.read(Buffer.alloc(5), 0, 5, 10)).buffer + ''); await h.truncate(3); await h.close();
    await p.symlink('h', 'd/l'); await p.chmod('d/h', 0o600); await p.utimes('d/h', 1, 2); const s = await p.stat('d/h'); console.log(s.mode.toString(8), s.mtimeMs, (await p.lstat('d/l')).isSymbolicLink(), await p.readlink('d/l'), (await p.readdir('d', { withFileTypes: true })).map(e => e.name + e.isDirectory()).sort());
    await p.cp('d', 'd2', { recursive: true }); console.log(fs.readdirSync('d2').sort(), await p.access('nope').catch(e => [e.code, e.errno, e.syscall])); await p.rm('d', { recursive: true }); console.log(fs.existsSync('d'), path.relative('/a/b', '/a/c/d'));
    await Promise.all(Array.from({ length: 100 }, (_, i) => p.writeFile('d2/' + i, String(i)))); console.log((await Promise.all(Array.from({ length: 100 }, (_, i) => p.readFile('d2/' + i, 'utf8')))).reduce((a, b) => a + +b, 0));
    const lines = []; for await (const l of readline.createInterface({ input: fs.createReadStream('/etc/passwd') })) lines.push(l); console.log(lines[0]);
    const upper = new stream.Transform({ transform(c, _, f) { f(null, String(c).toUpperCase()) } }); await stream.promises.pipeline(stream.Readable.from(['a', 'b', 'c']), upper, async function* (x) { for await (const c of x) yield c + c }, fs.createWriteStream('up')); console.log(fs.readFileSync('up', 'utf8'));
    const data = Buffer.from('compress me '.repeat(5000)); for (const n of ['gzip', 'deflate', 'deflateRaw', 'brotliCompress']) { const z = await util.promisify(zlib[n])(data), un = { gzip: 'gunzip', deflate: 'inflate', deflateRaw: 'inflateRaw', brotliCompress: 'brotliDecompress' }[n]; console.log(n, z.length < 300, zlib[un + 'Sync'](z).equals(data)) }
    console.log(crypto.createHash('sha256').update('x').digest('base64'), crypto.createHmac('md5', 'k').update('x').digest('hex'), crypto.scryptSync('p', 's', 16).toString('hex'), (await util.promisify(crypto.pbkdf2)('p', 's', 10000, 16, 'sha512')).toString('hex'), crypto.randomBytes(8).length, crypto.randomUUID().length);
    const c = crypto.createCipheriv('aes-256-gcm', Buffer.alloc(32), Buffer.alloc(12)); console.log(c.update('secret', 'utf8', 'hex') + c.final('hex'), c.getAuthTag().toString('hex'));
    const { publicKey, privateKey } = await util.promisify(crypto.generateKeyPair)('ed25519'); console.log(crypto.verify(null, Buffer.from('m'), publicKey, crypto.sign(null, Buffer.from('m'), privateKey)), crypto.createPrivateKey(fs.readFileSync('key.pem')).asymmetricKeyDetails.modulusLength);
    const dh = [0, 1].map(() => crypto.createECDH('prime256v1')); dh.forEach(d => d.generateKeys()); console.log(dh[0].computeSecret(dh[1].getPublicKey()).equals(dh[1].computeSecret(dh[0].getPublicKey())), Buffer.from('ff00', 'hex').readUInt16BE(), Buffer.from('€').toString('latin1').length, Buffer.concat([Buffer.alloc(2), Buffer.from([1])]).swap16 !== undefined);
})();
END
run files.js

cat >m.mjs <<'END'
import fs, { readFileSync } from 'fs'; import cjs from './c.cjs'; import { createRequire } from 'module';
export const x = await Promise.resolve(5); console.log(cjs, x, import.meta.url, typeof require, (await import('./n.mjs')).default(2), createRequire(import.meta.url)('./j.json'), fs.readFileSync === readFileSync);
END
echo 'exports.a = __filename; exports.b = require("./j.json").k' >c.cjs; echo '{"k": [1]}' >j.json; echo 'export default n => n * 2' >n.mjs
run m.mjs
echo 'console.log(1); throw new Error("end")' | node - 2>&1 | grep -E '^1|^Error'
printf '1+1\nvar a = [1,2].map(x => x * 2)\na\n.exit\n' | node -i 2>&1 | tail -4
node --test --help >/dev/null; cat >t.test.js <<'END'
const test = require('node:test'), assert = require('assert'); test('good', () => assert.ok(1)); test('sub', async t => { await t.test('inner', () => {}); });
END
run --test t.test.js | grep -E '^# (tests|pass|fail)'
node -p 'process.version, [process.arch, process.platform, os.endianness(), process.memoryUsage().rss > 1e6, process.getuid(), os.hostname()]'
node -e 'process.stdin.on("data", d => process.stdout.write(String(d).toUpperCase())).on("end", () => process.exit(4))' <<<'stdin'; echo $?
(ulimit -c 0; node --max-old-space-size=30 -e 'const a = []; for (;;) a.push(new Array(1000).fill({}))' 2>&1 | grep -o 'JavaScript heap out of memory' | head -1)
node -e 'setInterval(() => {}, 1000)' & sleep 0.5; kill -INT $!; wait $!; echo "SIGINT $?"
