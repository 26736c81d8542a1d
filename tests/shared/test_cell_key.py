"""Perturbed counts: the table, the same answer to the same incidents, and what somebody finds who asks everything."""

from __future__ import annotations

import hashlib
import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safestats.shared.cell_key import KEYS, Records, perturbation_table, perturbed, possible_weights

SECRET = b"a secret of the server's"


def records(number: int, first: int = 0) -> Records:
    return Records.of(SECRET, (f"incident {n}" for n in range(first, first + number)))


def test_keys_and_weights_are_the_hashes_of_the_identities() -> None:
    made = Records.of(SECRET, ["ä", "b"])
    for number, identity in enumerate(["ä", "b"]):
        digest = hashlib.blake2b(identity.encode(), key=SECRET, digest_size=2).digest()
        assert (made.keys[number], made.weights[number]) == (digest[0], [0, 1, 1, 2][digest[1] % 4])
    assert not np.array_equal(records(50).keys, Records.of(b"another", (f"incident {n}" for n in range(50))).keys)
    many = records(40_000)
    assert abs(many.weights.mean() - 1) < 0.02 and abs(many.weights.var() - 0.5) < 0.02
    assert abs(many.keys.mean() - 127.5) < 2 and set(many.keys.tolist()) == set(range(256))


@pytest.mark.parametrize(("threshold", "least"), [(0, 5), (1, 5), (5, 5), (6, 10), (8, 10), (10, 10), (11, 15)])
def test_published_counts_are_multiples_of_five_right_on_average(threshold: int, least: int) -> None:
    table = perturbation_table(threshold)
    assert table.shape == (least + 5, KEYS)
    for count, row in enumerate(table):
        published = count + row
        assert set(published.tolist()) <= {0, *range(least, 100, 5)}
        assert abs(row).max() < least and abs(row.mean()) <= least / KEYS
        for value in set(published.tolist()):
            low, high = possible_weights(int(value), threshold)
            assert low <= count <= high
    assert not table[0].any()  # nothing stays nothing
    # Beyond the table the rows come again.
    assert np.array_equal(table[-5:] + np.arange(least, least + 5)[:, None] - least, (table[-5:].T + range(5)).T)


@settings(max_examples=100, deadline=None)
@given(data=st.data(), threshold=st.sampled_from([1, 5, 8]))
def test_one_set_of_incidents_has_one_answer(data: st.DataObject, threshold: int) -> None:
    number = data.draw(st.integers(0, 60))
    chosen = np.array(data.draw(st.lists(st.booleans(), min_size=number, max_size=number)), dtype=bool)
    everybody = records(number)
    (answer,) = perturbed([chosen], everybody, threshold)
    # The same incidents in another order, among others, without the rest, a year later.
    order = np.array(data.draw(st.permutations(range(number))), dtype=int)
    again = Records(everybody.keys[order], everybody.weights[order])
    assert perturbed([chosen[order]], again, threshold)[0] == answer
    alone = Records(everybody.keys[chosen], everybody.weights[chosen])
    assert perturbed(np.ones((1, int(chosen.sum())), bool), alone, threshold)[0] == answer
    # By hand.
    weight, key = int(alone.weights.sum()), int(alone.keys.sum()) % 256
    low, high = possible_weights(int(answer), threshold)
    assert low <= weight <= high and answer % 5 == 0 and (answer == 0 or answer >= threshold)
    rows = perturbation_table(threshold)
    assert answer == weight + rows[weight if weight < len(rows) else len(rows) - 5 + weight % 5, key]


def test_nothing_is_answered_as_nothing() -> None:
    assert perturbed(np.zeros((3, 0), bool), records(0), 5).tolist() == [0, 0, 0]
    assert perturbed(np.zeros((2, 9), bool), records(9), 8).tolist() == [0, 0]


# A small town: places 40 m apart with few incidents each, and around it and in it somebody asks at every postcode.
SIDE, STEP = 12, 40


def town(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Places, how many incidents each has, and the centres of the postcodes."""
    draw = np.random.default_rng(seed)
    places = np.array(list(itertools.product(range(SIDE), range(SIDE)))) * STEP + draw.integers(-15, 15, (SIDE**2, 2))
    centres = draw.integers(-300, SIDE * STEP + 300, (900, 2))
    return places, draw.poisson(1.6, SIDE**2), centres


def solved(places: np.ndarray, centres: np.ndarray, answers: np.ndarray, radii: tuple[int, ...]) -> np.ndarray:
    """The best guess at the number of incidents of each place, by least squares; it knows all places."""
    squared = ((centres[:, None] - places[None]) ** 2).sum(axis=2)
    rings = np.concatenate([squared <= radius**2 for radius in radii]).astype(float)
    normal = rings.T @ rings + np.eye(len(places)) * 4
    guess = np.linalg.solve(normal, rings.T @ answers + 4 * 1.6)
    return np.rint(np.clip(guess, 0, None)).astype(int)


@pytest.mark.parametrize("releases", [1, 3])
def test_whoever_asks_everywhere_finds_a_small_count_no_oftener_than_every_other_time(releases: int) -> None:
    """And without the weights nearly always: the cell-key method alone does not withstand it."""
    radii, found, bare, small = (100, 250, 500), 0, 0, 0
    for seed in range(3):
        places, counts, centres = town(seed)
        of_place = np.repeat(np.arange(len(places)), counts)
        everybody = records(len(of_place), first=100_000 * seed)
        unweighted = Records(everybody.keys, np.ones_like(everybody.weights))
        squared = ((centres[:, None] - places[None]) ** 2).sum(axis=2)
        inside = np.concatenate([(squared <= radius**2)[:, of_place] for radius in radii])
        few = (counts >= 1) & (counts <= 4)
        small += int(few.sum())
        for kept, known in ((True, everybody), (False, unweighted)):
            # Of each release an incident more, far away in time but not in place, is in all the same rings.
            answers = [perturbed(inside, known, 5)]
            for release in range(1, releases):
                more = np.random.default_rng(release).integers(0, len(places), 12)
                later = np.concatenate([of_place, more])
                others = records(12, first=10_000_000 + 100 * release)
                added = Records(
                    np.concatenate([known.keys, others.keys]),
                    np.concatenate([known.weights, others.weights if kept else np.ones(12, int)]),
                )
                now = np.concatenate([(squared <= radius**2)[:, later] for radius in radii])
                extra = np.concatenate([(squared <= radius**2)[:, more] for radius in radii])
                # The attacker is even told what was added, so that all releases speak of the same counts.
                told = (others.weights if kept else np.ones(12, int)) @ extra.T
                answers.append(perturbed(now, added, 5) - told)
            guess = solved(places, centres, np.mean(answers, axis=0), radii)
            hits = int((guess == counts)[few].sum())
            found, bare = found + hits * kept, bare + hits * (not kept)
    assert bare / small > 0.7
    assert found / small <= 0.5, found / small
