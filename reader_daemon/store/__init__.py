"""What the daemon keeps on its disk: the journal that must never lose a record, and the policy that may be rebuilt."""
