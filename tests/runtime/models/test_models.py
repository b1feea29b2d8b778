"""The litellm adapter against a real HTTP server that behaves as providers do, well and badly."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from runtime.models import failures, prices, tokens
from runtime.models.assemble import CallFragments
from runtime.models.base import Message, ModelError, ModelReply, TextDelta, Tool, ToolCall
from runtime.models.choose import PROVIDERS
from runtime.models.provider import LiteLLM, load
from tests.runtime.provider import REFUSALS, SHAPES, TRANSIENT, Provider, from_trajectory, reply, seeded, trajectories
from workspace import Usage

pytestmark = [
    pytest.mark.filterwarnings("ignore:Pydantic serializer warnings"),
    pytest.mark.filterwarnings("ignore:Accessing the 'model_:DeprecationWarning"),
]

RUN = Tool("run", "Run a command.", {"type": "object", "properties": {"command": {"type": "string"}}})
KEY = "sk-secret-0123456789"
PROMPT: list[Message] = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "What is here?"}]
USAGE = {
    "prompt_tokens": 1000,
    "completion_tokens": 55,
    "total_tokens": 1055,
    "prompt_tokens_details": {"cached_tokens": 600},
    "completion_tokens_details": {"reasoning_tokens": 7},
}
TWO_CALLS = reply(
    "Let me look, and then say where we are.",
    ("run", {"command": "ls -la; echo 'a \"quoted\" word and more text'"}),
    ("run", {"command": "pwd"}),
    usage=USAGE,
)
ARGUMENTS = [json.loads(call["function"]["arguments"]) for call in TWO_CALLS["choices"][0]["message"]["tool_calls"]]


@pytest.fixture(scope="module", autouse=True)
def litellm() -> Any:
    """litellm, imported once: it takes seconds."""
    return load()


def model_at(provider: Provider, name: str = "openai/gpt-4o", **options: Any) -> LiteLLM:
    base = provider.url if name.startswith("openai/") else provider.root
    return LiteLLM(name, **{"api_base": base, "api_key": KEY, "key_name": "SOME_API_KEY"} | options)


async def collect(stream: AsyncIterator[TextDelta | ModelReply]) -> tuple[list[TextDelta], ModelReply]:
    """The deltas and the reply of a stream, which is its last and only one."""
    *deltas, last = [piece async for piece in stream]
    assert isinstance(last, ModelReply)
    assert all(isinstance(delta, TextDelta) for delta in deltas)
    return deltas, last  # type: ignore[return-value]


async def ask(model: LiteLLM, messages: list[Message] = PROMPT, **options: Any) -> ModelReply:
    return (await collect(model.stream(messages, [RUN], **options)))[1]


def arguments(reply: ModelReply) -> list[Any]:
    return [json.loads(call.arguments) for call in reply.calls]


# -- a reply


async def test_a_reply_streams_as_deltas_and_then_whole() -> None:
    thinking = reply("It is a long sentence, cut into pieces.", reasoning="What do they want?", usage=USAGE)
    async with Provider([thinking]) as provider:
        deltas, whole = await collect(model_at(provider).stream(PROMPT, []))
    spoken = [delta.text for delta in deltas if not delta.reasoning]
    assert len(spoken) > 1
    assert "".join(spoken) == whole.text == "It is a long sentence, cut into pieces."
    assert "".join(delta.text for delta in deltas if delta.reasoning) == "What do they want?"
    assert (whole.calls, whole.finish, whole.model) == ((), "stop", "openai/gpt-4o")
    assert whole.message_id == "chatcmpl-0"
    assert replace(whole.usage, cost=None) == Usage(input=1000, output=55, cached=600, reasoning=7)


async def test_the_request_carries_what_was_asked_and_wants_usage_reported() -> None:
    async with Provider([TWO_CALLS]) as provider:
        await ask(model_at(provider), limit=500)
        (request,) = provider.requests
    assert request.body["stream_options"] == {"include_usage": True}
    assert request.body["messages"] == PROMPT
    assert request.body["tools"][0]["function"]["name"] == "run"
    assert 500 in (request.body.get("max_tokens"), request.body.get("max_completion_tokens"))
    assert request.headers["authorization"] == f"Bearer {KEY}"


async def test_calls_go_back_with_their_results_and_the_next_reply_follows() -> None:
    async with Provider([TWO_CALLS, reply("Done.")]) as provider:
        model = model_at(provider)
        first = await ask(model)
        second = await ask(model, [*PROMPT, *answered(first)])
        assert second.text == "Done."
        assert provider.requests[1].body["messages"][2]["tool_calls"][0]["id"] == first.calls[0].id


def answered(whole: ModelReply, result: str = "fine") -> list[Message]:
    calls = [
        {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
        for call in whole.calls
    ]
    results = [{"role": "tool", "tool_call_id": call.id, "content": result} for call in whole.calls]
    return [{"role": "assistant", "content": whole.text, **({"tool_calls": calls} if calls else {})}, *results]


@pytest.mark.parametrize("shape", [shape for shape in SHAPES if shape != "malformed"])
async def test_calls_are_whole_however_they_are_streamed(shape: str) -> None:
    async with Provider([TWO_CALLS], [shape]) as provider:
        whole = await ask(model_at(provider))
    assert [call.name for call in whole.calls] == ["run", "run"]
    assert arguments(whole) == ARGUMENTS
    assert len({call.id for call in whole.calls if call.id}) == 2
    assert whole.finish == "tool_calls"
    assert whole.text == "Let me look, and then say where we are."


async def test_malformed_arguments_are_given_as_written_and_never_sent_back_so() -> None:
    async with Provider([TWO_CALLS, reply("I see.")], ["malformed"]) as provider:
        model = model_at(provider)
        first = await ask(model)
        with pytest.raises(ValueError, match="line 1"):
            arguments(first)
        await ask(model, [*PROMPT, *answered(first, "These arguments are no JSON.")])
        sent = provider.requests[1].body["messages"][2]["tool_calls"][0]["function"]["arguments"]
        assert json.loads(sent) == {"malformed_arguments": first.calls[0].arguments}


async def test_text_that_is_no_unicode_can_be_sent() -> None:
    async with Provider([reply("Odd.")]) as provider:
        name = os.fsdecode(b"caf\xe9.txt")
        await ask(model_at(provider), [{"role": "user", "content": f"Read {name} and \U0001f412."}])
        assert provider.requests[0].body["messages"][0]["content"] == "Read caf�.txt and \U0001f412."


async def test_a_reply_cut_by_its_limit_says_so() -> None:
    async with Provider([reply("And so on and", finish="length")]) as provider:
        assert (await ask(model_at(provider))).finish == "length"


async def test_a_reply_with_calls_ends_with_calls_whatever_the_provider_says() -> None:
    record = reply("", ("run", {"command": "ls"}), finish="stop")
    async with Provider([record]) as provider:
        assert (await ask(model_at(provider))).finish == "tool_calls"


async def test_a_filtered_reply_is_an_error_that_repeating_does_not_cure() -> None:
    async with Provider([reply("I", finish="content_filter")]) as provider:
        with pytest.raises(ModelError, match="declined to answer") as raised:
            await ask(model_at(provider))
    assert not raised.value.retry


async def test_many_calls_at_once_each_get_their_own_reply() -> None:
    replies = [reply(f"Number {number}.", ("run", {"command": str(number)})) for number in range(20)]
    async with Provider(replies, lambda number: "slow" if number % 3 else None) as provider:
        model = model_at(provider)
        histories = [[*PROMPT, *[{"role": "assistant", "content": "x"}] * number] for number in range(20)]
        wholes = await asyncio.gather(*(ask(model, history) for history in histories))
    assert [(whole.text, arguments(whole)) for whole in wholes] == [
        (f"Number {number}.", [{"command": str(number)}]) for number in range(20)
    ]


# -- usage and prices


@pytest.mark.parametrize("shape", ["no-usage", "zero-usage", "negative-usage"])
async def test_usage_that_is_absent_or_impossible_is_unknown_and_never_zero(shape: str) -> None:
    async with Provider([TWO_CALLS], [shape]) as provider:
        whole = await ask(model_at(provider))
    assert whole.usage == Usage()


async def test_a_request_that_is_repeated_gets_the_same_reply_under_an_id_of_its_own() -> None:
    async with Provider([TWO_CALLS], ["cut"]) as provider:
        model = model_at(provider)
        with pytest.raises(ModelError):
            await ask(model)
        first, again = await ask(model), await ask(model)
    assert (first.text, first.calls) == (again.text, again.calls)
    assert len({first.message_id, again.message_id, "chatcmpl-0"}) == 3


async def test_usage_reported_twice_counts_once() -> None:
    async with Provider([TWO_CALLS], ["double-final"]) as provider:
        assert (await ask(model_at(provider))).usage.input == 1000


async def test_cost_charges_cached_tokens_at_their_own_price() -> None:
    async with Provider([TWO_CALLS]) as provider:
        model = model_at(provider)  # 2.5 USD a million in, 1.25 cached, 10 out
        whole = await ask(model)
    assert whole.usage.cost == model.cost(whole.usage) == 400 * 2500 + 600 * 1250 + 55 * 10_000
    assert model.cost(Usage(input=None, output=5)) is None
    assert LiteLLM("openai/of-my-own").cost(Usage(input=1, output=1)) is None


def test_prices_agree_with_litellm_for_the_models_we_choose(litellm: Any) -> None:
    types = litellm.types.utils
    for _, name in PROVIDERS:
        for asked, cached in ((1000, 0), (1000, 600), (150_000, 100_000), (400_000, 100_000)):
            if cached and "cache_read_input_token_cost" not in json.dumps(prices.entry(name)):
                continue  # it then takes cached tokens for free; we do not know that they are
            reported = types.Usage(
                prompt_tokens=asked,
                completion_tokens=500,
                total_tokens=asked + 500,
                prompt_tokens_details=types.PromptTokensDetailsWrapper(cached_tokens=cached),
            )
            theirs = sum(litellm.cost_per_token(model=name, usage_object=reported)) * 1e9
            ours = prices.cost(name, Usage(input=asked, output=500, cached=cached))
            assert ours == pytest.approx(theirs, abs=1), name


def test_every_model_we_choose_is_in_the_table_and_can_call_tools() -> None:
    for _, name in PROVIDERS:
        entry = prices.entry(name)
        assert entry is not None, name
        assert entry["supports_function_calling"], name
        assert prices.per_million(name) is not None, name


def test_a_window_is_known_or_assumed() -> None:
    assert prices.window("anthropic/claude-sonnet-4-5") == 200_000
    assert prices.window("openai/of-my-own") == prices.WINDOW
    assert LiteLLM("openai/of-my-own", window=8192).window == 8192


def test_a_price_of_the_same_name_elsewhere_is_not_taken() -> None:
    assert prices.entry("openai/gpt-4o") is not None
    assert prices.entry("openai/claude-sonnet-4-5") is None


# -- failures


@pytest.mark.parametrize("fault", REFUSALS)
async def test_a_refusal_says_what_to_do_and_is_not_tried_again(fault: str) -> None:
    async with Provider([TWO_CALLS], [fault]) as provider:
        with pytest.raises(ModelError) as raised:
            await ask(model_at(provider))
        assert len(provider.requests) == 1
    said = str(raised.value)
    assert not raised.value.retry
    assert KEY not in said
    assert "\n" not in said
    assert "litellm" not in said.lower()
    assert said.endswith(".")
    assert raised.value.__cause__ is raised.value.__context__ is None  # where the key would be
    wanted = {"quota": "credit", "bad": "refused", "key": "SOME_API_KEY", "missing": "wukong models"}
    assert {"forbidden": "use openai/gpt-4o", "context": "longer", **wanted}[fault] in said


@pytest.mark.parametrize("fault", TRANSIENT)
@pytest.mark.parametrize("name", ["openai/gpt-4o", "anthropic/claude-sonnet-4-5", "ollama_chat/any"])
async def test_a_failure_that_may_pass_is_left_to_the_loop_with_what_had_arrived(fault: str, name: str) -> None:
    async with Provider([TWO_CALLS], [fault]) as provider:
        with pytest.raises(ModelError) as raised:
            await ask(model_at(provider, name))
        assert len(provider.requests) == 1
    assert raised.value.retry
    assert "litellm" not in str(raised.value).lower()
    streamed = fault in ("cut", "eof", "reset-late")
    assert raised.value.text == ("Let me look, and then say where we are." if streamed else "")


async def test_the_provider_says_how_long_to_wait() -> None:
    for header, seconds in (("7", 7.0), ("0.5", 0.5), ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0), (None, None)):
        async with Provider([TWO_CALLS], ["rate"], retry_after=header) as provider:
            with pytest.raises(ModelError, match="slow down") as raised:
                await ask(model_at(provider))
        assert raised.value.after == seconds


async def test_nobody_listening_may_pass() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        with pytest.raises(ModelError, match="cannot be reached") as raised:
            await ask(LiteLLM("openai/any", api_base=f"http://127.0.0.1:{port}/v1", api_key=KEY))
    assert raised.value.retry


async def test_silence_is_given_up_and_the_connection_closed() -> None:
    async with Provider([TWO_CALLS], ["hang"]) as provider:
        model = model_at(provider)

        async def listen() -> None:
            async for piece in model.stream(PROMPT, [RUN]):
                if isinstance(piece, TextDelta) and piece.text.endswith("where we are."):
                    model.patience = 0.05

        with pytest.raises(ModelError, match="in time") as raised:
            await listen()
        await asyncio.wait_for(provider.gone.wait(), 10)
    assert raised.value.retry
    assert raised.value.text == "Let me look, and then say where we are."


async def test_leaving_a_stream_in_the_middle_closes_its_connection() -> None:
    async with Provider([TWO_CALLS], ["hang"]) as provider:
        stream = model_at(provider).stream(PROMPT, [RUN])
        async for piece in stream:
            assert isinstance(piece, TextDelta)
            break
        await stream.aclose()  # type: ignore[attr-defined]
        await asyncio.wait_for(provider.gone.wait(), 10)


async def test_cancelling_who_reads_closes_the_connection() -> None:
    async with Provider([TWO_CALLS], ["hang"]) as provider:
        reading = asyncio.create_task(ask(model_at(provider)))
        while not provider.requests:
            await asyncio.wait([reading], timeout=0.01)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        await asyncio.wait_for(provider.gone.wait(), 10)


async def test_a_model_that_cannot_call_tools_is_refused_before_it_is_asked() -> None:
    with pytest.raises(ModelError, match="cannot call tools"):
        await ask(LiteLLM("perplexity/sonar", api_key=KEY))


async def test_a_run_of_failures_ends_with_every_reply_intact() -> None:
    replies = [reply(f"Step {n}.", ("run", {"command": f"step {n}"}), usage=USAGE) for n in range(12)]
    async with Provider(replies, seeded(7, 0.5, TRANSIENT + SHAPES[5:])) as provider:
        model, messages, texts = model_at(provider), list(PROMPT), []
        while len(texts) < len(replies):
            try:
                whole = await ask(model, messages)
            except ModelError as error:
                lasting = not error.retry
            else:
                lasting = arguments(whole) != [{"command": f"step {len(texts)}"}]
                texts.append(whole.text)
                messages += answered(whole)
            assert not lasting
        assert texts == [f"Step {n}." for n in range(12)]
        assert len(provider.requests) > len(replies)


def test_keys_are_scrubbed_from_what_a_provider_says() -> None:
    for said in (
        f"Incorrect API key provided: {KEY}",
        "Incorrect API key provided: sk-proj-ab******************yz9",
        "API key not valid: AIzaSyA0123456789abcdefghij",
        "GET https://host/v1?key=abcdefghijkl: 400",
        "Authorization: Bearer eyJhbGciOi.J9",
        "the password hunter2-of-mine is wrong",
    ):
        cleaned = failures.scrub(said, ["hunter2-of-mine"])
        assert "[key]" in cleaned
        assert not {"secret", "yz9", "AIza", "abcdefghijkl", "eyJ", "hunter2"} & set(
            cleaned.replace(":", " ").split()
        )
        assert not any(part in cleaned for part in ("secret", "yz9", "AIza", "abcdefghijkl", "eyJ", "hunter2"))


# -- other protocols


async def test_anthropic_counts_what_it_read_and_wrote_in_its_cache() -> None:
    details = {"cached_tokens": 600, "cache_creation_tokens": 300}
    record = reply("Let me look.", ("run", {"command": "ls"}), usage=USAGE | {"prompt_tokens_details": details})
    async with Provider([record]) as provider:
        whole = await ask(model_at(provider, "anthropic/claude-sonnet-4-5"))
        (request,) = provider.requests
    assert request.path == "/v1/messages"
    assert request.headers["x-api-key"] == KEY
    assert "cache_control" in json.dumps(request.body["system"])
    assert "cache_control" in json.dumps(request.body["messages"][-1])
    assert (whole.text, arguments(whole)) == ("Let me look.", [{"command": "ls"}])
    assert (whole.usage.input, whole.usage.output, whole.usage.cached) == (1000, 55, 600)
    assert whole.usage.cost == 100 * 3000 + 600 * 300 + 300 * 3750 + 55 * 15_000


async def test_anthropic_takes_a_conversation_with_malformed_arguments() -> None:
    history: list[Message] = [
        *PROMPT,
        {
            "role": "assistant",
            "content": "",
            "tool_calls": [{"id": "a", "type": "function", "function": {"name": "run", "arguments": '{"command'}}],
        },
        {"role": "tool", "tool_call_id": "a", "content": "No JSON."},
    ]
    async with Provider([TWO_CALLS, reply("Again.")]) as provider:
        assert (await ask(model_at(provider, "anthropic/claude-sonnet-4-5"), history)).text == "Again."


async def test_mistral_gets_ids_of_nine_characters_and_no_word_of_a_user_after_a_result() -> None:
    async with Provider([TWO_CALLS, reply("Done.")]) as provider:
        model = model_at(provider, "mistral/devstral-medium-latest", api_base=provider.url)
        history = [*PROMPT, *answered(await ask(model)), {"role": "user", "content": "Somebody edited a.txt."}]
        before = json.dumps(history)
        assert (await ask(model, history)).text == "Done."
        sent = provider.requests[1].body["messages"]
    assert json.dumps(history) == before
    ids = [call["id"] for call in sent[2]["tool_calls"]]
    assert [message["tool_call_id"] for message in sent[3:]] == ids
    assert all(len(id) == 9 and id.isalnum() for id in ids)
    assert len(set(ids)) == 2
    assert sent[-1]["content"] == "fine\n\nSomebody edited a.txt."


async def test_ollama_gives_parallel_calls_and_reads_as_much_as_it_is_asked_to() -> None:
    async with Provider([TWO_CALLS]) as provider:
        whole = await ask(model_at(provider, "ollama_chat/any", options={"num_ctx": 16_384}))
        (request,) = provider.requests
    assert request.path == "/api/chat"
    assert request.body["options"]["num_ctx"] == 16_384
    assert arguments(whole) == ARGUMENTS
    assert len({call.id for call in whole.calls}) == 2
    assert (whole.usage.input, whole.usage.output, whole.usage.cached) == (1000, 55, None)


# -- fragments


def test_calls_without_index_or_id_are_told_apart_by_whole_arguments() -> None:
    calls = CallFragments()
    for name, arguments in (("run", ""), (None, '{"command":'), (None, ' "a"}'), ("read", '{"path": "b"}')):
        calls.add(None, None, name, arguments)
    assert [(call.name, call.arguments) for call in calls.finish()] == [
        ("run", '{"command": "a"}'),
        ("read", '{"path": "b"}'),
    ]
    assert all(call.id for call in calls.finish())


def test_an_id_used_for_two_different_calls_is_made_distinct_and_a_repetition_stays_visible() -> None:
    calls = CallFragments()
    calls.add(0, "same", "run", '{"command": "a"}')
    calls.add(1, "same", "run", '{"command": "b"}')
    calls.add(2, "same", "run", '{"command": "a"}')
    first, other, again = calls.finish()
    assert other.id != first.id
    assert again == first == ToolCall("same", "run", '{"command": "a"}')


# -- silence, and no network


def test_choosing_and_counting_load_no_litellm() -> None:
    code = (
        "import sys; from runtime.models import choose, tokens;"
        "choose.choose('anthropic/claude-sonnet-5', config={}, environ={'ANTHROPIC_API_KEY': 'x'});"
        "assert tokens.of_text('hello world') == 2, tokens.of_text('hello world');"
        "print([name for name in ('litellm', 'openai', 'httpx', 'textual') if name in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "[]\n"


OFFLINE = """
import asyncio, json, logging, os, sys
calls = []
def hook(event, args):
    if event in ("socket.getaddrinfo", "socket.connect"):
        where = args[0] if event == "socket.getaddrinfo" else args[1][0]
        if where not in ("127.0.0.1", b"127.0.0.1", "/"):  # "/" begins the path of a Unix socket
            calls.append(str(where))
sys.addaudithook(hook)
from runtime.models.provider import LiteLLM
from runtime.models.base import ModelError
from tests.runtime.provider import Provider, reply
async def main():
    replies = [reply("Hi.", ("run", {"a": 1}))]
    async with Provider(replies, ["object-arguments", "key", "cut", "no-usage", "server"]) as provider:
        model = LiteLLM("openai/gpt-4o", api_base=provider.url, api_key="sk-test-12345678")
        for _ in range(5):
            try:
                async for _ in model.stream([{"role": "user", "content": "hi"}], []):
                    model.count([{"role": "user", "content": "hi"}], [])
            except ModelError:
                pass
asyncio.run(main())
logging.getLogger("LiteLLM").error("litellm has something to say")
json.dump({"network": calls, "dotenv": os.environ.get("FROM_DOTENV")}, open(sys.argv[1], "w"))
"""


def test_the_adapter_prints_nothing_asks_no_network_and_reads_no_dotenv(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("FROM_DOTENV=read\n")
    root = Path(__file__).resolve().parents[3]
    hostile = {"LITELLM_LOG": "DEBUG", "LITELLM_MODE": "DEV", "LITELLM_LOCAL_MODEL_COST_MAP": "False"}
    environ = os.environ | hostile | {"PYTHONPATH": str(root)}
    command = [sys.executable, "-c", OFFLINE, str(tmp_path / "seen.json")]
    run = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True, check=True)
    assert run.stdout + run.stderr == ""
    assert json.loads((tmp_path / "seen.json").read_text()) == {"network": [], "dotenv": None}


# -- real data


@pytest.mark.skipif(not trajectories(), reason="no recorded runs at hand")
async def test_a_recorded_run_plays_through_with_its_own_figures() -> None:
    path = trajectories()[0]
    record = json.loads(path.read_text("utf-8"))
    replies = from_trajectory(path)
    messages: list[Message] = []
    usages, estimates = [], []
    async with Provider(replies) as provider:
        model = model_at(provider, "deepseek/deepseek-chat", api_base=provider.url)
        for message in record["messages"]:
            if message["role"] != "assistant":
                messages.append({k: v for k, v in message.items() if k in ("role", "content", "tool_call_id")})
                continue
            whole = await ask(model, messages)
            assert whole.text == (message["content"] or "")
            wanted = [call["function"]["arguments"] for call in message["tool_calls"] or ()]
            assert [call.arguments for call in whole.calls] == wanted
            usages.append(whole.usage)
            estimates.append(model.count(messages, [RUN]))
            messages += [{k: v for k, v in message.items() if k in ("role", "content", "tool_calls")}]
    assert [use.input for use in usages] == [each["usage"]["prompt_tokens"] for each in replies]
    assert len(usages) == record["info"]["model_stats"]["api_calls"]
    cost = record["info"]["model_stats"]["instance_cost"]
    assert sum(use.cost or 0 for use in usages) / 1e9 == pytest.approx(cost, rel=1e-6)
    ratios = sorted(guess / (use.input or 1) for guess, use in zip(estimates, usages, strict=True))
    assert 0.75 < ratios[len(ratios) // 2] < 1.35


def test_counting_grows_with_text_and_survives_any() -> None:
    assert tokens.of_text("") == 0
    assert tokens.of_text("a" * 100_000) > 1_000
    assert tokens.of_text("\ud800 \x00 é") > 0
    short, long = tokens.of_call(PROMPT, []), tokens.of_call(PROMPT, [RUN])
    assert 0 < short < long
