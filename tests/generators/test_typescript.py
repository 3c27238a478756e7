"""The types that openapi-typescript makes, by what ``tsc --strict`` takes and refuses."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import pytest

from .tools import run_javascript

pytestmark = [pytest.mark.generators, pytest.mark.xdist_group("generators")]

PRELUDE = """\
import type { components, operations } from './published'
type Body = operations['purge_deals']['requestBody']['content']['application/json']
type Report = operations['purge_deals']['responses'][200]['content']['application/json']
type Run = operations['purge_deals']['responses'][202]['content']['application/json']
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends (<T>() => T extends B ? 1 : 2) ? true : false
"""

#: What each field is, to the letter; a ``?`` adds ``undefined``.
TYPES = {
    "mode": "'all' | 'by_deal'",
    "deal_id": "string | null | undefined",
    "org_id": "string | null | undefined",
    "include_checkpoints": "boolean | undefined",
    "exclude_active_within_secs": "number | null | undefined",
    "dry_run": "boolean | undefined",
}
#: What makes the compiler refuse a body, by what it says then.
REFUSED = {
    "{}": "Property 'mode' is missing",
    "{ mode: 'nonsense' }": "Type '\"nonsense\"' is not assignable",
    "{ mode: 'all', dry_run: 'off' }": "Type 'string' is not assignable to type 'boolean",
    "{ mode: 'all', exclude_active_within_secs: '3600' }": "Type 'string' is not assignable to type 'number'",
}
TAKEN = {
    "the shortest body": "export const body: Body = { mode: 'all' }; export const mode: 'all' | 'by_deal' = body.mode",
    "a body with everything": """\
        export const send = (mode: Body['mode'], secs: number | null): Body => ({
          mode,
          deal_id: null,
          org_id: 'acme',
          include_checkpoints: false,
          exclude_active_within_secs: secs,
          dry_run: true,
        })""",
    "a report": """\
        export const read = ({ mode, deals, keys, families, skipped, status }: Report): string[] => [
          mode satisfies components['schemas']['PurgeMode'],
          ...skipped.map(({ org_id, deal_id, last_active_at }) => `${org_id ?? ''} ${deal_id} ${last_active_at ?? ''}`),
          ...Object.entries(families).map(([name, count]) => `${name}: ${count.toFixed()}`),
          (deals.purged + keys.deleted + (keys.unclaimed ?? 0)).toFixed(),
          status === 'partial' ? 'in part' : status,
        ]""",
    "the report of a run": """\
        export const read = ({ report, progress }: Run): number =>
          report === null ? progress.deleted / progress.total : report.deals.purged""",
    "what was wrong with a body": """\
        type Wrong = components['schemas']['HTTPValidationError']['detail'][number]
        export const read = ({ loc, msg, input }: Wrong): string => `${loc.join('.')}: ${msg}, not ${String(input)}`
        export const same: Same<NonNullable<Wrong['ctx']>[string], unknown> = true""",
}
CODE = {
    **{f"type of {name}": f"export const same: Same<Body['{name}'], {type_}> = true" for name, type_ in TYPES.items()},
    **{body: f"export const body: Body = {body}" for body in REFUSED},
    **TAKEN,
}


@pytest.fixture(scope="module")
def complaints(document: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """What the compiler says of each piece of code."""
    folder = tmp_path_factory.mktemp("typescript")
    run_javascript(
        "openapi-typescript", document, "--default-non-nullable=false", "--output=published.d.ts", cwd=folder
    )
    files = {f"case{number}.ts": name for number, name in enumerate(CODE)}
    for file, name in files.items():
        (folder / file).write_text(f"{PRELUDE}\n{CODE[name]}\n")
    printed = run_javascript("tsc", "--strict", "--noEmit", "--target", "es2022", *files, cwd=folder, failing=True)
    said = defaultdict(list)
    for line in printed.splitlines():
        place, _, message = line.partition(": error ")
        if message:
            said[files.get(place.partition("(")[0], place)].append(message)
    assert said.keys() <= CODE.keys(), said
    return said


@pytest.mark.parametrize("name", TYPES)
def test_the_type_of_a_field(complaints: dict[str, list[str]], name: str) -> None:
    assert complaints[f"type of {name}"] == []


@pytest.mark.parametrize("body", REFUSED)
def test_a_wrong_body_is_refused(complaints: dict[str, list[str]], body: str) -> None:
    assert len(complaints[body]) == 1
    assert REFUSED[body] in complaints[body][0]


@pytest.mark.parametrize("name", TAKEN)
def test_what_a_client_does_is_taken(complaints: dict[str, list[str]], name: str) -> None:
    assert complaints[name] == []
