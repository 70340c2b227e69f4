# WebAssembly in Node.js where addresses are scarce (ulimit -v, as a box has 4 GiB): what needs no memory of its own runs, memories are a RangeError.
# image: userland
# package: nodejs
# options: --memory 2G
ulimit -v 4000000
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
node /tmp/wasm.js; echo "status $?"; node --liftoff --no-wasm-tier-up /tmp/wasm.js | md5sum; node --no-liftoff /tmp/wasm.js | md5sum
