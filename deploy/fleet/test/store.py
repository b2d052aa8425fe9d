"""ClickHouse's engine in this process, with the schema of the fleet."""

import json
import re
from pathlib import Path

from chdb.session import Session

FLEET = Path(__file__).parent.parent
# As Vector's sink asks for them: `date_time_best_effort` and `skip_unknown_fields`.
INSERT = "SETTINGS date_time_input_format = 'best_effort', input_format_skip_unknown_fields = 1"
TABLES = ("lines", "unread", "sessions", "findings", "events", "stolen_ports", "stats", "losses", "summaries")


class Store:
    """A database in a folder."""

    def __init__(self, folder: Path):
        self.session = Session(str(folder))
        self.make()

    def make(self) -> None:
        """Runs the schema."""
        for statement in statements((FLEET / "clickhouse/schema.sql").read_text()):
            self.session.query(statement)

    def begin_anew(self) -> None:
        """Forgets everything."""
        self.session.query("DROP DATABASE conntracer")
        self.make()

    def insert(self, rows: list[list]) -> None:
        """What the sinks of Vector send: rows with the table of each."""
        for table in ("lines", "unread"):
            body = "\n".join(json.dumps(row) for of, row in rows if of == table)
            if body:
                self.session.query(f"INSERT INTO conntracer.{table} {INSERT} FORMAT JSONEachRow\n{body}")

    def merge(self) -> None:
        """Lets the tables forget copies, as they do by themselves sooner or later."""
        for table in TABLES:
            self.session.query(f"OPTIMIZE TABLE conntracer.{table} FINAL")

    def ask(self, sql: str) -> list[dict]:
        """The rows of an answer."""
        answer = self.session.query(sql.strip().rstrip(";"), "JSONEachRow")
        return [json.loads(line) for line in str(answer).splitlines()]

    def close(self) -> None:
        """Lets go of the folder."""
        self.session.close()


def statements(sql: str) -> list[str]:
    """The statements of a file; none of ours has a semicolon in a text or a comment."""
    without_comments = re.sub(r"--.*", "", sql)
    return [statement for statement in without_comments.split(";") if statement.strip()]


def query(number: int, **parameters: object) -> str:
    """The text of a query of the folder, with its parameters put in."""
    (path,) = (FLEET / "clickhouse/queries").glob(f"{number:02}-*.sql")
    text = path.read_text()
    for parameter, value in parameters.items():
        text = re.sub(rf"\{{{parameter}:\w+\}}", f"'{value}'", text)
    return text
