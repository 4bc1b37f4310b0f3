"""Every operation of the product that two people must carry out. One line an operation, declared beside its service."""

from __future__ import annotations

from types import MappingProxyType

from server.approvals.models import Operations
from server.cards.approved import UNBLOCK
from server.corrections.approved import ADJUSTMENT, PAPER, REFUND

OPERATIONS: Operations = MappingProxyType(
    {operation.name: operation for operation in (UNBLOCK, REFUND, ADJUSTMENT, PAPER)}
)
"""What `server.approvals.service` is given wherever the product decides a request."""
