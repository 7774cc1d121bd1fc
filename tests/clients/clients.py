"""Binds values to every function of the extension from every client of Python, node, JDBC and ODBC; prints a table.

    clients.py HOST DATABASE OUT     the socket's folder; the table goes to OUT as Markdown, what fails to stderr

The expected answer of a call is the server's own to the same statement with literals.
"""

import asyncio
import json
import os
import socket
import socketserver
import subprocess
import sys
import threading
from datetime import datetime

from calls import CALLS, ERROR, Json

HERE = os.path.dirname(os.path.abspath(__file__))
USER = "postgres"


def placed(sql, place):
    """The statement with the client's own placeholders; a % that is no placeholder is doubled where % begins one."""
    if place(1).startswith("%"):
        sql = sql.replace("%", "%%")
    for number in range(9, 0, -1):
        sql = sql.replace(f"${number}", place(number))
    return sql


def literal(value):
    match value:
        case None:
            return "NULL"
        case bool() | int() | float():
            return str(value).lower()
        case list():
            return "'{" + ",".join(f'"{item}"' for item in value) + "}'::text[]"
        case Json():
            return f"'{value.text}'::jsonb"
        case datetime():
            return f"'{value.isoformat()}'::timestamptz"
    return f"'{value}'::text"


class Client:
    """Runs statements with bound values, each in a transaction that is rolled back."""

    name = "psql"
    needs = ""

    def __init__(self, host, database):
        self.host, self.database = host, database

    def bind(self, value):
        return value.text if isinstance(value, Json) else value

    def open(self):
        import psycopg

        return psycopg.connect(host=self.host, dbname=self.database, user=USER)

    def place(self, number):
        return "%s"

    def cast(self, sql, values):
        """The statement with the casts that a user of this client has to write."""
        return sql

    def run(self, sql, values):
        """The one text that the statement gives."""
        connection = self.open()
        try:
            cursor = connection.cursor()
            cursor.execute(placed(self.cast(sql, values), self.place), [self.bind(value) for value in values])
            return cursor.fetchone()[0]
        finally:
            connection.close()

    def state(self, error):
        """The SQLSTATE of an exception."""
        for name in ("sqlstate", "pgcode"):
            if getattr(error, name, None):
                return getattr(error, name)
        return str(error)

    def answers(self, all_calls):
        for _, sql, values in all_calls:
            try:
                yield self.run(sql, values)
            except Exception as error:  # what a driver raises is its own
                yield f"error {self.state(error)}"


class Literals(Client):
    """The expected answers."""

    def run(self, sql, values):
        for number, value in reversed(list(enumerate(values, 1))):
            sql = sql.replace(f"${number}", literal(value))
        return super().run(sql, [])


class Psycopg(Client):
    name = "psycopg 3"


class PsycopgSimple(Client):
    name = "psycopg 3, client-side binding"

    def open(self):
        import psycopg

        return psycopg.connect(host=self.host, dbname=self.database, user=USER, cursor_factory=psycopg.ClientCursor)


class PsycopgNumpy(Client):
    name = "psycopg 3, numbers of numpy"

    def bind(self, value):
        import numpy

        if isinstance(value, int) and not isinstance(value, bool):
            return numpy.int64(value)
        return numpy.float64(value) if isinstance(value, float) else super().bind(value)


class Psycopg2(Client):
    name = "psycopg 2"

    def open(self):
        import psycopg2

        return psycopg2.connect(host=self.host, dbname=self.database, user=USER)


class Pg8000(Client):
    name = "pg8000"

    def open(self):
        import pg8000.dbapi

        return pg8000.dbapi.connect(unix_sock=f"{self.host}/.s.PGSQL.5432", database=self.database, user=USER)

    def state(self, error):
        return error.args[0].get("C") if error.args and isinstance(error.args[0], dict) else str(error)


class SqlAlchemy(Client):
    name = "SQLAlchemy"

    def place(self, number):
        return f":p{number}"

    def run(self, sql, values):
        import sqlalchemy

        engine = sqlalchemy.create_engine(f"postgresql+psycopg://{USER}@/{self.database}?host={self.host}")
        with engine.connect() as connection:
            # A colon before a name begins a placeholder of SQLAlchemy's; a cast has two.
            text = sqlalchemy.text(placed(sql, self.place).replace("::", "\\:\\:"))
            bound = {f"p{number}": self.bind(value) for number, value in enumerate(values, 1)}
            return connection.execute(text, bound).fetchone()[0]

    def state(self, error):
        return super().state(getattr(error, "orig", error))


class Asyncpg(Client):
    name = "asyncpg"
    # It asks the server for the types, which of two functions of a name takes the one with a text.
    needs = "`forecast_ensemble($1::text[], ...)` for a list as the first argument, or `tickers => $1`"

    def cast(self, sql, values):
        is_list = "forecast_ensemble($1," in sql and isinstance(values[0], list)
        return sql.replace("$1", "$1::text[]") if is_list else sql

    def run(self, sql, values):
        async def once():
            import asyncpg

            connection = await asyncpg.connect(host=self.host, database=self.database, user=USER)
            try:
                await connection.transaction().start()
                return await connection.fetchval(self.cast(sql, values), *map(self.bind, values))
            finally:
                await connection.close()

        return asyncio.run(once())


class Adbc(Client):
    name = "ADBC"
    # It sends every text as text, which no function with jsonb takes from anybody.
    needs = "`$1::jsonb` for JSON"

    def cast(self, sql, values):
        for number, value in enumerate(values, 1):
            if isinstance(value, Json):
                sql = sql.replace(f"${number}", f"${number}::jsonb")
        return sql

    def place(self, number):
        return f"${number}"

    def open(self):
        import adbc_driver_postgresql.dbapi

        return adbc_driver_postgresql.dbapi.connect(f"postgresql:///{self.database}?host={self.host}&user={USER}")

    def state(self, error):
        return getattr(error, "sqlstate", None) or str(error)


class Odbc(Client):
    name = "ODBC (psqlodbc)"
    needs = "a list as text, `{A,B}`"

    def place(self, number):
        return "?"

    def bind(self, value):
        if isinstance(value, list):
            return "{" + ",".join(value) + "}"
        return value.isoformat() if isinstance(value, datetime) else super().bind(value)

    def open(self):
        import pyodbc

        return pyodbc.connect(f"Driver={{PostgreSQL Unicode}};Server={self.host};Database={self.database};Uid={USER};Port=5432")

    def state(self, error):
        return error.args[0]


def forwarded(path):
    """A port of 127.0.0.1 that leads to a server's socket: what knows no such socket connects there."""

    class Way(socketserver.BaseRequestHandler):
        def handle(self):
            with socket.socket(socket.AF_UNIX) as server:
                server.connect(path)
                back = threading.Thread(target=pump, args=(server, self.request))
                back.start()
                pump(self.request, server)
                back.join()

    def pump(source, sink):
        try:
            while data := source.recv(1 << 16):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # the other end has gone

    ways = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Way)
    ways.daemon_threads = True
    threading.Thread(target=ways.serve_forever, daemon=True).start()
    return ways.server_address[1]


class Jdbc(Client):
    """The driver of Java in a Java machine inside of this process."""

    name = "JDBC"
    needs = "`setObject(i, json, Types.OTHER)` for JSON"
    mode = "extended"
    JAR = "/usr/share/java/postgresql.jar"

    def __init__(self, host, database):
        import jpype
        import jpype.imports  # noqa: F401

        super().__init__(host, database)
        if not jpype.isJVMStarted():
            jpype.startJVM(classpath=[self.JAR])
        port = forwarded(f"{host}/.s.PGSQL.5432")
        self.url = f"jdbc:postgresql://127.0.0.1:{port}/{database}?user={USER}&preferQueryMode={self.mode}&sslmode=disable"

    def place(self, number):
        return "?"

    def set(self, statement, number, value):
        from java.sql import Types
        from java.time import OffsetDateTime

        match value:
            case None:
                statement.setNull(number, Types.NULL)
            case bool():
                statement.setBoolean(number, value)
            case int():
                statement.setLong(number, value)
            case float():
                statement.setDouble(number, value)
            case list():
                statement.setArray(number, statement.getConnection().createArrayOf("text", value))
            case Json():
                statement.setObject(number, value.text, Types.OTHER)
            case datetime():
                statement.setObject(number, OffsetDateTime.parse(value.isoformat()))
            case _:
                statement.setString(number, value)

    def run(self, sql, values):
        from java.sql import DriverManager

        connection = DriverManager.getConnection(self.url)
        try:
            statement = connection.prepareStatement(placed(sql, self.place))
            for number, value in enumerate(values, 1):
                self.set(statement, number, value)
            connection.setAutoCommit(False)
            row = statement.executeQuery()
            row.next()
            found = row.getString(1)
            return None if found is None else str(found)
        finally:
            connection.rollback() if not connection.getAutoCommit() else None
            connection.close()

    def state(self, error):
        return str(error.getSQLState()) if hasattr(error, "getSQLState") else str(error)


class JdbcSimple(Jdbc):
    name = "JDBC, simple mode"
    mode = "simple"


class Program(Client):
    """A client of another language: a program that reads the calls as JSON and writes its answers so."""

    def __init__(self, host, database, command):
        super().__init__(host, database)
        self.command = command

    def answers(self, all_calls):
        def plain(value):
            if isinstance(value, Json):
                return {"json": value.text}
            return {"time": value.isoformat()} if isinstance(value, datetime) else value

        given = json.dumps([{"sql": sql, "values": [plain(value) for value in values]} for _, sql, values in all_calls])
        environment = {**os.environ, "PGHOST": self.host, "PGDATABASE": self.database, "PGUSER": USER}
        done = subprocess.run(self.command, input=given, capture_output=True, text=True, env=environment, check=False)
        if done.returncode:
            raise SystemExit(f"{self.name}: {done.stderr}")
        return json.loads(done.stdout)


class Node(Program):
    name = "node-postgres"


PYTHON = [Psycopg, PsycopgSimple, PsycopgNumpy, Psycopg2, Pg8000, SqlAlchemy, Asyncpg, Adbc, Odbc, Jdbc, JdbcSimple]


def missing(client):
    """Functions of the server that no call of the list has."""
    listed = {name for name, _, _ in CALLS}
    sql = """SELECT string_agg(DISTINCT proname, ', ') FROM pg_proc
             WHERE pronamespace = 'folio'::regnamespace AND prokind = 'f' AND pronargs > 0
               AND NOT 'internal'::regtype = ANY (proargtypes) AND NOT proname = ANY (string_to_array(%s, ','))"""
    return Client.run(client, sql.replace("%s", literal(",".join(listed)).removesuffix("::text")), [])


def main(host, database, out):
    # They schedule, which takes pg_cron, or name a role, which no client binds.
    unbound = {"schedule_rebalance", "unschedule_rebalance", "grant_desk", "revoke_desk"}
    left = set(filter(None, (missing(Literals(host, database)) or "").split(", "))) - unbound
    if left:
        raise SystemExit(f"calls.py has no call of {', '.join(sorted(left))}")
    expected = list(Literals(host, database).answers(CALLS))
    for (name, sql, _), answer in zip(CALLS, expected):
        if answer is None or answer.startswith("error"):
            raise SystemExit(f"{name}: {answer}\n{sql}")
    clients = [make(host, database) for make in PYTHON]
    clients.append(Node(host, database, ["node", f"{HERE}/node.js"]))
    lines, failed = ["| client | calls that answer as psql does | SQLSTATE of an error | what it needs |", "|---|---|---|---|"], False
    for client in clients:
        answers = list(client.answers([*CALLS, ("", ERROR[0], ERROR[1])]))
        wrong = [(name, answer) for (name, _, _), answer, right in zip(CALLS, answers, expected) if answer != right]
        for name, answer in wrong:
            print(f"{client.name}: {name}: {answer}", file=sys.stderr)
        state = answers[-1].removeprefix("error ")
        failed |= bool(wrong) or state != ERROR[2]
        lines.append(f"| {client.name} | {len(CALLS) - len(wrong)} of {len(CALLS)} | {state} | {client.needs} |")
    with open(out, "w", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")
    print("\n".join(lines))
    return failed


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
