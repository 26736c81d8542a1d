"""Streets as a network, and densities along them, against every street and every way looked at in turn."""

from __future__ import annotations

import math

import numpy as np
import pytest
from safestats.shared.network_density import Junctions, network_density
from safestats.shared.street_network import Lixels, Network, NetworkError, on_network, piece


def line(*points):
    return np.array(points, dtype=float)


# Two squares side by side, a cul-de-sac, and a street that joins in the middle of another's line.
STREETS = (
    line((0, 0), (100, 0), (200, 0)),
    line((0, 0), (0, 100)),
    line((0, 100), (50, 120), (100, 100), (200, 100)),
    line((100, 0), (100, 100)),
    line((200, 0), (230, 50), (200, 100)),
    line((230, 50), (300, 50)),
)


def quartic(distance, bandwidth):
    return 15 / (16 * bandwidth) * (1 - (distance / bandwidth) ** 2) ** 2 if distance < bandwidth else 0.0


def every_way(network, edge, along, lixels, bandwidth):
    """One incident's discontinuous kernel: each way that does not turn back, followed to the bandwidth's end."""
    ends, lengths, degrees = network.ends, network.lengths, network.degrees()
    values = np.zeros(len(lixels.edge))
    middles = lixels.middles

    def follow(way, head, far, share):
        length = lengths[way]
        for number in np.flatnonzero(lixels.edge == way):
            gone = middles[number] if ends[way][0] == head else length - middles[number]
            values[number] += share * quartic(far + gone, bandwidth)
        tail = ends[way][1] if ends[way][0] == head else ends[way][0]
        go_on(way, tail, far + length, share)

    def go_on(way, node, far, share):
        if far >= bandwidth or degrees[node] < 2:
            return
        for other in np.flatnonzero((ends == node).any(axis=1)):
            if other != way:
                follow(other, node, far, share / (degrees[node] - 1))

    for number in np.flatnonzero(lixels.edge == edge):
        values[number] += quartic(abs(middles[number] - along), bandwidth)
    go_on(edge, ends[edge][0], along, 1.0)
    go_on(edge, ends[edge][1], lengths[edge] - along, 1.0)
    return values


def shortest_ways(network):
    """Between all nodes (Floyd and Warshall)."""
    far = np.full((network.nodes, network.nodes), math.inf)
    np.fill_diagonal(far, 0.0)
    for (head, tail), length in zip(network.ends, network.lengths):
        far[head, tail] = far[tail, head] = min(far[head, tail], length)
    for middle in range(network.nodes):
        far = np.minimum(far, far[:, middle, None] + far[None, middle, :])
    return far


def simple_by_hand(network, edge, along, lixels, bandwidth):
    far = shortest_ways(network)
    values = np.zeros(len(lixels.edge))
    for number, (other, middle) in enumerate(zip(lixels.edge, lixels.middles)):
        ways = [
            first + far[a, b] + second
            for a, first in zip(network.ends[edge], (along, network.lengths[edge] - along))
            for b, second in zip(network.ends[other], (middle, network.lengths[other] - middle))
        ]
        if other == edge:
            ways.append(abs(middle - along))
        values[number] = quartic(min(ways), bandwidth)
    return values


def some_incidents(seed, number=25):
    rng = np.random.default_rng(seed)
    return rng.uniform(-10, 310, number), rng.uniform(-10, 130, number)


def test_lines_are_cut_where_they_share_a_vertex():
    network = Network.of(STREETS)
    assert len(network.lengths) == 9  # the first, third and fifth lines are cut in two
    degrees = network.degrees()
    assert sorted(degrees[degrees > 0].tolist()) == [1, 2, 2, 2, 2, 3, 3, 3]
    assert network.lengths.sum() == pytest.approx(sum(np.hypot(*np.diff(s, axis=0).T).sum() for s in STREETS))


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_each_point_lies_on_its_nearest_street(seed):
    network = Network.of(STREETS)
    east, north = some_incidents(seed, 200)
    found = on_network(network, east, north, 15.0)
    for number in range(200):
        best = (math.inf, None, None)
        for edge, shape in enumerate(network.shapes):
            gone = 0.0
            for (x0, y0), (x1, y1) in zip(shape[:-1], shape[1:]):
                length = math.hypot(x1 - x0, y1 - y0)
                share = ((east[number] - x0) * (x1 - x0) + (north[number] - y0) * (y1 - y0)) / length**2
                share = min(1.0, max(0.0, share))
                away = math.hypot(east[number] - x0 - share * (x1 - x0), north[number] - y0 - share * (y1 - y0))
                best = min(best, (away, edge, gone + share * length))
                gone += length
        if best[0] > 15:
            assert found.edge[number] == -1
            assert np.isnan(found.along[number])
        else:
            assert found.away[number] == pytest.approx(best[0], abs=1e-9)
            assert found.edge[number] == best[1]
            assert found.along[number] == pytest.approx(best[2], abs=1e-9)


@pytest.mark.parametrize("bandwidth", [40.0, 150.0, 400.0])
def test_simple_equals_the_kernel_of_every_shortest_way(bandwidth):
    network = Network.of(STREETS)
    places, lixels = on_network(network, *some_incidents(4), 30.0), Lixels.of(network, 7.0)
    expected = sum(
        simple_by_hand(network, edge, along, lixels, bandwidth)
        for edge, along in zip(places.edge, places.along)
        if edge >= 0
    )
    found = network_density(network, places, lixels, bandwidth, Junctions.SIMPLE)
    np.testing.assert_allclose(found, expected * 1000, rtol=0, atol=1e-9 * 1000 * expected.max())


@pytest.mark.parametrize("bandwidth", [40.0, 150.0, 400.0])
def test_discontinuous_equals_the_sum_over_every_way(bandwidth):
    network = Network.of(STREETS)
    places, lixels = on_network(network, *some_incidents(5), 30.0), Lixels.of(network, 7.0)
    expected = 1000 * sum(
        every_way(network, edge, along, lixels, bandwidth)
        for edge, along in zip(places.edge, places.along)
        if edge >= 0
    )
    found = network_density(network, places, lixels, bandwidth)
    np.testing.assert_allclose(found, expected, rtol=0, atol=0.005 * expected.max())


def test_a_ring_keeps_each_incident_whole():
    # Round the squares and across them no street ends, so the densities times the lengths add up to the incidents.
    network = Network.of([*STREETS[:5], line((0, 0), (100, 100))])
    lixels = Lixels.of(network, 1.0)
    places = on_network(network, *some_incidents(6), 200.0)
    assert not (network.degrees() == 1).any()
    found = network_density(network, places, lixels, 250.0)
    assert (found * (lixels.end - lixels.start)).sum() / 1000 == pytest.approx(25, rel=0.005)


def test_simple_counts_an_incident_beside_a_junction_more_than_once():
    arms = [line((0, 0), end) for end in ((500, 0), (-500, 0), (0, 500), (0, -500))]
    network = Network.of(arms)
    lixels, places = Lixels.of(network, 1.0), on_network(network, [1.0], [0.0], 5.0)
    totals = {
        how: (network_density(network, places, lixels, 200.0, how) * (lixels.end - lixels.start)).sum() / 1000
        for how in Junctions
    }
    assert totals[Junctions.DISCONTINUOUS] == pytest.approx(1.0, rel=0.005)
    assert totals[Junctions.SIMPLE] == pytest.approx(2.0, rel=0.02)


def test_on_one_long_street_it_is_the_plain_kernel():
    network = Network.of([line((0, 0), (2000, 0))])
    lixels, places = Lixels.of(network, 10.0), on_network(network, [1000.0, 1000.0], [3.0, -4.0], 5.0)
    for how in Junctions:
        found = network_density(network, places, lixels, 300.0, how)
        expected = [2000 * quartic(abs(middle - 1000), 300.0) for middle in lixels.middles]
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-9 * max(expected))


def test_an_equal_street_given_twice_counts_once():
    once, twice = Network.of(STREETS), Network.of([*STREETS, STREETS[3], STREETS[2][::-1]])
    assert twice.lengths.sum() == pytest.approx(once.lengths.sum())
    assert twice.degrees().max() == once.degrees().max()


def test_a_bridge_without_a_common_vertex_does_not_join():
    network = Network.of([line((-100, 0), (100, 0)), line((0, -100), (0, 100))])
    lixels, places = Lixels.of(network, 10.0), on_network(network, [50.0], [0.0], 5.0)
    found = network_density(network, places, lixels, 200.0)
    assert not found[lixels.edge == 1].any()


def test_lixels_are_equal_pieces_no_longer_than_asked_for():
    network = Network.of([line((0, 0), (105, 0)), line((0, 50), (100, 50)), line((0, 80), (3, 80))])
    lixels = Lixels.of(network, 10.0)
    assert np.bincount(lixels.edge).tolist() == [11, 10, 1]
    np.testing.assert_allclose(lixels.end[-1] - lixels.start[-1], 3.0)
    places = on_network(network, [0.0, 105.0, 10.0, 3.0], [1.0, 1.0, 50.0, 80.0], 5.0)
    held = lixels.holding(places)
    assert held[0] == 1
    assert held[10] == 1
    assert held[12] == 1  # between two pieces: the latter
    assert held[21] == 1


def test_a_piece_follows_the_street_round_its_bends():
    bent = line((0, 0), (10, 0), (10, 10))
    np.testing.assert_allclose(piece(bent, 5, 15), [(5, 0), (10, 0), (10, 5)])
    np.testing.assert_allclose(piece(bent, 10, 20), [(10, 0), (10, 10)])


def test_points_along_edges_are_where_a_walk_would_come_to():
    network = Network.of(STREETS)
    for edge, shape in enumerate(network.shapes):
        for share in (0.0, 0.3, 0.5, 1.0):
            along = share * network.lengths[edge]
            np.testing.assert_allclose(
                network.at(np.array([edge]), np.array([along]))[0], piece(shape, 0, along)[-1], atol=1e-9
            )


def test_work_is_told_and_ends_where_the_listener_raises():
    network = Network.of(STREETS)
    places, lixels = on_network(network, *some_incidents(4), 30.0), Lixels.of(network, 7.0)

    def stop(done, total):
        raise KeyboardInterrupt

    for how in Junctions:
        heard = []
        network_density(network, places, lixels, 100.0, how, lambda done, total, h=heard: h.append(done / total))
        assert heard == sorted(heard)
        assert heard[-1] == 1
        with pytest.raises(KeyboardInterrupt):
            network_density(network, places, lixels, 100.0, how, stop)


def test_bad_input_is_told_in_a_sentence():
    network = Network.of(STREETS)
    lixels = Lixels.of(network, 10.0)
    near, far = on_network(network, [50.0], [0.0], 5.0), on_network(network, [5000.0], [0.0], 5.0)
    with pytest.raises(NetworkError, match="bandwidth must be more than 0 metres; it is 0"):
        network_density(network, near, lixels, 0.0)
    with pytest.raises(NetworkError, match="No incident lies near enough to a street"):
        network_density(network, far, lixels, 100.0)
    with pytest.raises(NetworkError, match="no line with a length"):
        Network.of([line((5, 5), (5, 5)), line((7, 7))])
    with pytest.raises(NetworkError, match="no line with a length"):
        Network.of([])


def test_a_network_too_large_to_add_ways_up_on_is_refused(monkeypatch):
    monkeypatch.setattr("safestats.shared.network_density._MAX_NUMBERS", 500)
    network = Network.of(STREETS)
    with pytest.raises(NetworkError, match="has 9 streets, too many"):
        network_density(network, on_network(network, [50.0], [0.0], 5.0), Lixels.of(network, 10.0), 100.0)
