"""The version matrix tests what the metadata promises."""

from __future__ import annotations

import tomllib

from django.conf import settings
from packaging.requirements import Requirement
from packaging.version import Version

PYPROJECT = tomllib.loads((settings.BASE_DIR / "pyproject.toml").read_text())


def lowest(requirement: Requirement) -> Version:
    (bound,) = [Version(item.version) for item in requirement.specifier if item.operator == ">="]
    return bound


def test_the_lowest_environment_pins_every_lowest_declared_version() -> None:
    project = PYPROJECT["project"]
    declared = [
        *project["dependencies"],
        *(text for extra in project["optional-dependencies"].values() for text in extra),
    ]
    deps = PYPROJECT["tool"]["tox"]["env"]["py311-lowest"]["deps"]
    pinned = {item.name: item for item in map(Requirement, (text for text in deps if not text.startswith("-r")))}

    assert {item.name: lowest(item) for item in map(Requirement, declared)} == {
        name: Version(next(iter(item.specifier)).version) for name, item in pinned.items()
    }


def test_redis_py_that_loses_cluster_primaries_is_excluded() -> None:
    (redis,) = [item for item in map(Requirement, PYPROJECT["project"]["dependencies"]) if item.name == "redis"]

    assert "7.1.0" not in redis.specifier
    assert "7.1.1" not in redis.specifier
    assert "7.2.0" in redis.specifier
