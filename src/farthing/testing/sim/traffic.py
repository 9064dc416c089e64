"""What is asked under one seed: by whom, of whom, within which budgets."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from random import Random

from farthing.budgets.budget import Budget, Span
from farthing.domain.money import Money

MODELS = ("sim-small", "sim-small", "sim-medium", "sim-large")
CUSTOMERS = ("c1", "c2")
SESSIONS = ("run-a", "run-b", "run-c")
IDEMPOTENCY_KEYS = ("once", "twice")
LABEL = "sim_call"  # the tag that tells a row's call, beside what the product makes of it


@dataclass(frozen=True)
class Holder:
    """A virtual key: two tenants have two each, a third one has one."""

    id: str
    team: str
    tenant: str


HOLDERS = (
    Holder("key1", "search", "acme"),
    Holder("key2", "chat", "acme"),
    Holder("key3", "search", "globex"),
    Holder("key4", "batch", "globex"),
    Holder("key5", "search", "hooli"),
)


@dataclass(frozen=True)
class Question:
    """What is asked, byte for byte: equal calls share one."""

    number: int
    protocol: str
    path: str
    query: bytes
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes
    model: str
    stream: bool
    usage_asked: bool
    free: bool = False  # it costs nothing, so that no budget counts it


@dataclass
class Plan:
    """One call: who asks what, when, and how patient its caller is."""

    number: int
    at: float  # virtual seconds
    question: Question
    holder: Holder
    customer: str | None
    feature: str | None
    session: str | None
    idempotency_key: str | None
    wish: bytes | None = None  # x-farthing-cache
    patience: float | None = None  # seconds until its caller hangs up
    pause: float = 0.0  # that its caller takes to read a part
    stalls: bool = False
    broken_body: bool = False
    tries: int = 1
    facts: Mapping[str, str] = field(init=False)

    def __post_init__(self) -> None:
        self.facts = self._facts()

    @property
    def tenant(self) -> str:
        """Whose answers it may be given."""
        return f"{self.holder.tenant}/{self.customer}" if self.customer else self.holder.tenant

    def _facts(self) -> dict[str, str]:
        facts = {
            "team": self.holder.team,
            "tenant": self.holder.tenant,
            "key": self.holder.id,
            "model": self.question.model,
        }
        if self.customer:
            facts["customer"] = self.customer
        if self.session:
            facts["session_id"] = self.session
        if self.feature:
            facts["feature"] = self.feature
        if self.feature == "talk":
            facts["project"] = "talks"  # by the rule in force
        return facts

    def again(self, number: int, at: float) -> Plan:
        """The same once more, as a client's library does it."""
        return replace(self, number=number, at=at, tries=self.tries - 1)


@dataclass(frozen=True)
class Cap:
    """A budget, and its filter once more in a form that the product does not read."""

    budget: Budget
    where: Mapping[str, str]

    @classmethod
    def of(
        cls,
        name: str,
        span: Span,
        where: Mapping[str, str] | None = None,
        per: str | None = None,
        *,
        hard: bool = True,
    ) -> Cap:
        where = where or {}
        text = ",".join(f"{key}={value}" for key, value in where.items())
        budget = Budget(
            name=name, limit=Money.of("1"), span=span, where=text, per=per, hard=hard
        ).checked()
        return cls(budget, where)

    def limited(self, limit: Money) -> Cap:
        import msgspec

        return Cap(msgspec.structs.replace(self.budget, limit=limit), self.where)

    def place(self, plan: Plan, when: datetime) -> tuple[str, str, str] | None:
        """Which sum a call counts in, worked out anew; None: it does not count here."""
        facts, budget = plan.facts, self.budget
        if any(facts.get(key) != value for key, value in self.where.items()):
            return None
        instance: str | None = ""
        if budget.span == "run":
            instance = facts.get("session_id")
        elif budget.per is not None:
            instance = facts.get(budget.per)
        if instance is None:
            return None
        return budget.name, instance, _period(budget.span, when)


CAPS = (
    Cap.of("all", "day"),
    Cap.of("acme", "month", {"tenant": "acme"}),
    Cap.of("search", "total", {"team": "search"}),
    Cap.of("each-run", "run"),
    Cap.of("customers", "day", per="customer"),
    Cap.of("key1", "total", {"key": "key1"}),
    Cap.of("large", "week", {"model": "sim-large"}),
    Cap.of("talks", "month", {"project": "talks"}),
    Cap.of("told", "day", hard=False),
    Cap.of("told-runs", "run", hard=False),
)
LIMITS = ("0.0001", "0.001", "0.003", "0.01", "0.03", "0.1", "1")

POLICIES = (
    "",
    '[cache]\nmode = "on"\n[coalesce]\nmode = "on"\n',
    '[cache]\nmode = "off"\n[coalesce]\nmode = "on"\n[hold]\nwait_seconds = 0\n',
    '[coalesce]\nmode = "shadow"\n[hold]\nmin_output_tokens = 8\n[retry]\nattempts = 4\n',
    '[cache]\nmode = "shadow"\n[hang_up]\ndrain_seconds = 0\n[hold]\nmin_output_tokens = 1\n',
    '[[route]]\nfrom = "sim-medium"\nto = "sim-small"\nshare = "0.5"\n'
    '[[fallback]]\nfrom = "sim-*"\nto = ["gamma/sim-small"]\n[hang_up]\ndrain_kb = 0\n',
    '[[limit]]\nper = "key"\nconcurrency = 2\nrequests_per_minute = 30\n[balance]\nmode = "off"\n',
    '[hold]\nunpriced = "ceiling"\nceiling_usd = "0.002"\n[[loop]]\nsame_call = 4\n',
)


def holders(dice: Random) -> Holder:
    return dice.choice(HOLDERS)


def budgets(dice: Random) -> dict[str, Cap]:
    """A few of the caps, at limits that some calls reach."""
    chosen = dice.sample(CAPS, dice.randint(1, 5))
    return {
        cap.budget.name: cap.limited(Money.of(dice.choice(LIMITS)))
        for cap in sorted(chosen, key=lambda each: each.budget.name)
    }


def questions(dice: Random, count: int) -> list[Question]:
    return [_question(dice, number) for number in range(count)]


def _question(dice: Random, number: int) -> Question:
    model = dice.choice(MODELS) if dice.random() > 0.04 else "odd-model"  # noqa: PLR2004
    content = f"question {number} " + "x" * dice.choice((0, 0, 20, 400))
    make = dice.choice((_chat, _chat, _chat, _messages, _responses, _gemini, _embed, _count))
    path, query, fields, stream = make(dice, model, content)
    headers = [
        (b"content-type", b"application/json"),
        (b"x-sim-output-tokens", b"%d" % dice.choice((1, 3, 8, 40))),
    ]
    if path.startswith("/v1/messages"):
        headers.append((b"anthropic-version", b"2023-06-01"))
    return Question(
        number=number,
        protocol=make.__name__.strip("_"),
        path=path,
        query=query,
        headers=tuple(headers),
        body=json.dumps(fields).encode(),
        model="sim-embed" if make is _embed else model,
        stream=stream,
        usage_asked="stream_options" in fields,
        free=make is _count,
    )


_Made = tuple[str, bytes, dict[str, object], bool]


def _chat(dice: Random, model: str, content: str) -> _Made:
    stream = dice.random() < 0.5  # noqa: PLR2004
    fields: dict[str, object] = {
        "model": model,
        "messages": [{"role": "user", "content": content}],
        "temperature": dice.choice((0, 0, 1)),
        "stream": stream,
    }
    if cap := dice.choice((None, 16, 64, 300)):
        fields["max_tokens"] = cap
    if stream and dice.random() < 0.5:  # noqa: PLR2004
        fields["stream_options"] = {"include_usage": True}
    return "/v1/chat/completions", b"", fields, stream


def _messages(dice: Random, model: str, content: str) -> _Made:
    stream = dice.random() < 0.5  # noqa: PLR2004
    fields: dict[str, object] = {
        "model": model,
        "messages": [{"role": "user", "content": content}],
        "temperature": dice.choice((0, 1)),
        "max_tokens": dice.choice((16, 64, 300)),
        "stream": stream,
    }
    return "/v1/messages", b"", fields, stream


def _responses(dice: Random, model: str, content: str) -> _Made:
    stream = dice.random() < 0.5  # noqa: PLR2004
    fields: dict[str, object] = {
        "model": model,
        "input": content,
        "max_output_tokens": dice.choice((16, 64, 300)),
        "stream": stream,
    }
    return "/v1/responses", b"", fields, stream


def _gemini(dice: Random, model: str, content: str) -> _Made:
    fields: dict[str, object] = {
        "contents": [{"role": "user", "parts": [{"text": content}]}],
        "generationConfig": {"maxOutputTokens": dice.choice((16, 64)), "temperature": 0},
    }
    if dice.random() < 0.5:  # noqa: PLR2004
        return f"/v1beta/models/{model}:streamGenerateContent", b"alt=sse", fields, True
    return f"/v1beta/models/{model}:generateContent", b"", fields, False


def _embed(_dice: Random, _model: str, content: str) -> _Made:
    return "/v1/embeddings", b"", {"model": "sim-embed", "input": content}, False


def _count(_dice: Random, model: str, content: str) -> _Made:
    fields: dict[str, object] = {
        "model": model,
        "messages": [{"role": "user", "content": content}],
    }
    return "/v1/messages/count_tokens", b"", fields, False


def _period(span: Span, when: datetime) -> str:
    day = when.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    if span == "week":
        day -= timedelta(days=day.weekday())
    elif span == "month":
        day = day.replace(day=1)
    elif span != "day":
        return ""
    return day.strftime("%Y-%m-%dT%H:%M:%SZ")
