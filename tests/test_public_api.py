"""The public surface: what `__all__` lists, what importing costs, and how classes may depend on each other."""

import ast
import importlib
import pkgutil
import re
import subprocess
import sys
import types
from importlib import metadata
from pathlib import Path

import equinox as eqx
import pytest

import raofit

ROOT = Path(__file__).resolve().parents[1]
SOURCE = Path(raofit.__file__).parent
MODULES = [info.name for info in pkgutil.walk_packages(raofit.__path__, "raofit.")]
PACKAGES = ["raofit", *(info.name for info in pkgutil.walk_packages(raofit.__path__, "raofit.") if info.ispkg)]
PUBLIC_PACKAGES = [name for name in PACKAGES if hasattr(importlib.import_module(name), "__all__")]
PUBLIC_MODULES = [*PUBLIC_PACKAGES, "raofit.losses"]
REFERENCE = ROOT / "docs" / "reference"


@pytest.mark.parametrize("package", PUBLIC_MODULES)
def test_all_lists_what_the_namespace_holds(package):
    module = importlib.import_module(package)
    assert len(set(module.__all__)) == len(module.__all__)
    for name in module.__all__:
        assert getattr(module, name) is not None
    own = {name for name, value in vars(module).items() if _is_defined_by(value, "raofit")}
    assert {name for name in own if not name.startswith("_")} <= set(module.__all__)


def _is_defined_by(value: object, package: str) -> bool:
    """Whether a function or class belongs to the package; errors are raised everywhere and listed by `core.errors`."""
    home = getattr(value, "__module__", None) or ""
    return not isinstance(value, types.ModuleType) and home.startswith(package) and home != "raofit.core.errors"


def test_public_names_of_the_contract():
    promised = {"MaximumLikelihood", "OneStep", "crb", "evaluate", "load_network", "losses", "models", "noise"}
    assert promised <= set(raofit.__all__)
    assert raofit.losses.mse_crb().weighting == "inverse-crb"
    assert {"Compressed", "QMT"} <= set(raofit.models.__all__)
    assert set(raofit.__all__) <= set(dir(raofit))


def test_version_comes_from_the_installed_package():
    assert raofit.__version__ == metadata.version("raofit")


def test_unknown_attribute_is_refused():
    with pytest.raises(AttributeError, match="no_such_name"):
        raofit.no_such_name  # noqa: B018


def _run(code: str) -> str:
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return result.stdout


def test_importing_the_package_imports_no_jax():
    assert _run("import sys, raofit; print('jax' in sys.modules, 'matplotlib' in sys.modules)").split() == ["False"] * 2


def test_help_of_every_verb_imports_no_jax():
    """Help appears at once: what a verb needs is imported when it runs."""
    verbs = sorted(name for name in MODULES if name.startswith("raofit.cli.") and "._" not in name)
    code = f"""
import importlib, sys
from raofit.cli import main
assert main(["--help"]) == 0
for name in {verbs!r}:
    assert main([name.rpartition(".")[2], "--help"]) == 0
    heavy = {{"jax", "matplotlib", "nibabel", "scipy"}} & set(sys.modules)
    assert not heavy, f"{{name}} imports {{heavy}}"
"""
    assert verbs
    _run(code)


def _subclasses(kind: type) -> list[type]:
    return [kind, *(deeper for sub in kind.__subclasses__() for deeper in _subclasses(sub))]


def test_classes_are_abstract_or_final():
    for name in MODULES:
        importlib.import_module(name)
    for kind in _subclasses(eqx.Module):
        if kind.__module__.startswith("raofit.") and not kind.__name__.lstrip("_").startswith("Abstract"):
            assert [sub for sub in kind.__subclasses__() if sub.__module__.startswith("raofit.")] == []


@pytest.mark.parametrize("path", sorted(SOURCE.rglob("*.py")), ids=lambda path: str(path.relative_to(SOURCE)))
def test_source_style_no_linter_knows(path):
    """No `super()`, no `hasattr`; a file of more than 400 lines says why in its docstring."""
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text)
    calls = {node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
    assert not calls & {"super", "hasattr"}
    assert len(text.splitlines()) <= 400 or "lines" in (ast.get_docstring(tree) or "")


def test_every_public_module_has_a_reference_page():
    pages = "\n".join(page.read_text(encoding="utf-8") for page in REFERENCE.glob("*.md"))
    missing = [name for name in PUBLIC_MODULES if f"automodule:: {name}\n" not in pages]
    assert not missing


def test_every_public_name_is_on_a_reference_page():
    """Names of `raofit` itself are listed one by one; members of other modules are there with their module."""
    text = (REFERENCE / "raofit.md").read_text(encoding="utf-8")
    missing = [name for name in raofit.__all__ if not re.search(rf"raofit\.{name}\b", text)]
    assert not missing
