"""The token buffer appends as mlx-lm's does, shares nothing, and refuses what is no token."""

import mlx.core as mx
import pytest

import kvimpl


@pytest.mark.parametrize("step", [1, 3, 256])
def test_it_appends_as_mlx_lm_s_does(step, reference, bits):
    buffers = [module.TokenBuffer([1, 2]) for module in (kvimpl, reference)]
    for tokens in ([3], [4, 5, 6, 7], [8]):
        fetched = []
        for buffer in buffers:
            buffer.step = step
            fetched.append(bits(buffer.update_and_fetch(mx.array(tokens))))
        assert fetched[0] == fetched[1]
        assert bits(buffers[0].state) == bits(buffers[1].state)
        assert bits(buffers[0].tokens) == bits(buffers[1].tokens)


def test_it_takes_a_list_and_may_start_empty():
    buffer = kvimpl.TokenBuffer()
    assert buffer.tokens.tolist() == []
    assert buffer.update_and_fetch([1, 2]).tolist() == [1, 2]
    assert buffer.update_and_fetch([]).tolist() == [1, 2]


def test_it_shares_nothing(bits):
    given = mx.array([1, 2])
    buffer = kvimpl.TokenBuffer(given)
    fetched = buffer.update_and_fetch(given)
    before = bits(fetched)
    given[:] = 9
    buffer.state[:] = 9
    buffer.update_and_fetch([3])
    assert bits(fetched) == before
    fetched[:] = 9
    assert buffer.tokens.tolist() == [1, 2, 1, 2, 3]


@pytest.mark.parametrize(
    ("tokens", "error"),
    [([[1, 2]], kvimpl.RankMismatchError), ([1.5], kvimpl.DtypeMismatchError)],
)
def test_what_is_no_token_is_refused(tokens, error, snapshot):
    buffer = kvimpl.TokenBuffer([1])
    before = snapshot(buffer)
    with pytest.raises(error):
        buffer.update_and_fetch(tokens)
    assert snapshot(buffer) == before
    with pytest.raises(error):
        kvimpl.TokenBuffer(tokens)
