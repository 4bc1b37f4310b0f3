"""Every fuzz target by name: a function from bytes that raises only when a promise is broken."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from tests.fuzz import document_targets, file_targets, line_targets

Target = Callable[[bytes], None]

TARGETS: Mapping[str, Target] = MappingProxyType(
    {
        target.__name__: target
        for target in (
            line_targets.osdp_frames,
            line_targets.osdp_replies,
            line_targets.osdp_commands,
            line_targets.osdp_panel,
            line_targets.card_tlv,
            line_targets.card_answers,
            line_targets.scan_lines,
            document_targets.link_frames,
            document_targets.journal_bodies,
            document_targets.policy_items,
            document_targets.card_lists,
            document_targets.reader_settings,
            document_targets.credentials,
            document_targets.key_shares,
            document_targets.signed_notes,
            document_targets.audit_exports,
            document_targets.tree_proofs,
            file_targets.sheets,
            file_targets.bank_statements,
            file_targets.qr_passes,
            file_targets.photos,
            file_targets.journal_files,
        )
    }
)


def any_target(data: bytes) -> None:
    """Run the target that the first byte names on the rest: one process fuzzes them all."""
    names = list(TARGETS)
    if data:
        TARGETS[names[data[0] % len(names)]](data[1:])


if __name__ == "__main__":
    print(*TARGETS)  # noqa: T201 - for `make fuzz`
