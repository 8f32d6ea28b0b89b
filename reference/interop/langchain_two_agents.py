#!/usr/bin/env python3
# pip install langchain-openai==1.7.3 langchain-core==1.7.2
"""LangChain's ChatOpenAI, as it comes, through `avp serve`: a chain of two agents, of which the second one never sees what the
first one has read, but names the session that keeps it. At once, as a stream, asynchronously and for several questions."""

import argparse
import asyncio
import warnings

from langchain_core.messages import HumanMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableLambda
from langchain_openai import ChatOpenAI

from checks import Checks, equal, holds
from serving import ANSWER, FACTS, MODEL, QUESTION, Serving

TOKEN = "a-token-for-these-checks"


def model(server, **avp):
    """A model of LangChain's, with the protocol's field if there is anything in it."""
    extra = {"extra_body": {"avp": avp}} if avp else {}
    return ChatOpenAI(base_url=f"{server.url}/v1", api_key=TOKEN, model=MODEL, temperature=0, max_retries=0, **extra)


class KeepsSessions(ChatOpenAI):
    """ChatOpenAI drops fields of answers that it doesn't know; this one hands the protocol's on as metadata."""

    def _create_chat_result(self, response, generation_info=None):
        avp = response.get("avp") if isinstance(response, dict) else getattr(response, "avp", None)
        result = super()._create_chat_result(response, generation_info)
        for generation in result.generations:
            generation.message.response_metadata["avp"] = avp
        return result


def session(server):
    """A session that the second agent can name."""
    import httpx

    headers = {"authorization": f"Bearer {TOKEN}"}
    hello = {"agent_id": "chain", "avp_version": "0.4"}
    return httpx.post(f"{server.url}/avp/v2/handshake", json=hello, headers=headers).json()["session_id"]


def read_facts(server, facts=FACTS):
    """The first agent. The session's name."""
    reader = KeepsSessions(
        base_url=f"{server.url}/v1", api_key=TOKEN, model=MODEL, temperature=0,
        extra_body={"avp": {"keep": True, "latent_steps": 1}},
    )
    message = (ChatPromptTemplate.from_messages([("user", "{facts} Take a note.")]) | reader).invoke({"facts": facts})
    avp = message.response_metadata["avp"]
    holds(avp["kept"], avp)
    return avp["session_id"]


def main():
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    checks = Checks("langchain-openai", "langchain-core", "openai")
    with Serving(token=TOKEN) as server:
        run(checks, server)
    checks.end()


def run(checks, server):
    prompt = ChatPromptTemplate.from_messages([("user", "{question}")])
    question = {"question": QUESTION}
    with checks.that("one chain of two agents: the second one is given the question and the session alone"):
        def write(session):
            return (prompt | model(server, session_id=session) | StrOutputParser()).invoke(question)

        chain = RunnableLambda(lambda given: read_facts(server, given["facts"])) | RunnableLambda(write)
        answer = chain.invoke({"facts": FACTS})
        holds(ANSWER in answer, answer)
    with checks.that("without the session it does not know"):
        answer = (prompt | model(server) | StrOutputParser()).invoke(question)
        holds(ANSWER not in answer, answer)
    name = read_facts(server)
    with checks.that("the second agent's answer as a stream is the same text"):
        writer = prompt | model(server, session_id=name) | StrOutputParser()
        pieces = [piece for piece in writer.stream(question) if piece]
        equal("".join(pieces), writer.invoke(question))
        holds(len(pieces) > 1 and ANSWER in "".join(pieces), pieces)
    with checks.that("asynchronously, at once and as a stream"):
        async def both():
            whole = await writer.ainvoke(question)
            return whole, "".join([piece async for piece in writer.astream(question)])
        whole, streamed = asyncio.run(both())
        equal(whole, streamed)
        holds(ANSWER in whole, whole)
    with checks.that("a batch: questions that wait for one another"):
        for answer in writer.batch([question] * 6):
            holds(ANSWER in answer, answer)
    with checks.that("the field bound to one call, by bind and by model_kwargs"):
        bound = model(server).bind(extra_body={"avp": {"session_id": name}})
        holds(ANSWER in bound.invoke([HumanMessage(QUESTION)]).content, "by bind")
        warnings.simplefilter("ignore")  # LangChain would rather have it as above.
        kwargs = ChatOpenAI(base_url=f"{server.url}/v1", api_key=TOKEN, model=MODEL, temperature=0,
                            model_kwargs={"extra_body": {"avp": {"session_id": name}}})
        holds(ANSWER in kwargs.invoke([HumanMessage(QUESTION)]).content, "by model_kwargs")
    with checks.that("a reader without any subclass: a session from a handshake, named by both agents"):
        opened = session(server)
        reader = model(server, session_id=opened, keep=True, latent_steps=1)
        reader.invoke([HumanMessage(f"{FACTS} Take a note.")])
        answer = (prompt | model(server, session_id=opened) | StrOutputParser()).invoke(question)
        holds(ANSWER in answer, answer)
    with checks.that("a reader without any subclass: the session from the answer's headers, named in a header"):
        reader = model(server, keep=True)
        reader.include_response_headers = True
        opened = reader.invoke([HumanMessage(f"{FACTS} Take a note.")]).response_metadata["headers"]["avp-session-id"]
        writer_by_header = ChatOpenAI(base_url=f"{server.url}/v1", api_key=TOKEN, model=MODEL, temperature=0,
                                      default_headers={"AVP-Session-ID": opened})
        answer = writer_by_header.invoke([HumanMessage(QUESTION)]).content
        holds(ANSWER in answer, answer)
    with checks.that("two sessions side by side: each agent knows its own facts"):
        another = read_facts(server, FACTS.replace("silk", "wool"))
        answers = [
            (prompt | model(server, session_id=one) | StrOutputParser()).invoke(question) for one in (name, another)
        ]
        holds("silk" in answers[0] and "wool" in answers[1], answers)
    with checks.that("usage and the reason of the end reach LangChain's message"):
        message = model(server, session_id=name).invoke([HumanMessage(QUESTION)])
        holds(message.usage_metadata["output_tokens"] > 0, message.usage_metadata)
        equal(message.response_metadata["finish_reason"], "stop")


if __name__ == "__main__":
    main()
