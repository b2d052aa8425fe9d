"""Tests deploy/fleet with real output of conntracer, in ClickHouse's engine.

    check.py --program CONNTRACER --schema docs/schema/v1.json --sample EVERY_TYPE_JSONL

As root: the scenarios make network namespaces. Ends with 1 and says what differs.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
import tomllib
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import corpus
import expected
from store import FLEET, TABLES, Store, query

HERE = Path(__file__).parent
CONFIG = FLEET / "vector/vector.toml"
QUESTIONS = {
    1: expected.owners,
    2: expected.hanging,
    3: expected.started,
    4: expected.victims,
    5: expected.stolen,
    6: expected.by_day,
    8: expected.resets,
    9: expected.cost,
}


class Fleet:
    """The hosts' files, what of them was delivered, and the store that it was delivered to."""

    def __init__(self, store: Store, files: dict[str, list[Path]], folder: Path):
        self.store, self.files, self.folder = store, files, folder
        self.delivered: expected.Lines = []
        self.unread: set[tuple[str, str, str]] = set()

    def deliver(self, host: str, lines: list[bytes], name: str = "delivery.jsonl") -> None:
        """Sends lines the way that they take on that host."""
        file = self.folder / name
        file.write_bytes(b"".join(line + b"\n" for line in lines))
        command = corpus.on(host, sys.executable, HERE / "pipeline.py", CONFIG, file)
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        rows = [json.loads(row) for row in done.stdout.splitlines()]
        file.unlink()
        assert len(rows) == len(lines), "a line got lost between the file and the sinks"
        self.store.insert(rows)
        for table, row in rows:
            if table == "unread":
                self.unread.add((row["host"], row["why"], row["line"]))
            else:
                self.delivered.append((row["host"], json.loads(row["line"])))

    def deliver_all(self, part: slice, reverse: bool = False) -> None:
        for host, files in self.files.items():
            lines = [line for file in files for line in file.read_bytes().splitlines()[part]]
            self.deliver(host, lines[::-1] if reverse else lines)

    def forget(self) -> None:
        self.store.begin_anew()
        self.delivered.clear()
        self.unread.clear()

    def check(self, when: str) -> None:
        """Asks all that need no parameter, and compares."""
        for number, question in QUESTIONS.items():
            # An answer about now may be of either side of a second's turn.
            before = question(self.delivered, datetime.now(UTC))
            got = self.store.ask(query(number))
            same(f"{when}: query {number}", got, before, question(self.delivered, datetime.now(UTC)))
        unread = [(host, why) for host, why, _ in self.unread]
        same(f"{when}: query 7", self.store.ask(query(7)), expected.blind(self.delivered, unread))
        self.check_stories(when)
        print(f"fleet: {when}: {len(self.delivered)} lines delivered, all ten answers as expected")

    def check_stories(self, when: str) -> None:
        for _, finding in expected.findings(self.delivered):
            session, number = finding["session"], finding["id"]
            rows = self.store.ask(query(10, session=session, finding=number))
            told = Counter((row["place"], row["time"], words(row)) for row in rows)
            same(f"{when}: query 10 of {session} {number}", sorted(told.elements()), sorted(expected.story(self.delivered, session, number).elements()))

    def counts(self) -> dict[str, int]:
        return {table: self.store.ask(f"SELECT count() AS n FROM conntracer.{table} FINAL")[0]["n"] for table in TABLES}


def words(row: dict) -> str:
    """The part of a step that names it."""
    place, what, text = row["place"], row["what"], row["text"]
    if place == 2:
        return what.removeprefix("seen by ")
    if place == 3:
        return what.removeprefix("culprit: ").split(" of ")[0]
    return text


def same(what: str, got: list, *wanted: list) -> None:
    def sort(rows: list) -> list:
        return sorted(json.dumps(row, sort_keys=True) for row in rows)

    if all(sort(got) != sort(one) for one in wanted):
        extra = Counter(sort(got)) - Counter(sort(wanted[-1]))
        missing = Counter(sort(wanted[-1])) - Counter(sort(got))
        listed = [f"  answered: {row}" for row in extra] + [f"  expected: {row}" for row in missing]
        sys.exit("\n".join([f"fleet: {what} differs", *listed]))


def check_fields(schema: Path) -> None:
    """Every field of the line that the pipeline and the views use is in the contract, or is to be."""
    definitions = json.loads(schema.read_text())
    names = set(re.findall(r'"([a-z_0-9]+)":', json.dumps(definitions)))
    source = tomllib.loads(CONFIG.read_text())["transforms"]["lines"]["source"]
    used = set(re.findall(r"parsed\.([a-z_]+)", source))
    sql = (FLEET / "clickhouse/schema.sql").read_text()
    for path in re.findall(r"JSONExtract\w*\(line, ([^)]*)", sql):
        parts = re.findall(r"'([^']*)'", path)
        for part in parts:
            used |= {part} if part.isidentifier() else set(re.findall(r"(\w+) (?:String|U?Int\d+|Tuple|Array|Map|Nullable)", part))
    unknown = {name for name in used - names if not re.fullmatch(TYPES, name)}
    if unknown:
        sys.exit(f"fleet: fields that docs/schema/v1.json does not know: {', '.join(sorted(unknown))}")


def check_replay(fleet: Fleet, program: Path) -> None:
    """A session that comes out of the store replays to the findings that are in it."""
    sessions = fleet.store.ask("SELECT session, count() AS n FROM conntracer.findings FINAL GROUP BY session ORDER BY n DESC LIMIT 10")
    for session in (row["session"] for row in sessions):
        rows = fleet.store.ask(f"SELECT line FROM conntracer.lines FINAL WHERE session = '{session}' ORDER BY seq")
        text = "".join(row["line"] + "\n" for row in rows)
        done = subprocess.run([program, "replay", "--json", "-"], input=text, check=True, capture_output=True, text=True)
        again = [json.loads(line) for line in done.stdout.splitlines()]
        told = [line for _, line in fleet.delivered if line["type"] == "finding" and line["session"] == session]
        latest = {line["id"]: line for line in sorted(told, key=lambda line: line["revision"])}
        replayed = {line["id"]: line for line in again if line["type"] == "finding"}
        short = lambda found: sorted((line["cause"], line["state"], line["count"]) for line in found.values())
        same(f"replay of {session}", short(replayed), short(latest))


def check_losses(fleet: Fleet) -> None:
    """Lines that nobody knows break nothing and are counted; one that does not come is missed until it comes."""
    host, files = next(iter(fleet.files.items()))
    (late, *_) = (file for file in files if b'"type":"finding"' in file.read_bytes())
    lines = late.read_bytes().splitlines()
    fleet.forget()
    fleet.deliver(host, lines[:3] + lines[4:])
    fleet.check("a line missing")
    missing = [row for row in fleet.store.ask(query(7)) if row["trouble"] == "lines missing"]
    assert [row["times"] for row in missing] == [1], missing

    last = json.loads(lines[-1])
    later = {**last, "seq": last["seq"] + 1, "type": "weather"}
    newer = {**last, "v": 2, "seq": "in words"}
    headless = {name: value for name, value in last.items() if name != "session"}
    bad = [json.dumps(line).encode() for line in (later, newer, headless, {**last, "time": "2026-13-41T00:00:00Z"})]
    bad += [lines[-1][:40], b"\xff\xfe\x00", b"[]", b'"text"', b'{"v":1}', b'{"v":1,"seq":-1,"type":"x;y"}']
    for _ in range(2):
        fleet.deliver(host, bad + lines, "bad.jsonl")
    fleet.check("lines that nobody knows")
    troubles = Counter(row["trouble"] for row in fleet.store.ask(query(7)) for _ in range(row["times"]))
    assert (troubles["lines unread"], troubles["lines of an unknown type"], troubles["lines missing"]) == (9, 1, 0), troubles


def check_every_type(fleet: Fleet, sample: Path) -> None:
    """The line of every type that conntracer's own tests are held to has its place in the tables."""
    fleet.forget()
    for table in TABLES:
        fleet.store.session.query(f"SYSTEM STOP TTL MERGES conntracer.{table}")
    fleet.deliver(corpus.HOSTS[0], sample.read_bytes().splitlines())
    types = Counter(line["type"] for _, line in fleet.delivered)
    counts = fleet.counts()
    ids = {line["id"] for _, line in fleet.delivered if line["type"] == "finding"}
    wanted = {
        "lines": sum(types.values()),
        "unread": 0,
        "sessions": types["hello"],
        "findings": len(ids),
        "events": types["event"],
        "stolen_ports": types["stolen-port"],
        "stats": types["stats"],
        "losses": types["loss"],
        "summaries": types["summary"],
    }
    same("rows of the line of every type", [counts], [wanted])
    check_whom(fleet)


def check_pods(fleet: Fleet) -> None:
    """A pod and a container are found wherever a line has them; the corpus runs in none, so a real line is given some."""
    host, finding = next(one for one in expected.findings(fleet.delivered) if one[1].get("process"))
    pod = {"k8s": {"pod": {"name": "pay-0", "label": {"app": "pay"}}, "namespace": {"name": "shop"}}}
    container = {"container": {"id": "6ce776ea58b5bf1d2dc5cbbb1b9e0e2e", "runtime": "containerd"}}
    connection, process = finding["connection"], finding["process"]
    variants = [
        {"process": {**process, **pod, **container}},
        {"process": {**process, **container}},
        {"connection": {**connection, "process": {**process, **pod}}, "process": None},
        {"connection": {**connection, "netns": {**connection["netns"], **pod}}, "process": None},
        {"process": {**process, **pod, "executable": {"name": 'a"b\n\x1b[31m'}}},
    ]
    lines = [{**finding, **variant, "id": 1000 + number, "seq": 1000 + number} for number, variant in enumerate(variants)]
    lines = [{name: value for name, value in line.items() if value is not None} for line in lines]
    fleet.forget()
    fleet.deliver(host, [json.dumps(line).encode() for line in lines])
    check_whom(fleet)
    rows = fleet.store.ask("SELECT count() AS n FROM conntracer.findings FINAL WHERE who = 'shop/pay-0' AND namespace = 'shop'")
    assert rows == [{"n": 4}], rows
    rows = fleet.store.ask("SELECT pod_labels FROM conntracer.findings FINAL WHERE pod != '' LIMIT 1")
    assert rows == [{"pod_labels": {"app": "pay"}}], rows


def check_whom(fleet: Fleet) -> None:
    rows = fleet.store.ask("SELECT id, who, process_name FROM conntracer.findings FINAL")
    wanted = [
        {
            "id": finding["id"],
            "who": expected.who(finding),
            "process_name": expected.process(finding).get("executable", {}).get("name", ""),
        }
        for _, finding in expected.findings(fleet.delivered)
    ]
    same("whom it happens to", rows, wanted)


def main() -> None:
    arguments = argparse.ArgumentParser()
    for name in ("--program", "--schema", "--sample"):
        arguments.add_argument(name, type=Path, required=True)
    arguments.add_argument("--jobs", type=int, default=6)
    options = arguments.parse_args()
    check_fields(options.schema)
    begun = datetime.now(UTC)
    with tempfile.TemporaryDirectory(prefix="conntracer-fleet-") as folder:
        check(options, Path(folder))
    print(f"fleet: passed in {(datetime.now(UTC) - begun).seconds} s")


def check(options: argparse.Namespace, folder: Path) -> None:
    begun = datetime.now(UTC)
    runs = corpus.make(options.program, folder / "log", options.jobs)
    files = {host: sorted((folder / "log" / host).glob("*.jsonl")) for host in corpus.HOSTS}
    print(f"fleet: {len(runs)} scenarios on {len(files)} hosts in {(datetime.now(UTC) - begun).seconds} s")
    fleet = Fleet(Store(folder / "store"), files, folder)
    check_delivery(fleet, runs)
    check_replay(fleet, options.program)
    check_disorder(fleet)
    check_pods(fleet)
    check_losses(fleet)
    check_every_type(fleet, options.sample)
    fleet.store.close()


def check_delivery(fleet: Fleet, runs: list[corpus.Run]) -> None:
    """The answers are right while files are still written, in the end, and whatever comes twice."""
    # The ends of the files are not here yet: what was found is still open.
    fleet.deliver_all(slice(0, -2))
    fleet.check("before the ends")
    for number in (*QUESTIONS, 7):
        assert fleet.store.ask(query(number)), f"query {number} has nothing to say of the corpus"

    fleet.deliver_all(slice(None))
    fleet.check("everything, the most of it twice")
    check_names(fleet)
    check_found(fleet, runs)
    once = fleet.counts()
    fleet.deliver_all(slice(None))
    same("rows after everything once more", [fleet.counts()], [once])
    fleet.store.merge()
    same("rows after a merge", [fleet.counts()], [once])
    fleet.check("after a merge")


def check_disorder(fleet: Fleet) -> None:
    """A revision that comes before an earlier one stays."""
    fleet.forget()
    fleet.deliver_all(slice(None), reverse=True)
    fleet.check("last line first")


def check_names(fleet: Fleet) -> None:
    """The collector's name of a host is the one that conntracer gives itself there."""
    rows = fleet.store.ask("SELECT DISTINCT host, host_name FROM conntracer.sessions FINAL")
    same("hosts", rows, [{"host": host, "host_name": host} for host in corpus.HOSTS])


def check_found(fleet: Fleet, runs: list[corpus.Run]) -> None:
    """What the scenarios are for is in the store."""
    rows = fleet.store.ask("SELECT DISTINCT host, cause FROM conntracer.findings FINAL")
    found = {(row["host"], row["cause"]) for row in rows}
    missing = {(run.host, run.expected) for run in runs if run.expected} - found
    # That each cause is found is for `cargo xtask accuracy` to say; here most of them have to be there to be asked for.
    assert len(missing) <= 3, f"not found: {missing}"


# Words of the types of SQL.
TYPES = r"Tuple|String|U?Int\d+"

if __name__ == "__main__":
    main()
