"""From counts as a source reports them to the six buckets that never overlap (metering.md)."""

from __future__ import annotations


def bucketed(rows: str) -> str:
    """SQL: checked rows with the six buckets, `suspect` (they overlap) and `uncounted` (none said).

    A bucket that would be negative stays so: the row is flagged, nothing is clamped.
    """
    parts = ("cache_read", "cache_write_short", "cache_write_long", "reasoning")
    known = ", ".join(f"coalesce({part}, 0) AS {part}" for part in parts)
    counts = (*parts, "input_total", "input_fresh", "output_total", "output_visible", "details")
    uncounted = " AND ".join(f"{field} IS NULL" for field in counts)
    return f"""
        SELECT *, input_fresh < 0 OR output_visible < 0 AS suspect
        FROM (SELECT * REPLACE ({known},
            coalesce(input_fresh, input_total - coalesce(cache_read, 0)
                - coalesce(cache_write_short, 0) - coalesce(cache_write_long, 0), 0) AS input_fresh,
            coalesce(output_visible, output_total - coalesce(reasoning, 0), 0) AS output_visible,
            coalesce(attempt, 1) AS attempt,
            CASE grain WHEN 'call' THEN 1 ELSE coalesce(requests, 0) END AS requests),
            {uncounted} AS uncounted
        FROM ({rows}))"""
