"""Guess which column of a call log means what, from its name; the user can say otherwise."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from farthing.domain.errors import Refused
from farthing.domain.scope import SCOPE
from farthing.ledger.draft import Draft

# Names as logs spell them, most telling first; compared without case, dots and underscores.
SPELLINGS: Mapping[str, str] = {
    "time": "time timestamp ts datetime created_at created start_time started_at request_time "
    "requested_at event_time logged_at date",
    "provider": "provider gen_ai.provider.name gen_ai.system llm_provider model_provider vendor "
    "custom_llm_provider system",
    "account": "account account_id billing_account organization organization_id org_id",
    "operation": "operation gen_ai.operation.name call_type endpoint",
    "model": "model gen_ai.request.model model_name model_id request_model llm_model engine "
    "deployment",
    "model_served": "model_served gen_ai.response.model response_model served_model",
    "response_id": "response_id gen_ai.response.id completion_id provider_response_id "
    "provider_request_id",
    "source_id": "id request_id call_id event_id log_id uuid row_id",
    "input_fresh": "input_fresh uncached_input_tokens fresh_input_tokens",
    "input_total": "input_tokens gen_ai.usage.input_tokens usage.input_tokens prompt_tokens "
    "usage.prompt_tokens gen_ai.usage.prompt_tokens context_tokens tokens_in input_token_count "
    "prompt_token_count num_input_tokens n_input_tokens total_input_tokens prompt_length "
    "input_length tokens_prompt",
    "cache_read": "cache_read cached_tokens cached_input_tokens cache_read_tokens "
    "cache_read_input_tokens input_cached_tokens gen_ai.usage.cache_read.input_tokens "
    "prompt_tokens_details.cached_tokens usage.prompt_tokens_details.cached_tokens "
    "usage.cache_read_input_tokens",
    "cache_write_short": "cache_write_short cache_write_tokens cache_write_input_tokens "
    "cache_creation_tokens cache_creation_input_tokens usage.cache_creation_input_tokens "
    "gen_ai.usage.cache_creation.input_tokens cache_write_5m_tokens ephemeral_5m_input_tokens",
    "cache_write_long": "cache_write_long cache_write_1h_tokens ephemeral_1h_input_tokens",
    "output_visible": "output_visible visible_output_tokens",
    "output_total": "output_tokens gen_ai.usage.output_tokens usage.output_tokens "
    "completion_tokens usage.completion_tokens gen_ai.usage.completion_tokens generated_tokens "
    "tokens_out output_token_count completion_token_count num_output_tokens n_output_tokens "
    "total_output_tokens output_length tokens_completion",
    "reasoning": "reasoning reasoning_tokens thinking_tokens thoughts_tokens "
    "gen_ai.usage.reasoning.output_tokens completion_tokens_details.reasoning_tokens "
    "usage.completion_tokens_details.reasoning_tokens",
    "status": "status status_code outcome http_status",
    "latency_ms": "latency_ms duration_ms response_time_ms elapsed_ms",
    "ttft_ms": "ttft_ms time_to_first_token_ms",
    "attempt": "attempt",
    "session_id": "session_id session gen_ai.conversation.id conversation_id thread_id run_id",
    "trace_id": "trace_id traceid",
    "template_id": "template_id prompt_template prompt_id prompt_name",
    "request_hash": "request_hash prompt_hash",
    "team": "team team_name team_alias team_id department squad",
    "project": "project project_name project_id",
    "feature": "feature use_case usecase feature_name",
    "customer": "customer customer_id customer_name tenant tenant_id client client_id end_user",
    "environment": "environment env stage deployment_environment",
    "cost_center": "cost_center cost_centre costcenter",
    "key": "key key_name key_alias api_key_name api_key_alias api_key_id",
    "service_tier": "service_tier tier",
    "batch": "batch is_batch",
    "tags": "tags labels metadata",
}
# What changes the price is gathered into `context`, not a field of its own.
CONTEXT = ("service_tier", "batch")
_TEXT_OF_A_CALL = re.compile(
    r"prompt|completion|message|content|response|question|answer|input|output|body|text|error|key"
)
_LONGEST_TAG = 64
_FEWEST_REPEATS = 2


@dataclass(frozen=True, slots=True)
class Mapped:
    """Which column feeds which field; `tags` are kept under their own name, the rest is not."""

    fields: Mapping[str, str]
    tags: tuple[str, ...]
    ignored: tuple[str, ...]

    @property
    def measures_calls(self) -> bool:
        return bool({"input_total", "input_fresh", "output_total"} & set(self.fields))

    def notes(self) -> tuple[str, ...]:
        """What was guessed, for the user, and how to say otherwise."""
        read = ", ".join(f"{field} ← {column}" for field, column in self.fields.items())
        lines = [f"columns: {read}"]
        if self.tags:
            lines.append(f"tags: {', '.join(self.tags)}")
        if self.ignored:
            lines.append(
                f"not imported: {', '.join(self.ignored)}; "
                f"take one with --map tag.NAME={self.ignored[0]!r}"
            )
        return tuple(lines)


def guess(
    names: Sequence[str], given: Mapping[str, str], sample: Mapping[str, Sequence[str]]
) -> Mapped:
    """Map columns by their names; `given` (field → column) wins, `sample` tells tags from text.

    Raises Refused where `given` names a column or a field that is not there.
    """
    _check(names, given)
    by_name = {_plain(name): name for name in reversed(names)}
    fields = {field: column for field, column in given.items() if not field.startswith("tag.")}
    for field, spellings in SPELLINGS.items():
        spelled = (by_name.get(_plain(spelling)) for spelling in spellings.split())
        free = (c for c in spelled if c is not None and c not in fields.values())
        if field not in fields and (column := next(free, None)):
            fields[field] = column
    _settle_totals(fields, given)
    asked = {field.removeprefix("tag.") for field in given if field.startswith("tag.")}
    rest = [name for name in names if name not in fields.values() and name not in given.values()]
    tags = [name for name in rest if _is_tag(name, sample.get(name, ()))]
    ignored = tuple(name for name in rest if name not in tags)
    return Mapped(fields, tuple(sorted({*tags, *asked})), ignored)


def _check(names: Sequence[str], given: Mapping[str, str]) -> None:
    known = {*Draft.__struct_fields__, *CONTEXT}
    for field, column in given.items():
        if column not in names:
            raise Refused(
                f"--map {field}={column}: there is no column {column!r}. "
                f"There are: {', '.join(names)}."
            )
        if field == "tag." or (field not in known and not field.startswith("tag.")):
            raise Refused(
                f"--map {field}={column}: there is no field {field!r}. Use one of "
                f"{', '.join([*SPELLINGS, *SCOPE[:1]])}, or tag.NAME."
            )


def _settle_totals(fields: dict[str, str], given: Mapping[str, str]) -> None:
    """A source says its totals or its parts; where both are there, what was asked for wins."""
    for total, part in (("input_total", "input_fresh"), ("output_total", "output_visible")):
        if total in fields and part in fields:
            del fields[total if part in given else part]


def _is_tag(name: str, values: Iterable[str]) -> bool:
    """Short values that repeat describe a call; long or unique ones are its content."""
    seen = [value for value in values if value]
    if not seen or _TEXT_OF_A_CALL.search(name.lower()):
        return False
    if any(len(value) > _LONGEST_TAG or _is_number(value) for value in seen):
        return False
    return len(seen) < _FEWEST_REPEATS or len(set(seen)) * _FEWEST_REPEATS <= len(seen)


def _is_number(value: str) -> bool:
    return bool(re.fullmatch(r"[-+]?\d*[.]\d+(e[-+]?\d+)?", value, re.IGNORECASE))


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())
