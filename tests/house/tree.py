"""The project's own files, for the tests that read them."""

import subprocess
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType

HOME = Path(__file__).parent.parent.parent
SOURCE = HOME / "src" / "farthing"
NOT_OURS = {".git", ".venv", ".farthing", "node_modules", "dist", "build"}
ROOMS = {
    path.stem
    for path in SOURCE.iterdir()
    if path.name != "__init__.py" and (path.suffix == ".py" or (path / "__init__.py").exists())
}


def dev() -> ModuleType:
    """The set-up script: it knows where packages and programs come from."""
    loader = SourceFileLoader("dev_script", str(HOME / "dev"))
    spec = spec_from_loader("dev_script", loader)
    assert spec is not None
    module = module_from_spec(spec)
    loader.exec_module(module)
    return module


def files() -> list[Path]:
    """What is or would be committed; where git cannot tell, all but what is made here."""
    listed = _git("ls-files", "--cached", "--others", "--exclude-standard")
    found = listed.split("\0") if listed else map(str, HOME.rglob("*"))
    paths = (HOME / name for name in found if name)
    return sorted(path for path in paths if path.is_file() and _is_ours(path.relative_to(HOME)))


def python_files() -> list[Path]:
    return [path for path in files() if path.suffix == ".py"] + [HOME / "dev"]


def _is_ours(path: Path) -> bool:
    return not NOT_OURS & set(path.parts) and not any(
        part == "__pycache__" or part.endswith(("_cache", ".egg-info")) for part in path.parts
    )


def _git(*arguments: str) -> str:
    try:
        command = ["git", "-C", str(HOME), *arguments, "-z"]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout
    except (FileNotFoundError, subprocess.CalledProcessError):
        return ""
