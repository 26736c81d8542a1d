"""Density of incidents along streets, in incidents per km of street: hot routes.

The kernel is the quartic in one dimension, k(d) = 15 / (16 h) · (1 − d²/h²)² at a distance d < h along the network, h
being the bandwidth; its area is one incident. Two ways to pass a junction:

* simple: each place has the kernel of its shortest way to the incident. Every branch gets all of it, so an incident
  beside a junction counts for more than one (Xie and Yan 2008).
* discontinuous: at a junction of m ends the kernel is shared out evenly among the m − 1 others, on every way that does
  not turn back (Okabe, Satoh and Sugihara 2009). Each incident counts for one, less what would pass a dead end.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from .street_network import Lixels, Network, NetworkError, OnNetwork

# How finely distances are told apart where ways are added up: the bandwidth in so many steps, fewer on a large network.
_MOST_STEPS, _LEAST_STEPS = 400, 60
_MAX_NUMBERS = 20_000_000  # of each of two tables
_AT_ONCE = 250_000  # numbers looked at in one go: other threads wait no longer than that

Progress = Callable[[int, int], None]


class Junctions(str, Enum):
    """How a kernel passes a junction."""

    SIMPLE = "simple"
    DISCONTINUOUS = "discontinuous"


def network_density(
    network: Network,
    places: OnNetwork,
    lixels: Lixels,
    bandwidth: float,
    junctions: Junctions = Junctions.DISCONTINUOUS,
    progress: Progress = lambda done, total: None,
) -> NDArray[np.float64]:
    """Incidents per km at the middle of each lixel, shape ``(lixels,)``.

    Simple: exact to 1e-9 of the highest value. Discontinuous: ways are added up in steps of bandwidth/400 (on large
    networks of up to bandwidth/60), which is off by less than 0.5 % of the highest value. ``progress`` hears of work
    done and of all, and ends it by raising. Raises ``NetworkError`` for a bandwidth that is none, no incident on a
    street, and a network too large to add ways up on.
    """
    if not (bandwidth > 0 and math.isfinite(bandwidth)):
        raise NetworkError(f"The bandwidth must be more than 0 metres; it is {bandwidth:g}.")
    if not (places.edge >= 0).any():
        raise NetworkError(
            "No incident lies near enough to a street: choose the streets of this area, or a longer distance to them."
        )
    if junctions is Junctions.SIMPLE:
        values = _simple(network, places, lixels, bandwidth, progress)
    else:
        values = _discontinuous(network, places, lixels, bandwidth, progress)
    return values * 1000


def _kernel(distance: NDArray[np.float64], bandwidth: float) -> NDArray[np.float64]:
    left = np.maximum(1 - (distance / bandwidth) ** 2, 0.0)
    return 15 / (16 * bandwidth) * left * left


def _by_edge(places: OnNetwork) -> list[tuple[int, NDArray[np.float64], NDArray[np.float64]]]:
    """For each edge with incidents: where along it, and how many there; stacks are taken as one."""
    on = places.edge >= 0
    order = np.lexsort((places.along[on], places.edge[on]))
    edge, along = places.edge[on][order], places.along[on][order]
    other = np.concatenate([[True], (np.diff(edge) != 0) | (np.diff(along) != 0)])
    spots = np.flatnonzero(other)
    number = np.diff(np.append(spots, len(edge))).astype(float)
    edges, first = np.unique(edge[spots], return_index=True)
    bounds = np.append(first, len(spots))
    return [
        (int(which), along[spots[begin:end]], number[begin:end])
        for which, begin, end in zip(edges, bounds[:-1], bounds[1:])
    ]


# ---------------------------------------------------------------------- shortest ways


def _simple(
    network: Network, places: OnNetwork, lixels: Lixels, bandwidth: float, progress: Progress
) -> NDArray[np.float64]:
    values = np.zeros(len(lixels.edge))
    middles = lixels.middles
    rest = network.lengths[lixels.edge] - middles  # from each middle to its edge's second end
    leaving = _edges_at(network)
    reached: dict[int, dict[int, float]] = {}
    busy = _by_edge(places)
    for done, (edge, along, weights) in enumerate(busy):
        if done % 16 == 0:
            progress(done, len(busy))
        ends = [int(node) for node in network.ends[edge]]
        for node in ends:
            if node not in reached:
                reached[node] = _within(network, leaving, node, bandwidth)
        nodes = np.array(sorted({*reached[ends[0]], *reached[ends[1]]}), dtype=np.int64)
        near = [np.array([reached[end].get(int(node), math.inf) for node in nodes]) for end in ends]
        edges = np.unique([other for node in nodes for other in leaving[int(node)]])
        counts = np.diff(lixels.first_of)[edges]
        pieces = np.repeat(lixels.first_of[edges] - np.cumsum(counts) + counts, counts) + np.arange(int(counts.sum()))
        heads, tails = network.ends[lixels.edge[pieces]].T
        own = lixels.edge[pieces] == edge
        chunk = max(1, _AT_ONCE // max(len(pieces), 1))
        for begin in range(0, len(along), chunk):
            here = along[begin : begin + chunk]
            by_node = np.minimum(here[:, None] + near[0], (network.lengths[edge] - here)[:, None] + near[1])
            far = np.minimum(_at(by_node, nodes, heads) + middles[pieces], _at(by_node, nodes, tails) + rest[pieces])
            straight = np.abs(middles[pieces][own][None, :] - here[:, None])
            far[:, own] = np.minimum(far[:, own], straight)
            values[pieces] += weights[begin : begin + chunk] @ _kernel(np.minimum(far, bandwidth), bandwidth)
    progress(len(busy), len(busy))
    return values


def _edges_at(network: Network) -> dict[int, list[int]]:
    """The edges that end at each node."""
    leaving: dict[int, list[int]] = {}
    for edge, (head, tail) in enumerate(network.ends.tolist()):
        leaving.setdefault(head, []).append(edge)
        if tail != head:
            leaving.setdefault(tail, []).append(edge)
    return leaving


def _within(network: Network, leaving: dict[int, list[int]], source: int, reach: float) -> dict[int, float]:
    """The shortest way from a node to each node within reach (Dijkstra)."""
    known: dict[int, float] = {}
    waiting = [(0.0, source)]
    while waiting:
        far, node = heapq.heappop(waiting)
        if node in known:
            continue
        known[node] = far
        for edge in leaving[node]:
            head, tail = network.ends[edge]
            other, length = int(tail if head == node else head), far + float(network.lengths[edge])
            if length < reach and other not in known:
                heapq.heappush(waiting, (length, other))
    return known


def _at(by_node: NDArray[np.float64], nodes: NDArray[np.int64], wanted: NDArray[np.int64]) -> NDArray[np.float64]:
    """The columns of the wanted nodes; infinite where a node is out of reach."""
    column = np.minimum(np.searchsorted(nodes, wanted), len(nodes) - 1)
    return np.where(nodes[column] == wanted, by_node[:, column], math.inf)


# ---------------------------------------------------------------------- every way that does not turn back


def _discontinuous(
    network: Network, places: OnNetwork, lixels: Lixels, bandwidth: float, progress: Progress
) -> NDArray[np.float64]:
    # Each edge is gone along in two directions: number e from its first end to its second, e + edges the other way.
    edges = len(network.lengths)
    steps = min(_MOST_STEPS, _MAX_NUMBERS // (2 * edges))
    if steps < _LEAST_STEPS:
        raise NetworkError(f"The network has {edges:,} streets, too many to add ways up on: choose a smaller area.")
    step = bandwidth / steps
    start, stop = (np.concatenate(pair) for pair in (network.ends.T, network.ends.T[::-1]))
    length = np.maximum(np.tile(network.lengths, 2) / step, 1.0)
    degrees = network.degrees()
    # What comes to a way's beginning and its end, by how far from the incident; all incidents in one, as sums are.
    entering = np.zeros((steps + 1, 2 * edges))
    arriving = np.zeros((steps + 1, 2 * edges))
    values = np.zeros(len(lixels.edge))
    busy = _by_edge(places)
    for edge, along, weights in busy:
        pieces = slice(int(lixels.first_of[edge]), int(lixels.first_of[edge + 1]))
        apart = np.abs(lixels.middles[pieces][None, :] - along[:, None])
        values[pieces] += weights @ _kernel(apart, bandwidth)
        for way, gone in ((edge, network.lengths[edge] - along), (edge + edges, along)):
            _put(arriving, np.full(len(gone), way), gone / step, weights)
    whole = np.floor(length).astype(np.int64)
    ways, turned = np.arange(2 * edges), np.concatenate([np.arange(edges, 2 * edges), np.arange(edges)])
    others = np.maximum(degrees[stop] - 1, 1)
    for now in range(steps):
        if now % 8 == 0:
            progress(now, 2 * steps)
        come = arriving[now]
        if not come.any():
            continue
        # A node hands on what came by all ways, each way's share going to all but back along itself.
        share = np.where(degrees[stop] > 1, come / others, 0.0)
        at_node = np.bincount(stop, share, minlength=network.nodes)
        leaving = at_node[start] - share[turned]
        entering[now] = np.maximum(leaving, 0.0)  # a difference of equals may fall below nought by a hair
        going = ways[(entering[now] > 0) & (now + whole <= steps)]
        _put(arriving, going, now + length[going], entering[now][going])
    return values + _along_ways(network, lixels, entering, bandwidth, progress)


def _put(
    table: NDArray[np.float64], ways: NDArray[np.int64], at: NDArray[np.float64], amounts: NDArray[np.float64]
) -> None:
    """Share each amount out between the two steps that its distance lies between; what lies beyond is let go."""
    last = len(table) - 1
    low = np.floor(at).astype(np.int64)
    upper = at - low
    for row, part in ((low, (1 - upper) * amounts), (low + 1, upper * amounts)):
        inside = row <= last
        np.add.at(table, (row[inside], ways[inside]), part[inside])


def _along_ways(
    network: Network, lixels: Lixels, entering: NDArray[np.float64], bandwidth: float, progress: Progress
) -> NDArray[np.float64]:
    """What comes in at both ends of each edge, at the middles of its lixels."""
    edges, steps = len(network.lengths), len(entering) - 1
    far = np.arange(steps + 1) * (bandwidth / steps)
    values = np.zeros(len(lixels.edge))
    middles = lixels.middles
    chunk = max(1, _AT_ONCE // (steps + 1))
    for begin in range(0, len(middles), chunk):
        progress(steps + steps * begin // len(middles), 2 * steps)
        part = slice(begin, begin + chunk)
        edge = lixels.edge[part]
        for way, gone in ((edge, middles[part]), (edge + edges, network.lengths[edge] - middles[part])):
            values[part] += np.einsum("ij,ji->i", _kernel(gone[:, None] + far, bandwidth), entering[:, way])
    progress(2 * steps, 2 * steps)
    return values
