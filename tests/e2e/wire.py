"""What can stand between a mount and its server: a relay that can be cut or frozen, and servers that answer nonsense."""
import contextlib
import http.server
import socket
import ssl
import threading
import urllib.parse


class Relay:
    """Passes TCP connections on to a server. cut() and restore(); freeze() and thaw()."""

    def __init__(self, endpoint):
        address = urllib.parse.urlsplit(endpoint)
        self._server = (address.hostname, address.port)
        self._flowing = threading.Event()
        self._flowing.set()
        self._lock = threading.Lock()
        self._sockets = set()
        self._listener = None
        self._port = 0
        self.held = 0  # chunks that came since the last freeze()
        self.restore()

    @property
    def endpoint(self):
        return f"http://127.0.0.1:{self._port}"

    def restore(self):
        self._listener = socket.create_server(("127.0.0.1", self._port), backlog=128)
        self._port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def cut(self):
        """As a server that is not running: open connections end, new ones are refused."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            ending, self._sockets = self._sockets, set()
        for one in ending:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        self.thaw()

    def freeze(self):
        """As a server that has been stopped: connections are accepted, nothing is ever answered."""
        self.held = 0
        self._flowing.clear()

    def thaw(self):
        self._flowing.set()

    def _accept(self, listener):
        while True:
            try:
                here, _ = listener.accept()
                there = socket.create_connection(self._server)
            except OSError:
                return
            with self._lock:
                self._sockets |= {here, there}
            for source, target in ((here, there), (there, here)):
                threading.Thread(target=self._pump, args=(source, target), daemon=True).start()

    def _pump(self, source, target):
        with contextlib.suppress(OSError):
            while chunk := source.recv(1 << 16):
                if not self._flowing.is_set():
                    self.held += 1
                    self._flowing.wait()
                target.sendall(chunk)
        for one in (source, target):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        with self._lock:
            self._sockets -= {source}
        source.close()


class Filter(Relay):
    """A relay that looks at HTTP: `change`, called with the request's head and the answer as bytes, gives other bytes, or None
    for what the server said. Each connection carries one exchange."""

    def __init__(self, endpoint, change):
        self.change = change
        super().__init__(endpoint)

    def _accept(self, listener):
        while True:
            try:
                here, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._exchange, args=(here,), daemon=True).start()

    def _exchange(self, here):
        with here, contextlib.suppress(OSError):
            request = b""
            while b"\r\n\r\n" not in request:
                chunk = here.recv(1 << 16)
                if not chunk:
                    return
                request += chunk
            head, _, body = request.partition(b"\r\n\r\n")
            fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
            if b"expect" in fields:
                here.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
            while len(body) < int(fields.get(b"content-length", 0)):
                body += here.recv(1 << 16)
            lines = [line for line in head.split(b"\r\n") if not line.lower().startswith((b"connection:", b"expect:"))]
            with socket.create_connection(self._server) as there:
                there.sendall(b"\r\n".join(lines) + b"\r\nConnection: close\r\n\r\n" + body)
                answer = b""
                while chunk := there.recv(1 << 16):
                    answer += chunk
            changed = self.change(head, answer)
            here.sendall(answer if changed is None else changed)


class AnsweringServer:
    """Answers each request alike. A context manager; .endpoint within it."""

    def __init__(self, status, body, headers=(), certificate=None):
        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self):
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                self.send_response(status)
                for name, value in headers:
                    self.send_header(name, value)
                if "content-length" not in {name.lower() for name, _ in headers}:
                    self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

            do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = answer

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_):  # clients may leave when they please
                pass

        self._server = Server(("127.0.0.1", 0), Handler)
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self.endpoint = f"{'https' if certificate else 'http'}://127.0.0.1:{self._server.server_port}"

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def unused_port():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return taken.getsockname()[1]
