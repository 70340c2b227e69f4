"""A server of this process answers N requests of one of its threads, a connection each: http_server.py N"""
import http.server
import sys
import threading
import urllib.request


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = b"you asked for " + self.path.encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
size = 0
for i in range(int(sys.argv[1])):
    with urllib.request.urlopen(f"http://127.0.0.1:{server.server_port}/{i}") as answer:
        size += len(answer.read())
server.shutdown()
print(size)
