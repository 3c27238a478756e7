"""A small graph with a subgraph and an interrupt on a saver. Imports LangGraph, so only fixtures import it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypedDict, TypeVar

from langgraph.checkpoint.redis import AsyncRedisSaver, RedisSaver
from langgraph.checkpoint.redis.ashallow import AsyncShallowRedisSaver
from langgraph.checkpoint.redis.shallow import ShallowRedisSaver
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command, interrupt
from langgraph_checkpoint_aws import AsyncValkeySaver, ValkeySaver

T = TypeVar("T")

SAVERS = {
    saver.__name__: saver
    for saver in (
        ValkeySaver,
        AsyncValkeySaver,
        RedisSaver,
        AsyncRedisSaver,
        ShallowRedisSaver,
        AsyncShallowRedisSaver,
    )
}


class State(TypedDict, total=False):
    document: str
    facts: str
    risk: str
    answer: str
    memo: str


class Flow:
    """The graph on one saver, asynchronous savers driven from the outside. ``ran`` lists the nodes as they ran."""

    def __init__(self, saver: Any, run: Callable[[Awaitable[Any]], Any] | None) -> None:
        self.saver = saver
        self.ran: list[str] = []
        self._run = run
        self._graph = self._compile()

    def begin(self, thread: str) -> None:
        """Run until the question in the subgraph."""
        outcome = self._call(self._graph, "invoke", {"document": "lease"}, _config(thread))
        assert outcome["__interrupt__"][0].value == "publish?"

    def resume(self, thread: str) -> Any:
        """Answer the question; the state at the end."""
        return self._call(self._graph, "invoke", Command(resume="yes"), _config(thread))

    def waits(self, thread: str) -> bool:
        """Whether the saver knows the thread as interrupted."""
        return bool(self._state(thread).next)

    def writer(self, thread: str) -> Callable[[int], None]:
        """A writer that holds the thread's newest checkpoint, as a worker does, and puts so many writes to it."""
        config = self._state(thread).config
        return lambda count: self._call(
            self.saver, "put_writes", config, [(f"channel-{n}", n) for n in range(count)], "late-task"
        )

    def _state(self, thread: str) -> Any:
        name = "aget_state" if self._run else "get_state"
        answer = getattr(self._graph, name)(_config(thread))
        return self._run(answer) if self._run else answer

    def _call(self, target: Any, name: str, *args: Any) -> Any:
        return self._run(getattr(target, f"a{name}")(*args)) if self._run else getattr(target, name)(*args)

    def _compile(self) -> Any:
        review = StateGraph(State)
        review.add_node("weigh", self._step("weigh", risk="low"))
        review.add_node("ask", self._ask)
        review.add_edge(START, "weigh")
        review.add_edge("weigh", "ask")
        review.add_edge("ask", END)

        synthesis = StateGraph(State)
        synthesis.add_node("read", self._step("read", facts="ten years"))
        synthesis.add_node("review", review.compile())
        synthesis.add_node("publish", self._step("publish", memo="sent"))
        synthesis.add_edge(START, "read")
        synthesis.add_edge("read", "review")
        synthesis.add_edge("review", "publish")
        synthesis.add_edge("publish", END)
        return synthesis.compile(checkpointer=self.saver)

    def _step(self, name: str, **update: str) -> Callable[[State], dict[str, str]]:
        def node(state: State) -> dict[str, str]:
            self.ran.append(name)
            return update

        return node

    def _ask(self, state: State) -> dict[str, str]:
        self.ran.append("ask")
        return {"answer": interrupt("publish?")}


@contextmanager
def open_flow(saver: str, url: str, **options: Any) -> Iterator[Flow]:
    """The graph on a saver of this class name at a server."""
    cls = SAVERS[saver]
    manager = cls.from_conn_string(url, **options)
    if not saver.startswith("Async"):
        with manager as opened:
            if hasattr(opened, "setup"):
                opened.setup()
            yield Flow(opened, None)
        return
    with asyncio.Runner() as runner:

        def run(step: Awaitable[T]) -> T:
            async def wait() -> T:
                return await step

            return runner.run(wait())

        opened = run(manager.__aenter__())
        try:
            if hasattr(opened, "asetup"):
                run(opened.asetup())
            yield Flow(opened, run)
        finally:
            run(manager.__aexit__(None, None, None))


def _config(thread: str) -> dict[str, Any]:
    return {"configurable": {"thread_id": thread}}
