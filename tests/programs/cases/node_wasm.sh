# WebAssembly in Node.js: functions, tables, memories that grow and what faults behind their ends, shared ones with threads, many at once.
# image: userland
# package: nodejs
# options: --memory 2G
export NODE_EXTRA_CA_CERTS= NODE_NO_WARNINGS=1
cat >/tmp/wasm.js <<'END'
const leb = n => { const out = []; do { out.push((n & 127) | (n > 127 ? 128 : 0)); n >>>= 7 } while (n); return out };
const vec = a => [...leb(a.length), ...a.flat()], section = (id, a) => { const b = vec(a); return [id, ...leb(b.length), ...b] };
const name = s => [...leb(s.length), ...Buffer.from(s)], body = c => { const b = [0, ...c, 0x0b]; return [...leb(b.length), ...b] };
const I = 0x7f, L = 0x7e, D = 0x7c;
const module_ = (types, imports, functions, rest, exports, codes) => new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0, ...section(1, types.map(([p, r]) => [0x60, ...leb(p.length), ...p, ...leb(r.length), ...r])), ...section(2, imports), ...section(3, functions.map(leb)), ...rest, ...section(7, exports.map(([n, i]) => [...name(n), 0, i])), ...(codes.elements || []), ...section(10, codes.map(body))]);
const attempt = f => { try { return f() } catch (e) { return `${e.name}: ${e.message}` } };
(async () => {
    const codes = [
        [0x20, 0, 0x41, 2, 0x48, 0x04, I, 0x20, 0, 0x05, 0x20, 0, 0x41, 1, 0x6b, 0x10, 1, 0x20, 0, 0x41, 2, 0x6b, 0x10, 1, 0x6a, 0x0b], // fib
        [0x20, 0, 0x20, 1, 0x7f], // i64 division
        [0x20, 0, 0x9f, 0x20, 0, 0xa2], // x * sqrt(x)
        [0x00], // unreachable
        [0x20, 0, 0x10, 5, 0x41, 1, 0x6a], // without end
        [0x20, 0, 0x10, 0], // the import
        [0x41, 10, 0x20, 0, 0x11, 0, 0], // through the table
        [0x20, 0, 0xaa], // truncation
    ];
    codes.elements = section(9, [[0, 0x41, 0, 0x0b, 1, 1]]);
    const types = [[[I], [I]], [[L, L], [L]], [[D], [D]], [[], []], [[D], [I]]];
    const bytes = module_(types, [[...name('env'), ...name('f'), 0, 0]], [0, 1, 2, 3, 0, 0, 0, 4], section(4, [[0x70, 0, 2]]), [['fib', 1], ['div', 2], ['root', 3], ['trap', 4], ['deep', 5], ['call', 6], ['table', 7], ['trunc', 8]], codes);
    console.log(WebAssembly.validate(bytes), WebAssembly.validate(bytes.slice(0, 20)));
    const { instance: { exports: x } } = await WebAssembly.instantiate(bytes, { env: { f: n => { if (n > 5) throw new TypeError('from the import'); return n * 3 } } });
    console.log(x.fib(27), x.div(-7n, 2n), x.root(2), x.call(5), x.table(0), x.trunc(-3.7));
    console.log(attempt(() => x.trap()), attempt(() => x.div(1n, 0n)), attempt(() => x.deep(1)), attempt(() => x.call(6)), attempt(() => x.table(1)), attempt(() => x.table(9)), attempt(() => x.trunc(1e300)));
    console.log(WebAssembly.Module.exports(new WebAssembly.Module(bytes)).length, WebAssembly.Module.imports(new WebAssembly.Module(bytes)), attempt(() => new WebAssembly.Instance(new WebAssembly.Module(bytes), {})));
    const g = new WebAssembly.Global({ value: 'i64', mutable: true }, 5n); g.value += 2n ** 40n; const t = new WebAssembly.Table({ element: 'anyfunc', initial: 2 }); t.set(0, x.fib); console.log(g.value, t.get(0)(10), t.grow(3), t.length);
    console.log(attempt(() => new WebAssembly.Memory({ initial: 1, maximum: 2 }).buffer.byteLength), attempt(() => new WebAssembly.Memory({ initial: 1, maximum: 2, shared: true }).buffer.byteLength));
    const own = new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0, 5, 3, 1, 0, 1]); console.log(await WebAssembly.instantiate(own).catch(e => `${e.name}: ${e.message}`));
    console.log(await fetch('http://127.0.0.1:9/').catch(e => [e.message, e.cause && (e.cause.code || e.cause.name)]));
})();
END
cat >/tmp/memory.js <<'END'
const { Worker, isMainThread, workerData } = require('worker_threads');
const part = (id, ...b) => [id, b.flat(9).length, ...b.flat(9)], code = (...b) => part(0, 0, ...b, 0x0b).slice(1);
const attempt = f => { try { return f() } catch (e) { return `${e.name}: ${e.message}` } };
const I = 0x7f, D = 0x7c;
const module_ = memory => new WebAssembly.Module(Uint8Array.from([0, 97, 115, 109, 1, 0, 0, 0,
    ...part(1, 5, [0x60, 1, I, 1, I], [0x60, 2, I, I, 0], [0x60, 3, I, I, I, 0], [0x60, 1, I, 1, D], [0x60, 2, I, I, 1, I]),
    ...part(2, 1, 1, 101, 1, 109, 2, memory), ...part(3, 9, 0, 1, 0, 1, 2, 2, 3, 0, 4),
    ...part(7, 9, [1, 97, 0, 0], [1, 98, 0, 1], [1, 99, 0, 2], [1, 100, 0, 3], [1, 101, 0, 4], [1, 102, 0, 5], [1, 103, 0, 6], [1, 104, 0, 7], [1, 105, 0, 8]),
    ...part(10, 9, code(0x20, 0, 0x28, 2, 0), code(0x20, 0, 0x20, 1, 0x36, 2, 0), // load, store
        code(0x20, 0, 0x2d, 0, 0xff, 0xff, 0xff, 0xff, 7), code(0x20, 0, 0x20, 1, 0x3a, 0, 0x80, 0x80, 4), // with large offsets
        code(0x20, 0, 0x20, 1, 0x20, 2, 0xfc, 10, 0, 0), code(0x20, 0, 0x20, 1, 0x20, 2, 0xfc, 11, 0), // copy, fill
        code(0x20, 0, 0x2b, 3, 0), code(0x20, 0, 0x40, 0), // f64, grow
        code(0x20, 0, 0x20, 1, 0xfe, 0x1e, 2, 0))])); // atomic add
const plain = module_([1, 1, 0x80, 8]), shared = module_([3, 1, 0x80, 8]);
const open = (how, m) => new WebAssembly.Instance(how, { e: { m } }).exports;
if (!isMainThread) {
    const x = open(shared, workerData);
    for (let i = 0; i < 20000; i++) x.i(16, 3);
    return;
}
(async () => {
    for (let k = 0; k < 24; k++) {
        const m = new WebAssembly.Memory({ initial: 1, maximum: 1024 }), x = open(plain, m);
        let sum = 0;
        for (let i = 0; i < 60000; i++) { x.b(i & 0xfffc, i); sum = sum + x.a(i & 0xfffc) | 0 }
        const traps = [65533, 65536, -4, 0x7ffffff0, 0x40000000].map(a => attempt(() => x.a(a))).concat(attempt(() => x.b(0x20000000, 1)), attempt(() => x.c(5)), attempt(() => x.d(0, 1)), attempt(() => x.e(65000, 0, 1000)), attempt(() => x.f(-1, 7, 2)), attempt(() => x.g(65530)));
        console.log(k, sum, new Set(traps).size, traps[0], m.grow(k), x.h(9), m.buffer.byteLength, x.f(100, 7, 60), x.e(200, 90, 80), x.a(212), x.g(208), attempt(() => x.a(65536 * (k + 10) - 4)), attempt(() => x.a(65536 * (k + 10))), attempt(() => m.grow(1024)));
    }
    const m = new WebAssembly.Memory({ initial: 1, maximum: 1024, shared: true }), workers = [1, 2, 3].map(() => new Worker(__filename, { workerData: m }));
    await Promise.all(workers.map(w => new Promise(done => w.on('exit', done))));
    console.log(open(shared, m).a(16), m.grow(200), m.buffer.byteLength, Atomics.load(new Int32Array(m.buffer), 4));
    require('fs').writeFileSync('/tmp/data', 'from a file'); const big = new WebAssembly.Memory({ initial: 600, maximum: 700 });
    require('fs').readSync(require('fs').openSync('/tmp/data'), new Uint8Array(big.buffer, 1 << 25, 20)); console.log(Buffer.from(big.buffer, 1 << 25, 11).toString(), require('crypto').createHash('md5').update(new Uint8Array(big.buffer)).digest('hex'));
    const r = require('child_process').spawnSync('sh', ['-c', 'cat'], { input: Buffer.from(big.buffer, 1 << 25, 11) }); console.log(r.stdout.toString());
})();
END
node /tmp/wasm.js; echo "status $?"; node /tmp/memory.js; echo "status $?"; node --liftoff --no-wasm-tier-up /tmp/memory.js | md5sum; node --no-liftoff /tmp/memory.js | md5sum; node --liftoff --no-wasm-tier-up /tmp/wasm.js | md5sum; node --no-liftoff /tmp/wasm.js | md5sum
