"""moto's server, with one request at a time: it compares a version and replaces an object in two steps, and another
request in between would make both succeed. S3 does not do that."""

import io
import threading

import moto.server

LOCK = threading.Lock()
serve = moto.server.run_simple


def one_at_a_time(app):
    def answer(environ, start_response):
        # A client that sends slowly does not hold up the others.
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        environ["wsgi.input"] = io.BytesIO(body)
        with LOCK:
            return [b"".join(app(environ, start_response))]

    return answer


moto.server.run_simple = lambda host, port, app, **options: serve(host, port, one_at_a_time(app), **options)
moto.server.main()
