"""The settings, read when used, so that ``override_settings`` works and nothing freezes at import."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from django.conf import settings
from django.utils.module_loading import import_string

from dealpurge.exceptions import PurgeConfigurationError
from dealpurge.i18n import gettext_noop

#: Counted keys before the bound was on bytes; still read.
OLD_PLAN_SETTING = "DEALPURGE_MAX_PLANNED_KEYS"
#: Bytes of a plan, 512 MiB, and those of a key that the setting of old stood for.
MAX_PLAN_MEMORY = 2**29
BYTES_A_KEY = 130
#: Bytes of a key that is archived: 16 MiB, and 512 MiB, above which RESTORE refuses it (``proto-max-bulk-len``).
MAX_KEY_BYTES, MOST_KEY_BYTES = 2**24, 2**29
#: Days of an archive: a century, behind which a database has no moments before long.
MOST_ARCHIVE_DAYS = 36_500
#: What DEALPURGE_ARCHIVE_ON_FULL may be.
ON_FULL = ("stop", "unchecked")
#: Seconds. Many a web server allows 30 (gunicorn, Heroku), of which a first request spends some on imports; and a
#: connection that is being made by then, or the last rows of the record, are waited for after it.
REQUEST_TIMEOUT = 20

AN_ADDRESS = gettext_noop("{} wants the dotted path of a callable, and is an address.", code="callable_is_address")
NOT_IMPORTED = gettext_noop("{} cannot be imported: {}", code="callable_not_imported")
NO_LIMIT = gettext_noop("{} is no limit: {}.", code="no_limit")
NO_ENVIRONMENT = gettext_noop(
    "DEALPURGE_ENVIRONMENT is not a name of 1 to 100 printable characters, with or without a tone.",
    code="no_environment",
)
NO_LABEL = gettext_noop(
    "DEALPURGE_SERVER_LABEL is no printable text of 255 characters at most.", code="no_server_label"
)
NO_YES_OR_NO = gettext_noop("DEALPURGE_REASON_REQUIRED is neither True nor False.", code="no_yes_or_no")
NO_STORAGE = gettext_noop("DEALPURGE_ARCHIVE names no storage of STORAGES.", code="no_storage")
NO_ON_FULL = gettext_noop("DEALPURGE_ARCHIVE_ON_FULL is neither 'stop' nor 'unchecked'.", code="no_on_full")
NOT_CALLABLE = gettext_noop("{} is not callable.", code="not_callable")
#: How a page may show an environment.
TONES = ("production", "staging", "development")


class Environment(NamedTuple):
    """What the host calls the place that its Redis belongs to; ``tone`` is how a page shows it."""

    name: str
    tone: str = ""


class Settings:
    """Typed view of the ``DEALPURGE_*`` settings of the host."""

    @property
    def cache_alias(self) -> str:
        """Alias in ``CACHES`` whose Redis holds the deals."""
        return getattr(settings, "DEALPURGE_CACHE_ALIAS", "default")

    @property
    def redis_client(self) -> Callable[[], Any] | None:
        """Callable (or dotted path to one) that returns a redis-py client, instead of the cache alias."""
        return _callable("DEALPURGE_REDIS_CLIENT")

    @property
    def restore_redis_client(self) -> Callable[[], Any] | None:
        """Likewise, for restores alone: of a user who may write; None takes the one of the purges."""
        return _callable("DEALPURGE_RESTORE_REDIS_CLIENT")

    @property
    def key_families(self) -> Mapping[str, str | Sequence[str]]:
        """Family name to template or templates, merged over the built-in table; an empty list drops a family."""
        return getattr(settings, "DEALPURGE_KEY_FAMILIES", {})

    @property
    def checkpoint_thread(self) -> str:
        """Template of a LangGraph thread id."""
        return getattr(settings, "DEALPURGE_CHECKPOINT_THREAD", "{deal_id}")

    @property
    def scan_count(self) -> int:
        """COUNT of a SCAN: about as many keys a page."""
        return getattr(settings, "DEALPURGE_SCAN_COUNT", 500)

    @property
    def max_plan_memory(self) -> int:
        """Bytes that the keys which a guarded purge holds at once may take. The name before it counted keys."""
        keys = getattr(settings, OLD_PLAN_SETTING, None)
        old = MAX_PLAN_MEMORY if keys is None else keys * BYTES_A_KEY
        return getattr(settings, "DEALPURGE_MAX_PLAN_MEMORY", old)

    @property
    def max_deals(self) -> int | None:
        """Deals that a live purge may delete, through whatever door; None is no limit."""
        return _limit("DEALPURGE_MAX_DEALS")

    @property
    def max_keys(self) -> int | None:
        """Keys that a live purge may delete, through whatever door; None is no limit."""
        return _limit("DEALPURGE_MAX_KEYS")

    @property
    def environment(self) -> Environment | None:
        """The environment's name and tone: ``{"name": "production", "tone": "production"}``; None where unnamed.

        Raises ``PurgeConfigurationError``, as all that must not be taken for something else.
        """
        value: object = getattr(settings, "DEALPURGE_ENVIRONMENT", None)
        return None if value is None else _environment(value)

    @property
    def server_label(self) -> str:
        """What stands for the address of Redis wherever that would be shown; empty: the address itself."""
        value: object = getattr(settings, "DEALPURGE_SERVER_LABEL", "")
        if not isinstance(value, str) or not value.isprintable() or len(value) > 255:
            raise PurgeConfigurationError(NO_LABEL)
        return value.strip()

    @property
    def confirm_deals(self) -> int:
        """Deals from which on a purge wants their number typed."""
        return _number("DEALPURGE_CONFIRM_DEALS", 25)

    @property
    def reason_required(self) -> bool:
        """Whether the console and the command start no purge without a reason."""
        value: object = getattr(settings, "DEALPURGE_REASON_REQUIRED", False)
        if not isinstance(value, bool):  # "no" must not be taken for yes
            raise PurgeConfigurationError(NO_YES_OR_NO)
        return value

    @property
    def retry_seconds(self) -> float:
        """Seconds that a lost server is tried again before the run fails."""
        return getattr(settings, "DEALPURGE_RETRY_SECONDS", 30)

    @property
    def archive(self) -> str | None:
        """Alias in ``STORAGES`` of the storage that keeps what live purges delete; None keeps nothing."""
        value: object = getattr(settings, "DEALPURGE_ARCHIVE", None)
        if value is None or (isinstance(value, str) and value in settings.STORAGES):
            return value
        raise PurgeConfigurationError(NO_STORAGE)

    @property
    def archive_days(self) -> int:
        """Days for which an archive is kept."""
        return min(_number("DEALPURGE_ARCHIVE_DAYS", 7), MOST_ARCHIVE_DAYS)

    @property
    def archive_max_key_bytes(self) -> int:
        """Bytes of a key, as the archive has it, above which it stays in Redis."""
        return min(_number("DEALPURGE_ARCHIVE_MAX_KEY_BYTES", MAX_KEY_BYTES), MOST_KEY_BYTES)

    @property
    def archive_on_full(self) -> str:
        """``unchecked``: a full Redis up to 7.0, which takes no transaction, loses archived keys after a second look
        alone; ``stop``: they stay."""
        value: object = getattr(settings, "DEALPURGE_ARCHIVE_ON_FULL", "stop")
        if not isinstance(value, str) or value not in ON_FULL:
            raise PurgeConfigurationError(NO_ON_FULL)
        return value

    @property
    def request_timeout(self) -> float | None:
        """Seconds after which a run that a request waits for is stopped; None is no limit."""
        return getattr(settings, "DEALPURGE_REQUEST_TIMEOUT", REQUEST_TIMEOUT)

    @property
    def authentication_classes(self) -> Sequence[str] | None:
        """Dotted paths of DRF authentication classes for the endpoint; None takes the host's Bearer classes."""
        return getattr(settings, "DEALPURGE_AUTHENTICATION_CLASSES", None)

    @property
    def enqueue(self) -> Callable[[Any], Any] | None:
        """Callable (or dotted path) that gets a run's id and queues ``services.run``."""
        return _callable("DEALPURGE_ENQUEUE")

    @property
    def rate_limit(self) -> str | None:
        """``"10/hour"``: runs that one user may start; None is no limit."""
        return getattr(settings, "DEALPURGE_RATE_LIMIT", None)

    @property
    def rate_limit_live_all(self) -> str | None:
        """Like ``rate_limit``, for live purges of all deals."""
        return getattr(settings, "DEALPURGE_RATE_LIMIT_LIVE_ALL", None)

    @property
    def max_live_runs(self) -> int | None:
        """Live runs, queued or running, that the endpoint may have under way at once; None is no limit."""
        return getattr(settings, "DEALPURGE_MAX_LIVE_RUNS", 4)

    @property
    def max_body_bytes(self) -> int:
        """Longest body that the endpoint reads; a request takes a few hundred bytes."""
        return getattr(settings, "DEALPURGE_MAX_BODY_BYTES", 1_048_576)


def _limit(name: str) -> int | None:
    """A limit that cannot be read must not be taken for none. Raises ``PurgeConfigurationError``."""
    return None if getattr(settings, name, None) is None else _number(name, 1)


def _number(name: str, default: int) -> int:
    value = getattr(settings, name, default)
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise PurgeConfigurationError(NO_LIMIT.format(name, repr(value)))
    return value


def _environment(value: object) -> Environment:
    match value:
        case {"name": str(name), **others} if name.strip() and name.isprintable() and len(name) <= 100:
            tone = others.pop("tone", None)
            if not others and (tone is None or tone in TONES):
                return Environment(name.strip(), tone or "")
    raise PurgeConfigurationError(NO_ENVIRONMENT)


def _callable(name: str) -> Callable[..., Any] | None:
    value = getattr(settings, name, None)
    if value is None:
        return None
    if isinstance(value, str):
        if "://" in value:  # with a password, maybe, and an ImportError would quote it
            raise PurgeConfigurationError(AN_ADDRESS.format(name))
        try:
            value = import_string(value)
        except ImportError as exc:
            raise PurgeConfigurationError(NOT_IMPORTED.format(name, exc)) from exc
    if not callable(value):
        raise PurgeConfigurationError(NOT_CALLABLE.format(name))
    return value  # type: ignore[no-any-return]


conf = Settings()
