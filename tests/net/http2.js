// A server that speaks HTTP/2 only, with ranges, for ways.sh: node http2.js CERT KEY DIRECTORY. Prints its URL, and at
// the end of its input how many connections and how many streams at once it has seen.
'use strict';
const http2 = require('http2');
const fs = require('fs');
const [cert, key, root] = process.argv.slice(2);
let connections = 0, streams = 0, most = 0;
const server = http2.createSecureServer({cert: fs.readFileSync(cert), key: fs.readFileSync(key)});
server.on('session', () => connections++);
server.on('stream', (stream, headers) => {
    const body = fs.readFileSync(root + headers[':path']);
    const range = /^bytes=(\d+)-(\d+)$/.exec(headers.range || '');
    const first = range ? Number(range[1]) : 0, end = range ? Math.min(Number(range[2]) + 1, body.length) : body.length;
    most = Math.max(most, ++streams);
    stream.on('close', () => streams--);
    stream.on('error', () => {});
    const said = {':status': range ? 206 : 200, etag: '"one"', 'content-length': end - first};
    if (range) said['content-range'] = `bytes ${first}-${end - 1}/${body.length}`;
    setTimeout(() => { stream.respond(said); stream.end(body.subarray(first, end)); }, 20);
});
server.listen(0, '127.0.0.1', () => console.log(`https://127.0.0.1:${server.address().port}`));
process.stdin.on('end', () => { console.log(`connections ${connections} streams ${most}`); process.exit(0); }).resume();
