"""The company of the demo: its teams, what they call models for, and when."""

from __future__ import annotations

from typing import Final

import msgspec


class Model(msgspec.Struct, frozen=True):
    """A model as callers ask for it, and the snapshot that answers (and is billed)."""

    provider: str
    asked: str
    served: str


GPT_4O: Final = Model("openai", "gpt-4o", "gpt-4o-2024-08-06")
GPT_4O_MINI: Final = Model("openai", "gpt-4o-mini", "gpt-4o-mini-2024-07-18")
SONNET: Final = Model("anthropic", "claude-sonnet-4-5", "claude-sonnet-4-5-20250929")
HAIKU: Final = Model("anthropic", "claude-haiku-4-5", "claude-haiku-4-5-20251001")
FLASH: Final = Model("google", "gemini-2.5-flash", "gemini-2.5-flash")
MODELS: Final = (GPT_4O, GPT_4O_MINI, SONNET, HAIKU, FLASH)

# gen_ai.operation.name of each provider's API.
OPERATIONS: Final = {"openai": "chat", "anthropic": "chat", "google": "generate_content"}
# Each provider's only account; the demo's farthing.toml says so too.
ACCOUNTS: Final = {
    "openai": "org-demo",
    "anthropic": "demo-organization",
    "google": "01DE30-01DE30-01DE30",
    "aws": "111122223333",
}

# Calls by hour of day, UTC: people at work in Europe, users around the clock, a job at night.
# fmt: off
OFFICE: Final = (
    2, 1, 1, 1, 1, 2, 5, 11, 19, 24, 25, 23,
    17, 21, 24, 22, 18, 12, 8, 6, 5, 4, 3, 2,
)
ALWAYS: Final = (
    6, 5, 4, 4, 4, 5, 7, 9, 11, 13, 14, 14,
    13, 13, 14, 14, 14, 14, 15, 16, 15, 13, 10, 8,
)
NIGHTLY: Final = (
    0, 18, 30, 30, 18, 4, 0, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
)
# fmt: on


class Feature(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that calls a model. Token counts are means; shares are per mille of `input_tokens`.

    `turns` is the longest conversation; a later turn sends the earlier ones along, and the
    provider's prompt cache then serves most of them.
    """

    team: str
    project: str
    name: str
    model: Model
    share: int  # of the company's calls, relative to the other features
    hours: tuple[int, ...] = OFFICE
    weekend: int = 350  # calls on a Saturday or Sunday, per mille of a weekday's
    input_tokens: int
    output_tokens: int
    cached: int = 0
    written: int = 0
    reasoning: int = 0  # per mille of `output_tokens`, on top
    turns: int = 1
    customers: bool = False  # whether a customer of the company is named


FEATURES: Final = (
    Feature(
        team="search", project="search-api", name="query-rewrite", model=GPT_4O_MINI,
        share=225, hours=ALWAYS, weekend=800, input_tokens=420, output_tokens=38, customers=True,
    ),
    Feature(
        team="search", project="search-api", name="answer", model=GPT_4O,
        share=85, hours=ALWAYS, weekend=800, input_tokens=2_600, output_tokens=260, cached=450,
        customers=True,
    ),
    Feature(
        team="support", project="helpdesk", name="ticket-triage", model=HAIKU,
        share=130, input_tokens=1_100, output_tokens=60, customers=True,
    ),
    Feature(
        team="support", project="helpdesk", name="reply-draft", model=SONNET,
        share=60, input_tokens=3_800, output_tokens=420, cached=600, written=60, customers=True,
    ),
    Feature(
        team="assistant", project="copilot", name="chat", model=GPT_4O,
        share=85, input_tokens=900, output_tokens=310, turns=7,
    ),
    Feature(
        team="assistant", project="copilot", name="agent", model=SONNET,
        share=40, input_tokens=2_400, output_tokens=380, written=90, reasoning=600, turns=9,
    ),
    Feature(
        team="growth", project="campaigns", name="ad-copy", model=GPT_4O_MINI,
        share=75, weekend=150, input_tokens=640, output_tokens=290,
    ),
    Feature(
        team="growth", project="catalogue", name="descriptions", model=FLASH,
        share=110, weekend=150, input_tokens=1_500, output_tokens=340, cached=250,
    ),
    Feature(
        team="risk", project="fraud-watch", name="document-check", model=HAIKU,
        share=60, hours=ALWAYS, weekend=700, input_tokens=5_200, output_tokens=140, cached=300,
        written=40, customers=True,
    ),
    Feature(
        team="research", project="labelling", name="label", model=FLASH,
        share=130, hours=NIGHTLY, weekend=1_000, input_tokens=1_900, output_tokens=90,
        reasoning=1_800,
    ),
)  # fmt: skip

TEAMS: Final = tuple(dict.fromkeys(feature.team for feature in FEATURES))
PROJECTS: Final = {feature.project: feature.team for feature in FEATURES}

# Names with their weights.
CUSTOMERS: Final = (
    ("norrland", 34),
    ("adria", 21),
    ("kestrel", 14),
    ("meridian", 10),
    ("oakfield", 8),
    ("tamar", 6),
    ("vesper", 4),
    ("yarrow", 3),
)
ENVIRONMENTS: Final = (("prod", 86), ("staging", 9), ("dev", 5))

# The feature whose agent went round in circles one night.
LOOPING: Final = "agent"
# The project whose nightly script went to the provider directly, past the gateway.
BYPASSING: Final = "catalogue"
# The team that trains on rented GPUs.
TRAINING: Final = "research"
