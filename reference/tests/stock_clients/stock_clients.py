#!/usr/bin/env python3
"""Stock clients against `avp serve`: OpenAI's own package, and LangChain's ChatOpenAI.

Two agents hand over through a session of the server: one reads the facts, the other one is asked about them and gets no
text. Not part of the fast tests, since it needs packages:

    pip install openai langchain-openai
    cargo build --release -p avp --features cli,model,http --bin avp
    python3 reference/tests/stock_clients/stock_clients.py target/release/avp
"""

import json
import subprocess
import sys
from importlib.metadata import version

import openai
from langchain_openai import ChatOpenAI

FACTS = "Ann visits Rome. Rome sells silk. Ben visits Oslo. Oslo sells tea."
NOTE = FACTS + " Take a note."
QUESTION = "What can Ann buy?"
ANSWER = "silk"
MODEL = "pocket-a"


def serve(program, *arguments):
    command = [program, "serve", "-m", MODEL, "--insecure-loopback", "--listen", "127.0.0.1:0", "--json", *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    return process, json.loads(process.stdout.readline())["listening"] + "/v1"


def user(text):
    return [{"role": "user", "content": text}]


def check(what, holds, seen):
    print(f"{'ok  ' if holds else 'FAIL'} {what}: {seen!r}")
    return holds


def openai_package(url):
    client = openai.OpenAI(base_url=url, api_key="none")
    ask = lambda text, **more: client.chat.completions.create(
        **{"model": MODEL, "messages": user(text), "temperature": 0, "max_tokens": 12, **more}
    )
    names = [model.id for model in client.models.list()]
    yield check("models", names == [MODEL], names)

    whole = ask(f"{FACTS} {QUESTION}").choices[0]
    yield check("completion", whole.message.content.endswith(ANSWER) and whole.finish_reason == "stop", whole.message.content)

    chunks = list(ask(f"{FACTS} {QUESTION}", stream=True, stream_options={"include_usage": True}))
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    yield check("stream", text == whole.message.content and chunks[-1].usage.total_tokens > 0, text)

    stopped = ask(f"{FACTS} {QUESTION}", stop=[" "]).choices[0].message.content
    yield check("stop", stopped == whole.message.content.split()[0], stopped)

    # Two agents: the first one's context stays in a session that the server opens.
    noted = ask(NOTE, extra_body={"avp": {"keep": True}})
    session = noted.avp["session_id"]
    behind = ask(QUESTION, extra_body={"avp": {"session_id": session}})
    yield check("hand-over", behind.choices[0].message.content.endswith(ANSWER), behind.choices[0].message.content)
    yield check("its context", behind.avp["context_tokens"] > 0 and not behind.avp["kept"], behind.avp)
    by_header = ask(QUESTION, extra_headers={"AVP-Session-ID": session}, stream=True)
    text = "".join(chunk.choices[0].delta.content or "" for chunk in by_header)
    yield check("by header, streamed", text == behind.choices[0].message.content, text)
    alone = ask(QUESTION).choices[0].message.content
    yield check("alone", not alone.endswith(ANSWER), alone)

    for what, more, kind in [
        ("unknown model", {"model": "gpt-x"}, openai.NotFoundError),
        ("two answers", {"n": 2}, openai.BadRequestError),
        ("tools", {"tools": [{"type": "function", "function": {"name": "f"}}]}, openai.BadRequestError),
        ("a picture", {"messages": user([{"type": "image_url", "image_url": {"url": "data:,"}}])}, openai.BadRequestError),
        ("unknown session", {"extra_body": {"avp": {"session_id": "nobody's"}}}, openai.ConflictError),
    ]:
        try:
            seen = ask(QUESTION, **more)
        except openai.APIStatusError as error:
            seen = error
        yield check(what, isinstance(seen, kind), str(seen))


def langchain(url):
    def agent(**more):
        settings = {"base_url": url, "api_key": "none", "model": MODEL, "temperature": 0, "max_tokens": 12, **more}
        return ChatOpenAI(include_response_headers=True, **settings)

    reader = agent(extra_body={"avp": {"keep": True}})
    noted = reader.invoke(NOTE)
    # ChatOpenAI drops fields that it does not know; headers it gives on request.
    session = noted.response_metadata["headers"]["avp-session-id"]
    writer = agent(default_headers={"AVP-Session-ID": session})
    answer = writer.invoke([("user", QUESTION)]).content
    yield check("LangChain hand-over", answer.endswith(ANSWER), answer)
    streamed = "".join(chunk.content for chunk in writer.stream(QUESTION))
    yield check("LangChain stream", streamed == answer, streamed)
    alone = agent().invoke([("system", "Answer."), ("user", QUESTION)]).content
    yield check("LangChain alone", not alone.endswith(ANSWER), alone)


def main():
    program = sys.argv[1] if len(sys.argv) > 1 else "avp"
    print(f"openai {version('openai')}, langchain-openai {version('langchain-openai')}")
    process, url = serve(program, "--strict")
    try:
        held = [*openai_package(url), *langchain(url)]
    finally:
        process.terminate()
        process.wait()
    print(f"{sum(held)} of {len(held)} hold")
    sys.exit(0 if all(held) else 1)


main()
