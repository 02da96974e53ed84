"""The noise is the same bits everywhere, forever: what is checked here is what old logs rely on."""

import hashlib

import pytest
import torch

from app.zo import noise

CPU = torch.device("cpu")


def test_splitmix64_gives_the_published_outputs():
    # The reference implementation's for the seed 1234567 (also Rosetta Code's).
    expected = [
        6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431, 16408922859458223821,
    ]  # fmt: skip
    assert [word % 2**64 for word in noise.splitmix64(1234567, 0, 5).tolist()] == expected
    assert [word % 2**64 for word in noise.splitmix64(1234567, 3, 2).tolist()] == expected[3:]


def test_signs_are_the_words_bits_and_keys_are_golden():
    word = 6457827717110365317
    assert noise.Rademacher().signs(1234567, 0, 64, CPU).tolist() == [-1 if word >> i & 1 else 1 for i in range(64)]
    assert noise.mix(0, 1, 2, 3) == 1470200354583225620
    signs = noise.Rademacher().signs(noise.mix(7), 0, 100_000, CPU)
    assert hashlib.sha256(signs.numpy().tobytes()).hexdigest()[:16] == "a8f9f531ebf5565f"


@pytest.mark.parametrize("kind", ["rademacher", "gaussian"])
def test_unit_variance_no_mean_and_no_memory_of_the_neighbour(kind):
    z = torch.zeros(200_000)
    noise.make(kind, CPU).add_(z, 5, 1.0)
    other = torch.zeros(200_000)
    noise.make(kind, CPU).add_(other, 6, 1.0)
    bound = 5 / 200_000**0.5
    assert abs(float(z.mean())) < bound
    assert abs(float(z.square().mean()) - 1) < 2 * bound
    assert abs(float((z[1:] * z[:-1]).mean())) < bound
    assert abs(float((z * other).mean())) < bound


@pytest.mark.parametrize("kind", ["rademacher", "gaussian"])
def test_pieces_make_no_difference_to_the_same_key(kind, monkeypatch):
    whole, again = torch.zeros(1000), torch.zeros(1000)
    noise.make(kind, CPU).add_(whole, 5, 0.5)
    noise.make(kind, CPU).add_(again, 5, 0.5)
    assert torch.equal(whole, again)
    if kind == "rademacher":  # Gaussian's pieces are part of its version
        monkeypatch.setattr(noise, "_CHUNK", 128)
        pieces = torch.zeros(1000)
        noise.make(kind, CPU).add_(pieces, 5, 0.5)
        assert torch.equal(whole, pieces)
