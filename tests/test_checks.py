from __future__ import annotations

import re
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.admin import AdminSite, ModelAdmin
from django.contrib.admin.sites import all_sites
from django.core import checks as django_checks
from django.core.checks import CheckMessage
from django.core.files.storage import Storage
from pytest_django.fixtures import Settings
from rest_framework.authentication import TokenAuthentication

from dealpurge import checks
from dealpurge.admin import DealPurgeAdminMixin
from dealpurge.checks import check_settings, setting_names
from dealpurge.conf import conf
from dealpurge.models import PurgeRun
from project.deals.models import Deal
from tests.support.archive_storages import on_disk

BROKEN: dict[str, dict[str, Any]] = {
    "E001": {"CACHE_ALIAS": "deals"},
    "E002": {"CACHE_ALIAS": "memory"},
    "E003": {"REDIS_CLIENT": "project.nowhere.client"},
    "E004": {"KEY_FAMILIES": ["canvas:notes:{org_id}:{deal_id}"]},
    "E005": {"KEY_FAMILIES": {"notes": "canvas:notes:{deal_id"}},
    "E006": {"KEY_FAMILIES": {"notes": "canvas:notes:{org_id}"}},
    "E007": {"KEY_FAMILIES": {"notes": "{org_id}:{deal_id}"}},
    "E008": {"KEY_FAMILIES": {"notes": "canvas:notes:{org_id}-{deal_id}"}},
    "E009": {"KEY_FAMILIES": {"notes": "digitization:{org_id}:{deal_id}"}},
    "E010": {"KEY_FAMILIES": {"notes": ["notes:{org_id}:{deal_id}", "notes:{deal_id}"]}},
    "E011": {"CHECKPOINT_THREAD": "{org_id}"},
    "E012": {"SCAN_COUNT": 0},
    "E013": {"MAX_PLAN_MEMORY": "much"},
    "E014": {"RETRY_SECONDS": -1},
    "E015": {"AUTHENTICATION_CLASSES": ["project.nowhere.Authentication"]},
    "E016": {"AUTHENTICATION_CLASSES": []},
    "E017": {"ENQUEUE": "project.nowhere.enqueue"},
    "E018": {"RATE_LIMIT": "often"},
    "E021": {"MAX_LIVE_RUNS": 0},
    "E023": {"CACHE_ALIAS": "a word unknown"},
    "E024": {"REQUEST_TIMEOUT": 0},
    "E025": {"MAX_DEALS": 0},
    "E026": {"ENVIRONMENT": "production"},
    "E027": {"SERVER_LABEL": "redis\nmain"},
    "E028": {"CONFIRM_DEALS": 0},
    "E029": {"REASON_REQUIRED": "no"},
    "E030": {"ARCHIVE": "nowhere"},
    "E031": {"ARCHIVE": "served"},
    "E032": {"ARCHIVE_DAYS": 0},
    "E033": {"ARCHIVE_ON_FULL": "wait"},
    "W001": {"SCANCOUNT": 500},
    "W002": {"KEY_FAMILIES": {"events": []}},
    "W003": {"KEY_FAMILIES": {"notes": "canvas:notes:{org_id}:{deal_id}:"}},
    "W004": {"SCAN_COUNT": 100_000},
    "W005": {
        "AUTHENTICATION_CLASSES": [
            "rest_framework.authentication.SessionAuthentication",
            "knox.auth.TokenAuthentication",
        ]
    },
    "W007": {"MAX_PLANNED_KEYS": 1_000_000},
    "W008": {"CACHE_ALIAS": "no such file"},
    "W010": {"ARCHIVE": "open"},
}


def redis_cache(location: str, **options: Any) -> dict[str, Any]:
    return {"BACKEND": "django_redis.cache.RedisCache", "LOCATION": location, "OPTIONS": options}


@pytest.fixture
def found(settings: Settings) -> Callable[..., list[CheckMessage]]:
    """What the checks say of some settings."""
    settings.CACHES = {
        "default": {"BACKEND": "django_redis.cache.RedisCache", "LOCATION": "redis://127.0.0.1:1/0"},
        "memory": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"},
        "sharded": {
            "BACKEND": "django_redis.cache.RedisCache",
            "LOCATION": ["redis://127.0.0.1:1/0", "redis://127.0.0.1:1/1"],
            "OPTIONS": {"CLIENT_CLASS": "django_redis.client.ShardClient"},
        },
        "a word unknown": redis_cache("rediss://:geheim@127.0.0.1:1/0?ssl_cert_reqs=CERT_NONE"),
        "an option unknown": redis_cache("redis://:geheim@127.0.0.1:1/0?ssl_ca_certs=/etc/ca.pem"),
        "no such file": redis_cache("rediss://:geheim@127.0.0.1:1/0?ssl_ca_certs=/nowhere.pem"),
        "a protocol unknown": redis_cache("redis://:geheim@127.0.0.1:1/0?protocol=7"),
        "sentinel by rediss": redis_cache(
            "rediss://deals/0",
            CONNECTION_FACTORY="django_redis.pool.SentinelConnectionFactory",
            SENTINELS=[("127.0.0.1", 1)],
            CONNECTION_POOL_CLASS="redis.sentinel.SentinelConnectionPool",
        ),
    }

    settings.MEDIA_ROOT = "/srv/app/media"
    settings.STORAGES = {
        **settings.STORAGES,
        "archive": on_disk("/var/lib/dealpurge"),
        "served": on_disk("/srv/app/media/archive"),
        "open": on_disk("/var/lib/dealpurge", file_permissions_mode=0o640),
        "as uploads": on_disk("/var/lib/dealpurge", file_permissions_mode=None),
        "misspelt": on_disk("/var/lib/dealpurge", file_permission_mode=0o600),
        "absent": {"BACKEND": "project.nowhere.Storage"},
        "nameless": {},
        "in memory": {"BACKEND": "django.core.files.storage.InMemoryStorage"},
        "elsewhere": {"BACKEND": "tests.test_checks.StorageElsewhere"},
    }

    def check(**values: Any) -> list[CheckMessage]:
        for name, value in values.items():
            setattr(settings, f"DEALPURGE_{name}", value)
        return check_settings()

    return check


def ids(messages: list[CheckMessage]) -> list[str]:
    return [str(message.id).removeprefix("dealpurge.") for message in messages]


@pytest.mark.parametrize("code", BROKEN)
def test_what_is_wrong_is_found_alone_and_with_a_hint(found: Callable[..., list[CheckMessage]], code: str) -> None:
    messages = found(**BROKEN[code])

    assert ids(messages) == [code]
    assert messages[0].hint
    assert "geheim" not in messages[0].msg


def test_default_settings_are_clean(found: Callable[..., list[CheckMessage]]) -> None:
    assert found() == []


def test_every_id_is_listed_once_and_tested() -> None:
    listed = re.findall(r"^([EW]\d{3})  ", checks.__doc__ or "", re.MULTILINE)

    assert sorted(listed) == sorted([*BROKEN, "E019", "E020", "E022", "W006", "W009", "W011"])


def test_checks_run_with_manage_py_check(settings: Settings) -> None:
    settings.DEALPURGE_SCAN_COUNT = 0

    assert "dealpurge.E012" in [message.id for message in django_checks.run_checks()]


def test_no_check_opens_a_connection(found: Callable[..., list[CheckMessage]], monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object) -> None:
        raise AssertionError("a check connects")

    monkeypatch.setattr(socket.socket, "connect", refuse)

    assert found() == []


@pytest.mark.parametrize("name", setting_names())
def test_every_setting_is_checked(found: Callable[..., list[CheckMessage]], name: str) -> None:
    messages = found(**{name.removeprefix("DEALPURGE_"): object()})

    assert any(name in message.msg for message in messages)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"CACHE_ALIAS": "sharded"}, ["E002"]),
        ({"ENVIRONMENT": {"name": "production", "tone": "production"}}, []),
        ({"ENVIRONMENT": {"name": "production"}}, []),
        ({"ENVIRONMENT": {}}, ["E026"]),
        ({"ENVIRONMENT": {"name": " "}}, ["E026"]),
        ({"ENVIRONMENT": {"name": "a" * 101}}, ["E026"]),
        ({"ENVIRONMENT": {"name": "prod\x1b[2J"}}, ["E026"]),
        ({"ENVIRONMENT": {"name": b"production"}}, ["E026"]),
        ({"ENVIRONMENT": {"tone": "production"}}, ["E026"]),
        ({"ENVIRONMENT": {"name": "production", "tone": "red"}}, ["E026"]),
        ({"ENVIRONMENT": {"name": "production", "tone": ["production"]}}, ["E026"]),
        ({"ENVIRONMENT": {"name": "production", "colour": "red"}}, ["E026"]),
        ({"SERVER_LABEL": "redis-main"}, []),
        ({"SERVER_LABEL": "a" * 256}, ["E027"]),
        ({"SERVER_LABEL": None}, ["E027"]),
        ({"CONFIRM_DEALS": 1}, []),
        ({"CONFIRM_DEALS": "25"}, ["E028"]),
        ({"CONFIRM_DEALS": True}, ["E028"]),
        ({"CONFIRM_DEALS": None}, ["E028"]),
        ({"REASON_REQUIRED": True}, []),
        ({"REASON_REQUIRED": 1}, ["E029"]),
        ({"ARCHIVE": "archive", "ARCHIVE_DAYS": 36_500, "ARCHIVE_MAX_KEY_BYTES": 2**29}, []),
        ({"ARCHIVE": None}, []),
        ({"ARCHIVE": ["archive"]}, ["E030"]),
        ({"ARCHIVE": "default"}, ["E030"]),
        ({"ARCHIVE": "staticfiles"}, ["E030"]),
        ({"ARCHIVE": "misspelt"}, ["E030"]),
        ({"ARCHIVE": "absent"}, ["E030"]),
        ({"ARCHIVE": "nameless"}, ["E030"]),
        ({"ARCHIVE": "in memory"}, []),
        ({"ARCHIVE": "elsewhere"}, []),
        ({"ARCHIVE_DAYS": 36_501}, ["E032"]),
        ({"ARCHIVE_DAYS": 1.5}, ["E032"]),
        ({"ARCHIVE_DAYS": True}, ["E032"]),
        ({"ARCHIVE_DAYS": None}, ["E032"]),
        ({"ARCHIVE_MAX_KEY_BYTES": 2**29 + 1}, ["E032"]),
        ({"ARCHIVE_MAX_KEY_BYTES": 0}, ["E032"]),
        ({"ARCHIVE_MAX_KEY_BYTES": "16 MiB"}, ["E032"]),
        ({"ARCHIVE_ON_FULL": "unchecked"}, []),
        ({"ARCHIVE_ON_FULL": "stop"}, []),
        ({"ARCHIVE_ON_FULL": None}, ["E033"]),
        ({"CACHE_ALIAS": "an option unknown"}, ["E023"]),
        ({"CACHE_ALIAS": "sentinel by rediss"}, ["E023"]),
        ({"CACHE_ALIAS": "a protocol unknown"}, ["E023"]),
        ({"CACHE_ALIAS": "deals", "REDIS_CLIENT": "tests.test_checks.ids"}, []),
        ({"REDIS_CLIENT": "tests.test_checks.BROKEN"}, ["E003"]),
        ({"KEY_FAMILIES": {"notes": None}}, ["E004"]),
        ({"KEY_FAMILIES": {"notes": b"canvas:notes:{deal_id}"}}, ["E004"]),
        ({"KEY_FAMILIES": {7: "canvas:notes:{deal_id}"}}, ["E004"]),
        ({"KEY_FAMILIES": {"notes": [None]}}, ["E005"]),
        ({"KEY_FAMILIES": {"notes": "canvas:notes:{deal}"}}, ["E005"]),
        ({"KEY_FAMILIES": {"notes": "canvas:notes:{deal_id!r}"}}, ["E005"]),
        ({"KEY_FAMILIES": {"notes": "canvas:notes:{deal_id:>9}"}}, ["E005"]),
        ({"KEY_FAMILIES": {"notes": "canvas:notes:{}"}}, ["E005"]),
        ({"KEY_FAMILIES": {"notes": "canvas:notes:{org_id}:{org_id}:{deal_id}"}}, ["E005"]),
        ({"KEY_FAMILIES": {"notes": "canvas:notes:{deal_id}:{deal_id}"}}, ["E006"]),
        ({"KEY_FAMILIES": {"notes": "canvas:notes"}}, ["E006"]),
        ({"KEY_FAMILIES": {"notes": ["canvas:notes:{deal_id}:{org_id}", "{deal_id}"]}}, ["E007"]),
        ({"KEY_FAMILIES": {"notes": "canvas:notes:{{{org_id}}}{deal_id}"}}, []),
        ({"KEY_FAMILIES": {"notes": "canvas:events:{org_id}:{deal_id}:notes"}}, ["E009"]),
        ({"KEY_FAMILIES": {"notes": "checkpoint:{{{deal_id}}}"}}, ["E009"]),
        ({"KEY_FAMILIES": {"notes": "writes:{deal_id}"}}, []),
        ({"KEY_FAMILIES": {"notes": ["notes:{deal_id}", "notes:{deal_id}:text"]}}, []),
        ({"KEY_FAMILIES": {"notes": "notes:{deal_id}", "events": [], "locks": []}}, ["W002"]),
        ({"KEY_FAMILIES": {"events": "live:{deal_id}"}}, []),
        ({"CHECKPOINT_THREAD": "{org_id}:{deal_id}"}, []),
        ({"CHECKPOINT_THREAD": "{org_id}{deal_id}"}, ["E011"]),
        ({"CHECKPOINT_THREAD": "{deal_id"}, ["E011"]),
        ({"SCAN_COUNT": True}, ["E012"]),
        ({"MAX_PLAN_MEMORY": 1.5}, ["E013"]),
        ({"MAX_PLANNED_KEYS": 0}, ["W007", "E013"]),
        ({"RETRY_SECONDS": 0}, []),
        ({"RETRY_SECONDS": 0.5}, []),
        ({"RETRY_SECONDS": float("nan")}, ["E014"]),
        ({"RETRY_SECONDS": float("inf")}, ["E014"]),
        ({"REQUEST_TIMEOUT": None}, []),
        ({"REQUEST_TIMEOUT": 0.5}, []),
        ({"REQUEST_TIMEOUT": -1}, ["E024"]),
        ({"REQUEST_TIMEOUT": True}, ["E024"]),
        ({"REQUEST_TIMEOUT": "20"}, ["E024"]),
        ({"REQUEST_TIMEOUT": float("nan")}, ["E024"]),
        ({"REQUEST_TIMEOUT": float("inf")}, ["E024"]),
        ({"MAX_DEALS": None, "MAX_KEYS": None}, []),
        ({"MAX_DEALS": 1, "MAX_KEYS": 10**9}, []),
        ({"MAX_DEALS": -1}, ["E025"]),
        ({"MAX_DEALS": True}, ["E025"]),
        ({"MAX_KEYS": "500"}, ["E025"]),
        ({"MAX_DEALS": 1.5, "MAX_KEYS": 0}, ["E025", "E025"]),
        ({"AUTHENTICATION_CLASSES": "knox.auth.TokenAuthentication"}, ["E015"]),
        ({"AUTHENTICATION_CLASSES": ["tests.test_checks.ids"]}, ["E015"]),
        ({"AUTHENTICATION_CLASSES": ["rest_framework.authentication.TokenAuthentication"]}, ["E016"]),
        ({"AUTHENTICATION_CLASSES": ["knox.auth.TokenAuthentication"]}, []),
        ({"AUTHENTICATION_CLASSES": ["tests.test_checks.BearerAuthentication"]}, []),
        ({"ENQUEUE": "tests.test_checks.ids"}, []),
        ({"ENQUEUE": 7}, ["E017"]),
        ({"RATE_LIMIT_LIVE_ALL": "0/hour"}, ["E018"]),
        ({"RATE_LIMIT_LIVE_ALL": "3/day", "RATE_LIMIT": "10/minute"}, []),
    ],
)
def test_more_of_each_kind(
    found: Callable[..., list[CheckMessage]], values: dict[str, Any], expected: list[str]
) -> None:
    assert ids(found(**values)) == expected


def test_an_overlap_is_named_with_both_families_and_a_key(found: Callable[..., list[CheckMessage]]) -> None:
    messages = found(KEY_FAMILIES={"notes": "canvas:{org_id}:{deal_id}"})

    assert ids(messages) == ["E009"] * 5
    assert any(
        "'notes'" in item.msg and "'events'" in item.msg and "'canvas:events:1:1'" in item.msg for item in messages
    )


def test_a_misspelt_setting_is_told_its_name(found: Callable[..., list[CheckMessage]]) -> None:
    assert found(SCANCOUNT=500)[0].hint == "Did you mean DEALPURGE_SCAN_COUNT?"


def test_the_hosts_own_classes_are_taken_without_the_setting(
    found: Callable[..., list[CheckMessage]], settings: Settings
) -> None:
    paths = ["rest_framework.authentication.SessionAuthentication", "rest_framework.authentication.TokenAuthentication"]
    settings.REST_FRAMEWORK = {"DEFAULT_AUTHENTICATION_CLASSES": paths}

    assert ids(found()) == ["E016"]


class BearerAuthentication(TokenAuthentication):
    keyword = "Bearer"


class StorageElsewhere(Storage):
    """Calls its service when it is made, as some do."""

    def __init__(self) -> None:
        raise AssertionError("a check makes a storage that is not of this machine")


class TestArchive:
    @pytest.mark.parametrize(
        ("location", "roots", "names"),
        [
            ("/srv/media", {"MEDIA_ROOT": "/srv/media/"}, ["MEDIA_ROOT"]),
            ("/srv/media/a/b", {"MEDIA_ROOT": "/srv/media"}, ["MEDIA_ROOT"]),
            ("/srv", {"MEDIA_ROOT": "/srv/media"}, ["MEDIA_ROOT"]),
            ("/srv/app/../media", {"MEDIA_ROOT": "/srv/media"}, ["MEDIA_ROOT"]),
            ("/srv/media-archive", {"MEDIA_ROOT": "/srv/media"}, []),
            ("/srv/static/a", {"STATIC_ROOT": "/srv/static"}, ["STATIC_ROOT"]),
            ("/srv/static/a", {"STATIC_ROOT": Path("/srv/static")}, ["STATIC_ROOT"]),
            ("/srv", {"MEDIA_ROOT": "/srv/media", "STATIC_ROOT": "/srv/static"}, ["MEDIA_ROOT", "STATIC_ROOT"]),
            ("/srv/archive", {"MEDIA_ROOT": "", "STATIC_ROOT": None}, []),
            (None, {"MEDIA_ROOT": "/srv/media"}, ["MEDIA_ROOT"]),
            (None, {"MEDIA_ROOT": ""}, ["no location"]),
        ],
    )
    def test_where_its_files_would_be_served(
        self,
        found: Callable[..., list[CheckMessage]],
        settings: Settings,
        location: str | None,
        roots: dict[str, Any],
        names: list[str],
    ) -> None:
        settings.STORAGES = {**settings.STORAGES, "archive": on_disk(location)}
        for name, root in {"MEDIA_ROOT": "", "STATIC_ROOT": None, **roots}.items():
            setattr(settings, name, root)

        messages = found(ARCHIVE="archive")

        assert ids(messages) == ["E031"] * len(names)
        assert all(name in message.msg for name, message in zip(names, messages, strict=True))

    @pytest.mark.parametrize(("mode", "expected"), [(0o600, []), (0o644, ["W010"]), (None, ["W010"])])
    def test_a_storage_without_a_mode_has_that_of_uploads(
        self, found: Callable[..., list[CheckMessage]], settings: Settings, mode: int | None, expected: list[str]
    ) -> None:
        settings.FILE_UPLOAD_PERMISSIONS = mode

        messages = found(ARCHIVE="as uploads")

        assert ids(messages) == expected
        assert all(("None" if mode is None else "0o644") in message.msg for message in messages)

    def test_no_check_makes_a_folder(
        self, found: Callable[..., list[CheckMessage]], settings: Settings, tmp_path: Path
    ) -> None:
        settings.STORAGES = {**settings.STORAGES, "archive": on_disk(tmp_path / "not yet")}

        assert found(ARCHIVE="archive") == []

        assert list(tmp_path.iterdir()) == []

    def test_a_number_too_large_is_taken_as_the_largest(self, settings: Settings) -> None:
        settings.DEALPURGE_ARCHIVE_DAYS = settings.DEALPURGE_ARCHIVE_MAX_KEY_BYTES = 10**12

        assert (conf.archive_days, conf.archive_max_key_bytes) == (36_500, 2**29)

    def test_an_alias_unknown_is_told_those_that_are_there(self, found: Callable[..., list[CheckMessage]]) -> None:
        (message,) = found(ARCHIVE="archiv")

        assert "'archive', 'served'" in (message.hint or "")


class TestEndpoint:
    @pytest.mark.parametrize(
        "urlconf",
        [
            "tests.support.urlconfs.plain",
            "tests.support.urlconfs.nested",
            "tests.support.urlconfs.tenants",
            "tests.support.urlconfs.decorated",
        ],
    )
    def test_it_is_found_wherever_it_is(
        self, found: Callable[..., list[CheckMessage]], settings: Settings, urlconf: str
    ) -> None:
        settings.ROOT_URLCONF = urlconf

        assert found() == []

    def test_a_urlconf_without_it_is_told_the_line_to_paste(
        self, found: Callable[..., list[CheckMessage]], settings: Settings
    ) -> None:
        settings.ROOT_URLCONF = "tests.support.urlconfs.without"

        messages = found()

        assert ids(messages) == ["W006"]
        assert "include('dealpurge.api.urls')" in (messages[0].hint or "")

    def test_who_wants_none_silences_it(self, settings: Settings) -> None:
        settings.ROOT_URLCONF = "tests.support.urlconfs.without"
        (message,) = [item for item in django_checks.run_checks() if item.id == "dealpurge.W006"]
        assert not message.is_silenced()

        settings.SILENCED_SYSTEM_CHECKS = ["dealpurge.W006"]

        assert message.is_silenced()

    def test_who_wants_none_needs_no_class_that_guards_it(
        self, found: Callable[..., list[CheckMessage]], settings: Settings
    ) -> None:
        assert ids(found(AUTHENTICATION_CLASSES=[])) == ["E016"]

        settings.ROOT_URLCONF = "tests.support.urlconfs.without"

        assert ids(found(AUTHENTICATION_CLASSES=[])) == ["W006"]

    @pytest.mark.parametrize("urlconf", ["tests.support.urlconfs.broken", "tests.support.urlconfs.absent", None])
    def test_a_urlconf_that_cannot_be_read_is_for_django_to_report(
        self, found: Callable[..., list[CheckMessage]], settings: Settings, urlconf: str | None
    ) -> None:
        settings.ROOT_URLCONF = urlconf

        assert found() == []


class TestAdminSites:
    @pytest.fixture
    def site(self) -> Iterator[AdminSite]:
        site = AdminSite(name="back-office")
        yield site
        all_sites.discard(site)

    def test_a_site_without_the_record_of_runs_is_told_the_line_to_paste(
        self, found: Callable[..., list[CheckMessage]], site: AdminSite
    ) -> None:
        site.register(Deal, type("DealAdmin", (DealPurgeAdminMixin, ModelAdmin), {}))

        messages = found()

        assert ids(messages) == ["E019"]
        assert "site.register(PurgeRun, PurgeRunAdmin)" in (messages[0].hint or "")

    def test_a_mixin_behind_the_admin_that_it_is_to_extend(
        self, found: Callable[..., list[CheckMessage]], site: AdminSite
    ) -> None:
        site.register(PurgeRun, ModelAdmin)
        site.register(Deal, type("DealAdmin", (ModelAdmin, DealPurgeAdminMixin), {}))

        messages = found()

        assert ids(messages) == ["E022"]
        assert messages[0].hint == "Put the mixin first: class DealAdmin(DealPurgeAdminMixin, admin.ModelAdmin)"

    def test_a_site_with_it_is_clean(self, found: Callable[..., list[CheckMessage]], site: AdminSite) -> None:
        site.register(PurgeRun, ModelAdmin)
        site.register(Deal, type("DealAdmin", (DealPurgeAdminMixin, ModelAdmin), {}))

        assert found() == []
