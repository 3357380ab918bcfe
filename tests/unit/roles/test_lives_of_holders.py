"""Certificate holders whose registrations are merged or split: the authority is told by resident code, without a number."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

from registry_country import RegistryCountry, items_of, prepare

from kumihimo.plumbing.wire.messages.cards import HolderEvent
from kumihimo.plumbing.wire.messages.residents import RegisterEventKind as Kind
from kumihimo.plumbing.wire.messages.residents import Standing
from kumihimo.roles.registry.service.holders import AUTHORITY, Holders
from kumihimo.roles.registry.service.residents import Reported


def test_merges_and_splits_are_told_by_resident_code(tmp_path: Path) -> None:
    prepare(tmp_path, [])
    country = RegistryCountry(tmp_path)
    holders = Holders(country.store)
    on = date(2026, 6, 1)

    def born(n: int) -> str:
        return country.residents.report("x-city", Reported(Kind.BIRTH, on, None, items_of(n), "")).resident_code or ""

    def number(code: str) -> str:
        with country.store.transaction() as transaction:
            found = transaction.by_code(code)
        assert found is not None
        return found.individual_number

    first, second = born(1), born(2)
    second_number = number(second)
    holders.find(second)
    country.lives.report("x-city", Reported(Kind.MERGE, on, first, None, "一人", other_number=second_number))
    heard = [HolderEvent.model_validate(item.body).holder for item in country.heard(AUTHORITY)]
    gone = next(one for one in heard if one.resident_code == second)
    assert (gone.standing, gone.merged_into) == (Standing.MERGED, first)
    assert [one.resident_code for one in heard if one.standing is Standing.ACTIVE] == [first]
    now = holders.find(second)
    assert now is not None
    assert now.resident_code == first

    third = born(3)
    holders.find(third)
    country.lives.report("x-city", Reported(Kind.SPLIT, on, third, items_of(4), "二人"))
    last = HolderEvent.model_validate(country.heard(AUTHORITY)[-1].body)
    assert (last.event, last.holder.resident_code) == (Kind.SPLIT, third)
    texts = json.dumps([item.body for item in country.heard(AUTHORITY)])
    assert all(number(code) not in texts for code in (first, third))
    assert second_number not in texts
