"""Joining and leaving (情報保有機関の加入と脱退): one institution more, or less, in a country that goes on running.

番号法 第二十一条. A new institution is a ledger, an exchange and a desk, with keys and stores of its own. Everything is made
in a folder beside and renamed into place; then both operators sign a directory that names it; then it is entered in
`country.toml`, upon which the supervisor starts its processes. Broken off anywhere, the same command goes on from there.
"""

from __future__ import annotations

import shutil
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from typing import Final

from sqlalchemy import make_url

from kumihimo.country import programs, topology
from kumihimo.country.boundaries import Role
from kumihimo.country.desk import Desk
from kumihimo.country.directories import (
    Step,
    await_taken,
    changing,
    newest,
    publish,
    with_institution,
    without_institution,
)
from kumihimo.country.files import tell_offices, write_files_of
from kumihimo.country.founding import free_ports
from kumihimo.country.keys import PartyPlan, Root, entry_of, institution_entry
from kumihimo.country.layout import Country, Joined
from kumihimo.country.running import BASIS
from kumihimo.country.settling import DEPARTMENT
from kumihimo.country.stores import Stores, beside_the_settings, create_database, drop_databases, on_server, store_url
from kumihimo.country.supervisor import is_up
from kumihimo.domain.kernel import Institution, PartyId, Problem, SystemClock, SystemRandomness
from kumihimo.domain.kernel.addresses import local_government_code
from kumihimo.domain.kernel.institutions import institution_id
from kumihimo.domain.law import RuleBook
from kumihimo.plumbing.storage import open_engine, write_public
from kumihimo.plumbing.wire.directory import DirectoryDocument
from kumihimo.roles.gateway.store.inquiries import InquiryStore

_BUILDING: Final = "joining"
_LOCAL: Final = frozenset({"municipality", "prefecture"})  # what has a code of a local government
_MUNICIPALITY: Final = "municipality"  # what residents can live in


def newcomer(
    country: Country, identifier: str, name_ja: str, name_en: str, kinds: tuple[str, ...], code: str | None
) -> Joined:
    """An institution as it wants to join, checked against the rule books and the local bodies there are.

    Raises Problem(institution.format, value.invalid, rules.format).
    """
    one = institution_id(identifier)
    for where, name in (("--name", name_ja), ("--name-en", name_en)):
        if not name.strip() or not name.isprintable():
            raise Problem("value.invalid", repr(name), where=where, expected="a name on one line")
    book = RuleBook.load(*_rule_books(country))
    for kind in kinds:
        if kind not in book.institution_classes:
            raise Problem(
                "value.invalid", repr(kind), where="--kind", expected="a class of institutions of the rule book",
                advice=f"Such as {', '.join(get_close_matches(kind, book.institution_classes, 3, 0.0))}.",
            )  # fmt: skip
    if not kinds:
        raise Problem("value.invalid", "none", where="--kind", expected="at least one class of the rule book")
    belongs = book.classes_of(Institution(one, name_ja, name_en, frozenset(kinds)))
    classes = frozenset(kinds) | (belongs & {_MUNICIPALITY})
    local = bool(belongs & _LOCAL)
    if local and code is None:
        raise Problem("value.invalid", "none", where="--code", expected="the code of a local government, six digits")
    if code is not None and not local:
        raise Problem("value.invalid", code, where="--code", expected=f"no code for {', '.join(sorted(kinds))}")
    checked = None if code is None else local_government_code(code, "--code")
    prefecture = topology.local_government_code("ko-pref")[:2]
    if checked is not None and checked[:2] != prefecture:
        raise Problem("value.invalid", checked, where="--code", expected=f"a code that begins with {prefecture}")
    return Joined(Institution(one, name_ja.strip(), name_en.strip(), classes), checked)


def join(country: Country, new: Joined, staff: str, step: Step) -> Country:
    """Make an institution part of a country, up or down; the country with it. `staff` may ask in every affair.

    Raises Problem(institution.exists, value.invalid), with nothing written; what else goes wrong can be repeated.
    """
    with changing(country):
        country = Country.open(country.folder)
        document = newest(country)
        begun = _check(country, document, new)
        if not _home(country, new).exists():
            _prepare(country, new, staff, step)
        larger = _with(country, new)
        if not begun:
            plans = [PartyPlan(party, larger.keys(party), larger.url(party)) for party in _parties(new)]
            publish(larger, with_institution(document, institution_entry(new.institution), tuple(map(entry_of, plans))))
        larger.save()
        tell_offices(larger)
    return larger


def connect(country: Country, identifier: str, step: Step) -> int:
    """In a country that is up: wait until everybody knows a new institution and it is up, and have it get link codes for
    its residents; how many were asked for. Raises Problem(directory.not_newer) and those of the ledger.
    """
    await_taken(country, newest(country).version, step)
    asked = Desk.of(country, identifier).issue_missing_codes(BASIS).requested
    step("link codes", 1, 1)
    return asked


def leave(country: Country, identifier: str, step: Step) -> Country:
    """Take an institution that joined out of the directory, upon which its processes end; its folder stays as it is.

    Raises Problem(institution.unknown) for one that is not there, or that the country was founded with.
    """
    with changing(country):
        country = Country.open(country.folder)
        gone = next((one for one in country.joined if one.institution.id == identifier), None)
        if gone is None:
            joined = ", ".join(one.institution.id for one in country.joined) or "none has"
            raise Problem(
                "institution.unknown", repr(identifier), expected=f"an institution that joined later ({joined})",
                advice="One that the country was founded with can be suspended: `kumihimo oversight suspend`.",
            )  # fmt: skip
        document = newest(country)
        if any(entry.party in _parties(gone) for entry in document.parties):
            publish(country, without_institution(document, identifier))
        ports = {party: port for party, port in country.ports.items() if party not in _parties(gone)}
        smaller = replace(country, ports=ports, joined=tuple(one for one in country.joined if one != gone))
        smaller.save()
        tell_offices(smaller)
    if is_up(smaller):
        await_taken(smaller, newest(smaller).version, step)
    return smaller


def _check(country: Country, document: DirectoryDocument, new: Joined) -> bool:
    """Whether the directory names it already, from a join that was broken off. Raises Problem(institution.exists)."""
    identifier = new.institution.id
    exists = Problem(
        "institution.exists", identifier, where="directory", expected="an id that nobody has or had",
        advice="Choose another id.",
    )  # fmt: skip
    if any(one.institution.id == identifier for one in country.joined):
        raise exists
    listed = next((entry for entry in document.institutions if entry.id == identifier), None)
    if listed is not None and (listed != institution_entry(new.institution) or not _home(country, new).exists()):
        raise exists
    codes = {**topology.local_government_codes(), **{one.institution.id: one.code for one in country.joined}}
    holder = next((one for one, code in codes.items() if new.code is not None and code == new.code), None)
    if holder is not None:
        raise Problem("value.invalid", f"{new.code} is the code of {holder}", where="--code", expected="its own code")
    return listed is not None


def _prepare(country: Country, new: Joined, staff: str, step: Step) -> None:
    """Keys, settings and migrated stores of the new parties, in a folder beside; renamed into place at the end."""
    building = country.folder / _BUILDING
    beside = replace(_with(country, new, free_ports(topology.gateway_services(new.institution.id))), folder=building)
    if building.exists():
        _undo(beside)
    try:
        root = Root.open(country.folder / "root", SystemClock().now())
        anchors = (country.keys(topology.HUB_1) / "anchors.json").read_bytes()
        for number, party in enumerate(_parties(new)):
            root.equip(PartyPlan(party, beside.keys(party), beside.url(party)))
            write_public(beside.keys(party) / "anchors.json", anchors)
            step("keys and certificates", number + 1, len(_parties(new)))
        stores = stores_like(country)
        for service in topology.gateway_services(new.institution.id):
            write_files_of(beside, service, stores)
            create_database(beside, service.party)
            programs.prepare(service.role, programs.load_settings(service.role, beside.settings(service.party)))
        _grant(beside, new, staff)
        step("stores", 2, 2)
        (building / "parties" / new.institution.id).rename(_home(country, new))
        shutil.rmtree(building)
    except BaseException:
        if building.exists():
            _undo(beside)
        raise


def _undo(beside: Country) -> None:
    drop_databases(beside)
    shutil.rmtree(beside.folder)


def _grant(beside: Country, new: Joined, staff: str) -> None:
    engine = open_engine(store_url(beside, topology.exchange_of(new.institution.id)))
    InquiryStore(engine, new.institution.id).grant(staff, "*", new.institution.name_ja + DEPARTMENT)
    engine.dispose()


def _with(country: Country, new: Joined, ports: dict[PartyId, int] | None = None) -> Country:
    """The country with the institution, at these ports or at those its settings name."""
    services = topology.gateway_services(new.institution.id)
    larger = replace(country, joined=(*country.joined, new))
    if ports is None:
        ports = {one.party: programs.load_settings(one.role, larger.settings(one.party)).port for one in services}
    return replace(larger, ports={**country.ports, **ports})


def _parties(new: Joined) -> tuple[PartyId, ...]:
    one = new.institution.id
    return topology.ledger_of(one), topology.exchange_of(one), topology.desk_of(one)


def _home(country: Country, new: Joined) -> Path:
    return country.folder / "parties" / new.institution.id


def stores_like(country: Country) -> Stores:
    """Stores like those the country has: files, or databases on the server of operator 1's."""
    url = make_url(store_url(country, topology.HUB_1))
    return on_server(url, SystemRandomness()) if url.get_backend_name() == "postgresql" else beside_the_settings


def _rule_books(country: Country) -> tuple[Path, ...]:
    settings = programs.load_settings(Role.HUB, country.settings(topology.HUB_1))
    return tuple(getattr(settings, "rule_books", ()))
