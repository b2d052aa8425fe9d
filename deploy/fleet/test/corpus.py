"""Real output of conntracer on three hosts: every scenario of the demo, traced.

A host is a UTS namespace with a name of its own. The scenarios make their own network namespaces.
"""

import json
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

HOSTS = ("node-a", "node-b", "node-c")


@dataclass
class Run:
    """A run of the demo."""

    host: str
    scenario: str
    backend: str
    family: str
    expected: str | None

    def file(self, folder: Path) -> Path:
        return folder / self.host / f"{self.scenario}.jsonl"


def on(host: str, *command: object) -> list[str]:
    """The command, on a host of that name."""
    rename = 'echo "$1" > /proc/sys/kernel/hostname; shift; exec "$@"'
    return ["unshare", "--uts", "sh", "-c", rename, "sh", host, *map(str, command)]


def runs(program: Path) -> list[Run]:
    """All scenarios on the first host; on the others some of those that fail, by other rules and addresses."""
    listed = subprocess.run([program, "demo", "--list", "--json"], check=True, capture_output=True, text=True)
    scenarios = [json.loads(line) for line in listed.stdout.splitlines()]
    failures = [scenario for scenario in scenarios if scenario.get("expected")]

    def run(host: str, scenario: dict, form: int) -> Run:
        backend, family = scenario["backends"][form], scenario["families"][form]
        return Run(host, scenario["name"], backend, family, scenario.get("expected"))

    first = [run(HOSTS[0], scenario, 0) for scenario in scenarios]
    second = [run(HOSTS[1], scenario, -1) for scenario in failures[::3]]
    third = [run(HOSTS[2], scenario, 0) for scenario in failures[::5]]
    return first + second + third


def make(program: Path, folder: Path, jobs: int) -> list[Run]:
    """Runs all, several at once, and lists the stolen ports on the last host meanwhile."""
    for host in HOSTS:
        (folder / host).mkdir(parents=True)
    over = threading.Event()
    listing = threading.Thread(target=list_ports, args=(program, folder / HOSTS[2], over))
    listing.start()
    try:
        all_runs = runs(program)
        with ThreadPoolExecutor(jobs) as pool:
            list(pool.map(lambda run: trace(program, run, folder), all_runs))
    finally:
        over.set()
        listing.join()
    return all_runs


def trace(program: Path, run: Run, folder: Path) -> None:
    demo = [program, "demo", run.scenario, "--json", "--backend", run.backend, "--family", run.family]
    command = on(run.host, *demo, "-o", run.file(folder))
    done = subprocess.run(command, capture_output=True, text=True)
    # 1 is a run that found something else, which is as real.
    if done.returncode not in (0, 1):
        raise RuntimeError(f"{run}: {done.returncode}: {done.stderr}")


def list_ports(program: Path, folder: Path, over: threading.Event) -> None:
    number = 0
    while not over.wait(3):
        command = on(HOSTS[2], program, "ports", "--json", "-o", folder / f"ports-{number}.jsonl")
        subprocess.run(command, check=True, capture_output=True)
        number += 1
