"""A teacher is asked once for each thing, waits while it is busy, stops where it must, and keeps to its budget."""

from __future__ import annotations

import json
import sys
from types import ModuleType, SimpleNamespace

import pytest
from typer.testing import CliRunner

from tests.corpus.run.sources import picture
from tests.corpus.teacher.server import serving
from vl2.cli import app
from vl2.core.errors import ConfigError, VL2Error
from vl2.core.sample import ImageSource
from vl2.corpus.teacher.ask import Ask, Reply, Sampling, TeacherError, key_of
from vl2.corpus.teacher.cache import Cache, read_entries
from vl2.corpus.teacher.costs import sum_costs
from vl2.corpus.teacher.pace import Pace
from vl2.corpus.teacher.ray_llm import RayBackend
from vl2.corpus.teacher.recorded import Recorded
from vl2.corpus.teacher.service import Service, load_service
from vl2.corpus.teacher.teacher import Teacher
from vl2.corpus.teacher.url import UrlBackend, to_body

SAMPLING = Sampling(model="pocket")


def ask(text: str, **more) -> Ask:
    return Ask(**{"prompt": "test", "version": 1, "system": "Be brief.", "text": text, **more})


def service(tmp_path, address: str = "", **more) -> Service:
    return Service(kind="url", cache=str(tmp_path / "cache"), url=address, concurrency=3, **more)


@pytest.fixture
def server():
    with serving() as answers:
        yield answers


def test_nothing_is_asked_twice_by_any_process(tmp_path, server):
    asks = [ask(f"question {number}") for number in range(7)]
    teacher = Teacher(service(tmp_path, server.address))
    replies = teacher.ask_all([*asks, asks[0]], SAMPLING)
    assert [reply.text for reply in replies] == [f"said question {n}" for n in (0, 1, 2, 3, 4, 5, 6, 0)]
    assert len(server.asked) == 7
    other = Teacher(service(tmp_path, server.address))
    assert other.ask_all(asks, SAMPLING) == replies[:7] and other.num_asked == 0
    other.ask_all([ask("new")], SAMPLING)
    teacher.ask_all([ask("new")], SAMPLING)  # what another process has written since is read
    assert len(server.asked) == 8


def test_the_key_holds_all_that_decides_the_reply():
    image = ImageSource(data=picture(1))
    asks = [ask("a"), ask("b"), ask("a", version=2), ask("a", prompt="other"), ask("a", system=""),
            ask("a", images=(image,)), ask("a", images=(ImageSource(data=picture(2)),))]  # fmt: skip
    samplings = [SAMPLING, Sampling(model="x"), Sampling(model="pocket", temperature=0.5),
                 Sampling(model="pocket", seed=1), Sampling(model="pocket", max_tokens=9)]  # fmt: skip
    keys = {key_of(one, sampling) for one in asks for sampling in samplings}
    assert len(keys) == len(asks) * len(samplings)


def test_the_wire(server, tmp_path, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    image = ImageSource(data=picture(3, "JPEG"))
    Teacher(service(tmp_path, server.address)).ask_all([ask("what?", images=(image,))], SAMPLING)
    (body,) = server.asked
    assert (body["model"], body["temperature"], body["max_tokens"], body["seed"]) == ("pocket", 0.0, 1024, 0)
    assert body["messages"][0] == {"role": "system", "content": "Be brief."}
    shown, text = body["messages"][1]["content"]
    assert shown["image_url"]["url"].startswith("data:image/jpeg;base64,") and text == {"type": "text", "text": "what?"}


def test_the_server_of_this_project_takes_the_request():
    from vl2.serve.schema import ChatRequest

    body = to_body(ask("what?", images=(ImageSource(data=picture(3)),)), SAMPLING)
    assert ChatRequest.model_validate(body).model == "pocket"


def test_it_waits_while_the_server_is_busy(server):
    server.first = [(429, {"Retry-After": "7"}), (503, {}), (500, {})]
    waits: list[float] = []
    backend = UrlBackend(server.address, sleep=waits.append)
    said: list[Reply] = []
    backend.replies([ask("a")], SAMPLING, lambda _, reply: said.append(reply))
    assert said[0].text == "said a" and len(server.asked) == 4
    assert waits[0] == 7.0 and 0.5 <= waits[1] <= 1.0 and 1.0 <= waits[2] <= 2.0  # doubled, with jitter


def test_it_stops_where_no_request_would_be_answered(server, tmp_path):
    server.first = [(401, {})]
    with pytest.raises(TeacherError, match="refuses all requests: 401"):
        Teacher(service(tmp_path, server.address)).ask_all([ask("a")], SAMPLING)
    server.first = [(503, {})] * 2
    backend = UrlBackend(server.address, num_tries=2, sleep=lambda _: None)
    with pytest.raises(TeacherError, match="no answer after 2 tries"):
        backend.replies([ask("a")], SAMPLING, lambda *_: None)
    with pytest.raises(TeacherError, match="ConnectError"):
        UrlBackend("http://127.0.0.1:9/v1", num_tries=1).replies([ask("a")], SAMPLING, lambda *_: None)
    with pytest.raises(VL2Error, match="not an address"):
        UrlBackend("localhost")


def test_a_refused_request_is_remembered_as_refused_and_asked_again_on_request(server, tmp_path):
    server.refuse = "bad"
    asks = [ask("good"), ask("bad")]
    for _ in range(2):
        good, bad = Teacher(service(tmp_path, server.address)).ask_all(asks, SAMPLING)
        assert good.text == "said good" and bad.problem == "refused with 400"
    assert len(server.asked) == 2
    server.refuse = ""
    again = Teacher(service(tmp_path, server.address, retry_refused=True)).ask_all(asks, SAMPLING)
    assert again[1].text == "said bad" and len(server.asked) == 3
    assert Teacher(service(tmp_path, server.address)).ask_all(asks, SAMPLING)[1].text == "said bad"


def test_the_budget_is_kept_and_can_be_raised(server, tmp_path):
    asks = [ask(f"question {number}") for number in range(20)]
    prices = {"price_in": 100.0, "price_out": 1000.0}  # a reply costs 10 * 100 + 5 * 1000 millionths: 0.006
    sampling = Sampling(model="pocket", max_tokens=6)
    with pytest.raises(TeacherError, match="the budget is spent"):
        Teacher(service(tmp_path, server.address, budget=0.05, **prices)).ask_all(asks, sampling)
    asked = len(server.asked)
    spent = sum(entry.cost for entry in read_entries(tmp_path / "cache"))
    assert 6 <= asked <= 8 and spent == pytest.approx(0.006 * asked) and spent <= 0.05
    Teacher(service(tmp_path, server.address, budget=1.0, **prices)).ask_all(asks, sampling)
    assert len(server.asked) == 20
    (cost,) = sum_costs(tmp_path / "cache").values()
    assert (cost.calls, cost.prompt_tokens, cost.cost) == (20, 200, pytest.approx(0.12))
    shown = CliRunner().invoke(app, ["corpus", "costs", str(tmp_path / "cache")])
    assert "test v1" in shown.output and "0.1200" in shown.output.splitlines()[-1]


def test_a_log_that_was_cut_short_loses_its_last_line_only(tmp_path):
    cache = Cache(tmp_path)
    for number in range(3):
        cache.add(key_of(ask(str(number)), SAMPLING), ask(str(number)), SAMPLING, Reply(text=str(number)), 0.5)
    cache.close()
    (log,) = tmp_path.glob("*.jsonl")
    log.write_bytes(b"junk\n" + log.read_bytes()[:-5])
    found = Cache(tmp_path)
    assert [found.find(key_of(ask(str(n)), SAMPLING)) is not None for n in range(3)] == [True, True, False]
    assert len(found) == 2 and found.spent == 1.0
    (tmp_path / "file").write_text("")
    with pytest.raises(VL2Error, match="cannot be a folder"):
        Cache(tmp_path / "file")
    with pytest.raises(VL2Error, match="no replies of a teacher"):
        list(read_entries(tmp_path / "gone"))


def test_the_pace_is_that_of_all_together(tmp_path):
    clock = SimpleNamespace(time=100.0)
    waits: list[float] = []
    paces = [Pace(tmp_path, 4.0, now=lambda: clock.time, sleep=waits.append) for _ in range(2)]
    for number in range(6):
        paces[number % 2].wait()
    assert waits == pytest.approx([0.25, 0.5, 0.75, 1.0, 1.25])
    clock.time = 50.0  # a clock that was set back far does not stop all work
    clock.time -= 1000
    paces[0].wait()
    assert len(waits) == 5
    Pace(tmp_path / "nowhere", None).wait()


def test_a_recording_answers_by_key_and_by_rule(tmp_path):
    cache = Cache(tmp_path / "cache")
    cache.add(key_of(ask("known"), SAMPLING), ask("known"), SAMPLING, Reply(text="from the cache"), 0.0)
    (log,) = (tmp_path / "cache").glob("*.jsonl")
    rule = {"prompt": "test", "contains": ["red", "dog"], "say": "a red dog"}
    path = tmp_path / "recording.jsonl"
    path.write_bytes(log.read_bytes() + json.dumps(rule).encode() + b"\n")
    told = Service(kind="recorded", cache=str(tmp_path / "new"), recording=str(path))
    replies = Teacher(told).ask_all([ask("known"), ask("a dog, red")], SAMPLING)
    assert [reply.text for reply in replies] == ["from the cache", "a red dog"]
    with pytest.raises(TeacherError, match="has no reply"):
        Teacher(told).ask_all([ask("a cat")], SAMPLING)
    path.write_text("{}\n")
    with pytest.raises(VL2Error, match="line 1: neither"):
        Recorded.read(str(path))
    with pytest.raises(VL2Error, match="no recording"):
        Recorded.read(str(tmp_path / "gone"))


def test_a_service_file_is_read_strictly(tmp_path):
    path = tmp_path / "service.yaml"
    for text, message in (("kind: url\ncache: c\n", "without its place"), ("kind: telepathy\ncache: c\n", "kind"),
                          ("kind: url\ncache: c\nurl: http://a\nconcurency: 3\n", "Did you mean 'concurrency'"),
                          ("kind: url\ncache: c\nurl: http://a\nnum_tries: 0\n", "at least 1")):  # fmt: skip
        path.write_text(text)
        with pytest.raises(ConfigError, match=message):
            load_service(str(path))


def test_vllm_within_ray_is_refused_where_it_is_not_installed(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray.data.llm", None)  # as where it is not; importing the real one takes long
    with pytest.raises(VL2Error, match="with vLLM is not installed.*use kind: url"):
        RayBackend(engine={}, batch_size=4, replicas=1)


class FakeRows(list):
    def iter_rows(self):
        return iter(self)


def test_requests_and_replies_of_ray_data_llm(monkeypatch):
    """Its interface as of Ray 2.60, without a GPU: what is handed over, and what comes back."""
    made: dict[str, object] = {}

    def build_processor(config, preprocess, postprocess):
        made["config"] = config

        def process(rows):
            done = [preprocess(row) for row in rows]
            made["messages"] = [row["messages"] for row in done]
            counts = {"num_input_tokens": 3, "num_generated_tokens": 2}
            return FakeRows(postprocess({**row, "generated_text": f"said {row['number']}", **counts}) for row in done)

        return process

    llm, data, ray = ModuleType("ray.data.llm"), ModuleType("ray.data"), ModuleType("ray")
    llm.build_processor, llm.vLLMEngineProcessorConfig = build_processor, lambda **told: told
    data.from_items, data.llm, ray.data = FakeRows, llm, data
    for name, module in (("ray", ray), ("ray.data", data), ("ray.data.llm", llm), ("vllm", ModuleType("vllm"))):
        monkeypatch.setitem(sys.modules, name, module)
    backend = RayBackend(engine={"max_model_len": 512}, batch_size=4, replicas=2)
    said: dict[str, Reply] = {}
    backend.replies([ask("a"), ask("b")], SAMPLING, lambda one, reply: said.update({one.text: reply}))
    assert {text: reply.text for text, reply in said.items()} == {"a": "said 0", "b": "said 1"}
    assert made["config"]["model_source"] == "pocket" and made["config"]["engine_kwargs"] == {"max_model_len": 512}
    assert made["messages"][1][-1] == {"role": "user", "content": "b"}
