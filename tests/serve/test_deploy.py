"""What stands in deploy/ and the Dockerfile: it can be read, and what it names is there."""

from __future__ import annotations

import configparser
import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from tests.serve.serving import Running, asked, data_url
from vl2.cli import app
from vl2.serve.settings import ServeSettings

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
DASHBOARD = DEPLOY / "grafana" / "dashboards" / "vl2.json"
if not DEPLOY.is_dir():
    pytest.skip("needs deploy/ and the Dockerfile, which a source archive does not have", allow_module_level=True)
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")


def read_yaml(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def known_options() -> set[str]:
    text = CliRunner().invoke(app, ["serve", "--help"], env={"COLUMNS": "200", "NO_COLOR": "1"}).output
    return set(re.findall(r"--[a-z][a-z-]+", text))


def dockerfile(instruction: str) -> list[str]:
    """Return what follows an instruction, its lines joined."""
    joined = DOCKERFILE.replace("\\\n", " ")
    return re.findall(rf"^{instruction} (.+)$", joined, re.MULTILINE)


def unit() -> configparser.ConfigParser:
    parser = configparser.ConfigParser(strict=True, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment]
    parser.read_string((DEPLOY / "vl2.service").read_text(encoding="utf-8"))
    return parser


def commands() -> Iterator[tuple[str, list[str]]]:
    compose = read_yaml(DEPLOY / "compose.yaml")
    yield "Dockerfile", [*json.loads(dockerfile("ENTRYPOINT")[0]), *json.loads(dockerfile("CMD")[0])]
    yield "compose.yaml", [*json.loads(dockerfile("ENTRYPOINT")[0]), *compose["services"]["vl2"]["command"]]
    yield "vl2.service", shlex.split(unit()["Service"]["ExecStart"])


@pytest.mark.parametrize(("where", "command"), list(commands()))
def test_the_commands_are_ours(where: str, command: list[str]) -> None:
    program, verb, *arguments = command
    assert Path(program).name == "vl2" and verb == "serve"
    assert {word for word in arguments if word.startswith("--")} <= known_options()
    assert arguments[arguments.index("--port") + 1] == "8000"


def test_the_image_is_made_of_what_is_here() -> None:
    copied = [name for line in dockerfile("COPY") for name in line.split()[:-1]]
    assert copied and all((ROOT / name).exists() for name in copied)
    kept = {line[1:] for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").split() if line[0] == "!"}
    assert set(copied) <= kept, "what is copied reaches the builder"


def test_the_image_runs_as_nobody_and_knows_its_health() -> None:
    assert dockerfile("USER") == ["vl2"]
    assert "/health" in dockerfile("HEALTHCHECK")[0]
    (argument,) = dockerfile("ARG")
    assert re.fullmatch(r"TORCH_INDEX=https://\S+/cpu", argument), "torch for CPUs, from a place that can be changed"
    assert re.search(r"^torch==", (ROOT / "constraints.txt").read_text(encoding="utf-8"), re.MULTILINE)


def test_the_healthcheck_works(served: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    command = json.loads(dockerfile("HEALTHCHECK")[0].partition("CMD")[2])
    assert command[:2] == ["python", "-c"]
    code = command[2].replace("http://127.0.0.1:8000", served.address)
    assert code != command[2]
    exec(code)  # noqa: S102 - a line of our own Dockerfile; it raises where the server is not well


def test_compose_mounts_what_is_here_and_hides_what_it_shows() -> None:
    services = read_yaml(DEPLOY / "compose.yaml")["services"]
    assert set(services) == {"vl2", "prometheus", "grafana"}
    mounted = [volume.split(":")[0] for service in services.values() for volume in service["volumes"]]
    assert all((DEPLOY / path).exists() for path in mounted if path.startswith("."))
    named = {path for path in mounted if not path.startswith(".")}
    assert named == set(read_yaml(DEPLOY / "compose.yaml")["volumes"])
    ports = [port for service in services.values() for port in service.get("ports", ())]
    assert ports and all(port.startswith("127.0.0.1:") for port in ports)
    assert services["vl2"]["environment"]["VL2_API_KEY"].startswith("${VL2_API_KEY:?")


def test_prometheus_asks_the_server() -> None:
    (job,) = read_yaml(DEPLOY / "prometheus.yml")["scrape_configs"]
    assert job["static_configs"] == [{"targets": ["vl2:8000"]}] and "metrics_path" not in job
    (source,) = read_yaml(DEPLOY / "grafana/provisioning/datasources/prometheus.yaml")["datasources"]
    (provider,) = read_yaml(DEPLOY / "grafana/provisioning/dashboards/vl2.yaml")["providers"]
    volumes = read_yaml(DEPLOY / "compose.yaml")["services"]["grafana"]["volumes"]
    assert f"./grafana/dashboards:{provider['options']['path']}:ro" in volumes
    panels = json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]
    assert {panel["datasource"]["uid"] for panel in panels} == {source["uid"]}


def test_the_dashboard_shows_metrics_that_are_there(served: Running) -> None:
    served.post("/v1/chat/completions", {"messages": asked("a", data_url("sign.png")), "max_tokens": 4})
    served.post("/v1/chat/completions", {"messages": []})
    there = re.findall(r"^(vl2_\w+)((?:\{[^}]*\})?) ", served.get("/metrics").text, re.MULTILINE)
    panels = json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]
    asked_for = [target["expr"] for panel in panels for target in panel["targets"]]
    shown = {name for text in asked_for for name in re.findall(r"vl2_\w+", text)}
    assert shown <= {name for name, _ in there} and len(shown) > 12
    labels = {label for text in asked_for for label in re.findall(r"by \((\w+)\)", text)} - {"le"}
    assert all(any(f'{label}="' in found for _, found in there) for label in labels)
    kinds = {kind for text in asked_for for kind in re.findall(r'kind="(\w+)"', text)}
    assert kinds and all(("vl2_tokens_total", f'{{kind="{kind}"}}') in there for kind in kinds)
    assert len({panel["id"] for panel in panels}) == len({panel["title"] for panel in panels}) == len(panels)


def test_everything_outlives_the_draining() -> None:
    drain_s = ServeSettings().drain_timeout_s
    assert int(unit()["Service"]["TimeoutStopSec"]) > drain_s
    grace = read_yaml(DEPLOY / "compose.yaml")["services"]["vl2"]["stop_grace_period"]
    assert int(grace.removesuffix("s")) > drain_s


def test_the_unit_is_held_tight() -> None:
    service = unit()["Service"]
    tight = ("DynamicUser", "NoNewPrivileges", "ProtectHome", "PrivateTmp", "PrivateDevices", "RestrictNamespaces")
    assert all(service[name] == "yes" for name in tight)
    assert service["ProtectSystem"] == "strict" and service["CapabilityBoundingSet"] == ""
    # %d is the folder of credentials, %C that of caches
    assert service["LoadCredential"].partition(":")[0] == "keys" and "%d/keys" in service["ExecStart"]
    assert service["Environment"] == f"XDG_CACHE_HOME=%C/{service['CacheDirectory']}"
