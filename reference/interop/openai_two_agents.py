#!/usr/bin/env python3
# pip install openai==3.52.0 'httpx[http2]==0.28.1'
"""Two agents on OpenAI's stock Python client hand over through `avp serve`: one reads some facts, the other one gets the
question and the name of a session, and knows them. Then models, streams, limits and errors as that client sees them."""

import argparse
import asyncio
import ssl

import httpx
import openai

from checks import Checks, equal, holds
from serving import ANSWER, FACTS, MODEL, QUESTION, Serving

TOKEN = "a-token-for-these-checks"


def user(text):
    """A conversation of one message."""
    return [{"role": "user", "content": text}]


def ask(client, text, *, avp=None, **options):
    """A completion, as likely as can be."""
    body = {"avp": avp} if avp else None
    options = {"model": MODEL, "temperature": 0, **options}
    return client.chat.completions.create(messages=user(text), extra_body=body, **options)


def said(completion):
    """Its text."""
    return completion.choices[0].message.content


def read_facts(client, steps):
    """The first agent: reads the facts, and keeps what it knows. The session's name."""
    kept = ask(client, f"{FACTS} Take a note.", avp={"keep": True, "latent_steps": steps})
    holds(kept.avp["kept"], kept.avp)
    return kept.avp["session_id"]


def hand_over(checks, name, client):
    """The two agents."""
    for steps in (0, 1, 5):
        with checks.that(f"{name}: after {steps} latent steps of the first agent the second one knows the answer"):
            session = read_facts(client, steps)
            answer = ask(client, QUESTION, avp={"session_id": session})
            holds(ANSWER in said(answer), said(answer))
            holds(answer.avp["context_tokens"] > 10, answer.avp)
    with checks.that(f"{name}: without the session it does not"):
        answer = ask(client, QUESTION)
        holds(ANSWER not in said(answer), said(answer))
        holds(not answer.avp["context_tokens"], answer.avp)
    with checks.that(f"{name}: the session in the header AVP-Session-ID"):
        session = read_facts(client, 1)
        answer = client.chat.completions.create(
            model=MODEL, temperature=0, messages=user(QUESTION), extra_headers={"AVP-Session-ID": session}
        )
        holds(ANSWER in said(answer), said(answer))
    with checks.that(f"{name}: as a stream, with the same text, the usage and the session at its end"):
        whole = ask(client, QUESTION, avp={"session_id": session})
        pieces, avp, usage = [], None, None
        stream = ask(client, QUESTION, avp={"session_id": session}, stream=True, stream_options={"include_usage": True})
        for chunk in stream:
            usage = chunk.usage or usage
            avp = getattr(chunk, "avp", None) or avp
            pieces += [choice.delta.content or "" for choice in chunk.choices]
        equal("".join(pieces), said(whole))
        holds(len([piece for piece in pieces if piece]) > 1, f"pieces: {pieces}")
        equal(usage.total_tokens, whole.usage.total_tokens)
        equal(avp["session_id"], session)
    with checks.that(f"{name}: a stream that its reader leaves; the next question is answered"):
        with ask(client, FACTS, stream=True, max_tokens=400) as stream:
            next(iter(stream))
        holds(said(ask(client, FACTS)), "an answer")


def completions(checks, name, client):
    """What else the client can ask for."""
    with checks.that(f"{name}: models"):
        models = client.models.list().data
        equal([model.id for model in models], [MODEL])
    with checks.that(f"{name}: a completion has id, model, usage, and the same text for the same seed"):
        one, two = (ask(client, f"{FACTS} {QUESTION}", temperature=1, top_p=0.9, seed=7) for _ in range(2))
        equal(said(one), said(two))
        equal((one.object, one.model, one.choices[0].finish_reason), ("chat.completion", MODEL, "stop"))
        equal(one.usage.total_tokens, one.usage.prompt_tokens + one.usage.completion_tokens)
        holds(one.id != two.id and one.created > 0, one)
    with checks.that(f"{name}: max_tokens and stop"):
        short = ask(client, f"{FACTS} {QUESTION}", max_tokens=1)
        equal((short.choices[0].finish_reason, short.usage.completion_tokens), ("length", 1))
        stopped = ask(client, f"{FACTS} {QUESTION}", stop=[ANSWER])
        holds(ANSWER not in said(stopped) and stopped.choices[0].finish_reason == "stop", said(stopped))
    with checks.that(f"{name}: a conversation of parts, with what the assistant said before"):
        answer = client.chat.completions.create(model=MODEL, temperature=0, messages=[
            {"role": "user", "content": [{"type": "text", "text": FACTS}]},
            {"role": "assistant", "content": "ok"}, *user(QUESTION)])
        holds(said(answer), "an answer")


def errors(checks, name, client):
    """Which of the client's errors come."""
    cases = [
        ("404 for a model that is not there", openai.NotFoundError, "model_not_found", {"model": "gpt-4o"}),
        ("400 for a temperature that is none", openai.BadRequestError, None, {"temperature": 9}),
        ("400 for tools", openai.BadRequestError, None,
         {"tools": [{"type": "function", "function": {"name": "f", "parameters": {}}}]}),
        ("400 for two answers", openai.BadRequestError, None, {"n": 2}),
        ("400 for too many latent steps", openai.BadRequestError, None, {"avp": {"latent_steps": 100_000}}),
        ("400 for a session's name of the wrong kind", openai.BadRequestError, None, {"avp": {"session_id": 7}}),
    ]
    for what, kind, code, options in cases:
        with checks.that(f"{name}: {what}"):
            try:
                ask(client, QUESTION, **options)
            except kind as error:
                holds(error.body and error.body["message"], error.body)
                holds(code is None or error.code == code, f"code {error.code}")
            else:
                raise AssertionError("nothing was refused")
    with checks.that(f"{name}: 400 for a picture"):
        try:
            client.chat.completions.create(model=MODEL, messages=[
                {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:,"}}]}])
        except openai.BadRequestError as error:
            equal(error.param, "messages[0].content[0].type")
        else:
            raise AssertionError("nothing was refused")
    with checks.that(f"{name}: 401 with another token"):
        try:
            client.with_options(api_key="another-token-not-known").models.list()
        except openai.AuthenticationError as error:
            equal(error.status_code, 401)
        else:
            raise AssertionError("nothing was refused")


def chats(server):
    """How many chat completions the server has answered."""
    return server.logged().count('route="chat"')


async def together(server):
    """Answers to questions that are asked at once."""
    async with openai.AsyncOpenAI(base_url=f"{server.url}/v1", api_key=TOKEN) as client:
        def one(number):
            return client.chat.completions.create(model=MODEL, messages=user(QUESTION), max_tokens=4, seed=number)
        return await asyncio.gather(*map(one, range(16)))


def main():
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    checks = Checks("openai", "httpx")
    with Serving(token=TOKEN) as server, openai.OpenAI(base_url=f"{server.url}/v1", api_key=TOKEN) as client:
        hand_over(checks, "h1", client)
        completions(checks, "h1", client)
        errors(checks, "h1", client)
        with checks.that("h1: 16 questions at once from the async client"):
            answers = asyncio.run(together(server))
            equal(len([answer for answer in answers if answer.usage.completion_tokens]), 16)
        with checks.that("h1: no question and no token in the server's log"):
            logged = server.logged()
            for secret in (QUESTION, TOKEN, "silk"):
                holds(secret not in logged, secret)
    with Serving(tls=True, token=TOKEN) as server:
        trusting = ssl.create_default_context(cafile=server.certificate)
        client = httpx.Client(http2=True, verify=trusting)
        with openai.OpenAI(base_url=f"{server.url}/v1", api_key=TOKEN, http_client=client) as client:
            hand_over(checks, "h2 tls", client)
            errors(checks, "h2 tls", client)
    with Serving("--strict", "--session-ttl", "1") as server:
        with openai.OpenAI(base_url=f"{server.url}/v1", api_key=TOKEN) as client:
            with checks.that("strict: 409 for an unknown session, asked once: the client repeats no 409 that is final"):
                before = chats(server)
                try:
                    ask(client, QUESTION, avp={"session_id": "0" * 32})
                except openai.ConflictError as error:
                    equal(error.status_code, 409)
                else:
                    raise AssertionError("nothing was refused")
                equal(chats(server) - before, 1, "requests:")
    checks.end()


if __name__ == "__main__":
    main()
