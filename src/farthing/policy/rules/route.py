"""Which model of which provider answers a call, and who stands in for it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from typing import NamedTuple

import msgspec

from farthing.domain.period import zone
from farthing.policy.amounts import WHOLE, days_of_week, minutes_of_day
from farthing.policy.policy import Policy, Route
from farthing.policy.rules.affinity import Affinity
from farthing.policy.rules.health import Health
from farthing.policy.rules.match import Facts, Glob, filter_of, glob_of
from farthing.policy.rules.recent import Recent
from farthing.policy.rules.target import Target

Pool = tuple[Target, ...]
_DAY = 24 * 60  # minutes
MOST_NAMES = 2_000  # of models, for callers may make them up
Serving = Callable[[str], Sequence[str]]  # the providers that serve a model, in the file's order


class Would(NamedTuple):
    """Where a route in shadow would have sent a call."""

    rule: int
    target: Target
    tier: str | None = None


class Choice(msgspec.Struct, frozen=True, gc=False):
    """Where a call goes: the first target, then the others in turn if it fails. May be none.

    `rule` is the number of the `[[route]]` that moved it, from 1. `arm` names its side of a share
    for comparison: `to MODEL`, or `stay`; None where no share was drawn. `shadow` are the rules
    in shadow that would have moved it, and where to; `shadows` the other knobs in shadow that
    would have sent it elsewhere; `spare`: stand-ins in shadow would come after the targets.
    `tier` is the service tier that the first attempt asks for, if the target has it and the
    caller asks for none.
    """

    targets: tuple[Target, ...]
    rule: int | None = None
    arm: str | None = None
    shadow: tuple[Would, ...] = ()
    point: int = 0  # for `Affinity.went`; 0 where there was nothing to choose
    shadows: tuple[str, ...] = ()
    spare: bool = False
    tier: str | None = None


class _Move(NamedTuple):
    """What the routes say of a call. No model: the one it asked for."""

    model: str | None
    rule: int | None
    arm: str | None
    shadow: tuple[_Drawn, ...]
    tier: str | None = None


_STAYS = _Move(None, None, None, ())


class Router:
    """The routes, fallbacks and balance of a policy, made ready for the providers there are."""

    def __init__(self, policy: Policy, providers: Iterable[str], serving: Serving) -> None:
        self._groups = _grouped(policy.routes)
        self._fallbacks = [(glob_of(one.of), one) for one in policy.fallbacks if one.mode != "off"]
        self._providers = frozenset(providers)
        self._serving = serving
        self._spread = policy.balance.mode == "on"
        self._shadowed = {
            name
            for name in ("balance", "affinity", "health")
            if getattr(policy, name).mode == "shadow"
        }
        self._lines: Recent[tuple[str, str], _Line] = Recent(MOST_NAMES)
        # Most workspaces have no rule, and one provider a model: nothing to choose.
        self._plain: Recent[str, Choice] | None = None
        if not self._groups and not self._fallbacks:
            self._plain = Recent(MOST_NAMES)

    def choose(
        self,
        facts: Facts,
        unit: str,
        now: float,
        health: Health,
        affinity: Affinity,
        prefix: Callable[[], bytes] = bytes,
    ) -> Choice:
        """Where the call for `facts["model"]` goes.

        `unit` is its session, else its id: what is on one side of a share stays there. `now` is
        in seconds since 1970. `prefix` is only called where several providers could be the first.
        """
        asked = facts.get("model") or ""
        if self._plain is not None and (plain := self._plain.get(asked)) is not None:
            return plain
        moved = self._moved(asked, facts, unit, now) if self._groups else _STAYS
        line = self._line(moved.model or asked, asked)
        if not line.pools[0] and moved.model:  # a route to what nobody serves loses no call
            moved, line = _STAYS, self._line(asked, asked)
        point = affinity.point(prefix(), unit) if line.is_open else 0
        targets = line.targets
        if line.is_open:
            pools = [self._ordered(pool, point, now, health, affinity) for pool in line.pools]
            targets = pools[0] if len(pools) == 1 else health.out_last(_joined(pools), now)
        elif len(targets) > 1:
            targets = health.out_last(targets, now)
        choice = Choice(
            targets,
            moved.rule,
            moved.arm,
            self._would(moved.shadow, asked),
            point,
            spare=line.spare,
            tier=moved.tier,
        )
        if self._shadowed and line.is_open:
            shadows = self._elsewhere(line, prefix(), choice, now, health, affinity)
            choice = msgspec.structs.replace(choice, shadows=shadows)
        if self._plain is not None and len(targets) < 2:  # noqa: PLR2004  # one is no choice
            self._plain.put(asked, choice)
        return choice

    def _moved(self, asked: str, facts: Facts, unit: str, now: float) -> _Move:
        arm: str | None = None
        shadow: tuple[_Drawn, ...] = ()
        for group in self._groups:
            if not group.concerns(asked, facts, now):
                continue
            drawn = group.drawn(unit)
            if drawn is None or drawn.mode == "off":  # it keeps its part: no unit changes sides
                arm = arm or ("stay" if group.is_split else None)
            elif drawn.mode == "shadow":
                shadow = (*shadow, drawn)
            else:
                arm = drawn.arm if group.is_split else arm
                return _Move(drawn.to or None, drawn.number, arm, shadow, drawn.tier)
        return _Move(None, None, arm, shadow)

    def _line(self, model: str, asked: str) -> _Line:
        """A model's own pool, then those of its stand-ins."""
        found = self._lines.get((model, asked))
        if found is not None:
            return found
        own = self._meant(model)
        called = {model, asked, *(target.model for target in own)}
        behind = [each for glob, each in self._fallbacks if any(map(glob, called))]
        names = [name for each in behind if each.mode == "on" for name in each.to]
        pools = (own, *(self._meant(name) for name in names))
        spare = any(each.mode == "shadow" for each in behind)
        return self._lines.put((model, asked), _Line(pools, spare=spare))

    def _would(self, shadow: tuple[_Drawn, ...], asked: str) -> tuple[Would, ...]:
        meant = [(each, self._meant(each.to or asked)) for each in shadow]
        return tuple([Would(each.number, found[0], each.tier) for each, found in meant if found])

    def _elsewhere(
        self,
        line: _Line,
        prefix: bytes,
        choice: Choice,
        now: float,
        health: Health,
        affinity: Affinity,
    ) -> tuple[str, ...]:
        """The knobs in shadow that, each alone, would have put another target first."""
        own, point = line.pools[0], choice.point
        first = {knob: choice.targets[0] for knob in self._shadowed}
        if "balance" in first:
            first["balance"] = affinity.order(own, point, now)[0]
        if "affinity" in first and prefix and self._spread and len(own) > 1:
            first["affinity"] = affinity.home(own, prefix)
        if "health" in first:
            placed = [affinity.order(p, point, now) if self._spread else p for p in line.pools]
            ordered = [health.would_order(pool, now) for pool in placed]
            first["health"] = health.would_out_last(_joined(ordered), now)[0]
        return tuple(sorted(knob for knob in first if first[knob] != choice.targets[0]))

    def _ordered(
        self, pool: Pool, point: int, now: float, health: Health, affinity: Affinity
    ) -> Pool:
        placed = affinity.order(pool, point, now) if self._spread else pool
        return health.order(placed, now)

    def _meant(self, name: str) -> tuple[Target, ...]:
        """The targets that `model` or `provider/model` means, in the file's order."""
        provider, slash, model = name.partition("/")
        # Models have slashes too: only a provider's name makes the first part one.
        if slash and provider in self._providers:
            return (Target(provider, model),)
        return tuple(Target(provider, name) for provider in self._serving(name))


class _Line:
    """Pools of targets, one after another, as long as nothing reorders them."""

    __slots__ = ("is_open", "pools", "spare", "targets")

    def __init__(self, pools: tuple[Pool, ...], *, spare: bool) -> None:
        self.pools, self.spare = pools, spare
        self.targets = _joined(pools)
        self.is_open = any(len(pool) > 1 for pool in pools)  # which of a pool comes first?


def _joined(pools: Iterable[Pool]) -> Pool:
    """Each target once, where it comes first."""
    return tuple(dict.fromkeys([target for pool in pools for target in pool]))


class _Drawn:
    """One `[[route]]`, and the part of all units, from `start` on, that it takes."""

    __slots__ = ("arm", "end", "mode", "number", "start", "tier", "to")

    def __init__(self, number: int, route: Route, start: int) -> None:
        self.number, self.to, self.mode, self.tier = number, route.to, route.mode, route.tier
        words = [f"to {route.to}" if route.to else "", f"at {route.tier}" if route.tier else ""]
        self.arm = " ".join(filter(None, words))
        self.start, self.end = start, start + route.share


class _Group:
    """The routes of equal conditions: their shares are parts of the same calls.

    Each has its place on a line of ten thousand. A unit's place on it is a hash of the unit and
    the conditions, so other routes and later changes do not move it; raising the last
    share, or adding one after it, moves only the units that it gains.
    """

    def __init__(self, routes: Sequence[tuple[int, Route]]) -> None:
        first = routes[0][1]
        self._glob: Glob = glob_of(first.of)
        self._test = filter_of(first.filter)
        timed = first.hours is not None or first.days is not None
        self._hours = _Hours(first.hours, first.days, first.timezone) if timed else None
        self._salt = sha256("\n".join(("farthing-share", *first.conditions, "")).encode())
        self.routes: list[_Drawn] = []
        end = 0
        for number, route in routes:
            self.routes.append(_Drawn(number, route, end))
            end = self.routes[-1].end
        self._end = end
        self.is_split = len(routes) > 1 or end < WHOLE

    def concerns(self, model: str, facts: Facts, now: float) -> bool:
        if not self._glob(model) or not (self._test is None or self._test(facts)):
            return False
        return self._hours is None or self._hours.hold(now)

    def drawn(self, unit: str) -> _Drawn | None:
        if not self.is_split:
            return self.routes[0]
        digest = self._salt.copy()
        digest.update(unit.encode())
        place = int.from_bytes(digest.digest()[:8], "big") * WHOLE >> 64
        if place >= self._end:
            return None
        return next((one for one in self.routes if one.start <= place < one.end), None)


class _Hours:
    """Hours of the day and days of the week in a zone; asked anew once a minute.

    A night belongs to the day on which it began.
    """

    __slots__ = ("_days", "_end", "_holds", "_minute", "_start", "_zone")

    def __init__(self, hours: str | None, days: str | None, timezone: str) -> None:
        self._start, self._end = (0, _DAY) if hours is None else minutes_of_day(hours)
        self._days = None if days is None else days_of_week(days)
        self._zone = zone(timezone)
        self._minute, self._holds = -1, False

    def hold(self, now: float) -> bool:
        minute = int(now // 60)
        if minute != self._minute:
            self._holds = self._at(datetime.fromtimestamp(minute * 60, UTC).astimezone(self._zone))
            self._minute = minute
        return self._holds

    def _at(self, local: datetime) -> bool:
        of_day, day = local.hour * 60 + local.minute, local.isoweekday()
        holds = self._start <= of_day < self._end
        if self._start > self._end:
            holds = of_day >= self._start or of_day < self._end
            if of_day < self._end:
                day = day - 1 or 7
        return holds and (self._days is None or day in self._days)


def _grouped(routes: Sequence[Route]) -> list[_Group]:
    groups: dict[tuple[str, ...], list[tuple[int, Route]]] = {}
    for number, route in enumerate(routes, 1):
        groups.setdefault(route.conditions, []).append((number, route))
    return [
        _Group(group) for group in groups.values() if any(route.mode != "off" for _, route in group)
    ]
