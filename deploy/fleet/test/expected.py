"""What the ten questions have for an answer: from the lines themselves, by the question's words and not by its SQL.

All takes lists of (host, line) as they were delivered, and a time that is now.
"""

from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from decimal import Decimal

KNOWN = {"hello", "event", "inquiry", "answer", "deadline", "finding", "stolen-port", "stats", "loss", "summary"}
Lines = list[tuple[str, dict]]


def at(line: dict) -> datetime:
    """The time of a line, to the microsecond."""
    return moment(line["time"])


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text[:26]).replace(tzinfo=UTC)


def shown(text: str) -> str:
    """A time as ClickHouse shows it."""
    return text.replace("T", " ").removesuffix("Z")


def of_type(lines: Lines, kind: str) -> Lines:
    """The lines of a type, each once however often it came."""
    once = {}
    for host, line in lines:
        if line["type"] == kind:
            once[session(line), line["seq"]] = host, line
    return list(once.values())


def session(line: dict) -> str:
    return line["session"]


def findings(lines: Lines) -> list[tuple[str, dict]]:
    """The last revision of each."""
    last = {}
    for host, line in of_type(lines, "finding"):
        key = session(line), line["id"]
        if key not in last or last[key][1]["revision"] < line["revision"]:
            last[key] = host, line
    return list(last.values())


def standing(lines: Lines) -> list[tuple[str, dict]]:
    return [(host, finding) for host, finding in findings(lines) if finding["state"] != "retracted"]


def rules(finding: dict) -> list[dict]:
    return [culprit for culprit in finding["culprits"] if culprit["kind"] == "rule"]


def owner(finding: dict) -> str:
    owners = [culprit["owner"] for culprit in finding["culprits"] if "owner" in culprit]
    return owners[0] if owners else "no known owner"


def pod_or_container(holder: dict) -> str | None:
    pod = holder.get("k8s", {}).get("pod", {}).get("name")
    if pod:
        return f"{holder['k8s'].get('namespace', {}).get('name', '')}/{pod}"
    return f"container {holder['container']['id'][:12]}" if "container" in holder else None


def process(finding: dict) -> dict:
    return finding.get("process") or finding.get("connection", {}).get("process", {})


def who(finding: dict) -> str:
    """Whose it is: the pod, else the container, else the program."""
    connection = finding.get("connection", {})
    places = [finding.get("process", {}), finding, connection.get("process", {}), connection.get("netns", {})]
    names = [name for name in map(pod_or_container, places) if name]
    pods = [name for name in names if not name.startswith("container ")]
    return next(iter(pods + names), process(finding).get("executable", {}).get("name", "unknown"))


def waiting(victim: dict) -> str:
    name = pod_or_container(victim.get("process", {}))
    return name or victim.get("process", {}).get("executable", {}).get("name", "unknown")


def owners(lines: Lines, _now: datetime) -> list[dict]:
    groups = defaultdict(list)
    for host, finding in standing(lines):
        if rules(finding):
            groups[owner(finding), finding["cause"]].append((host, finding))
    return [
        {
            "whose": whose,
            "cause": cause,
            "nodes": len({host for host, _ in group}),
            "findings": len(group),
            "connections": sum(finding["count"] for _, finding in group),
            "since": shown(min(finding["first"] for _, finding in group)),
            "latest": shown(max(finding["last"] for _, finding in group)),
            "whom": sorted({who(finding) for _, finding in group})[:10],
        }
        for (whose, cause), group in groups.items()
    ]


def hanging(lines: Lines, now: datetime) -> list[dict]:
    ended = {session(line) for _, line in lines if line["type"] == "summary"}
    recent = now - timedelta(minutes=5)
    heard = {session(line) for _, line in lines if line["type"] in ("hello", "stats", "finding") and at(line) > recent}
    return [
        {
            "host": host,
            "who": who(finding),
            "cause": finding["cause"],
            "confidence": finding["confidence"],
            "connections": finding["count"],
            "since": shown(finding["first"]),
            "summary": finding["summary"],
        }
        for host, finding in findings(lines)
        if finding["state"] in ("open", "updated") and session(finding) in heard - ended
    ]


def started(lines: Lines, _now: datetime) -> list[dict]:
    groups = defaultdict(list)
    for host, finding in standing(lines):
        groups[finding["cause"], owner(finding)].append((finding["first"], host, finding))
    answer = []
    for (cause, whose), group in groups.items():
        when, host, first = min(group, key=lambda one: one[0])
        nodes = {}
        for start, node, _ in sorted(group, key=lambda one: one[0]):
            nodes.setdefault(node, f"{shown(start)[:13]}:00:00")
        labels = process(first).get("k8s", {}).get("pod", {}).get("label", {})
        answer.append(
            {
                "cause": cause,
                "whose": whose,
                "started": shown(when),
                "first_node": host,
                "first_whom": who(first),
                "first_rule": rules(first)[0]["text"] if rules(first) else "",
                "first_labels": labels,
                "nodes_by_hour": sorted([hour, node] for node, hour in nodes.items()),
            }
        )
    return answer


def victims(lines: Lines, _now: datetime) -> list[dict]:
    groups = defaultdict(lambda: {"connections": 0, "waiting": 0, "seen": []})
    for host, finding in standing(lines):
        own = groups[who(finding)]
        own["connections"] += finding["count"]
        own["seen"].append((host, finding))
        for victim in finding.get("victims", []):
            other = groups[waiting(victim)]
            other["waiting"] += 1
            other["seen"].append((host, finding))
    return [
        {
            "whom": whom,
            "connections": group["connections"],
            "waiting": group["waiting"],
            "findings": len({(session(finding), finding["id"]) for _, finding in group["seen"]}),
            "nodes": len({host for host, _ in group["seen"]}),
            "causes": sorted({finding["cause"] for _, finding in group["seen"]}),
            "latest": shown(max(finding["last"] for _, finding in group["seen"])),
        }
        for whom, group in groups.items()
    ]


def stolen(lines: Lines, now: datetime) -> list[dict]:
    newest = {}
    for host, port in sorted(of_type(lines, "stolen-port"), key=lambda one: one[1]["time"]):
        if port["class"] == "stolen" and at(port) > now - timedelta(hours=1):
            place = [port.get(name) for name in ("family", "hook", "protocol", "original", "target")]
            rule = port.get("rule", {}).get("text")
            newest[host, port["netns"].get("inode"), str(place), rule] = host, port
    groups = defaultdict(list)
    for host, port in newest.values():
        groups[port.get("owner", "no known owner")].append((host, port))
    return [
        {
            "whose": whose,
            "stolen": len(group),
            "nodes": len({host for host, _ in group}),
            "namespaces": len({(host, port["netns"].get("inode")) for host, port in group}),
            "nobody_listens": sum(port.get("listening") is False for _, port in group),
            "rules": sorted({port.get("rule", {}).get("text", "") for _, port in group})[:10],
        }
        for whose, group in groups.items()
    ]


def by_day(lines: Lines, _now: datetime) -> list[dict]:
    groups = defaultdict(list)
    for _, finding in findings(lines):
        groups[finding["first"][:10], finding["cause"]].append(finding)
    answer = []
    for (day, cause), group in groups.items():
        good = [finding for finding in group if finding["state"] != "retracted"]
        sure = Counter(finding["confidence"] for finding in good)
        answer.append(
            {
                "day": day,
                "cause": cause,
                "proved": sure["proved"],
                "likely": sure["likely"],
                "possible": sure["possible"],
                "retracted": len(group) - len(good),
                "failed_connections": sum(finding["count"] for finding in good),
            }
        )
    return answer


def blind(lines: Lines, unread: list[tuple[str, str]]) -> list[dict]:
    """`unread` is what was not a line of this schema: host and why."""
    troubles = Counter()
    for host, hello in of_type(lines, "hello"):
        for hook in hello["hooks"]:
            if hook["how"] == "absent" and hook.get("weakens"):
                troubles[host, "hook absent", f"{hook['hook']} weakens {', '.join(hook['weakens'])}"] += 1
    for host, loss in of_type(lines, "loss"):
        troubles[host, "records lost", loss.get("hook") or loss.get("queue", "")] += loss["lost"]
    last_stats = {session(line): (host, line) for host, line in sorted(of_type(lines, "stats"), key=lambda one: one[1]["seq"])}
    for host, stats in last_stats.values():
        for hook in stats["hooks"]:
            troubles[host, "records suppressed", hook["hook"]] += hook["suppressed"]
    for host, summary in of_type(lines, "summary"):
        troubles[host, "inquiries unanswered", "in all"] += summary["unresolved_inquiries"]
    numbers = defaultdict(set)
    for host, line in lines:
        numbers[host, session(line)].add(line["seq"])
    for (host, _), seen in numbers.items():
        troubles[host, "lines missing", "on the way here"] += len(set(range(min(seen), max(seen) + 1)) - seen)
    for host, why in unread:
        troubles[host, "lines unread", why] += 1
    unknown = {(host, session(line), line["seq"], line["type"]) for host, line in lines if line["type"] not in KNOWN}
    for host, _, _, kind in unknown:
        troubles[host, "lines of an unknown type", kind] += 1
    return [
        {"host": host, "trouble": trouble, "what": what, "times": times}
        for (host, trouble, what), times in troubles.items()
        if times
    ]


def resets(lines: Lines, _now: datetime) -> list[dict]:
    groups = defaultdict(list)
    for host, line in of_type(lines, "event"):
        if line["event"] in ("rst-sent", "rst-received"):
            rst = line.get("rst", {})
            maker = rst.get("maker", "remote" if line["event"] == "rst-received" else "unknown")
            groups[line["event"], maker, rst.get("reason", "not told")].append((host, line))
    return [
        {
            "event": event,
            "maker": maker,
            "reason": reason,
            "resets": len(group),
            "nodes": len({host for host, _ in group}),
            "first": shown(min(line["time"] for _, line in group)),
            "last": shown(max(line["time"] for _, line in group)),
        }
        for (event, maker, reason), group in groups.items()
    ]


def cost(lines: Lines, _now: datetime) -> list[dict]:
    begun = {session(line): line["time"] for _, line in of_type(lines, "hello") if line["part"] == 0}
    nodes = defaultdict(lambda: defaultdict(list))
    for host, line in of_type(lines, "stats"):
        nodes[host][session(line)].append(line)
    answer = []
    for host, sessions in nodes.items():
        spent = wall = 0
        for of, stats in sessions.items():
            spent += max(line["cpu_ms"] for line in stats)
            wall += milliseconds(max(line["time"] for line in stats)) - milliseconds(begun[of])
        every = [line for stats in sessions.values() for line in stats]
        rings = [line["ring"]["high_water_bytes"] for line in every if "high_water_bytes" in line.get("ring", {})]
        answer.append(
            {
                "host": host,
                "sessions": len(sessions),
                "cpu_percent": float(round(Decimal(100 * spent) / Decimal(wall), 3)),
                "resident_bytes": max(line["resident_bytes"] for line in every),
                "map_bytes": max(line["map_bytes"] for line in every),
                "ring_high_water_bytes": max(rings, default=None),
                "tracked": max(line["tracked"] for line in every),
            }
        )
    return answer


def milliseconds(text: str) -> int:
    return int(datetime.fromisoformat(text[:23] + "+00:00").timestamp() * 1000 + 0.5)


def story(lines: Lines, of: str, finding_id: int) -> Counter:
    """What has to be told of a finding: the texts of its parts, and the times of its connection's events."""
    _, finding = next((host, line) for host, line in findings(lines) if (session(line), line["id"]) == (of, finding_id))
    told = Counter()
    told[1, shown(finding["first"]), finding["summary"]] += 1
    for evidence in finding["evidence"]:
        told[2, shown(evidence["time"]), evidence.get("from", "")] += 1
    for culprit in finding["culprits"]:
        told[3, shown(finding["last"]), culprit["kind"]] += 1
    for considered in finding["considered"]:
        told[4, shown(finding["last"]), considered["why_not"]] += 1
    for fix in finding["fixes"]:
        told[5, shown(finding["last"]), fix.get("command", "")] += 1
    for _, event in of_type(lines, "event"):
        if session(event) == of and same_connection(event["connection"], finding["connection"]):
            told[2, shown(event["time"]), f"event: {event['event']}"] += 1
    return told


def same_connection(one: dict, other: dict) -> bool:
    return all(one.get(end) == other.get(end) for end in ("source", "destination")) and one["netns"].get("inode") == other[
        "netns"
    ].get("inode")
