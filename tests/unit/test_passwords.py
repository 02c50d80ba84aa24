"""What a password costs to try, as other tests hash theirs at the lowest cost."""

from argon2 import PasswordHasher, Type


def test_a_password_costs_what_rfc_9106_asks_of_machines_with_little_memory(
    full_cost: PasswordHasher,
) -> None:
    """RFC 9106, section 4: argon2id, three passes, four lanes, 64 MiB."""
    assert full_cost.type is Type.ID
    assert full_cost.time_cost == 3
    assert full_cost.parallelism == 4
    assert full_cost.memory_cost == 64 * 1024
