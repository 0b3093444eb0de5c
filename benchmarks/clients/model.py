"""A model on loopback in four wire formats, which asks for an edit, then for a commit without hooks, then stops.

What the client answers to each tool call is kept, so that it can be seen what an agent would have been told.
"""

from __future__ import annotations

import http.server
import json
import threading

COMMAND = "git commit --no-verify -am x"


class Model:
    """One scripted conversation about one file."""

    def __init__(self, target: str) -> None:
        self.target = target
        self.answers: list[str] = []
        self.heard = ""
        model = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_words: object) -> None:
                return

            def do_GET(self) -> None:
                self.send(b"{}", "application/json")

            do_HEAD = do_GET  # noqa: N815 (the base class's name)

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers.get("content-length", 0))) or b"{}")
                self.send(*model.answer(self.path, body))

            def send(self, data: bytes, kind: str) -> None:
                self.send_response(200)
                self.send_header("content-type", kind)
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(data)

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def close(self) -> None:
        """Stop serving."""
        self.server.shutdown()

    def answer(self, path: str, body: dict) -> tuple[bytes, str]:
        """The next step of the conversation in the format of the request."""
        self.heard += json.dumps(body)
        if "generatecontent" in path.lower() or "countTokens" in path:
            return self._gemini(path, body)
        if "/responses" in path:
            return self._responses(body)
        if "/chat/completions" in path:
            return self._chat(body)
        return self._messages(path, body)

    def _messages(self, path: str, body: dict) -> tuple[bytes, str]:
        """code.claude.com: the Messages API of Anthropic."""
        if "count_tokens" in path:
            return b'{"input_tokens": 1}', "application/json"
        results = [part for message in body.get("messages", []) if isinstance(message.get("content"), list)
                   for part in message["content"] if part.get("type") == "tool_result"]  # fmt: skip
        self.answers = [str(one.get("content")) for one in results][1:]  # the first is what Read found
        calls = [("Read", {"file_path": self.target}),
                 ("Edit", {"file_path": self.target, "old_string": "one", "new_string": "CHANGED"}),
                 ("Bash", {"command": COMMAND})]  # fmt: skip
        known = {tool.get("name") for tool in body.get("tools") or []}
        call = calls[len(results)] if len(results) < len(calls) and "Edit" in known else None
        usage = {"input_tokens": 1, "output_tokens": 1}
        shell = {"id": "m", "type": "message", "role": "assistant", "model": "m", "content": [], "stop_reason": None,
                 "stop_sequence": None, "usage": usage}  # fmt: skip
        block = {"type": "tool_use", "id": f"toolu_{len(results)}", "name": call[0], "input": {}} if call else \
            {"type": "text", "text": ""}  # fmt: skip
        delta = {"type": "input_json_delta", "partial_json": json.dumps(call[1])} if call else \
            {"type": "text_delta", "text": "done"}  # fmt: skip
        if not body.get("stream"):
            return json.dumps(
                {**shell, "content": [{"type": "text", "text": "done"}], "stop_reason": "end_turn"}
            ).encode(), "application/json"
        events = [
            {"type": "message_start", "message": shell},
            {"type": "content_block_start", "index": 0, "content_block": block},
            {"type": "content_block_delta", "index": 0, "delta": delta},
            {"type": "content_block_stop", "index": 0},
            {
                "type": "message_delta",
                "delta": {"stop_reason": "tool_use" if call else "end_turn", "stop_sequence": None},
                "usage": usage,
            },
            {"type": "message_stop"},
        ]
        return _stream(events), "text/event-stream"

    def _responses(self, body: dict) -> tuple[bytes, str]:
        """developers.openai.com: the Responses API, as Codex speaks it."""
        given = body.get("input") if isinstance(body.get("input"), list) else []
        results = [one for one in given if str(one.get("type", "")).endswith("_output")]
        self.answers = [str(one.get("output")) for one in results]
        patch = f"*** Begin Patch\n*** Update File: {self.target}\n@@\n-one\n+CHANGED\n*** End Patch"
        scripts = [f"apply_patch <<'EOF'\n{patch}\nEOF", COMMAND]
        item: dict = {
            "type": "message",
            "id": "m",
            "role": "assistant",
            "content": [{"type": "output_text", "text": "done"}],
        }
        if len(results) < len(scripts) and body.get("tools"):
            known = {tool.get("name") for tool in body["tools"]}
            name, key = ("exec_command", "cmd") if "exec_command" in known else ("shell_command", "command")
            item = {"type": "function_call", "id": f"c{len(results)}", "call_id": f"call_{len(results)}", "name": name,
                    "arguments": json.dumps({key: scripts[len(results)]}), "status": "completed"}  # fmt: skip
        usage = {"input_tokens": 1, "output_tokens": 1, "total_tokens": 2}
        return _stream([
            {"type": "response.created", "response": {"id": "r"}},
            {"type": "response.output_item.done", "output_index": 0, "item": item},
            {"type": "response.completed", "response": {"id": "r", "usage": usage}},
        ]), "text/event-stream"  # fmt: skip

    def _gemini(self, path: str, body: dict) -> tuple[bytes, str]:
        """ai.google.dev: generateContent."""
        if "countTokens" in path:
            return b'{"totalTokens": 1}', "application/json"
        results = [part["functionResponse"] for content in body.get("contents", []) for part in content.get("parts", [])
                   if "functionResponse" in part]  # fmt: skip
        self.answers = [json.dumps(one.get("response")) for one in results]
        calls = [("replace", {"file_path": self.target, "old_string": "one", "new_string": "CHANGED", "instruction": "x"}),
                 ("run_shell_command", {"command": COMMAND})]  # fmt: skip
        part: dict = {"text": "done"}
        if len(results) < len(calls) and body.get("tools"):
            part = {"functionCall": {"name": calls[len(results)][0], "args": calls[len(results)][1]}}
        answer = {"candidates": [{"content": {"role": "model", "parts": [part]}, "finishReason": "STOP", "index": 0}],
                  "usageMetadata": {"promptTokenCount": 1, "candidatesTokenCount": 1, "totalTokenCount": 2}}  # fmt: skip
        if "stream" in path:
            return f"data: {json.dumps(answer)}\n\n".encode(), "text/event-stream"
        return json.dumps(answer).encode(), "application/json"

    def _chat(self, body: dict) -> tuple[bytes, str]:
        """platform.openai.com: chat completions, as Copilot CLI speaks them to a provider of one's own."""
        results = [one for one in body.get("messages", []) if one.get("role") == "tool"]
        self.answers = [str(one.get("content")) for one in results]
        calls = [("edit", {"path": self.target, "old_str": "one", "new_str": "CHANGED"}),
                 ("bash", {"command": COMMAND, "description": "c"})]  # fmt: skip
        message: dict = {"role": "assistant", "content": "done"}
        if len(results) < len(calls) and body.get("tools"):
            name, words = calls[len(results)]
            call = {"index": 0, "id": f"call_{len(results)}", "type": "function",
                    "function": {"name": name, "arguments": json.dumps(words)}}  # fmt: skip
            message = {"role": "assistant", "content": None, "tool_calls": [call]}
        ends = "tool_calls" if message.get("tool_calls") else "stop"
        shape = {"id": "x", "created": 1, "model": "m"}
        usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
        if not body.get("stream"):
            choice = {"index": 0, "message": message, "finish_reason": ends}
            return json.dumps(
                {**shape, "object": "chat.completion", "choices": [choice], "usage": usage}
            ).encode(), "application/json"
        chunks = [{**shape, "object": "chat.completion.chunk", "choices": [{"index": 0, "delta": message, "finish_reason": None}]},
                  {**shape, "object": "chat.completion.chunk", "choices": [{"index": 0, "delta": {}, "finish_reason": ends}],
                   "usage": usage}]  # fmt: skip
        return (
            "".join(f"data: {json.dumps(one)}\n\n" for one in chunks) + "data: [DONE]\n\n"
        ).encode(), "text/event-stream"


def _stream(events: list[dict]) -> bytes:
    return "".join(f"event: {one['type']}\ndata: {json.dumps(one)}\n\n" for one in events).encode()
