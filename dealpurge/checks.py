"""System checks of every setting: no network, no database. They register themselves when the app is ready.

E001  DEALPURGE_CACHE_ALIAS names no cache.
E002  The cache of DEALPURGE_CACHE_ALIAS is not one of django-redis.
E003  DEALPURGE_REDIS_CLIENT or DEALPURGE_RESTORE_REDIS_CLIENT cannot be imported or called.
E004  DEALPURGE_KEY_FAMILIES is no dictionary of names and templates.
E005  A template cannot be read.
E006  A template does not have {deal_id} exactly once.
E007  A template does not begin with literal text.
E008  A template has nothing between its placeholders that ends an id.
E009  Two families claim the same key.
E010  One family reads the same key as two deals.
E011  DEALPURGE_CHECKPOINT_THREAD is no template of a thread id.
E012  DEALPURGE_SCAN_COUNT is no number of keys.
E013  DEALPURGE_MAX_PLAN_MEMORY, or DEALPURGE_MAX_PLANNED_KEYS of old, is no number.
E014  DEALPURGE_RETRY_SECONDS is no number of seconds.
E015  DEALPURGE_AUTHENTICATION_CLASSES cannot be used.
E016  No authentication class is left that answers with Bearer.
E017  DEALPURGE_ENQUEUE cannot be imported or called.
E018  DEALPURGE_RATE_LIMIT or DEALPURGE_RATE_LIMIT_LIVE_ALL is no rate.
E019  An admin site uses the mixin without having PurgeRun registered.
E020  A field that the mixin names is none of the model's (the admin's own checks run it).
E021  DEALPURGE_MAX_LIVE_RUNS or DEALPURGE_MAX_BODY_BYTES is no number.
E022  A ModelAdmin has the mixin behind ModelAdmin among its bases, where its buttons never show.
E023  redis-py makes no connection of the cache's options.
E024  DEALPURGE_REQUEST_TIMEOUT is no number of seconds.
E025  DEALPURGE_MAX_DEALS or DEALPURGE_MAX_KEYS is no number.
E026  DEALPURGE_ENVIRONMENT is no name with a tone.
E027  DEALPURGE_SERVER_LABEL is no short printable text.
E028  DEALPURGE_CONFIRM_DEALS is no number.
E029  DEALPURGE_REASON_REQUIRED is neither True nor False.
E030  DEALPURGE_ARCHIVE names no storage, one that cannot be made, or one whose files are served.
E031  The files of the storage of DEALPURGE_ARCHIVE lie in, below or above MEDIA_ROOT or STATIC_ROOT.
E032  DEALPURGE_ARCHIVE_DAYS or DEALPURGE_ARCHIVE_MAX_KEY_BYTES is no number, or too large a one.
E033  DEALPURGE_ARCHIVE_ON_FULL is neither 'stop' nor 'unchecked'.
W001  A DEALPURGE_* setting is unknown.
W002  Without an events family no purge can spare active deals.
W003  A template ends in a colon.
W004  DEALPURGE_SCAN_COUNT is so large that pages hold up other clients.
W005  DEALPURGE_AUTHENTICATION_CLASSES names a class that the endpoint never asks.
W006  The URLconf has the endpoint nowhere.
W007  DEALPURGE_MAX_PLANNED_KEYS has another name, and another unit, now.
W008  TLS cannot be set up here as the cache's options say: a file is missing or unreadable, or they do not fit.
W009  Nothing prunes the record (``check --database`` and ``migrate`` ask).
W010  The storage of DEALPURGE_ARCHIVE gives its files another mode than 0o600.
W011  Nothing removes archives that are past their time (asked as W009).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from difflib import get_close_matches
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

from dealpurge.api.checks import check_authentication, check_endpoint
from dealpurge.conf import BYTES_A_KEY, OLD_PLAN_SETTING, TONES, Settings, conf
from dealpurge.console.deals.checks import check_admin_sites
from dealpurge.exceptions import PurgeConfigurationError
from dealpurge.keys.checks import check_families
from dealpurge.runs import throttling
from dealpurge.runs.archive.checks import check_archive
from dealpurge.runs.checks import check_expired_archives, check_pruning
from dealpurge.servers import discovery
from dealpurge.servers.address import is_made_by_django_redis
from dealpurge.servers.construction import TlsUnusable
from dealpurge.text import redacted

#: A page of SCAN this large takes milliseconds of the server's time, which all other clients wait for.
LARGE_PAGE = 10_000
#: Settings that are whole numbers of something.
_NUMBERS = (
    ("DEALPURGE_SCAN_COUNT", "keys", "E012"),
    ("DEALPURGE_MAX_PLAN_MEMORY", "bytes", "E013"),
    (OLD_PLAN_SETTING, "keys", "E013"),
)


@register("dealpurge")
def check_settings(app_configs: Any = None, **kwargs: Any) -> list[CheckMessage]:
    """Every check of this app, those of one subject together."""
    subjects: tuple[Callable[[], Iterator[CheckMessage]], ...] = (
        _check_names,
        _check_server,
        check_families,
        _check_numbers,
        _check_queue,
        _check_rates,
        _check_bounds,
        _check_read,
        check_archive,
        check_authentication,
        check_endpoint,
        check_admin_sites,
    )
    return [message for subject in subjects for message in subject()]


register(check_pruning, Tags.database)
register(check_expired_archives, Tags.database)


def setting_names() -> list[str]:
    """The settings there are, as the host writes them."""
    return [f"DEALPURGE_{name.upper()}" for name, item in vars(Settings).items() if isinstance(item, property)]


def _check_names() -> Iterator[CheckMessage]:
    known = setting_names()
    for name in sorted(dir(settings)):
        if name == OLD_PLAN_SETTING:
            hint = f"Give the bytes as DEALPURGE_MAX_PLAN_MEMORY: {BYTES_A_KEY} a key is what it stands for."
            yield Warning(f"{name} is DEALPURGE_MAX_PLAN_MEMORY now, in bytes.", hint=hint, id="dealpurge.W007")
        elif name.startswith("DEALPURGE_") and name not in known:
            close = get_close_matches(name, known, n=1)
            hint = f"Did you mean {close[0]}?" if close else f"The settings are {', '.join(known)}."
            yield Warning(f"The setting {name} is unknown and has no effect.", hint=hint, id="dealpurge.W001")


def _check_server() -> Iterator[CheckMessage]:
    try:
        _ = conf.restore_redis_client
        if conf.redis_client is not None:
            return
    except ImproperlyConfigured as exc:
        hint = "Give the dotted path of a callable without parameters that returns a redis-py client."
        yield Error(str(exc), hint=hint, id="dealpurge.E003")
        return
    alias: object = conf.cache_alias
    if not isinstance(alias, str) or alias not in settings.CACHES:
        hint = f"CACHES has {', '.join(map(repr, settings.CACHES))}. Name the one whose Redis holds the deals."
        yield Error(f"DEALPURGE_CACHE_ALIAS names no cache: {redacted(repr(alias))}.", hint=hint, id="dealpurge.E001")
    elif not _is_django_redis(settings.CACHES[alias]):
        hint = (
            "Set its BACKEND to 'django_redis.cache.RedisCache' (with a CLIENT_CLASS that talks to one server), "
            "name another alias, or supply a client through DEALPURGE_REDIS_CLIENT."
        )
        yield Error(f"The cache {alias!r} is not one of django-redis.", hint=hint, id="dealpurge.E002")
    elif is_made_by_django_redis(settings.CACHES[alias].get("OPTIONS", {})):
        yield from _check_connection(alias)


def _check_connection(alias: str) -> Iterator[CheckMessage]:
    try:
        discovery.check_connection()
    except TlsUnusable as exc:  # the files may be where the app runs, and not where its image is built
        hint = "See the ssl_ options in its LOCATION or in CONNECTION_POOL_KWARGS, and who may read the files."
        yield Warning(f"The cache {alias!r}: {exc}", hint=hint, id="dealpurge.W008")
    except PurgeConfigurationError as exc:
        hint = "See its LOCATION and OPTIONS, CONNECTION_POOL_KWARGS and SENTINEL_KWARGS among them."
        yield Error(f"The cache {alias!r} gives no connection. {exc}", hint=hint, id="dealpurge.E023")


def _is_django_redis(cache: dict[str, Any]) -> bool:
    """Whether ``get_redis_connection`` can give a client of it; a ShardClient has several and gives none."""
    from django_redis.cache import RedisCache
    from django_redis.client import DefaultClient, ShardClient

    try:
        backend = import_string(cache.get("BACKEND", ""))
        client = import_string(cache.get("OPTIONS", {}).get("CLIENT_CLASS", "django_redis.client.DefaultClient"))
    except ImportError:
        return False
    return issubclass(backend, RedisCache) and issubclass(client, DefaultClient) and not issubclass(client, ShardClient)


def _check_numbers() -> Iterator[CheckMessage]:
    for name, unit, code in _NUMBERS:
        value = getattr(settings, name, 1)
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            hint = f"Give a whole number of {unit}, 1 at least, or leave the setting out."
            yield Error(f"{name} is no number of {unit}: {value!r}.", hint=hint, id=f"dealpurge.{code}")
        elif code == "E012" and value > LARGE_PAGE:
            hint = "500 to 1000 is as fast as any, and no other client waits for it."
            yield Warning(f"{name} is {value}: each page holds up other clients.", hint=hint, id="dealpurge.W004")
    if not _is_time(conf.retry_seconds):
        hint = "Give the seconds that a lost server is tried again, 0 for not at all."
        yield Error(f"DEALPURGE_RETRY_SECONDS is no time: {conf.retry_seconds!r}.", hint=hint, id="dealpurge.E014")
    limit = conf.request_timeout
    if limit is not None and not (_is_time(limit) and limit):
        hint = "Give the seconds that a request may take, fewer than the web server allows it, or None for no limit."
        yield Error(f"DEALPURGE_REQUEST_TIMEOUT is no time: {limit!r}.", hint=hint, id="dealpurge.E024")


def _is_time(seconds: object) -> bool:
    return not isinstance(seconds, bool) and isinstance(seconds, int | float) and 0 <= seconds < math.inf


def _check_queue() -> Iterator[CheckMessage]:
    try:
        _ = conf.enqueue
    except ImproperlyConfigured as exc:
        hint = "Give the dotted path of a callable that takes a run's id and queues dealpurge.services.run(run_id)."
        yield Error(str(exc), hint=hint, id="dealpurge.E017")


def _check_rates() -> Iterator[CheckMessage]:
    rates: tuple[tuple[str, object], ...] = (
        ("DEALPURGE_RATE_LIMIT", conf.rate_limit),
        ("DEALPURGE_RATE_LIMIT_LIVE_ALL", conf.rate_limit_live_all),
    )
    for name, value in rates:
        if value is not None and not (isinstance(value, str) and throttling.RATE.fullmatch(value)):
            hint = "Write it as '10/hour': a number, a slash, and second, minute, hour or day. None is no limit."
            yield Error(f"{name} is no rate: {value!r}.", hint=hint, id="dealpurge.E018")


def _check_bounds() -> Iterator[CheckMessage]:
    bounds: tuple[tuple[str, object], ...] = (
        ("DEALPURGE_MAX_LIVE_RUNS", 1 if conf.max_live_runs is None else conf.max_live_runs),
        ("DEALPURGE_MAX_BODY_BYTES", conf.max_body_bytes),
    )
    for name, value in bounds:
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            hint = "Give a whole number, 1 at least, or leave the setting out."
            yield Error(f"{name} is no number: {value!r}.", hint=hint, id="dealpurge.E021")


def _check_read() -> Iterator[CheckMessage]:
    """Settings that refuse every run, dry ones too, where they cannot be read."""
    number = "Give a whole number, 1 at least"
    tones = ", ".join(map(repr, TONES))
    hints = {
        "max_deals": ("E025", f"{number}; None, or leaving the setting out, is no limit."),
        "max_keys": ("E025", f"{number}; None, or leaving the setting out, is no limit."),
        "environment": ("E026", f"Write {{'name': 'production', 'tone': 'production'}}; the tones are {tones}."),
        "server_label": ("E027", "Give a name of the server that may be shown, or leave the setting out."),
        "confirm_deals": ("E028", f"{number}, or leave the setting out."),
        "reason_required": ("E029", "Give True or False, or leave the setting out."),
    }
    for name, (code, hint) in hints.items():
        try:
            getattr(conf, name)
        except PurgeConfigurationError as exc:
            yield Error(str(exc), hint=hint, id=f"dealpurge.{code}")
