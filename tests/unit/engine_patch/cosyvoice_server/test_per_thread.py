"""An attribute that each thread has for itself."""

from __future__ import annotations

import threading

from cosyvoice_server.per_thread import separate


class Model:
    def __init__(self) -> None:
        self.token_hop_len = 25


def test_a_thread_does_not_see_what_another_one_set() -> None:
    model, other = Model(), Model()
    separate(model, "token_hop_len")
    seen: list[int] = []

    def work() -> None:
        seen.append(model.token_hop_len)
        model.token_hop_len = 100
        seen.append(model.token_hop_len)

    model.token_hop_len = 50
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [25, 100]
    assert model.token_hop_len == 50
    assert other.token_hop_len == 25
    assert type(model).__name__ == "Model"
    assert isinstance(model, Model)
