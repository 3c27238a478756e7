"""No query string, form or address of the console is a 500, and none reads what no filter shows."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, urlencode

import pytest
from django.contrib.admin import DateFieldListFilter, site
from django.contrib.auth.models import User
from django.contrib.messages import get_messages
from django.test import Client, RequestFactory
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pytest_django.fixtures import Settings

from dealpurge.admin import PurgeRunAdmin
from dealpurge.models import InventoryDeal, PurgeRun

from .conftest import FORM, LIST, ClientOf, MakePreview, page_of

#: The export takes the list's query.
PAGES = (LIST, f"{LIST}export/")
#: What Django's own fields and transforms answer to, and what is none.
LOOKUPS = [
    *("", "__exact", "__iexact", "__contains", "__icontains", "__gt", "__gte", "__lt", "__lte", "__in", "__range"),
    *("__startswith", "__iendswith", "__regex", "__iregex", "__isnull", "__year", "__iso_year__gt", "__month", "__day"),
    *("__week_day", "__quarter", "__hour__in", "__date", "__date__range", "__time", "__second", "__has_key"),
    *("__has_keys", "__contained_by", "__0", "__x__y", "__nonsense", "__id__exact", "__password__startswith", "__pk"),
    *("__username__regex", "__reason__regex", "__status__exact"),
]
ODD = [
    *("", "[", "x", "a\0b", "-1", "9" * 25, "9" * 5000, "9999", "1", "2020-01-01,x", "{}", '"%', "\ufffd", "٣"),
    *("9.9.9", "a" * 60_000),
]
#: What the list understands.
KNOWN = [
    *("status__exact", "status__isnull", "mode__exact", "mode__isnull", "source__exact", "source__isnull", "kind"),
    *("include_checkpoints__exact", "include_checkpoints__isnull", "actor__id__exact", "actor__isnull"),
    *("created_at__year", "created_at__month", "created_at__day", "created_at__gte", "created_at__lt"),
    *("q", "o", "p", "all", "e", "_popup", "_to_field", "_facets"),
]
QUERIES = st.lists(
    st.tuples(st.sampled_from([*KNOWN, "sort", "org", "deal"]), st.sampled_from(ODD) | st.text(max_size=5)), max_size=4
)


@pytest.fixture
def browser(client_of: ClientOf, purger: User) -> Client:
    return client_of(purger)


@pytest.fixture
def run(make_preview: MakePreview, purger: User) -> PurgeRun:
    return make_preview(purger, reason="a secret", status="completed")


@pytest.fixture
def inventory(make_preview: MakePreview, purger: User) -> PurgeRun:
    run = make_preview(purger, inventory=True)
    InventoryDeal.objects.create(run=run, org_id="acme", deal_id="deal-1", keys=1, families={"locks": 1})
    return run


def answer(browser: Client, address: str, *query: tuple[str, str]) -> Any:
    """The response, a file read to its end; a view's own error passes through."""
    text = urlencode([(name, value.encode("utf-8", "surrogatepass")) for name, value in query])
    response: Any = browser.get(f"{address}?{text}")
    if response.streaming:
        b"".join(response.streaming_content)
    assert response.status_code < 500
    return response


def names() -> list[str]:
    """Every field of a run, those of other models among them, and what is none."""
    return [*(field.name for field in PurgeRun._meta.get_fields()), "pk", "first_deal", "nonsense", "a\0b"]


@pytest.mark.parametrize("name", names())
def test_no_lookup_but_those_of_the_filters_is_let_through(browser: Client, run: PurgeRun, name: str) -> None:
    for number, lookup in enumerate(LOOKUPS):
        if f"{name}{lookup}" not in KNOWN:
            response = answer(browser, PAGES[number % 2], (f"{name}{lookup}", ODD[number % len(ODD)]))

            assert response.status_code == 400 or response.headers["Location"] in (LIST, f"{LIST}?e=1")


@pytest.mark.parametrize("value", ODD, ids=range(len(ODD)))
def test_what_the_filters_understand_may_be_nonsense(browser: Client, run: PurgeRun, value: str) -> None:
    for number, name in enumerate(KNOWN):
        answer(browser, PAGES[number % 2], (name, value))


@pytest.mark.parametrize("zone", ["Asia/Kolkata", "America/New_York"])
def test_the_first_and_the_last_years_are_no_trouble_in_any_zone(
    browser: Client, run: PurgeRun, settings: Settings, zone: str
) -> None:
    settings.TIME_ZONE = zone

    for year in ("1", "0001", "1000", "8999", "9998", "9999", "10000"):
        for more in ([], [("created_at__month", "12")], [("created_at__month", "12"), ("created_at__day", "31")]):
            answer(browser, f"{LIST}export/", ("created_at__year", year), *more)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(query=QUERIES)
def test_no_query_is_an_error(
    browser: Client, run: PurgeRun, inventory: PurgeRun, query: list[tuple[str, str]]
) -> None:
    for address in (LIST, page_of(inventory, "inventory")):
        answer(browser, address, *query)


@pytest.mark.parametrize("query", [("reason__startswith", "a"), ("p", "99"), ("status__exact", "a\0b"), ("x", "y")])
@pytest.mark.parametrize("page", ["", "export/"])
def test_who_asks_for_what_cannot_be_is_led_to_all_runs_and_told_so(
    browser: Client, run: PurgeRun, make_preview: MakePreview, query: tuple[str, str], page: str
) -> None:
    PurgeRun.objects.bulk_create(PurgeRun(mode="all", source="api") for _ in range(51))

    response: Any = browser.get(f"{LIST}{page}?{urlencode([query])}", follow=True)

    (message,) = get_messages(response.wsgi_request)
    assert str(message) == "The list has no such filter or page. It shows all runs."
    assert response.context["cl"].result_count == 52


def test_a_filter_by_date_of_the_hosts_goes_with_the_years_above_the_list(
    rf: RequestFactory, run: PurgeRun, superuser: User
) -> None:
    class HostAdmin(PurgeRunAdmin):
        list_filter = (("created_at", DateFieldListFilter),)  # type: ignore[assignment]

    year = run.created_at.year
    ours = {
        "created_at__gte": f"{year}-01-01 00:00Z",
        "created_at__lt": f"{year + 1}-01-01 00:00Z",
        "created_at__year": str(year),
    }

    for query, found in ((ours, 1), ({**ours, "created_at__gte": f"{year + 1}-01-01 00:00Z"}, 0)):
        request = rf.get(LIST, query)
        request.user = superuser
        assert HostAdmin(PurgeRun, site).get_changelist_instance(request).result_count == found


def test_nothing_is_read_of_who_asked(browser: Client, run: PurgeRun, purger: User) -> None:
    wrong, right = ([("actor__password__startswith", text)] for text in ("!", purger.password[:3]))

    assert [answer(browser, LIST, *query).status_code for query in (wrong, right)] == [400, 400]


@pytest.mark.parametrize("term", ["\0", "a\0b", "a" * 256, "%" * 60_000, "\ufffd"])
def test_a_search_for_what_no_run_has_finds_none(browser: Client, run: PurgeRun, term: str) -> None:
    for page in (LIST, f"{LIST}export/"):
        answer(browser, page, ("q", term))
    found: Any = browser.get(LIST, {"q": term}, follow=True).context["cl"]
    assert found.result_count == (1 if "\0" in term else 0)


@pytest.mark.parametrize("name", ["org", "deal"])
@pytest.mark.parametrize("value", ["\0", "a\0b", "a b", "a:b", "é" * 200])
def test_an_inventory_has_no_deals_of_what_is_no_id(
    browser: Client, inventory: PurgeRun, name: str, value: str
) -> None:
    response = answer(browser, page_of(inventory, "inventory"), (name, value))

    assert response.context["page"].table.rows == []


@pytest.mark.parametrize("value", ODD, ids=range(len(ODD)))
def test_the_form_takes_any_nonsense(browser: Client, run: PurgeRun, value: str) -> None:
    fields = ("mode", "deals", "org_id", "exclude_active_0", "exclude_active_1", "include_checkpoints", "reason")
    for name in ("mode", "deals", "org_id", "again"):
        answer(browser, FORM, (name, value))
    for changed in fields:
        data = {"mode": "by_deal", "deals": "deal-1", "guard": "on", "exclude_active_0": "1", "exclude_active_1": "60"}
        assert browser.post(FORM, data | {changed: value}).status_code < 500
        assert browser.post(FORM, data | {changed: value, "prefill": "1"}).status_code < 500


@pytest.mark.parametrize("value", [quote(value[:300], safe="") for value in ODD if value])
def test_an_odd_address_of_a_run_is_404_or_leads_away(browser: Client, value: str) -> None:
    for what in ("change/", "progress/", "apply/", "cancel/", "repeat/", "inventory/", "history/", "delete/", ""):
        assert browser.get(f"{LIST}{value}/{what}").status_code < 500


@pytest.mark.parametrize("value", ODD, ids=range(len(ODD)))
def test_an_odd_number_typed_is_no_confirmation(browser: Client, run: PurgeRun, value: str) -> None:
    assert browser.post(page_of(run, "apply"), {"typed": value}).status_code < 500
    assert not PurgeRun.objects.filter(dry_run=False).exists()


@pytest.mark.parametrize("value", ODD, ids=range(len(ODD)))
def test_choices_for_a_field_of_a_run_take_any_term(client_of: ClientOf, superuser: User, value: str) -> None:
    query = {"app_label": "dealpurge", "model_name": "purgerun", "field_name": "preview", "term": value}

    assert client_of(superuser).get("/admin/autocomplete/", query).status_code < 500


@pytest.mark.parametrize("value", ODD, ids=range(len(ODD)))
def test_the_endpoint_answers_any_query(browser: Client, bearer: Any, purger: User, run: PurgeRun, value: str) -> None:
    headers = bearer(purger)
    known = f"/api/superadmin/purge_runs/{run.pk}"

    assert browser.get(known, {"format": value, value: value}, headers=headers).status_code == 200
    for address in (f"/api/superadmin/purge_runs/{quote(value[:300], safe='')}", f"{known}/{quote(value[:300])}"):
        assert browser.get(address, headers=headers).status_code in (404, 405)
