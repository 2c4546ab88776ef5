"""What the project forbids and no tool knows, as pure functions from a file to its faults.

A finding is one line of text, `path:line: what is wrong`. tests/architecture/test_findings.py shows
each of them a file that breaks the rule.
"""

import ast
import re
from collections.abc import Iterator
from typing import Final

from tests.architecture.tree import Source

FILE_LINES_MAX: Final = 400
FUNCTION_LINES_MAX: Final = 50

# A server domain's files, and what they may not import: queries stand in repositories, HTTP in
# endpoints (and in callers.py, which says who is calling).
_QUERY_FREE: Final = (
    "callers.py",
    "endpoints.py",
    "errors.py",
    "rules.py",
    "schemas.py",
    "service.py",
)
_HTTP_FREE: Final = ("errors.py", "models.py", "repository.py", "rules.py", "service.py")

_Function = ast.FunctionDef | ast.AsyncFunctionDef

_CLOCKS_AND_DICE: Final = re.compile(
    r"^(random(\..+)?"
    r"|time\.(time|monotonic|perf_counter|process_time|clock_gettime)(_ns)?"
    r"|time\.(localtime|gmtime|sleep)"
    r"|datetime\.(datetime\.(now|utcnow|today)|date\.today)"
    r"|uuid\.uuid[14])$"
)
_MOCKS: Final = frozenset({"mock", "pytest_mock"})
_PATCHES: Final = frozenset({"setattr", "delattr", "setitem", "delitem"})
# Waiting for a status asserts too: what does not come in time is an error that names it.
_ASSERTING_CALLS: Final = re.compile(
    r"^(raises|warns|fail|waitSignals?|waitUntil|assert_\w+|await_status|wait_for_status)$"
)
# Built from pieces, so that a search for one of these finds only what breaks the rule.
_UNFINISHED: Final = re.compile(
    r"\b(" + "|".join(("TO" + "DO", "FIX" + "ME", "HA" + "CK", "WI" + "P")) + r")\b"
    r"|# ?" + "X" * 3 + r"\b"  # elsewhere it is ISO 4217's code for no currency
    r"|\bNotImplemented" + r"Error\b"
)
_MACHINE_PATHS: Final = re.compile(
    r"(?<![\w.])/(" + "|".join(("wo" + "rk", "ro" + "ot", "ho" + "me/[a-z]+", "Us" + "ers")) + r")/"
    r"|/tmp/(?:team|spike|tool)"
)
_REGISTRIES: Final = re.compile(
    "|".join(
        (
            "py" + r"pi\.org",
            "python" + r"hosted\.org",
            "npm" + r"js\.(?:org|com)",
            "crates" + r"\.io",
            "deb" + r"\.debian\.org",
        )
    )
)


def module_docstring_findings(source: Source) -> Iterator[str]:
    """Empty files need no docstring; all others say their job and its limit."""
    if source.syntax.body and ast.get_docstring(source.syntax) is None:
        yield f"{source.path}:1: no module docstring"


def package_file_findings(source: Source) -> Iterator[str]:
    """An __init__.py is empty or passes names on; it defines and runs nothing."""
    if not source.path.endswith("__init__.py"):
        return
    for statement in source.syntax.body:
        docstring = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
        names = isinstance(statement, ast.Assign) and _target_names(statement) == ["__all__"]
        if not (docstring or names or isinstance(statement, ast.Import | ast.ImportFrom)):
            yield f"{source.path}:{statement.lineno}: code in a package's __init__.py"


def file_length_findings(source: Source) -> Iterator[str]:
    if source.lines > FILE_LINES_MAX:
        yield f"{source.path}:1: {source.lines} lines, more than {FILE_LINES_MAX}"


def function_length_findings(source: Source) -> Iterator[str]:
    for function in _functions(source):
        length = (function.end_lineno or function.lineno) - function.lineno + 1
        if length > FUNCTION_LINES_MAX:
            yield (
                f"{source.path}:{function.lineno}: {function.name} has {length} lines, "
                f"more than {FUNCTION_LINES_MAX}"
            )


def inexact_number_findings(source: Source) -> Iterator[str]:
    """Money is counted in whole minor units: no float, no Float column, no division with a rest."""
    for node in ast.walk(source.syntax):
        match node:
            case ast.Constant(value=float()):
                yield f"{source.path}:{node.lineno}: a float literal beside money"
            case ast.Name(id="float" | "Float" | "Double" | "REAL"):
                yield f"{source.path}:{node.lineno}: {node.id} beside money"
            case ast.BinOp(op=ast.Div()) | ast.AugAssign(op=ast.Div()):
                yield f"{source.path}:{node.lineno}: / beside money; use // or divmod"
            case _:
                pass


def clock_and_dice_findings(source: Source) -> Iterator[str]:
    """Time and randomness are arguments; names are followed through import aliases."""
    origins = dict(_imported_names(source))
    for node in ast.walk(source.syntax):
        if isinstance(node, ast.Name | ast.Attribute):
            name = _dotted_name(node, origins)
            if _CLOCKS_AND_DICE.match(name):
                yield f"{source.path}:{node.lineno}: {name}"


def unfinished_findings(path: str, text: str) -> Iterator[str]:
    yield from _matches(_UNFINISHED, path, text, "unfinished")


def machine_path_findings(path: str, text: str) -> Iterator[str]:
    yield from _matches(_MACHINE_PATHS, path, text, "a path of one machine")


def registry_findings(path: str, text: str) -> Iterator[str]:
    yield from _matches(_REGISTRIES, path, text, "a registry's host")


def domain_border_findings(source: Source) -> Iterator[str]:
    """In a server domain, one file speaks SQL and one speaks HTTP."""
    name = source.path.rpartition("/")[2]
    for node in ast.walk(source.syntax):
        if not isinstance(node, ast.ImportFrom) or node.module is None:
            continue
        if node.module == "sqlalchemy" and name in _QUERY_FREE:
            yield f"{source.path}:{node.lineno}: SQL outside a repository"
        if node.module.partition(".")[0] in {"fastapi", "starlette"} and name in _HTTP_FREE:
            yield f"{source.path}:{node.lineno}: HTTP outside endpoints"


def qt_findings(source: Source) -> Iterator[str]:
    """Qt is imported in scanner_app.ui and nowhere else, not even where things are wired."""
    if source.path.startswith("scanner_app/ui/"):
        return
    for name, origin in _imported_names(source):
        if origin.partition(".")[0] in {"PySide6", "shiboken6"}:
            yield f"{source.path}:1: imports {name} from Qt"


def patching_findings(source: Source) -> Iterator[str]:
    """Tests use the real thing or a fake of the same Protocol; the environment may be set."""
    for node in ast.walk(source.syntax):
        match node:
            case ast.Import(names=names) if any(_is_mock(name.name) for name in names):
                yield f"{source.path}:{node.lineno}: imports a mock"
            case ast.ImportFrom(module=str(module)) if _is_mock(module):
                yield f"{source.path}:{node.lineno}: imports a mock"
            case ast.Attribute(value=ast.Name(id="monkeypatch"), attr=attr) if attr in _PATCHES:
                yield f"{source.path}:{node.lineno}: monkeypatch.{attr}"
            case ast.arg(arg="mocker"):
                yield f"{source.path}:{node.lineno}: mocker"
            case _:
                pass


def _is_mock(module: str) -> bool:
    """A server that somebody wrote to be tested against is the real thing, whatever its name."""
    return not _MOCKS.isdisjoint(module.split("."))


def branching_test_findings(source: Source) -> Iterator[str]:
    """A test that decides what to check may check nothing."""
    for test in _tests(source):
        for node in ast.walk(test):
            if isinstance(node, ast.If | ast.Match):
                yield f"{source.path}:{node.lineno}: {test.name} branches"


def assertionless_test_findings(source: Source) -> Iterator[str]:
    """Every test asserts, by itself or through a function of its own file."""
    functions = {function.name: function for function in _functions(source)}
    for test in _tests(source):
        if not _asserts(test, functions, frozenset({test.name})):
            yield f"{source.path}:{test.lineno}: {test.name} asserts nothing"


def _asserts(function: _Function, known: dict[str, _Function], seen: frozenset[str]) -> bool:
    for node in ast.walk(function):
        if isinstance(node, ast.Assert):
            return True
        if isinstance(node, ast.Call):
            name = _called_name(node)
            if _ASSERTING_CALLS.match(name):
                return True
            if name in known and name not in seen and _asserts(known[name], known, seen | {name}):
                return True
    return False


def _called_name(call: ast.Call) -> str:
    match call.func:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case _:
            return ""


def _functions(source: Source) -> Iterator[_Function]:
    for node in ast.walk(source.syntax):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def _tests(source: Source) -> Iterator[_Function]:
    return (function for function in _functions(source) if function.name.startswith("test_"))


def _target_names(assignment: ast.Assign) -> list[str]:
    return [target.id for target in assignment.targets if isinstance(target, ast.Name)]


def _imported_names(source: Source) -> Iterator[tuple[str, str]]:
    """Pair each imported name of a file with the dotted name it stands for."""
    for node in ast.walk(source.syntax):
        if isinstance(node, ast.Import):
            for name in node.names:
                head = name.name.partition(".")[0]
                yield (name.asname or head, name.name if name.asname else head)
        elif isinstance(node, ast.ImportFrom) and node.module:
            for name in node.names:
                yield (name.asname or name.name, f"{node.module}.{name.name}")


def _dotted_name(node: ast.expr, origins: dict[str, str]) -> str:
    match node:
        case ast.Name(id=name):
            return origins.get(name, "")
        case ast.Attribute(value=value, attr=attr):
            owner = _dotted_name(value, origins)
            return f"{owner}.{attr}" if owner else ""
        case _:
            return ""


def _matches(pattern: re.Pattern[str], path: str, text: str, what: str) -> Iterator[str]:
    for number, line in enumerate(text.splitlines(), start=1):
        if found := pattern.search(line):
            yield f"{path}:{number}: {what}: {found.group()}"
