"""A model server that does what it is told: OpenAI's chat completions, with every fault that real ones have.

What it does stands in the last user message, or in the model's name, as "script:NAME[:ARGUMENT...]"; other text is said back word by word. The scripts are
the methods script_* below. Run as a program it prints its address and serves until it is killed.
"""
import asyncio
import gzip
import json
import socket
import struct
import sys
import threading
import time
from email.utils import formatdate

WORDS = ["The", " quick", " brown", " fox", " jumps", " over", " the", " lazy", " dog", "."]
TEXT = "".join(WORDS)


class Gone(Exception):
    """The client has closed the connection."""


class Reply:
    """One answer on its way."""

    def __init__(self, reader, writer, request):
        self.reader = reader
        self.writer = writer
        self.request = request
        self.piece = 0
        self.chunked = False
        self.keep = True

    async def raw(self, data):
        """Bytes as they are; with `piece` in so many at a time."""
        step = self.piece or len(data) or 1
        try:
            for at in range(0, len(data), step):
                self.writer.write(data[at:at + step])
                await self.writer.drain()
                if self.piece:
                    await asyncio.sleep(0.0005)
        except ConnectionError as error:
            raise Gone from error

    async def head(self, status=200, kind="text/event-stream", headers=(), length=None, chunked=True):
        self.chunked = chunked and length is None
        lines = [f"HTTP/1.1 {status} Whatever", f"Content-Type: {kind}"]
        if self.chunked:
            lines.append("Transfer-Encoding: chunked")
        elif length is not None:
            lines.append(f"Content-Length: {length}")
        else:
            lines.append("Connection: close")
            self.keep = False
        lines += [f"{name}: {value}" for name, value in headers]
        await self.raw(("\r\n".join(lines) + "\r\n\r\n").encode())

    async def body(self, data):
        if isinstance(data, str):
            data = data.encode()
        await self.raw(b"%x\r\n%s\r\n" % (len(data), data) if self.chunked else data)

    async def whole(self, status, body, kind="application/json", headers=()):
        body = body.encode() if isinstance(body, str) else body
        await self.head(status, kind, headers, length=len(body))
        await self.raw(body)

    async def delta(self, finish=None, **members):
        await self.body("data: " + json.dumps(chunk([choice(members, finish)])) + "\n\n")

    async def say(self, words, pause=0.0):
        for word in words:
            await self.delta(content=word)
            if pause:
                await asyncio.sleep(pause)

    async def begin(self):
        await self.head()
        await self.delta(role="assistant", content="")

    async def usage(self, prompt=7, completion=11):
        if self.request.get("stream_options", {}).get("include_usage"):
            sums = {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}
            await self.body("data: " + json.dumps(chunk([], usage=sums)) + "\n\n")

    async def end(self):
        if self.chunked:
            await self.raw(b"0\r\n\r\n")

    async def finish(self, reason="stop"):
        await self.delta(finish=reason)
        await self.usage()
        await self.body("data: [DONE]\n\n")
        await self.end()

    async def answer(self, text, pause=0.0):
        await self.begin()
        await self.say(text.split(" ") if isinstance(text, str) else text, pause)
        await self.finish()

    async def stall(self):
        """Nothing more, until the client goes."""
        while await self.reader.read(65536):
            pass
        raise Gone

    def drop(self, reset=False):
        if reset:
            sock = self.writer.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort() if reset else self.writer.close()
        raise Gone


def choice(delta, finish=None):
    return {"index": 0, "delta": delta, "finish_reason": finish}


def chunk(choices, usage=None):
    return {"id": "x", "object": "chat.completion.chunk", "model": "scripted-1", "choices": choices, "usage": usage}


def last_user_text(request):
    for message in reversed(request.get("messages", [])):
        if message.get("role") == "user" and isinstance(message.get("content"), str):
            return message["content"]
    return ""


class Model:
    """The server, in a thread of its own: `with Model() as model: ... model.url`. tls: an ssl.SSLContext, by which it proves to be localhost."""

    def __init__(self, port=0, tls=None):
        self.requests = []  # of each: its headers, in lower case, and its body
        self.counts = {}  # attempts by key
        self.connections = 0
        self.listener = socket.create_server(("127.0.0.1", port), backlog=4096)
        self.tls = tls
        self.url = f"{'https://localhost' if tls else 'http://127.0.0.1'}:{self.listener.getsockname()[1]}/v1"
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.run, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(10)
        self.listener.close()

    def run(self):
        asyncio.set_event_loop(self.loop)
        self.loop.run_until_complete(asyncio.start_server(self.serve, sock=self.listener, limit=1 << 26, backlog=4096, ssl=self.tls))
        self.loop.run_forever()
        tasks = asyncio.all_tasks(self.loop)
        for task in tasks:
            task.cancel()
        self.loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))

    async def serve(self, reader, writer):
        self.connections += 1
        writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            while await self.serve_one(reader, writer):
                pass
        except (Gone, ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def serve_one(self, reader, writer):
        head = await reader.readuntil(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:] if line)}
        data = await reader.readexactly(int(headers.get("content-length", 0)))
        request = json.loads(data or b"{}")
        self.requests.append({"line": lines[0], "headers": headers, "body": request})
        del self.requests[:-1000]
        reply = Reply(reader, writer, request)
        await self.play(reply, self.find_script(request), headers)
        return reply.keep

    def find_script(self, request):
        for text in (last_user_text(request), request.get("model") or ""):
            if text.startswith("script:"):
                return text.split(":")[1:]
        return ["echo"]

    async def play(self, reply, script, headers):
        name, arguments = script[0], script[1:]
        if name.isdigit():
            name, arguments = "status", script
        method = getattr(self, "script_" + name.replace("-", "_"), None)
        if method is None:
            await reply.whole(400, json.dumps({"error": {"message": f"there is no script {name}"}}))
            return
        reply.headers = headers
        await method(reply, *arguments)

    def count(self, key):
        self.counts[key] = self.counts.get(key, 0) + 1
        return self.counts[key]

    # ---- what goes well ----

    async def script_echo(self, reply):
        text = last_user_text(reply.request)
        await reply.answer([word if at == 0 else " " + word for at, word in enumerate(text.split(" "))])

    async def script_slow(self, reply, count="10", pause_ms="100"):
        await reply.answer([f"w{at} " for at in range(int(count))], int(pause_ms) / 1000)

    async def script_split(self, reply, size, *script):
        """Another script, so many bytes at a time."""
        reply.piece = int(size)
        await self.play(reply, list(script), reply.headers)

    async def script_request(self, reply):
        """Says what it was sent."""
        await reply.answer([json.dumps(reply.request)])

    async def script_headers(self, reply):
        await reply.answer([json.dumps(reply.headers)])

    async def script_attempts(self, reply, key):
        await reply.answer([str(self.counts.get(key, 0))])

    async def script_connections(self, reply):
        await reply.answer([str(self.connections)])

    async def script_reasoning(self, reply, name="reasoning_content"):
        await reply.begin()
        for word in ("Let", " me", " think."):
            await reply.delta(**{name: word})
        await reply.say(WORDS)
        await reply.finish()

    async def script_think_long(self, reply, size, calls=""):
        """So many bytes of thoughts, then words, then perhaps the calls of script:tools."""
        await reply.begin()
        for at in range(0, int(size), 1000):
            await reply.delta(reasoning_content="x" * min(1000, int(size) - at))
        await reply.say(WORDS)
        if calls:
            await self.say_calls(reply)
        await reply.finish("tool_calls" if calls else "stop")

    async def script_parts(self, reply):
        """The content as an array of parts, the thoughts among them."""
        await reply.begin()
        for word in ("Let", " me", " think."):
            await reply.delta(content=[{"type": "thinking", "thinking": [{"type": "text", "text": word}]}])
        for word in WORDS:
            await reply.delta(content=[{"type": "text", "text": word}])
        await reply.finish()

    async def say_calls(self, reply):
        await reply.delta(tool_calls=[{"index": 0, "id": "call_a", "type": "function", "function": {"name": "look_up", "arguments": ""}}])
        for piece in ('{"wor', 'd": "f', 'ox"}'):
            await reply.delta(tool_calls=[{"index": 0, "function": {"arguments": piece}}])
        await reply.delta(tool_calls=[{"index": 1, "id": "call_b", "type": "function", "function": {"name": "count", "arguments": "{}"}}])

    async def script_tools(self, reply):
        await reply.begin()
        await self.say_calls(reply)
        await reply.finish("tool_calls")

    async def script_stall_call(self, reply):
        """Half the arguments of a call, and no more."""
        await reply.begin()
        await reply.delta(tool_calls=[{"index": 0, "id": "call_a", "type": "function", "function": {"name": "look_up", "arguments": '{"wor'}}])
        await reply.stall()

    async def script_comments(self, reply, count="5", pause_ms="50"):
        await reply.head()
        for _ in range(int(count)):
            await reply.body(": keep-alive\n\n")
            await asyncio.sleep(int(pause_ms) / 1000)
        await reply.say(WORDS)
        await reply.finish()

    async def script_crlf(self, reply):
        await reply.head()
        for word in WORDS:
            await reply.body("data:" + json.dumps(chunk([choice({"content": word})])) + "\r\n\r\n")
        await reply.body("data:[DONE]\r\n\r\n")
        await reply.end()

    async def script_json(self, reply):
        """A server that does not stream."""
        message = {"role": "assistant", "content": TEXT}
        usage = {"prompt_tokens": 3, "completion_tokens": 5, "total_tokens": 8}
        answer = {"model": "scripted-1", "choices": [{"index": 0, "message": message, "finish_reason": "stop"}], "usage": usage}
        await reply.whole(200, json.dumps(answer))

    async def script_no_usage(self, reply):
        reply.request.pop("stream_options", None)
        await reply.answer(WORDS)

    async def script_counts(self, reply, prompt, completion):
        """Says that it cost so much."""
        await reply.begin()
        await reply.say(WORDS)
        await reply.delta(finish="stop")
        await reply.usage(int(prompt), int(completion))
        await reply.body("data: [DONE]\n\n")
        await reply.end()

    async def script_usage_refused(self, reply, key="usage"):
        self.count(key)
        if "stream_options" in reply.request:
            await reply.whole(400, json.dumps({"error": {"message": "Unrecognized request argument supplied: stream_options"}}))
        else:
            await reply.answer(WORDS)

    async def script_no_done(self, reply):
        await reply.begin()
        await reply.say(WORDS)
        await reply.delta(finish="stop")
        await reply.end()

    async def script_done_only(self, reply):
        await reply.begin()
        await reply.say(WORDS)
        await reply.body("data: [DONE]\n\n")
        await reply.end()

    async def script_done_hang(self, reply):
        """[DONE], and the body does not end."""
        await reply.begin()
        await reply.say(WORDS)
        await reply.body("data: [DONE]\n\n")
        await reply.stall()

    async def script_finish_hang(self, reply):
        await reply.begin()
        await reply.say(WORDS)
        await reply.delta(finish="stop")
        await reply.stall()

    async def script_late_usage(self, reply, pause_ms):
        """Counts long after the answer is there."""
        await reply.begin()
        await reply.say(WORDS)
        await reply.delta(finish="stop")
        await asyncio.sleep(int(pause_ms) / 1000)
        await reply.usage()
        await reply.body("data: [DONE]\n\n")
        await reply.end()

    async def script_badutf8(self, reply):
        """A lone byte, a cut character, an escape for U+0000, a pair in two chunks, half a pair."""
        await reply.head()
        for text in (b"a\xff", b"b\xe2\x82", b"c\\u0000", b"\\ud83d", b"\\ude00", b"d\\ud83d", "\u00e4\u20ac".encode()):
            await reply.body(b'data: {"choices":[{"index":0,"delta":{"content":"' + text + b'"}}]}\n\n')
        await reply.finish()

    # ---- much ----

    async def script_empty_deltas(self, reply, count="1000000"):
        await reply.head()
        event = "data: " + json.dumps(chunk([choice({"content": ""})])) + "\n\n"
        for at in range(0, int(count), 1000):
            await reply.body(event * min(1000, int(count) - at))
        await reply.say(WORDS)
        await reply.finish()

    async def script_pieces(self, reply, count):
        """Thoughts and words in turn, a letter each: as many events as there can be."""
        await reply.head()
        event = "data: " + json.dumps({"choices": [choice({"reasoning": "a", "content": "b"})]}) + "\n\n"
        for at in range(0, int(count), 1000):
            await reply.body(event * min(1000, int(count) - at))
        await reply.finish()

    async def script_big(self, reply, size=str(10 << 20), letter="x"):
        await reply.head()
        left = int(size)
        while left:
            n = min(left, 4000)
            await reply.delta(content=letter * n)
            left -= n
        await reply.finish()

    async def script_big_tools(self, reply, size=str(1 << 20)):
        await reply.head()
        for at in range(0, int(size), 1000):
            await reply.delta(tool_calls=[{"index": 0, "id": "c", "function": {"name": "f", "arguments": "x" * 1000}}])
        await reply.finish("tool_calls")

    async def script_long_line(self, reply, size=str(2 << 20)):
        await reply.head()
        await reply.delta(content="x" * int(size))
        await reply.finish()

    async def script_flood_headers(self, reply):
        await reply.raw(b"HTTP/1.1 200 OK\r\n")
        for at in range(100000):
            await reply.raw(b"X-%d: %s\r\n" % (at, b"x" * 100))
        reply.drop()

    # ---- faults ----

    async def script_stall_headers(self, reply):
        await reply.stall()

    async def script_stall_first(self, reply):
        await reply.head()
        await reply.stall()

    async def script_stall_mid(self, reply, words="3"):
        await reply.begin()
        await reply.say(WORDS[:int(words)])
        await reply.stall()

    async def script_reset_first(self, reply, key="reset"):
        self.count(key)
        reply.drop(reset=True)

    async def script_reset_once(self, reply, key):
        if self.count(key) == 1:
            reply.drop(reset=True)
        await reply.answer([f"attempt {self.counts[key]}"])

    async def script_reset_mid(self, reply, words="3", key="reset-mid"):
        self.count(key)
        await reply.begin()
        await reply.say(WORDS[:int(words)])
        await asyncio.sleep(0.1)
        reply.drop(reset=True)

    async def script_cut(self, reply, words="3"):
        """The connection closes, which ends the body."""
        await reply.head(chunked=False)
        await reply.delta(role="assistant")
        await reply.say(WORDS[:int(words)])
        reply.drop()

    async def script_cut_event(self, reply):
        """In the middle of an event, and of a character."""
        await reply.head(chunked=False)
        await reply.say(WORDS[:3])
        await reply.body(b'data: {"choices":[{"delta":{"content":"\xe2\x82')
        reply.drop()

    async def script_cut_chunked(self, reply, words="3"):
        """The body ends in good order, the answer does not."""
        await reply.begin()
        await reply.say(WORDS[:int(words)])
        await reply.end()

    async def script_cut_chunk(self, reply, words="3"):
        """The connection closes inside a chunk."""
        await reply.begin()
        await reply.say(WORDS[:int(words)])
        await reply.raw(b"1000\r\ndata: ")
        reply.drop()

    async def script_empty(self, reply, key="empty"):
        self.count(key)
        await reply.head()
        await reply.end()

    async def script_garbage(self, reply):
        await reply.begin()
        await reply.say(WORDS[:3])
        await reply.body("data: {nonsense}\n\n")
        await reply.finish()

    async def script_not_http(self, reply):
        await reply.raw(b"SSH-2.0-OpenSSH_9.2p1\r\n" * 10)
        reply.drop()

    async def script_packed(self, reply):
        """A body that was compressed on its way, which nobody asked for."""
        await reply.raw(b"HTTP/1.1 200 OK\r\ntransfer-encoding:gzip\r\nConnection: close\r\n\r\n")
        await reply.raw(gzip.compress(("data: " + json.dumps(chunk([choice({"content": TEXT}, "stop")])) + "\n\n").encode()))
        reply.drop()

    async def script_html(self, reply):
        await reply.whole(200, "<!DOCTYPE html><html><body>data: hello</body></html>", kind="text/html")

    async def script_error_inband(self, reply, code="500"):
        await reply.begin()
        await reply.say(WORDS[:3])
        await reply.body("data: " + json.dumps({"error": {"message": "secret words of the server", "code": int(code)}}) + "\n\n")
        await reply.end()

    async def script_error_event(self, reply):
        await reply.begin()
        await reply.say(WORDS[:3])
        await reply.body("event: error\ndata: overloaded\n\n")
        await reply.end()

    async def script_status(self, reply, code, retry_after="", key="status"):
        """An error; retry_after may be `date`, for seven seconds from now."""
        self.count(key)
        headers = []
        if retry_after:
            headers = [("Retry-After", formatdate(time.time() + 7, usegmt=True) if retry_after == "date" else retry_after)]
        if code[0] == "3":
            headers.append(("Location", "/v1/models"))
        await reply.whole(int(code), json.dumps({"error": {"message": "secret words of the server"}}), headers=headers)

    async def script_status_once(self, reply, code, key):
        if self.count(key) == 1:
            await reply.whole(int(code), "{}")
        else:
            await reply.answer([f"attempt {self.counts[key]}"])

    async def script_500_once(self, reply, key="500-once"):
        await self.script_status_once(reply, "500", key)

    async def script_503_then_ok(self, reply, key="503-then-ok"):
        await self.script_status_once(reply, "503", key)

    async def script_long_error(self, reply):
        await reply.head(400, kind="application/json")
        for _ in range(1000):
            await reply.body("x" * 10000)
        await reply.end()

    async def script_overfed(self, reply):
        await reply.whole(400, json.dumps({"error": {"code": "context_length_exceeded"}}))


def main():
    model = Model(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
    print(model.url, flush=True)
    model.run()


if __name__ == "__main__":
    main()
