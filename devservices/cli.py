"""Commands of the development services; results go to stdout, progress and failures to stderr."""

import argparse
import json
import shlex
import shutil
import sys
from collections.abc import Sequence

from devservices.data_platform.options import add_arguments, from_arguments
from devservices.data_platform.server import serve
from devservices.environment import environment
from devservices.errors import DevServicesError
from devservices.instance import Instance
from devservices.run.configuration import run_ports, shared_environment
from devservices.run.offered import OFFERED
from devservices.run.session import Session
from devservices.stack import Server, Stack
from devservices.status import as_table, describe


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; 0 when it did its work, 1 after one sentence on stderr, 2 for wrong usage."""
    options = _parser().parse_args(arguments)
    try:
        return int(options.command(options))
    except DevServicesError as error:
        print(error, file=sys.stderr)
    except OSError as error:
        print(
            f"{_first(error)}: check the free disk space and the rights on .devservices, then try again.",
            file=sys.stderr,
        )
    except KeyboardInterrupt:
        print("Interrupted: `make status` shows what runs.", file=sys.stderr)
    return 1


def _first(error: OSError) -> str:
    # Copying a folder collects what went wrong with each of its files.
    if isinstance(error, shutil.Error) and error.args and isinstance(error.args[0], list):
        return str(error.args[0][0][-1])
    return str(error)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m devservices", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="command")
    for name, command, text in (
        ("up", _up, "start PostgreSQL and Kafka; what runs already is left as it is"),
        ("down", _down, "stop them in order and keep the data"),
        ("status", _status, "show what runs, and where"),
        ("reset", _reset, "stop them and delete their data"),
        ("env", _env, "print what the product's commands need to find them, as lines for a shell"),
    ):
        sub = commands.add_parser(name, help=text, description=text)
        sub.add_argument("--instance", default="dev", help="name of the set of servers (default: dev)")
        sub.set_defaults(command=command)
        if name == "status":
            sub.add_argument("--json", action="store_true", help="for programs")
    _add_run(commands)
    _add_platform(commands)
    return parser


def _add_run(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    text = "start the whole pipeline, place a few orders, show their journey, serve until Ctrl-C"
    sub = commands.add_parser("run", help=text, description=text)
    sub.add_argument("--instance", default="dev", help="name of the set of servers (default: dev)")
    sub.add_argument(
        "--with", dest="besides", default="", metavar="NAMES", help=f"start these too: {','.join(OFFERED)}"
    )
    sub.add_argument("--until-arrived", action="store_true", help="end when the orders have arrived")
    sub.set_defaults(command=_run)


def _run(options: argparse.Namespace) -> int:
    besides = [name.strip() for name in options.besides.split(",") if name.strip()]
    session = Session(Instance(options.instance), environment(), besides=besides)
    return session.run(until_arrived=options.until_arrived)


def _add_platform(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    text = "serve the reference data platform until Ctrl-C"
    sub = commands.add_parser("platform", help=text, description=text)
    add_arguments(sub)
    sub.set_defaults(command=_platform)


def _platform(options: argparse.Namespace) -> int:
    serve(from_arguments(options, environment()))
    return 0


def _up(options: argparse.Namespace) -> int:
    stack = Stack(Instance(options.instance), environment())
    started = stack.up(_tell_started)
    if not started:
        print("Everything runs already.", file=sys.stderr)
    print(as_table(describe(stack)))
    return 0


def _tell_started(server: Server) -> None:
    print(f"{server.name} is up on 127.0.0.1:{server.port}", file=sys.stderr)


def _down(options: argparse.Namespace) -> int:
    stack = Stack(Instance(options.instance), environment())
    stack.down()
    _tell_stopped(stack, "Stopped; the data are kept.")
    return 0


def _status(options: argparse.Namespace) -> int:
    description = describe(Stack(Instance(options.instance), environment()))
    print(json.dumps(description, indent=2) if options.json else as_table(description))
    return 0


def _reset(options: argparse.Namespace) -> int:
    stack = Stack(Instance(options.instance), environment())
    stack.reset()
    _tell_stopped(stack, "Stopped, and the data are deleted.")
    return 0


def _tell_stopped(stack: Stack, what: str) -> None:
    if own := [server.name for server in stack.own_servers()]:
        print(f"{' and '.join(own)}: {what}", file=sys.stderr)
    for name in stack.external_names():
        print(f"{name} names a server that is not ours: it was left as it is.", file=sys.stderr)


def _env(options: argparse.Namespace) -> int:
    instance, environ = Instance(options.instance), environment()
    addresses = Stack(instance, environ).addresses()
    for name, value in shared_environment(instance, addresses, run_ports(environ), environ).items():
        print(f"export {name}={shlex.quote(value)}")
    return 0
