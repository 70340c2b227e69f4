// node: objects and arrays, typed arrays, closures, strings and maps, JSON. node loop.js ROUNDS
class Shape { constructor(k) { this.k = k; } area() { return this.k; } }
class Square extends Shape { area() { return this.k * this.k; } }
class Disc extends Shape { area() { return 3 * this.k * this.k; } }
const shapes = Array.from({length: 300}, (_, i) => new [Shape, Square, Disc][i % 3](i % 17));
function sieve(n) {
  const gone = new Uint8Array(n);
  let found = 0;
  for (let i = 2; i < n; i++) {
    if (gone[i]) continue;
    found++;
    for (let j = 2 * i; j < n; j += i) gone[j] = 1;
  }
  return found;
}
function matrix(n, seed) {
  const a = new Float64Array(n * n), b = new Float64Array(n * n).map((_, i) => i % 7 + seed);
  for (let i = 0; i < n; i++) for (let j = 0; j < n; j++) for (let k = 0; k < n; k++) a[i * n + j] += b[i * n + k] * b[k * n + j];
  return a[n + 1] % 1000;
}
function words(r) {
  const count = new Map();
  for (let i = 0; i < 600; i++) {
    const key = 'w' + (i * 7919 + r) % 211;
    count.set(key, (count.get(key) || 0) + 1);
  }
  const text = JSON.stringify([...count]);
  return text.replace(/w(\d)/g, '$1v').length + JSON.parse(text).filter(([k, v]) => v > 2).map(p => p[0]).sort().length;
}
const fib = n => n < 2 ? n : fib(n - 1) + fib(n - 2);
let total = 0;
for (let r = 1; r <= Number(process.argv[2]); r++) {
  total += sieve(8000) + matrix(30, r % 5) + words(r) + fib(15);
  for (const s of shapes) total += s.area();
  total = (total * 3 + (r ^ total >>> 3)) % 1000003;
}
console.log(total);
